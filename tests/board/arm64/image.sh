#!/bin/bash
# Makes what the emulated board consists of, once: Debian's kernel for arm64, a first file system that finds the disk, and the disk, which is
# the other board's for this architecture. Needs root and ../../../cross/binfmt.sh.
# usage: image.sh FOLDER     leaves FOLDER/{kernel,initrd,root.img}
set -euo pipefail
here=$(dirname "$(realpath "$0")")
folder=$1
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$folder.new"
mkdir -p "$folder.new"

# What it depends on comes with it, but nothing is run: no first file system is made under emulation.
packages=$work/packages
mmdebstrap --quiet --variant=extract --architectures=arm64 --include=linux-image-arm64,busybox-static bookworm "$packages" "$mirror"
version=$(ls "$packages/lib/modules")
cp "$packages/boot/vmlinuz-$version" "$folder.new/kernel"
depmod -b "$packages" "$version"

# The files of modules and of what they need, each once and in the order in which they are loaded.
modules() {
	for module in "$@"; do
		modprobe -d "$packages" -S "$version" --show-depends "$module"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

# What the disk and the shared folder need; then systemd takes over.
first=$work/first
mkdir -p "$first"/{bin,dev,modules,root}
cp "$packages/bin/busybox" "$first/bin/"
{
	echo '#!/bin/busybox sh'
	modules virtio_pci virtio_blk ext4 9p 9pnet_virtio | while read -r file; do
		cp "$file" "$first/modules/"
		echo "/bin/busybox insmod /modules/$(basename "$file")"
	done
	echo '/bin/busybox mount -t devtmpfs devices /dev'
	echo '/bin/busybox mount -t ext4 /dev/vda /root'
	echo 'exec /bin/busybox switch_root /root /sbin/init'
} > "$first/init"
chmod +x "$first/init"
(cd "$first" && find . | cpio --quiet -o -H newc) | gzip -1 > "$folder.new/initrd"

# Over the disk: the camera's driver, and where the shared folder comes from.
over=$work/over
modules vivid | while read -r file; do
	install -D -m 644 "$file" "$over/${file#"$packages/"}"
done
cp "$packages/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$over/lib/modules/$version/"
depmod -b "$over" "$version"
# Where /lib is a link to usr/lib, nothing may be copied over it.
mkdir "$over/usr"
mv "$over/lib" "$over/usr/lib"
cp -r --no-preserve=ownership "$here/root/." "$over"
"$here/../uml/root.sh" "$folder.new/root.img" arm64 "$over"
rm -rf "$folder"
mv "$folder.new" "$folder"
