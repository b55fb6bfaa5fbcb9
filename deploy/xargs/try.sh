#!/usr/bin/env bash
# xargs -P for real: a corrupt video, and a killed job.
. "$(dirname "$0")/../trial.sh"
prepare
cd "$deploy/xargs"

code=0
./run.sh "$work/videos.txt" "$work/out" || code=$?
echo "xargs: exit $code, as something failed"
[ "$code" = 123 ] || fail "one job fails"
same xargs "$work"/out/*.ndjson

./run.sh "$work/videos.txt" "$work/killed" 2> "$work/err" &
job=$!
kill_busy gate.mp4
code=0
wait "$job" || code=$?
[ "$code" = 123 ] || fail "a killed job is a failed one: $code"
[ ! -e "$work/killed/gate.ndjson" ] || fail "the killed job has no output"
./run.sh "$work/videos.txt" "$work/killed"
same "xargs, started again after a job was killed" "$work"/killed/*.ndjson
