"""A private ClickHouse on loopback, which can be stopped, killed and started again on the same data.

`ClickHouse` needs Debian's clickhouse-server, `Modern` the engine of PyPI's chdb. The user `vision` has
the password s3cret, `default` needs none.
"""

import base64
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

MODERN = pathlib.Path(__file__).resolve().parent / "clickhouse_modern.py"
CONFIG = pathlib.Path(__file__).resolve().parent / "clickhouse"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class ClickHouse:
    """A server that can be stopped, killed and started again on the same data."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port, self.tcp, self.inter = free_port(), free_port(), free_port()
        self.process = None
        for name in ("data", "tmp", "files", "schemas", "log"):
            (self.folder / name).mkdir()
        self.password("s3cret")

    def password(self, word):
        text = (CONFIG / "users.xml.in").read_text()
        (self.folder / "users.xml").write_text(text.replace("@PASSWORD@", word))

    def start(self, parts=300):
        config = (CONFIG / "config.xml.in").read_text()
        for name, value in (("DIR", self.folder), ("HTTP", self.port), ("TCP", self.tcp),
                            ("INTERSERVER", self.inter)):
            config = config.replace(f"@{name}@", str(value))
        limits = (f"<merge_tree><parts_to_throw_insert>{parts}</parts_to_throw_insert>"
                  f"<parts_to_delay_insert>{parts}</parts_to_delay_insert></merge_tree></yandex>")
        config = config.replace("</yandex>", limits)
        (self.folder / "config.xml").write_text(config)
        self.process = subprocess.Popen(
            ["clickhouse-server", f"--config-file={self.folder}/config.xml"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                self.ask("SELECT 1", user="default", password="")
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("clickhouse-server does not answer")

    def few_parts(self, tables, parts):
        """Refuses inserts (252) from so many parts on; with tables that are there or not yet."""
        del tables
        self.stop()
        self.start(parts)
        self.ask("SYSTEM STOP MERGES")

    def usual_parts(self, tables):
        del tables
        # So few parts are never merged: room comes with the usual limit.
        self.stop()
        self.start()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(30)

    def ask(self, sql, user="default", password=""):
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/", sql.encode(), {"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode().strip()


class Modern(ClickHouse):
    """A ClickHouse of today: its engine behind HTTP of ours."""

    def __init__(self, folder, framing="25.11", zone="UTC"):
        self.folder, self.framing, self.zone = pathlib.Path(folder), framing, zone
        self.port, self.control, self.process = free_port(), free_port(), None
        self.password("s3cret")

    def password(self, word):
        new = self.folder / "password.new"
        new.write_text(word)
        new.rename(self.folder / "password")

    def start(self, parts=None):
        del parts
        self.process = subprocess.Popen(
            [sys.executable, MODERN, "--path", self.folder / "data", "--port", str(self.port),
             "--control", str(self.control), "--user", "vision", "--framing", self.framing,
             "--password-file", self.folder / "password", "--tz", self.zone],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if not self.process.stdout.readline().endswith(b"ready\n"):
            sys.exit("the engine of chdb does not start")

    def few_parts(self, tables, parts):
        until = time.monotonic() + 30
        for table in tables:
            while self.ask(f"EXISTS TABLE {table}") != "1" and time.monotonic() < until:
                time.sleep(0.05)
            for setting in ("parts_to_throw_insert", "parts_to_delay_insert"):
                self.ask(f"ALTER TABLE {table} MODIFY SETTING {setting} = {parts}")
            self.ask(f"SYSTEM STOP MERGES {table}")

    def usual_parts(self, tables):
        for table in tables:
            for setting in ("parts_to_throw_insert", "parts_to_delay_insert"):
                self.ask(f"ALTER TABLE {table} RESET SETTING {setting}")
            self.ask(f"SYSTEM START MERGES {table}")

    def requests(self):
        """What was asked for, oldest first."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/state", timeout=30) as answer:
            return json.loads(answer.read())["requests"]
