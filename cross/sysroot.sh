#!/bin/sh
# Downloads the C library of Debian 11 (glibc 2.31) for arm64 into a folder, to link against: a program linked with it
# runs on every later system.
# usage: sysroot.sh FOLDER
set -eu
folder=$1
[ ! -e "$folder" ] || exit 0

new=$folder.new
rm -rf "$new"
mmdebstrap --quiet --variant=extract --architectures=arm64 --include=libc6-dev,libgcc-s1 bullseye "$new" \
	"${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
# Debian's symbolic links are absolute and would point outside the folder.
for link in "$new"/usr/lib/aarch64-linux-gnu/*.so; do
	case $(readlink "$link") in
	/*) ln -sfn "../../..$(readlink "$link")" "$link" ;;
	esac
done
mv "$new" "$folder"
