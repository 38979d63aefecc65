#!/bin/bash
# Runs the arm64 program under qemu-user as the processors of Raspberry Pi 3, 4 and 5 (and Orin, whose cores are of the Pi 5's kind): the
# bundled models' golden vectors, and a photograph with the same result as on this machine.
# usage: test-arm64.sh PROGRAM-ARM64 PROGRAM-HOST ARM64-ROOT
set -euo pipefail
arm64=$1 host=$2 root=$3
qemu=${QEMU:-qemu-aarch64-static}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

analyze=(--set "models=$PWD/models" analyze tests/data/pictures/astronaut.jpg)
"$host" "${analyze[@]}" > "$work/host.json"
for cpu in cortex-a53 cortex-a72 cortex-a76; do
	# A program that hangs is a result too. -L leads to the root's C library; /usr/aarch64-linux-gnu would hang with threads.
	emulated=(timeout 300 "$qemu" -cpu "$cpu" -L "$root" "$arm64")
	echo "== $cpu: $("${emulated[@]}" --version)"
	"${emulated[@]}" --set "models=$PWD/models" model verify
	"${emulated[@]}" "${analyze[@]}" > "$work/$cpu.json"
	python3 - "$work/host.json" "$work/$cpu.json" <<- 'END'
		import json, sys
		host, board = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
		assert host and len(host) == len(board), f"{len(host)} faces here, {len(board)} there"
		furthest = 0.0
		for here, there in zip(host, board):
		    assert here["category"] == there["category"], (here["category"], there["category"])
		    pairs = [(value, there["probabilities"][name]) for name, value in here["probabilities"].items()]
		    pairs += [(here[name], there[name]) for name in ("valence", "arousal") if name in here]
		    furthest = max(furthest, *(abs(a - b) for a, b in pairs))
		# As far apart as golden vectors may be: processors of different kinds compute in integers and in floats.
		assert furthest <= 0.02, f"results differ by {furthest}"
		print(f"{len(host)} face(s): {host[0]['category']}, results differ by at most {furthest:.6f}")
	END
done
