"""Fixtures: a headless Chromium, a broker, and a daemon that plays the bundled clip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from daemon import PATIENCE, Broker, Daemon, until

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = "/usr/bin/chromium"

# Only this machine can be reached, regardless of what a page or the browser itself requests.
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="session")
def program() -> Path:
    """Return the program under test."""
    return Path(os.environ["AFFECTD"]).resolve()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start a broker."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def daemon(program: Path, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Start a daemon on the bundled clip, with the broker."""
    daemon = Daemon(program, tmp_path_factory.mktemp("daemon"), broker)
    yield daemon
    daemon.stop()


@pytest.fixture(autouse=True)
def privacy_off(daemon: Daemon, broker: Broker) -> Iterator[None]:
    """Leave privacy off for the next test, even after a failure."""
    yield
    if daemon.view()["privacy"]["on"]:
        broker.publish("affectd/kiosk-7/privacy/set", "OFF")
        until("privacy is off", lambda: not daemon.view()["privacy"]["on"])


class Visitor:
    """A page in a browser, and the errors on it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.errors: list[str] = []
        self.addresses: set[str] = set()
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.addresses.add(request.url))

    def open(self, address: str) -> Page:
        """Open an address and wait until figures are live."""
        self.page.goto(address)
        self.page.wait_for_selector("#status[data-state=live]")
        return self.page


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Open a browser window."""
    context = browser.new_context(viewport={"width": 1280, "height": 960})
    yield Visitor(context)
    context.close()
