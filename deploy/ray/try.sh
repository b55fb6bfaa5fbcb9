#!/usr/bin/env bash
# Ray on this machine for real: a corrupt video, a killed program and a killed worker.
# $PYTHON is one that has requirements.txt.
. "$(dirname "$0")/../trial.sh"
prepare
export RAY_USAGE_STATS_ENABLED=0 RAY_DATA_DISABLE_PROGRESS_BARS=1 RAY_DEDUP_LOGS=0 RAY_TMPDIR=$work/ray

run() { # OUT
    local code=0
    "${PYTHON:-python3}" "$deploy/ray/videos.py" "$work/videos.txt" "$1" > "$1.log" 2> "$1.err" || code=$?
    [ "$code" = 3 ] || { tail -30 "$1.err" >&2; fail "ray: exit $code"; }
}

lines() { # OUT: the records as the program wrote them
    "${PYTHON:-python3}" - "$1" << 'END'
import sys
import pyarrow.parquet
for line in pyarrow.parquet.read_table(sys.argv[1])["record"].to_pylist():
    print(line)
END
}

run "$work/out"
sed "s|$work/||g" "$work/out.log"
lines "$work/out" > "$work/out.ndjson"
same ray "$work/out.ndjson"

run "$work/killed" &
job=$!
kill_busy gate.mp4
wait "$job"
lines "$work/killed" > "$work/killed.ndjson"
same "ray, a program killed" "$work/killed.ndjson"

run "$work/worker" &
job=$!
pid=$(busy square.mp4)
worker=$(awk '{ sub(/.*\) /, ""); print $2 }' "/proc/$pid/stat")
name=$(tr '\0' ' ' < "/proc/$worker/cmdline" | sed 's/ *$//')
kill -9 "$worker" "$pid"
echo "killed the worker $name"
wait "$job"
lines "$work/worker" > "$work/worker.ndjson"
same "ray, a worker killed" "$work/worker.ndjson"
