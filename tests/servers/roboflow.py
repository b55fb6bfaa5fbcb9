#!/usr/bin/python3
"""A stand-in for a Roboflow Inference server, for tests: strict about requests, with answers in the
shapes of https://github.com/roboflow/inference (1.8). Standard library only.

    roboflow.py PORT [--key WORD]

Boxes follow from the bytes of the picture, so that a test can tell which frame an answer is of.
Answers take a time that follows from them too, so that later frames overtake earlier ones.
Stored workflows of workspace `us`: `count` answers; `flaky` says 503 first to every picture;
`away` always; `drawn` gives the picture back as `visualization`, `painted` a red one of 64x48;
`some` answers nonsense to every third picture by its bytes, `nonsense` to all; `masks` gives a mask
as runs, `hostile` one with too many; `demo` has the outputs of the Python demo's workflow; `bad` is
no workflow. With --key all else is 401.
"""
import argparse
import base64
import json
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TASKS = {
    "/infer/object_detection": "detect",
    "/infer/classification": "classify",
    "/infer/keypoints_detection": "pose",
    "/infer/instance_segmentation": "segment",
}
MODEL_KEYS = {
    "model_id", "image", "api_key", "confidence", "iou_threshold", "class_agnostic_nms",
    "max_detections",
}
# What pycocotools makes of a box of 10 x 10 in a picture of 30 x 20.
MASK = {"size": [20, 30], "counts": "]6::00000000000000000S6"}
seen, lock = set(), threading.Lock()


class Wrong(Exception):
    """A request that a strict server does not take."""


def jpeg(image):
    """The bytes of a picture and its size, which its frame header tells."""
    if set(image) != {"type", "value"} or image["type"] != "base64":
        raise Wrong("a picture must have type base64 and value")
    data = base64.b64decode(image["value"], validate=True)
    if data[:2] != b"\xff\xd8" or data[-2:] != b"\xff\xd9":
        raise Wrong("the picture is no whole JPEG")
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = (int.from_bytes(data[at + i : at + i + 2], "big") for i in (5, 7))
            return data, width, height
        at += 2 + length
    raise Wrong("the picture has no size")


def png(width, height, colour):
    """A picture of one colour in base 64."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress((b"\0" + bytes(colour) * width) * height)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + data).decode()


def found(data, width, height, **more):
    box = {
        "x": float(zlib.crc32(data) % width), "y": height / 2, "width": 10.0, "height": 20.0,
        "confidence": 0.75, "class": "hat", "class_id": 3, "class_confidence": None,
        "tracker_id": None, "detection_id": f"{zlib.crc32(data):08x}", "parent_id": "image", **more,
    }
    return {"image": {"width": width, "height": height}, "predictions": [box]}


def workflow(name, inputs):
    data, width, height = jpeg(inputs["image"])
    number = zlib.crc32(data)
    with lock:
        first = (name, number) not in seen
        seen.add((name, number))
    if name == "away" or name == "flaky" and first:
        return 503, {"message": "Internal error. Could not connect to Roboflow API."}
    if name == "bad":
        inner = "Could not validate workflow:\n step 'x' is of no known type."
        return 400, {"message": "Provided workflow is wrong", "error_type": "WorkflowSyntaxError",
                     "context": "workflow_compilation", "inner_error_type": "ValidationError",
                     "inner_error_message": inner}
    if name == "nonsense" or name == "some" and number % 3 == 0:
        return 200, "<html>"
    time.sleep(number % 7 / 200)
    outputs = {"found": found(data, width, height), "least": inputs.get("least"), "n": 1}
    if name in ("masks", "hostile"):
        mask = MASK if name == "masks" else {**MASK, "counts": [0, 601]}
        outputs["found"] = found(data, 30, 20, rle_mask=mask)
    if name == "demo":
        whole = {"inference_id": "i", "time": 0.02, "image": {"width": width, "height": height},
                 "predictions": [{"class": "calm", "class_id": 0, "confidence": 0.75}],
                 "top": "calm", "confidence": 0.75, "prediction_type": "classification"}
        outputs = {"model_detection_prediction": found(data, width, height),
                   "model_violence_predictions": whole,
                   "visualization": {**inputs["image"], "video_metadata": {"frame_number": 0}}}
    if name == "painted":
        outputs["visualization"] = {"type": "base64", "video_metadata": {},
                                    "value": png(64, 48, [255, 0, 0])}
    if name == "drawn":
        outputs["visualization"] = {**inputs["image"], "video_metadata": {"frame_number": 0}}
    return 200, {"outputs": [outputs], "profiler_trace": []}


def model(task, body):
    if not {"model_id", "image"} <= set(body) <= MODEL_KEYS:
        raise Wrong(f"keys {sorted(body)}")
    data, width, height = jpeg(body["image"])
    answer = {"inference_id": "i", "time": 0.01, "visualization": None}
    if body["model_id"] != "hats/3":
        return 404, {"message": "Requested Roboflow resource not found."}
    if task == "classify":
        classes = [("cat", 1, 0.75), ("dog", 0, 0.25)]
        keys = ("class", "class_id", "confidence")
        named = [dict(zip(keys, one)) for one in classes]
        size = {"width": width, "height": height}
        return 200, {**answer, "image": size, "predictions": named, "top": "cat", "confidence": 0.75}
    points = [{"x": 1.0, "y": 1.0}, {"x": 9.0, "y": 1.0}, {"x": 9.0, "y": 9.0}]
    joint = {"x": 4.0, "y": 5.0, "confidence": 0.5, "class_id": 0, "class": "nose"}
    more = {"pose": {"keypoints": [joint]}, "segment": {"points": points}}
    return 200, {**answer, **found(data, width, height, **more.get(task, {}))}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        if self.path == "/info":
            return self.answer(200, {"name": "fake", "version": "1.8.3", "uuid": "x"})
        self.answer(404, {"detail": "Not Found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            self.answer(*self.judged(json.loads(body)))
        except (Wrong, ValueError, KeyError) as error:
            self.answer(422, {"detail": [{"type": "wrong", "loc": ["body"], "msg": repr(error)}]})

    def judged(self, body):
        if self.headers["content-type"] != "application/json":
            raise Wrong("content-type")
        if "?" in self.path or options.key and options.key in self.path:
            raise Wrong("nothing belongs behind the path")
        if options.key and body.get("api_key") != options.key:
            return 401, {"message": "Unauthorized api_key"}
        if self.path in TASKS:
            return model(TASKS[self.path], body)
        if self.path == "/workflows/run":
            if set(body) - {"api_key"} != {"specification", "inputs"}:
                raise Wrong(f"keys {sorted(body)}")
            if not body["specification"]["steps"]:
                return workflow("bad", body["inputs"])
            return workflow("count", body["inputs"])
        workspace, word, name = self.path[1:].split("/")
        if (workspace, word) != ("us", "workflows") or set(body) - {"api_key"} != {"inputs"}:
            raise Wrong(self.path)
        return workflow(name, body["inputs"])


parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--key")
options = parser.parse_args()
ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
