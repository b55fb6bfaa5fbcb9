#!/usr/bin/env bash
# A list of videos with GNU parallel: run.sh LIST OUT [OPTION...]. Started again, it does what failed or is missing.
set -euo pipefail
list=$1 out=$2
shift 2
mkdir -p "$out"
# A job has half of the cores here: --jobs times --workers is what the machine has.
parallel --will-cite --quote --jobs "${JOBS:-2}" --joblog "$out/joblog" --resume-failed --retries 2 \
    "${VISION_PIPE:-vision-pipe}" run -q {} --workers "${WORKERS:-1}" --ndjson "$out/{/.}.ndjson" "$@" \
    :::: "$list"
