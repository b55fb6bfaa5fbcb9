#!/usr/bin/env bash
# A list of videos with xargs: run.sh LIST OUT [OPTION...]. Started again, it does what failed or is missing: --skip-done reads
# the summaries. Every call takes up to BATCH videos and loads the model once.
set -euo pipefail
list=$1 out=$2
shift 2
mkdir -p "$out"
# xargs stops where a command is killed or says 255; the shell between makes both a plain failure.
tr '\n' '\0' < "$list" | xargs -0 -r -P "${JOBS:-2}" -n "${BATCH:-1}" sh -c '"$@" || exit 1' sh \
    "${VISION_PIPE:-vision-pipe}" run -q --workers "${WORKERS:-1}" --skip-done --ndjson "$out/{hash}-{stem}.ndjson" "$@"
