#!/usr/bin/env python3
"""Every family of models judged on pictures, by NumPy, OpenCV and ONNX Runtime.

Written from the models' descriptions; shares no code with vision-pipe.

  families.py --program vision-pipe --models DIR PICTURE...

Needs: pip install numpy onnx onnxruntime opencv-python-headless
Each side's detections >= 0.25 are looked for among those >= 0.2 of the other: same class, score
within 0.01, boxes of IoU >= 0.98, keypoints within 1.5 px or 0.5 % of the picture's longer side.
Outlines, filled: IoU >= 0.97 with the mask, or nowhere farther from its edge than 1.5 of its cells.
The program is given the pixels that OpenCV decodes, as PNG: decoders of JPEG differ by 1 or 2 in
255, enough to move a weak score by 0.03. A line a model and picture; exits 1 where anything differs.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import onnx
import onnxruntime

LOW, CONF = 0.2, 0.25


class Fit:
    """A picture fitted into width x height, and the way back to its own pixels."""

    def __init__(self, image, width, height, how, pad=0):
        tall, wide = image.shape[:2]
        self.size, self.origin = np.array([wide, tall], np.float64), np.zeros(2)
        if how == "crop":  # torchvision's Resize of the shorter side, and CenterCrop, of a square
            w, h = (int(side * width / min(wide, tall)) for side in (wide, tall))
            x, y = round((w - width) / 2), round((h - height) / 2)
            self.scale = np.array([w / wide, h / tall])
            self.origin = np.array([x, y]) / self.scale
            canvas = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
            self.canvas = canvas[y : y + height, x : x + width]
            return
        if how == "stretch":
            self.scale = np.array([width / image.shape[1], height / image.shape[0]])
            self.canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
            return
        self.scale = np.repeat(min(width / wide, height / tall), 2)
        x = y = 0
        if how == "centred":  # as Ultralytics' LetterBox, each axis back by what it was rounded to
            w, h = np.round(self.size * self.scale).astype(int)
            x, y = (width - w) // 2, (height - h) // 2
            self.scale = np.array([w, h]) / self.size
        else:
            w, h = np.floor(self.size * self.scale + 1e-6).astype(int)
        self.canvas = np.full((height, width, 3), pad, np.uint8)
        self.canvas[y : y + h, x : x + w] = cv2.resize(image, (int(w), int(h)), interpolation=cv2.INTER_LINEAR)
        self.origin = -np.array([x, y]) / self.scale

    def tensor(self, mean=0.0, std=1.0, rgb=True, planes=True):
        data = (self.canvas[..., :: -1 if rgb else 1].astype(np.float32) - np.float32(mean)) / np.float32(std)
        return np.ascontiguousarray(data.transpose(2, 0, 1) if planes else data)[None]

    def back(self, points):
        """Points (x, y) of the canvas, at the picture's scale."""
        return points / self.scale + self.origin

    def box(self, box):
        """The same for a box, cut at the picture's edges."""
        return np.clip(self.back(box.reshape(2, 2)), 0, self.size).ravel()


def overlap(box, others):
    """IoU of one box with many."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), 1)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    return shared / np.maximum(area(box) + area(others) - shared, 1e-9)


def pick(fit, boxes, scores, limit, points=None):
    """Greedy NMS within each class over scores [N, classes]: dicts at the picture's scale."""
    best, classes = scores.max(1), scores.argmax(1)
    kept = []
    for i in np.argsort(-best, kind="stable"):
        if best[i] < LOW:
            break
        same = [k for k in kept if classes[k] == classes[i]]
        if not same or overlap(boxes[i], boxes[same]).max() <= limit:
            kept.append(i)
    rows = [{"class": int(classes[i]), "score": float(best[i]), "box": fit.box(boxes[i])} for i in kept]
    for row, i in zip(rows, kept):
        row |= {} if points is None else {"points": fit.back(points[i])}
    return [row for row in rows if (row["box"][2:] > row["box"][:2]).all()]  # others: in the padding


def cells(width, height, stride):
    """Column and row of every cell of a grid, row by row."""
    rows, columns = np.mgrid[: height // stride, : width // stride]
    return np.stack([columns.ravel(), rows.ravel()], 1).astype(np.float32)


def nanodet(image, run):
    fit = Fit(image, 416, 416, "top-left", 114)
    outputs = run(fit.tensor((103.53, 116.28, 123.675), (57.375, 57.12, 58.395), rgb=False))
    boxes, scores = [], []
    for stride in (8, 16, 32):
        grid = cells(416, 416, stride)
        of = lambda columns: next(o[0] for o in outputs if o.shape[1:] == (len(grid), columns))
        bins = np.exp(of(44).reshape(-1, 4, 11))
        sides = (bins / bins.sum(2, keepdims=True)) @ np.arange(11) * stride
        centre = (grid + 0.5) * stride
        boxes.append(np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], 1))
        scores.append(of(80))
    return pick(fit, np.concatenate(boxes), np.concatenate(scores), 0.5)


def yolox(image, run):
    fit = Fit(image, 416, 416, "top-left", 114)
    out = run(fit.tensor(rgb=False))[0][0]
    grid = [(cells(416, 416, s), s) for s in (8, 16, 32)]
    stride = np.concatenate([np.full((len(g), 1), s) for g, s in grid])
    centre = (out[:, :2] + np.concatenate([g for g, _ in grid])) * stride
    half = np.exp(out[:, 2:4]) * stride / 2
    return pick(fit, np.concatenate([centre - half, centre + half], 1), out[:, 4:5] * out[:, 5:], 0.45)


def ssd(image, run):
    fit = Fit(image, 300, 300, "stretch")
    scores, boxes = sorted(run(fit.tensor(127.5, 127.5)), key=lambda o: -o.shape[2])
    return pick(fit, boxes[0, :, 0][:, [1, 0, 3, 2]] * 300, scores[0], 0.6)


def blazeface(image, run):
    fit = Fit(image, 256, 256, "centred")
    outputs = run(fit.tensor(127.5, 127.5, planes=False))
    boxes, scores, points = [], [], []
    for stride, each in ((16, 2), (32, 6)):
        anchors = np.repeat((cells(256, 256, stride) + 0.5) * stride, each, 0)
        of = lambda columns: next(o[0] for o in outputs if o.shape[1:] == (len(anchors), columns))
        pairs = of(16).reshape(-1, 8, 2)
        centre, half = pairs[:, 0] + anchors, pairs[:, 1] / 2
        boxes.append(np.concatenate([centre - half, centre + half], 1))
        points.append(pairs[:, 2:] + anchors[:, None])
        scores.append(1 / (1 + np.exp(-np.clip(of(1), -50, 50))))
    return pick(fit, np.concatenate(boxes), np.concatenate(scores), 0.3, np.concatenate(points))


def centerface(image, run):
    fit = Fit(image, 640, 640, "top-left")
    heat, scale, offset, marks = (o[0].reshape(o.shape[1], -1).T for o in run(fit.tensor()))
    # scale, offset and landmarks are (y, x) pairs, landmarks in parts of the box from its corner
    size = np.exp(scale[:, ::-1]) * 4
    corner = (cells(640, 640, 4) + offset[:, ::-1] + 0.5) * 4 - size / 2
    points = marks.reshape(-1, 5, 2)[..., ::-1] * size[:, None] + corner[:, None]
    return pick(fit, np.concatenate([corner, corner + size], 1), heat, 0.3, points)


def movenet(image, run):
    fit = Fit(image, 192, 192, "centred")
    rows = run(fit.tensor(planes=False).astype(np.int32))[0][0, 0]
    points, score = fit.back(rows[:, [1, 0]] * 192), float(rows[:, 2].mean())
    sure = np.clip(points[rows[:, 2] >= min(LOW, score)], 0, fit.size)
    box = np.concatenate([sure.min(0), sure.max(0)])
    return [{"class": 0, "score": score, "box": box, "points": points, "scores": rows[:, 2]}]


def classify(image, run):
    scores = run(Fit(image, 224, 224, "crop").tensor(127, 128))[0][0]
    return [{"class": int(i), "score": float(scores[i])} for i in np.flatnonzero(scores >= LOW)]


def selfie(image, run):
    mask = run(Fit(image, 256, 256, "stretch").tensor(0, 255, planes=False))[0][0, ..., 0]
    # outlines have no holes, and parts of less than a thousandth are left out
    _, parts, about, _ = cv2.connectedComponentsWithStats((mask > 0.5).astype(np.uint8), connectivity=8)
    mask[np.isin(parts, np.flatnonzero(about[:, cv2.CC_STAT_AREA] < mask.size // 1000))] = 0
    _, holes = cv2.connectedComponents((mask <= 0.5).astype(np.uint8), connectivity=4)
    edge = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    mask[~np.isin(holes, edge) & (holes > 0)] = 1
    return [{"class": 0, "mask": cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5}]


FAMILIES = {
    "blazeface-256": blazeface,
    "centerface": centerface,
    "efficientnet-lite0-224": classify,
    "movenet-lightning-192": movenet,
    "selfie-segmentation-256": selfie,
    "ssdlite-mobilenetv2-300": ssd,
    "nanodet-g-416": nanodet,
    "yolox-nano-416": yolox,
}


def session(path):
    """A function from an input tensor to the model's outputs, also where another shape is declared."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = onnx.load(path)
    for value in [model.graph.input[0], *model.graph.output]:
        value.type.tensor_type.ClearField("shape")
    loaded = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda tensor: loaded.run(None, {loaded.get_inputs()[0].name: tensor})


def theirs(program, model, picture):
    """What the program finds, as the functions above give it."""
    command = [program, "run", picture, "--model", model, "--engine", "onnxruntime", "--conf", str(LOW)]
    done = subprocess.run([*command, "--ndjson", "-", "--quiet"], stdout=subprocess.PIPE, check=True)
    frame = next(r for r in map(json.loads, done.stdout.splitlines()) if r["type"] == "frame")
    rows = []
    for p in frame["predictions"]:
        row = {"class": p["class_id"], "score": p["confidence"], "name": p["class"]}
        if "bbox" in p:
            row["box"] = np.array([p["bbox"][k] for k in ("x1", "y1", "x2", "y2")])
        for key, name in (("keypoints", "points"), ("points", "outline")):
            if key in p:
                row[name] = np.array([[k["x"], k["y"]] for k in p[key]])
        if "confidence" in p.get("keypoints", [{}])[0]:
            row["scores"] = np.array([k["confidence"] for k in p["keypoints"]])
        rows.append(row)
    return rows


def differences(one, other, tolerance):
    """In what two detections differ; nothing where they are the same."""
    worst = []
    if one["class"] != other["class"]:
        worst.append("class")
    if abs(one["score"] - other["score"]) > 0.01:
        worst.append(f"score by {abs(one['score'] - other['score']):.3f}")
    if "box" in one and (share := overlap(one["box"], other["box"][None])[0]) < 0.98:
        worst.append(f"box IoU {share:.3f}")
    if "points" in one and (far := np.abs(one["points"] - other["points"]).max()) > tolerance:
        worst.append(f"keypoints by {far:.1f} px")
    if "scores" in one and (far := np.abs(one["scores"] - other["scores"]).max()) > 0.01:
        worst.append(f"keypoint scores by {far:.3f}")
    return ", ".join(worst)


def judge_mask(mask, found):
    """The union of the outlines beside a mask."""
    drawn = np.zeros(mask.shape, np.uint8)
    for row in found:
        # corners lie on the edges of pixels; each outline for itself, as fillPoly takes even from odd
        cv2.fillPoly(drawn, [np.round((row["outline"] - 0.5) * 256).astype(np.int32)], 1, shift=8)
    both, either = (drawn & mask).sum(), (drawn | mask).sum()
    share = both / either if either else 1.0
    near = np.ones([2 * int(np.ceil(side / 256 * 1.5)) + 1 for side in mask.shape], np.uint8)
    edges = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    inner, outer = (change(mask.astype(np.uint8), near, **edges) for change in (cv2.erode, cv2.dilate))
    far = ((inner > drawn) | (drawn > outer)).sum()
    text = f"outline IoU {share:.4f}, {far} px far off, {mask.mean():.1%} of the picture, {len(found)} outlines"
    return share >= 0.97 or not far, text


def judge(found, expected, size):
    """Both ways: whether all are alike, and a line about it."""
    if expected and "mask" in expected[0]:
        return judge_mask(expected[0]["mask"], found)
    tolerance = max(1.5, 0.005 * max(size))
    odd, count = [], []
    for side, some, among in (("missing", expected, found), ("unexpected", found, expected)):
        free = list(range(len(among)))
        sure = [row for row in some if row["score"] >= CONF]
        count.append(len(sure))
        for row in sure:
            twin = next((k for k in free if not differences(row, among[k], tolerance)), None)
            if twin is not None:
                free.remove(twin)
                continue
            why = [differences(row, a, tolerance) for a in among if a["class"] == row["class"]]
            box = ",".join(f"{v:.0f}" for v in row.get("box", []))
            odd.append(f"{side} {row['class']} {row['score']:.3f} {box} ({min(why, key=len, default='alone')})")
    names = ", ".join(f"{r['class']} {r['name']} {r['score']:.3f}" for r in found if r["score"] >= CONF)
    return not odd, f"{count[0]} expected, {count[1]} found: {names or '-'}" + "".join(f"\n    {o}" for o in odd)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--models", required=True, type=pathlib.Path)
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    args = parser.parse_args()
    good = True
    for name, family in FAMILIES.items():
        path = next((p for p in args.models.glob("*.onnx") if p.stem.removesuffix(".test-only") == name), None)
        if not path:
            print(f"-    {name}: no such file in {args.models}")
            continue
        run = session(path)
        for picture in args.pictures:
            image = cv2.imread(picture, cv2.IMREAD_COLOR)
            with tempfile.NamedTemporaryFile(suffix=".png") as copy:
                copy.write(cv2.imencode(".png", image)[1])
                copy.flush()
                found = theirs(args.program, path, copy.name)
            same, text = judge(found, family(image, run), image.shape[:2])
            good &= same
            print(f"{'ok  ' if same else 'DIFF'} {name} {pathlib.Path(picture).name}: {text}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
