#!/usr/bin/env python3
"""What `vision-pipe serve` costs beside the model: frames a CPU-second of the program with eight
connections that replay ready-made bodies, against the model and the decoding of JPEG alone.

    benches/serve.py target/release/vision-pipe samples/astronaut.jpg [--engine tract] [--workers 2]

Alone is measured on the same picture as files, 100 and 300 times; the difference leaves the start
out. That holds the making of records too, which is below a thousandth of the model.
"""
import argparse
import base64
import http.client
import json
import os
import socket
import subprocess
import tempfile
import threading
import time

FEW, MANY, CONNECTIONS, WARM, ASKED = 100, 300, 8, 32, 400


def cpu_of_run(folder, count, options):
    here = os.path.join(folder, str(count))
    os.makedirs(here)
    for number in range(count):
        os.link(os.path.join(folder, "picture.jpg"), os.path.join(here, f"{number:04}.jpg"))
    summary = os.path.join(folder, f"{count}.json")
    subprocess.run([options.program, "run", here, "--ndjson", "/dev/null", "-q", "--engine",
                    options.engine, "--workers", str(options.workers), "--summary-json", summary],
                   check=True)
    return json.load(open(summary))["cpu_s"]


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(port, body, count):
    client = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(count):
        client.request("POST", "/infer/object_detection", body, {"content-type": "application/json"})
        answer = client.getresponse()
        data = answer.read()
        assert answer.status == 200, data
    return json.loads(data)


def load(port, body, count):
    ends = [threading.Thread(target=ask, args=(port, body, count // CONNECTIONS))
            for _ in range(CONNECTIONS)]
    [end.start() for end in ends]
    [end.join() for end in ends]


parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("picture")
parser.add_argument("--engine", default="tract")
parser.add_argument("--workers", type=int, default=2)
options = parser.parse_args()

picture = open(options.picture, "rb").read()
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, "picture.jpg"), "wb").write(picture)
    alone = cpu_of_run(folder, MANY, options) - cpu_of_run(folder, FEW, options)
    alone /= MANY - FEW

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen([options.program, "serve", "--listen", str(port), "--engine",
                           options.engine, "--workers", str(options.workers), "-q"])
try:
    image = {"type": "base64", "value": base64.b64encode(picture).decode()}
    body = json.dumps({"model_id": "any/1", "image": image})
    for _ in range(200):
        try:
            found = ask(port, body, 1)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    load(port, body, WARM)
    before, start = cpu_of(server.pid), time.monotonic()
    load(port, body, ASKED)
    served, wall = (cpu_of(server.pid) - before) / ASKED, (time.monotonic() - start) / ASKED
finally:
    server.terminate()
    server.wait(20)

print(f"{len(found['predictions'])} objects in a picture of {len(picture)} bytes")
print(f"alone  {1 / alone:7.1f} frames a CPU-second ({alone * 1e3:.2f} ms)")
print(f"served {1 / served:7.1f} frames a CPU-second ({served * 1e3:.2f} ms), {1 / wall:.1f} frames/s")
print(f"share  {alone / served:7.1%} (the bar is 90 %)")
