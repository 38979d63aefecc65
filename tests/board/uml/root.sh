#!/bin/bash
# Makes the board's disk: a small Debian with systemd, a broker and the tools that play the outside world. A minute, once. Needs root.
# usage: root.sh OUT [ARCHITECTURE FOLDER]     for another architecture, and with what stands in a folder copied over it
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$1 architecture=${2:-$(dpkg --print-architecture)} over=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

mmdebstrap --quiet --variant=minbase --architectures="$architecture" \
	--include=systemd,systemd-sysv,udev,dbus,kmod,iproute2,mosquitto,mosquitto-clients,v4l-utils,gpiod,curl \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cp -r --no-preserve=ownership "$here/root/." "$root"
mkdir "$root/host"
systemctl --root="$root" --quiet enable board-shell.service board-subscriber.service
# Nobody logs in, and nothing is due on a board that runs for a minute.
systemctl --root="$root" --quiet mask getty@tty1.service getty-static.service console-getty.service serial-getty@.service \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer systemd-tmpfiles-clean.timer \
	e2scrub_reap.service systemd-logind.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
[ -z "$over" ] || cp -r --no-preserve=ownership "$over/." "$root"
echo board > "$root/etc/hostname"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*

mkdir -p "$(dirname "$out")"
rm -f "$out.new"
truncate -s 500M "$out.new"
mke2fs -q -t ext4 -J size=8 -L board -d "$root" "$out.new"
chmod 644 "$out.new"
mv "$out.new" "$out"
