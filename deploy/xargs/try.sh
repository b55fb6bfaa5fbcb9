#!/usr/bin/env bash
# xargs -P for real: a corrupt video, a killed job, and one that was told to stop.
. "$(dirname "$0")/../trial.sh"
prepare
cd "$deploy/xargs"

code=0
./run.sh "$work/videos.txt" "$work/out" || code=$?
echo "xargs: exit $code, as something failed"
[ "$code" = 123 ] || fail "one job fails"
same xargs "$work"/out/*.ndjson

again() { # OUT
    local code=0
    ./run.sh "$work/videos.txt" "$1" 2> "$work/err" || code=$?
    [ "$code" = 123 ] || fail "the corrupt video fails again: $code"
}

./run.sh "$work/videos.txt" "$work/killed" 2> "$work/err" &
job=$!
kill_busy gate.mp4
code=0
wait "$job" || code=$?
[ "$code" = 123 ] || fail "a killed job is a failed one: $code"
[ "$(named "$work/killed")" = 4 ] || fail "the killed job has no output"
again "$work/killed"
same "xargs, started again after a job was killed" "$work"/killed/*.ndjson

./run.sh "$work/videos.txt" "$work/stopped" 2> "$work/err" &
job=$!
kill "$(busy "main street.mp4")"
wait "$job" || true
grep -q '"exit":"interrupted"' "$work"/stopped/*.ndjson || fail "what was stopped has its name"
echo "told the program at work on main street.mp4 to stop; $(named "$work/stopped") of 5 outputs have their names"
again "$work/stopped"
same "xargs, started again after a job was stopped" "$work"/stopped/*.ndjson
