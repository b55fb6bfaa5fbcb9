#!/usr/bin/env python3
r"""200,000 rows arrive exactly once in a real ClickHouse, whatever happens to it and to us.

By hand, as root, with Debian's clickhouse-server (18.16) installed, or with the engine of today from
PyPI (`pip install chdb`, about 550 MB) behind HTTP of ours (`tests/servers/clickhouse_modern.py`):

    tests/conformance/timeplus.py target/release/vision-pipe [--engine modern] [CASE...]

It starts a server of its own on loopback, in a folder that vanishes. Each case runs the program on
10,000 made-up frames with 20 boxes each, disturbs it, and then compares count(), count() of FINAL
and the number of different detection_id with the NDJSON. With the engine of today there are cases of what it alone has, or does otherwise.

ClickHouse 26.9.2.1 (chdb 4.4.0), a debug build, on a server of New York's zone, printed:

    ok   texts_alone: 30	30
    ok   zones: ['30\t1795327200', '30\t1795327200', '30\t1795327200', '30\t1795327200']
    ok   exception: ('0\t', True, 1)
    ok   constraint: 59
    ok   put_off: ('1', {'0'}, '60')
    ok   views: ['3\t60', '60', '0']
    ok   grafana: [2, 3, 0, 6, 2, 0, 2, 3, 20]
    ok   plain: exit 0, count() 200000, FINAL 200000, uniqExact 200000, NDJSON 200000, frames 10000
    ok   stopped: the same; 30 s away
    ok   killed: the same; 3 times
    ok   too_many_parts: the same; refused with 252
    ok   we_are_killed: the same; 20 times
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
from clickhouse_server import ClickHouse, Modern  # noqa: E402

TABLES = ("vision_pipe_detections", "vision_pipe_frames")
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
    run = case.start()
    case.server.few_parts(TABLES, 6)
    until = time.monotonic() + 20
    refused = False
    while time.monotonic() < until and not refused:
        time.sleep(0.5)
        refused = "252" in case.said.read_text()
    time.sleep(5)
    case.server.usual_parts(TABLES)
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


def short(program, server, more, stream, ends=0):
    """30 frames with 2 boxes each into `stream`; what the program said."""
    command = [
        program, "run", "synthetic:64x48@10x30", "--engine", "fake:boxes=2", "--recorded-at", "2026-11-22T06:00:00Z", "--timeplus", f"http://127.0.0.1:{server.port}",
        "--timeplus-user", "vision", "--timeplus-give-up", "5s", "--timeplus-stream", stream, *more]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [*command, "--ndjson", "out.ndjson"], cwd=folder, capture_output=True, text=True, check=False,
            env=dict(os.environ, TIMEPLUS_PASSWORD="s3cret"), timeout=120)
    assert run.returncode == ends, (run.returncode, run.stderr)
    return run.stderr


def texts_alone(program, server):
    """A table whose only column is `raw`, with the usual schema: raw rows."""
    server.ask("CREATE TABLE texts (raw String) ENGINE = MergeTree ORDER BY tuple()")
    said = short(program, server, [], "texts")
    assert "it gets raw rows" in said, said
    return server.ask("SELECT count(), countIf(raw LIKE '%model_detection_prediction%') FROM texts"), "30\t30"


def zones(program, server):
    """Times in columns of another zone, and of none, on a server of another zone."""
    found = []
    kinds = ["DateTime64(3)", "DateTime64(3, 'Asia/Tokyo')", "DateTime", "DateTime64(3, 'UTC')"]
    for number, kind in enumerate(kinds):
        server.ask(f"CREATE TABLE times{number} (_tp_time {kind}, raw String) ENGINE = MergeTree ORDER BY _tp_time "
                   "TTL toDateTime(_tp_time) + INTERVAL 20 YEAR")
        short(program, server, ["--timeplus-schema", "raw"], f"times{number}")
        found.append(server.ask(f"SELECT count(), toUnixTimestamp(min(_tp_time)) FROM times{number}"))
    # date -u -d 2026-11-22T06:00:00Z +%s
    return found, ["30\t1795327200"] * len(kinds)


def exception(program, server):
    """A query that fails behind its first rows."""
    run = subprocess.run(
        [program, "timeplus", "query",
         "SELECT number, repeat('x', 100), throwIf(number = 140000) FROM numbers(1000000)",
         "--timeplus", f"http://127.0.0.1:{server.port}", "--timeplus-user", "vision"],
        capture_output=True, text=True, check=False, env=dict(os.environ, TIMEPLUS_PASSWORD="s3cret"), timeout=120)
    is_said = "code 395" in run.stderr and "throwIf" in run.stderr and "broke" not in run.stderr
    return (run.stdout[:2], is_said, run.returncode), ("0\t", True, 1)


def constraint(program, server):
    """One row that a constraint of the table refuses: the others arrive."""
    short(program, server, [], "bound")
    server.ask("TRUNCATE TABLE bound")
    server.ask("ALTER TABLE bound ADD CONSTRAINT c CHECK NOT (frame_id = 17 AND class = 'person')")
    said = short(program, server, [], "bound", ends=3)
    assert "code 469" in said and "1 were refused" in said, said
    return server.ask("SELECT count() FROM bound"), "59"


def put_off(program, server):
    """Inserts are put off by default in 26.9: ours say that they are not to be."""
    on = server.ask("SELECT value FROM system.settings WHERE name = 'async_insert'")
    short(program, server, [], "at_once")
    inserts = [seen["settings"] for seen in server.requests() if seen.get("sql", "").startswith("INSERT INTO `default`.`at_once`")]
    at_once = {seen.get("async_insert") for seen in inserts}
    return (on, at_once, server.ask("SELECT count() FROM at_once")), ("1", {"0"}, "60")


def views(program, server):
    """Every view of `init`, and a second run on the same video."""
    more = ["--timeplus-schema", "detections,events"]
    subprocess.run(
        [program, "timeplus", "init", "--timeplus", f"http://127.0.0.1:{server.port}", "--timeplus-user",
         "vision", "--timeplus-stream", "seen_detections", *more],
        check=True, stdout=subprocess.DEVNULL, env=dict(os.environ, TIMEPLUS_PASSWORD="s3cret"), timeout=120)
    for _ in range(2):
        short(program, server, more, "seen_detections")
    found = [server.ask("SELECT count(), sum(detections) FROM (SELECT window_start, sum(detections) AS detections "
                        "FROM seen_objects_1s GROUP BY window_start)"),
             server.ask("SELECT count() FROM seen_detections FINAL"),
             server.ask("SELECT count() FROM vision_pipe_zone_dwell_1m")]
    return found, ["3\t60", "60", "0"]


def grafana(program, server):
    """Every query of the dashboards for Grafana, with the time that they are for."""
    more = ["--timeplus-schema", "detections,events,raw"]
    short(program, server, more, "shown_detections")
    shown = subprocess.run(
        [program, "timeplus", "dashboard", "--for", "grafana", "--timeplus-dialect", "clickhouse",
         "--timeplus-stream", "shown_detections", *more], capture_output=True, text=True, check=True, timeout=60)
    found, text, at = [], shown.stdout, 0
    while text[at:].strip():
        board, at = json.JSONDecoder().raw_decode(text, at)
        at += 1
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                # 2026-11-22T06:00:00Z and three seconds later, where the rows end.
                sql = target["rawSql"].replace("${__from}", "1795327200000").replace("${__to}", "1795327203000")
                found.append(len(server.ask(sql).splitlines()))
    # Two classes, three seconds of one source, no zones, classes by second and by hour, no events; then the texts.
    return found, [2, 3, 0, 6, 2, 0, 2, 3, 20]


def kept(program, server):
    """Rows that are to be kept for 100 years are there when the table was merged."""
    short(program, server, ["--timeplus-ttl", "36500"], "kept")
    server.ask("OPTIMIZE TABLE kept FINAL")
    return server.ask("SELECT count() FROM kept"), "60"


MODERN = [kept, texts_alone, zones, exception, constraint, put_off, views, grafana]


def check(case, program, server):
    try:
        found, wanted = case(program, server)
    except AssertionError as error:
        found, wanted = error, "an end as it should be"
    good = found == wanted
    print(f"{'ok  ' if good else 'FAIL'} {case.__name__}: {found}{'' if good else f', not {wanted}'}", flush=True)
    return good


def main():
    program, *names = sys.argv[1:]
    program = str(pathlib.Path(program).resolve())
    is_modern = "--engine" in names
    if is_modern:
        at = names.index("--engine")
        if names[at + 1:at + 2] != ["modern"]:
            sys.exit("--engine modern is the only one that has a name")
        del names[at:at + 2]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        server = Modern(folder, zone="America/New_York") if is_modern else ClickHouse(folder)
        server.start()
        print(f"ClickHouse {server.ask('SELECT version()')}", flush=True)
        for case in MODERN if is_modern else []:
            if not names or case.__name__ in names:
                good = check(case, program, server) and good
        for case in CASES:
            if names and case.__name__ not in names:
                continue
            for table in TABLES:
                server.ask(f"DROP TABLE IF EXISTS {table} SYNC" if is_modern else f"DROP TABLE IF EXISTS {table}")
            with tempfile.TemporaryDirectory() as own:
                trial = Case(program, server, pathlib.Path(own))
                code, note = case(trial)
                good = trial.verdict(case.__name__, code, note) and good
                if code != 0:
                    print(trial.said.read_text()[-2000:])
        server.stop()
    sys.exit(0 if good else 1)


main()
