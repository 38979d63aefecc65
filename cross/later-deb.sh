#!/bin/sh
# Creates an upgrade of a package: a later version with a changed default configuration.
# usage: later-deb.sh PACKAGE LATER
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dpkg-deb -R "$1" "$work/later"
sed -i 's/^Version: .*/&+later/' "$work/later/DEBIAN/control"
echo "# a later default" >> "$work/later/etc/affectd/affectd.toml"
dpkg-deb -Zgzip -z1 --root-owner-group -b "$work/later" "$2" > /dev/null
