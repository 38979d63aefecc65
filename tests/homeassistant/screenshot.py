"""A picture of the device's page, taken with a headless browser through its debugging protocol."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import aiohttp

from parts import HomeAssistant, until

PORT = 9222
SIZE = (1280, 1100)


async def screenshot(home: HomeAssistant, file: Path) -> None:
    """Log in by the token, open the page, and write a PNG."""
    registry = await home.call("config/device_registry/list")
    device = next(device for device in registry if device["name"] == "affectd lobby")
    command = ["chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "about:blank"]
    command += [f"--remote-debugging-port={PORT}", f"--window-size={SIZE[0]},{SIZE[1]}", "--user-data-dir=/tmp/browser"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    try:
        page = await Page.open(home.session)
        tokens = {**home.tokens, "hassUrl": home.URL, "clientId": home.CLIENT, "expires": 1 << 52}
        # The storage belongs to the page's origin, so a page of that origin must be open.
        await page.go(f"{home.URL}/manifest.json")
        await page.evaluate(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})")
        await page.go(f"{home.URL}/config/devices/device/{device['id']}")
        # The page draws itself piece by piece and has no mark at its end.
        await asyncio.sleep(20)
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

    async def go(self, url: str) -> None:
        """Open another address."""
        await self.call("Page.navigate", url=url)
        await asyncio.sleep(2)

    async def evaluate(self, script: str) -> None:
        """Run a script in the page."""
        await self.call("Runtime.evaluate", expression=script)
