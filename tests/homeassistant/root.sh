#!/bin/bash
# Makes a Debian root with Home Assistant core from its package, a broker and a browser. Eight minutes, once. Needs root.
# usage: root.sh OUT
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$1 work=$1.new
version=$(cat "$here/version")

rm -rf "$work"
mkdir -p "$(dirname "$out")"
# Home Assistant needs a newer Python than Debian's releases have. In this root only, the index of the suite may be past its
# date, as it is where a mirror keeps a snapshot; its signature is checked. Some requirements are published as source only.
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
	--include=ca-certificates,chromium-headless-shell,g++,iproute2,mosquitto,mosquitto-clients,python3-dev,python3-venv,tzdata \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	forky "$work" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
# This machine's authorities, in case its packages come through a proxy.
cp /etc/ssl/certs/ca-certificates.crt "$work/opt/authorities.pem"
cp /etc/resolv.conf "$work/etc/resolv.conf"
cp "$here/requirements.py" "$work/opt/requirements.py"

# pip gives up on the dependencies of this package; uv is what Home Assistant itself uses.
env -i PATH=/usr/sbin:/usr/bin HOME=/root SSL_CERT_FILE=/opt/authorities.pem PIP_CERT=/opt/authorities.pem \
	chroot "$work" /bin/bash -euc '
	python3 -m venv /opt/homeassistant
	cd /opt/homeassistant
	bin/pip install --quiet uv
	install="bin/uv pip install --quiet --no-cache --python bin/python"
	$install "homeassistant=='"$version"'"
	bin/python /opt/requirements.py mqtt hassio met recorder history logbook > requirements.txt
	$install --constraint "$(echo lib/python*/site-packages/homeassistant/package_constraints.txt)" --requirement requirements.txt
'
rm -rf "$work"/var/cache/apt/* "$work"/var/lib/apt/lists/* "$out"
mkdir "$work/repository"
mv "$work" "$out"
