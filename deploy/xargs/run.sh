#!/usr/bin/env bash
# A list of videos with xargs: run.sh LIST OUT [OPTION...]. Started again, it does what is missing: an output gets its name
# when it is whole. Every call takes up to BATCH videos and loads the model once.
set -euo pipefail
list=$1 out=$2
shift 2
mkdir -p "$out"
while IFS= read -r video; do
    name=${video##*/}
    [ -e "$out/${name%.*}.ndjson" ] || printf '%s\0' "$video"
done < "$list" |
    # xargs stops where a command is killed or says 255; the shell between makes both a plain failure.
    xargs -0 -r -P "${JOBS:-2}" -n "${BATCH:-1}" sh -c '"$@" || exit 1' sh \
        "${VISION_PIPE:-vision-pipe}" run -q --workers "${WORKERS:-1}" --ndjson "$out/{stem}.ndjson" "$@"
