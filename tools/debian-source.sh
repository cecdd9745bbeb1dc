#!/bin/sh
# Fetches and unpacks the source of one Debian package: tools/debian-source.sh PACKAGE SUITE FOLDER
#
# PACKAGE is a source package (name or name=version), SUITE such as trixie or sid. FOLDER gets the files of its upstream
# tarball, without Debian's patches; when it holds them already, nothing is done. apt verifies the suite's signature and
# the checksums below it, in a temporary folder: the system's own lists and packages stay as they are.
# Needs apt-get, debian-archive-keyring and tar with the compressor of the tarball; neither root nor dpkg-dev.
# The mirror is the one that this system takes its packages from; DEBIAN_MIRROR=URL takes another.
set -eu

fail() { echo "debian-source.sh: $1" >&2; exit 1; }

[ $# = 3 ] || fail "usage: tools/debian-source.sh PACKAGE SUITE FOLDER"
package=$1 suite=$2 folder=${3%/}
stamp=.debian-source part=$folder.part.$$

if [ -e "$folder/$stamp" ]; then
    [ "$(cat "$folder/$stamp")" = "$package $suite" ] || fail "$folder holds another package: $(cat "$folder/$stamp")"
    exit 0
fi
[ ! -e "$folder" ] || rmdir "$folder" 2>/dev/null || fail "$folder exists and is not from this script"

for keys in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp ''; do
    [ ! -r "$keys" ] || break
done
[ -n "$keys" ] || fail "no Debian keyring to verify with: install debian-archive-keyring"
command -v apt-get >/dev/null || fail "$package cannot be fetched: there is no apt-get"
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    sed -n '/-security/d; s/^Debian [^ ]* //p' | head -n 1)}
[ -n "$mirror" ] || fail "this system names no Debian mirror: set DEBIAN_MIRROR"

work=$(mktemp -d) || fail "no temporary folder"
trap 'rm -rf "$work" "$part"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$work" # apt downloads as the user _apt where it can
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/get"
echo "deb-src [signed-by=$keys] $mirror $suite main" > "$work/source.list"

apt() {
    (cd "$work/get" && LC_ALL=C apt-get -q -o Dir::Etc::sourcelist="$work/source.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Update::Error-Mode=any \
        -o Acquire::Languages=none -o Acquire::Retries=2 "$@") > "$work/log" 2>&1 </dev/null ||
        fail "no $package from $mirror $suite: $(sed -n 's/^E: *//p' "$work/log" | head -n 1)"
}
apt update
apt source --download-only --tar-only --only-source -- "$package"

tarball=
for file in "$work"/get/*.orig.tar.* "$work"/get/*.tar.*; do
    case $file in *.asc) ;; *) [ ! -f "$file" ] || { tarball=$file; break; } ;; esac
done
[ -n "$tarball" ] || fail "$package of $suite has no tarball"
mkdir -p "$part"
tar -xf "$tarball" -C "$part" --strip-components=1 2>"$work/log" || fail "$tarball: $(head -n 1 "$work/log")"
echo "$package $suite" > "$part/$stamp"
[ -e "$folder/$stamp" ] || mv "$part" "$folder" # another run may have made it meanwhile
