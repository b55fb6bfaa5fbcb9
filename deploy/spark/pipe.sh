#!/usr/bin/env bash
# One partition of videos.py: paths on standard input, records on standard output. The model is loaded once.
set -euo pipefail
mapfile -t videos
[ "${#videos[@]}" -gt 0 ] || exit 0
code=0
"${VISION_PIPE:-vision-pipe}" run -q "${videos[@]}" --workers 1 --ndjson - || code=$?
case $code in
# The fault of a video, which the records tell, and no reason to do the partition again.
3 | 65 | 66) exit 0 ;;
*) exit "$code" ;;
esac
