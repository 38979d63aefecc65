"""Draw a card's two plots from what `affectd model eval NAME CSV --json` printed.

    python models/tools/plot.py --figures NAME.json --out models/NAME

writes models/NAME.confusion.svg and models/NAME.circumplex.svg, from sums alone: no face can be told from them.
"""

import argparse
import json
import math
from pathlib import Path

import ferplus

FONT = 'font-family="sans-serif" font-size="12"'
# By category; told apart by people who do not see red or green as well (after Okabe and Ito).
COLOURS = ["#555555", "#e69f00", "#0072b2", "#56b4e9", "#cc79a7", "#009e73", "#d55e00", "#8b6914"]


def main():
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="path of the model, without an extension")
    args = parser.parse_args()
    categories = json.loads(args.figures.read_text())["categories"]
    for kind, draw in (("confusion", confusion), ("circumplex", circumplex)):
        args.out.with_name(f"{args.out.name}.{kind}.svg").write_text(draw(categories))


def svg(width, height, parts):
    """A picture on white."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" {FONT}>'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>"]) + "\n"


def text(x, y, words, anchor="middle", more=""):
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{words}</text>'


def confusion(categories):
    """A square for each pair of true and told category, as dark as its share of the row."""
    left, top, cell = 90, 50, 56
    names = ferplus.CATEGORIES
    parts = [text(left + cell * len(names) / 2, 16, "told")]
    parts += [text(left + (i + 0.5) * cell, top - 10, name) for i, name in enumerate(names)]
    for row, category in enumerate(categories):
        y = top + row * cell
        parts.append(text(left - 8, y + cell / 2 - 2, category["category"], "end"))
        parts.append(text(left - 8, y + cell / 2 + 13, f"n = {category['n']}", "end", 'fill="#777777" font-size="10"'))
        for column, count in enumerate(category["predicted"]):
            share = count / max(1, category["n"])
            x = left + column * cell
            light = round(255 - 200 * share)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="rgb({light},{light},255)" stroke="white"/>'
            )
            colour = "white" if share > 0.6 else "black"
            parts.append(text(x + cell / 2, y + cell / 2 + 4, f"{100 * share:.0f} %", more=f'fill="{colour}"'))
    return svg(left + cell * len(names) + 10, top + cell * len(categories) + 10, parts)


def circumplex(categories):
    """Of each true category: where its labels lie on average, and an ellipse of one deviation of what is told."""
    middle, unit = 230, 200

    def place(valence, arousal):
        return middle + unit * valence, middle - unit * arousal

    parts = [f'<circle cx="{middle}" cy="{middle}" r="{unit}" fill="none" stroke="#cccccc"/>']
    for x1, y1, x2, y2 in ((-1, 0, 1, 0), (0, -1, 0, 1)):
        (a, b), (c, d) = place(x1, y1), place(x2, y2)
        parts.append(f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" stroke="#cccccc"/>')
    parts.append(text(middle + unit + 24, middle - 6, "pleasant"))
    parts.append(text(middle, middle - unit - 8, "excited"))
    for row, category in enumerate(categories):
        told, labelled = category["predicted_circumplex"], category["labelled_circumplex"]
        if told is None:
            continue
        colour = COLOURS[ferplus.CATEGORIES.index(category["category"])]
        parts.append(ellipse(told, place, unit, colour))
        x, y = place(labelled["valence"], labelled["arousal"])
        parts.append(f'<path d="M{x - 5:.1f} {y:.1f}h10M{x:.1f} {y - 5:.1f}v10" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<rect x="490" y="{40 + 24 * row}" width="14" height="14" fill="{colour}"/>')
        parts.append(text(512, 52 + 24 * row, category["category"], "start"))
    parts.append(text(490, 52 + 24 * len(categories), "cross: mean label", "start", 'fill="#777777"'))
    parts.append(text(490, 70 + 24 * len(categories), "ellipse: told, one deviation", "start", 'fill="#777777"'))
    return svg(660, 2 * middle, parts)


def ellipse(told, place, unit, colour):
    """The ellipse of one deviation about the mean."""
    a, b = told["valence_deviation"], told["arousal_deviation"]
    covariance = told["correlation"] * a * b
    turn = 0.5 * math.atan2(2 * covariance, a * a - b * b)
    half, rest = (a * a + b * b) / 2, math.hypot((a * a - b * b) / 2, covariance)
    long, short = math.sqrt(half + rest), math.sqrt(max(0.0, half - rest))
    x, y = place(told["valence"], told["arousal"])
    return (
        f'<ellipse rx="{unit * long:.1f}" ry="{unit * short:.1f}" fill="{colour}" fill-opacity="0.2" stroke="{colour}" '
        f'transform="translate({x:.1f} {y:.1f}) rotate({-math.degrees(turn):.1f})"/>'
    )


if __name__ == "__main__":
    main()
