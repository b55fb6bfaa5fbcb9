#!/usr/bin/env python3
"""200,000 rows arrive exactly once in a real ClickHouse, whatever happens to it and to us.

By hand, as root, with Debian's clickhouse-server installed:

    tests/conformance/timeplus.py target/release/vision-pipe [CASE...]

It starts a server of its own on loopback, in a folder that vanishes. Each case runs the program on
10,000 made-up frames with 20 boxes each, disturbs it, and then compares count(), count() of FINAL
and the number of different detection_id with the NDJSON.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "servers"))
from clickhouse_server import ClickHouse  # noqa: E402

FRAMES, BOXES = 10_000, 20
ROWS = FRAMES * BOXES


class Case:
    """One run of the program in a folder of its own."""

    def __init__(self, program, server, folder, spool=True, seconds=8):
        self.folder, self.server = folder, server
        pause = max(1, round(seconds * 1000 * 2 / FRAMES))
        self.command = [
            program, "run", f"synthetic:64x48@20x{FRAMES}",
            "--engine", f"fake:boxes={BOXES}:sleep-ms={pause}", "--conf", "0.01", "--workers", "2",
            "--recorded-at", "2026-11-22T06:00:00Z", "--ndjson", str(folder / "all.ndjson"),
            "--timeplus", f"http://127.0.0.1:{server.port}", "--timeplus-user", "vision",
            "--timeplus-give-up", "60s"]
        self.spool = folder / "spool" if spool else None
        if spool:
            self.command += ["--spool", str(self.spool)]
        self.said = folder / "said"

    def start(self, password="s3cret", more=()):
        environment = dict(os.environ, TIMEPLUS_PASSWORD=password)
        return subprocess.Popen(self.command + list(more), env=environment,
                                stdout=subprocess.DEVNULL, stderr=self.said.open("a"))

    def counts(self):
        table = "vision_pipe_detections"
        one = self.server.ask(f"SELECT count(), uniqExact(detection_id) FROM {table}").split()
        final = self.server.ask(f"SELECT count() FROM {table} FINAL")
        frames = self.server.ask("SELECT count(), uniqExact(frame_id) FROM vision_pipe_frames").split()
        return [int(n) for n in (*one, final, *frames)]

    def verdict(self, name, code, note=""):
        written = 0
        with open(self.folder / "all.ndjson", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                written += len(record["predictions"]) if record["type"] == "frame" else 0
        count, unique, final, frames, unique_frames = self.counts()
        good = (count == unique == final == written == ROWS and frames == unique_frames == FRAMES
                and code == 0)
        secret = any(b"s3cret" in path.read_bytes() for path in self.folder.rglob("*") if path.is_file())
        print(f"{'ok  ' if good and not secret else 'FAIL'} {name}: exit {code}, count() {count}, FINAL {final}, "
              f"uniqExact {unique}, NDJSON {written}, frames {frames}{'; ' + note if note else ''}"
              f"{'; A SECRET IS THERE' if secret else ''}", flush=True)
        return good and not secret


def warnings(case):
    return len(re.findall("warning", case.said.read_text()))


def plain(case):
    return case.start().wait(300), ""


def stopped(case):
    run = case.start()
    time.sleep(3)
    case.server.stop()
    time.sleep(30)
    case.server.start()
    return run.wait(300), "30 s away"


def killed(case):
    run = case.start()
    for _ in range(3):
        time.sleep(1.5)
        case.server.stop(signal.SIGKILL)
        time.sleep(1)
        case.server.start()
    return run.wait(300), "3 times"


def suspended(case):
    run = case.start()
    time.sleep(3)
    case.server.process.send_signal(signal.SIGSTOP)
    time.sleep(35)
    case.server.process.send_signal(signal.SIGCONT)
    return run.wait(300), "35 s, the time-out is 30 s"


def too_many_parts(case):
    case.server.stop()
    case.server.start(parts=6)
    run = case.start()
    until = time.monotonic() + 20
    refused = False
    case.server.ask("SYSTEM STOP MERGES")
    while time.monotonic() < until and not refused:
        time.sleep(0.5)
        refused = "252" in case.said.read_text()
    time.sleep(5)
    # So few parts are never merged: room comes with the usual limit.
    case.server.stop()
    case.server.start()
    return run.wait(300), "refused with 252" if refused else "NOT REFUSED"


def full_spool(case):
    case.spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(case.spool)], check=True)
    try:
        case.server.stop()
        run = case.start()
        time.sleep(12)
        said = "no space" in case.said.read_text()
        case.server.start()
        return run.wait(300), "it was said" if said else "NOT SAID"
    finally:
        subprocess.run(["umount", str(case.spool)], check=False)


def we_are_killed(case):
    kills = 0
    chance = random.Random(7)
    while kills < 20:
        run = case.start()
        try:
            run.wait(chance.uniform(0.3, 4.5))
            break
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
    return case.start().wait(300), f"{kills} times"


def wrong_password(case):
    run = case.start(password="mended")
    time.sleep(6)
    case.server.password("mended")
    code = run.wait(300)
    case.server.password("s3cret")
    return code, "mended after 6 s"


CASES = [plain, stopped, killed, suspended, too_many_parts, full_spool, we_are_killed, wrong_password]


def main():
    program, *names = sys.argv[1:]
    program = str(pathlib.Path(program).resolve())
    good = True
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouse(folder)
        server.start()
        for case in CASES:
            if names and case.__name__ not in names:
                continue
            for table in ("vision_pipe_detections", "vision_pipe_frames"):
                server.ask(f"DROP TABLE IF EXISTS {table}")
            with tempfile.TemporaryDirectory() as own:
                trial = Case(program, server, pathlib.Path(own))
                code, note = case(trial)
                good = trial.verdict(case.__name__, code, note) and good
                if code != 0:
                    print(trial.said.read_text()[-2000:])
        server.stop()
    sys.exit(0 if good else 1)


main()
