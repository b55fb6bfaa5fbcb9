#!/usr/bin/env bash
# A whole run (decode, infer, draw, H.264) against as many copies of the model alone, in turn.
#
#   benches/end_to_end.sh [ROUNDS] [OPTION...]
#
# Needs `make build vtest`. Options are those of `vision-pipe bench`, such as --engine tract. Prints
# each round, the medians and their ratio, and the peak memory of the run.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
shift || true
program=target/release/vision-pipe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -n "$1" | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
for round in $(seq "$rounds"); do
    "$program" bench target/vtest.avi --max-frames 795 --json "$@" >"$work/bench"
    jq '.engine_alone[-1].fps' "$work/bench" >>"$work/alone"
    jq '.whole[-1].fps' "$work/bench" >>"$work/whole"
    jq '.whole[-1].peak_mb' "$work/bench" >>"$work/memory"
    echo "round $round: alone $(tail -1 "$work/alone"), whole $(tail -1 "$work/whole") frames/s, peak $(tail -1 "$work/memory") MB"
done
alone=$(median "$work/alone")
whole=$(median "$work/whole")
awk -v a="$alone" -v w="$whole" -v m="$(median "$work/memory")" \
    'BEGIN {printf "median: alone %.2f, whole %.2f frames/s, ratio %.3f; peak %.0f MB\n", a, w, w/a, m}'
