#!/bin/sh
# Tags a version and collects its files.
# usage: release.sh check                  whether the version can be released
#        release.sh build OUT DEB...       the packages, an SBOM and checksums in the folder OUT; then the tag
# Expects cargo-cyclonedx in PATH for build.
set -eu
cd "$(dirname "$0")/.."

fail() {
	echo "release.sh: $*" >&2
	exit 1
}

version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
tag=v$version

check() {
	packaged=$(sed -n '1s/^affectd (\(.*\)) .*/\1/p' cross/package/changelog)
	[ "$packaged" = "$version" ] || fail "cross/package/changelog begins with $packaged; Cargo.toml has $version"
	grep -q "^## \[$version\]" CHANGELOG.md || fail "CHANGELOG.md has no section [$version]"
	[ -z "$(git status --porcelain)" ] || fail "the working tree has changes that are not committed"
	! git rev-parse --quiet --verify "refs/tags/$tag" > /dev/null || fail "the tag $tag exists"
}

# What the program is linked with; build dependencies are not distributed.
sbom() {
	SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) cargo cyclonedx --quiet --format json --spec-version 1.5 \
		--no-build-deps --target "$1" --override-filename release-sbom
	# References would otherwise contain the path of the checkout.
	sed "s,file://$PWD,file:///affectd,g" release-sbom.json > "$2"
	# The workspace's other crates get their own SBOMs, whose content is part of this one.
	git ls-files --others -- '*release-sbom.json' | xargs rm -f
}

build() {
	out=$1
	shift
	mkdir -p "$out"
	for package; do
		[ "$(dpkg-deb -f "$package" Version)" = "$version" ] || fail "$package is not version $version"
		cp "$package" "$out"
	done
	sbom aarch64-unknown-linux-gnu "$out/affectd_${version}_arm64.cdx.json"
	sbom x86_64-unknown-linux-gnu "$out/affectd_${version}_amd64.cdx.json"
	(cd "$out" && rm -f SHA256SUMS && sha256sum -- * > SHA256SUMS && sha256sum --check --quiet SHA256SUMS)
	# The notes are this version's section of the changelog.
	awk -v version="$version" '/^## \[/ { on = index($0, "[" version "]") } on' CHANGELOG.md |
		git tag --annotate --cleanup=verbatim --file=- "$tag"
	echo "$tag: $out"
}

case ${1:-} in
check) check ;;
build)
	shift
	check
	build "$@"
	;;
*) fail "usage: release.sh check | build OUT DEB..." ;;
esac
