"""The parts of the tier: a broker, the daemon, and Home Assistant with its API."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

REPOSITORY = Path("/repository")
EXAMPLES = REPOSITORY / "docs/examples"
CLIP = REPOSITORY / "src/measure/clip/two-portraits.mjpeg"
PORT = 1883

# Generous, because a shared machine may be slow; a passing check never waits this long.
PATIENCE = 300.0


class CheckError(Exception):
    """An expectation that was not met."""


async def until(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> float:
    """Wait until `condition` holds, and return the seconds that it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > patience:
            raise CheckError(f"waited in vain for {patience:.0f} s: {what}")
        await asyncio.sleep(0.05)
    return time.monotonic() - begin


class Program:
    """A child process that can be started again."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.command = command
        self.environment = {**os.environ, **(environment or {})}
        self.log = Path(f"/tmp/{name}.log")
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> None:
        """Start it; its output is appended to its log."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, *arguments, stdout=log, stderr=log, env=self.environment
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process
        self.process.send_signal(number)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it, and return its exit status."""
        assert self.process
        if self.process.returncode is None:
            self.send(number)
        return await self.process.wait()


class Broker(Program):
    """mosquitto on loopback. It keeps retained messages across restarts, as an installed one does."""

    def __init__(self) -> None:
        folder = Path("/tmp/broker")
        folder.mkdir()
        config = folder / "mosquitto.conf"
        config.write_text(
            f"user root\nlistener {PORT} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
        )
        super().__init__("broker", ["mosquitto", "-c", str(config)])

    async def messages(self, topic: str, *arguments: str) -> list[str]:
        """Return the lines of mosquitto_sub."""
        command = ["mosquitto_sub", "-p", str(PORT), "-t", topic, *arguments]
        # It exits with a timeout and prints a message about it.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        output, _ = await process.communicate()
        return output.decode().splitlines()

    async def retained(self, topic: str) -> dict[str, str]:
        """Return the retained messages by topic."""
        lines = await self.messages(topic, "--retained-only", "-F", "%t %p", "-W", "3")
        pairs = [line.partition(" ") for line in lines]
        return {topic: payload for topic, _, payload in pairs}


class Daemon(Program):
    """affectd as a service manager starts it, with the bundled clip as its camera."""

    SETTINGS = (
        "device=lobby",
        f"models={REPOSITORY}/models",
        "mqtt.host=127.0.0.1",
        "camera.source=files",
        f"camera.path={CLIP}",
        "camera.rate=10",
        "camera.repeat=true",
    )

    def __init__(self, *settings: str) -> None:
        path = Path("/tmp/notify")
        path.unlink(missing_ok=True)
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.bind(str(path))
        self.notifications.setblocking(False)
        # The kernel queues only a few unread notifications.
        asyncio.get_running_loop().add_reader(self.notifications, self.notifications.recv, 4096)
        command = ["/run/affectd", "run"]
        for setting in (*self.SETTINGS, *settings):
            command += ["--set", setting]
        super().__init__("affectd", command, {"NOTIFY_SOCKET": str(path)})

    async def forget(self, *arguments: str) -> str:
        """Run `affectd forget`, and return what it prints."""
        command = ["/run/affectd", "--set", "mqtt.host=127.0.0.1", "--set", "device=lobby", "forget", *arguments]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        if process.returncode:
            raise CheckError(f"forget ended with {process.returncode}")
        return output.decode()


class HomeAssistant(Program):
    """Home Assistant core, onboarded and connected to the broker."""

    URL = "http://127.0.0.1:8123"
    CLIENT = URL + "/"
    FOLDER = Path("/tmp/homeassistant")
    # Has no section for the web server: Home Assistant tries such a section for five minutes, then restarts
    # unless it is confirmed.
    CONFIGURATION = """\
frontend:
history:
logbook:
recorder:
  commit_interval: 1
logger:
  default: info
input_boolean:
  light:
automation:
  - alias: Lobby light
    use_blueprint:
      path: affectd/presence-light.yaml
      input:
        face: event.affectd_lobby_face
        presence: binary_sensor.affectd_lobby_presence
        light:
          entity_id: input_boolean.light
"""

    def __init__(self) -> None:
        self.FOLDER.mkdir()
        (self.FOLDER / "configuration.yaml").write_text(self.CONFIGURATION)
        blueprints = self.FOLDER / "blueprints/automation/affectd"
        blueprints.mkdir(parents=True)
        shutil.copy(EXAMPLES / "home-assistant/presence-light.yaml", blueprints)
        super().__init__(
            "homeassistant", ["/opt/homeassistant/bin/hass", "-c", str(self.FOLDER), "--skip-pip"], {"HOME": "/tmp/home"}
        )
        self.session: aiohttp.ClientSession
        self.socket: aiohttp.ClientWebSocketResponse
        self.tokens: dict[str, Any] = {}
        self.states: dict[str, dict[str, Any]] = {}
        self.changes: list[dict[str, Any]] = []
        self.pending: dict[int, asyncio.Future[Any]] = {}
        self.number = 0
        self.reader: asyncio.Task[None]

    async def begin(self) -> None:
        """Start it for the first time, create its owner, and connect it to the broker."""
        self.session = aiohttp.ClientSession()
        await self.start()
        await self.answers("/api/onboarding")
        user = {"client_id": self.CLIENT, "name": "Owner", "username": "owner", "password": "owner", "language": "en"}
        code = (await self.post("/api/onboarding/users", user))["auth_code"]
        grant = {"client_id": self.CLIENT, "grant_type": "authorization_code", "code": code}
        async with self.session.post(f"{self.URL}/auth/token", data=grant) as response:
            self.tokens = await response.json()
        for step in ("core_config", "analytics"):
            await self.post(f"/api/onboarding/{step}", {})
        await self.post("/api/onboarding/integration", {"client_id": self.CLIENT, "redirect_uri": self.CLIENT})
        flow = await self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        step = f"/api/config/config_entries/flow/{flow['flow_id']}"
        form = {
            "broker": "127.0.0.1",
            "port": PORT,
            "protocol": "5",
            "other_settings": {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp"},
        }
        answer = await self.post(step, form)
        if answer["type"] != "create_entry":
            raise CheckError(f"the MQTT integration was not created: {answer}")
        await self.connect()

    async def restart(self) -> None:
        """Stop it and start it again."""
        self.reader.cancel()
        await self.stop()
        await self.start()
        await self.answers("/manifest.json")
        await self.connect()

    async def answers(self, path: str) -> None:
        """Wait until its web server answers."""
        begin = time.monotonic()
        while time.monotonic() - begin < PATIENCE:
            try:
                async with self.session.get(self.URL + path) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
        raise CheckError("Home Assistant does not start; see its log")

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Call the REST API."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}
        async with self.session.post(self.URL + path, json=body, headers=headers) as response:
            if response.status != 200:
                raise CheckError(f"{path}: {response.status} {await response.text()}")
            return await response.json()

    async def connect(self) -> None:
        """Open the WebSocket API, and follow every state."""
        self.socket = await self.session.ws_connect(f"{self.URL}/api/websocket", max_msg_size=0)
        await self.socket.receive_json()
        await self.socket.send_json({"type": "auth", "access_token": self.tokens["access_token"]})
        answer = await self.socket.receive_json()
        if answer["type"] != "auth_ok":
            raise CheckError(f"no access: {answer}")
        self.reader = asyncio.create_task(self.read())
        await self.call("subscribe_events", event_type="state_changed")
        self.states = {state["entity_id"]: state for state in await self.call("get_states")}

    async def read(self) -> None:
        """Handle the messages of the WebSocket API."""
        async for message in self.socket:
            content = json.loads(message.data)
            if content["type"] == "result":
                future = self.pending.pop(content["id"])
                if content["success"]:
                    future.set_result(content["result"])
                else:
                    future.set_exception(CheckError(str(content["error"])))
            elif content["type"] == "event" and content["event"]["event_type"] == "state_changed":
                change = content["event"]["data"]
                self.changes.append(change)
                if change["new_state"]:
                    self.states[change["entity_id"]] = change["new_state"]
                else:
                    self.states.pop(change["entity_id"], None)

    async def call(self, kind: str, **fields: Any) -> Any:
        """Call the WebSocket API."""
        if self.reader.done():
            raise CheckError(f"the connection to Home Assistant has ended: {self.reader.exception()!r}")
        self.number += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.pending[self.number] = future
        await self.socket.send_json({"id": self.number, "type": kind, **fields})
        return await asyncio.wait_for(future, PATIENCE)

    async def service(self, domain: str, service: str, entity: str, **data: Any) -> None:
        """Call a service for one entity."""
        await self.call("call_service", domain=domain, service=service, service_data=data, target={"entity_id": entity})

    def state(self, entity: str) -> str | None:
        """Return the state of an entity; None if there is no such entity."""
        state = self.states.get(entity)
        return state["state"] if state else None

    def entities(self) -> dict[str, str]:
        """Return the states of all entities of the device."""
        return {name: state["state"] for name, state in self.states.items() if ".affectd_lobby" in name}

    def rows(self) -> dict[str, int]:
        """Return how many rows the recorder has of each entity of the device."""
        database = sqlite3.connect(f"file:{self.FOLDER}/home-assistant_v2.db?mode=ro", uri=True)
        query = (
            "select states_meta.entity_id, count(*) from states join states_meta using (metadata_id) "
            "where states_meta.entity_id like '%.affectd_lobby%' group by states_meta.entity_id"
        )
        with database:
            return dict(database.execute(query).fetchall())

    def complaints(self) -> list[str]:
        """Return the warnings and errors of its log that are about the device or its messages."""
        severe = re.compile(r"^\S+ \S+ (WARNING|ERROR|CRITICAL)")
        about = re.compile(r"affectd|mqtt|recorder|statistics|helpers\.template", re.IGNORECASE)
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if severe.match(line) and about.search(line)]
