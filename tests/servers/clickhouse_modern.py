#!/usr/bin/env python3
"""ClickHouse's HTTP interface in front of a modern ClickHouse engine (chdb, in this process), for tests
by hand: `pip install chdb`, about 550 MB.

    clickhouse_modern.py --path DIR [--port 0] [--user NAME --password WORD|--password-file FILE]
                         [--tz ZONE] [--framing none|25.8|25.11] [--control 0]

Prints its port and that of its control, and "ready". Every statement is run by the real engine,
with the URL's parameters as its settings; what is ours is HTTP alone: which parameter is what,
how an exception becomes a status, two inserts of one query_id (216), gzip, Basic.

The control is for tests alone: GET /next?do=close | store-and-close | code&code=252&status=500
[&times=3] fails the next inserts; /state says what arrived.
"""
import argparse
import base64
import gzip
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse
import uuid
import zlib

RESERVED = {
    "query", "compress", "decompress", "user", "password", "quota_key", "query_id", "stacktrace",
    "buffer_size", "wait_end_of_query", "session_id", "session_timeout", "session_check",
    "database", "default_format", "role", "client_protocol_version", "close_session",
}
# ClickHouse src/Server/HTTP/exceptionCodeToHTTPStatus.cpp, from memory of its published text.
STATUS = {
    194: 401, 192: 403, 193: 403, 516: 403,
    6: 400, 7: 400, 25: 400, 26: 400, 27: 400, 33: 400, 36: 400, 38: 400, 41: 400, 43: 400, 42: 400,
    44: 400, 53: 400, 62: 400, 69: 400, 70: 400, 72: 400, 117: 400, 130: 400, 131: 400, 190: 400,
    36: 400, 128: 400,
    46: 404, 47: 404, 50: 404, 56: 404, 60: 404, 63: 404, 73: 404, 78: 404, 81: 404, 115: 404,
    381: 411, 229: 413, 48: 501, 209: 503, 439: 503, 159: 408,
}
EXC = re.compile(r"Code: (\d+)\.")


class Engine:
    """One session; the engine allows one at a time."""

    def __init__(self, path):
        from chdb import session
        self.session = session.Session(path)
        self.lock = threading.Lock()
        self.version = self.raw("SELECT version()").decode().strip()

    def raw(self, sql, fmt="TabSeparated"):
        answer = self.session.query(sql, fmt)
        return answer.bytes() if answer is not None and hasattr(answer, "bytes") else bytes(str(answer), "utf8")

    def run(self, sql, fmt, settings):
        with self.lock:
            done = []
            try:
                for name, value in settings.items():
                    if not re.fullmatch(r"\w+", name):
                        raise RuntimeError(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
                    text = value.replace("\\", "\\\\").replace("'", "\\'")
                    self.raw(f"SET {name} = '{text}'")
                    done.append(name)
                return self.raw(sql, fmt)
            finally:
                for name in done:
                    self.raw(f"SET {name} = DEFAULT")

    def stream(self, sql, fmt):
        with self.lock:
            with self.session.send_query(sql, fmt) as answer:
                for chunk in answer:
                    yield chunk.bytes()


class Shared:
    def __init__(self, args):
        self.engine = Engine(args.path)
        self.user, self.password, self.password_file = args.user, args.password, args.password_file
        self.framing = args.framing
        self.running, self.plans, self.requests = set(), [], []
        self.lock = threading.Lock()


    def logins(self):
        """Who may ask: the user, whose password may change meanwhile, and `default` of the tests."""
        if not self.user:
            return [("default", "")]
        word = self.password
        if self.password_file:
            with open(self.password_file, encoding="utf8") as file:
                word = file.read()
        return [("default", ""), (self.user, word)]


class Refused(Exception):
    def __init__(self, code, words, status=None):
        super().__init__(words)
        self.code, self.words, self.status = code, words, status


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    shared = None

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", headers=()):
        if isinstance(body, str):
            body = body.encode()
        self.seen["status"] = status
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, words, status=None):
        self.seen["code"], self.seen["words"] = code, words[:300]
        if not words.startswith("Code:"):
            words = f"Code: {code}. DB::Exception: {words}"
        body = f"{words} (version {self.shared.engine.version} (official build))\n"
        self.reply(status or STATUS.get(code, 500), body, [
            ("Content-Type", "text/plain; charset=UTF-8"), ("X-ClickHouse-Exception-Code", str(code)),
            ("X-ClickHouse-Query-Id", self.query_id), ("X-ClickHouse-Summary", '{"read_rows":"0"}'),
            ("Keep-Alive", "timeout=30, max=9999")])

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        if "Content-Length" not in self.headers:
            raise Refused(381, "The Transfer-Encoding is not chunked and there is no Content-Length header for POST request. (HTTP_LENGTH_REQUIRED)")
        return self.rfile.read(int(self.headers["Content-Length"]))

    def unpacked(self, body):
        encoding = self.headers.get("Content-Encoding", "")
        try:
            if encoding in ("", "identity"):
                return body
            if encoding == "gzip":
                return gzip.decompress(body)
            if encoding == "deflate":
                return zlib.decompress(body)
        except (EOFError, OSError, zlib.error):
            raise Refused(354, "inflate failed: buffer error. (ZLIB_INFLATE_FAILED)") from None
        raise Refused(48, f"Unknown compression method '{encoding}'. (NOT_IMPLEMENTED)")

    def user(self, given):
        ways = []
        if basic := self.headers.get("Authorization"):
            scheme, _, word = basic.partition(" ")
            if scheme != "Basic":
                raise Refused(516, "Invalid authentication: 'scheme' is not supported. (AUTHENTICATION_FAILED)")
            user, _, password = base64.b64decode(word).decode().partition(":")
            ways.append((user, password))
        if name := self.headers.get("X-ClickHouse-User"):
            ways.append((name, self.headers.get("X-ClickHouse-Key", "")))
        if "user" in given or "password" in given:
            ways.append((given.get("user", "default"), given.get("password", "")))
        if len(ways) > 1:
            raise Refused(516, "Invalid authentication: it is not allowed to use two ways at once. (AUTHENTICATION_FAILED)")
        who = ways[0] if ways else ("default", "")
        self.seen["user"] = who[0]
        if who not in self.shared.logins():
            raise Refused(516, f"{who[0]}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)")

    def handle_one(self):
        address = urllib.parse.urlsplit(self.path)
        self.seen = {"method": self.command, "path": address.path, "at": round(time.time(), 3)}
        self.query_id = str(uuid.uuid4())
        self.shared.requests.append(self.seen)
        if self.command == "GET" and (address.path == "/ping" or address.path == "/" and not address.query):
            return self.reply(200, "Ok.\n", [("Content-Type", "text/html; charset=UTF-8")])
        if address.path not in ("/", "/query"):
            return self.reply(404, f"There is no handle {address.path}\n\nUse / or /ping for health checks.\n")
        try:
            body = self.body() if self.command == "POST" else b""
        except Refused as refused:
            self.close_connection = True
            return self.refuse(refused.code, refused.words)
        try:
            self.sql(address, body)
        except Refused as refused:
            self.refuse(refused.code, refused.words, refused.status)
        except BrokenPipeError:
            self.close_connection = True
        except Exception as error:  # The engine's own words.
            words = str(error).strip()
            code = EXC.search(words)
            words = words[words.index("Code:"):] if code else words
            self.refuse(int(code[1]) if code else 1000, words)

    do_GET = do_POST = do_HEAD = handle_one

    def sql(self, address, body):
        given = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
        self.user(given)
        settings = {k: v for k, v in given.items() if k not in RESERVED and not k.startswith("param_")}
        data = self.unpacked(body)
        self.query_id = given.get("query_id", self.query_id)
        if self.command == "GET":
            settings["readonly"] = "2"
        fmt = given.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        query = given.get("query", "").encode()
        sql = query + b"\n" + data if query else data
        # A comment, then INSERT.
        is_insert = re.match(rb"\s*INSERT\b", sql, re.I)
        head = (query or data[:200]).decode("utf8", "replace")
        self.seen.update(sql=head[:600], settings=settings, bytes=len(data), query_id=given.get("query_id"))
        database = given.get("database") or self.headers.get("X-ClickHouse-Database")
        if database and database != "default":
            self.shared.engine.run(f"USE `{database}`", "TabSeparated", {})
        if "query_id" in given:
            with self.shared.lock:
                if self.query_id in self.shared.running:
                    raise Refused(216, f"Query with id = {self.query_id} is already running. (QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING)")
                self.shared.running.add(self.query_id)
        try:
            self.done(sql, fmt, settings, is_insert)
        finally:
            self.shared.running.discard(self.query_id)
            if database and database != "default":
                self.shared.engine.run("USE default", "TabSeparated", {})

    def done(self, sql, fmt, settings, is_insert):
        plan = None
        if is_insert:
            with self.shared.lock:
                plan = self.shared.plans.pop(0) if self.shared.plans else None
        if plan and plan["do"] == "code":
            return self.refuse(int(plan["code"]), "as a test wants. (TEST)", int(plan.get("status", 500)))
        if plan and plan["do"] == "close":
            self.seen["status"] = 0
            self.close_connection = True
            return None
        if plan and plan["do"] == "wait":
            time.sleep(float(plan["s"]))
        text = sql.decode("utf8", "surrogateescape")
        if re.match(r"\s*(SELECT|WITH)\b", text, re.I) and not settings:
            return self.streamed(text, fmt)
        answer = self.shared.engine.run(text, fmt, settings)
        if plan and plan["do"] == "store-and-close":
            self.seen["status"] = 0
            self.close_connection = True
            return None
        self.reply(200, answer, self.good_head(fmt, sql.count(b"\n") if is_insert else 0))

    def good_head(self, fmt, written=0):
        head = [
            ("Content-Type", "text/tab-separated-values; charset=UTF-8"),
            ("X-ClickHouse-Server-Display-Name", "chdb"), ("X-ClickHouse-Query-Id", self.query_id),
            ("X-ClickHouse-Format", fmt), ("X-ClickHouse-Timezone", os.environ.get("TZ", "UTC")),
            ("Keep-Alive", "timeout=30, max=9999"),
            ("X-ClickHouse-Summary", json.dumps({"read_rows": "0", "written_rows": str(written)}))]
        if self.shared.framing == "25.11":
            head.append(("X-ClickHouse-Exception-Tag", "dngjzjnxkvlwkeua"))
        return head

    def streamed(self, sql, fmt):
        """As the server does: the head goes out with the first MiB, and an error may come behind it."""
        waiting, out = b"", False
        try:
            for chunk in self.shared.engine.stream(sql, fmt):
                waiting += chunk
                if not out and len(waiting) < (1 << 20):
                    continue
                if not out:
                    self.send_response(200)
                    for name, value in self.good_head(fmt):
                        self.send_header(name, value)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.seen["status"], out = 200, True
                self.wfile.write(b"%x\r\n%s\r\n" % (len(waiting), waiting))
                waiting = b""
        except Exception as error:
            if not out:
                raise
            words = str(error).strip()
            words = words[words.index("Code:"):] + f" (version {self.shared.engine.version})"
            self.seen["code"] = int(EXC.search(words)[1])
            if self.shared.framing == "25.11":
                tag = "dngjzjnxkvlwkeua"
                tail = f"\r\n__exception__\r\n{tag}\r\n{words}\n{len(words) + 1} {tag}\r\n__exception__\r\n".encode()
            elif self.shared.framing == "25.8":
                tail = f"__exception__\r\n{words}\n".encode()
            else:
                tail = f"{words}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(tail), tail))
            # From 24 on the last chunk does not come, so that nobody takes the answer for whole.
            if self.shared.framing == "none":
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True
            return
        if out:
            self.wfile.write((b"%x\r\n%s\r\n" % (len(waiting), waiting) if waiting else b"") + b"0\r\n\r\n")
        else:
            self.reply(200, waiting, self.good_head(fmt))


class Control(http.server.BaseHTTPRequestHandler):
    shared = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        given = dict(urllib.parse.parse_qsl(address.query))
        answer = {}
        if address.path == "/next":
            self.shared.plans += [given] * int(given.get("times", 1))
        elif address.path == "/state":
            answer = {"requests": self.shared.requests}
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control", type=int, default=0)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--password-file")
    parser.add_argument("--tz")
    parser.add_argument("--framing", default="25.11")
    args = parser.parse_args()
    if args.tz:
        os.environ["TZ"] = args.tz
        time.tzset()
    shared = Shared(args)
    servers = []
    for handler, port in ((Handler, args.port), (Control, args.control)):
        handler.shared = shared
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        server.daemon_threads = True
        servers.append(server)
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    print(servers[0].server_port, servers[1].server_port, "ready", flush=True)
    servers[0].serve_forever()


if __name__ == "__main__":
    main()
