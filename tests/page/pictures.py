"""Write the screenshots of the documentation.

AFFECTD=PROGRAM tests/page/pictures.py FOLDER

The three for aiming show composed scenes: one public-domain portrait (tests/data/pictures) in front of a
plain wall, too small, too dark, and right.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageEnhance
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import ARGUMENTS, CHROMIUM
from daemon import PATIENCE, ROOT, Broker, Console, Daemon, until

PORTRAIT = ROOT / "tests/data/pictures/grace_hopper.jpg"
SIZE = (640, 480)

# Colours of a picture, which takes about 100 KB with an optimized palette.
COLOURS = 255


def scene(height: int, brightness: float) -> Image.Image:
    """Put the portrait, `height` pixels high, in front of a wall."""
    # Grain as from a camera: a flat wall would compress to nothing and would not look like one.
    grain = random.Random(1)
    wall = Image.new("L", SIZE)
    wall.putdata(
        [
            150 + grain.randrange(-6, 7) + 30 * (index % SIZE[0]) // SIZE[0]
            for index in range(SIZE[0] * SIZE[1])
        ]
    )
    picture = Image.merge("RGB", [wall, wall, wall])
    with Image.open(PORTRAIT) as portrait:
        width = round(portrait.width * height / portrait.height)
        person = portrait.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    picture.paste(person, ((SIZE[0] - width) // 2, min(SIZE[1] - height, 200)))
    return ImageEnhance.Brightness(picture).enhance(brightness)


SCENES = {
    "aim-too-far": scene(72, 1.0),
    "aim-too-dark": scene(400, 0.16),
    "aim-right": scene(400, 1.0),
}

# The heading on the page when the scene is judged correctly.
TITLES = {"aim-too-far": "Too far away", "aim-too-dark": "Too dark", "aim-right": "Good"}


def save(page: Page, path: Path, **options: object) -> None:
    """Take a screenshot and reduce its colours."""
    page.screenshot(path=path, **options)  # type: ignore[arg-type]
    with Image.open(path) as shot:
        small = shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} KB")  # noqa: T201


def open_page(browser: Browser, address: str, scheme: str, width: int, height: int) -> Page:
    """Open a page and wait until its figures are live."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    page.wait_for_selector("#status[data-state=live]")
    return page


def aiming(browser: Browser, program: Path, folder: Path) -> None:
    """Show the three scenes as seen when aiming with the picture."""
    for name, picture in SCENES.items():
        with tempfile.TemporaryDirectory() as place:
            still = Path(place) / "scene.png"
            picture.save(still)
            daemon = Daemon(program, Path(place), pictures=still)
            console = Console(daemon, "--preview")
            page = open_page(browser, console.address(), "light", 1080, 840)
            until("the picture", lambda page=page: page.evaluate("picture.naturalWidth > 0"))  # type: ignore[misc]
            page.get_by_role("heading", name=TITLES[name]).wait_for()
            page.wait_for_timeout(3000)
            save(page, folder / f"{name}.png", clip={"x": 0, "y": 0, "width": 1080, "height": 840})
            page.context.close()
            console.stop()
            daemon.stop()


def live_page(browser: Browser, program: Path, folder: Path) -> None:
    """Show the whole page while the bundled clip is played, light and dark."""
    with tempfile.TemporaryDirectory() as place:
        broker = Broker(Path(place))
        daemon = Daemon(program, Path(place), broker)
        pages = {
            "page-light": open_page(browser, daemon.url, "light", 1280, 960),
            "page-dark": open_page(browser, daemon.url, "dark", 1280, 960),
            "page-phone": open_page(browser, daemon.url, "dark", 390, 844),
        }
        # Wait a minute, so the band is full.
        next(iter(pages.values())).wait_for_timeout(62_000)
        for name, page in pages.items():
            # Not while a face enters or leaves the frame.
            page.get_by_role("heading", name=TITLES["aim-right"]).wait_for()
            save(page, folder / f"{name}.png", full_page=name != "page-phone")
        daemon.stop()
        broker.stop()


def main() -> None:
    """Write every screenshot."""
    program, folder = Path(os.environ["AFFECTD"]).resolve(), Path(sys.argv[1])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        aiming(browser, program, folder)
        live_page(browser, program, folder)
        browser.close()


if __name__ == "__main__":
    main()
