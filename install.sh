#!/bin/sh
# Installs chargelift on a 64-bit Linux (x86_64 or aarch64): the Debian package where there is dpkg, else the binary alone.
#   sh install.sh [--from FOLDER-OR-URL] [--binary-only] [--prefix DIR]
# FOLDER-OR-URL holds SHA256SUMS and what it names (`npm run build` makes it; default: the folder of this script, or
# dist/ in it). Nothing is installed whose SHA-256 is not the one in SHA256SUMS.
set -eu

say() { printf 'chargelift: %s\n' "$1"; }
fail() { printf 'chargelift: %s\n' "$1" >&2; exit 1; }

from=$(cd "$(dirname "$0")" && pwd)
[ -f "$from/SHA256SUMS" ] || from=$from/dist
binary_only=''
prefix=/usr/local
while [ $# -gt 0 ]; do
  case "$1" in
    --from) [ $# -gt 1 ] || fail 'expected a folder or a URL after --from'; from=$2; shift 2 ;;
    --prefix) [ $# -gt 1 ] || fail 'expected a folder after --prefix'; prefix=$2; shift 2 ;;
    --binary-only) binary_only=yes; shift ;;
    *) fail "expected --from, --prefix or --binary-only, found $1" ;;
  esac
done

# What the programs of this system are made for: a Raspberry Pi may have a 64-bit kernel under 32-bit programs.
machine=$(uname -m)
bits=$(getconf LONG_BIT 2>/dev/null || echo 64)
case "$machine" in
  x86_64 | amd64) arch=x64; debian=amd64 ;;
  aarch64 | arm64) arch=arm64; debian=arm64 ;;
  *) fail "chargelift needs a 64-bit system (x86_64 or aarch64), this one is $machine: install the 64-bit version of its operating system" ;;
esac
userland=$(dpkg --print-architecture 2>/dev/null || echo "$debian")
if [ "$bits" != 64 ] || [ "$userland" != "$debian" ]; then
  fail "chargelift needs a 64-bit system, this one has a 64-bit kernel ($machine) under 32-bit programs ($userland, $bits bits): install the 64-bit version of its operating system"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() {
  case "$from" in
    http://* | https://*)
      if command -v curl >/dev/null; then curl -fsSL -o "$work/$1" "$from/$1"; else wget -q -O "$work/$1" "$from/$1"; fi ||
        fail "expected $from/$1, found nothing that can be loaded" ;;
    *) [ -f "$from/$1" ] && cp "$from/$1" "$work/$1" || fail "expected $from/$1, found no such file" ;;
  esac
}

verify() {
  line=$(grep -E "  $1\$" "$work/SHA256SUMS") || fail "expected $1 in SHA256SUMS, found no such line"
  (cd "$work" && printf '%s\n' "$line" | sha256sum --check --status) ||
    fail "$1 is not what SHA256SUMS says: it was cut, or changed. Nothing was installed"
}

fetch SHA256SUMS
if [ -z "$binary_only" ] && command -v dpkg >/dev/null; then
  name=$(sed -n "s/^.*  \(chargelift_.*_$debian\.deb\)\$/\1/p" "$work/SHA256SUMS" | tail -n 1)
  [ -n "$name" ] || fail "expected a package for $debian in SHA256SUMS, found none (--binary-only installs the binary)"
  fetch "$name"
  verify "$name"
  [ "$(id -u)" = 0 ] || fail 'must be root to install the package: sudo sh install.sh (or --binary-only --prefix ~/.local)'
  dpkg -i "$work/$name"
  say "installed. A server: /etc/chargelift/server.env; an edge: unpack its bundle in /etc/chargelift/edge (/usr/share/doc/chargelift/README)"
else
  name=chargelift-linux-$arch
  if grep -q "  $name.xz\$" "$work/SHA256SUMS" && command -v xz >/dev/null; then
    fetch "$name.xz"
    verify "$name.xz"
    xz -d "$work/$name.xz"
  else
    fetch "$name"
  fi
  verify "$name"
  mkdir -p "$prefix/bin"
  install -m 755 "$work/$name" "$prefix/bin/chargelift.new"
  mv "$prefix/bin/chargelift.new" "$prefix/bin/chargelift"
  say "installed $prefix/bin/chargelift"
fi
