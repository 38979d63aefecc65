#!/bin/bash
# Boots an emulated board (a Cortex-A72, as in Raspberry Pi 4, under Debian) with the package, and judges what it published.
# usage: run.sh IMAGE-FOLDER PACKAGE PROGRAM-HOST
set -euo pipefail
image=$1 package=$2 program=$3
here=$(dirname "$(realpath "$0")")
source=$here/../../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
share=$work/share
mkdir "$share"

"$here/frame.py" "$source/tests/data/clip/two-portraits.mjpeg" 52 "$work/frame.jpg" "$share/frame.yuyv"
"$program" --set "models=$source/models" analyze "$work/frame.jpg" > "$work/analyzed"
cp "$here/board.sh" "$here/affectd.toml" "$share"
cp "$package" "$share/affectd.deb"
"$source/cross/later-deb.sh" "$package" "$share/later.deb"

# Changes go to a copy that is thrown away. A board that hangs is a result too.
start=$SECONDS
timeout "${BOARD_SECONDS:-900}" qemu-system-aarch64 -machine virt -cpu cortex-a72 -smp 2 -m 1024 -nographic -no-reboot -nic none \
	-kernel "$image/kernel" -initrd "$image/initrd" -append "console=ttyAMA0 quiet" \
	-drive "file=$image/root.ext4,format=raw,if=none,id=root,snapshot=on" -device virtio-blk-pci,drive=root \
	-virtfs "local,path=$share,mount_tag=host,security_model=none" < /dev/null | tee "$work/console" |
	grep --line-buffered -aE '== |FAILED' || true
echo "the board ran for $((SECONDS - start)) s"
touch "$share/messages"
"$here/check.py" "$share/messages" "$work/analyzed" || {
	echo "--- the board's console" >&2
	tail -n 60 "$work/console" >&2
	exit 1
}
