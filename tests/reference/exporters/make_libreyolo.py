"""Exports models of the PyPI package libreyolo, and writes what its own ONNX backend finds with the files.

usage: make_libreyolo.py FOLDER PICTURES_FOLDER [NAME...]

FOLDER gets NAME.onnx and NAME.expected.json, PICTURES_FOLDER/pics the pictures. Needs libreyolo, torch, onnx, onnxruntime.
Weights are random: see kit.py. The backend's suppression is at an IoU of 0.45, which "options" says.
"""
import importlib
import logging
import re
import sys
import warnings

import numpy as np
import torch
from PIL import Image

import kit

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
CONF = 0.3
IOU = 0.45
COUNT = 7  # unlike any other number of channels
MANY = 280  # fewer boxes than these a picture
TRIES = 6

# Per family: class of libreyolo, its size, side of the picture, and {expression over layer names: (mean, deviation) of the outputs}. "cls" stands
# for the mean of class scores, which is moved until every picture has boxes; distances are of distributions over bins, small ones likelier.
CLASSES = ("cls", 1.4)


def distances(bins):
    return ([-0.5 * i for i in range(bins)] * 4, 1.0)


def anchors(count, offset=0.0):
    """tx, ty, tw, th, objectness and classes for every anchor."""
    return ([0.0, 0.0, offset, offset, "cls", *[-0.5] * COUNT] * count, 1.2)


QUERIES = {r"(enc|dec)_score_head": CLASSES, r"enc_bbox_head.*layers\.2": ([0.0, 0.0, 0.8, 0.8], 0.7), r"(pre|dec)_bbox_head.*layers\.2": (0.0, 0.7)}
CENTRES = {r"class_embed": CLASSES, r"bbox_embed.*layers\.2": ([0.0, 0.0, -1.2, -1.2], 0.8)}
DETECTORS = {
    "yolox": ("n", 160, {r"cls_preds": ("cls", 1.4), r"obj_preds": (-0.5, 1.4), r"reg_preds": ([0.0, 0.0, 1.0, 1.0], 0.6)}),
    "yolo9": ("t", 160, {r"cv3\.\d\.2": CLASSES, r"cv2\.\d\.2": distances(16)}),
    "yolo9_p2": ("t", 160, {r"head\.cv3\.\d\.2": CLASSES, r"head\.cv2\.\d\.2": distances(16)}),
    "yolo9_e2e": ("t", 160, {r"cv3\.\d\.2": CLASSES, r"cv2\.\d\.2": distances(16)}),
    "yolonas": ("s", 160, {r"cls_pred": CLASSES, r"reg_pred": distances(17)}),
    "ppyoloe": ("s", 160, {r"pred_cls": CLASSES, r"pred_reg": distances(17)}),
    "rtmdet": ("t", 160, {r"rtm_cls": CLASSES, r"rtm_reg": (0.8, 0.5)}),
    "picodet": ("s", 160, {r"gfl_cls": (["cls"] * COUNT + [-0.6 * (i % 8) for i in range(32)], 1.2)}),
    "rtdetr": ("r18", 160, QUERIES),
    "rtdetrv2": ("r18", 640, QUERIES),
    "rtdetrv4": ("s", 320, QUERIES),
    "dfine": ("n", 320, QUERIES),
    "deim": ("n", 320, QUERIES),
    "deimv2": ("atto", 320, QUERIES),
    "deimv2-dino": ("s", 160, QUERIES),
    "ec": ("s", 160, QUERIES),
    "tinyformer": ("s", 160, QUERIES),
    "gtr": ("s", 160, QUERIES),
    "detr": ("r50", 160, {r"class_embed": ([0.0] * COUNT + ["-cls"], 2.0), r"bbox_embed.*layers\.2": ([0.0, 0.0, -1.2, -1.2], [1.2, 1.2, 0.7, 0.7])}),
    "lwdetr": ("t", 320, {r"class_embed": CLASSES, r"enc_out_bbox_embed.*layers\.2": ([0.0, 0.0, 1.2, 1.2], 0.5), r"bbox_embed.*layers\.2": (0.0, 0.4)}),
    "deformable_detr": ("r50ss", 160, CENTRES),
    "dinodetr": ("r50", 160, {r"class_embed": CLASSES, r"bbox_embed.*layers\.2": (0.0, 0.7)}),
    "efficientdet": ("d0", 512, {r"class_net\.predict\.conv_pw": CLASSES, r"box_net\.predict\.conv_pw": (0.0, 0.3)}),
    "centernet": ("resdcn18", 256, {r"hm\.2": CLASSES, r"wh\.2": (10.0, 4.0), r"reg\.2": (0.5, 0.2)}),
    "yolo7": ("b", 160, {r"head_conv": anchors(3)}),
    "yolo2": ("t", 160, {r"layers\.\d+\.conv": anchors(5)}),
    "yolo3": ("t", 160, {r"layers\.\d+\.conv": anchors(3)}),
    "yolo4": ("t", 160, {r"layers\.\d+\.conv": anchors(3)}),
    "ssd": ("300", 300, {r"classification_head": (["-cls", *[0.0] * COUNT], 2.0), r"regression_head": (0.0, 0.6)}),
    "retinanet": ("r50", 192, {r"cls_logits": CLASSES, r"bbox_reg": (0.0, 0.4)}),
    "fcos": ("r50", 192, {r"cls_logits": CLASSES, r"bbox_reg": (1.0, 0.7), r"bbox_ctrness": (1.0, 1.0)}),
    "faster_rcnn": (None, 192, {r"cls_score": (["-cls", *[0.0] * COUNT], 2.0), r"bbox_pred": (0.0, 0.5)}),
    "mask_rcnn": (None, 192, {r"cls_score": (["-cls", *[0.0] * COUNT], 2.0), r"bbox_pred": (0.0, 0.5)}),
}
CLASSIFIERS = {"resnet": "18", "convnext": "t", "convnextv2": "atto", "mobilenetv4": "s", "efficientnetv2": "b0", "vit": "ti", "deit": "t", "swin": None,
               "alexnet": "b", "vgg": "16"}
SEMANTIC = {"segformer": ("b0", 160), "deeplabv3": (None, 520), "pidnet": ("s", 256), "fcn": ("r50", 160), "ppliteseg": (None, None)}


def family(name):
    from libreyolo.models.inventory import collect_model_inventory

    module, _, kind = collect_model_inventory()[name]["class"].rpartition(".")
    return getattr(importlib.import_module(module), kind)


def build(name, size, classes, task=None):
    """Without looking for weights to begin with."""
    torch.manual_seed(kit.SEED)
    kind = family(name)
    size = size or next(iter(kind.INPUT_SIZES))
    more = {"task": task} if task else {}
    try:
        model = kind(model_path=None, size=size, nb_classes=classes, device="cpu", _scratch_init=True, **more)
    except TypeError:
        model = kind(model_path=None, size=size, nb_classes=classes, device="cpu", **more)
    for inner in model.model.modules():
        inner.eval()
    return model


def number(value, mean):
    return {"cls": mean, "-cls": -mean}.get(value, value)


def targets(net, layers, mean):
    """What the last layers shall put out; lists that are too short for a layer are repeated (a set an anchor)."""
    found = {}
    for name, layer in net.named_modules():
        if not isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            continue
        for pattern, (means, deviation) in layers.items():
            if not re.search(pattern, name):
                continue
            channels = layer.weight.shape[0]
            if isinstance(means, list):
                if channels % len(means):
                    break
                means = [number(v, mean) for v in means] * (channels // len(means))
            else:
                means = number(means, mean)
            if isinstance(deviation, list) and channels != len(deviation):
                break
            found[layer] = (means, deviation)
            break
    return found


def backend(path, task):
    from libreyolo.backends.onnx import OnnxBackend

    return OnnxBackend(str(path), device="cpu", task=task)


def free(family):
    """Whether the backend leaves the boxes of a family as they come."""
    from libreyolo.backends.base import _is_nms_free_family

    return _is_nms_free_family(family)


def detections(program, paths):
    found = {}
    for picture in paths:
        result = program(str(picture), conf=CONF, iou=IOU)
        boxes = result.boxes
        more = {}
        if result.keypoints is not None:
            more["keypoints"] = result.keypoints.data.numpy()
        if result.masks is not None and len(boxes.xyxy):
            more["mask"] = [runs(m) for m in np.asarray(result.masks.data)]
        found[picture] = kit.rows(boxes.xyxy, boxes.conf, boxes.cls, **more)
    return found


def runs(mask):
    """How many pixels are off, on, off..., row by row."""
    flat = np.concatenate([[0], mask.astype(np.uint8).ravel()])
    ends = np.concatenate([np.flatnonzero(np.diff(flat)), [mask.size]])
    return np.diff(np.concatenate([[0], ends])).tolist()


def prepared(program, paths, task):
    """The pictures as the backend prepares them; those of other sizes are left out."""
    tensors = [torch.as_tensor(np.asarray(program._preprocess(str(p), program.imgsz, "auto")[0])) for p in paths]
    tensors = [t if t.dim() == 4 else t[None] for t in tensors]
    return torch.cat([t for t in tensors if t.shape == tensors[-1].shape]).float()


def detector(folder, pictures, name, kind, task=None, classes=COUNT, **options):
    """Tries means and seeds until every picture has boxes, and none too many."""
    size, side, layers = DETECTORS[kind]
    path = folder / f"{name}.onnx"
    paths = kit.pictures(pictures, (side, side))

    def export(model):
        model.export(format="onnx", output_path=str(path), imgsz=side, **options)
        return backend(path, task)

    model = build(kind.split("-")[0], size, classes, task)
    values = prepared(export(model), paths, task)
    mean, seed = -3.5, kit.SEED
    for _ in range(TRIES):
        model = build(kind.split("-")[0], size, classes, task)
        alike = [layer for key, layer in model.model.named_modules() if key.endswith(("query_feat", "refpoint_embed"))]
        kit.liven(model.model, lambda: model.model(values), targets(model.model, layers, mean), seed, alike)
        found = detections(export(model), paths)
        counts = [len(boxes) for boxes in found.values()]
        print(f"  {name}: mean {mean}, seed {seed}, boxes {counts}", flush=True)
        if min(counts) >= 4 and max(counts) < MANY:
            break
        if max(counts) < MANY:
            mean += 0.7
        else:
            mean, seed = mean - 0.7, seed + 1
    kit.save(folder, name, CONF, {"segment": "segment", "pose": "pose"}.get(task, "detect"), found, names=dict(model.names),
             options="" if free(kind.split("-")[0]) else f"--iou {IOU}")


def classifier(folder, pictures, name, kind):
    path = folder / f"{name}.onnx"
    model = build(kind, CLASSIFIERS[kind], 12, "classify")
    side = model._get_input_size()
    paths = kit.pictures(pictures, (side, side))
    model.export(format="onnx", output_path=str(path))
    values = prepared(backend(path, "classify"), paths, "classify")
    net = model.model
    head = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear) and layer.out_features == 12][-1]
    kit.liven(net, lambda: net(values), {head: (0.0, 2.0)})
    model.export(format="onnx", output_path=str(path))
    program = backend(path, "classify")
    found = {}
    for picture in paths:
        scores = np.asarray(program(str(picture)).probs.data)
        found[picture] = [{"conf": float(scores[i]), "cls": int(i)} for i in np.argsort(-scores)[:5]]
    kit.save(folder, name, CONF, "classify", found, names=dict(model.names))


def semantic(folder, pictures, name, kind):
    size, side = SEMANTIC[kind]
    path = folder / f"{name}.onnx"
    model = build(kind, size, COUNT, "semantic")
    more = {"imgsz": side} if side else {}
    paths = kit.pictures(pictures, (side, side) if side else (160, 160))
    model.export(format="onnx", output_path=str(path), **more)
    values = prepared(backend(path, "semantic"), paths, "semantic")
    net = model.model
    heads = [layer for layer in net.modules() if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == COUNT]
    kit.liven(net, lambda: net(values), {head: (0.0, 2.0) for head in heads})
    model.export(format="onnx", output_path=str(path), **more)
    program = backend(path, "semantic")
    found = {}
    for picture in paths:
        image = Image.open(picture)
        classes = np.asarray(program(str(picture)).semantic_mask.data).reshape(image.height, image.width)
        ends = np.concatenate([np.flatnonzero(np.diff(classes.ravel())) + 1, [classes.size]])
        lengths = np.diff(np.concatenate([[0], ends]))
        pairs = np.stack([classes.ravel()[ends - 1], lengths], 1)
        found[picture] = {"size": [image.width, image.height], "runs": pairs.ravel().tolist()}
    kit.save(folder, name, CONF, "semantic", found, names=dict(model.names))


WORK = {kind: lambda *a, kind=kind: detector(*a, kind) for kind in DETECTORS}
WORK["yolo9-nms"] = lambda *a: detector(*a, "yolo9", nms=True)
WORK["yolo9-half"] = lambda *a: detector(*a, "yolo9", half=True)
WORK["yolox-dynamic"] = lambda *a: detector(*a, "yolox", dynamic=True)
WORK["dfine-segment"] = lambda *a: detector(*a, "dfine", task="segment")
WORK["ec-segment"] = lambda *a: detector(*a, "ec", task="segment")
WORK["yolonas-pose"] = lambda *a: detector(*a, "yolonas", task="pose", classes=1)
WORK["ec-pose"] = lambda *a: detector(*a, "ec", task="pose", classes=1)
WORK.update({f"classify-{kind}": lambda *a, kind=kind: classifier(*a, kind) for kind in CLASSIFIERS})
WORK.update({f"semantic-{kind}": lambda *a, kind=kind: semantic(*a, kind) for kind in SEMANTIC})


if __name__ == "__main__":
    sys.exit(kit.main(WORK))
