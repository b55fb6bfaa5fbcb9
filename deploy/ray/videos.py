"""Videos with Ray Data: paths in, a dataset of records out, one task a video.

    python videos.py LIST OUT      LIST: a path a line; OUT: a folder for Parquet

A row is a record: `source`, `type`, `frame_id` (-1 where there is none) and `record`, the line itself. A video that
is damaged or missing is a row of type "failed" and stops nobody (exit 3); a program that was killed or found a service
away is started again; a worker or node that dies is replaced by Ray.
"""

import json
import os
import subprocess
import sys
import time

import ray

PROGRAM = os.environ.get("VISION_PIPE", "vision-pipe")
DATA = {65, 66}  # the video's fault: another try would end the same
SETTINGS = {2, 78}  # everybody's fault: nobody need try
TRIES = 3


def detect(row):
    """The records of one video. Runs in a worker."""
    path = row["item"]
    for attempt in range(TRIES):
        done = subprocess.run(
            [PROGRAM, "run", "-q", path, "--workers", "1", "--ndjson", "-"], capture_output=True, text=True
        )
        if done.returncode == 0 or done.returncode in DATA | SETTINGS:
            break
        time.sleep(2**attempt)
    if done.returncode not in DATA | {0}:
        raise RuntimeError(f"{path}: exit {done.returncode}: {done.stderr.strip()}")
    rows = []
    for line in done.stdout.splitlines():
        record = json.loads(line)
        rows.append(
            {"source": record["source"], "type": record["type"], "frame_id": record.get("frame_id", -1), "record": line}
        )
    if done.returncode != 0:
        said = {"type": "failed", "source": path, "exit_code": done.returncode, "error": done.stderr.splitlines()[0]}
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
