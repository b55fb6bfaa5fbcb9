#!/usr/bin/env python3
"""Makes the golden files of the tracker tests from the public reference programs.

    pip install numpy scipy lap filterpy
    git clone https://github.com/ifzhang/ByteTrack    (d1bf019)
    git clone https://github.com/abewley/sort         (2236dff)
    git clone https://github.com/noahcao/OC_SORT      (8462e7e)
    vision-pipe run vtest.avi --conf 0.1 --classes person --max-frames 300 --emit detections \
        -q > dets.ndjson
    ./make_golden.py --bytetrack ByteTrack --sort sort --ocsort OC_SORT --dets dets.ndjson

Writes, beside itself, `vtest.json` (with --dets) and `crossings.json` (made up here), the stored
detections, and `golden.json`, what the references make of them. Detections are integers, five a
box: left, upper, width and height in hundredths of a pixel, confidence in ten-thousandths.
Nothing of the references is stored: they are imported from where they lie. What they need and we
do not have is replaced: torch and OpenCV by nothing, cython_bbox by the same sum in numpy.
"""

import argparse
import importlib
import importlib.util
import json
import random
import sys
import types
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


# Detections ------------------------------------------------------------------------------------

def from_ndjson(path, frames):
    """Detections of a run with `--emit detections`, a list a frame."""
    found = [[] for _ in range(frames)]
    for line in open(path):
        d = json.loads(line)
        if d["type"] == "detection" and d["frame_id"] < frames:
            left, upper, right, lower = (
                round(d[k] * 100) for k in ("x_min", "y_min", "x_max", "y_max"))
            confidence = round(d["confidence"] * 10000)
            found[d["frame_id"]] += [left, upper, right - left, lower - upper, confidence]
    return found


class Walker:
    """Goes straight with a little unrest, and is now and then not detected for a while."""

    def __init__(self, rng, frame):
        self.rng, self.born = rng, frame
        self.h = rng.uniform(40, 160)
        self.w = self.h * rng.uniform(0.3, 0.6)
        left_to_right = rng.random() < 0.5
        self.x = rng.uniform(0, 250) if left_to_right else rng.uniform(700, 950)
        self.y = rng.uniform(150, 450)
        self.way = 1 if left_to_right else -1
        self.hidden = 0
        self.go()

    def go(self):
        stands = self.rng.random() < 0.35
        self.vx = 0.0 if stands else self.rng.uniform(2, 11) * self.way
        self.vy = 0.0 if stands else self.rng.uniform(-1.5, 1.5)
        self.growth = 0.0 if stands else self.rng.uniform(-0.004, 0.004)

    def step(self):
        self.x += self.vx + self.rng.gauss(0, 0.4)
        self.y += self.vy + self.rng.gauss(0, 0.3)
        self.w *= 1 + self.growth
        self.h *= 1 + self.growth
        if self.hidden:
            self.hidden -= 1
            if self.hidden == 0 and self.vx == 0.0:
                self.go()
        elif self.rng.random() < 0.012:
            # Around the length of the buffer, where forgetting is a matter of a frame.
            self.hidden = self.rng.choice([1, 2, 3, 5, 8, 12, 29, 30, 31, 31, 31, 32])
            if self.hidden > 5:
                self.vx, self.vy, self.growth = 0.0, 0.0, 0.0

    def alive(self):
        return -60 < self.x < 1010 and 20 < self.h < 400 and 0 < self.y < 560


def cover(a, b):
    """Share of a that b hides."""
    w = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    h = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    return max(w, 0) * max(h, 0) / (a.w * a.h)


def crossings(seed, frames):
    """Crowds that cross: occlusion lowers confidence, boxes double, noise, empty frames."""
    rng = random.Random(seed)
    walkers, found = [], []
    for frame in range(frames):
        while len(walkers) < 11:
            walkers.append(Walker(rng, frame))
        for walker in walkers:
            walker.step()
        walkers = [walker for walker in walkers if walker.alive()]
        boxes = []
        for walker in walkers:
            hidden = max((cover(walker, o) for o in walkers if o.y + o.h > walker.y + walker.h),
                         default=0.0)
            if walker.hidden or hidden > 0.85:
                continue
            confidence = min(0.97, max(0.05, 0.9 - 0.8 * hidden + rng.gauss(0, 0.08)))
            if rng.random() < 0.04:
                confidence = rng.choice([0.1, 0.25, 0.35, 0.5, 0.6, 0.7])
            noise = [rng.gauss(0, 0.01 + 0.03 * hidden) for _ in range(4)]
            box = [walker.x + noise[0] * walker.w, walker.y + noise[1] * walker.h,
                   walker.w * (1 + noise[2]), walker.h * (1 + noise[3])]
            boxes.append(box + [confidence])
            if rng.random() < 0.03:
                boxes.append([v + rng.gauss(0, 1) for v in box] + [rng.uniform(0.3, 0.9)])
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            boxes.append([rng.uniform(0, 900), rng.uniform(0, 500), rng.uniform(15, 80),
                          rng.uniform(30, 160), rng.uniform(0.08, 0.75)])
        if frame % 97 == 60 or rng.random() < 0.01:
            boxes = []
        rng.shuffle(boxes)
        scaled = [[*(round(v * 100) for v in b[:4]), round(b[4] * 10000)] for b in boxes]
        found.append([v for box in scaled for v in box])
    return found


def as_arrays(frame):
    """Corners as the numbers a `f32` holds, and confidences as `f32`."""
    v = np.array(frame, dtype=np.float64).reshape(-1, 5)
    left, upper = v[:, 0], v[:, 1]
    corners = np.stack([left, upper, left + v[:, 2], upper + v[:, 3]], axis=1) / 100
    return corners.astype(np.float32).astype(np.float64), (v[:, 4] / 10000).astype(np.float32)


class Results:
    """Looks like an array of rows of five; boxes are `f64` and confidences `f32`, as a tracker
    that gets them from a network compares them."""

    def __init__(self, frame):
        self.boxes, self.scores = as_arrays(frame)
        self.shape = (len(self.scores), 5)

    def __getitem__(self, key):
        return self.scores if key[1] == 4 else self.boxes.copy()


# ByteTrack -------------------------------------------------------------------------------------

def overlaps_inclusive(a, b):
    """What cython_bbox computes: right and lower edges are pixels inside."""
    a, b = a[:, None, :], b[None, :, :]
    w = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + 1
    h = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + 1
    shared = np.where((w > 0) & (h > 0), w * h, 0.0)
    area = lambda e: (e[..., 2] - e[..., 0] + 1) * (e[..., 3] - e[..., 1] + 1)
    return shared / (area(a) + area(b) - shared)


def import_bytetrack(root):
    np.float = float  # gone from numpy, used there
    for name in ("torch", "torch.nn", "torch.nn.functional", "cv2"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["torch"].Tensor = type("Tensor", (), {})  # scipy asks for it
    bbox = types.ModuleType("cython_bbox")
    bbox.bbox_overlaps = overlaps_inclusive
    sys.modules["cython_bbox"] = bbox
    for name, folder in (("yolox", "yolox"), ("yolox.tracker", "yolox/tracker")):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(root) / folder)]
        sys.modules[name] = package
    return importlib.import_module("yolox.tracker.byte_tracker")


def remember_detections(module, seen):
    """Lets each track say which detection it was last given."""
    track = module.STrack
    if not hasattr(track, "plain"):
        track.plain = (track.update, track.re_activate, track.activate)
    update, re_activate, activate = track.plain

    def given(function):
        def run(self, new, *rest, **named):
            if self.state == module.TrackState.Removed:
                seen["revived"] += 1
            self.given = (new._tlwh.tobytes(), float(new.score))
            return function(self, new, *rest, **named)
        return run

    def started(self, *rest):
        self.given = (self._tlwh.tobytes(), float(self.score))
        return activate(self, *rest)

    track.update, track.re_activate, track.activate = (
        given(update), given(re_activate), started)


def run_bytetrack(module, frames, fps, high, match, mot20, buffer=30):
    counts = {"revived": 0, "duplicates": 0}
    remember_detections(module, counts)
    if not hasattr(module, "plain_duplicates"):
        module.plain_duplicates = module.remove_duplicate_stracks

    def counted(a, b):
        kept = module.plain_duplicates(a, b)
        counts["duplicates"] += len(a) + len(b) - len(kept[0]) - len(kept[1])
        return kept

    module.remove_duplicate_stracks = counted
    args = types.SimpleNamespace(
        track_thresh=high, track_buffer=buffer, match_thresh=match, mot20=mot20)
    tracker = module.BYTETracker(args, frame_rate=fps)
    ids = []
    for frame in frames:
        results = Results(frame)
        places = {}
        for i, (box, score) in enumerate(zip(results.boxes, results.scores)):
            key = (np.asarray(module.STrack.tlbr_to_tlwh(box)).tobytes(), float(score))
            assert key not in places, "two equal detections"
            places[key] = i
        tracks = tracker.update(results, (1, 1), (1, 1))
        ids.append(pairs((places[t.given], t.track_id) for t in tracks))
    return ids, counts


# SORT and OC-SORT ------------------------------------------------------------------------------

def import_file(name, path, package=None):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def import_sort(root):
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.patches", "skimage"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["matplotlib"].use = lambda *_: None
    sys.modules["skimage"].io = None
    return import_file("sort_reference", Path(root) / "sort.py")


def import_ocsort(root):
    package = types.ModuleType("ocsort_tracker")
    package.__path__ = [str(Path(root) / "trackers/ocsort_tracker")]
    sys.modules["ocsort_tracker"] = package
    return importlib.import_module("ocsort_tracker.ocsort")


def remember_boxes(module):
    """Lets each track say which detection it was last given, as the box's numbers."""
    box_tracker = module.KalmanBoxTracker
    if hasattr(box_tracker, "given_is_kept"):
        return
    box_tracker.given_is_kept = True
    init, update = box_tracker.__init__, box_tracker.update

    def new_init(self, box, *rest, **named):
        init(self, box, *rest, **named)
        self.given = np.array(box).tobytes()

    def new_update(self, box):
        if box is not None:
            self.given = np.array(box).tobytes()
        return update(self, box)

    box_tracker.__init__, box_tracker.update = new_init, new_update


def run_boxes(module, tracker, frames, high, filtered):
    """SORT takes filtered rows; OC-SORT filters by itself."""
    module.KalmanBoxTracker.count = 0
    remember_boxes(module)
    ids = []
    for frame in frames:
        boxes, scores = as_arrays(frame)
        rows = np.concatenate([boxes, scores[:, None].astype(np.float64)], axis=1)
        places = {row.tobytes(): i for i, row in enumerate(rows)}
        assert len(places) == len(rows), "two equal detections"
        if filtered:
            out = tracker.update(rows[scores > np.float32(high)])
        else:
            out = tracker.update(Results(frame), (1, 1), (1, 1))
        given = {t.id + 1: t.given for t in tracker.trackers}
        ids.append(pairs((places[given[int(row[4])]], int(row[4])) for row in out))
    return ids


def pairs(found):
    """Index of a detection and number of its track, by turns, in the order of the detections."""
    return [int(v) for pair in sorted(found) for v in pair]


# All of it -------------------------------------------------------------------------------------

def goldens(options, sets):
    byte = import_bytetrack(options.bytetrack)
    sort = import_sort(options.sort)
    ocsort = import_ocsort(options.ocsort)
    for name, fps, all_frames in sets:
        for stride in (1, 3):
            frames = all_frames[::stride]
            about = dict(detections=name, stride=stride)
            for high, match, rate, mot20, buffer in (
                    (0.5, 0.8, fps, False, 30), (0.6, 0.9, 30, False, 30),
                    (0.25, 0.8, fps, True, 30), (0.5, 0.8, fps, False, 0)):
                ids, counts = run_bytetrack(byte, frames, rate, high, match, mot20, buffer)
                yield dict(about, tracker="bytetrack", fps=rate, high=high, first_match=match,
                           fuse_score=not mot20, buffer=buffer, ids=ids), counts
            yield dict(about, tracker="sort", high=0.5, ids=run_boxes(
                sort, sort.Sort(), frames, 0.5, True)), {}
            for use_byte in (False, True):
                tracker = ocsort.OCSort(0.5, use_byte=use_byte)
                yield dict(about, tracker="ocsort", high=0.5, use_byte=use_byte,
                           ids=run_boxes(ocsort, tracker, frames, 0.5, False)), {}


def write(name, value):
    """One line a frame, so that a change is a readable one."""
    text = json.dumps(value, separators=(",", ":")).replace("],[", "],\n[")
    (HERE / name).write_text(text + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for reference in ("bytetrack", "sort", "ocsort"):
        parser.add_argument(f"--{reference}", required=True, help="its repository")
    parser.add_argument("--dets", help="a run's detections; without them vtest.json is kept")
    parser.add_argument("--frames", type=int, default=300, help="how many of them")
    parser.add_argument("--seed", type=int, default=26, help="of crossings.json")
    options = parser.parse_args()
    if options.dets:
        write("vtest.json", from_ndjson(options.dets, options.frames))
    write("crossings.json", crossings(options.seed, 300))
    sets = [(name, fps, json.loads((HERE / f"{name}.json").read_text()))
            for name, fps in (("vtest", 10), ("crossings", 30))]
    runs = []
    for run, counts in goldens(options, sets):
        tracks = {v for frame in run["ids"] for v in frame[1::2]}
        boxes = sum(len(frame) // 2 for frame in run["ids"])
        said = {k: v for k, v in run.items() if k != "ids"}
        print(said, "tracks", len(tracks), "boxes", boxes, counts)
        runs.append(run)
    write("golden.json", runs)


if __name__ == "__main__":
    main()
