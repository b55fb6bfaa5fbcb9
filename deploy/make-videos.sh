#!/usr/bin/env bash
# Four small videos and a corrupt one, for the trials: make-videos.sh DIR. Cut from the committed sample with FFmpeg.
set -euo pipefail
sample=$(cd "$(dirname "$0")/.." && pwd)/samples/pedestrians.mp4
mkdir -p "$1/west"
make() { # NAME START FILTER
    ffmpeg -v error -nostdin -y -ss "$2" -i "$sample" -t 5 -vf "$3" -an -c:v libx264 -preset veryfast \
        -bf 0 -threads 1 -movflags +faststart "$1"
}
make "$1/gate.mp4" 0 null
make "$1/main street.mp4" 1 hflip
make "$1/square.mp4" 3 scale=640:480
# A file of the same stem in another folder.
make "$1/west/gate.mov" 5 null
# Its index stands in front and promises 100 frames; their bytes end in the third second.
head -c 200000 "$sample" > "$1/cut.mp4"
