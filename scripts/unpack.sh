#!/usr/bin/env bash
# Unpacks Debian packages that the lab needs but that must not be installed: a
# kernel for its machines, and a TFTP server that another one excludes. They are
# kept in a cache below the home directory. Where they cannot be had, it says aloud
# what is missing, and in CI that is a failure.
set -euo pipefail
packages=(atftpd linux-image-cloud-amd64)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pxe-pilot-lab

# The kernel's package is an empty one that depends on the newest real one.
really() {
  local to
  to=$(apt-cache depends "$1" | sed -n 's/^  Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
  echo "${to:-$1}"
}

# unpack makes a directory only once all is in it. apt-get downloads to where it
# stands. One command hangs on the other, for "set -e" is off left of a "||".
unpack() (
  dir=$(mktemp -d "$cache/.new.XXXXXX") || exit
  trap 'rm -rf "$dir"' EXIT
  cd "$dir" &&
    apt-get -q=2 -o APT::Sandbox::User=root download "$(really "$1")" &&
    dpkg -x ./*.deb "$dir/tree" &&
    mv -T "$dir/tree" "$cache/$1"
)

lacking=()
for p in "${packages[@]}"; do [ -d "$cache/$p" ] || lacking+=("$p"); done
[ "${#lacking[@]}" -gt 0 ] || exit 0

missing=("${lacking[@]}")
if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
  echo "unpacking what the lab needs into $cache: ${lacking[*]}"
  mkdir -p "$cache"
  missing=()
  for p in "${lacking[@]}"; do
    # The lists of packages are fetched only where they are missing or too old.
    unpack "$p" 2>/dev/null || { [ "$(id -u)" -ne 0 ] || apt-get update -qq; unpack "$p"; } || missing+=("$p")
  done
  [ "${#missing[@]}" -gt 0 ] || exit 0
fi

cat >&2 <<TXT
*** MISSING: ${missing[*]}, unpacked in $cache
*** Tests that boot machines with these will be skipped. It takes Debian's apt-get, and a network.
TXT
[ -z "${CI:-}" ] || exit 1
