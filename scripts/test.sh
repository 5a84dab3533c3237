#!/usr/bin/env bash
# Runs every test under the race detector: first the packages that need little,
# side by side, then the lab, alone, for its machines and servers need the cores.
# "soak" runs the long versions, and then every fuzz target for a while.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=1 # for the race detector; the program itself is built without

timeout=10m
[ "${1:-}" != soak ] || { export PXE_PILOT_SOAK=1; timeout=6h; }

PXE_PILOT_SKIPPED=$(mktemp)
export PXE_PILOT_SKIPPED
trap 'rm -f "$PXE_PILOT_SKIPPED"' EXIT

all=$(go list ./...)
mapfile -t lab < <(grep '/e2e\(/\|$\)' <<<"$all")
mapfile -t unit < <(grep -v '/e2e\(/\|$\)' <<<"$all")
failed=0
go test -race -timeout "$timeout" "${unit[@]}" || failed=1
[ "${#lab[@]}" -eq 0 ] || go test -race -timeout "$timeout" -p 1 -count 1 "${lab[@]}" || failed=1

# The go command names the fuzz targets of a package above the package.
if [ "${1:-}" = soak ]; then
  go test -list '^Fuzz' "${unit[@]}" "${lab[@]}" | awk '/^Fuzz/ {f[n++] = $1} /^ok/ {for (i = 0; i < n; i++) print $2, f[i]; n = 0}' |
    while read -r package target; do
      echo "fuzz $package $target"
      go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" "$package" </dev/null || exit 1
    done || failed=1
fi

if [ -s "$PXE_PILOT_SKIPPED" ]; then
  echo
  echo "*** SKIPPED, and so nothing is known of these:"
  sort -u "$PXE_PILOT_SKIPPED" | sed 's/^/***   /'
fi
exit "$failed"
