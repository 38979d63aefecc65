#!/bin/sh
# Registers QEMU with this machine's kernel until the next reboot, so that it runs the programs of arm64 root
# file systems. Needs root.
set -eu
kernel=/proc/sys/fs/binfmt_misc
rule=/usr/lib/binfmt.d/qemu-aarch64.conf
[ "$(uname -m)" != aarch64 ] || exit 0
[ -e $kernel/register ] || mount -t binfmt_misc binfmt_misc $kernel || {
	echo "this kernel cannot run programs of other architectures: it lacks binfmt_misc" >&2
	exit 1
}
[ -e $kernel/qemu-aarch64 ] || cat $rule > $kernel/register
