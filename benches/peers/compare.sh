#!/usr/bin/env bash
# The same job by this program, by hand in Python and by Roboflow's InferencePipeline, each on the
# same model file, in turn: decode, NanoDet in ONNX Runtime, boxes drawn, H.264 written.
#
#   benches/peers/compare.sh [ROUNDS] [PYTHON]
#
# Needs `make build vtest onnxruntime`, ffmpeg, and the environment of benches/peers/README.md. The
# peers' clocks start after their imports; ours is that of the whole process. The limit is what
# `vision-pipe bench` computes in the same round: processors by the sum of the CPU time a frame of
# each stage alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5}
python=${2:-target/peers/bin/python}
program=target/release/vision-pipe
video=target/vtest.avi
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -n "$1" | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
fps_of() { sed -n 's/.*"fps": *\([0-9.]*\).*/\1/p' "$1" | tail -1; }

for round in $(seq "$rounds"); do
    for model in nanodet-g-416 nanodet-g-416-int8; do
        file=models/$model.onnx
        /usr/bin/time -f '%e %M' -o "$work/time" "$program" run "$video" -q --model "$file" \
            --engine onnxruntime -o "$work/ours.mp4" --ndjson "$work/ours.ndjson"
        read -r seconds peak <"$work/time"
        awk -v s="$seconds" 'BEGIN {print 795 / s}' >>"$work/ours-$model"
        echo "$peak" >>"$work/memory-$model"
        "$python" benches/peers/by_hand.py "$video" "$file" "$work/hand.mp4" >"$work/out" 2>/dev/null
        fps_of "$work/out" >>"$work/hand-$model"
        "$python" -W ignore benches/peers/inference_pipeline.py "$video" "$file" "$work/pipe.mp4" \
            >"$work/out" 2>/dev/null
        fps_of "$work/out" >>"$work/pipe-$model"
        "$program" bench "$video" --model "$file" --engine onnxruntime --json >"$work/bench"
        sed -n 's/.*"limit_fps":\([0-9.]*\).*/\1/p' "$work/bench" >>"$work/limit-$model"
        echo "round $round, $model: ours $(tail -1 "$work/ours-$model"), by hand $(tail -1 "$work/hand-$model")," \
            "InferencePipeline $(tail -1 "$work/pipe-$model"), limit $(tail -1 "$work/limit-$model") frames/s"
    done
done
for model in nanodet-g-416 nanodet-g-416-int8; do
    awk -v m="$model" -v o="$(median "$work/ours-$model")" -v h="$(median "$work/hand-$model")" \
        -v p="$(median "$work/pipe-$model")" -v l="$(median "$work/limit-$model")" \
        -v k="$(median "$work/memory-$model")" -v f="$(median "$work/hand-nanodet-g-416")" \
        -v g="$(median "$work/pipe-nanodet-g-416")" \
        'BEGIN {printf "median, %s: ours %.1f frames/s, %.0f MB; by hand %.1f: %.2f times; InferencePipeline %.1f: %.2f times; limit %.1f: %.0f %%; the peers at float32: %.2f and %.2f times\n",
            m, o, k * 1.024 / 1000, h, o / h, p, o / p, l, o / l * 100, o / f, o / g}'
done
