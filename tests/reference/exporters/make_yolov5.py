#!/usr/bin/env python3
"""Real exports of YOLOv5 (the PyPI package 7.0), new and old style, and what its own functions find with them.

  make_yolov5.py DIR [NAME...]        files go to DIR, pictures to DIR/../pics

Needs: pip install yolov5==7.0.14 onnx onnxruntime pillow (and setuptools<80, for pkg_resources)
Weights are random (seed 7) and scaled as make_ultralytics.py says. The exports are under Ultralytics' licence: commit none.
Printed last:

"""

import argparse
import functools
import logging
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
import yaml
import yolov5
from torch import nn

import kit

CONF = 0.3
WANTED = 90
NAMES = ["cat", "driver's seat", 'a,b: "q"', "猫 é"]


def config(path, nc, width):
    found = yaml.safe_load((Path(yolov5.__file__).parent / "models" / path).read_text(encoding="utf-8", errors="ignore"))
    return {**found, "nc": nc, "width_multiple": width}


def settle(model, batch):
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    model.eval()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
        m.train()
    with torch.no_grad():
        model(batch)
    model.eval()


def train(model, batch):
    """Scores, boxes and coefficients that differ over the picture, some dozens of them above the threshold."""
    settle(model, batch)
    head = model.model[-1]
    at = float(np.log(CONF / (1 - CONF)))
    cells = sum((batch.shape[2] // int(s)) * (batch.shape[3] // int(s)) for s in head.stride) * head.na
    for layer in head.m:
        kept = []
        hook = layer.register_forward_hook(lambda m, i, o: kept.append(o.detach().movedim(1, 0).flatten(1)))
        with torch.no_grad():
            model(batch)
        hook.remove()
        mean, deviation = kept[0].mean(1), kept[0].std(1).clamp(min=1e-6)
        z = (kept[0] - mean[:, None]) / deviation[:, None]
        per = head.no
        std = torch.tensor([0.8 if c % per < 4 else 1.5 if c % per < 5 + head.nc else 1.0 for c in range(len(mean))])
        goal = torch.zeros(len(mean))
        for c in range(len(mean)):
            if c % per == 4:
                goal[c] = at - 1.5 * torch.quantile(z[c], 1 - WANTED / cells)
            elif c % per >= 5 + head.nc:
                goal[c] = 0.3
            elif c % per > 4:
                goal[c] = 1.5
        with torch.no_grad():
            layer.weight.mul_((std / deviation).view(-1, 1, 1, 1))
            layer.bias.copy_((layer.bias - mean) * std / deviation + goal)


def tensor(path, size):
    from yolov5.utils.augmentations import letterbox

    image = cv2.imread(str(path))
    box = letterbox(image, size, auto=False)[0]
    return torch.from_numpy(np.ascontiguousarray(box[..., ::-1].transpose(2, 0, 1))).float()[None] / 255, image.shape


def decoded(raw, model):
    """The table that newer exports hold, of the raw maps that the oldest give."""
    head = model.model[-1]
    rows = []
    for i, x in enumerate(torch.from_numpy(r) for r in raw):
        grid, anchors = head._make_grid(x.shape[3], x.shape[2], i)
        y = x.sigmoid()
        xy = (y[..., :2] * 2 + grid) * head.stride[i]
        wh = (y[..., 2:4] * 2) ** 2 * anchors
        rows.append(torch.cat((xy, wh, y[..., 4:]), 4).flatten(1, 3))
    return torch.cat(rows, 1)


def judge(path, paths, size, model, raw=False):
    from yolov5.utils.general import non_max_suppression, scale_boxes, scale_segments
    from yolov5.utils.segment.general import masks2segments, process_mask

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = {}
    masked = hasattr(model.model[-1], "nm")
    for p in paths:
        image, shape = tensor(p, size)
        out = session.run(None, {session.get_inputs()[0].name: image.numpy()})
        table = decoded(out, model) if raw else torch.from_numpy(out[0])
        rows = non_max_suppression(table, CONF, 0.45, max_det=300, nm=32 if masked else 0)[0]
        masks = process_mask(torch.from_numpy(out[1])[0], rows[:, 6:], rows[:, :4], image.shape[2:], upsample=True) if masked else None
        boxes = scale_boxes(image.shape[2:], rows[:, :4].clone(), shape)
        found[p] = [{"xyxy": b.tolist(), "conf": float(r[4]), "cls": int(r[5])} for b, r in zip(boxes, rows)]
        for k, entry in enumerate(found[p] if masked else []):
            contours = cv2.findContours(masks[k].numpy().astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
            parts = [scale_segments(image.shape[2:], c.reshape(-1, 2).astype(np.float32), shape).tolist() for c in contours]
            entry["parts"] = sorted(parts, key=lambda q: -cv2.contourArea(np.array(q, np.float32)))
            largest = scale_segments(image.shape[2:], masks2segments(masks[k:k + 1])[0], shape)
            entry["polygon"] = largest.tolist()
    return found


def kinds():
    """name: (config, size (height, width), names, style, opset, whether it may be refused)."""
    plain = lambda nc: config("yolov5n.yaml", nc, 0.125)
    return {
        "yolov5n": (plain(4), (320, 320), dict(enumerate(NAMES)), "new", 12, False),
        "yolov5n-list": (plain(4), (320, 320), NAMES, "new", 17, False),
        "yolov5n-1class": (plain(1), (320, 320), {0: "person"}, "new", 12, False),
        "yolov5n-80": (plain(80), (320, 320), {i: f"c{i}" for i in range(80)}, "new", 12, False),
        "yolov5n-rect": (plain(4), (192, 320), dict(enumerate(NAMES)), "new", 12, False),
        "yolov5n-dynamic": (plain(4), (320, 320), dict(enumerate(NAMES)), "dynamic", 12, False),
        "yolov5n6": (config("hub/yolov5n6.yaml", 4, 0.125), (320, 320), dict(enumerate(NAMES)), "new", 12, False),
        "yolov5n-p2": (config("hub/yolov5-p2.yaml", 4, 0.125), (320, 320), dict(enumerate(NAMES)), "new", 12, False),
        "yolov5n-4outputs": (plain(4), (320, 320), None, "four", 12, False),
        "yolov5n-4outputs-80": (plain(80), (320, 320), None, "four", 12, False),
        "yolov5n-3outputs": (plain(4), (320, 320), None, "three", 12, True),
        "yolov5n-seg": (config("segment/yolov5n-seg.yaml", 4, 0.125), (320, 320), dict(enumerate(NAMES)), "new", 12, False),
        "yolov5n-seg-80": (config("segment/yolov5n-seg.yaml", 80, 0.125), (320, 320), {i: f"c{i}" for i in range(80)}, "new", 12, False),
    }


class Maps(nn.Module):
    """As the oldest exports: the raw maps alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return tuple(self.model(image)[1])


def make(name, entry, folder):
    from yolov5.export import export_onnx
    from yolov5.models.yolo import DetectionModel, SegmentationModel

    cfg, size, names, style, opset, may = entry
    torch.manual_seed(kit.SEED)
    kind = SegmentationModel if cfg["head"][-1][2] == "Segment" else DetectionModel
    model = kind(cfg)
    paths = kit.pictures(folder.parent, size[::-1])
    train(model, torch.cat([tensor(p, size)[0] for p in paths]))
    model.fuse()
    head = model.model[-1]
    head.inplace, head.export, head.dynamic = False, style in ("new", "dynamic"), style == "dynamic"
    target = folder / f"{name}.onnx"
    image = torch.zeros(1, 3, *size)
    model(image)
    if names is not None:
        model.names = names
        export_onnx(model, image, target, opset, style == "dynamic", False)
    else:
        whole = Maps(model) if style == "three" else model
        torch.onnx.export(whole, image, str(target), opset_version=opset, input_names=["images"], output_names=["output"])
    found = judge(target, paths, size, model, style == "three")
    told = dict(enumerate(names)) if isinstance(names, list) else names
    kit.save(folder, name, CONF, "segment" if hasattr(head, "nm") else "detect", found, told, may_refuse=may)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    print(f"{name:24} {[(o.name, o.shape) for o in session.get_outputs()]} {[len(v) for v in found.values()]}", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", default="exports/yolov5", type=Path)
    options.add_argument("names", nargs="*")
    options = options.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.onnx.export = functools.partial(torch.onnx.export, dynamo=False)
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    for name, entry in kinds().items():
        if options.names and not any(name.startswith(n) for n in options.names):
            continue
        try:
            make(name, entry, folder)
        except Exception as error:
            print(f"{name:24} FAILED: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
