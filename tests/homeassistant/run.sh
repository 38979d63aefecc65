#!/bin/bash
# Runs a Python program next to Home Assistant, a broker and the daemon, in separate namespaces: nothing
# remains afterwards, and only loopback can be reached. Needs root.
# usage: run.sh ROOT AFFECTD OUT PROGRAM [ARGUMENT…]     PROGRAM is a file of this folder; OUT is /run/out to it
set -euo pipefail
root=$1 affectd=$(realpath "$2") out=$(realpath "$3") repository=$(realpath "$(dirname "$0")/../..")
shift 3
# Exported to the inner shell, so no path is quoted twice.
export root affectd out repository
exec unshare --mount --pid --net --fork --kill-child /bin/bash -euc '
	mount --make-rprivate /
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount -t tmpfs tmpfs "$root/tmp"
	mount -t tmpfs tmpfs "$root/run"
	mount --rbind /dev "$root/dev"
	mount --bind "$repository" "$root/repository"
	mount --bind -o ro "$repository" "$root/repository"
	cp "$affectd" "$root/run/affectd"
	mkdir "$root/run/out"
	mount --bind "$out" "$root/run/out"
	# Home Assistant looks for devices by multicast.
	chroot "$root" /bin/sh -euc "ip link set lo up multicast on; ip route add 224.0.0.0/4 dev lo"
	exec env -i PATH=/usr/sbin:/usr/bin HOME=/tmp/home LANG=C.UTF-8 TZ=UTC PYTHONDONTWRITEBYTECODE=1 \
		chroot "$root" /opt/homeassistant/bin/python "/repository/tests/homeassistant/$0" "$@"
' "$@"
