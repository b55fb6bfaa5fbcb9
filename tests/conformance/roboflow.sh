#!/usr/bin/env bash
# Holds --engine roboflow against a real Roboflow Inference server, by hand:
#
#     tests/conformance/roboflow.sh http://127.0.0.1:9001 target/vtest.avi [target/release/vision-pipe]
#
# The server (pip install inference-cpu, or its Docker image) needs no account and no way to its
# vendor; then stored workflows answer 503, which is what the second part is about.
# With inference-cpu 1.8.3 without such a way it printed:
#
# server: {"name":"Roboflow Inference Server","version":"1.8.3"}
# 30 frames with 1 and with 4 workers: the same bytes
# 38 boxes in 30 frames are those of direct calls
# exit 69: vision-pipe: error: frame 0: the server at SERVER cannot answer now (503): Internal
#   error. Could not connect to Roboflow API.
# exit 78: vision-pipe: error: frame 0: the server at SERVER refuses what is asked for (400): 1
#   validation error for WorkflowSpecificationV1 steps.0 Input tag 'roboflow_core/no_such_step@v1'
#   found using 'type' does not match any of the expected tags: ...
# a 503 is asked again before it is reported
set -euo pipefail
server=$1 video=$2 program=${3:-target/release/vision-pipe}
work=$(mktemp -d)
proxy=
trap '[ -z "$proxy" ] || kill "$proxy"; rm -rf "$work"' EXIT

echo "server: $(curl -fs -m 5 "$server/info" | sed 's/,"uuid[^}]*//')"

# A part of the first frame is looked for in all: it must be found there at the least.
ffmpeg -v error -i "$video" -frames:v 1 -vf crop=40:90:330:120 "$work/template.png"
cat >"$work/match.json" <<'JSON'
{"version": "1.0",
 "inputs": [{"type": "WorkflowImage", "name": "image"}, {"type": "WorkflowImage", "name": "template"}],
 "steps": [{"type": "roboflow_core/template_matching@v1", "name": "tm", "image": "$inputs.image",
            "template": "$inputs.template", "matching_threshold": 0.8},
           {"type": "roboflow_core/bounding_box_visualization@v1", "name": "drawn",
            "image": "$inputs.image", "predictions": "$steps.tm.predictions"}],
 "outputs": [{"type": "JsonField", "name": "predictions", "selector": "$steps.tm.predictions"},
             {"type": "JsonField", "name": "n", "selector": "$steps.tm.number_of_matches"},
             {"type": "JsonField", "name": "visualization", "selector": "$steps.drawn.image"}]}
JSON

# What our program sends goes through here and is kept, to be sent again directly.
cat >"$work/proxy.py" <<'PY'
import http.client, http.server, itertools, sys, urllib.parse
server, folder = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
count = itertools.count()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.command == "POST":
            open(f"{folder}/request-{next(count):03}.json", "wb").write(body)
        there = http.client.HTTPConnection(server.hostname, server.port)
        there.request(self.command, self.path, body, {"content-type": "application/json"})
        answer = there.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    do_GET = do_POST = pass_on
here = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(here.server_port, flush=True)
here.serve_forever()
PY
python3 "$work/proxy.py" "$server" "$work" >"$work/port" &
proxy=$!
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.1; done

match() { "$program" run "$video" --max-frames 30 --engine roboflow --workflow-file "$work/match.json" \
    --workflow-input template=@"$work/template.png" "$@"; }
match --roboflow-url "http://127.0.0.1:$(cat "$work/port")" --workers 1 -q >"$work/found.ndjson"
match --roboflow-url "$server" --workers 4 -q | grep '"type":"frame"' >"$work/again.ndjson"
grep '"type":"frame"' "$work/found.ndjson" | cmp - "$work/again.ndjson"
echo "30 frames with 1 and with 4 workers: the same bytes"

cat >"$work/compare.py" <<'PY'
import glob, json, sys, urllib.request
server, folder = sys.argv[1:]
frames = [json.loads(line) for line in open(f"{folder}/found.ndjson")]
frames = [frame for frame in frames if frame["type"] == "frame"]
requests = sorted(glob.glob(f"{folder}/request-*.json"))
assert len(frames) == len(requests) == 30, (len(frames), len(requests))
keys, boxes = ("x", "y", "width", "height", "class", "class_id"), 0
for frame, path in zip(frames, requests):
    request = urllib.request.Request(f"{server}/workflows/run", open(path, "rb").read(),
                                     {"content-type": "application/json"})
    output = json.load(urllib.request.urlopen(request))["outputs"][0]
    there = sorted([one[key] for key in keys] for one in output["predictions"]["predictions"])
    here = sorted([one[key] for key in keys] for one in frame["predictions"])
    assert here == there, (frame["frame_id"], here, there)
    assert frame["outputs"] == {"n": output["n"]} and output["n"] == len(here), frame["outputs"]
    boxes += len(here)
assert boxes, "nothing was found"
print(f"{boxes} boxes in 30 frames are those of direct calls")
PY
python3 "$work/compare.py" "$server" "$work"

fails() {
    local code=0
    "$program" run "$video" --max-frames 1 --engine roboflow --roboflow-url "$server" "$@" \
        >/dev/null 2>"$work/said" || code=$?
    echo "exit $code: $(grep -E 'error|hint' "$work/said" | sed "s|$server|SERVER|; s|$work|WORK|")"
}
fails --workflow some/workflow
sed 's/template_matching@v1/no_such_step@v1/' "$work/match.json" >"$work/bad.json"
fails --workflow-file "$work/bad.json" --workflow-input template=@"$work/template.png"
said=$("$program" run "$video" -v --max-frames 1 --engine roboflow --roboflow-url "$server" \
    --workflow some/workflow 2>&1 >/dev/null || true)
grep -q 'asked again in' <<<"$said" && echo "a 503 is asked again before it is reported"
