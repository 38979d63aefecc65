#!/bin/bash
# Builds the board's kernel: Linux as a program of this machine (User-Mode Linux). Minutes, once.
# usage: kernel.sh SOURCES.tar.xz OUT
set -euo pipefail
here=$(dirname "$(realpath "$0")")
sources=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar -C "$work" --strip-components=1 -xf "$sources"
cd "$work"
# Registers are read and written whole, and with AMX they take 11,008 bytes. The host cuts a longer size to its own.
sed -i 's/\(DEFINE_LONGS(HOST_FP_SIZE, \)2696)/\111008)/' arch/x86/um/user-offsets.c
grep -q 'HOST_FP_SIZE, 11008' arch/x86/um/user-offsets.c
make -s ARCH=um defconfig
cat "$here/kernel.config" >> .config
make -s ARCH=um olddefconfig 2> /dev/null
# What another kernel version no longer has would otherwise be missed only when the board does not work.
while IFS='=' read -r key value; do
	case $value in
	n) ! grep "^$key=" .config ;;
	*) grep -qx "$key=$value" .config ;;
	esac || {
		echo "kernel.config: $key=$value did not become part of the configuration" >&2
		exit 1
	}
done < <(grep '^CONFIG' "$here/kernel.config")
nice -n 10 make -s ARCH=um -j"$(nproc)" linux
mkdir -p "$(dirname "$out")"
strip -o "$out.new" linux
mv "$out.new" "$out"
