#!/usr/bin/env bash
# A whole run (decode, infer, draw, H.264) against as many copies of the model alone, in turn.
#
#   benches/end_to_end.sh [ROUNDS]
#
# Needs `make build vtest` and builds the bench itself. Prints each round, the medians and their
# ratio, and the peak memory of the run.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
workers=$(nproc)
program=target/release/vision-pipe
bench=$(cargo bench --bench model --no-run 2>&1 | sed -n 's/.*(\(target[^)]*\)).*/\1/p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -n "$1" | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
for round in $(seq "$rounds"); do
    "$bench" 10 | sed -n "s/^$workers workers: \([0-9.]*\).*/\1/p" >>"$work/alone"
    /usr/bin/time -f %M -a -o "$work/memory" "$program" run target/vtest.avi -q -w "$workers" \
        -o "$work/out.mp4" --ndjson "$work/out.ndjson" --summary-json "$work/summary.json"
    sed 's/.*"fps":\([0-9.]*\),"stages".*/\1/' "$work/summary.json" >>"$work/whole"
    echo "round $round: alone $(tail -1 "$work/alone"), whole $(tail -1 "$work/whole") frames/s, peak $(tail -1 "$work/memory") KiB"
done
alone=$(median "$work/alone")
whole=$(median "$work/whole")
awk -v a="$alone" -v w="$whole" -v m="$(median "$work/memory")" \
    'BEGIN {printf "median: alone %.2f, whole %.2f frames/s, ratio %.3f; peak %.0f MiB\n", a, w, w/a, m/1024}'
