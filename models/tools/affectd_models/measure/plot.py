"""Draw the two plots of a model card from the output of `affectd model eval NAME CSV --json`.

    affectd-models plot --figures NAME.json --out models/NAME

writes models/NAME.confusion.svg and models/NAME.circumplex.svg. The plots contain sums only: no face can be
recovered from them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from affectd_models.errors import InvalidInput
from affectd_models.faces import ferplus

FONT = 'font-family="sans-serif" font-size="12"'
# One for each category; distinguishable with a red-green colour vision deficiency (after Okabe and Ito).
COLOURS = ["#555555", "#e69f00", "#0072b2", "#56b4e9", "#cc79a7", "#009e73", "#d55e00", "#8b6914"]

Category = dict[str, Any]
# (valence, arousal) -> pixels of the plot.
ToPixels = Callable[[float, float], tuple[float, float]]


def main(argv: Sequence[str] | None = None) -> None:
    """Write both plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="path of the model, without an extension")
    args = parser.parse_args(argv)
    try:
        categories = json.loads(args.figures.read_text())["categories"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{args.figures}: not the output of `affectd model eval --json` ({error})"
        ) from error
    for kind, draw in (("confusion", confusion), ("circumplex", circumplex)):
        args.out.with_name(f"{args.out.name}.{kind}.svg").write_text(draw(categories))


def svg(width: float, height: float, elements: Sequence[str]) -> str:
    """An SVG document of `width` by `height` pixels with a white background."""
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} {FONT}>'
    background = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, background, *elements, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, anchor: str = "middle", attributes: str = "") -> str:
    """A text element at a position in pixels."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {attributes}>{content}</text>'


def confusion(categories: Sequence[Category]) -> str:
    """The confusion matrix: one row for each labelled category, shaded by the share of each prediction."""
    left, top, cell = 90, 50, 56
    names = ferplus.CATEGORIES
    elements = [text(left + cell * len(names) / 2, 16, "predicted")]
    elements += [text(left + (i + 0.5) * cell, top - 10, name) for i, name in enumerate(names)]
    for row, category in enumerate(categories):
        y = top + row * cell
        count = f"n = {category['n']}"
        elements.append(text(left - 8, y + cell / 2 - 2, category["category"], "end"))
        elements.append(text(left - 8, y + cell / 2 + 13, count, "end", 'fill="#777777" font-size="10"'))
        for column, predicted in enumerate(category["predicted"]):
            share = predicted / max(1, category["n"])
            x = left + column * cell
            light = round(255 - 200 * share)
            fill = f'fill="rgb({light},{light},255)" stroke="white"'
            elements.append(f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" {fill}/>')
            colour = "white" if share > 0.6 else "black"
            label = f"{100 * share:.0f} %"
            elements.append(text(x + cell / 2, y + cell / 2 + 4, label, attributes=f'fill="{colour}"'))
    return svg(left + cell * len(names) + 10, top + cell * len(categories) + 10, elements)


def circumplex(categories: Sequence[Category]) -> str:
    """The mean label of each category, and an ellipse of one standard deviation of its predictions."""
    middle, unit = 230, 200

    def to_pixels(valence: float, arousal: float) -> tuple[float, float]:
        return middle + unit * valence, middle - unit * arousal

    elements = [f'<circle cx="{middle}" cy="{middle}" r="{unit}" fill="none" stroke="#cccccc"/>']
    for x1, y1, x2, y2 in ((-1, 0, 1, 0), (0, -1, 0, 1)):
        (a, b), (c, d) = to_pixels(x1, y1), to_pixels(x2, y2)
        elements.append(f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" stroke="#cccccc"/>')
    elements.append(text(middle + unit + 24, middle - 6, "pleasant"))
    elements.append(text(middle, middle - unit - 8, "excited"))
    for row, category in enumerate(categories):
        predicted, labelled = category["predicted_circumplex"], category["labelled_circumplex"]
        if predicted is None:
            continue
        colour = COLOURS[ferplus.CATEGORIES.index(category["category"])]
        elements.append(ellipse(predicted, to_pixels, unit, colour))
        x, y = to_pixels(labelled["valence"], labelled["arousal"])
        cross = f"M{x - 5:.1f} {y:.1f}h10M{x:.1f} {y - 5:.1f}v10"
        elements.append(f'<path d="{cross}" stroke="{colour}" stroke-width="2.5"/>')
        elements.append(f'<rect x="490" y="{40 + 24 * row}" width="14" height="14" fill="{colour}"/>')
        elements.append(text(512, 52 + 24 * row, category["category"], "start"))
    key_y = 52 + 24 * len(categories)
    elements.append(text(490, key_y, "cross: mean label", "start", 'fill="#777777"'))
    elements.append(text(490, key_y + 18, "ellipse: predicted, one deviation", "start", 'fill="#777777"'))
    return svg(660, 2 * middle, elements)


def ellipse(moments: Category, to_pixels: ToPixels, unit: float, colour: str) -> str:
    """The ellipse of one standard deviation about the mean of the predictions; `unit` is 1 in pixels."""
    a, b = moments["valence_deviation"], moments["arousal_deviation"]
    covariance = moments["correlation"] * a * b
    angle = 0.5 * math.atan2(2 * covariance, a * a - b * b)
    # The eigenvalues of the covariance matrix are the mean of the variances plus and minus this difference.
    mean, difference = (a * a + b * b) / 2, math.hypot((a * a - b * b) / 2, covariance)
    long, short = math.sqrt(mean + difference), math.sqrt(max(0.0, mean - difference))
    x, y = to_pixels(moments["valence"], moments["arousal"])
    return (
        f'<ellipse rx="{unit * long:.1f}" ry="{unit * short:.1f}" '
        f'fill="{colour}" fill-opacity="0.2" stroke="{colour}" '
        f'transform="translate({x:.1f} {y:.1f}) rotate({-math.degrees(angle):.1f})"/>'
    )
