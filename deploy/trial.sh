# shellcheck shell=bash
# What the trials share; sourced by each try.sh. The program is $VISION_PIPE, or the one in PATH.
set -euo pipefail
fail() { echo "FAILED: $*" >&2; exit 1; }

deploy=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VISION_PIPE=$(command -v "${VISION_PIPE:-vision-pipe}") || fail "no vision-pipe: set VISION_PIPE to where it is"
VISION_PIPE=$(readlink -f "$VISION_PIPE")
export VISION_PIPE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# $work/videos, and in $work/one the frame lines of one machine that runs them all, which reports one and says 3.
prepare() {
    "$deploy/make-videos.sh" "$work/videos"
    printf '%s\n' "$work"/videos/*.mp4 "$work"/videos/west/* > "$work/videos.txt"
    local code=0
    "$VISION_PIPE" run --inputs-from "$work/videos.txt" --ndjson "$work/one.ndjson" 2> "$work/one.err" || code=$?
    [ "$code" = 3 ] || { cat "$work/one.err"; fail "one machine ended with $code"; }
    frames "$work/one.ndjson" > "$work/one"
    echo "one machine: $(wc -l < "$work/one") frames, exit 3"
}

# The frame lines of these files, sorted.
frames() { cat "$@" | grep '^{"type":"frame"' | LC_ALL=C sort; }

# WHAT FILE...: these files have the frame lines of one machine, byte for byte.
same() {
    local what=$1
    shift
    frames "$@" > "$work/many"
    cmp "$work/one" "$work/many" || fail "$what: other records than one machine"
    echo "$what: the same $(wc -l < "$work/many") frame lines as one machine"
}

# The id of the program that works on an input of this name, once it has computed for half a second.
busy() {
    local pid ticks
    for _ in $(seq 1 600); do
        for pid in $(pgrep -f -- "$work/videos/$1" || true); do
            [ "$(readlink "/proc/$pid/exe")" = "$VISION_PIPE" ] || continue
            ticks=$(awk '{ sub(/.*\) /, ""); print $12 }' "/proc/$pid/stat" 2>/dev/null || echo 0)
            if [ "${ticks:-0}" -ge 50 ]; then
                echo "$pid"
                return
            fi
        done
        sleep 0.1
    done
    fail "nobody works on $1"
}

# NAME: ends the program that works on that input, as a machine that dies would.
kill_busy() {
    local pid
    pid=$(busy "$1")
    kill -9 "$pid"
    while [ -e "/proc/$pid/exe" ]; do sleep 0.1; done
    echo "killed the program at work on $1"
}

# DIR: how many outputs there have their names.
named() { find "$1" -name '*.ndjson' ! -name '*.part.ndjson' | wc -l; }
