#!/usr/bin/env python3
"""Two hundred short videos, killed ten times in the middle: at the end every one is done once.

By hand, with ffmpeg installed:

    tests/conformance/batch.py target/release/vision-pipe [--videos N] [--kills N] [OPTION...]

Makes short videos, one that is damaged beyond reading and the name of one that is missing, runs
the program on them with --jobs 2 and --skip-done, kills it (SIGKILL) at as many moments, and lets
it end at last. Further OPTIONs go to the program: --resume, for one. Then each good video must have its
records, from `run` to `summary`, its table and its annotated video, with as many frames as ffprobe
counts in it; nothing else may lie there; the total must name the bad two; the exit code is 3.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FRAMES = (6, 18)
PATIENCE_S = 600


def make(folder, videos):
    """Cuts of the sample, no two alike."""
    random.seed(9)
    folder.mkdir()
    for index in range(videos):
        frames = random.randint(*FRAMES)
        start = random.randint(0, 100 - FRAMES[1]) / 10
        subprocess.run(
            ["ffmpeg", "-v", "error", "-ss", str(start), "-i", ROOT / "samples/pedestrians.mp4",
             "-frames:v", str(frames), "-vf", "scale=384:288", "-c:v", "libx264", "-preset",
             "ultrafast", "-metadata", f"title={index}", folder / f"{index:03}.mp4"],
            check=True, stdin=subprocess.DEVNULL)
    (folder / "damaged.mp4").write_bytes(random.randbytes(20_000))


def whole(folder):
    """Names of the records that have their final name."""
    return {p.name for p in folder.glob("*.ndjson") if ".part" not in p.name}


def frames_of(video):
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries",
             "stream=nb_read_packets", "-of", "csv=p=0", video]
    return int(subprocess.run(probe, check=True, capture_output=True).stdout.strip(b",\n"))


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def check_whole(out, name, frames):
    lines = [json.loads(line) for line in (out / f"{name}.ndjson").read_text().splitlines()]
    first, last = lines[0], lines[-1]
    check(first["type"] == "run" and last["type"] == "summary", f"{name} has no ends")
    check(first["run_id"] == last["run_id"] and last["exit"] == "end_of_input", f"{name}: {last}")
    ids = [line["frame_id"] for line in lines if line["type"] == "frame"]
    check(ids == list(range(frames)), f"{name} has frames {ids}, not {frames}")
    check(frames_of(out / f"{name}.mp4") == frames, f"the video of {name} is not whole")
    found = sum(len(line["predictions"]) for line in lines if line["type"] == "frame")
    rows = (out / f"{name}.csv").read_text().splitlines()[1:]
    check(len(rows) == found, f"{name}: {len(rows)} rows and {found} detections")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    args, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        work_through(args, more, pathlib.Path(folder))


def work_through(args, more, folder):
    make(folder / "in", args.videos)
    out = folder / "out"
    command = [str(args.program.resolve()), "run", "in", "missing.mp4", "--jobs", "2",
               "--skip-done", "-o", "out/{stem}.mp4", "--ndjson", "out/{stem}.ndjson", "--csv",
               "out/{stem}.csv", "--summary-json", "total.json", *more]
    env = {name: value for name, value in os.environ.items() if "VISION_PIPE" not in name}
    loaded = []
    for kill in range(args.kills):
        before = whole(out)
        wanted = (kill + 1) * args.videos // (args.kills + 2)
        with open(folder / "log", "wb") as log:
            run = subprocess.Popen([*command, "-v"], cwd=folder, env=env, stderr=log,
                                   stdout=subprocess.DEVNULL)
            end = time.monotonic() + PATIENCE_S
            while len(whole(out)) < wanted and run.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(random.random() / 2)
            check(run.poll() is None, f"it ended before kill {kill + 1}: give more videos")
            run.send_signal(signal.SIGKILL)
            run.wait()
        now = whole(out)
        check(before <= now, "what was done is gone")
        text = (folder / "log").read_text()
        loaded.append(text.count(" is loaded"))
        skipped = text.count("is done: left out")
        halves = len(list(out.glob("*.part.*")))
        print(f"kill {kill + 1}: {len(now)} whole, {halves} half-made files, "
              f"{skipped} inputs left out as done")
    start = time.monotonic()
    run = subprocess.run([*command, "-q"], cwd=folder, env=env, capture_output=True, text=True)
    print(f"the last start took {time.monotonic() - start:.1f} s: {run.stderr.strip()}")
    check(run.returncode == 3, f"exit code {run.returncode}")
    errors = [line for line in run.stderr.splitlines() if "error:" in line]
    check(len(errors) == 2, "two errors are told")
    total = json.loads((folder / "total.json").read_text())
    failed = {one["source"]: one["exit_code"] for one in total["failed"]}
    check(failed == {"damaged.mp4": 65, "missing.mp4": 66}, f"failed: {failed}")
    check(total["done"] + total.get("done_before", 0) == args.videos, f"total: {total}")
    check(set(loaded) == {1}, f"the model was loaded {loaded} times a start")
    names = [video.stem for video in (folder / "in").glob("*.mp4") if video.stem != "damaged"]
    for name in names:
        check_whole(out, name, frames_of(folder / "in" / f"{name}.mp4"))
    left = {path.name for path in out.iterdir()}
    wanted = {f"{name}.{end}" for name in names for end in ("mp4", "ndjson", "csv")}
    check(left == wanted, f"too much or too little: {left ^ wanted}")
    print(f"total: {json.dumps(total)}")
    print(f"ok: {len(names)} videos, each once and whole; the model loaded once a start; exit 3")


main()
