#!/bin/bash
# Runs a board's program under qemu-user as several processors: verifies the golden vectors of the bundled
# models, and compares the result for a photograph with this machine's.
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
	# The time limit detects a program that hangs. -L selects the C library of the root; the one in
	# /usr/aarch64-linux-gnu hangs with threads.
	emulated=(timeout 300 "$qemu" -cpu "$cpu" -L "$root" "$program")
	echo "== $cpu: $("${emulated[@]}" --version)"
	"${emulated[@]}" --set "models=$PWD/models" model verify
	"${emulated[@]}" "${analyze[@]}" > "$work/$cpu.json"
	python3 - "$work/host.json" "$work/$cpu.json" <<- 'END'
		import json, sys
		host, board = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
		assert host and len(host) == len(board), f"{len(host)} faces on this machine, {len(board)} emulated"
		furthest = 0.0
		for here, there in zip(host, board):
		    assert here["category"] == there["category"], (here["category"], there["category"])
		    pairs = [(value, there["probabilities"][name]) for name, value in here["probabilities"].items()]
		    pairs += [(here[name], there[name]) for name in ("valence", "arousal") if name in here]
		    furthest = max(furthest, *(abs(a - b) for a, b in pairs))
		# The tolerance of golden vectors: some processors compute in int8, others in f32.
		assert furthest <= 0.02, f"results differ by {furthest}"
		print(f"{len(host)} face(s): {host[0]['category']}, results differ by at most {furthest:.6f}")
	END
done
