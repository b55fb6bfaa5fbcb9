#!/usr/bin/python3
"""A fake Timeplus for tests: SQL and REST over HTTP, and the console's dashboards, on one port.

    timeplus.py [--port 0] [--user NAME --password WORD] [--version oss|enterprise]
                [--not-ready N] [--tables FILE.json] [--lag SECONDS] [--keep-alive 3]

Prints its port and that of its control, and "ready". It is written from the protocol's facts and
stricter than the real one: who gets by here gets by there. `--tables` has streams that are there
from the start, {"name": {"column": "type"}}; `--not-ready` is how many inserts find no stream;
`--lag` is how long rows are not yet to be counted; `--keep-alive` how long an idle
connection stays open.

The control is for tests alone: GET /state says what arrived (?rows=0 without rows),
GET /next?do=code&code=252&status=500&times=3 makes the next inserts fail, do=close closes the
connection before they are stored, do=store-and-close after.
"""
import argparse
import base64
import bz2
import gzip
import http.server
import json
import lzma
import re
import sys
import threading
import urllib.parse
import uuid
import zlib

# A test leaves no traces in the sources.
sys.dont_write_bytecode = True
from timeplus_sql import NAMES, STATUS, Engine, Refused, tokens  # noqa: E402

# Parameters of a request that are no settings.
RESERVED = {
    "query", "compress", "decompress", "user", "password", "quota_key", "query_id", "stacktrace",
    "buffer_size", "wait_end_of_query", "session_id", "session_timeout", "session_check",
    "database", "default_format",
}
UNPACK = {
    "gzip": gzip.decompress, "deflate": zlib.decompress, "xz": lzma.decompress,
    "bz2": bz2.decompress,
}
INGEST = re.compile(r"/(?:proton|timeplusd)/v1/ingest/streams/([\w%.\-]+)(?:\?mode=(\w+))?")
DASHBOARDS = re.compile(r"/default/api/v1beta2/dashboards(?:/([\w-]+))?")
AXES = ("line", "area", "bar", "column")


class Fake:
    """All that the handlers share."""

    def __init__(self, arguments):
        tables = json.load(open(arguments.tables)) if arguments.tables else {}
        self.engine = Engine(arguments.version, tables, arguments.lag, arguments.not_ready)
        self.login = (arguments.user, arguments.password) if arguments.user else ("default", "")
        self.dashboards, self.requests, self.plans, self.faults = {}, [], [], []
        self.lock = threading.Lock()

    def state(self, with_rows):
        streams = {}
        for (_, name), stream in self.engine.streams.items():
            rows = [row["values"] for row in stream.rows]
            streams[name] = {"columns": stream.columns, "ttl_days": stream.ttl, "count": len(rows)}
            streams[name].update({"rows": rows} if with_rows else {})
        return {
            "streams": streams, "views": self.engine.views, "alerts": self.engine.alerts,
            "dashboards": self.dashboards, "requests": self.requests, "faults": self.faults,
        }


def check_panels(engine, body):
    """Refuses a dashboard that would show an error instead of a chart."""
    if not isinstance(body, dict) or not isinstance(body.get("name"), str) or not body["name"]:
        raise ValueError("name is required")
    if not isinstance(body.get("panels"), list):
        raise ValueError("panels must be a list")
    taken, ids = set(), set()
    for panel in body["panels"]:
        name, place = panel["title"], panel["position"]
        if panel["id"] in ids or not panel["id"]:
            raise ValueError(f"panel '{name}' has the id of another")
        ids.add(panel["id"])
        x, y, w, h = (place[k] for k in "xywh")
        if (place["nextX"], place["nextY"]) != (x + w, y + h) or x < 0 or x + w > 12 or min(w, h) < 1:
            raise ValueError(f"panel '{name}' is not on the grid")
        cells = {(a, b) for a in range(x, x + w) for b in range(y, y + h)}
        if cells & taken:
            raise ValueError(f"panel '{name}' lies on another")
        taken |= cells
        if not panel["viz_content"]:
            raise ValueError(f"panel '{name}' has no SQL")
        engine.check_select(panel["viz_content"])
        check_config(panel, name)


def check_config(panel, name):
    if panel["viz_type"] != "chart":
        raise ValueError(f"panel '{name}': viz_type {panel['viz_type']}")
    kind, config = panel["viz_config"]["chartType"], panel["viz_config"]["config"]
    if kind not in (*AXES, "singleValue", "table", "md"):
        raise ValueError(f"panel '{name}': chartType {kind}")
    known = {value for token, value in tokens(panel["viz_content"]) if token in ("word", "tick")}
    for key in ("xAxis", "yAxis") if kind in AXES else ():
        if config.get(key) not in known:
            raise ValueError(f"VizConfigError: panel '{name}' needs {key}")
    for key in ("color", "updateKey"):
        if config.get(key) and config[key] not in known:
            raise ValueError(f"VizConfigError: panel '{name}': {key} {config[key]} is no column")
    if "xRange" in config and not re.fullmatch(r"\d+|Infinity", config["xRange"]):
        raise ValueError(f"VizConfigError: panel '{name}': xRange")
    if config.get("updateMode") in ("time", "key") and not config.get("updateKey"):
        raise ValueError(f"VizConfigError: panel '{name}' needs updateKey")
    if config.get("updateMode", "all") not in ("all", "time", "key"):
        raise ValueError(f"VizConfigError: panel '{name}': updateMode")
    if kind == "md" and not config.get("content"):
        raise ValueError(f"VizConfigError: panel '{name}' has no content")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake = None

    def log_message(self, *_):
        pass

    # Answers.

    def reply(self, status, body="", headers=()):
        body = body.encode()
        self.seen["status"] = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, words, status=None):
        self.seen["code"] = code
        body = f"Code: {code}. DB::Exception: {words}. ({NAMES.get(code, 'ERROR')}) (version {self.fake.engine.version})\n"
        headers = [("x-timeplus-exception-code", str(code))]
        if status is None:
            status = STATUS.get(code, 500)
        self.reply(status, body, headers)

    def refuse_json(self, status, code, words):
        self.seen["code"] = code
        body = {"error_msg": words, "code": code, "request_id": str(uuid.uuid4())}
        self.reply(status, json.dumps(body), [("x-timeplus-exception-code", str(code))])

    # Requests.

    def body(self):
        """The body as it was sent."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        if "Content-Length" not in self.headers:
            raise Refused(381, "Neither Content-Length nor chunked encoding is given")
        return self.rfile.read(int(self.headers["Content-Length"]))

    def unpacked(self, body):
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            return body
        if encoding not in UNPACK:
            raise Refused(48, f"Unknown compression method {encoding}")
        try:
            return UNPACK[encoding](body)
        except (EOFError, OSError, zlib.error, lzma.LZMAError):
            raise Refused(354, "inflate failed: unexpected end of input") from None

    def user(self):
        """Who asks; the two schemes at once are refused, and none is the user `default`."""
        basic = self.headers.get("Authorization")
        own = self.headers.get("x-timeplus-user") or self.headers.get("x-proton-user")
        key = self.headers.get("x-timeplus-key") or self.headers.get("x-proton-key") or ""
        for name in self.headers:
            if name.lower().startswith("x-clickhouse-"):
                self.fake.faults.append(f"{name} is not looked at: this is the user 'default'")
        if basic and own:
            raise Refused(516, "Invalid authentication: it is not allowed to use two methods")
        login = (own, key) if own else ("default", "")
        if basic:
            try:
                scheme, word = basic.split(" ", 1)
                user, password = base64.b64decode(word, validate=True).decode().split(":", 1)
            except ValueError:
                raise Refused(516, "Invalid authentication") from None
            login = (user, password) if scheme == "Basic" else ("", "")
        self.seen["user"] = login[0]
        if login != self.fake.login:
            raise Refused(516, f"{login[0]}: Authentication failed: password is incorrect")

    def handle_one(self):
        address = urllib.parse.urlsplit(self.path)
        self.seen = {"method": self.command, "path": address.path}
        with self.fake.lock:
            self.fake.requests.append(self.seen)
        if DASHBOARDS.fullmatch(address.path):
            return self.console(address)
        if address.path in ("/timeplusd/ping", "/proton/ping"):
            return self.ping()
        if address.path.startswith(("/timeplusd/", "/proton/")):
            return self.rest()
        if address.path != "/":
            return self.reply(404, f"There is no handle {address.path}\n")
        if self.command == "GET" and not address.query:
            return self.reply(200, "Ok.\n")
        return self.sql(address)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one

    def ping(self):
        if self.fake.engine.not_ready > 0:
            return self.reply(404, '{"status":"Initializing"}')
        return self.reply(200, '{"status":"UP"}')

    def sql(self, address):
        try:
            body = self.body() if self.command == "POST" else b""
        except Refused as refused:
            self.close_connection = True
            return self.refuse(refused.code, refused.words)
        try:
            self.user()
            if self.headers.get("Content-Type", "").startswith("multipart/"):
                raise Refused(62, "Syntax error: a form is no query")
            given = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
            settings = {k: v for k, v in given.items() if k not in RESERVED and not k.startswith("param_")}
            if given.get("database", "default") != "default":
                raise Refused(81, f"Database {given['database']} does not exist")
            body = self.unpacked(body)
            if "query" in given:
                sql, data = given["query"], body
            elif re.match(rb"\s*INSERT\b", body, re.I):
                head, _, data = body.partition(b"\n")
                sql = head.decode()
            else:
                sql, data = body.decode(), b""
            self.seen.update(sql=sql, settings=settings, bytes=len(data))
            self.done(lambda: self.fake.engine.run(sql, data, settings, self.command == "GET"), sql)
        except Refused as refused:
            self.refuse(refused.code, refused.words)

    def done(self, what, sql):
        """Does it, unless a test wants it to fail, and answers."""
        with self.fake.lock:
            inserts = re.match(r"\s*INSERT\b", sql, re.I)
            plan = self.fake.plans.pop(0) if inserts and self.fake.plans else None
            if plan is None or plan["do"] == "store-and-close":
                answer = what()
        if plan and plan["do"] == "code":
            return self.refuse(int(plan["code"]), "as a test wants", int(plan.get("status", 500)))
        if plan:
            self.seen["status"] = 0
            self.close_connection = True
            return None
        headers = [
            ("x-timeplus-query-id", str(uuid.uuid4())), ("x-timeplus-format", "TabSeparated"),
            ("x-timeplus-timezone", "UTC"), ("x-timeplus-summary", '{"read_rows":"0"}'),
        ]
        if sql.startswith("INSERT INTO REST"):
            return self.reply(200, json.dumps({"request_id": str(uuid.uuid4())}), headers[:1])
        return self.reply(200, answer, headers)

    def rest(self):
        try:
            body = self.body()
        except Refused as refused:
            self.close_connection = True
            return self.refuse_json(411, refused.code, refused.words)
        route = INGEST.fullmatch(self.path)
        if not route or self.command != "POST":
            return self.refuse_json(404, 78, "Unknown URI")
        try:
            self.user()
            if route[2] and route[2] not in ("sync", "async", "ordered", "fire_and_forget"):
                raise Refused(408, f"Invalid mode {route[2]}")
            data = json.loads(self.unpacked(body))
            columns, rows = data["columns"], data["data"]
            if not columns or any(len(row) != len(columns) for row in rows):
                raise KeyError("columns")
            name = ("default", urllib.parse.unquote(route[1]))
            numbered = [(n, dict(zip(columns, row))) for n, row in enumerate(rows, 1)]
            settings = {"date_time_input_format": "best_effort"}
            key = self.headers.get("x-timeplus-idempotent-id")
            settings.update({"idempotent_id": key} if key else {})
            self.seen.update(stream=name[1], idempotent_id=key, bytes=len(body))
            put = self.fake.engine.put
            self.done(lambda: put(name, columns, numbered, len(body), settings), "INSERT INTO REST")
        except Refused as refused:
            # Where SQL says 403, this says 500.
            status = 500 if refused.code == 516 else STATUS.get(refused.code, 500)
            self.refuse_json(status, refused.code, refused.words)
        except (ValueError, KeyError, TypeError):
            self.refuse_json(400, 117, "Invalid JSON, or 'columns' or 'data' is missing")

    def console(self, address):
        body = self.body() if self.command in ("POST", "PUT") else b""
        refuse = lambda status, words: self.reply(status, json.dumps({"code": status, "message": words}))
        if not self.fake.engine.enterprise:
            return self.reply(404, f"There is no handle {address.path}\n")
        if not self.headers.get("Authorization", "").startswith("Basic ") or "X-Api-Key" in self.headers:
            return refuse(401, "unauthorized")
        try:
            self.user()
        except Refused:
            return refuse(401, "unauthorized")
        id, known = DASHBOARDS.fullmatch(address.path)[1], self.fake.dashboards
        if id and id not in known:
            return refuse(404, f"dashboard {id} not found")
        if self.command == "GET":
            return self.reply(200, json.dumps(known[id] if id else list(known.values())))
        if (self.command, bool(id)) not in (("POST", False), ("PUT", True)):
            return refuse(405, "method not allowed")
        if self.headers.get("Content-Type") != "application/json":
            return refuse(400, "Content-Type must be application/json")
        try:
            body = json.loads(body)
            check_panels(self.fake.engine, body)
        except Refused as refused:
            return refuse(400, refused.words)
        except (ValueError, KeyError, TypeError) as error:
            return refuse(400, str(error))
        id = id or str(uuid.uuid4())
        made = known.get(id, {}).get("created_at", f"2026-01-01T00:00:{len(known):02}Z")
        known[id] = {**body, "id": id, "created_at": made, "last_updated_at": made}
        return self.reply(201 if self.command == "POST" else 200, json.dumps(known[id]))


class Control(http.server.BaseHTTPRequestHandler):
    fake = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        given = dict(urllib.parse.parse_qsl(address.query))
        with self.fake.lock:
            if address.path == "/next":
                self.fake.plans += [given] * int(given.get("times", 1))
            answer = json.dumps(self.fake.state(given.get("rows") != "0")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--user")
    arguments.add_argument("--password", default="")
    arguments.add_argument("--version", choices=["oss", "enterprise"], default="oss")
    arguments.add_argument("--not-ready", type=int, default=0)
    arguments.add_argument("--tables")
    arguments.add_argument("--lag", type=float, default=0.0)
    arguments.add_argument("--keep-alive", type=float, default=3.0)
    arguments = arguments.parse_args()
    Handler.fake = Control.fake = Fake(arguments)
    Handler.timeout = arguments.keep_alive
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    control = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(server.server_port, control.server_port, "ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
