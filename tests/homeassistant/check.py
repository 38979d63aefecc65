"""Check the daemon against a real Home Assistant.

    check.py [--screenshot FILE] [CHECK…]

Prints a line for each check, and exits with 1 at the first that fails, with the logs of all parts.
"""

import argparse
import asyncio
import datetime
import json
import re
import signal
import sys
import time
from pathlib import Path

import aiohttp
import yaml

from parts import EXAMPLES, Broker, CheckError, Daemon, HomeAssistant, Program, until
from screenshot import screenshot

PRESENCE = "binary_sensor.affectd_lobby_presence"
FACE = "event.affectd_lobby_face"
PRIVACY = "switch.affectd_lobby_privacy"
RATE = "number.affectd_lobby_rate"
RESTART = "button.affectd_lobby_restart"
LIGHT = "input_boolean.light"
CAMERA = "sensor.affectd_lobby_camera"
MEASURED = [f"sensor.affectd_lobby_{name}" for name in ("mood", "faces", "attending")]
SEEN = [
    PRESENCE,
    FACE,
    "sensor.affectd_lobby_expression",
    *MEASURED,
]
VISITS = "sensor.affectd_lobby_visits_today"
COUNTERS = [VISITS, "sensor.affectd_lobby_smiles_today", "sensor.affectd_lobby_mean_visit"]
DISABLED = {f"sensor.affectd_lobby_{name}" for name in ("valence", "arousal", "frame_rate", "memory", "uptime")}
# The emulated machine has neither a thermometer nor an LED, so these need not be there.
OPTIONAL = {"sensor.affectd_lobby_temperature"}


class Checks:
    """The checks, ordered so that each leaves the parts in the state that the next one needs."""

    def __init__(self, broker: Broker, daemon: Daemon, home: HomeAssistant) -> None:
        self.broker = broker
        self.daemon = daemon
        self.home = home

    async def run(self, only: list[str]) -> None:
        """Run all of them, or only these."""
        for check in (
            self.entities,
            self.device,
            self.values,
            self.rate,
            self.triggers,
            self.subscriber,
            self.blueprint,
            self.dashboard,
            self.killed,
            self.stopped,
            self.hung,
            self.restart_button,
            self.broker_away,
            self.privacy_over_restart,
            self.statistics_without_zeros,
            self.birth,
            self.discovery_off,
            self.forgotten,
            self.no_complaints,
        ):
            if only and check.__name__ not in only:
                continue
            begin = time.monotonic()
            await check()
            words = (check.__doc__ or "").strip().rstrip(".")
            print(f"ok  {time.monotonic() - begin:6.1f} s  {check.__name__}: {words}", flush=True)

    async def entities(self) -> None:
        """The entities are there, and only those."""
        home = self.home
        expected = {*SEEN, *COUNTERS, PRIVACY, RATE, RESTART, CAMERA, "sensor.affectd_lobby_load_shed"}
        await until("the entities", lambda: expected <= home.entities().keys())
        equal("entities", set(home.entities()) - OPTIONAL, expected)
        registry = await home.call("config/entity_registry/list")
        disabled = {
            entry["entity_id"] for entry in registry if entry["platform"] == "mqtt" and entry["disabled_by"] == "integration"
        }
        equal("disabled entities", disabled, DISABLED)

    async def device(self) -> None:
        """The device is described."""
        registry = await self.home.call("config/device_registry/list")
        device = next(device for device in registry if device["name"] == "affectd lobby")
        equal("manufacturer", device["manufacturer"], "affectd")
        equal("identifiers", device["identifiers"], [["mqtt", "affectd_lobby"]])

    async def values(self) -> None:
        """Values come while the clip plays."""
        home = self.home
        await until("a face", lambda: home.state(PRESENCE) == "on")
        await until("happiness", lambda: home.state("sensor.affectd_lobby_expression") == "happiness")
        for measured in MEASURED:
            await until(measured, lambda measured=measured: number(home.state(measured)) is not None)  # type: ignore[misc]
        await until("an event", lambda: home.state(FACE) not in ("unknown", "unavailable", None))
        await until("a visit", lambda: (number(home.state("sensor.affectd_lobby_mean_visit")) or 0) > 0)
        await until("the rate", lambda: home.state(RATE) == "0.1")

    async def rate(self) -> None:
        """The rate can be set."""
        await self.home.service("number", "set_value", RATE, value=2.5)
        await until("the rate", lambda: self.home.state(RATE) == "2.5")
        await self.home.service("number", "set_value", RATE, value=0.1)
        await until("the rate", lambda: self.home.state(RATE) == "0.1")

    async def triggers(self) -> None:
        """The device offers triggers."""
        registry = await self.home.call("config/device_registry/list")
        device = next(device for device in registry if device["name"] == "affectd lobby")
        offered = await self.home.call("device_automation/trigger/list", device_id=device["id"])
        mine = {trigger["type"] for trigger in offered if trigger["domain"] == "mqtt"}
        equal("triggers", mine, {"appeared", "present", "left"})

    async def subscriber(self) -> None:
        """The example of a subscriber tells what is seen."""
        program = Program("subscriber", [sys.executable, str(EXAMPLES / "subscriber.py"), "--host", "127.0.0.1", "lobby"])
        await program.start()
        try:
            await until("a line of it", lambda: re.search(r"^[12] faces, .*valence [+-]0", program.log.read_text(), re.MULTILINE))
            await self.daemon.stop()
            await until("its end", lambda: program.log.read_text().endswith("the daemon is not connected\n"))
        finally:
            await program.stop()
        await self.daemon.start()
        await self.available()

    async def blueprint(self) -> None:
        """The example of an automation switches on when somebody stays."""
        home = self.home
        await until("the automation", lambda: home.state("automation.lobby_light") == "on")
        await home.service("input_boolean", "turn_off", LIGHT)
        await until("the light", lambda: home.state(LIGHT) == "on")
        # When the camera goes and comes back, the entity shows its last event again, which must not trigger
        # anything.
        await home.service("switch", "turn_on", PRIVACY)
        await until("privacy", lambda: home.state(FACE) == "unavailable")
        await home.service("input_boolean", "turn_off", LIGHT)
        await asyncio.sleep(2)
        equal("light in privacy", home.state(LIGHT), "off")
        await home.service("switch", "turn_off", PRIVACY)
        await self.available()

    async def dashboard(self) -> None:
        """The example of a dashboard is accepted and names entities that exist."""
        config = yaml.safe_load((EXAMPLES / "home-assistant/dashboard.yaml").read_text())
        await self.home.call(
            "lovelace/dashboards/create", url_path="example-lobby", title="Lobby", mode="storage", require_admin=False
        )
        await self.home.call("lovelace/config/save", url_path="example-lobby", config=config)
        named = set(re.findall(r"\w+\.affectd_lobby_\w+", json.dumps(config)))
        equal("entities that do not exist", named - self.home.entities().keys(), set())

    async def killed(self) -> None:
        """SIGKILL makes everything unavailable, and a restart brings it back."""
        await self.daemon.stop(signal.SIGKILL)
        await self.unavailable()
        await self.daemon.start()
        await self.available()

    async def stopped(self) -> None:
        """So does SIGTERM."""
        equal("exit status", await self.daemon.stop(), 0)
        await self.unavailable()
        await self.daemon.start()
        await self.available()

    async def hung(self) -> None:
        """So does a daemon that hangs."""
        self.daemon.send(signal.SIGSTOP)
        await self.unavailable()
        self.daemon.send(signal.SIGCONT)
        await self.available()

    async def restart_button(self) -> None:
        """The button Restart ends the daemon cleanly."""
        process = self.daemon.process
        assert process
        await self.home.service("button", "press", RESTART)
        equal("exit status", await asyncio.wait_for(process.wait(), 60), 0)
        await self.unavailable()
        await self.daemon.start()
        await self.available()

    async def broker_away(self) -> None:
        """Without the broker everything is unavailable."""
        await self.broker.stop()
        await self.unavailable()
        await self.broker.start()
        await self.available()

    async def privacy_over_restart(self) -> None:
        """Privacy from Home Assistant's switch outlives a restart of the daemon, the broker and Home Assistant."""
        home = self.home
        await home.service("switch", "turn_on", PRIVACY)
        await until("privacy", lambda: home.state(PRIVACY) == "on")
        await self.nothing_seen()
        await self.daemon.stop(signal.SIGKILL)
        await self.broker.stop()
        await self.broker.start()
        await self.daemon.start()
        await until("the camera's state", lambda: home.state(CAMERA) == "disabled")
        await home.restart()
        await until("the switch", lambda: home.state(PRIVACY) == "on")
        await self.nothing_seen()
        retained = await self.broker.retained("affectd/lobby/camera")
        equal("camera", json.loads(retained["affectd/lobby/camera"])["status"], "disabled")

    async def statistics_without_zeros(self) -> None:
        """A time in which nobody looks has no statistics, and none is in need of repair."""
        home = self.home
        # Home Assistant compiles statistics a few seconds after each period of five minutes. Privacy is on,
        # so the next period is the first in which nothing was sensed.
        period = 300
        begin = (int(time.time()) // period + 1) * period
        await asyncio.sleep(begin + period + 15 - time.time())
        found = await home.call(
            "recorder/statistics_during_period",
            start_time=datetime.datetime.fromtimestamp(begin, datetime.UTC).isoformat(),
            period="5minute",
            statistic_ids=[*MEASURED, VISITS],
        )
        equal("statistics of what is seen", [name for name in MEASURED if found.get(name)], [])
        if not found.get(VISITS):
            raise CheckError(f"no statistics of a counter; found {found}")
        equal("statistics in need of repair", await home.call("recorder/validate_statistics"), {})
        issues = (await home.call("repairs/list_issues"))["issues"]
        equal("repairs", [issue for issue in issues if issue["domain"] in ("mqtt", "sensor")], [])
        await home.service("switch", "turn_off", PRIVACY)
        await self.available()

    async def birth(self) -> None:
        """After a restart of Home Assistant the values are there without waiting for the next message."""
        await self.home.restart()
        await self.available()
        await until("health", lambda: number(self.home.state(RATE)) is not None)

    async def discovery_off(self) -> None:
        """Without discovery the device is gone, and with it it is back."""
        await self.daemon.stop()
        await self.daemon.start("--set", "mqtt.discovery=false")
        await until("no entity", lambda: not self.home.entities())
        await self.daemon.stop()
        await self.daemon.start()
        await self.available()

    async def forgotten(self) -> None:
        """A device that is forgotten leaves nothing at the broker and in Home Assistant."""
        await self.daemon.stop()
        text = await self.daemon.forget()
        if "homeassistant/device/lobby/config" not in text:
            raise CheckError(f"forget printed: {text}")
        await until("no entity", lambda: not self.home.entities())
        equal("retained messages", await self.broker.retained("affectd/#"), {})
        equal("retained discovery", await self.broker.retained("homeassistant/device/#"), {})

    async def no_complaints(self) -> None:
        """Home Assistant has logged no warning about any of this."""
        complaints = [line for line in self.home.complaints() if not is_expected(line)]
        if complaints:
            raise CheckError("Home Assistant complains:\n" + "\n".join(complaints))

    async def available(self) -> None:
        """Wait until everything is available."""
        home = self.home
        names = [*SEEN, *COUNTERS, PRIVACY, RATE, RESTART, CAMERA]
        await until("everything available", lambda: all(home.state(name) not in (None, "unavailable") for name in names))
        await until("a face", lambda: home.state(PRESENCE) == "on")

    async def unavailable(self) -> None:
        """Wait until nothing is available."""
        await until("nothing available", lambda: set(self.home.entities().values()) == {"unavailable"})

    async def nothing_seen(self) -> None:
        """Wait until the entities of what is seen are unavailable, and all others are available."""
        home = self.home
        await until("nothing seen", lambda: all(home.state(name) == "unavailable" for name in SEEN))
        for name in (*COUNTERS, CAMERA, RESTART):
            await until(name, lambda name=name: home.state(name) not in (None, "unavailable"))  # type: ignore[misc]


# Complaints about the broker that was stopped, and about a slow machine.
EXPECTED = (
    "Failed to connect to MQTT server",
    "Disconnected from MQTT server",
    "Waiting for integrations to complete setup",
    # The checks stop the broker while Home Assistant is connected.
    "failed to receive on socket",
    "Error returned from MQTT server: The connection was lost",
)


def is_expected(line: str) -> bool:
    """Whether a complaint is not about the daemon."""
    return any(text in line for text in EXPECTED)


def equal(what: str, found: object, expected: object) -> None:
    """Check a value."""
    if found != expected:
        raise CheckError(f"{what}: found {found!r}; expected {expected!r}")


def number(state: str | None) -> float | None:
    """Return a state as a number."""
    try:
        return float(state or "")
    except ValueError:
        return None


async def main() -> None:
    """Start the parts, run the checks, and stop the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="only take a picture of the device's page")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="run only these; each needs the state that the others leave")
    args = parser.parse_args()
    Path("/tmp/home").mkdir()
    broker, daemon, home = Broker(), Daemon("mqtt.health_s=5"), HomeAssistant()
    parts: list[Program] = [home, daemon, broker]
    failed = False
    try:
        await broker.start()
        await home.begin()
        await daemon.start()
        checks = Checks(broker, daemon, home)
        if args.screenshot:
            await checks.entities()
            await checks.values()
            await screenshot(home, args.screenshot)
        else:
            await checks.run(args.checks)
    except (CheckError, aiohttp.ClientError) as error:
        failed = True
        print(f"FAILED: {error!r}", flush=True)
        for part in (part for part in parts if part.process):
            print(f"--- {part.log}\n" + "\n".join(part.log.read_text(errors="replace").splitlines()[-60:]))
    finally:
        for part in parts:
            if part.process:
                await part.stop(signal.SIGKILL)
        await home.session.close()
    sys.exit(failed)


if __name__ == "__main__":
    asyncio.run(main())
