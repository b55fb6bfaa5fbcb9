#!/usr/bin/env bash
# What the program promises of the reference video, run by hand: make must-show
#
# PYTHON names a Python with numpy, onnxruntime, opencv-python-headless and duckdb for the checks
# against outside judges, which are left out (and said so) without it. YOLOX names a YOLOX model.
# tests/must-show.txt is what this last printed.
set -uo pipefail
cd "$(dirname "$0")/.."
program=$PWD/target/release/vision-pipe
video=$PWD/target/vtest.avi
reference=$PWD/tests/reference/reference.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check WHAT COMMAND...: one line for each promise.
check() {
    local what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $what"
    else
        failed=$((failed + 1))
        echo "FAILED  $what"
        tail -5 "$work/log" | cut -c1-300 | sed 's/^/        /'
    fi
}
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }
frames() { grep '^{"type":"frame"' "$1"; }

# Both engines keep these promises; the bars were set for tract.
export VISION_PIPE_ENGINE=${VISION_PIPE_ENGINE:-tract}
echo "engine: $VISION_PIPE_ENGINE"
echo "1. the reference video against an independent decoder"
"$program" run "$video" --conf 0.2 -q --ndjson "$work/low.ndjson"
check "795 frame lines in order" test "$(frames "$work/low.ndjson" | field frame_id | cut -d, -f1 | tr '\n' ' ')" = "$(seq -s' ' 0 794) "
judge() {
    "$PYTHON" "$reference" detect --model "$1" --video "$video" >"$work/ref.ndjson" &&
        "$PYTHON" "$reference" compare --ours "$2" --reference "$work/ref.ndjson"
}
if [ -n "${PYTHON:-}" ]; then
    check "NanoDet: 99.5 % of the boxes each way" judge models/nanodet-g-416.onnx "$work/low.ndjson"
    sed 's/^/        /' "$work/log"
    if [ -n "${YOLOX:-}" ]; then
        "$program" run "$video" --model "$YOLOX" --conf 0.2 -q --ndjson "$work/yolox.ndjson"
        check "YOLOX: 99.5 % of the boxes each way" judge "$YOLOX" "$work/yolox.ndjson"
        sed 's/^/        /' "$work/log"
    fi
else
    echo "left out: PYTHON is not set"
fi

echo "2. the same bytes for any number of workers, one schema for all files"
for workers in 1 2 8 2; do
    "$program" run "$video" --conf 0.2 -q --ndjson "$work/w.ndjson" -w "$workers"
    check "$workers workers" cmp <(frames "$work/low.ndjson") <(frames "$work/w.ndjson")
done
mkdir "$work/other"
ffmpeg -v error -i "$video" -t 2 -vf hflip -c:v mpeg4 "$work/other/vtest.avi"
"$program" run "$work/other/vtest.avi" -q --ndjson "$work/other.ndjson"
ids() { grep -o '"detection_id":"[^"]*"' "$1" | sort -u; }
check "files of one name have different detection ids" test -z "$(comm -12 <(ids "$work/low.ndjson") <(ids "$work/other.ndjson"))"
check "jq reads several files" bash -c "cat '$work/low.ndjson' '$work/other.ndjson' | jq -e -s 'length > 800'"
if [ -n "${PYTHON:-}" ]; then
    check "DuckDB infers one schema" "$PYTHON" -c "
import duckdb
rows = lambda files: duckdb.sql(f'describe select * from read_json({files}, format=\'newline_delimited\', sample_size=-1)').fetchall()
both, one = rows(['$work/low.ndjson', '$work/other.ndjson']), rows(['$work/low.ndjson'])
assert both == one, (both, one)
print(duckdb.sql(f\"select type, count(*) from read_json(['$work/low.ndjson'], format='newline_delimited', sample_size=-1) group by 1\").fetchall())"
fi

echo "3. endings"
start=$(date +%s%N)
"$program" run "$video" | head -1 >/dev/null
codes=${PIPESTATUS[*]}
check "| head -1 ends with 0 (in $((($(date +%s%N) - start) / 1000000)) ms)" test "$codes" = "0 0"
"$program" run "$video" -q -o "$work/i.mp4" --ndjson "$work/i.ndjson" &
sleep 4
kill -INT $!
wait $!
code=$?
check "SIGINT: the shell sees 130" test $code = 130
check "SIGINT: the summary says interrupted" grep -q '"exit":"interrupted"' "$work/i.ndjson"
check "SIGINT: the video has the frames of the records" test "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$work/i.mp4")" = "$(frames "$work/i.ndjson" | wc -l)"
if [ "$(id -u)" = 0 ]; then
    unshare -pf --kill-child "$program" run "$video" -q --ndjson "$work/p.ndjson" &
    sleep 2
    pkill -TERM -f "^$program run $video -q --ndjson $work/p.ndjson"
    wait $!
    code=$?
    check "SIGTERM as process 1: 143" test $code = 143
else
    echo "left out: process 1 needs root"
fi
full() { "$program" run "$video" --max-frames 200 --ndjson - "$@"; test $? = 74; }
ln -s /dev/full "$work/full.mp4"
check "full disk, NDJSON: 74" full --csv /dev/full
check "full disk, video: 74" full -o "$work/full.mp4"
grep 'error' "$work/log" | sed 's/^/        /'
"$program" run "$video" -q --engine fake:panic=100 -o "$work/b.mp4" --ndjson "$work/b.ndjson" 2>/dev/null
code=$?
check "a panic in a worker: 101" test $code = 101
check "a panic: the part plays" ffmpeg -v error -i "$work/b.part.mp4" -f null -

echo "5. from start to the first frame line, page cache warm"
for _ in 1 2 3; do
    start=$(date +%s%N)
    "$program" run "$video" | grep -m1 -q '"type":"frame"'
    echo "        $((($(date +%s%N) - start) / 1000000)) ms"
done

echo "6. the annotated video"
"$program" run "$video" -q --no-audio -o "$work/o.mp4"
ffmpeg -v error -i "$video" -c:v libx264 -crf 23 -preset veryfast -pix_fmt yuv420p -an "$work/plain.mp4"
ours=$(stat -c %s "$work/o.mp4")
plain=$(stat -c %s "$work/plain.mp4")
check "$ours bytes: at most 1.5 times the $plain of ffmpeg's own copy" test $((ours * 2)) -le $((plain * 3))
length() { ffprobe -v error -show_entries format=duration -of csv=p=0 "$1"; }
check "as long as the original within a frame" awk "BEGIN { d = $(length "$work/o.mp4") - $(length "$video"); exit !(d * d <= 0.01) }"
"$program" run "$video" -q -o "$work/k.mp4" --ndjson "$work/k.ndjson" &
sleep 5
kill -KILL $!
wait $! 2>/dev/null
told=$(frames "$work/k.part.ndjson" | wc -l)
played=$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$work/k.part.mp4")
check "kill -9: $played frames play of $told told, 2 s are 20" test "$told" -gt 40 -a $((played + 20)) -ge "$told"
check "and repair finishes them" "$program" repair "$work/k.part.mp4"

echo "4. and memory: see benches/README.md"
echo "$passed passed, $failed failed"
exit $((failed > 0))
