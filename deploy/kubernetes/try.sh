#!/usr/bin/env bash
# The Indexed Job without a cluster: checked by the API's schema, then its eight indices run here, with a corrupt video
# and a killed pod. $PYTHON is one that has requirements.txt.
. "$(dirname "$0")/../trial.sh"
# As in job.yaml.
export VISION_PIPE_ENGINE=tract
prepare
mkdir "$work/records"
"${PYTHON:-python3}" "$deploy/kubernetes/check.py" "$deploy/kubernetes/job.yaml" "$work/videos" "$work/records" \
    2> "$work/err" || { cat "$work/err" >&2; fail "the Job does not end"; }
grep error: "$work/err" | sed "s|$work/||g"
same kubernetes "$work"/records/*.ndjson
