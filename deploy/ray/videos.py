"""Videos with Ray Data: paths in, a dataset of records out, one task a video.

    python videos.py LIST OUT      LIST: a path a line; OUT: a folder for Parquet

A row is a record: `source`, `type`, `frame_id` (-1 where there is none) and `record`, the line itself. A program
that was killed, or found a service away, is started again; a worker or node that dies is replaced by Ray. A video that
fails for good is a row of type "failed" and stops nobody (exit 3); wrong settings stop the job.
"""

import json
import os
import subprocess
import sys
import time

import ray

PROGRAM = os.environ.get("VISION_PIPE", "vision-pipe")
SETTINGS = {2, 78}  # everybody's fault: nobody need try
AGAIN = {69, 74, 75, 130, 137, 143}  # and below 0, killed: another try may end well
TRIES = 3


def detect(row):
    """The records of one video. Runs in a worker."""
    path = row["item"]
    for attempt in range(TRIES):
        done = subprocess.run(
            [PROGRAM, "run", "-q", path, "--workers", "1", "--ndjson", "-"], capture_output=True, text=True
        )
        if done.returncode >= 0 and done.returncode not in AGAIN:
            break
        time.sleep(2**attempt)
    if done.returncode in SETTINGS:
        raise RuntimeError(f"{path}: exit {done.returncode}: {done.stderr.strip()}")
    lines = done.stdout.split("\n")[:-1]
    if not (lines and lines[-1].startswith('{"type":"summary"')):
        lines = []  # it died, anywhere
    rows = []
    for line in lines:
        record = json.loads(line)
        rows.append(
            {"source": record["source"], "type": record["type"], "frame_id": record.get("frame_id", -1), "record": line}
        )
    if done.returncode != 0:
        silent = "killed" if done.returncode < 0 else "its summary tells what was lost"
        error = (done.stderr.splitlines() or [silent])[0]
        said = {"type": "failed", "source": path, "exit_code": done.returncode, "error": error}
        rows.append({"source": path, "type": "failed", "frame_id": -1, "record": json.dumps(said)})
    return rows


def main(listing, out):
    with open(listing) as lines:
        paths = [line.rstrip("\n") for line in lines if line.strip()]
    # A block is a task; `num_cpus` is what --workers above takes. Tasks of workers that died are done again.
    videos = ray.data.from_items(paths, override_num_blocks=len(paths))
    records = videos.flat_map(detect, num_cpus=1, max_retries=TRIES).materialize()
    records.write_parquet(out)

    failed = [json.loads(row["record"]) for row in records.filter(lambda row: row["type"] == "failed").take_all()]
    for video in failed:
        print(f"failed: {video['source']}: exit {video['exit_code']}: {video['error']}")
    print(f"{records.count()} records of {len(paths)} videos, {len(failed)} failed")
    print(records.schema())
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
