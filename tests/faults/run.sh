#!/bin/bash
# Runs a program with arguments as root, in its own network and mount namespaces, whose links, addresses and
# mounts end with it.
set -euo pipefail

# The namespaces that the program creates have their names in /run/netns.
# shellcheck disable=SC2016
exec unshare --net --mount sh -ec '
	ip link set lo up
	mkdir -p /run/netns
	mount -t tmpfs tmpfs /run/netns
	exec "$@"
' sh "$@"
