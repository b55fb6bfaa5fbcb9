#!/usr/bin/env bash
# A list of videos with GNU parallel: run.sh LIST OUT [OPTION...]. Started again, it does what failed or is missing:
# --skip-done reads the summaries. The job log is that of the last start.
set -euo pipefail
list=$1 out=$2
shift 2
mkdir -p "$out"
# A job has half of the cores here: --jobs times --workers is what the machine has.
parallel --will-cite --quote --jobs "${JOBS:-2}" --joblog "$out/joblog" --retries 2 \
    "${VISION_PIPE:-vision-pipe}" run -q {} --workers "${WORKERS:-1}" --skip-done --ndjson "$out/{hash}-{stem}.ndjson" "$@" \
    :::: "$list"
