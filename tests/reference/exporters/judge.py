#!/usr/bin/env python3
"""Holds vision-pipe against what the exporters' own programs found, keypoints, corners, outlines and classes included.

  judge.py PROGRAM DIR [NAME...] [--engine E] [--more]        E: onnxruntime (the default), tract or both

Needs: pip install numpy opencv-python-headless; DIR holds what the make_*.py beside this wrote, pictures are in DIR/pics or
DIR/../pics. Equal is a file where 99 % of either side's boxes more than 0.01 above the threshold have one of the other side
with the same class, confidence within 0.01, and IoU >= 0.98 or no side more than 0.35 px away; where the exporter tells them,
also keypoints within 0.5 px and 0.01, corners within 0.5 px in any rotation, outlines of IoU >= 0.95 as masks; of classifiers
the best five with confidence within 0.01; of maps of classes 0.95 of the pixels. Exit 78 with a hint is a refusal, which
counts as wrong unless the file may be refused. A line a file, then the sum; exits 1 where anything is wrong.
Printed last, with a debug build and ONNX Runtime 1.32.0 (equal, refused as they may be, REFUSED, WRONG):
  ultralytics 8.0 to 8.4, 208 files: 160, 12, 0, 36; of the 36: 15 outlines (all parts against the largest), 8 names of keypoints or an
    empty name, 6 oriented boxes of YOLO26 with negative sides, 3 maps of classes, 4 others (half precision, a file of open sizes read at another
    size, a quantised one, classifiers of 8.0)
  yolov5 7.0, 13: 9, 1, 1, 2 (outlines); torchvision 0.29, 50: 24, 20, 0, 6 (other crops, maps of classes)
  transformers 5.24, 34: 24, 0, 0, 10 (deploy forms resized by PIL, not as tensors; semantic maps); rfdetr 1.11, 12: 5, 0, 2, 5
    (half precision, outlines; keypoints are refused)
  others, 24: 8, 8, 4, 4 before PicoDet, EfficientDet and YOLO-NAS with NMS inside were read; of those judged again picodet and
    yolonas-finished are equal, efficientdet but for its own limit of 100
  libreyolo 1.6 with Pillow 11.3, its detectors yolox, yolo9, yolo9_p2, yolo9_e2e, yolonas, ppyoloe, rtmdet, picodet, detr, lwdetr, deformable_detr,
    efficientdet, yolo2, yolo3, yolo4, yolo7: 16 of 16; ssd but for its own limit of 200; centernet is refused
  with tract: yolov5 9, 1, 1, 2; torchvision 22, 20, 2 (Faster R-CNN, whose `If` tract cannot load), 6; the others were not judged whole.
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

MARGIN, CONFIDENCE, NEAR, SIDE, IOU, OUTLINE = 0.01, 0.01, 0.5, 0.35, 0.98, 0.95


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def clipped(box, size):
    """The part of a box that is in the picture, None where that is less than half a pixel."""
    w, h = size
    box = [min(max(box[0], 0), w), min(max(box[1], 0), h), min(max(box[2], 0), w), min(max(box[3], 0), h)]
    return box if box[2] - box[0] >= 0.5 and box[3] - box[1] >= 0.5 else None


def same_keypoints(theirs, ours, size):
    """Theirs are clipped to the picture where the exporter does so: ours may lie outside there."""
    if len(theirs) != len(ours):
        return False
    for t, o in zip(theirs, ours):
        if t[:2] == [0, 0] and len(t) > 2 and t[2] < 0.5:  # Ultralytics before 8.1 moves points it is not sure of there
            continue
        at = [min(max(o[0], 0), size[0]), min(max(o[1], 0), size[1])]
        near = all(abs(t[k] - o[k]) <= NEAR or abs(t[k] - at[k]) <= NEAR for k in (0, 1))
        if not near or (len(t) > 2 and len(o) > 2 and o[2] is not None and abs(t[2] - o[2]) > CONFIDENCE):
            return False
    return True


def same_corners(theirs, ours):
    if len(theirs) != len(ours):
        return False
    t = np.array(theirs, np.float64)
    o = np.array(ours, np.float64)
    ways = [np.roll(way, k, axis=0) for way in (o, o[::-1]) for k in range(len(o))]
    return any(np.abs(t - way).max() <= NEAR for way in ways)


def filled(polygons, size, scale=4):
    """A mask of the polygons, of a quarter of a pixel."""
    mask = np.zeros((size[1] * scale, size[0] * scale), np.uint8)
    for polygon in polygons:
        if len(polygon) > 2:
            cv2.fillPoly(mask, [np.round(np.array(polygon, np.float64) * scale).astype(np.int32)], 1)
    return mask


def same_outline(want, ours, size):
    """As the whole mask or as its largest part, whichever is nearer; tiny ones have no area to judge."""
    parts = want.get("parts") or [want["polygon"]]
    got = filled([ours], size)
    best = 0.0
    for polygons in (parts, parts[:1]):
        mask = filled(polygons, size)
        union = np.logical_or(mask, got).sum()
        if union:
            best = max(best, np.logical_and(mask, got).sum() / union)
    small = filled(parts, size).sum() < 16 * 64
    return best >= OUTLINE or small


def of_record(prediction, size):
    box = prediction.get("bbox")
    points = [[p["x"], p["y"]] for p in prediction.get("points", [])]
    keypoints = [[p["x"], p["y"], p.get("confidence")] for p in prediction.get("keypoints", [])]
    return {"xyxy": clipped([box["x1"], box["y1"], box["x2"], box["y2"]], size) if box else None, "conf": prediction["confidence"],
            "cls": prediction["class_id"], "points": points, "keypoints": keypoints}


def pairs(a, b, floor):
    """(x, its equal in b or None) for each x of a above the floor; nearest first, each of b once."""
    used, found = set(), []
    for x in a:
        if x["conf"] < floor:
            continue
        best = None
        for j, y in enumerate(b):
            if j in used or x["cls"] != y["cls"] or abs(x["conf"] - y["conf"]) > CONFIDENCE:
                continue
            v = iou(x["xyxy"], y["xyxy"])
            near = max(abs(p - q) for p, q in zip(x["xyxy"], y["xyxy"])) <= SIDE
            if (v >= IOU or near) and (best is None or v > best[0]):
                best = v, j
        if best:
            used.add(best[1])
        found.append((x, b[best[1]] if best else None))
    return found


def judge_boxes(want, entries, frame, size, tally):
    theirs = [{**e, "xyxy": clipped(e["xyxy"], size)} for e in entries if "xyxy" in e]
    theirs = [e for e in theirs if e["xyxy"]]
    ours = [o for o in (of_record(p, size) for p in frame["predictions"]) if o["xyxy"]]
    floor = want["conf"] + MARGIN
    for x, y in pairs(theirs, ours, floor):
        tally["theirs"] += 1
        if y is None:
            tally["missed"] += 1
            continue
        for key, same in (("keypoints", lambda: same_keypoints(x["keypoints"], y["keypoints"], size)),
                          ("corners", lambda: same_corners(x["corners"], y["points"])),
                          ("polygon", lambda: bool(y["points"]) and same_outline(x, y["points"], size))):
            if key in x:
                tally[key] += 1
                tally[f"bad {key}"] += not same()
    for _, y in pairs(ours, theirs, floor):
        tally["ours"] += 1
        tally["extra"] += y is None


def judge_classes(want, entries, frame, tally):
    """The best five in order, but for those whose confidence is the same within the tolerance."""
    ours = {p["class_id"]: p["confidence"] for p in frame["predictions"]}
    first = [p["class_id"] for p in frame["predictions"]]
    for k, e in enumerate(entries[:5]):
        if e["conf"] < want["conf"] + MARGIN:
            continue
        tally["theirs"] += 1
        tally["missed"] += e["cls"] not in ours or abs(ours[e["cls"]] - e["conf"]) > CONFIDENCE
        if k == 0 and first and first[0] != e["cls"] and abs(ours.get(first[0], 9) - e["conf"]) > CONFIDENCE:
            tally["extra"] += 1
    tally["ours"] += len(first)


def judge_map(folder, name, picture, frame, size, tally):
    """Pixels of the map of classes, painted from our outlines, the largest first."""
    path = folder / f"{name}.{Path(picture).stem}.classes.png"
    want = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    got = np.full((size[1], size[0]), 255, np.uint8)
    shapes = [(np.array([[p["x"], p["y"]] for p in q.get("points", [])], np.float32), q["class_id"]) for q in frame["predictions"]]
    for points, class_id in sorted(shapes, key=lambda s: -cv2.contourArea(s[0]) if len(s[0]) > 2 else 0):
        if len(points) > 2:
            cv2.fillPoly(got, [np.round(points - 0.5).astype(np.int32)], int(class_id))
    right = float((want == got).mean())
    tally["theirs"] += 1
    tally["missed"] += right < OUTLINE
    tally["map %"] = min(tally.get("map %", 100), int(100 * right))


def judge_names(want, frame, wrong):
    names = want.get("names") or {}
    for p in frame["predictions"]:
        told = names.get(str(p["class_id"]))
        if told is not None and told != p["class"]:
            wrong.add((p["class_id"], told, p["class"]))
    for p in frame["predictions"]:
        points = (want.get("kpt_names") or {}).get(str(p["class_id"]))
        for k, q in enumerate(p.get("keypoints", [])):
            if points and points[k] != q["class"]:
                wrong.add((k, points[k], q["class"]))


def run(program, folder, name, want, engine):
    where = folder / "pics" if (folder / "pics").is_dir() else folder.parent / "pics"
    pictures = [str(where / p) for p in want["pics"]]
    command = [program, "run", *pictures, "--model", str(folder / f"{name}.onnx"), "--conf", str(want["conf"]), "--ndjson", "-",
               "--engine", engine, "--max-det", "300", "-q", *want.get("options", "").split()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return pictures, 124, [], "no end"
    frames = [r for r in map(json.loads, done.stdout.splitlines()) if r["type"] == "frame"] if not done.returncode else []
    return pictures, done.returncode, frames, " ".join(done.stderr.split())


def judge(program, folder, name, engine, words=200):
    """(equal, refused or WRONG, in words)."""
    want = json.loads((folder / f"{name}.expected.json").read_text())
    pictures, code, frames, said = run(program, folder, name, want, engine)
    if code == 78:
        refused = "hint" in said
        fine = refused and want.get("may_refuse", False)
        return ("refused" if fine else "REFUSED" if refused else "WRONG"), said[:words]
    if code or len(frames) != len(pictures):
        return "WRONG", f"exit {code}, {len(frames)} frames: {said[:words]}"
    tally, wrong = collections.Counter(), set()
    for path, frame in zip(pictures, frames):
        size = cv2.imread(path).shape[1::-1]
        entries = want["pics"][Path(path).name]
        judge_names(want, frame, wrong)
        if want["task"] == "semantic":
            judge_map(folder, name, path, frame, size, tally)
        elif want["task"] == "classify":
            judge_classes(want, entries, frame, tally)
        else:
            judge_boxes(want, entries, frame, size, tally)
    bad = tally["missed"] > 0.01 * tally["theirs"] or tally["extra"] > 0.01 * tally["ours"]
    bad = bad or any(tally[f"bad {key}"] > 0.01 * tally[key] for key in ("keypoints", "corners", "polygon"))
    word = ", ".join(f"{v} {k}" for k, v in tally.items() if v or k in ("missed", "extra"))
    if wrong:
        word += f", names {sorted(wrong)[:3]}"
    return ("WRONG" if bad or wrong else "equal"), word


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("folder", type=Path)
    options.add_argument("names", nargs="*")
    options.add_argument("--engine", default="onnxruntime", choices=["onnxruntime", "tract", "both"])
    options.add_argument("--more", action="store_true", help="all that was said")
    options = options.parse_args()
    engines = ["onnxruntime", "tract"] if options.engine == "both" else [options.engine]
    sums = collections.Counter()
    for path in sorted(options.folder.glob("*.expected.json")):
        name = path.name[: -len(".expected.json")]
        if options.names and not any(name.startswith(n) for n in options.names):
            continue
        for engine in engines:
            verdict, word = judge(options.program, options.folder, name, engine, 2000 if options.more else 160)
            sums[verdict] += 1
            print(f"{verdict:8} {name:42} {engine if len(engines) > 1 else ''} {word}", flush=True)
    total = sum(sums.values())
    print(f"{total} files: {sums['equal']} equal, {sums['refused']} refused as they may be, {sums['REFUSED']} REFUSED, {sums['WRONG']} WRONG")
    return sums["WRONG"] + sums["REFUSED"] > 0


if __name__ == "__main__":
    sys.exit(main())
