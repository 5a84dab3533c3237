#!/usr/bin/env bash
# vuln.sh GOVULNCHECK [SNAPSHOT.tar.zst]: fails on a known vulnerability in a
# module that the program really calls. Without a snapshot of the database, which
# is a flat archive of OSV files, the online one is asked.
#
# What is known of the standard library is told, but is no failure: no change to
# this source mends it, only building with a newer Go does, and that may not be
# at hand where this runs.
set -euo pipefail
cd "$(dirname "$0")/.."
govulncheck=$1
database=()

if [ -n "${2:-}" ]; then
  command -v zstd >/dev/null || { echo "vuln.sh: zstd is needed to unpack $2; install it" >&2; exit 1; }
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  tar --zstd -xf "$2" -C "$dir"
  database=(-db "file://$dir")
  newest=$(find "$dir" -name '*.json' -printf '%TY-%Tm-%Td\n' | sort | tail -n 1)
  echo "asking a snapshot of the Go vulnerability database of $newest"
fi

status=0
found=$("$govulncheck" "${database[@]}" ./... 2>&1) || status=$?
echo "$found"
case $status in
  0) exit 0 ;;
  3) ;; # something is called that is vulnerable
  *) exit "$status" ;;
esac
if grep -q '^  Module: ' <<<"$found"; then
  echo "vuln.sh: the program calls a vulnerable module; update it" >&2
  exit 1
fi
echo "*** Only the standard library of $(go env GOVERSION) is concerned: build releases with a newer Go."
