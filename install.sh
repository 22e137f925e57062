#!/bin/sh
# Installs chargelift on a 64-bit Linux (x86_64 or aarch64): the Debian package where dpkg exists, else the binary alone.
#   sh install.sh [--from FOLDER-OR-URL] [--binary-only] [--prefix DIR]
# FOLDER-OR-URL holds SHA256SUMS and the files that it names (`npm run build` makes them; default: the folder of this
# script, or dist/ in it). A file is installed only when its SHA-256 is the one in SHA256SUMS.
set -eu

say() { printf 'chargelift: %s\n' "$1"; }
fail() { printf 'chargelift: %s\n' "$1" >&2; exit 1; }

from=$(cd "$(dirname "$0")" && pwd)
[ -f "$from/SHA256SUMS" ] || from=$from/dist
binary_only=''
prefix=/usr/local
while [ $# -gt 0 ]; do
  case "$1" in
    --from) [ $# -gt 1 ] || fail '--from needs a value (a folder or a URL)'; from=$2; shift 2 ;;
    --prefix) [ $# -gt 1 ] || fail '--prefix needs a value (a folder)'; prefix=$2; shift 2 ;;
    --binary-only) binary_only=yes; shift ;;
    *) fail "unknown flag $1: expected --from, --prefix or --binary-only" ;;
  esac
done

# The kernel alone does not decide: a Raspberry Pi may have a 64-bit kernel under 32-bit programs.
needs_64='chargelift needs a 64-bit system (x86_64 or aarch64)'
advice='install the 64-bit version of its operating system'
machine=$(uname -m)
bits=$(getconf LONG_BIT 2>/dev/null || echo 64)
case "$machine" in
  x86_64 | amd64) arch=x64; debian=amd64 ;;
  aarch64 | arm64) arch=arm64; debian=arm64 ;;
  *) fail "$needs_64, this one is $machine: $advice" ;;
esac
userland=$(dpkg --print-architecture 2>/dev/null || echo "$debian")
if [ "$bits" != 64 ] || [ "$userland" != "$debian" ]; then
  fail "$needs_64, this one has a 64-bit kernel ($machine) under 32-bit programs ($userland, $bits bits): $advice"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() {
  case "$from" in
    http://* | https://*)
      if command -v curl >/dev/null; then
        curl -fsSL -o "$work/$1" "$from/$1"
      else
        wget -q -O "$work/$1" "$from/$1"
      fi || fail "$from/$1: cannot be downloaded" ;;
    *) [ -f "$from/$1" ] && cp "$from/$1" "$work/$1" || fail "$from/$1: no such file" ;;
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
  [ "$(id -u)" = 0 ] ||
    fail 'only root can install the package: sudo sh install.sh (or --binary-only --prefix ~/.local)'
  dpkg -i "$work/$name"
  say 'installed. A server: edit /etc/chargelift/server.env. An edge: unpack its bundle in /etc/chargelift/edge.'
  say 'More: /usr/share/doc/chargelift/README'
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
