#!/bin/bash
# Makes the emulated board's disk, once: Debian's kernel for arm64, a first file system that finds the disk, and a Debian root
# with systemd, a broker and a camera that can be fed. Needs root.
# usage: image.sh FOLDER     leaves FOLDER/{kernel,initrd,root.ext4}
set -euo pipefail
folder=$1
[ ! -e "$folder" ] || exit 0
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
new=$folder.new
rm -rf "$new"
mkdir -p "$new"

# Its dependencies come with it, but nothing is run: no initial file system is made under emulation.
mmdebstrap --quiet --variant=extract --architectures=arm64 --include=linux-image-arm64,busybox-static bookworm "$work/kernel" "$mirror"
version=$(ls "$work/kernel/lib/modules")
cp "$work/kernel/boot/vmlinuz-$version" "$new/kernel"
depmod -b "$work/kernel" "$version"

# The files of modules and of what they need, each once, in the order in which they must be loaded.
modules() {
	for module in "$@"; do
		modprobe -d "$work/kernel" -S "$version" --show-depends "$module"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

# The first file system holds what the disk and the shared folder need, and hands over to systemd.
initrd=$work/initrd
mkdir -p "$initrd"/{bin,dev,modules,root}
cp "$work/kernel/bin/busybox" "$initrd/bin/"
modules virtio_pci virtio_blk ext4 9p 9pnet_virtio > "$work/first"
{
	echo '#!/bin/busybox sh'
	while read -r file; do
		cp "$file" "$initrd/modules/"
		echo "/bin/busybox insmod /modules/$(basename "$file")"
	done < "$work/first"
	echo '/bin/busybox mount -t devtmpfs dev /dev'
	echo '/bin/busybox mount -t ext4 /dev/vda /root'
	echo 'exec /bin/busybox switch_root /root /sbin/init'
} > "$initrd/init"
chmod +x "$initrd/init"
(cd "$initrd" && find . | cpio --quiet -o -H newc) | gzip -1 > "$new/initrd"

mmdebstrap --quiet --variant=minbase --architectures=arm64 \
	--include=systemd,systemd-sysv,udev,dbus,kmod,mosquitto,mosquitto-clients,v4l-utils bookworm "$work/root" "$mirror"
modules vivid | while read -r file; do
	install -D -m 644 "$file" "$work/root/${file#"$work/kernel/"}"
done
cp "$work/kernel/lib/modules/$version"/modules.{builtin,order} "$work/root/lib/modules/$version/"
depmod -b "$work/root" "$version"
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
mke2fs -q -t ext4 -d "$work/root" "$new/root.ext4" 1G
mv "$new" "$folder"
