#!/usr/bin/env bash
# A Slurm of one node for real, in a folder of its own (as root; Debian: slurm-wlm, munge): a corrupt video, a killed
# task, one whose time is over, and a node that dies.
. "$(dirname "$0")/../trial.sh"
prepare

# Munge says who is who; its key, socket and log are in the folder too.
mkdir -m 755 "$work/munge" "$work/state" "$work/spool" "$work/log"
chmod 755 "$work"
head -c 1024 /dev/urandom > "$work/munge/key"
chmod 400 "$work/munge/key"
munged --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
    --seed-file="$work/munge/seed" --log-file="$work/munge/log" --force

cat > "$work/slurm.conf" << END
ClusterName=trial
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/log/slurmctld
SlurmdLogFile=$work/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobCompType=jobcomp/filetxt
JobCompLoc=$work/log/jobs
ReturnToService=2
SlurmdTimeout=10
MinJobAge=300
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes=ALL Default=YES MaxTime=1:00:00 State=UP
END
export SLURM_CONF=$work/slurm.conf

# Processes of this trial alone: their configuration or folder is ours.
ours() { cat "$work"/slurmctld.pid "$work"/slurmd.pid "$work/munge/pid" 2> /dev/null || true; }
leave() {
    scancel --quiet --full --user=root 2> /dev/null || true
    for _ in $(seq 1 50); do [ -n "$(squeue -h 2> /dev/null)" ] || break; sleep 0.1; done
    for pid in $(ours); do kill "$pid" 2> /dev/null || true; done
    for _ in $(seq 1 50); do [ -n "$(ours)" ] || break; sleep 0.1; done
    rm -rf "$work"
}
trap leave EXIT

slurmctld
slurmd -N "$(hostname -s)"
for _ in $(seq 1 200); do
    [ "$(sinfo -h -o %T 2> /dev/null)" = idle ] && break
    sleep 0.2
done
sinfo
[ "$(sinfo -h -o %T)" = idle ] || fail "the node does not come up: $(tail -5 "$work"/log/*)"

submit() { # OUT
    mkdir -p "$1"
    sbatch --parsable --array="1-$(wc -l < "$work/videos.txt")%2" --time=10 --output="$1/%A_%a.log" \
        "$deploy/slurm/videos.sbatch" "$work/videos.txt" "$1"
}

ended() { # JOB [TIMES]: waits for the array, then shows how its tasks ended; so many must have been started again
    for _ in $(seq 1 1200); do
        [ -n "$(squeue -h -j "$1" 2> /dev/null)" ] || break
        # What is queued again waits for two minutes; nobody does here.
        for waiting in $(squeue -h -j "$1" -t PENDING -o '%A %r' 2> /dev/null | awk '$2 == "BeginTime" { print $1 }'); do
            scontrol update JobId="$waiting" StartTime=now 2> /dev/null || true
        done
        sleep 0.2
    done
    [ -z "$(squeue -h -j "$1" 2> /dev/null)" ] || { squeue; fail "the array does not end"; }
    scontrol -o show job "$1" | awk '{
        for (i = 1; i <= NF; i++) { split($i, kv, "="); v[kv[1]] = kv[2] }
        print "  task", v["ArrayTaskId"], v["JobState"], "exit", v["ExitCode"], "restarts", v["Restarts"]
    }' | sort | tee "$work/tasks"
    [ "$(grep -c 'restarts [1-9]' "$work/tasks")" -ge "${2:-0}" ] || fail "no task was started again"
}

job=$(submit "$work/out")
ended "$job"
same slurm "$work"/out/*.ndjson
grep -h error: "$work"/out/*.log | sed "s|$work/||g"

mkdir "$work/shards"
job=$(sbatch --parsable --array=1-3 --requeue --time=10 --output="$work/shards/%A_%a.log" --wrap \
    "'$VISION_PIPE' run -q --inputs-from '$work/videos.txt' --shard auto --skip-done --resume --ndjson '$work/shards/{hash}-{stem}.ndjson'")
ended "$job"
same "slurm, a shard a task" "$work"/shards/*.ndjson

job=$(submit "$work/killed")
kill_busy gate.mp4
ended "$job" 1
same "slurm, a task killed" "$work"/killed/*.ndjson

job=$(submit "$work/time")
busy "main street.mp4" > /dev/null
# What Slurm does a minute before the end of the time.
for _ in $(seq 1 20); do
    scancel --batch --signal=TERM "${job}_3" 2> /dev/null && break
    sleep 0.1 # "try again later", while Slurm is busy with another task of the array
done
echo "told the task of 'main street.mp4' that its time is over"
ended "$job" 1
same "slurm, a task out of time" "$work"/time/*.ndjson

job=$(submit "$work/node")
pid=$(busy square.mp4)
# All of the node at once: the daemon, the steps, and what they run.
node=("$(cat "$work/slurmd.pid")" "$pid")
for step in $(pgrep -x slurmstepd); do
    if grep -qs "$work" "/proc/$step/environ"; then mapfile -t -O "${#node[@]}" node < <(echo "$step"; pgrep -P "$step"); fi
done
kill -9 "${node[@]}"
echo "killed slurmd, its steps and the program at work on square.mp4"
for _ in $(seq 1 600); do
    case $(sinfo -h -o %T) in down*) break ;; esac
    sleep 0.2
done
echo "slurmctld: the node is $(sinfo -h -o %T)"
rm -f "$work/slurmd.pid"
slurmd -N "$(hostname -s)"
ended "$job" 1
same "slurm, the node died" "$work"/node/*.ndjson
