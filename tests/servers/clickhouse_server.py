"""A private ClickHouse on loopback, which can be stopped, killed and started again on the same data.

Needs Debian's clickhouse-server. Its user `vision` has the password s3cret, `default` needs none.
"""

import base64
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

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

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(30)

    def ask(self, sql, user="default", password=""):
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/", sql.encode(), {"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode().strip()
