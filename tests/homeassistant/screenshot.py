"""A picture of the device's page, taken with a headless browser through its debugging protocol."""

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import aiohttp

from parts import PATIENCE, CheckError, HomeAssistant, until

PORT = 9222
# Whether the page has its last card; Home Assistant's elements hide their contents in shadow roots.
DRAWN = """(function shows(node) {
    const parts = [...node.querySelectorAll("*")];
    return node.textContent.includes("Mean visit")
        || parts.some(part => part.shadowRoot && shows(part.shadowRoot));
})(document.body)"""
SIZE = (1280, 1500)


async def screenshot(home: HomeAssistant, file: Path) -> None:
    """Log in with the token, open the page, and write a PNG."""
    registry = await home.call("config/device_registry/list")
    device = next(device for device in registry if device["name"] == "affectd lobby")
    command = ["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "about:blank"]
    command += [f"--remote-debugging-port={PORT}", f"--window-size={SIZE[0]},{SIZE[1]}", "--user-data-dir=/tmp/browser"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    try:
        page = await Page.open(home.session)
        tokens = {**home.tokens, "hassUrl": home.URL, "clientId": home.CLIENT, "expires": 1 << 52}
        # The storage belongs to the page's origin, so a page of that origin must be open.
        await page.call("Page.navigate", url=f"{home.URL}/manifest.json")
        await page.until(f"location.origin == '{home.URL}'")
        await page.evaluate(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})")
        await page.call("Page.navigate", url=f"{home.URL}/config/devices/device/{device['id']}")
        try:
            await page.until(DRAWN)
            # Icons and the logbook load later, and nothing signals their completion.
            await asyncio.sleep(5)
            await until("a happy face", lambda: home.state("sensor.affectd_lobby_expression") == "happiness")
            await asyncio.sleep(1)
        finally:
            # If the page was not drawn, the picture shows why.
            picture = await page.call("Page.captureScreenshot", format="png")
            file.write_bytes(base64.b64decode(picture["data"]))
    finally:
        process.kill()
        await process.wait()


class Page:
    """A page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.number = 0

    @classmethod
    async def open(cls, session: aiohttp.ClientSession) -> "Page":
        """Wait for the browser, and attach to its first page."""
        pages: list[dict[str, Any]] = []
        for _ in range(300):
            try:
                async with session.get(f"http://127.0.0.1:{PORT}/json") as response:
                    pages = [page for page in await response.json() if page["type"] == "page"]
            except aiohttp.ClientError:
                pass
            if pages:
                break
            await asyncio.sleep(0.2)
        await until("a page of the browser", lambda: pages, 1)
        return cls(await session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0))

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the debugging protocol."""
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        while True:
            message: dict[str, Any] = await self.socket.receive_json()
            if message.get("id") == self.number:
                result: dict[str, Any] = message.get("result", {})
                return result

    async def evaluate(self, script: str) -> Any:
        """Run a script in the page, and return its value; None if it fails."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer.get("result", {}).get("value")

    async def until(self, script: str) -> None:
        """Wait until a script returns true."""
        begin = time.monotonic()
        while await self.evaluate(script) is not True:
            if time.monotonic() - begin > PATIENCE:
                raise CheckError(f"waited in vain for {PATIENCE:.0f} s in the browser: {script}")
            await asyncio.sleep(0.5)
