#!/usr/bin/env python3
"""Lets pycocotools and motmetrics read what `vision-pipe convert` writes, by hand.

    python3 -m venv V && V/bin/pip install pycocotools motmetrics
    vision-pipe run vtest.avi --max-frames 200 --track --ndjson found.ndjson
    V/bin/python tests/reference/formats.py found.ndjson target/release/vision-pipe

Truth is made here from the NDJSON, so that both must score 1.000: a box, class, frame or track
that came out otherwise would cost.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

np.asfarray = lambda values: np.asarray(values, float)  # motmetrics 1.4 is older than NumPy 2
import motmetrics as mm  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402


def frames_of(path):
    records = (json.loads(line) for line in open(path, encoding="utf-8"))
    return [record for record in records if record["type"] == "frame"]


def coco_truth(frames):
    names = sorted({p["class"] for frame in frames for p in frame["predictions"]})
    ids = {name: 10 * i + 5 for i, name in enumerate(names)}  # unlike ours, with holes
    truth = {
        "images": [{"id": f["frame_id"], "file_name": "", **f["image"]} for f in frames],
        "categories": [{"id": i, "name": name} for name, i in ids.items()],
        "annotations": [],
    }
    for frame in frames:
        for found in frame["predictions"]:
            box = found["bbox"]
            truth["annotations"].append({
                "id": len(truth["annotations"]) + 1,
                "image_id": frame["frame_id"],
                "category_id": ids[found["class"]],
                "bbox": [box["x1"], box["y1"], box["width"], box["height"]],
                "area": box["width"] * box["height"],
                "iscrowd": 0,
            })
    return truth


def average_precision(frames, convert, folder):
    truth = folder / "truth.json"
    truth.write_text(json.dumps(coco_truth(frames)))
    convert("--truth", str(truth), "-o", str(folder / "found.coco.json"))
    reference = COCO(str(truth))
    judge = COCOeval(reference, reference.loadRes(str(folder / "found.coco.json")), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return judge.stats[0]


def tracks(frames, convert, folder):
    convert("-o", str(folder / "found.mot.txt"))
    rows = [
        (f["frame_id"] + 1, p["tracker_id"], p["bbox"])
        for f in frames for p in f["predictions"] if "tracker_id" in p
    ]
    truth = folder / "gt.txt"
    with open(truth, "w", encoding="utf-8") as out:
        for frame, track, box in rows:
            place = f"{box['x1']},{box['y1']},{box['width']},{box['height']}"
            out.write(f"{frame},{track},{place},1,1,1\n")
    read = mm.io.loadtxt
    pair = mm.utils.compare_to_groundtruth(
        read(truth, fmt="mot16", min_confidence=1),
        read(folder / "found.mot.txt", fmt="mot15-2D"), "iou", distth=0.5)
    metrics = ["mota", "motp", "idf1", "num_switches"]
    return mm.metrics.create().compute(pair, metrics=metrics).iloc[0].to_dict()


def main():
    records, program = Path(sys.argv[1]), sys.argv[2]
    frames = frames_of(records)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def convert(*arguments):
            subprocess.run([program, "convert", str(records), *arguments], check=True)

        scores = tracks(frames, convert, folder)
        precision = average_precision(frames, convert, folder)
    print(f"pycocotools: AP {precision:.3f}; motmetrics: {scores}")
    exact = precision > 0.9999 and scores["mota"] == 1 and scores["idf1"] == 1
    sys.exit(0 if exact else 1)


if __name__ == "__main__":
    main()
