#!/usr/bin/env python3
r"""Load test of a fleet: devices with the real publishing code on a mosquitto, a cluster, with consumers.

    unshare --net --pid --fork --kill-child --mount-proc \
        tests/fleet/run.py --build FILE --rabbitmq ROOT --python PYTHON [--json]

FILE is what cargo printed when it built the load generator, ROOT a Debian 13 with rabbitmq-server, PYTHON an
interpreter with the example consumer's packages. Runs in its own network namespace, because the ports are
fixed, and as root, for chroot and PostgreSQL's own user. `make test-fleet` prepares all of it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cluster
import consumers
import one_broker

PARTS: dict[str, Callable[..., dict[str, object]]] = {
    "one_broker": one_broker.run,
    "cluster": cluster.run,
    "consumers": consumers.run,
}


def main() -> None:
    """Run the parts and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--rabbitmq", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--cluster-devices", type=int, help="on the cluster; the same number by default")
    parser.add_argument("--part", choices=PARTS, action="append", help="all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    args.fleet = load_generator(args.build)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    devices = args.devices
    result: dict[str, object] = {}
    for name in args.part or PARTS:
        print(f"== {name}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
            # PostgreSQL runs as another user.
            Path(folder).chmod(0o755)
            args.devices = args.cluster_devices or devices if name == "cluster" else devices
            result[name] = {"devices": args.devices, **PARTS[name](args, Path(folder))}
        print(json.dumps(result[name], indent=1), file=sys.stderr)
    if args.json:
        print(json.dumps(result))


def load_generator(build: Path) -> Path:
    """The program that cargo says it has built."""
    for line in build.read_text().splitlines():
        message = json.loads(line)
        if message.get("target", {}).get("name") == "fleet":
            return Path(message["executable"])
    sys.exit(f"run.py: {build} names no load generator")


if __name__ == "__main__":
    main()
