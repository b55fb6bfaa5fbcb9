#!/usr/bin/env python3
"""What --detect-every and --motion-gate save, and what they cost, against looking at every frame.

usage: thrift.py PROGRAM VIDEO [--workers N] [--rounds N]

Runs the program on VIDEO and on a quiet scene made of it (a minute of its first frame with a
camera's noise, then its first six seconds, twice), with every frame and with each way to save, in
turn, and prints the medians. Truth is what the program finds when it looks at every frame:
recall is the share of its boxes (confidence 0.25 and above) that are told with an IoU of 0.5 and
the same class, MOTA is py-motmetrics' on its tracks.

needs: ffmpeg, pip install motmetrics
"""

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

np.asfarray = lambda values: np.asarray(values, float)  # motmetrics 1.4 is older than NumPy 2
import motmetrics as mm  # noqa: E402

WAYS = {
    "every frame": [],
    "--detect-every 2": ["--detect-every", "2"],
    "--detect-every 3": ["--detect-every", "3"],
    "--detect-every 5": ["--detect-every", "5"],
    "--motion-gate": ["--motion-gate"],
    "--motion-gate --detect-every 3": ["--motion-gate", "--detect-every", "3"],
}


def quiet(video, folder):
    """A still scene in which something happens now and then."""
    first, still, busy, whole = (folder / n for n in ("f.png", "still.mp4", "busy.mp4", "quiet.mp4"))
    run = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run([*run, "-i", video, "-frames:v", "1", first], check=True)
    coded = ["-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p"]
    noise = ["-vf", "noise=alls=6:allf=t"]
    subprocess.run([*run, "-loop", "1", "-framerate", "10", "-t", "60", "-i", first, *noise, *coded,
                    still], check=True)
    subprocess.run([*run, "-i", video, "-t", "6", *noise, *coded, busy], check=True)
    parts = folder / "parts.txt"
    parts.write_text("".join(f"file '{part}'\n" for part in (still, busy, still, busy)))
    subprocess.run([*run, "-f", "concat", "-safe", "0", "-i", parts, "-c", "copy", whole],
                   check=True)
    return whole


def run(program, video, workers, more):
    command = [program, "run", str(video), "--track", "-q", "--ndjson", "-", *workers, *more]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    return [record for record in records if record["type"] == "frame"], records[-1]


def corners(found):
    box = found["bbox"]
    return box["x1"], box["y1"], box["x2"], box["y2"]


def iou(a, b):
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    both = max(across, 0) * max(down, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def recall(truth, told):
    wanted = met = 0
    for true, other in zip(truth, told):
        for box in true["predictions"]:
            wanted += 1
            met += any(found["class"] == box["class"] and iou(corners(found), corners(box)) >= 0.5
                       for found in other["predictions"])
    return met / max(wanted, 1)


def mota(truth, told):
    accumulator = mm.MOTAccumulator(auto_id=True)
    for true, other in zip(truth, told):
        sides = [[found for found in frame["predictions"] if "tracker_id" in found]
                 for frame in (true, other)]
        ids = [[found["tracker_id"] for found in side] for side in sides]
        boxes = [[(c[0], c[1], c[2] - c[0], c[3] - c[1]) for c in map(corners, side)]
                 for side in sides]
        accumulator.update(*ids, mm.distances.iou_matrix(*boxes, max_iou=0.5))
    summary = mm.metrics.create().compute(accumulator, metrics=["mota"])
    return float(summary["mota"].iloc[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("video")
    parser.add_argument("--workers")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    workers = ["--workers", given.workers] if given.workers else []
    with tempfile.TemporaryDirectory() as name:
        videos = {"VIDEO": given.video, "the quiet scene": quiet(given.video, Path(name))}
        for title, video in videos.items():
            fps, kept = {way: [] for way in WAYS}, {}
            for _ in range(given.rounds):
                for way, more in WAYS.items():
                    kept[way] = run(given.program, video, workers, more)
                    fps[way].append(kept[way][1]["fps"])
            print(f"| {title} | frames/s | times | looked at | recall | MOTA |")
            print("|---|---|---|---|---|---|")
            truth, plain = kept["every frame"][0], statistics.median(fps["every frame"])
            for way, (frames, summary) in kept.items():
                rate = statistics.median(fps[way])
                share = summary["inferred"] / summary["frames"]
                print(f"| {way} | {rate:.1f} | {rate / plain:.2f} | {share:.0%} "
                      f"| {recall(truth, frames):.3f} | {mota(truth, frames):.3f} |", flush=True)


if __name__ == "__main__":
    main()
