#!/bin/sh
# Holds segments against whole runs, frame lines and every pixel (as JPEG), over codecs and containers.
# Usage: tests/conformance/segments.sh PROGRAM [FILM...]; without films it makes some with ffmpeg.
set -eu

program=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make() {
    name=$1
    shift
    ffmpeg -v error -y -f lavfi -i testsrc2=size=160x120:rate=25:duration=8,noise=alls=30:allf=t:all_seed=3 \
        -pix_fmt yuv420p "$@" "$work/$name" || echo "cannot make $name"
}

if [ $# -eq 0 ]; then
    make closed.mp4 -c:v libx264 -g 25 -bf 3
    make open.mp4 -c:v libx264 -g 25 -bf 3 -x264-params open-gop=1
    make open.ts -c:v libx264 -g 25 -bf 3 -x264-params open-gop=1
    make pyramid.mkv -c:v libx264 -g 25 -bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=2
    make refresh.mp4 -c:v libx264 -g 25 -intra-refresh 1
    make refresh.ts -c:v libx264 -g 25 -intra-refresh 1
    make interlaced.ts -c:v libx264 -g 25 -flags +ildct+ilme
    make cra.mp4 -c:v libx265 -x265-params log-level=none:keyint=25:open-gop=1:bframes=4
    make cra.ts -c:v libx265 -x265-params log-level=none:keyint=25:open-gop=1:bframes=4
    make vp9.webm -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25
    make vp9-altref.webm -c:v libvpx-vp9 -cpu-used 8 -g 25 -auto-alt-ref 1 -lag-in-frames 12
    make vp8.webm -c:v libvpx -g 25 -auto-alt-ref 1 -lag-in-frames 12
    make av1.mkv -c:v libaom-av1 -cpu-used 8 -usage realtime -g 25
    make mpeg2.mpg -c:v mpeg2video -g 25 -bf 2
    make mpeg2.ts -c:v mpeg2video -g 25 -bf 2
    make mpeg4.avi -c:v mpeg4 -g 25
    make mpeg4-b.avi -c:v mpeg4 -g 25 -bf 2
    make mpeg4-b.mp4 -c:v mpeg4 -g 25 -bf 2
    make msmpeg4.avi -c:v msmpeg4 -g 25
    make msmpeg4v2.avi -c:v msmpeg4v2 -g 25
    make wmv1.asf -c:v wmv1 -g 25
    make wmv2.asf -c:v wmv2 -g 25
    make flv1.flv -c:v flv -g 25
    make mjpeg.avi -c:v mjpeg
    make raw.h264 -c:v libx264 -g 25 -bf 3
    ffmpeg -v error -ss 1.3 -i "$work/closed.mp4" -c copy "$work/edit-list.mp4"
    ffmpeg -v error -ss 1.3 -i "$work/open.ts" -c copy "$work/joined-late.ts"
    set -- "$work"/*.*
fi

bad=0
for film; do
    rm -rf "$work/whole" "$work/parts"
    mkdir "$work/parts"
    run="$program run -q $film --engine fake"
    $run --ndjson "$work/whole.ndjson" --save-frames "$work/whole" || echo "$film: the whole run ends with $?"
    grep '^{"type":"frame"' "$work/whole.ndjson" >"$work/whole.lines" || true
    for count in 2 3 5; do
        : >"$work/parts.lines"
        rm -rf "$work/parts"
        ranges=
        i=0
        while [ $((i += 1)) -le $count ]; do
            $run --segment-of $i/$count --ndjson "$work/part.ndjson" --save-frames "$work/parts" ||
                echo "$film: segment $i/$count ends with $?"
            grep '^{"type":"frame"' "$work/part.ndjson" >>"$work/parts.lines" || true
            ranges="$ranges $(head -n 1 "$work/part.ndjson" | sed 's/.*"from_frame":\([0-9]*\).*/\1/')"
        done
        if cmp -s "$work/whole.lines" "$work/parts.lines" && diff -rq "$work/whole" "$work/parts" >/dev/null; then
            echo "same   $(basename "$film") in $count, from$ranges of $(wc -l <"$work/whole.lines")"
        else
            echo "DIFFER $(basename "$film") in $count, from$ranges of $(wc -l <"$work/whole.lines")"
            bad=1
        fi
    done
done
exit $bad
