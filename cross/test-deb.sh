#!/bin/bash
# Installs, upgrades, removes and purges a package in a throw-away Debian root, without a running systemd. Needs root.
# usage: test-deb.sh PACKAGE
set -euo pipefail
package=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

step() {
	echo "== $*"
}

inside() {
	chroot "$root" "$@"
}

# Everything in the root, with the contents of /etc and /var/lib; without what dpkg itself keeps about every package it has seen, and
# without the groups, which stay, since other packages may have come to use them.
snapshot() {
	(
		cd "$root"
		find . \( -path ./proc -o -path ./sys -o -path ./tmp -o -path ./var/cache -o -path ./var/log -o -path './var/lib/dpkg/*-old' \
			-o -path './etc/group*' -o -path './etc/gshadow*' \
			-o -path ./var/lib/dpkg/status -o -path ./var/lib/dpkg/lock\* \) -prune -o -printf '%p %y %m %U %G %l\n' | sort
		find etc var/lib -type f ! -path 'var/lib/dpkg/*' ! -path 'etc/group*' ! -path 'etc/gshadow*' -exec sha256sum {} + | sort -k 2
	)
}

step "the package itself"
lintian --fail-on error,warning --allow-root "$package"
# As an upgrade: the same with a later version.
dpkg-deb -R "$package" "$work/later"
sed -i 's/^Version: .*/&+later/' "$work/later/DEBIAN/control"
echo "# a later default" >> "$work/later/etc/affectd/affectd.toml"
dpkg-deb -Zgzip -z1 --root-owner-group -b "$work/later" "$work/later.deb" > /dev/null

step "units"
units=$work/later/usr/lib/systemd/system
for unit in affectd.service affectd@.service; do
	# The program is not installed here.
	sed -i 's,^ExecStart=/usr/bin/affectd,ExecStart=/usr/bin/true,' "$units/$unit"
	said=$(cd "$units" && systemd-analyze verify --man=no "./$unit" 2>&1) || fail "$unit: $said"
	[ -z "$said" ] || fail "$unit: $said"
	(cd "$units" && systemd-analyze security --no-pager --offline=true --threshold=15 "./$unit") > "$work/exposure" ||
		fail "$unit: $(tail -n 1 "$work/exposure")"
	tail -n 1 "$work/exposure"
done

step "a Debian root"
mmdebstrap --quiet --variant=minbase --include=init-system-helpers bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cp "$package" "$root/tmp/affectd.deb"
cp "$work/later.deb" "$root/tmp/later.deb"
snapshot > "$work/before"

step "install"
inside dpkg -i /tmp/affectd.deb
inside affectd --version
inside affectd check --print > /dev/null
inside affectd model verify
[ ! -L "$root/etc/systemd/system/multi-user.target.wants/affectd.service" ] || fail "the camera is switched on by the installation"

step "upgrade keeps a changed configuration"
echo 'device = "kiosk-3"' > "$root/etc/affectd/affectd.toml"
# As `systemctl enable affectd affectd@hall` does.
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s /usr/lib/systemd/system/affectd.service "$root/etc/systemd/system/multi-user.target.wants/affectd.service"
ln -s /usr/lib/systemd/system/affectd@.service "$root/etc/systemd/system/multi-user.target.wants/affectd@hall.service"
inside dpkg -i --force-confdef /tmp/later.deb
[ "$(cat "$root/etc/affectd/affectd.toml")" = 'device = "kiosk-3"' ] || fail "the configuration was overwritten"
inside affectd check --print | grep -q '^device = "kiosk-3"' || fail "the configuration is not read"
[ -L "$root/etc/systemd/system/multi-user.target.wants/affectd.service" ] || fail "the upgrade disabled the unit"

step "remove keeps it too"
inside dpkg -r affectd
[ "$(cat "$root/etc/affectd/affectd.toml")" = 'device = "kiosk-3"' ] || fail "the configuration was removed"
[ ! -e "$root/usr/bin/affectd" ] || fail "the program is still there"
[ ! -e "$root/usr/share/affectd" ] || fail "the models are still there"

step "purge leaves nothing"
inside dpkg -P affectd
rmdir --ignore-fail-on-non-empty "$root/etc/systemd/system/multi-user.target.wants" 2> /dev/null || true
snapshot > "$work/after"
diff "$work/before" "$work/after" || fail "the lines above were left or changed"

step "size"
size=$(stat -c %s "$package")
[ "$size" -le $((15 * 1000 * 1000)) ] || fail "$size bytes are more than 15 MB"

echo "ok: $(basename "$package"), $size bytes"
