#!/usr/bin/env python3
"""Real exports of torchvision models, and what ONNX Runtime finds with them after torchvision's own transforms.

  make_torchvision.py DIR [NAME...]        files go to DIR, pictures to DIR/../pics; NAME: beginnings of names

Needs: pip install torch torchvision onnx onnxruntime onnxscript pillow opencv-python-headless
Weights are random (seed 7), but batch norms have the statistics of the pictures and last layers are scaled so that some
dozens of boxes an image are above the threshold. Detectors of a fixed size are judged on pictures of that size, for
torchvision says nothing of how to resize; classifiers on any, with the weights' transforms().
Printed last:

"""

import argparse
import logging
import sys
import traceback
import warnings
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.models import detection, segmentation
from torchvision.transforms import _presets as presets
from torchvision.transforms import functional as F

import kit

CONF = 0.3
BOXES = 25  # detections an image above the threshold
MEAN, STD = "123.675,116.28,103.53", "58.395,57.12,57.375"


def settle(model, run):
    """Gives every batch norm the statistics of the pictures."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    model.eval()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
        m.train()
    with torch.no_grad():
        run()
    model.eval()


def spread(run, layers, std, target=lambda c: 0.0):
    """Scales layers so that each output has this deviation over the pictures and this mean."""
    kept = {}
    hooks = [m.register_forward_hook(lambda m, i, o, k=k: kept.setdefault(k, []).append(o.detach())) for k, m in enumerate(layers)]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    for k, layer in enumerate(layers):
        flat = [o.movedim(1, 0).flatten(1) if isinstance(layer, nn.Conv2d) else o.flatten(0, -2).T for o in kept[k]]
        values = torch.cat(flat, 1)
        mean, scale = values.mean(1), std / values.std(1).clamp(min=1e-6)
        goal = torch.tensor([target(c) for c in range(len(mean))])
        with torch.no_grad():
            layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.ndim - 1)))
            layer.bias.copy_((layer.bias - mean) * scale + goal)


def level(layers, channels, run):
    """Moves the biases of these channels until about BOXES detections an image are above the threshold."""
    low, high = -20.0, 20.0
    start = [m.bias.detach().clone() for m in layers]
    for _ in range(14):
        middle = (low + high) / 2
        with torch.no_grad():
            for m, b in zip(layers, start):
                m.bias.copy_(b + middle * channels(len(b)))
            found = run()
        count = np.mean([int((f["scores"] > CONF).sum()) for f in found])
        low, high = (middle, high) if count < BOXES else (low, middle)


def all_of(n):
    return torch.ones(n)


def but_background(classes):
    """Lowers the background of each group of classes, so that more of the others are seen."""
    return lambda n: torch.tensor([-1.0 if c % classes == 0 else 0.0 for c in range(n)])


def tensors(paths):
    return [F.to_tensor(Image.open(p).convert("RGB")) for p in paths]


def rcnn(kind, classes, **more):
    """Faster, Mask or Keypoint R-CNN with ResNet-18 and a small head: the graph of the large ones."""
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d)
    small = {"min_size": 160, "max_size": 256, "rpn_pre_nms_top_n_test": 200, "rpn_post_nms_top_n_test": 100,
             "box_head": TwoMLPHead(256 * 49, 64), "box_predictor": FastRCNNPredictor(64, classes)}
    return kind(backbone, **small, **more)


def ready_rcnn(model, images, classes):
    def run():
        return model([i.clone() for i in images])

    settle(model, run)
    spread(run, [model.rpn.head.cls_logits], 2.0)
    spread(run, [model.rpn.head.bbox_pred], 0.4)
    spread(run, [model.roi_heads.box_predictor.bbox_pred], 1.0)
    spread(run, [model.roi_heads.box_predictor.cls_score], 2.0)
    level([model.roi_heads.box_predictor.cls_score], but_background(classes), run)
    if model.roi_heads.has_mask():
        spread(run, [model.roi_heads.mask_predictor.mask_fcn_logits], 2.0, lambda c: 1.0)


def ready_dense(model, images, classes, background=False):
    """RetinaNet, FCOS and SSD."""
    def run():
        return model([i.clone() for i in images])

    settle(model, run)
    head = model.head
    scores, boxes = head.classification_head, head.regression_head
    last = (lambda part, name: [getattr(part, name)]) if hasattr(scores, "cls_logits") else (lambda part, name: [
        m[-1] if isinstance(m, nn.Sequential) else m for m in part.module_list])
    spread(run, last(scores, "cls_logits"), 2.0)
    spread(run, last(boxes, "bbox_reg"), 0.5, (lambda c: 1.0) if hasattr(boxes, "bbox_ctrness") else (lambda c: 0.0))
    level(last(scores, "cls_logits"), but_background(classes) if background else all_of, run)


class TinySsd(nn.Module):
    """Three maps for an SSD of 160 x 160."""

    def __init__(self):
        super().__init__()
        steps = [3, 16, 32, 48, 64, 64]
        self.steps = nn.ModuleList(nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in zip(steps, steps[1:]))
        self.out_channels = [48, 64, 64]

    def forward(self, x):
        found = []
        for step in self.steps:
            x = step(x)
            found.append(x)
        return OrderedDict((str(k), v) for k, v in enumerate(found[2:]))


class Boxes(nn.Module):
    """A detector that takes one picture and gives tensors in the order of its own dict."""

    def __init__(self, model, batched):
        super().__init__()
        self.model, self.batched = model, batched

    def forward(self, image):
        return tuple(self.model([image[0] if self.batched else image])[0].values())


def detectors():
    """name: (model, prepare(model, images), size (width, height) or None where it is open, names of outputs)."""
    from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.models.detection.fcos import FCOS
    from torchvision.models.detection.retinanet import RetinaNet
    from torchvision.models.detection.ssd import SSD

    def fpn():
        return resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d, returned_layers=[2, 3, 4])

    def anchors():
        sizes = tuple((x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in [16, 32, 64, 128])
        return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))

    small = {"min_size": 160, "max_size": 256}
    two = ["boxes", "labels", "scores"]
    three = ["boxes", "scores", "labels"]
    mask = detection.mask_rcnn.MaskRCNN
    points = detection.keypoint_rcnn.KeypointRCNN
    return {
        "fasterrcnn-4": (lambda: rcnn(detection.FasterRCNN, 4), lambda m, i: ready_rcnn(m, i, 4), two),
        "fasterrcnn-91": (lambda: rcnn(detection.FasterRCNN, 91), lambda m, i: ready_rcnn(m, i, 91), two),
        "fasterrcnn-2": (lambda: rcnn(detection.FasterRCNN, 2), lambda m, i: ready_rcnn(m, i, 2), two),
        "fasterrcnn-mobilenet320": (lambda: detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, min_size=160, max_size=256),
                                    lambda m, i: ready_rcnn(m, i, 91), two),
        "retinanet-91": (lambda: RetinaNet(fpn(), 91, anchor_generator=anchors(), **small), lambda m, i: ready_dense(m, i, 91), three),
        "retinanet-4": (lambda: RetinaNet(fpn(), 4, anchor_generator=anchors(), **small), lambda m, i: ready_dense(m, i, 4), three),
        "fcos-4": (lambda: FCOS(fpn(), 4, anchor_generator=AnchorGenerator(((8,), (16,), (32,), (64,)), ((1.0,),) * 4), **small),
                   lambda m, i: ready_dense(m, i, 4), three),
        "ssd-4": (lambda: SSD(TinySsd(), DefaultBoxGenerator([[2], [2, 3], [2]]), (160, 160), 4), lambda m, i: ready_dense(m, i, 4, True), three),
        "ssdlite-91": (lambda: detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None),
                       lambda m, i: ready_dense(m, i, 91, True), three),
        "ssd300-91": (lambda: detection.ssd300_vgg16(weights=None, weights_backbone=None), lambda m, i: ready_dense(m, i, 91, True), three),
        "maskrcnn-4": (lambda: rcnn(mask, 4, mask_predictor=detection.mask_rcnn.MaskRCNNPredictor(256, 16, 4)),
                       lambda m, i: ready_rcnn(m, i, 4), two + ["masks"]),
        "keypointrcnn-2": (lambda: rcnn(points, 2, num_keypoints=None, keypoint_predictor=detection.keypoint_rcnn.KeypointRCNNPredictor(512, 5)),
                           lambda m, i: ready_rcnn(m, i, 2), two + ["keypoints", "keypoints_scores"]),
    }


def outlines(mask):
    contours = cv2.findContours((mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    return sorted((c.reshape(-1, 2).tolist() for c in contours), key=lambda p: -cv2.contourArea(np.array(p, np.float32)))


def found_by(session, names, image):
    """Entries of one picture; `image` is the tensor as torchvision makes it."""
    feed = session.get_inputs()[0]
    values = image.numpy()[None] if len(feed.shape) == 4 else image.numpy()
    got = dict(zip(names, session.run(None, {feed.name: values})))
    found = []
    for k, score in enumerate(got["scores"]):
        if score <= CONF:
            continue
        entry = {"xyxy": got["boxes"][k].tolist(), "conf": float(score), "cls": int(got["labels"][k])}
        if "masks" in got:
            parts = outlines(got["masks"][k, 0])
            entry["parts"], entry["polygon"] = parts, parts[0] if parts else []
        if "keypoints" in got:
            entry["keypoints"] = [[float(x), float(y)] for x, y, _ in got["keypoints"][k]]
            entry["keypoint_logits"] = got["keypoints_scores"][k].tolist()
        found.append(entry)
    return found


def write_detector(name, build, prepare, names, folder, only):
    size = (160, 160) if name.startswith("ssd-4") else (224, 160)
    torch.manual_seed(kit.SEED)
    model = build()
    paths = kit.alike(folder.parent, size)
    images = tensors(paths)
    ways = [("", dict(dynamo=False), False, False), ("-batched", dict(dynamo=False), True, False), ("-open", dict(dynamo=False), False, True),
            ("-dynamo", dict(dynamo=True), True, False), ("-unnamed", dict(dynamo=False), True, False)]
    ready = False
    for suffix, options, batched, free in ways:
        full = name + suffix
        if only and not any(full.startswith(o) for o in only) or suffix in ("-unnamed", "-dynamo") and not name.endswith("-4"):
            continue
        if not ready:
            prepare(model, images)
            ready = True
        target = folder / f"{full}.onnx"
        example = images[0][None] if batched else images[0]
        more = {"output_names": names, "input_names": ["image"]} if suffix != "-unnamed" else {}
        if free:
            more["dynamic_axes"] = {"image": {1: "height", 2: "width"}}
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(Boxes(model, batched).eval(), (example,), str(target), verbose=False, opset_version=18 if options["dynamo"] else 17, **more, **options)
            session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
            judged = kit.pictures(folder.parent, size) if free else paths
            found = {p: found_by(session, names, i) for p, i in zip(judged, tensors(judged))}
            alone = {p: e for p, e in zip(paths, model([i.clone() for i in images]))} if not free else {}
            check(full, alone, found)
            kit.save(folder, full, CONF, "segment" if "masks" in names else "pose" if "keypoints" in names else "detect", found)
            report(full, session, found)
        except Exception as error:
            failed(full, error, only)


def check(name, alone, found):
    """PyTorch's own answer must be the file's."""
    for p, want in alone.items():
        theirs = int((want["scores"] > CONF).sum())
        if abs(theirs - len(found[p])) > 1:
            print(f"{name:34} PyTorch finds {theirs} in {Path(p).name}, the file {len(found[p])}", flush=True)


class Then(nn.Module):
    """A classifier and what comes after it, and maybe before it."""

    def __init__(self, model, after=None, before=None):
        super().__init__()
        self.model, self.after, self.before = model, after, before

    def forward(self, image):
        image = self.before(image) if self.before else image
        scores = self.model(image)
        return self.after(scores) if self.after else scores


class Two(nn.Module):
    """The mean of two models' probabilities."""

    def __init__(self, one, two):
        super().__init__()
        self.one, self.two = one, two

    def forward(self, image):
        return (self.one(image).softmax(1) + self.two(image).softmax(1)) / 2


def by_hand(scores):
    powers = (scores - scores.amax(1, keepdim=True)).exp()
    return powers / powers.sum(1, keepdim=True)


def from_bytes(channels_last):
    def before(image):
        image = image.permute(0, 3, 1, 2) if channels_last else image
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        return (image.float() / 255 - mean) / std
    return before


def grey(image):
    """The preset of a model of one channel."""
    image = F.center_crop(F.resize(image.convert("L"), [256], antialias=True), [224])
    return (F.to_tensor(image) - 0.5) / 0.5


def classifiers():
    """name: (model, transform of a picture, what the file's values are, options for vision-pipe, options of the export)."""
    models = torchvision.models
    usual = models.ResNet18_Weights.IMAGENET1K_V1.transforms()

    def raw(image, channels_last=False):
        image = F.pil_to_tensor(F.center_crop(F.resize(image, [256], antialias=True), [224]))
        return image.permute(1, 2, 0) if channels_last else image

    def net(**more):
        return models.resnet18(weights=None, num_classes=10, **more)

    def one_channel():
        model = net()
        model.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        return model

    whole = presets.ImageClassification(crop_size=224, resize_size=224)
    small = presets.ImageClassification(crop_size=160, resize_size=182)
    head = "--head classify"
    return {
        "resnet18": (net, None, usual, "logits", head, {}),
        "resnet18-whole": (net, None, whole, "logits", head, {}),
        "resnet18-160": (net, None, small, "logits", head, {"size": 160}),
        "resnet18-dynamo": (net, None, usual, "logits", head, {"dynamo": True}),
        "resnet18-dynamo-open": (net, None, usual, "logits", head, {"dynamo": True, "open": True}),
        "resnet18-batch4": (net, None, usual, "logits", head, {"batch": 4}),
        "resnet18-1000": (lambda: models.resnet18(weights=None), None, usual, "logits", head, {}),
        "mobilenet_v3_small": (lambda: models.mobilenet_v3_small(weights=None, num_classes=10), None,
                               models.MobileNet_V3_Small_Weights.IMAGENET1K_V1.transforms(), "logits", head, {}),
        "efficientnet_b0": (lambda: models.efficientnet_b0(weights=None, num_classes=10), None,
                            models.EfficientNet_B0_Weights.IMAGENET1K_V1.transforms(), "logits", head, {}),
        "softmax": (net, lambda s: s.softmax(1), usual, "probabilities", head, {}),
        "softmax-dynamo": (net, lambda s: s.softmax(1), usual, "probabilities", head, {"dynamo": True}),
        "logsoftmax": (net, lambda s: s.log_softmax(1), usual, "logits", head, {}),
        "softmax-clip": (net, lambda s: s.softmax(1).clamp(1e-6, 1 - 1e-6), usual, "probabilities", head, {}),
        "exp-sum-div": (net, by_hand, usual, "probabilities", head, {}),
        "two-softmaxes": (lambda: Two(net(), net()), None, usual, "probabilities", head, {}),
        "sigmoid": (net, lambda s: s.sigmoid(), usual, "probabilities", head, {}),
        "uint8-nhwc": (net, None, lambda i: raw(i, True), "logits", f"{head} --mean 0 --std 1", {"before": from_bytes(True)}),
        "uint8-nchw": (net, None, raw, "logits", f"{head} --mean 0 --std 1", {"before": from_bytes(False)}),
        "uint8-nhwc-softmax": (net, lambda s: s.softmax(1), lambda i: raw(i, True), "probabilities", f"{head} --mean 0 --std 1", {"before": from_bytes(True)}),
        "one-channel": (one_channel, None, grey, "logits", f"{head} --mean 127.5 --std 127.5", {}),
    }


def last_layers(model):
    if isinstance(model, Two):
        return last_layers(model.one) + last_layers(model.two)
    return [[m for m in model.modules() if isinstance(m, nn.Linear)][-1]]


def write_classifier(name, entry, folder, only):
    build, after, transform, values, line, options = entry
    torch.manual_seed(kit.SEED)
    model = build().eval()
    size = options.get("size", 224)
    paths = kit.pictures(folder.parent, (size, size))
    batch = torch.stack([transform(Image.open(p).convert("RGB")) for p in paths])
    normal = options["before"](batch) if "before" in options else batch
    settle(model, lambda: model(normal))
    spread(lambda: model(normal), last_layers(model), 1.5)
    whole = Then(model, after, options.get("before")).eval()
    target = folder / f"{name}.onnx"
    count = options.get("batch", 1)
    more = {}
    if options.get("open"):
        more = {"dynamic_shapes": ({0: torch.export.Dim("batch"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)}
        count = 2
    dynamo = options.get("dynamo", False)
    with torch.no_grad():
        torch.onnx.export(whole, (batch[:count].contiguous(),), str(target), dynamo=dynamo, verbose=False, opset_version=18 if dynamo else 17, **more)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    found = {}
    step = count if options.get("batch") else 1
    for at in range(0, len(paths), step):
        got = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: batch[at:at + step].contiguous().numpy()})[0])
        got = got.softmax(1) if values == "logits" else got
        for p, row in zip(paths[at:at + step], got):
            found[p] = [{"cls": c, "conf": float(row[c])} for c in row.argsort(descending=True)[:5].tolist()]
    line += f" --imgsz {size}" if options.get("open") else ""
    for full, said, may in ((name, line, False), (f"{name}-unsaid", "", True)):
        if full != name:
            copy_of(target, folder / f"{full}.onnx")
        kit.save(folder, full, 0.01, "classify", found, may_refuse=may, options=said)
    report(name, session, found)


def copy_of(path, to):
    """The file under a second name; its weights may lie in a file beside it."""
    onnx.save(onnx.load(str(path)), str(to))


class Map(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image):
        return self.model(image)["out"]


def maps():
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation.fcn import FCN, FCNHead

    def fcn():
        body = torchvision.models.resnet18(weights=None)
        return FCN(IntermediateLayerGetter(body, {"layer4": "out"}), FCNHead(512, 5))

    return {
        "deeplabv3": lambda: segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5),
        "deeplabv3-21": lambda: segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21),
        "lraspp": lambda: segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5),
        "fcn-resnet18": fcn,
    }


def regions(classes):
    found = []
    for c in np.unique(classes[classes != 255]):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((classes == c).astype(np.uint8), connectivity=8)
        for k in range(1, count):
            x, y, w, h, area = (int(v) for v in stats[k])
            if area >= classes.size * 1e-3:
                outline = cv2.findContours((parts == k).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0]
                found.append({"xyxy": [x, y, x + w, y + h], "conf": 1.0, "cls": int(c), "polygon": outline.reshape(-1, 2).tolist(), "area": area})
    return found


def write_map(name, build, folder, only):
    torch.manual_seed(kit.SEED)
    size = (224, 160)
    paths = kit.alike(folder.parent, size)
    model = build().eval()
    batch = torch.stack([F.normalize(t, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]) for t in tensors(paths)])
    settle(model, lambda: model(batch))
    classifier = model.classifier
    last = [classifier.low_classifier, classifier.high_classifier] if hasattr(classifier, "low_classifier") else [classifier[-1]]
    spread(lambda: model(batch), last, 2.0)
    for suffix, dynamo in (("", False), ("-dynamo", True)):
        target = folder / f"{name}{suffix}.onnx"
        with torch.no_grad():
            torch.onnx.export(Map(model).eval(), (batch[:1],), str(target), dynamo=dynamo, verbose=False, opset_version=18)
        session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
        found = {}
        for p, image in zip(paths, batch):
            classes = session.run(None, {session.get_inputs()[0].name: image[None].numpy()})[0][0].argmax(0).astype(np.uint8)
            classes[classes == 0] = 255  # the background
            found[p] = regions(classes)
            Image.fromarray(classes).save(folder / f"{name}{suffix}.{Path(p).stem}.classes.png")
        kit.save(folder, name + suffix, 0.01, "semantic", found, options=f"--head semantic --mean {MEAN} --std {STD}")
        report(name + suffix, session, found)


def report(name, session, found):
    inputs = [(i.name, i.type, i.shape) for i in session.get_inputs()]
    outputs = [(o.name, o.type.replace("tensor", ""), o.shape) for o in session.get_outputs()]
    print(f"{name:26} {inputs} -> {outputs} {[len(v) for v in found.values()]} of {len({e['cls'] for v in found.values() for e in v})} classes", flush=True)


def failed(name, error, only):
    print(f"{name:34} FAILED: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
    if only:
        traceback.print_exc()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", nargs="?", default="exports/torchvision", type=Path)
    options.add_argument("names", nargs="*")
    options = options.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")

    def wanted(name):
        return not options.names or any(name.startswith(n) or n.startswith(name) for n in options.names)

    for name, entry in classifiers().items():
        if wanted(name):
            try:
                write_classifier(name, entry, folder, options.names)
            except Exception as error:
                failed(name, error, options.names)
    for name, build in maps().items():
        if wanted(name):
            try:
                write_map(name, build, folder, options.names)
            except Exception as error:
                failed(name, error, options.names)
    for name, (build, prepare, names) in detectors().items():
        if wanted(name):
            try:
                write_detector(name, build, prepare, names, folder, options.names)
            except Exception as error:
                failed(name, error, options.names)


if __name__ == "__main__":
    sys.exit(main())
