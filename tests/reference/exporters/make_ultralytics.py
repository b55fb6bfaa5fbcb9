#!/usr/bin/env python3
"""Real exports of Ultralytics models, and what Ultralytics' own program finds with them.

  make_ultralytics.py DIR [NAME...]        files go to DIR, pictures to DIR/../pics; NAME: beginnings of names
  make_ultralytics.py DIR --prefix v83-    the kinds that an older version (on PYTHONPATH) can export too

Needs: pip install ultralytics onnx onnxruntime onnxslim pillow
Weights are random (seed 7), but batch norms have the statistics of the pictures and last layers are scaled so that some
dozens of boxes an image are above the threshold. The exports are under Ultralytics' licence: commit none.
Printed last:

"""

import argparse
import ast
import copy
import functools
import logging
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

import cv2
import numpy as np
import onnx
import torch
import ultralytics
import yaml
from torch import nn

import kit

CONF = 0.3
WANTED = 90  # candidates an image above the threshold, before suppression
NAMES = ["cat", "driver's seat", 'a,b: "q"', "猫 é"]
PACKAGE = Path(ultralytics.__file__).parent
VERSION = tuple(int(x) for x in ultralytics.__version__.split("."))
NEW = VERSION >= (8, 4, 150)  # nms is None, False or True, and quantize stands for half and int8


def odd_names():
    """Eighty names out of order, some of which a careless reader of a Python dict would break."""
    odd = {1: "part1", 0: "part0", 3: 'both \' and "', 2: "back\\slash", 5: "a, 6: 'b'", 4: "{curly: [1]}", 7: "tab\tand\nline",
           6: "", 9: "naïve 猫 🚀", 8: "# not a comment", 10: "True", 11: "12", 12: " spaces ", 13: "\u200bzero", 14: "'", 15: '"'}
    rest = {i: f"part{i}" for i in range(79, 15, -1)}
    return {**odd, **rest}


def config(path, letter, width=None, **edits):
    """A model's own YAML from the package, of scale `letter`, with some keys changed."""
    found = yaml.safe_load((PACKAGE / "cfg" / "models" / path).read_text(encoding="utf-8", errors="ignore"))
    stem = Path(path).stem
    if "scales" in found and letter:
        if width:
            found["scales"][letter] = [0.33, width, 1024]
        found["scale"] = letter
        digits = max(i for i, c in enumerate(stem.split("-")[0]) if c.isdigit()) + 1
        if not stem[digits:].startswith(letter):
            stem = stem[:digits] + letter + stem[digits:]
    found.update(edits)
    found["yaml_file"] = f"{stem}.yaml"
    return found


def rtdetr(name="rtdetr-l", backbone="v8/yolov8-rtdetr.yaml", **edits):
    """RT-DETR with a small backbone and decoder: 64 channels, 300 queries, two layers."""
    found = config(backbone, "n", 0.125, **edits)
    found["head"][-1][-1] = ["nc", 64, 300, 4, 4, 2, 128]
    found["yaml_file"] = f"{name}.yaml"
    return found


def build(cfg, names=None, points=None, weight=0):
    """A model with seeded weights, ready for the exporter."""
    from ultralytics.nn import tasks

    torch.manual_seed(kit.SEED + weight)
    cfg = copy.deepcopy(cfg)
    last = cfg["head"][-1][2]
    kinds = {"Classify": ("classify", "ClassificationModel"), "Segment": ("segment", "SegmentationModel"), "Pose": ("pose", "PoseModel"),
             "OBB": ("obb", "OBBModel"), "SemanticSegment": ("semantic", "SemanticSegmentationModel"),
             "RTDETRDecoder": ("detect", "RTDETRDetectionModel")}
    task, kind = kinds.get(last, kinds.get(last.replace("26", ""), ("detect", "DetectionModel")))
    more = {"ch": cfg["channels"]} if "channels" in cfg else {}
    model = getattr(tasks, kind)(cfg, verbose=False, **more)
    model.task = task
    model.args = {"data": "coco8.yaml", "imgsz": 640} if VERSION >= (8, 1) else {**ultralytics.utils.DEFAULT_CFG_DICT, "data": "coco8.yaml"}
    if names is not None:
        model.names = names if isinstance(names, dict) else dict(enumerate(names))
    if points:
        model.kpt_names = points
    return model


def tensor(paths, imgsz):
    from ultralytics.data.augment import LetterBox

    box = LetterBox(imgsz, auto=False)
    planes = [box(image=cv2.imread(str(p)))[..., ::-1].transpose(2, 0, 1) for p in paths]
    return torch.from_numpy(np.stack(planes).copy()).float() / 255


def settle(model, batch):
    """Gives every batch norm the statistics of the pictures, so that what comes out depends on them."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    model.eval()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
        m.train()
    with torch.no_grad():
        model(batch)
    for m in norms:
        m.momentum = 0.03
    model.eval()


def seen(model, batch, layers):
    """What each of these layers puts out for the pictures, channels first."""
    kept = {}
    hooks = [layer.register_forward_hook(lambda m, i, o, k=k: kept.__setitem__(k, o.detach())) for k, layer in enumerate(layers)]
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    values = []
    for k, layer in enumerate(layers):
        out = kept.get(k)
        if out is not None:
            out = out.movedim(1, 0).flatten(1) if isinstance(layer, nn.Conv2d) else out.flatten(0, -2).T
        values.append(out)
    return values


def spread(model, batch, layers, std, target):
    """Scales layers so that each channel has this deviation over the pictures and the mean target(normalised values, channel)."""
    for layer, values in zip(layers, seen(model, batch, layers)):
        if values is None:
            continue
        mean, deviation = values.mean(1), values.std(1).clamp(min=1e-6)
        k = std / deviation
        goal = torch.tensor([target((values[c] - mean[c]) / deviation[c], c) for c in range(len(mean))], dtype=values.dtype)
        with torch.no_grad():
            layer.weight.mul_(k.view(-1, *[1] * (layer.weight.ndim - 1)))
            old = layer.bias.clone() if layer.bias is not None else 0
            layer.bias.copy_((old - mean) * k + goal)


def finals(head, names):
    """The last layer of each branch in these lists of branches."""
    found = []
    for name in names:
        for branch in getattr(head, name, None) or []:
            found.append(branch[-1] if isinstance(branch, nn.Sequential) else branch)
    return found


def train(model, batch):
    """Stands for a training: makes scores, boxes, angles, keypoints, masks and classes that differ over the picture."""
    settle(model, batch)
    head = model.model[-1]
    kind = type(head).__name__
    at = float(np.log(CONF / (1 - CONF)))
    if kind == "Classify":
        spread(model, batch, [head.linear], 1.5, lambda z, c: 0.0)
        return
    if kind == "SemanticSegment":
        spread(model, batch, [head.classifier[-1]], 2.0, lambda z, c: 0.1 * c)
        return
    cells = sum((batch.shape[2] // int(s)) * (batch.shape[3] // int(s)) for s in model.stride) if kind != "RTDETRDecoder" else head.num_queries
    share = min(WANTED / (cells * head.nc), 0.5)

    def score(z, c):
        return at - 1.5 * float(torch.quantile(z, 1 - share))

    if kind == "RTDETRDecoder":
        for layer in (*head.dec_bbox_head, head.enc_bbox_head):
            nn.init.normal_(layer.layers[-1].weight, std=0.1)
        spread(model, batch, [head.enc_score_head], 1.5, lambda z, c: 0.0)
        spread(model, batch, [m.layers[-1] for m in head.dec_bbox_head], 0.6, lambda z, c: 0.4 if c > 1 else 0.0)
        spread(model, batch, list(head.dec_score_head), 1.5, score)
        return
    bins = head.reg_max
    boxes = finals(head, ["cv2", "one2one_cv2"])
    spread(model, batch, boxes, 0.9 if bins > 1 else 0.5, (lambda z, c: -0.35 * (c % bins)) if bins > 1 else (lambda z, c: 2.0))
    spread(model, batch, finals(head, ["cv3", "one2one_cv3"]), 1.5, score)
    extra = {"Segment": (1.0, lambda z, c: 0.6 if c % 2 else 0.2), "OBB": (1.2, lambda z, c: 0.0), "Pose": (0.8, lambda z, c: 0.0)}
    for name, (std, target) in extra.items():
        if kind.startswith(name):
            last = ["cv4_kpts", "one2one_cv4_kpts"] if hasattr(head, "cv4_kpts") else ["cv4", "one2one_cv4"]
            spread(model, batch, finals(head, last), std, target)


def export(model, imgsz, work, **options):
    """The exporter's own file, in the folder `work`."""
    from ultralytics.engine.exporter import Exporter

    if not NEW:  # as with the PyTorch of its time
        options.setdefault("opset", 17)
    here = os.getcwd()
    os.chdir(work)
    try:
        usual = {"format": "onnx", "imgsz": list(imgsz), "batch": 1, "data": None, "device": "cpu", "verbose": False}
        made = Exporter(overrides={**usual, **options})(model=model)
        return Path(made).resolve()
    finally:
        os.chdir(here)


def boxes_of(result, task):
    """The entries of one picture, as kit.save wants them."""
    if task == "classify":
        top = result.probs.data.argsort(descending=True)[:5].tolist()
        return [{"cls": c, "conf": float(result.probs.data[c])} for c in top]
    if task == "semantic":
        return regions(classes_of(result))
    found = []
    kept = result.obb if task == "obb" else result.boxes
    for i in range(len(kept)):
        entry = {"xyxy": kept.xyxy[i].tolist(), "conf": float(kept.conf[i]), "cls": int(kept.cls[i])}
        if task == "pose":
            points = result.keypoints.data[i].tolist()
            entry["keypoints"] = points
        if task == "obb":
            entry["corners"] = kept.xyxyxyxy[i].tolist()
            entry["xywhr"] = kept.xywhr[i].tolist()
        if task == "segment":
            entry["polygon"] = result.masks.xy[i].tolist()
            entry["parts"] = outlines(result.masks.data[i], result)
        found.append(entry)
    return found


def outlines(mask, result):
    """Every outer contour of a mask of the model's input, in pixels of the picture."""
    from ultralytics.utils import ops

    plane = np.ascontiguousarray(mask.numpy().astype(np.uint8))
    contours = cv2.findContours(plane, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    scaled = [ops.scale_coords(plane.shape, c.reshape(-1, 2).astype(np.float32), result.orig_shape) for c in contours]
    return sorted((s.tolist() for s in scaled), key=lambda p: -cv2.contourArea(np.array(p, np.float32)))


def classes_of(result):
    """The map of classes; a model of one class tells 0 for nothing and 1 for it, which here are 255 and 0."""
    classes = np.asarray(result.semantic_mask.data).squeeze().astype(np.uint8)
    return classes - np.uint8(1) if len(result.names) == 1 else classes


def regions(classes):
    """Connected regions of a map of classes that have at least a thousandth of the picture."""
    found = []
    for c in np.unique(classes[classes != 255]):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((classes == c).astype(np.uint8), connectivity=8)
        for k in range(1, count):
            x, y, w, h, area = (int(v) for v in stats[k])
            if area < classes.size * 1e-3:
                continue
            outline = cv2.findContours((parts == k).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0]
            found.append({"xyxy": [x, y, x + w, y + h], "conf": 1.0, "cls": int(c), "polygon": outline.reshape(-1, 2).tolist(), "area": area})
    return found


def judge(path, task, paths, imgsz, batch=1, conf=CONF, rect=False, kind="YOLO"):
    """What Ultralytics finds with the file."""
    model = ultralytics.RTDETR(str(path)) if kind == "RTDETR" else ultralytics.YOLO(str(path), task=task)
    found, maps = {}, {}
    for at in range(0, len(paths), batch):
        some = [str(p) for p in paths[at:at + batch]]
        results = model.predict(some, conf=conf, imgsz=list(imgsz), batch=batch, device="cpu", verbose=False, save=False, rect=rect)
        for p, result in zip(some, results):
            found[p] = boxes_of(result.cpu(), task)
            if task == "semantic":
                maps[p] = classes_of(result.cpu())
    return found, maps


def names_of(path):
    notes = {p.key: p.value for p in onnx.load(str(path), load_external_data=False).metadata_props}
    return ast.literal_eval(notes["names"]) if "names" in notes else None


def strip(path, to):
    """The same graph without any note."""
    model = onnx.load(str(path))
    del model.metadata_props[:]
    onnx.save(model, str(to))


def cut(path, to, notes=True):
    """The same graph with class scores as they are before the sigmoid."""
    model = onnx.load(str(path))
    graph = model.graph
    last = next(n for n in graph.node if graph.output[0].name in n.output)
    made = {o: n for n in graph.node for o in n.output}
    sigmoid = next(made[i] for i in last.input if i in made and made[i].op_type == "Sigmoid")
    last.input[:] = [sigmoid.input[0] if i == sigmoid.output[0] else i for i in last.input]
    graph.node.remove(sigmoid)
    if not notes:
        del model.metadata_props[:]
    onnx.save(model, str(to))


def quantised(path, to, batch):
    """The whole graph in 8 bits, by ONNX Runtime, as one does who has never read how to."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter([{"images": b[None].numpy()} for b in batch])

        def get_next(self):
            return next(self.rest, None)

    ready = str(to) + ".ready"
    quant_pre_process(str(path), ready)
    quantize_static(ready, str(to), Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
    os.remove(ready)


def dataset(folder, paths):
    """The smallest data set the exporter's own quantisation takes."""
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(exist_ok=True)
    for p in paths:
        shutil.copy(p, images / Path(p).name)
        (labels / f"{Path(p).stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (folder / "data.yaml").write_text(f"path: {folder}\ntrain: images\nval: images\nnames: [a, b, c, d]\n")
    return folder / "data.yaml"


class Kind:
    """One model, and the exports made of it."""

    def __init__(self, name, cfg, imgsz=(320, 320), names=NAMES, old=False, bare=False, more=None, weight=0, points=None, rect=False, **options):
        self.name, self.cfg, self.imgsz, self.names, self.old, self.bare = name, cfg, imgsz, names, old, bare
        self.more, self.weight, self.points, self.rect, self.options = more, weight, points, rect, options


def kinds():
    """Every export; imgsz is (height, width). Configs are functions so that a version without one fails alone."""
    def plain(path, letter="n", width=0.125, nc=4, **edits):
        return lambda: config(path, letter, width, nc=nc, **edits)

    many = odd_names()
    one, two, five = ["person"], ["person", "dog"], ["a", "b", "c", "d", "e"]
    v8, v11, y26 = "v8/yolov8", "11/yolo11", "26/yolo26"
    faces = {0: ["left eye", "right eye", "nose", "mouth's left", 'mouth "right"'], 1: ["p0", "p1", "p2", "p3", "p4"]}
    no = {"nms": False} if NEW else {}
    found = [
        # RT-DETR
        *[Kind(f"rtdetr-{nc}class", (lambda nc=nc: rtdetr(nc=nc)), names=n, old=True, bare=True)
          for nc, n in ((1, one), (2, two), (4, NAMES), (80, many))],
        Kind("rtdetr-othername", lambda: rtdetr("helmets-v3", nc=4), old=True),
        Kind("rtdetr-yolov8n", lambda: rtdetr("yolov8n-rtdetr", nc=2), names=two, old=True),
        Kind("rtdetr-hgnet", lambda: hgnet(nc=4)),
        Kind("rtdetr-rect", lambda: rtdetr(nc=4), (192, 320)),
        Kind("rtdetr-batch4", lambda: rtdetr(nc=4), batch=4),
        Kind("rtdetr-dynamic", lambda: rtdetr(nc=4), dynamic=True),
        # oriented boxes
        Kind("yolo11n-obb", plain(f"{v11}-obb.yaml"), old=True, bare=True),
        Kind("yolo11n-obb-rect", plain(f"{v11}-obb.yaml"), (192, 320)),
        Kind("yolo11n-obb-1class", plain(f"{v11}-obb.yaml", nc=1), names=one),
        Kind("yolov8n-obb", plain(f"{v8}-obb.yaml", nc=15), names=[f"c{i}" for i in range(15)], old=True),
        Kind("yolo11n-obb-nms", plain(f"{v11}-obb.yaml"), nms=True, conf=CONF, old=True),
        Kind("yolo26n-obb", plain(f"{y26}-obb.yaml"), old=True),
        Kind("yolo26n-obb-end2end", plain(f"{y26}-obb.yaml"), bare=True, **no),
        # keypoints
        Kind("yolov8n-pose", plain(f"{v8}-pose.yaml", nc=1), names=one, old=True, bare=True),
        Kind("yolo11n-pose", plain(f"{v11}-pose.yaml", nc=1), names=one, old=True),
        Kind("yolo11n-pose-5x2", plain(f"{v11}-pose.yaml", nc=1, kpt_shape=[5, 2]), names=one, old=True, bare=True),
        Kind("yolo11n-pose-5x3", plain(f"{v11}-pose.yaml", nc=1, kpt_shape=[5, 3]), names=one),
        Kind("yolo11n-pose-2class-5x3", plain(f"{v11}-pose.yaml", nc=2, kpt_shape=[5, 3]), names=two, old=True, bare=True, points=faces),
        Kind("yolo11n-pose-2class-5x2", plain(f"{v11}-pose.yaml", nc=2, kpt_shape=[5, 2]), names=two),
        Kind("yolov8n-pose-p6", plain(f"{v8}-pose-p6.yaml", nc=1), names=one),
        Kind("yolov8n-pose-nms", plain(f"{v8}-pose.yaml", nc=1), names=one, nms=True, conf=CONF, old=True),
        Kind("yolo26n-pose", plain(f"{y26}-pose.yaml", nc=1), names=one, old=True),
        Kind("yolo26n-pose-end2end", plain(f"{y26}-pose.yaml", nc=1), names=one, bare=True, **no),
        Kind("yolo26n-pose-end2end-2class-5x2", plain(f"{y26}-pose.yaml", nc=2, kpt_shape=[5, 2]), names=two, **no),
        # outlines
        Kind("yolov8n-seg", plain(f"{v8}-seg.yaml"), old=True, bare=True),
        Kind("yolo11n-seg", plain(f"{v11}-seg.yaml"), old=True),
        Kind("yolo11n-seg-rect", plain(f"{v11}-seg.yaml"), (192, 320)),
        Kind("yolov8n-seg-nms", plain(f"{v8}-seg.yaml"), nms=True, conf=CONF, old=True),
        Kind("yolo11n-seg-dynamic", plain(f"{v11}-seg.yaml"), dynamic=True),
        Kind("yolo26n-seg", plain(f"{y26}-seg.yaml"), old=True),
        Kind("yolo26n-seg-end2end", plain(f"{y26}-seg.yaml"), bare=True, **no),
        # classifiers
        Kind("yolo11n-cls", plain(f"{v11}-cls.yaml", nc=10), (160, 160), names=[f"c{i}" for i in range(10)], old=True, bare=True),
        Kind("yolov8n-cls", plain(f"{v8}-cls.yaml", nc=10), (224, 224), names=[f"c{i}" for i in range(10)], old=True),
        Kind("yolo11n-cls-nonsquare", plain(f"{v11}-cls.yaml", nc=10), (128, 224), names=[f"c{i}" for i in range(10)], old=True),
        Kind("yolo11n-cls-2class", plain(f"{v11}-cls.yaml", nc=2), (160, 160), names=two),
        Kind("yolo11n-cls-1000", plain(f"{v11}-cls.yaml", nc=1000), (160, 160), names=[f"c{i}" for i in range(1000)]),
        Kind("yolo11n-cls-batch4", plain(f"{v11}-cls.yaml", nc=10), (160, 160), names=[f"c{i}" for i in range(10)], batch=4),
        Kind("yolo11n-cls-dynamic", plain(f"{v11}-cls.yaml", nc=10), (160, 160), names=[f"c{i}" for i in range(10)], dynamic=True),
        Kind("yolo26n-cls", plain(f"{y26}-cls.yaml", nc=10), (160, 160), names=[f"c{i}" for i in range(10)]),
        # boxes
        Kind("yolov8n", plain(f"{v8}.yaml"), old=True, bare=True, more="logits"),
        Kind("yolov8n-1class", plain(f"{v8}.yaml", nc=1), names=one, old=True, bare=True),
        Kind("yolov8n-2class", plain(f"{v8}.yaml", nc=2), names=two, old=True, bare=True),
        Kind("yolov8n-80odd", plain(f"{v8}.yaml", nc=80), names=many, old=True),
        Kind("yolov9t", plain("v9/yolov9t.yaml", "", None), old=True),
        Kind("yolov10n", plain("v10/yolov10n.yaml"), old=True, bare=True),
        Kind("yolov10n-end2end", plain("v10/yolov10n.yaml"), bare=True, **no),
        Kind("yolov10n-end2end-2class", plain("v10/yolov10n.yaml", nc=2), names=two, bare=True, **no),
        Kind("yolo11n", plain(f"{v11}.yaml"), old=True, bare=True),
        Kind("yolo12n", plain("12/yolo12.yaml", width=0.25), old=True),
        Kind("yolo26n", plain(f"{y26}.yaml"), bare=True, old=True),
        Kind("yolo26n-end2end", plain(f"{y26}.yaml"), bare=True, **no),
        Kind("yolo26n-end2end-1class", plain(f"{y26}.yaml", nc=1), names=one, **no),
        Kind("yolo26n-end2end-80odd", plain(f"{y26}.yaml", nc=80), names=many, **no),
        Kind("yolo26n-end2end-batch4", plain(f"{y26}.yaml"), batch=4, **no),
        Kind("yolo26n-end2end-dynamic", plain(f"{y26}.yaml"), dynamic=True, **no),
        Kind("yolo26n-end2end-rect", plain(f"{y26}.yaml"), (192, 320), **no),
        Kind("yolo26n-p2", plain(f"{y26}-p2.yaml"), **no),
        Kind("yolov5nu", plain("v5/yolov5.yaml"), old=True),
        Kind("yolov5n6u", plain("v5/yolov5-p6.yaml"), old=True),
        Kind("yolov3-tinyu", plain("v3/yolov3-tiny.yaml", "", None, width_multiple=0.125), old=True, bare=True),
        Kind("yolov8n-p2", plain(f"{v8}-p2.yaml"), old=True, bare=True),
        Kind("yolov8n-p6", plain(f"{v8}-p6.yaml"), old=True, bare=True),
        Kind("yolo11n-rect", plain(f"{v11}.yaml"), (192, 320), old=True, bare=True),
        Kind("yolo11n-tall", plain(f"{v11}.yaml"), (320, 192)),
        Kind("yolo11n-dynamic", plain(f"{v11}.yaml"), dynamic=True, old=True),
        Kind("yolo11n-dynamic-rectangles", plain(f"{v11}.yaml"), dynamic=True, rect=True),
        Kind("yolo11n-half", plain(f"{v11}.yaml"), quantize=16),
        Kind("yolo11n-int8", plain(f"{v11}.yaml"), quantize=8, more="int8"),
        Kind("yolo11n-opset11", plain(f"{v11}.yaml"), opset=11),
        Kind("yolo11n-opset13", plain(f"{v11}.yaml"), opset=13),
        Kind("yolo11n-opset17", plain(f"{v11}.yaml"), opset=17, more="qdq"),
        Kind("yolo11n-opset20", plain(f"{v11}.yaml"), opset=20),
        Kind("yolo11n-opset22", plain(f"{v11}.yaml"), opset=22),
        Kind("yolov8n-nms", plain(f"{v8}.yaml"), nms=True, conf=CONF, old=True, bare=True),
        Kind("yolo11n-nms-batch4", plain(f"{v11}.yaml"), nms=True, conf=CONF, batch=4),
        Kind("yolo11n-nms-agnostic", plain(f"{v11}.yaml"), nms=True, conf=CONF, agnostic_nms=True, iou=0.5),
        Kind("yolo11n-nms-100", plain(f"{v11}.yaml"), nms=True, conf=CONF, max_det=100),
        Kind("yolo11n-batch4", plain(f"{v11}.yaml"), batch=4, old=True),
        Kind("yolo11n-unsimplified", plain(f"{v11}.yaml"), simplify=False, old=True),
        Kind("yolo11n-80", plain(f"{v11}.yaml", nc=80), names=[f"c{i}" for i in range(80)]),
        Kind("yolo11n-1channel", plain(f"{v11}.yaml", channels=1)),
        # a class for every pixel
        Kind("yolo26n-sem", plain(f"{y26}-sem.yaml"), bare=True),
        Kind("yolo26n-sem-1class", plain(f"{y26}-sem.yaml", nc=1), names=one),
        Kind("yolo26n-sem-rect", plain(f"{y26}-sem.yaml", nc=19), (192, 320), names=[f"c{i}" for i in range(19)]),
    ]
    return found


def hgnet(nc):
    """RT-DETR's own HGNet backbone with a quarter of its channels."""
    found = config("rt-detr/rtdetr-l.yaml", "", None, nc=nc)
    found["scales"]["l"] = [0.17, 0.25, 1024]
    found["scale"] = "l"
    found["head"][-1][-1] = ["nc", 64, 300, 4, 4, 2, 128]
    small = {"HGStem": lambda a: [a[0] // 4, a[1] // 4], "HGBlock": lambda a: [a[0] // 4, a[1] // 4, *a[2:]],
             "DWConv": lambda a: [a[0] // 4, *a[1:]], "AIFI": lambda a: [128, 4], "RepC3": lambda a: a, "Conv": lambda a: a}
    for part in ("backbone", "head"):
        for row in found[part]:
            if row[2] in ("HGStem", "HGBlock", "AIFI"):
                row[3] = small[row[2]](row[3])
    found["yaml_file"] = "rtdetr-l.yaml"
    return found


def write_maps(folder, name, maps):
    from PIL import Image

    for p, classes in maps.items():
        Image.fromarray(classes).save(folder / f"{name}.{Path(p).stem}.classes.png")


def make(kind, folder, work, prefix):
    """Writes one export, and the ones derived from it."""
    width, height = kind.imgsz[::-1]
    paths = kit.pictures(folder.parent, (width, height))
    cfg = kind.cfg()
    model = build(cfg, kind.names, kind.points, kind.weight)
    batch = tensor(paths, kind.imgsz)
    if cfg.get("channels", 3) == 1:
        batch = batch.mean(1, keepdim=True)
    train(model, batch)
    options = dict(kind.options)
    if kind.more == "int8":
        options["data"] = str(dataset(work / "data", paths))
    made = export(copy.deepcopy(model), kind.imgsz, work, **options)
    name = prefix + kind.name
    target = folder / f"{name}.onnx"
    shutil.move(made, target)
    which = "RTDETR" if type(model.model[-1]).__name__ == "RTDETRDecoder" else "YOLO"
    found, maps = judge(target, model.task, paths, kind.imgsz, options.get("batch", 1), rect=kind.rect, kind=which)
    write_maps(folder, name, maps)
    more = {"kpt_names": kind.points} if kind.points else {}
    conf = 0.01 if model.task == "classify" else CONF
    kit.save(folder, name, conf, model.task, found, names_of(target), made_by=f"ultralytics {ultralytics.__version__}", **more)
    report(name, target, found)
    if kind.bare:
        strip(target, folder / f"{name}-bare.onnx")
        kit.save(folder, f"{name}-bare", conf, model.task, found, None, may_refuse=True)
        write_maps(folder, f"{name}-bare", maps)
    if kind.more == "logits":
        for suffix, notes in (("-logits", True), ("-logits-bare", False)):
            cut(target, folder / f"{name}{suffix}.onnx", notes)
            kit.save(folder, f"{name}{suffix}", CONF, model.task, found, names_of(target) if notes else None, may_refuse=True)
    if kind.more == "qdq":
        quantised(target, folder / f"{name}-qdq.onnx", batch)
        found, _ = judge(folder / f"{name}-qdq.onnx", model.task, paths, kind.imgsz)
        kit.save(folder, f"{name}-qdq", CONF, model.task, found, names_of(target))
        report(f"{name}-qdq", folder / f"{name}-qdq.onnx", found)


def report(name, path, found):
    outputs = [[d.dim_value or d.dim_param for d in o.type.tensor_type.shape.dim] for o in onnx.load(str(path)).graph.output]
    counts = [len(v) for v in found.values()]
    classes = len({e["cls"] for v in found.values() for e in v})
    print(f"{name:34} {str(outputs):44} boxes {counts} of {classes} classes", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", default="exports/ultralytics", type=Path)
    options.add_argument("names", nargs="*")
    options.add_argument("--prefix", default="")
    options.add_argument("--missing", action="store_true", help="only those that are not there")
    options = options.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if not NEW:
        torch.onnx.export = functools.partial(torch.onnx.export, dynamo=False)
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    bad = 0
    for kind in kinds():
        if options.names and not any(kind.name.startswith(n) for n in options.names):
            continue
        if options.prefix and not kind.old:
            continue
        if options.missing and (folder / f"{options.prefix}{kind.name}.expected.json").exists():
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                make(kind, folder, Path(work), options.prefix)
            except Exception as error:
                bad += 1
                print(f"{options.prefix + kind.name:34} FAILED: {type(error).__name__}: {str(error)[:300]}", flush=True)
                if options.names:
                    traceback.print_exc()
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
