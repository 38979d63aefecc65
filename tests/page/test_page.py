"""The live page in a real browser, against a daemon that plays the bundled clip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from daemon import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from conftest import Visitor
    from daemon import Broker, Daemon

PRIVACY = "affectd/kiosk-7/privacy"

# Everything about people.
SEEN = "#outlines .box, #outlines .landmark, #faces > li, #circumplex .point, #minute rect, #legend > li"


# Attempts at something that a busy machine may delay.
TRIES = 5


def wait_for_a_face(page: Page) -> None:
    """Wait for an outline and the card that belongs to it."""
    page.wait_for_selector("#outlines .box", state="attached")
    page.wait_for_selector("#faces > li .bars .fill", state="attached")


def wait(page: Page, condition: str, argument: object = None) -> None:
    """Wait until an expression holds. The page's policy forbids what Playwright's own function needs."""
    until(condition, lambda: page.evaluate(condition, argument))


def audit(page: Page) -> list[str]:
    """Return the violations that axe-core finds."""
    violations = Axe().run(page).response["violations"]
    return [f"{found['id']}: {[node['target'] for node in found['nodes']]}" for found in violations]


def test_the_page_follows_the_clip(visitor: Visitor, daemon: Daemon, broker: Broker) -> None:
    """The outlines that are drawn are the boxes that are published, within 2 % of the frame."""
    page = visitor.open(daemon.url)
    wait_for_a_face(page)
    drawn: list[list[Any]] = []

    def shows_both_portraits() -> bool:
        drawn.extend(
            page.evaluate(
                """() => {
                  const frame = document.getElementById("frame").getBoundingClientRect();
                  return [...document.querySelectorAll("#outlines .box")].map((box) => {
                    const { x, y, width, height } = box.getBoundingClientRect();
                    const place = [(x - frame.x) / frame.width, (y - frame.y) / frame.height];
                    return [box.parentNode.dataset.key, ...place, width / frame.width, height / frame.height];
                  });
                }"""
            )
        )
        return len(drawn) > 200 and len({track for track, *_ in drawn}) >= 2

    until("both portraits of the clip are drawn", shows_both_portraits)
    published: dict[str, list[list[float]]] = {}
    for _, topic, payload in broker.messages(r"affectd/kiosk-7/face/\d+"):
        published.setdefault(topic.rpartition("/")[2], []).append(json.loads(payload)["box"])

    def is_published(track: str, box: list[float]) -> bool:
        boxes = published.get(track, [])
        return any(all(abs(a - b) <= 0.02 for a, b in zip(box, other, strict=True)) for other in boxes)

    missing = [box for track, *box in drawn if not is_published(track, box)]
    assert not missing, f"{len(missing)} of {len(drawn)}"
    assert visitor.errors == []


def test_nothing_is_asked_of_other_machines(visitor: Visitor, daemon: Daemon) -> None:
    """Every request goes to the daemon."""
    page = visitor.open(daemon.url)
    wait_for_a_face(page)
    page.wait_for_timeout(2000)
    assert visitor.addresses
    assert all(address.startswith(daemon.url) for address in visitor.addresses), visitor.addresses
    assert page.locator("#picture").is_hidden()
    assert visitor.errors == []


def test_every_figure_is_shown(visitor: Visitor, daemon: Daemon) -> None:
    """The daemon's figures are on the page as text."""
    page = visitor.open(daemon.url)
    wait_for_a_face(page)
    view = daemon.view()
    assert page.locator("#device").inner_text() == view["device"]
    assert page.title() == "kiosk-7: affectd"
    assert view["camera"]["reason"] in page.locator("#camera").inner_text()
    assert "connected" in page.locator("#mqtt").inner_text()
    rows = page.locator("#latency tbody tr")
    until("every stage is shown", lambda: rows.count() == len(daemon.view()["stages"]))
    card = page.locator("#faces > li").first.inner_text()
    for text in ("Width", "Model needs", "Distance, about", "Attending", "Valence", "Arousal", "Quality"):
        assert text in card
    for text in ("Size", "Focus", "Frontal", "Light", "In frame"):
        assert text in card, "a part of the quality"
    assert page.locator("#gauge-light [role=meter]").get_attribute("aria-valuetext")
    label = page.locator("#outlines").get_attribute("aria-label") or ""
    assert "from the left" in label
    untranslated = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) => element.children.length === 0)
          .map((element) => element.textContent).filter((text) => /^[a-z_]+(\\.[a-z_]+)+$/.test(text))"""
    )
    assert untranslated == []


def test_the_page_comes_back_after_a_restart(visitor: Visitor, daemon: Daemon) -> None:
    """The page reports that the daemon is gone, removes what it showed, and reconnects by itself."""
    page = visitor.open(daemon.url)
    wait_for_a_face(page)
    daemon.stop()
    page.wait_for_selector("#status[data-state=gone]")
    page.wait_for_selector("#advice[data-level=stop]")
    assert page.locator(SEEN).count() == 0
    assert page.locator("#privacy").is_disabled()
    daemon.start()
    page.wait_for_selector("#status[data-state=live]")
    wait_for_a_face(page)
    # Chromium logs a line for each connection that is refused; nothing else is allowed.
    assert all("ERR_CONNECTION_REFUSED" in error or "ERR_INCOMPLETE" in error for error in visitor.errors)


def seconds_until_blank(page: Page, broker: Broker) -> float:
    """Turn privacy on; return the time from the daemon's message to the moment when nothing is shown."""
    wait_for_a_face(page)
    page.evaluate(
        """(seen) => {
          window.blankAt = null;
          const look = () => {
            if (document.querySelector(seen)) requestAnimationFrame(look);
            else window.blankAt = Date.now() / 1000;
          };
          look();
        }""",
        SEEN,
    )
    broker.publish(f"{PRIVACY}/set", "ON")
    wait(page, "window.blankAt")
    said = next(moment for moment, _, word in reversed(list(broker.messages(PRIVACY))) if word == "ON")
    return float(page.evaluate("window.blankAt")) - said


def test_privacy_blanks_the_page_within_a_second(visitor: Visitor, daemon: Daemon, broker: Broker) -> None:
    """Everything seen is gone one second after the daemon has reported that privacy is on."""
    page = visitor.open(daemon.url)
    # A busy machine may delay some attempts.
    for _ in range(TRIES):
        if seconds_until_blank(page, broker) < 1.0:
            break
        broker.publish(f"{PRIVACY}/set", "OFF")
    else:
        pytest.fail(f"it took more than a second {TRIES} times")
    page.wait_for_selector("#advice[data-level=stop]")
    assert "Privacy is on" in page.locator("#advice-title").inner_text()
    assert page.locator("#privacy").is_disabled(), "it can be taken back only where it was commanded"
    assert audit(page) == []
    broker.publish(f"{PRIVACY}/set", "OFF")
    wait_for_a_face(page)
    assert visitor.errors == []


def test_the_privacy_button_works_with_the_keyboard(visitor: Visitor, daemon: Daemon, broker: Broker) -> None:
    """Tab reaches the button, which commands privacy, also at the broker, and revokes it."""
    page = visitor.open(daemon.url)
    wait_for_a_face(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "privacy"
    page.keyboard.press("Enter")
    page.wait_for_selector("#privacy[aria-pressed=true]:enabled")
    wait(page, "(seen) => !document.querySelector(seen)", SEEN)
    assert broker.last(PRIVACY) == "ON"
    assert page.evaluate("document.activeElement.id") == "privacy", "the focus stays"
    page.keyboard.press("Enter")
    wait_for_a_face(page)
    assert broker.last(PRIVACY) == "OFF"
    assert visitor.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 960), (860, 700), (390, 844), (320, 640)])
def test_everybody_can_use_it(browser: Browser, daemon: Daemon, scheme: Any, width: int, height: int) -> None:
    """No accessibility violation and no horizontal overflow, on a desktop and on a phone."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(daemon.url)
    wait_for_a_face(page)
    assert audit(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """() => [...document.querySelectorAll("button:not([hidden])")]
          .map((button) => button.getBoundingClientRect().height)
          .filter((height) => height > 0 && height < 44).length"""
    )
    assert small == 0, "a finger needs 44 pixels"
    context.close()


def test_a_screen_reader_hears_only_what_matters(visitor: Visitor, daemon: Daemon) -> None:
    """The only live region changes with the advice, not with every frame."""
    page = visitor.open(daemon.url)
    wait_for_a_face(page)
    changes = page.evaluate(
        """async () => {
          let changes = 0;
          const regions = document.querySelectorAll("[role=status], [aria-live]");
          const observer = new MutationObserver((found) => { changes += found.length; });
          const options = { childList: true, characterData: true, subtree: true };
          for (const region of regions) observer.observe(region, options);
          await new Promise((resolve) => setTimeout(resolve, 6000));
          return changes / regions.length;
        }"""
    )
    assert changes <= 3, "views arrive five times a second"
