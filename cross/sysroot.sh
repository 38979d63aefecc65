#!/bin/sh
# Fetches Debian 11's C library (glibc 2.31) for arm64 into a folder, to link with: what is linked with it runs on every later system.
# usage: sysroot.sh FOLDER
set -eu
folder=$1
[ ! -e "$folder" ] || exit 0

new=$folder.new
rm -rf "$new"
mmdebstrap --quiet --variant=extract --architectures=arm64 --include=libc6-dev,libgcc-s1 bullseye "$new" \
	"${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
# Debian's links are absolute and would lead out of the folder.
for link in "$new"/usr/lib/aarch64-linux-gnu/*.so; do
	case $(readlink "$link") in
	/*) ln -sfn "../../..$(readlink "$link")" "$link" ;;
	esac
done
mv "$new" "$folder"
