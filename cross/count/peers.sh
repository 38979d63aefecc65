#!/bin/sh
# Downloads the peers for instruction counts into a folder: an arm64 root of Debian 12 with Python, and ONNX Runtime.
# usage: peers.sh FOLDER
set -eu
folder=$1
[ ! -e "$folder" ] || exit 0

new=$folder.new
rm -rf "$new"
mkdir -p "$new"
mmdebstrap --quiet --variant=extract --architectures=arm64 --include=python3,libstdc++6 bookworm "$new/root" \
	"${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
python3 -m pip install --quiet --no-deps --only-binary=:all: --platform manylinux_2_28_aarch64 --python-version 3.11 \
	--target "$new/onnxruntime" onnxruntime==1.32.0 numpy==2.4.6
mv "$new" "$folder"
