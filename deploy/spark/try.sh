#!/usr/bin/env bash
# Spark on this machine for real: a corrupt video, a killed program and a killed executor. $PYTHON is one that has
# requirements.txt; Java comes from Debian's default-jre-headless.
. "$(dirname "$0")/../trial.sh"
prepare
PYTHON=${PYTHON:-python3}
export PYSPARK_PYTHON=$PYTHON SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_DIRS=$work/local

run() { # MASTER OUT [PARTITIONS]
    local code=0 out=$2
    (cd "$work" && PYSPARK_SUBMIT_ARGS="--master $1 --conf spark.ui.enabled=false pyspark-shell" \
        timeout 500 "$PYTHON" "$deploy/spark/videos.py" "$work/videos.txt" "$out" "${@:3}") > "$out.log" 2> "$out.err" || code=$?
    [ "$code" = 3 ] || { tail -30 "$out.err" >&2; fail "spark: exit $code"; }
}

# OUT: Spark must have said that a task was lost.
lost() { grep -o 'Lost task.*' "$1.err" | cut -c1-150 | grep . || fail "spark lost no task"; }

run 'local[2,4]' "$work/out"
sed "s|$work/||g" "$work/out.log"
same spark "$work"/out/part-*

run 'local[2,4]' "$work/two" 2
same "spark, two partitions" "$work"/two/part-*

run 'local[2,4]' "$work/killed" &
job=$!
kill_busy gate.mp4
wait "$job"
lost "$work/killed"
same "spark, a program killed" "$work"/killed/part-*

# Two executors of one core, each a process of its own, as on two machines.
run 'local-cluster[2,1,1024]' "$work/executor" &
job=$!
pid=$(busy square.mp4)
executor=$pid
until tr '\0' ' ' < "/proc/$executor/cmdline" | grep -q CoarseGrainedExecutorBackend; do
    executor=$(awk '{ sub(/.*\) /, ""); print $2 }' "/proc/$executor/stat")
    [ "$executor" -gt 1 ] || fail "no executor above $pid"
done
kill -9 "$executor" "$pid"
echo "killed an executor with what it ran"
wait "$job"
lost "$work/executor"
same "spark, an executor killed" "$work"/executor/part-*
