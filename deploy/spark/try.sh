#!/usr/bin/env bash
# Spark on this machine for real: a corrupt video, a killed program and a killed executor that has no file of
# the driver's. $PYTHON is one that has requirements.txt; Java comes from Debian's default-jre-headless.
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

# Two executors of one core, each a process of its own, which sees no file of the driver's, as on two machines.
mkdir -p "$work/java/bin"
cat > "$work/java/bin/java" << END
#!/bin/sh
exec unshare -rm sh -c 'mount -t tmpfs none "$deploy/spark" && mount -t tmpfs none "$work/local" && exec "\$@"' sh "$(command -v java)" "\$@"
END
chmod +x "$work/java/bin/java"
run "local-cluster[2,1,1024] --conf spark.executorEnv.JAVA_HOME=$work/java" "$work/executor" &
job=$!
pid=$(busy square.mp4)
executor=$pid
until tr '\0' ' ' < "/proc/$executor/cmdline" | grep -q CoarseGrainedExecutorBackend; do
    executor=$(awk '{ sub(/.*\) /, ""); print $2 }' "/proc/$executor/stat")
    [ "$executor" -gt 1 ] || fail "no executor above $pid"
done
[ ! -e "/proc/$pid/root$deploy/spark/pipe.sh" ] || fail "the executor sees the driver's files"
kill -9 "$executor" "$pid"
echo "killed an executor with what it ran"
wait "$job"
lost "$work/executor"
same "spark, an executor killed" "$work"/executor/part-*
