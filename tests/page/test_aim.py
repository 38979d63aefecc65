"""`affectd aim` in a real browser: what the code opens, and that nothing is shown without it."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from daemon import Console, until
from test_page import PRIVACY, SEEN, audit, wait, wait_for_a_face

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from conftest import Visitor
    from daemon import Broker, Daemon

# The picture has arrived and is shown.
SHOWN = "() => { const p = document.getElementById('picture'); return !p.hidden && p.naturalWidth > 0; }"


@pytest.fixture
def console(daemon: Daemon) -> Iterator[Console]:
    """Run the command with the picture."""
    console = Console(daemon, "--preview")
    yield console
    console.stop()


def status(address: str) -> int:
    """Return the status of the response to a visitor without a cookie."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def shows_nothing(page: Page) -> None:
    """Check that there is only the form for the code."""
    page.wait_for_selector("#code-input")
    assert page.locator("#live").is_hidden()
    assert page.locator(SEEN).count() == 0
    assert page.locator("#picture").is_hidden()


def test_the_code_opens_the_page_with_the_picture(visitor: Visitor, daemon: Daemon, console: Console) -> None:
    """The picture is shown, 480 pixels wide, and the log says when it began and ended."""
    page = visitor.open(console.address())
    wait_for_a_face(page)
    wait(page, "() => picture.naturalWidth === 480 && picture.naturalHeight === 360 && !picture.hidden")
    assert "#code" not in page.url
    assert "being sent" in page.locator("#aim").inner_text()
    until("the console hears of it", lambda: "picture is being sent" in console.text())
    assert audit(page) == []
    page.reload()
    wait(page, SHOWN)
    assert visitor.errors == []

    console.stop()
    page.wait_for_selector("#status[data-state=gone]")
    page.wait_for_selector("#advice[data-level=stop]")
    assert page.locator("#picture").is_hidden()
    for line in ("aiming began", "picture is being sent", "picture is no longer sent", "aiming ended"):
        until(f"the log says that {line}", lambda line=line: line in daemon.log_text())  # type: ignore[misc]
    assert console.code() not in daemon.log_text()


def test_without_the_code_there_is_nothing(visitor: Visitor, console: Console) -> None:
    """No request for figures or pictures is answered, and a code that was used opens nothing."""
    page = visitor.page
    page.goto(console.page())
    shows_nothing(page)
    assert audit(page) == []
    for path in ("events", "aim/picture", "healthz", "readyz"):
        assert status(console.page() + path) == 403, path

    page.fill("#code-input", "0000-0000")
    page.click("#code button")
    wait(page, "document.getElementById('code-error').textContent")
    shows_nothing(page)
    page.wait_for_timeout(1100)
    page.fill("#code-input", console.code().lower())
    page.click("#code button")
    wait_for_a_face(page)

    page.context.clear_cookies()
    page.goto("about:blank")
    # One attempt a second is accepted.
    page.wait_for_timeout(1100)
    page.goto(console.address())
    shows_nothing(page)
    assert "not valid" in page.locator("#code-error").inner_text()


def test_a_code_of_an_ended_session_shows_nothing(visitor: Visitor, daemon: Daemon, console: Console) -> None:
    """A later session has another code and another cookie."""
    page = visitor.open(console.address())
    wait_for_a_face(page)
    old = console.code()
    console.stop()
    page.wait_for_selector("#status[data-state=gone]")
    later = Console(daemon)
    page.goto("about:blank")
    page.goto(f"{later.page()}#code={old}")
    shows_nothing(page)
    later.stop()


def test_privacy_ends_the_picture_for_good(visitor: Visitor, broker: Broker, console: Console) -> None:
    """Only the console can restart it; the page continues with outlines."""
    page = visitor.open(console.address())
    wait(page, SHOWN)
    broker.publish(f"{PRIVACY}/set", "ON")
    page.wait_for_selector("#picture", state="hidden")
    page.wait_for_selector("#advice[data-level=stop]")
    broker.publish(f"{PRIVACY}/set", "OFF")
    wait_for_a_face(page)
    page.wait_for_timeout(3000)
    assert page.locator("#picture").is_hidden()
    assert visitor.errors == []


def test_no_picture_is_opened_while_privacy_is_on(daemon: Daemon, broker: Broker) -> None:
    """The command prints the reason."""
    broker.publish(f"{PRIVACY}/set", "ON")
    until("privacy is on", lambda: daemon.view()["privacy"]["on"])
    console = Console(daemon, "--preview")
    assert "no picture can be shown: privacy was turned on by a command" in console.text()
    console.stop()
    broker.publish(f"{PRIVACY}/set", "OFF")
    until("privacy is off", lambda: not daemon.view()["privacy"]["on"])
