#!/usr/bin/env bash
# Ray on this machine for real: a corrupt video, a killed program, a killed worker, what fails for good, wrong settings.
# $PYTHON is one that has requirements.txt.
. "$(dirname "$0")/../trial.sh"
prepare
export RAY_USAGE_STATS_ENABLED=0 RAY_DATA_DISABLE_PROGRESS_BARS=1 RAY_DEDUP_LOGS=0 RAY_TMPDIR=$work/ray

run() { # OUT [EXIT CODE]
    local code=0
    "${PYTHON:-python3}" "$deploy/ray/videos.py" "$work/videos.txt" "$1" > "$1.log" 2> "$1.err" || code=$?
    [ "$code" = "${2:-3}" ] || { tail -30 "$1.err" >&2; fail "ray: exit $code"; }
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

# Rows for nobody: every video ends with 3, and its records are whole.
VISION_PIPE_TIMEPLUS=http://127.0.0.1:9 VISION_PIPE_TIMEPLUS_GIVE_UP=1s run "$work/rows"
grep 'exit 3' "$work/rows.log" | sed "s|$work/||g"
lines "$work/rows" > "$work/rows.ndjson"
same "ray, with lost rows" "$work/rows.ndjson"

VISION_PIPE_CONF=7 run "$work/settings" 1
grep -h "exit 2:" "$work/settings.err" | tail -1 | sed "s|$work/||g"

run "$work/thrice" &
job=$!
for _ in 1 2 3; do kill_busy gate.mp4; done
wait "$job"
grep gate.mp4 "$work/thrice.log" | sed "s|$work/||g"
lines "$work/thrice" > "$work/thrice.ndjson"
grep -v '"source":"gate.mp4"' "$work/one" > "$work/rest"
mv "$work/rest" "$work/one"
same "ray, a video that ends its program: all others" "$work/thrice.ndjson"
