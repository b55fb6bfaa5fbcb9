#!/usr/bin/env python3
"""What rows for a server cost a run, and how many a second arrive.

usage: timeplus.py PROGRAM VIDEO [--pairs N] [--only cost|away|rate] [--rate-rows N]

needs: clickhouse-server (Debian); it starts one of its own on loopback.

cost  the video without --timeplus and with it, in turn, the server there
away  the same with nobody at the address, the rows in a spool
      Frames a second are those of the records as they come, from the first to the last: what is
      waited for at the end, and loading the model, is left out. The bar is 0.97 of the fps without.
rate  made-up frames with 25 boxes and no model, so that the rows are what takes time; seconds are
      those of the whole process, until the server has acknowledged the last row, and count() is
      asked. The bar is 50,000 rows a second.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "servers"))
from clickhouse_server import ClickHouse, free_port  # noqa: E402

BOXES = 25
TABLES = ("vision_pipe_detections", "vision_pipe_frames")


def start(command):
    environment = dict(os.environ, TIMEPLUS_USER="vision", TIMEPLUS_PASSWORD="s3cret")
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def frames_a_second(program, video, more):
    """Of the records as they come; and how the run ended."""
    run = start([program, "run", video, "-q", "--ndjson", "-", *more])
    times = [time.monotonic() for line in run.stdout if line.startswith(b'{"type":"frame"')]
    said = run.stderr.read().decode()
    return (len(times) - 1) / (times[-1] - times[0]), run.wait(), said


def pairs(name, program, video, count, more, expected):
    without, with_rows, ratios = [], [], []
    for _ in range(count):
        plain, code, said = frames_a_second(program, video, [])
        assert code == 0, said
        with tempfile.TemporaryDirectory() as folder:
            options = [word.replace("FOLDER", folder) for word in more]
            rows, code, said = frames_a_second(program, video, options)
        assert code == expected, f"exit {code}: {said}"
        without.append(plain)
        with_rows.append(rows)
        ratios.append(rows / plain)
    median = statistics.median
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"{name}: {median(without):.1f} frames/s without, {median(with_rows):.1f} with; "
          f"ratio of the medians {median(with_rows) / median(without):.3f}, pairs {each}", flush=True)


def rate(program, server, rows, spool):
    for table in TABLES:
        server.ask(f"DROP TABLE IF EXISTS {table}")
    frames = rows // BOXES
    command = [program, "run", f"synthetic:64x48@25x{frames}", "--engine", f"fake:boxes={BOXES}",
               "--conf", "0.01", "-q", "--recorded-at", "2026-11-22T06:00:00Z"]
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        summary = pathlib.Path(folder) / "summary.json"
        for name, more in (
                ("without", ["--ndjson", "/dev/null"]),
                ("with", ["--summary-json", str(summary),
                          "--timeplus", f"http://127.0.0.1:{server.port}",
                          *(["--spool", f"{folder}/spool"] if spool else [])])):
            began = time.monotonic()
            run = start([*command, *more])
            said = run.communicate()[1].decode()
            assert run.returncode == 0, said
            seconds[name] = time.monotonic() - began
        cpu = json.loads(summary.read_text())["cpu_s"]
    there = int(server.ask(f"SELECT count() FROM {TABLES[0]}"))
    there += int(server.ask(f"SELECT count() FROM {TABLES[1]}"))
    assert there == frames * (BOXES + 1), f"{there} rows arrived"
    print(f"rate, {'a spool' if spool else 'memory'}: {there} rows in {seconds['with']:.1f} s, "
          f"{there / seconds['with']:,.0f} rows/s, {cpu:.1f} s of processors; "
          f"the frames as NDJSON alone {seconds['without']:.1f} s", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("video")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", choices=["cost", "away", "rate"])
    parser.add_argument("--rate-rows", type=int, default=1_000_000)
    given = parser.parse_args()
    program = str(pathlib.Path(given.program).resolve())
    wanted = [given.only] if given.only else ["cost", "away", "rate"]
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouse(folder)
        server.start()
        try:
            address = f"http://127.0.0.1:{server.port}"
            if "cost" in wanted:
                pairs("cost", program, given.video, given.pairs, ["--timeplus", address], 0)
                spooled = ["--timeplus", address, "--spool", "FOLDER/rows"]
                pairs("cost, a spool", program, given.video, given.pairs, spooled, 0)
            if "away" in wanted:
                nobody = f"http://127.0.0.1:{free_port()}"
                away = ["--timeplus", nobody, "--spool", "FOLDER/rows"]
                pairs("away", program, given.video, given.pairs, away, 3)
            if "rate" in wanted:
                for spool in (False, True):
                    rate(program, server, given.rate_rows, spool)
        finally:
            server.stop()


main()
