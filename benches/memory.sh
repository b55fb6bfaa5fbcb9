#!/usr/bin/env bash
# Peak memory after few and after many synthetic frames, with a scripted detector: it must not grow.
#
#   benches/memory.sh [FEW MANY]
set -euo pipefail
cd "$(dirname "$0")/.."
program=target/release/vision-pipe
peak() {
    /usr/bin/time -f %M "$program" run "synthetic:320x240@25x$1" --engine fake:boxes=5 -q --ndjson /dev/null 2>&1
}
few=$(peak "${1:-10000}")
many=$(peak "${2:-100000}")
awk -v f="$few" -v m="$many" 'BEGIN {printf "peak after few frames %d KiB, after many %d KiB, ratio %.3f\n", f, m, m/f}'
