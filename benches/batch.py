#!/usr/bin/env python3
"""Whether many short videos keep the processors as busy as one long one.

usage: batch.py PROGRAM VIDEO [--frames N] [--pairs N] [--jobs N] [OPTION...]

Cuts VIDEO into parts of --frames frames each (25), joins their frames into one film again, and
runs the program on the parts (--jobs 2) and on the film in turn. Prints the frames a second of
both, from the start of the process to its end, and of the runs alone as their last record has
them, with the median of the ratios of the pairs. Further OPTIONs go to the program.

needs: ffmpeg
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time


def cut(video, folder, frames):
    """Parts that begin with a key frame, and the film of the same packets."""
    film = folder / "film.mp4"
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-g", str(frames), "-keyint_min",
             str(frames), "-sc_threshold", "0", "-an"]
    quiet = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*quiet, "-i", video, *coded, film], check=True)
    (folder / "parts").mkdir()
    rate = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
                           "stream=r_frame_rate", "-of", "csv=p=0", film],
                          check=True, capture_output=True, text=True).stdout.strip(",\n")
    above, below = map(int, rate.split("/"))
    # Half a frame early, or rounding puts a key frame into the part before.
    length = (frames - 0.5) * below / above
    subprocess.run([*quiet, "-i", film, "-c", "copy", "-f", "segment", "-segment_time",
                    str(length), "-reset_timestamps", "1", folder / "parts" / "%04d.mp4"],
                   check=True)
    return [film], sorted((folder / "parts").iterdir())


def run(program, inputs, outputs, more):
    with tempfile.TemporaryDirectory() as out:
        last = pathlib.Path(out) / "last.json"
        command = [program, "run", *inputs, "-q", "--summary-json", last]
        command += [word.replace("OUT", out) for word in outputs] + more
        start = time.monotonic()
        subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL)
        elapsed = time.monotonic() - start
        record = json.loads(last.read_text())
    return record["frames"], record["frames"] / elapsed, record["fps"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("video")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--jobs", default="2")
    args, more = parser.parse_known_args()
    outputs = {
        "records": ["--ndjson", "OUT/{stem}.ndjson"],
        "records, annotated video": ["--ndjson", "OUT/{stem}.ndjson", "-o", "OUT/{stem}.mp4"],
    }
    with tempfile.TemporaryDirectory() as folder:
        film, parts = cut(args.video, pathlib.Path(folder), args.frames)
        for what, paths in outputs.items():
            pairs = []
            for _ in range(args.pairs):
                short = run(args.program, parts, paths, ["--jobs", args.jobs, *more])
                long = run(args.program, film, paths, more)
                assert short[0] == long[0], f"{short[0]} and {long[0]} frames"
                pairs.append((short, long))
            print(f"{what}: {len(parts)} videos against one, {pairs[0][0][0]} frames")
            for name, at in (("whole process", 1), ("runs alone", 2)):
                shorts, longs = ([pair[side][at] for pair in pairs] for side in (0, 1))
                ratios = sorted(a / b for a, b in zip(shorts, longs))
                print(f"  {name}: {statistics.median(shorts):.1f} against "
                      f"{statistics.median(longs):.1f} frames/s, ratio "
                      f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


main()
