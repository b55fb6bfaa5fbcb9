#!/usr/bin/env python3
"""Detections by NumPy, OpenCV and ONNX Runtime, written from the models' own descriptions.

An outside judge for vision-pipe's boxes; it shares no code with it.

  reference.py detect --model M.onnx --video V [--conf 0.2] [--every N] > reference.ndjson
  reference.py compare --ours frames.ndjson --reference reference.ndjson [--conf 0.25]

Needs: pip install numpy onnxruntime opencv-python-headless
`compare` matches the boxes >= --conf of each side among all boxes of the other (so run both with
a lower threshold): same class, IoU >= 0.98, score within 0.005; 99.5 % each way or exit 1.
"""
import argparse
import json
import sys

import cv2
import numpy as np

STRIDES = (8, 16, 32)


def letterbox(image, width, height):
    """Top left, one ratio, truncated size, padding 114 (YOLOX data_augment.preproc)."""
    ratio = min(width / image.shape[1], height / image.shape[0])
    size = int(image.shape[1] * ratio + 1e-6), int(image.shape[0] * ratio + 1e-6)
    canvas = np.full((height, width, 3), 114, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return canvas, ratio


def grid(width, height, stride):
    """Column and row of every cell, row by row."""
    rows, columns = np.mgrid[: height // stride, : width // stride]
    return np.stack([columns.ravel(), rows.ravel()], 1).astype(np.float32)


def nanodet(outputs, width, height):
    """Boxes, scores and classes of a NanoDet model (gfl_head.py)."""
    boxes, scores = [], []
    for stride in STRIDES:
        cells = grid(width, height, stride)
        pair = [o[0] for o in outputs if o.shape[1] == len(cells)]
        cls, reg = sorted(pair, key=lambda o: o.shape[1] in (32, 44))
        reg = reg.reshape(len(cells), 4, -1)
        weights = np.exp(reg - reg.max(2, keepdims=True))
        weights /= weights.sum(2, keepdims=True)
        distance = (weights * np.arange(reg.shape[2])).sum(2) * stride
        centre = (cells + 0.5) * stride
        boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1))
        scores.append(cls)
    scores = np.concatenate(scores)
    return np.concatenate(boxes), scores.max(1), scores.argmax(1)


def yolox(outputs, width, height):
    """Boxes, scores and classes of a YOLOX model (demo_utils.demo_postprocess)."""
    out = outputs[0][0]
    cells = np.concatenate([grid(width, height, s) for s in STRIDES])
    stride = np.concatenate(
        [np.full((len(grid(width, height, s)), 1), s, np.float32) for s in STRIDES]
    )
    centre, size = (out[:, :2] + cells) * stride, np.exp(out[:, 2:4]) * stride
    scores = out[:, 4:5] * out[:, 5:]
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    return boxes, scores.max(1), scores.argmax(1)


FAMILIES = {
    # head, mean, standard deviation, IoU of NMS; both take BGR
    6: (nanodet, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), 0.5),
    1: (yolox, (0, 0, 0), (1, 1, 1), 0.45),
}


def iou(box, others):
    """IoU of one box with many."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), 1)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    return shared / (area(box) + area(others) - shared)


def nms(boxes, scores, classes, limit):
    """Greedy, within a class, most confident first."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        same = [k for k in kept if classes[k] == classes[i]]
        if not same or iou(boxes[i], boxes[same]).max() <= limit:
            kept.append(i)
    return kept[:300]


def detect(args):
    import onnxruntime

    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    height, width = spec.shape[2:]
    head, mean, std, limit = FAMILIES[len(session.get_outputs())]
    video, index = cv2.VideoCapture(args.video, cv2.CAP_FFMPEG), -1
    while True:
        good, frame = video.read()
        index += 1
        if not good:
            break
        if index % args.every:
            continue
        canvas, ratio = letterbox(frame, width, height)
        tensor = (canvas.astype(np.float32) - np.float32(mean)) / np.float32(std)
        outputs = session.run(None, {spec.name: tensor.transpose(2, 0, 1)[None]})
        boxes, scores, classes = head(outputs, width, height)
        some = scores >= args.conf
        boxes, scores, classes = boxes[some], scores[some], classes[some]
        found = []
        for i in nms(boxes, scores, classes, limit):
            box = np.clip(boxes[i] / ratio, 0, [frame.shape[1], frame.shape[0]] * 2)
            found.append([int(classes[i]), round(float(scores[i]), 5)] + [round(float(v), 3) for v in box])
        print(json.dumps({"frame_id": index, "boxes": found}))


def load(path):
    """Boxes of each frame as rows of class, score, corners; of either program."""
    frames = {}
    for line in open(path):
        record = json.loads(line)
        if "boxes" in record:
            frames[record["frame_id"]] = np.array(record["boxes"]).reshape(-1, 6)
        elif record["type"] == "frame":
            rows = [
                [p["class_id"], p["confidence"]] + [p["bbox"][k] for k in ("x1", "y1", "x2", "y2")]
                for p in record["predictions"]
            ]
            frames[record["frame_id"]] = np.array(rows).reshape(-1, 6)
    return frames


def matched(some, among, conf):
    """How many boxes >= conf have a twin, and how many there are."""
    hits = total = 0
    for frame, boxes in some.items():
        free = list(among.get(frame, np.zeros((0, 6))))
        for box in boxes[boxes[:, 1] >= conf]:
            total += 1
            for i, other in enumerate(free):
                alike = other[0] == box[0] and abs(other[1] - box[1]) <= 0.005
                if alike and iou(box[2:], other[None, 2:])[0] >= 0.98:
                    hits += 1
                    del free[i]
                    break
    return hits, total


def compare(args):
    ours, reference = load(args.ours), load(args.reference)
    if ours.keys() != reference.keys():
        sys.exit(f"frames differ: {len(ours)} and {len(reference)}")
    good = True
    for name, some, among in (("reference in ours", reference, ours), ("ours in reference", ours, reference)):
        hits, total = matched(some, among, args.conf)
        share = hits / max(total, 1)
        good &= share >= 0.995
        print(f"{name}: {hits} of {total} = {share:.4%}")
    sys.exit(0 if good else 1)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
commands = parser.add_subparsers(required=True)
one = commands.add_parser("detect")
one.add_argument("--model", required=True)
one.add_argument("--video", required=True)
one.add_argument("--conf", type=float, default=0.2)
one.add_argument("--every", type=int, default=1)
one.set_defaults(run=detect)
two = commands.add_parser("compare")
two.add_argument("--ours", required=True)
two.add_argument("--reference", required=True)
two.add_argument("--conf", type=float, default=0.25)
two.set_defaults(run=compare)
arguments = parser.parse_args()
arguments.run(arguments)
