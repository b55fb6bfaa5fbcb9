#!/usr/bin/env bash
# GNU parallel for real: a corrupt video, a killed job, parallel itself killed, and a list that grows in front.
. "$(dirname "$0")/../trial.sh"
prepare
cd "$deploy/parallel"

code=0
./run.sh "$work/videos.txt" "$work/out" || code=$?
echo "parallel: exit $code, the number of failed jobs"
[ "$code" = 1 ] || fail "one job fails"
cut -f 7- "$work/out/joblog" | sed "s|$work/||g"
same parallel "$work"/out/*.ndjson

./run.sh "$work/videos.txt" "$work/killed" 2> "$work/err" &
job=$!
kill_busy gate.mp4
code=0
wait "$job" || code=$?
[ "$code" = 1 ] || fail "the killed job was not done again: $code"
same "parallel, a job killed" "$work"/killed/*.ndjson

setsid ./run.sh "$work/videos.txt" "$work/again" 2> "$work/err" &
job=$!
busy square.mp4 > /dev/null
kill -9 -- "-$job"
wait "$job" 2> /dev/null || true
echo "killed parallel and its jobs; $(named "$work/again") of 5 outputs are whole"
code=0
./run.sh "$work/videos.txt" "$work/again" || code=$?
[ "$code" = 1 ] || fail "started again: $code"
same "parallel, started again" "$work"/again/*.ndjson

tail -n 2 "$work/videos.txt" > "$work/some.txt"
./run.sh "$work/some.txt" "$work/grown"
code=0
./run.sh "$work/videos.txt" "$work/grown" 2> "$work/err" || code=$?
[ "$code" = 1 ] || fail "after a shorter list: $code"
same "parallel, two of the list and then all of it" "$work"/grown/*.ndjson
