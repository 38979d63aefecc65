#!/bin/bash
# Installs, upgrades, removes and purges a package in a temporary Debian root, without a running systemd.
# Needs root and, for a package of another architecture, cross/binfmt.sh.
# usage: test-deb.sh PACKAGE SUITE
set -euo pipefail
package=$(realpath "$1") suite=$2
here=$(dirname "$(realpath "$0")")
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

# The maintainer scripts need /proc, as on a board. A private mount needs no cleanup.
inside_with_proc() {
	unshare --mount -- sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@"
}

# All files of the root, with the contents of /etc and /var/lib. It excludes dpkg's own records, and the
# groups, which remain because other packages may use them.
snapshot() {
	(
		cd "$root"
		find . \( -path ./proc -o -path ./sys -o -path ./tmp -o -path ./var/cache -o -path ./var/log -o -path './var/lib/dpkg/*-old' \
			-o -path './etc/group*' -o -path './etc/gshadow*' -o -path ./etc/.pwd.lock \
			-o -path ./var/lib/dpkg/status -o -path ./var/lib/dpkg/lock\* \) -prune -o -printf '%p %y %m %U %G %l\n' | sort
		find etc var/lib -type f ! -path 'var/lib/dpkg/*' ! -path 'etc/group*' ! -path 'etc/gshadow*' -exec sha256sum {} + | sort -k 2
	)
}

step "the package itself"
lintian --fail-on error,warning --allow-root "$package"

step "units"
dpkg-deb -x "$package" "$work/content"
units=$work/content/usr/lib/systemd/system
for unit in affectd.service affectd@.service; do
	# The program is not installed on this machine.
	sed -i 's,^ExecStart=/usr/bin/affectd,ExecStart=/usr/bin/true,' "$units/$unit"
	output=$(cd "$units" && systemd-analyze verify --man=no "./$unit" 2>&1) || fail "$unit: $output"
	[ -z "$output" ] || fail "$unit: $output"
	(cd "$units" && systemd-analyze security --no-pager --offline=true --threshold=15 "./$unit") > "$work/exposure" ||
		fail "$unit: $(tail -n 1 "$work/exposure")"
	tail -n 1 "$work/exposure"
done

step "units for CSI cameras"
examples=$work/content/usr/share/doc/affectd/examples
cp "$examples/pi-csi.conf" "$units/affectd.service.d/"
# Neither Argus nor GStreamer is installed on this machine.
sed -e 's,^ExecStart=/usr/bin/gst-launch-1.0,ExecStart=/usr/bin/true,' -e '/nvargus-daemon/d' "$examples/jetson-csi.service" > "$units/jetson-csi.service"
output=$(cd "$units" && systemd-analyze verify --man=no ./affectd.service ./jetson-csi.service 2>&1) || fail "$output"
[ -z "$output" ] || fail "$output"
(cd "$units" && systemd-analyze security --no-pager --offline=true --threshold=15 ./affectd.service) > "$work/exposure" ||
	fail "with pi-csi.conf: $(tail -n 1 "$work/exposure")"

architecture=$(dpkg-deb -f "$package" Architecture)
step "a root of $suite for $architecture"
mmdebstrap --quiet --variant=minbase --architectures="$architecture" --include=systemd "$suite" "$root" \
	"${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
cp "$package" "$root/tmp/affectd.deb"
"$here/later-deb.sh" "$package" "$root/tmp/later.deb"
snapshot > "$work/before"
cp "$root/etc/group" "$work/group"

step "install"
inside_with_proc dpkg -i /tmp/affectd.deb
inside affectd --version
inside affectd check --print > /dev/null
inside affectd model verify
[ ! -L "$root/etc/systemd/system/multi-user.target.wants/affectd.service" ] || fail "the installation enables the unit"
version=$(inside systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')
for unit in affectd.service affectd@.service; do
	output=$(inside systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit" 2>&1) && code=0 || code=$?
	case $output in
	# Old versions of systemd-analyze need the control groups of a machine that runs systemd.
	*'Failed to initialize manager'*) echo "systemd $version cannot verify $unit on this machine: ${output%%$'\n'*}" ;;
	*) [ $code = 0 ] && [ -z "$output" ] || fail "$unit, systemd $version: $output" ;;
	esac
	backoff=$root/usr/lib/systemd/system/$unit.d/backoff.conf
	if [ "$version" -ge 254 ]; then
		inside cat "/usr/lib/systemd/system/$unit.d/backoff.conf" > /dev/null || fail "$unit: backoff.conf is missing with systemd $version"
	elif [ -L "$backoff" ]; then
		fail "$unit: backoff.conf is linked with systemd $version"
	fi
done

step "upgrade keeps a changed configuration"
echo 'device = "kiosk-3"' > "$root/etc/affectd/affectd.toml"
# What `systemctl enable affectd affectd@hall` does.
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s /usr/lib/systemd/system/affectd.service "$root/etc/systemd/system/multi-user.target.wants/affectd.service"
ln -s /usr/lib/systemd/system/affectd@.service "$root/etc/systemd/system/multi-user.target.wants/affectd@hall.service"
inside_with_proc dpkg -i --force-confdef /tmp/later.deb
[ "$(cat "$root/etc/affectd/affectd.toml")" = 'device = "kiosk-3"' ] || fail "the configuration was overwritten"
inside affectd check --print | grep -q '^device = "kiosk-3"' || fail "the configuration is not read"
[ -L "$root/etc/systemd/system/multi-user.target.wants/affectd.service" ] || fail "the upgrade disabled the unit"

step "remove keeps the configuration"
inside_with_proc dpkg -r affectd
[ "$(cat "$root/etc/affectd/affectd.toml")" = 'device = "kiosk-3"' ] || fail "the configuration was removed"
[ ! -e "$root/usr/bin/affectd" ] || fail "the program is still there"
[ ! -e "$root/usr/share/affectd" ] || fail "the models are still there"

step "purge leaves nothing"
inside_with_proc dpkg -P affectd
rmdir --ignore-fail-on-non-empty "$root/etc/systemd/system/multi-user.target.wants" 2> /dev/null || true
snapshot > "$work/after"
diff "$work/before" "$work/after" || fail "the lines above are left over or changed"
changed=$(diff "$work/group" "$root/etc/group" | grep '^[<>]' | grep -v '^> gpio:' || true)
[ -z "$changed" ] || fail "groups were changed: $changed"

# Only the package for boards is limited, because it is transferred over slow connections.
step "size"
size=$(stat -c %s "$package")
[ "$architecture" != arm64 ] || [ "$size" -le $((15 * 1000 * 1000)) ] || fail "$size bytes are more than 15 MB"

echo "ok: $(basename "$package"), $size bytes"
