#!/bin/bash
# Runs a program with arguments as root, in a network namespace and a mount namespace of its own, whose links,
# addresses and mounts end with it.
set -euo pipefail

# /run/netns: the namespaces that the program makes have their names there.
# shellcheck disable=SC2016
exec unshare --net --mount sh -ec '
	ip link set lo up
	mkdir -p /run/netns
	mount -t tmpfs tmpfs /run/netns
	exec "$@"
' sh "$@"
