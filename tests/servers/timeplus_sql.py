"""What the fake Timeplus of timeplus.py knows of SQL: only what this program says, and it refuses
what the real one refuses. Written from the vendor's documents and source, and stricter than they
are: lower-case types only, known functions only, known columns only."""
import ast
import collections
import contextlib
import datetime
import io
import json
import re
import time

MAX_RECORD = 10 * 1024 * 1024
MAX_BLOCK = 65_409
MAX_IDS = 1000

PLAIN = {
    "string", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "date", "datetime", "uuid", "ipv4", "ipv6",
}
FUNCTIONS = {
    "array_join", "array_zip", "avg", "cast", "count", "count_distinct",
    "from_unix_timestamp64_milli", "hop", "if",
    "json_extract_array", "max", "min", "now", "rand", "sum", "table", "to_datetime",
    "to_int64", "to_start_of_hour", "to_start_of_minute", "tumble", "tuple_element", "version",
}
# checkAndPrepareColumns() of Proton's src/Interpreters/Streaming/DDLHelper.cpp, for the columns of
# streams and materialized views: these names are refused, and so is all that begins with _tp_, but
# for a few of a fixed type. Here it is the rule for every statement that makes a column.
RESERVED_NAMES = ("window_start", "window_end")
RESERVED_TYPES = {
    "_tp_time": "datetime64", "_tp_index_time": "datetime64", "_tp_sn": "int64", "_tp_delta": "int8",
}
KEYWORDS = {
    "and", "as", "asc", "by", "desc", "format", "from", "group", "in", "is", "limit", "not",
    "null", "or", "order", "select", "where", "with",
}
SETTINGS = {
    "date_time_input_format", "input_format_skip_unknown_fields", "input_format_null_as_default",
    "max_execution_time", "output_format_json_quote_64bit_integers", "query_mode",
}
TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<tick>`(?:[^`\\]|``|\\.)*`)|(?P<text>'(?:[^'\\]|''|\\.)*')"
    r"|(?P<interval>\d+[smhdw]\b)|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<mark><=|>=|!=|::|[-+*/=<>(),.:;\[\]])"
)
NAMES = {
    15: "DUPLICATE_COLUMN", 16: "NO_SUCH_COLUMN_IN_STREAM", 27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    41: "CANNOT_PARSE_DATETIME", 43: "ILLEGAL_TYPE_OF_ARGUMENT", 44: "ILLEGAL_COLUMN",
    46: "UNKNOWN_FUNCTION", 47: "UNKNOWN_IDENTIFIER", 48: "NOT_IMPLEMENTED", 50: "UNKNOWN_TYPE",
    53: "TYPE_MISMATCH", 57: "STREAM_ALREADY_EXISTS", 60: "UNKNOWN_STREAM", 62: "SYNTAX_ERROR",
    73: "UNKNOWN_FORMAT", 78: "UNKNOWN_TYPE_OF_QUERY", 81: "UNKNOWN_DATABASE", 115: "UNKNOWN_SETTING",
    117: "INCORRECT_DATA", 164: "READONLY", 252: "TOO_MANY_PARTS", 354: "ZLIB_INFLATE_FAILED",
    381: "HTTP_LENGTH_REQUIRED", 408: "INVALID_POLL_MODE", 450: "BAD_TTL_EXPRESSION",
    516: "AUTHENTICATION_FAILED", 2514: "TOO_LARGE_RECORD", 2533: "UDF_INTERNAL_ERROR",
}
STATUS = {
    27: 400, 41: 400, 53: 400, 62: 400, 117: 400, 408: 400, 516: 403, 46: 404, 47: 404, 50: 404,
    60: 404, 73: 404, 78: 404, 81: 404, 115: 404, 381: 411, 48: 501,
}


class Refused(Exception):
    """An error of the server's: a code and words."""

    def __init__(self, code, words):
        super().__init__(words)
        self.code, self.words = code, words


def syntax(words):
    return Refused(62, f"Syntax error: {words}")


def tokens(sql):
    """Kinds and values; identifiers in backticks come unquoted as kind 'tick'."""
    found, at = [], 0
    while at < len(sql):
        match = TOKEN.match(sql, at)
        if not match:
            raise syntax(f"failed at position {at + 1}: {sql[at:at + 20]}")
        kind, value, at = match.lastgroup, match.group(), match.end()
        if kind == "tick":
            value = re.sub(r"``|\\(.)", lambda m: m.group(1) or "`", value[1:-1])
        elif kind == "text":
            plain = lambda m: {"0": "\0"}.get(m.group(1), m.group(1)) or "'"
            value = re.sub(r"''|\\(.)", plain, value[1:-1], flags=re.S)
        if kind != "space":
            found.append((kind, value))
    return found


class Words:
    """Reads tokens one by one."""

    def __init__(self, sql):
        self.all, self.at = tokens(sql), 0

    def peek(self):
        return self.all[self.at] if self.at < len(self.all) else ("end", "")

    def next(self):
        token = self.peek()
        self.at += 1
        return token

    def has(self, *words):
        """Takes these words, in any case, if they are next."""
        found = [v.upper() for k, v in self.all[self.at:self.at + len(words)] if k in ("word", "mark")]
        if found != [w.upper() for w in words]:
            return False
        self.at += len(words)
        return True

    def need(self, *words):
        if not self.has(*words):
            raise syntax(f"expected {' '.join(words)}, found '{self.peek()[1]}'")

    def name(self):
        kind, value = self.next()
        if kind not in ("tick", "word"):
            raise syntax(f"expected a name, found '{value}'")
        return value

    def stream(self):
        name = self.name()
        return (name, self.name()) if self.has(".") else ("default", name)

    def end(self):
        self.has(";")
        if self.peek()[0] != "end":
            raise syntax(f"unexpected '{self.peek()[1]}'")


def check_name(column, kind):
    """Refuses a column that has a reserved name; `kind` is its type, where it is known."""
    if column not in RESERVED_NAMES and not column.startswith("_tp_"):
        return
    wanted = RESERVED_TYPES.get(column)
    if not wanted:
        raise Refused(44, f"Column {column} is reserved, should not used in create query.")
    if kind is not None and kind.split("(")[0] != wanted:
        raise Refused(44, f"Column {column} is reserved, expected type '{wanted}' but actual type '{kind}'.")


def projected(select):
    """The names of what a query selects: those behind AS, else the last word of each."""
    depth, items, words = 0, [[]], None
    for kind, value in tokens(select):
        depth += {"(": 1, ")": -1}.get(value, 0) if kind == "mark" else 0
        if depth == 0 and kind == "word" and value.upper() in ("SELECT", "FROM"):
            # The last SELECT on the top is the one that counts; WITH comes before it.
            items, words = ([[]], True) if value.upper() == "SELECT" else (items, False)
        elif words and depth == 0 and (kind, value) == ("mark", ","):
            items.append([])
        elif words:
            items[-1].append((kind, value))
    return [item[-1][1] for item in items if item]


def read_type(words):
    """A type in its own spelling."""
    kind, name = words.next()
    if kind != "word":
        raise syntax(f"expected a type, found '{name}'")
    if name in ("nullable", "low_cardinality", "array"):
        words.need("(")
        inner = read_type(words)
        words.need(")")
        if name == "nullable" and inner.startswith(("array", "nullable", "low_cardinality")):
            raise Refused(43, f"Nested type {inner} cannot be inside nullable type")
        if name == "low_cardinality" and inner not in ("string", "nullable(string)"):
            raise Refused(43, f"low_cardinality({inner}) is suspicious")
        return f"{name}({inner})"
    if name == "datetime64":
        words.need("(")
        digits = words.next()[1]
        zone = words.next()[1] if words.has(",") else None
        words.need(")")
        return f"datetime64({digits}, '{zone}')" if zone else f"datetime64({digits})"
    if name not in PLAIN:
        raise Refused(50, f"Unknown data type family: {name}")
    return name


class Stream:
    def __init__(self, columns, ttl=None):
        self.columns, self.ttl = columns, ttl
        self.rows, self.ids = [], collections.OrderedDict()


class Engine:
    """Streams and what is done to them."""

    def __init__(self, version, tables, lag_s, not_ready):
        self.enterprise = version == "enterprise"
        self.version = "3.0.4" if self.enterprise else "1.6.1"
        self.lag_s, self.not_ready = lag_s, not_ready
        self.streams, self.views, self.alerts, self.functions = {}, {}, {}, {}
        for name, columns in (tables or {}).items():
            self.streams["default", name] = Stream(dict(columns))

    def stream(self, name):
        if name not in self.streams:
            raise Refused(60, f"Stream {'.'.join(name)} does not exist")
        return self.streams[name]

    def settings(self, given):
        known = SETTINGS | ({"idempotent_id"} if self.enterprise else set())
        for name in given:
            if name not in known:
                raise Refused(115, f"Unknown setting {name}")

    def run(self, sql, data, settings, readonly):
        """Runs a statement; `data` is what follows the first line of an insert."""
        self.settings(settings)
        if re.match(r"CREATE OR REPLACE FUNCTION\b", sql):
            return self.create_function(sql, readonly)
        words = Words(sql)
        if words.has("SELECT") or words.has("WITH"):
            return self.select(sql)
        if words.has("DESCRIBE") or words.has("DESC"):
            return self.describe(words)
        if readonly:
            raise Refused(164, "Cannot execute query in readonly mode")
        if words.has("INSERT", "INTO"):
            return self.insert(words, data, settings)
        if words.has("CREATE", "STREAM"):
            return self.create_stream(words)
        if words.has("ALTER", "STREAM"):
            return self.alter(words)
        if words.has("CREATE", "MATERIALIZED", "VIEW") or words.has("CREATE", "VIEW"):
            return self.create_view(words, sql)
        if words.has("CREATE", "ALERT"):
            return self.create_alert(words, sql)
        raise syntax(f"failed at position 1: {sql[:30]}")

    def create_stream(self, words):
        if_missing = words.has("IF", "NOT", "EXISTS")
        name = words.stream()
        if name[0] != "default":
            raise Refused(81, f"Database {name[0]} does not exist")
        words.need("(")
        columns = {"_tp_time": "datetime64(3, 'UTC')"}
        while True:
            column = words.name()
            kind = read_type(words)
            check_name(column, kind)
            if column in columns and column != "_tp_time":
                raise Refused(15, f"Column {column} already exists")
            columns[column] = kind
            if not words.has(","):
                break
        words.need(")")
        ttl = self.read_ttl(words) if words.has("TTL") else None
        words.end()
        if name in self.streams:
            if not if_missing:
                raise Refused(57, f"Stream {name[1]} already exists")
            return ""
        self.streams[name] = Stream(columns, ttl)
        return ""

    def read_ttl(self, words):
        if words.has("_tp_time"):
            raise Refused(450, "TTL expression result column should have datetime or date type")
        by_date = words.has("to_date", "(", "_tp_time", ")", "+", "INTERVAL")
        if not by_date:
            words.need("to_datetime", "(", "_tp_time", ")", "+", "INTERVAL")
        kind, days = words.next()
        words.need("DAY")
        if kind != "number" or int(days) < 1:
            raise syntax("an interval needs a number")
        # 32 bits end in 2106: the time wraps around, and rows would be gone at once.
        if not by_date and int(days) > 20 * 365:
            raise Refused(450, "Rows would be gone at once")
        return int(days)

    def alter(self, words):
        stream = self.stream(words.stream())
        words.need("ADD", "COLUMN")
        column, kind = words.name(), read_type(words)
        words.end()
        check_name(column, kind)
        if column in stream.columns:
            raise Refused(44, f"Cannot add column {column}: column with this name already exists")
        stream.columns[column] = kind
        for row in stream.rows:
            row["values"][column] = default(kind)
        return ""

    def describe(self, words):
        stream = self.stream(words.stream())
        words.need("FORMAT", "JSONEachRow")
        words.end()
        rows = [{"name": n, "type": t, "default_type": "", "comment": ""} for n, t in stream.columns.items()]
        return "".join(json.dumps(row) + "\n" for row in rows)

    def create_view(self, words, sql):
        words.need("IF", "NOT", "EXISTS")
        name = words.stream()
        words.need("AS")
        select = sql[sql.index(" AS ") + 4:]
        self.check_select(select)
        for column in projected(select):
            check_name(column, None)
        self.views[name[1]] = select
        return ""

    def create_function(self, sql, readonly):
        """A Python function: its code must be Python and define it with all its parameters."""
        form = r"CREATE OR REPLACE FUNCTION (\w+)\((.*?)\) RETURNS (\w+) LANGUAGE PYTHON AS \$\$(.*)\$\$"
        found = re.fullmatch(form, sql.strip(), re.S)
        if not found or readonly:
            raise syntax("failed at position 8: FUNCTION")
        name, parameters, _, code = found.groups()
        parameters = [parameter.split() for parameter in parameters.split(",")]
        for _, kind in parameters:
            read_type(Words(kind))
        try:
            defined = {node.name: node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
            if len(defined[name].args.args) != len(parameters):
                raise KeyError(name)
        except (SyntaxError, KeyError):
            raise Refused(48, f"Failed to compile the Python UDF {name}") from None
        # A string is bytes by the documents' table of types, and a text in their examples.
        for text in ("a b".encode().split(), "a b".split()):
            try:
                scope, said = {}, io.StringIO()
                with contextlib.redirect_stderr(said):
                    exec(code, scope)  # pylint: disable=exec-used
                    scope[name](*[text] * len(parameters))
            except Exception as error:  # pylint: disable=broad-except
                raise Refused(2533, f"Failed to run the Python UDF {name}: {error}") from None
        self.functions[name] = len(parameters)
        return ""

    def create_alert(self, words, sql):
        if not self.enterprise:
            raise syntax("failed at position 8: ALERT")
        words.has("IF", "NOT", "EXISTS")
        name = words.stream()
        words.need("BATCH")
        words.next()
        words.need("EVENTS", "WITH", "TIMEOUT")
        intervals = [words.next()[0]]
        words.need("LIMIT")
        words.next()
        words.need("ALERTS", "PER")
        intervals.append(words.next()[0])
        words.need("CALL")
        function = words.name()
        words.need("AS", "SELECT")
        columns = 1
        words.name()
        while words.has(","):
            words.name()
            columns += 1
        if self.functions.get(function) != columns:
            raise Refused(46, f"Unknown function {function} of {columns} columns")
        if intervals != ["interval", "interval"]:
            raise syntax("an interval is a number and a unit")
        select = sql[re.search(r"\bAS SELECT\b", sql).start() + 3:]
        if re.search(r"\b(GROUP BY|JOIN|hop|tumble|count|sum|avg)\b", select):
            raise Refused(48, "An alert cannot aggregate or join")
        self.check_select(select)
        self.alerts[name[1]] = sql
        return ""

    def check_select(self, sql):
        """Whether all it names is there: streams, functions, columns and its own names."""
        all_tokens = tokens(sql)
        known = {"_tp_time", "float64"} | KEYWORDS
        if {"hop", "session", "tumble"} & {value for kind, value in all_tokens if kind == "word"}:
            known |= set(RESERVED_NAMES)
        depth = 0
        for at, (kind, value) in enumerate(all_tokens):
            after = all_tokens[at + 1:at + 4]
            depth += {"(": 1, ")": -1}.get(value, 0) if kind == "mark" else 0
            if kind == "tick" and after[:1] == [("mark", ".")] and after[1:2][:1]:
                known |= set(self.stream((value, after[1][1])).columns)
            if kind == "word" and value.upper() == "AS" and after:
                known.add(after[0][1])
            if kind == "word" and value.upper() == "WITH" and after:
                known.add(after[0][1])
        if depth:
            raise syntax("unmatched parentheses")
        for at, (kind, value) in enumerate(all_tokens):
            before = all_tokens[at - 1] if at else ("", "")
            after = all_tokens[at + 1] if at + 1 < len(all_tokens) else ("", "")
            if kind == "word" and after == ("mark", "(") and value.lower() not in KEYWORDS:
                if value not in FUNCTIONS:
                    raise Refused(46, f"Unknown function {value}")
            elif kind == "word" and before == ("mark", ":"):
                pass
            elif kind == "word" and value not in known and value.lower() not in KEYWORDS:
                raise Refused(47, f"Missing columns: '{value}' while processing query")
            elif kind == "tick" and ("mark", ".") not in (before, after) and value not in known:
                raise Refused(47, f"Missing columns: '{value}' while processing query")

    def select(self, sql):
        if re.fullmatch(r"\s*SELECT 1\s*;?\s*", sql):
            return "1\n"
        if re.fullmatch(r"\s*SELECT version\(\)\s*;?\s*", sql):
            return self.version + "\n"
        words = Words(sql)
        words.need("SELECT")
        counts = words.has("count", "(", ")") or words.has("count", "(", "*", ")")
        columns = [] if counts or words.has("*") else [words.name()]
        while columns and words.has(","):
            columns.append(words.name())
        words.need("FROM")
        wrapped = words.has("table", "(")
        stream = self.stream(words.stream())
        if wrapped:
            words.need(")")
        test = []
        if words.has("WHERE"):
            while True:
                column = words.name()
                words.need("=")
                test.append((column, words.next()[1]))
                if not words.has("AND"):
                    break
        form = words.name() if words.has("FORMAT") else "TabSeparated"
        words.end()
        for column in columns + [column for column, _ in test]:
            if column not in stream.columns:
                raise Refused(47, f"Missing columns: '{column}' while processing query")
        # What was just inserted is not in the historical store yet.
        seen = [r["values"] for r in stream.rows if r["at"] + self.lag_s <= time.monotonic()]
        seen = [r for r in seen if all(str(r[column]) == value for column, value in test)]
        rows = [[len(seen)]] if counts else [[r[c] for c in columns or stream.columns] for r in seen]
        names = ["count()"] if counts else columns or list(stream.columns)
        if form == "TabSeparated":
            return "".join("\t".join(map(tab_separated, row)) + "\n" for row in rows)
        if form != "JSONEachRow":
            raise Refused(73, f"Unknown format {form}")
        return "".join(json.dumps(dict(zip(names, row))) + "\n" for row in rows)

    def insert(self, words, data, settings):
        name = words.stream()
        columns = None
        if words.has("("):
            columns = [words.name()]
            while words.has(","):
                columns.append(words.name())
            words.need(")")
        words.need("FORMAT")
        form = words.name()
        if form != "JSONEachRow":
            raise Refused(73, f"Unknown format {form}")
        words.end()
        rows = []
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.strip():
                try:
                    row = json.loads(line, parse_constant=lambda word: refuse_word(word, number))
                    if not isinstance(row, dict):
                        raise ValueError
                except ValueError:
                    raise Refused(27, f"Cannot parse input: expected '{{' before: '{line[:20]!r}': (at row {number})")
                rows.append((number, row))
        self.put(name, columns, rows, len(data), settings)
        return ""

    def put(self, name, columns, rows, size, settings):
        """Stores all rows or none."""
        if self.not_ready > 0:
            self.not_ready -= 1
            raise Refused(60, f"Stream {'.'.join(name)} does not exist")
        stream = self.stream(name)
        for column in columns or []:
            if column not in stream.columns:
                raise Refused(16, f"No such column {column} in stream {'.'.join(name)}")
        if size > MAX_RECORD:
            raise Refused(2514, f"Record of {size} bytes exceeds {MAX_RECORD}")
        allowed = set(columns or stream.columns)
        best = settings.get("date_time_input_format") == "best_effort"
        skips = settings.get("input_format_skip_unknown_fields") == "1"
        whole = [self.whole(stream, row, number, allowed, skips, best) for number, row in rows]
        key = settings.get("idempotent_id")
        if key:
            if key in stream.ids:
                return
            stream.ids[key] = True
            while len(stream.ids) > MAX_IDS:
                stream.ids.popitem(last=False)
            if not self.enterprise:
                # A second block of the insert has the same id, so it counts as sent before.
                whole = whole[:MAX_BLOCK]
        now = time.monotonic()
        stream.rows += [{"at": now, "values": row} for row in whole]

    def whole(self, stream, row, number, allowed, skips, best):
        values = {}
        for key, value in row.items():
            if key not in allowed:
                if skips:
                    continue
                raise Refused(117, f"Unknown field found while parsing JSONEachRow format: {key}: (at row {number})")
            values[key] = checked(stream.columns[key], value, key, number, best)
        for column, kind in stream.columns.items():
            values.setdefault(column, now_text() if column == "_tp_time" else default(kind))
        return values


def tab_separated(value):
    if value is None:
        return "\\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def refuse_word(word, number):
    raise Refused(27, f"Cannot parse {word}: (at row {number})")


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def default(kind):
    if kind.startswith("nullable"):
        return None
    if kind.startswith("array"):
        return []
    return 0 if re.match("u?int|float|bool", kind) else ""


def checked(kind, value, column, number, best):
    """The value if it can be parsed as this type."""
    bad = Refused(27, f"Cannot parse input: column {column}, type {kind}, value {value!r}: (at row {number})")
    if kind.startswith("nullable("):
        return None if value is None else checked(kind[9:-1], value, column, number, best)
    if kind.startswith("low_cardinality("):
        return checked(kind[16:-1], value, column, number, best)
    if kind.startswith("array("):
        if not isinstance(value, list):
            raise bad
        return [checked(kind[6:-1], item, column, number, best) for item in value]
    if kind == "string":
        if not isinstance(value, str):
            raise bad
        return value
    if kind.startswith("datetime"):
        plain = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})?"
        iso = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"
        if not isinstance(value, str) or not re.fullmatch(iso if best else plain, value):
            raise Refused(41, f"Cannot parse datetime {value!r}: (at row {number})")
        if "'UTC'" not in kind and not value.endswith("Z"):
            raise Refused(41, f"{value!r} is some other time in {kind}: (at row {number})")
        value = value.replace("T", " ").rstrip("Z")
        return value if kind.startswith("datetime64") else value.split(".")[0]
    if isinstance(value, bool) and kind not in ("bool", "uint8") or isinstance(value, (str, type(None), list, dict)):
        raise bad
    if kind.startswith(("int", "uint")):
        bits, sign = int(re.sub(r"\D", "", kind)), kind.startswith("int")
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if sign else (0, (1 << bits) - 1)
        if not isinstance(value, int) or not low <= value <= high:
            raise bad
    return value
