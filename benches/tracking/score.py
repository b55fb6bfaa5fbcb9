#!/usr/bin/env python3
"""Scores tracks against ground truth with py-motmetrics and TrackEval, next to other trackers.

usage: score.py --gt gt.txt --fps 7 [--detections FILE] [--reference DIR] [NAME=TRACKS ...]

TRACKS and --detections are MOT files or vision-pipe's NDJSON (either kind of --emit). With
--detections the trackers of supervision and of `trackers` run on them, each with its defaults,
once as they are and once told the frame rate; with --reference (a checkout of ifzhang/ByteTrack)
ByteTrack's own code does too. MOT files count frames from 1, NDJSON from 0.

HOTA, MOTA, IDF1 and the first switches, false and missed boxes are TrackEval's; (mm) is
py-motmetrics'. IoU of a match is 0.5 with both.

needs: pip install motmetrics trackeval 'supervision==0.30.*' trackers lap
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import types
import warnings
from functools import partial
from pathlib import Path

import numpy as np


def read(path):
    """Frame, id (-1 where none), left, top, width, height, confidence: one row a box."""
    text = Path(path).read_text()
    rows = from_ndjson(text) if text.startswith("{") else from_mot(text)
    return np.array(sorted(rows, key=lambda row: row[0]), dtype=float).reshape(-1, 7)


def from_mot(text):
    for line in text.split("\n"):
        if line.strip():
            yield [float(number) for number in line.split(",")[:7]]


def from_ndjson(text):
    for line in text.split("\n"):
        record = json.loads(line) if line else {}
        kind = record.get("type")
        if kind == "detection":
            x1, y1, x2, y2 = (record[name] for name in ("x_min", "y_min", "x_max", "y_max"))
            boxes = [(record, x1, y1, x2, y2)]
        elif kind == "frame":
            found, corners = record["predictions"], ("x1", "y1", "x2", "y2")
            boxes = [(box, *(box["bbox"][name] for name in corners)) for box in found]
        else:
            continue
        for box, x1, y1, x2, y2 in boxes:
            track = box.get("tracker_id", -1)
            yield record["frame_id"] + 1, track, x1, y1, x2 - x1, y2 - y1, box["confidence"]


def write(path, rows):
    lines = [
        f"{frame:.0f},{track:.0f},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{confidence:.4f},-1,-1,-1\n"
        for frame, track, x, y, w, h, confidence in rows
        if track >= 0
    ]
    Path(path).write_text("".join(lines))


def by_frame(boxes, frames):
    """For each frame its boxes as left, top, right, bottom, confidence."""
    corners = np.column_stack([boxes[:, 2:4], boxes[:, 2:4] + boxes[:, 4:6], boxes[:, 6]])
    return [corners[boxes[:, 0] == frame] for frame in range(1, frames + 1)]


def with_supervision(tracker, frames):
    """Rows from a tracker of supervision or `trackers`."""
    import supervision as sv

    update = getattr(tracker, "update_with_detections", None) or tracker.update
    for frame, boxes in enumerate(frames, 1):
        kinds = np.zeros(len(boxes), dtype=int)
        found = update(sv.Detections(xyxy=boxes[:, :4], confidence=boxes[:, 4], class_id=kinds))
        if found.tracker_id is None:
            continue
        for (x1, y1, x2, y2), track, confidence in zip(
            found.xyxy, found.tracker_id, found.confidence
        ):
            yield frame, track, x1, y1, x2 - x1, y2 - y1, confidence


def overlaps(first, second):
    """IoU of boxes with their last pixel inside, as the reference's cython_bbox counts."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    first, second = np.asarray(first)[:, None], np.asarray(second)[None]
    least, most = np.maximum(first, second)[..., :2], np.minimum(first, second)[..., 2:]
    shared = np.prod(np.maximum(most - least + 1, 0), axis=-1)
    area = lambda boxes: np.prod(boxes[..., 2:] - boxes[..., :2] + 1, axis=-1)
    return shared / (area(first) + area(second) - shared)


def with_reference(checkout, settings, rate, frames):
    """Rows from ByteTrack's own code, whose modules want torch (unused) and cython_bbox."""
    np.float = float  # gone from NumPy since the reference was written
    torch = types.ModuleType("torch")
    torch.nn = types.ModuleType("torch.nn")
    torch.nn.functional = types.ModuleType("torch.nn.functional")
    boxes = types.ModuleType("cython_bbox")
    boxes.bbox_overlaps = overlaps
    for name, module in {
        "torch": torch,
        "torch.nn": torch.nn,
        "torch.nn.functional": torch.nn.functional,
        "cython_bbox": boxes,
        "cv2": types.ModuleType("cv2"),
    }.items():
        sys.modules.setdefault(name, module)
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    package = types.ModuleType("yolox")
    package.__path__ = [str(Path(checkout) / "yolox")]
    sys.modules.setdefault("yolox", package)
    from yolox.tracker.byte_tracker import BYTETracker

    tracker = BYTETracker(types.SimpleNamespace(mot20=False, track_buffer=30, **settings), rate)
    for frame, boxes in enumerate(frames, 1):
        for track in tracker.update(boxes.copy(), (1, 1), (1, 1)):
            yield frame, track.track_id, *track.tlwh, track.score


def peers(fps, checkout):
    """Name and a function from frames to rows, of each peer with its defaults."""
    import supervision as sv
    import trackers

    kinds = {
        "supervision ByteTrack": sv.ByteTrack,
        "trackers ByteTrack": trackers.ByteTrackTracker,
        "trackers SORT": trackers.SORTTracker,
        "trackers OC-SORT": trackers.OCSORTTracker,
        "trackers C-BIoU": trackers.CBIoUTracker,
        # Its motion of the camera would need the pictures.
        "trackers BoT-SORT": partial(trackers.BoTSORTTracker, enable_cmc=False),
    }
    for name, kind in kinds.items():
        yield name, lambda frames, kind=kind: with_supervision(kind(), frames)
        told = lambda frames, kind=kind: with_supervision(kind(frame_rate=fps), frames)
        yield f"{name}, {fps:g} fps", told
    if checkout:
        demo = {"track_thresh": 0.5, "match_thresh": 0.8}
        benchmark = {"track_thresh": 0.6, "match_thresh": 0.9}
        for name, settings in {"demo": demo, "benchmark": benchmark}.items():
            for rate, note in (30, ""), (fps, f", {fps:g} fps"):
                run = lambda frames, settings=settings, rate=rate: with_reference(
                    checkout, settings, rate, frames
                )
                yield f"reference ByteTrack, {name}{note}", run


def judge_motmetrics(gt, tracks):
    """MOTA, IDF1 and switches of py-motmetrics, in points."""
    import motmetrics

    np.asfarray = lambda boxes: np.asarray(boxes, dtype=float)  # gone from NumPy since
    truth = motmetrics.io.loadtxt(gt, fmt="mot15-2D", min_confidence=1)
    found = motmetrics.io.loadtxt(tracks, fmt="mot15-2D")
    pairs = motmetrics.utils.compare_to_groundtruth(truth, found, "iou", distth=0.5)
    names = ["mota", "idf1", "num_switches"]
    row = motmetrics.metrics.create().compute(pairs, metrics=names, name="x").loc["x"]
    return {"MOTA": 100 * row.mota, "IDF1": 100 * row.idf1, "IDs": int(row.num_switches)}


def judge_trackeval(truths, frames, runs, benchmark="MOT15"):
    """What TrackEval says of each run. `truths`: sequence and gt.txt; `frames`: its length;
    `runs`: name, sequence and tracks. Sequences count together."""
    import trackeval

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        numbers = {name: str(place) for place, name in enumerate(runs)}
        for sequence, gt in truths.items():
            (root / "gt" / sequence / "gt").mkdir(parents=True)
            (root / "gt" / sequence / "gt/gt.txt").write_text(Path(gt).read_text())
            for name, run in runs.items():
                target = root / "runs" / numbers[name] / "data"
                target.mkdir(parents=True, exist_ok=True)
                (target / f"{sequence}.txt").write_text(Path(run[sequence]).read_text())
        quiet = {"PRINT_RESULTS": False, "PRINT_CONFIG": False, "TIME_PROGRESS": False}
        silent = {"OUTPUT_SUMMARY": False, "OUTPUT_DETAILED": False, "PLOT_CURVES": False}
        evaluator = trackeval.Evaluator({"USE_PARALLEL": False, **quiet, **silent})
        dataset = trackeval.datasets.MotChallenge2DBox({
            "GT_FOLDER": str(root / "gt"),
            "TRACKERS_FOLDER": str(root / "runs"),
            "BENCHMARK": benchmark,
            "SEQ_INFO": frames,
            "SKIP_SPLIT_FOL": True,
            "PRINT_CONFIG": False,
        })
        metrics = trackeval.metrics
        wanted = [
            metrics.HOTA(),
            metrics.CLEAR({"PRINT_CONFIG": False}),
            metrics.Identity({"PRINT_CONFIG": False}),
        ]
        with contextlib.redirect_stdout(io.StringIO()) as said:
            results, messages = evaluator.evaluate([dataset], wanted)
    results = results["MotChallenge2DBox"]
    for number, message in messages["MotChallenge2DBox"].items():
        if message != "Success":
            raise SystemExit(f"TrackEval: {message}\n{said.getvalue()}")
    return {
        name: figures(results[number]["COMBINED_SEQ"]["pedestrian"])
        for name, number in numbers.items()
    }


def figures(of):
    """The figures of TrackEval that count, in points."""
    hota, clear, identity = of["HOTA"], of["CLEAR"], of["Identity"]
    mean = lambda name: 100 * float(np.mean(hota[name]))
    return {
        "HOTA": mean("HOTA"),
        "AssA": mean("AssA"),
        "DetA": mean("DetA"),
        "MOTA": 100 * float(clear["MOTA"]),
        "IDF1": 100 * float(identity["IDF1"]),
        "IDs": int(clear["IDSW"]),
        "FP": int(clear["CLR_FP"]),
        "FN": int(clear["CLR_FN"]),
    }


def table(rows):
    heads = "tracker|HOTA|MOTA|IDF1|switches|false|missed|MOTA (mm)|IDF1 (mm)|switches (mm)|tracks"
    heads = heads.split("|")
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for name, te, mm, count in rows:
        first = f"{te['HOTA']:.2f} | {te['MOTA']:.2f} | {te['IDF1']:.2f} | {te['IDs']}"
        second = f"{te['FP']} | {te['FN']} | {mm['MOTA']:.2f} | {mm['IDF1']:.2f} | {mm['IDs']}"
        print(f"| {name} | {first} | {second} | {count} |")


def compare(rows, ours):
    """How far each of ours is from the best peer, by each figure."""
    theirs = [row for row in rows if row[0] not in ours]
    for mine in (row for row in rows if theirs and row[0] in ours):
        gaps = []
        for judge, figure in (1, "HOTA"), (1, "MOTA"), (1, "IDF1"), (2, "MOTA"), (2, "IDF1"):
            peer = max(theirs, key=lambda row: row[judge][figure])
            gap = mine[judge][figure] - peer[judge][figure]
            gaps.append(f"{figure}{' (mm)' * (judge == 2)} {gap:+.2f} to {peer[0]}")
        print(f"\n{mine[0]}: {'; '.join(gaps)}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gt", required=True, help="ground truth, MOT format")
    parser.add_argument("--fps", type=float, required=True, help="frame rate that peers are told")
    parser.add_argument("--detections", help="what peers track: MOT format or NDJSON")
    parser.add_argument("--reference", help="a checkout of ifzhang/ByteTrack")
    parser.add_argument("--benchmark", default="MOT15", help="TrackEval's: MOT15 or MOT17")
    parser.add_argument("tracks", nargs="*", metavar="NAME=FILE", help="tracks to score")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    frames = int(read(args.gt)[:, 0].max())
    with tempfile.TemporaryDirectory() as folder:
        runs, ours = {}, []
        for given in args.tracks:
            name, path = given.rsplit("=", 1)
            runs[name] = read(path)
            ours.append(name)
        if args.detections:
            boxes = by_frame(read(args.detections), frames)
            for name, run in peers(args.fps, args.reference):
                runs[name] = np.array(list(run(boxes)), dtype=float).reshape(-1, 7)
        paths = {}
        for place, (name, rows) in enumerate(runs.items()):
            paths[name] = str(Path(folder) / f"{place}.txt")
            write(paths[name], rows[rows[:, 0] <= frames])
        by_trackeval = judge_trackeval(
            {"sequence": args.gt},
            {"sequence": frames},
            {name: {"sequence": path} for name, path in paths.items()},
            args.benchmark,
        )
        rows = []
        for name, path in paths.items():
            count = len({row[1] for row in read(path)})
            rows.append((name, by_trackeval[name], judge_motmetrics(args.gt, path), count))
    table(rows)
    compare(rows, ours)


if __name__ == "__main__":
    main()
