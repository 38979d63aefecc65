#!/bin/bash
# Runs a board's program under qemu-user as some processors: the bundled models' golden vectors, and a photograph with the same result as on
# this machine.
# usage: test-emulated.sh QEMU PROGRAM PROGRAM-HOST ROOT PROCESSOR...
set -euo pipefail
qemu=$1 program=$2 host=$3 root=$4
shift 4
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

analyze=(--set "models=$PWD/models" analyze tests/data/pictures/astronaut.jpg)
"$host" "${analyze[@]}" > "$work/host.json"
for cpu; do
	# A program that hangs is a result too. -L leads to the root's C library; /usr/aarch64-linux-gnu would hang with threads.
	emulated=(timeout 300 "$qemu" -cpu "$cpu" -L "$root" "$program")
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
