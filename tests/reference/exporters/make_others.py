"""Exports detectors of packages that are not in the other scripts, or rebuilt where there is no package that installs, and writes what is found.

usage: make_others.py FOLDER PICTURES_FOLDER [NAME...]

FOLDER gets NAME.onnx and NAME.expected.json, PICTURES_FOLDER/pics the pictures. Needs torch, torchvision, onnx, onnxruntime, opencv-python, and the
PyPI packages yolox (pip install --no-deps --no-build-isolation, with loguru, tabulate, thop), yolov6detect (--no-deps, with addict) and effdet.

Real exports of packages: yolox-*, yolov6-*, efficientdet-*; their own preprocessing and reading of outputs judge.
Rebuilt, a small network with the published arithmetic of the head, names of inputs and outputs, preprocessing and reading of outputs:
yolov4-* (pytorch-YOLOv4, Darknet), yolov7-*, yolonas-* (super-gradients), paddle-* (PaddleDetection), nanodet-plus, tf-*
(TensorFlow Object Detection), mmdeploy-* (RTMDet).
"""
import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

import kit

warnings.filterwarnings("ignore")
CONF = 0.3
TRIES = 6
MANY = 250
BGR_MEAN, BGR_STD = [103.53, 116.28, 123.675], [57.375, 57.12, 58.395]
RGB_MEAN, RGB_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


class Body(nn.Module):
    """Features of 32 channels at strides of 8, 16, 32 and more."""

    def __init__(self, levels=3):
        super().__init__()
        block = lambda a, b: nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.SiLU())
        self.first = nn.Sequential(block(3, 16), block(16, 24), block(24, 32))
        self.more = nn.ModuleList([block(32, 32) for _ in range(levels - 1)])

    def forward(self, x):
        found = [self.first(x)]
        for step in self.more:
            found.append(step(found[-1]))
        return found


def grid(feature, offset=0.0):
    h, w = feature.shape[-2:]
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return torch.stack([x, y], -1).float() + offset


class Dense(nn.Module):
    """A class layer and a box layer a stride; "form" says what is put out."""

    def __init__(self, count, sides, bins=1, levels=3):
        super().__init__()
        self.count, self.bins, self.strides = count, bins, [8, 16, 32, 64][:levels]
        self.body = Body(levels)
        self.cls = nn.ModuleList([nn.Conv2d(32, count, 1) for _ in self.strides])
        self.reg = nn.ModuleList([nn.Conv2d(32, 4 * bins, 1) for _ in self.strides])

    def levels(self, x):
        for feature, cls, reg, stride in zip(self.body(x), self.cls, self.reg, self.strides):
            yield cls(feature).flatten(2).transpose(1, 2), reg(feature).flatten(2).transpose(1, 2), grid(feature), stride

    def corners(self, x, offset):
        """Corners in pixels of the input, and scores."""
        boxes, scores = [], []
        for cls, reg, cells, stride in self.levels(x):
            distances = (reg.reshape(1, -1, 4, self.bins).softmax(-1) * torch.arange(self.bins).float()).sum(-1)
            centre = cells.reshape(1, -1, 2) + offset
            boxes.append(torch.cat([centre - distances[..., :2], centre + distances[..., 2:]], -1) * stride)
            scores.append(cls.sigmoid())
        return torch.cat(boxes, 1), torch.cat(scores, 1)

    def targets(self, mean):
        spread = ([-0.5 * i for i in range(self.bins)] * 4, 1.0) if self.bins > 1 else (0.0, 0.7)
        return {**{layer: (mean, 1.4) for layer in self.cls}, **{layer: spread for layer in self.reg}}


class YoloNas(Dense):
    def forward(self, x):
        return self.corners(x, 0.5)


class YoloNasFinished(Dense):
    """super-gradients' export() with its suppression in the graph, here without: the best 1000, scores first."""

    def forward(self, x):
        boxes, scores = self.corners(x.float() / 255, 0.5)
        best, index = scores.flatten(1).topk(1000)
        count = (best > 0.25).sum(1, keepdim=True)
        place = torch.div(index, self.count, rounding_mode="floor")
        return count, boxes.gather(1, place[..., None].repeat(1, 1, 4)), best, index % self.count


class PaddleNms(Dense):
    """PP-YOLOE with post-processing: rows of class, score and corners in pixels of the picture, and how many they are."""

    def forward(self, image, scale_factor):
        boxes, scores = self.corners(image, 0.5)
        best, classes = scores[0].max(-1)
        best, index = best.topk(100)
        scale = torch.stack([scale_factor[0, 1], scale_factor[0, 0]] * 2)
        rows = torch.cat([classes[index][:, None].float(), best[:, None], boxes[0][index] / scale], -1)
        return rows, torch.full((1,), 100, dtype=torch.int32)


class PicoDet(Dense):
    """Scores of four strides, then distributions of four."""

    def forward(self, image):
        scores, boxes = zip(*[(cls.sigmoid(), reg) for cls, reg, _, _ in self.levels(image)])
        return (*scores, *boxes)


class NanoDetPlus(Dense):
    """One table: sigmoid scores and distributions."""

    def forward(self, data):
        return torch.cat([torch.cat([cls.sigmoid(), reg], -1) for cls, reg, _, _ in self.levels(data)], 1)


class TensorFlow(Dense):
    """Bytes in rows of pixels in; corners as fractions, y first, classes from 1."""

    def forward(self, input_tensor):
        x = input_tensor.permute(0, 3, 1, 2).float() / 127.5 - 1
        boxes, scores = self.corners(x, 0.5)
        h, w = x.shape[-2:]
        boxes = (boxes / torch.tensor([w, h, w, h]).float())[..., [1, 0, 3, 2]]
        best, classes = scores.max(-1)
        best, index = best.topk(100)
        return (boxes.gather(1, index[..., None].repeat(1, 1, 4)), classes.gather(1, index).float() + 1, best, torch.full((1,), 100.0))


class MmDeploy(Dense):
    """RTMDet by mmdeploy: "dets" with the score in the last column, and "labels"."""

    def forward(self, x):
        boxes, scores = self.corners(x, 0.0)
        best, classes = scores.max(-1)
        best, index = best.topk(100)
        return torch.cat([boxes.gather(1, index[..., None].repeat(1, 1, 4)), best[..., None]], -1), classes.gather(1, index)


class Anchored(nn.Module):
    """Three anchors a cell, values of box, objectness and classes."""

    def __init__(self, count, form):
        super().__init__()
        self.count, self.form = count, form
        self.body = Body(3)
        self.heads = nn.ModuleList([nn.Conv2d(32, 3 * (5 + count), 1) for _ in range(3)])

    def targets(self, mean):
        values = ([0.0] * 4 + [mean + 2.5] + [-0.5] * self.count) * 3
        return {layer: (values, 1.2) for layer in self.heads}


V7_ANCHORS = [[(12, 16), (19, 36), (40, 28)], [(36, 75), (76, 55), (72, 146)], [(142, 110), (192, 243), (459, 401)]]
V4_ANCHORS = [[(12, 16), (19, 36), (40, 28)], [(36, 75), (76, 55), (72, 146)], [(142, 110), (192, 243), (459, 401)]]


class Yolov7(Anchored):
    """raw: a table a stride. grid: one table, decoded. nms: rows of picture, corners, class, score. four: as for TensorRT's plug-in."""

    def forward(self, images):
        tables, raw = [], []
        for feature, head, anchors, stride in zip(self.body(images), self.heads, V7_ANCHORS, (8, 16, 32)):
            h, w = feature.shape[-2:]
            x = head(feature).view(1, 3, 5 + self.count, h, w).permute(0, 1, 3, 4, 2).contiguous()
            raw.append(x)
            y = x.sigmoid()
            xy = (y[..., 0:2] * 2.0 - 0.5 + grid(feature)) * stride
            wh = (y[..., 2:4] * 2) ** 2 * torch.tensor(anchors).float().view(1, 3, 1, 1, 2)
            tables.append(torch.cat([xy, wh, y[..., 4:]], -1).view(1, -1, 5 + self.count))
        if self.form == "raw":
            return tuple(raw)
        table = torch.cat(tables, 1)
        if self.form == "grid":
            return table
        scores = table[..., 4:5] * table[..., 5:] if self.count > 1 else table[..., 4:5]
        half = table[..., 2:4] / 2
        boxes = torch.cat([table[..., :2] - half, table[..., :2] + half], -1)
        best, classes = scores.max(-1)
        if self.form == "nms":
            keep = torchvision.ops.nms(boxes[0] + classes[0][:, None] * 640, best[0], 0.45)
            keep = keep[best[0][keep] > 0.25]
            picked = torch.cat([torch.zeros_like(best[0][keep])[:, None], boxes[0][keep], classes[0][keep][:, None].float(), best[0][keep][:, None]], -1)
            return picked
        best, index = best.topk(100)
        return ((best > 0.25).sum(1, keepdim=True).int(), boxes.gather(1, index[..., None].repeat(1, 1, 4)), best, classes.gather(1, index).int())


class Yolov4(Anchored):
    """pytorch-YOLOv4 and what it makes of Darknet's files: corners as fractions and products of objectness and class."""

    def forward(self, x):
        boxes, confs = [], []
        side = x.shape[-1]
        for feature, head, anchors, stride, scale in zip(self.body(x), self.heads, V4_ANCHORS, (8, 16, 32), (1.2, 1.1, 1.05)):
            h, w = feature.shape[-2:]
            y = head(feature).reshape(1, 3, 5 + self.count, h * w).transpose(2, 3)
            cells = grid(feature).view(1, 1, -1, 2)
            centre = (y[..., 0:2].sigmoid() * scale - 0.5 * (scale - 1) + cells) / torch.tensor([w, h]).float()
            size = y[..., 2:4].exp() * torch.tensor(anchors).float().view(1, 3, 1, 2) / side
            corner = centre - size * 0.5
            boxes.append(torch.cat([corner, corner + size], -1).reshape(1, -1, 1, 4))
            confs.append((y[..., 5:].sigmoid() * y[..., 4:5].sigmoid()).reshape(1, -1, self.count))
        return torch.cat(boxes, 1), torch.cat(confs, 1)


# Pictures as inputs: each gives the tensor and what turns boxes of the input into boxes of the picture.


def read(path):
    return cv2.imread(str(path))


def stretch(path, size, rgb=True, mean=(0, 0, 0), std=(255, 255, 255), filter=cv2.INTER_LINEAR):
    image = read(path)
    h, w = image.shape[:2]
    values = cv2.resize(image, size, interpolation=filter)
    values = (values[..., ::-1] if rgb else values).astype(np.float32)
    values = (values - np.float32(mean)) / np.float32(std)
    scale = np.float32([w / size[0], h / size[1]] * 2)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32), lambda boxes: boxes * scale


def letterbox(path, size, pad=114, centred=True, rgb=True, mean=(0, 0, 0), std=(255, 255, 255), longest=None, unrounded=False):
    """As YOLOv5 and those after it; longest: the side of the picture where it is less than that of the input.

    unrounded: on the way back the border counts as wide as it would be without rounding, as in YOLOv6 and YOLOv7.
    """
    image = read(path)
    h, w = image.shape[:2]
    ratio = min((longest or size[1]) / h, (longest or size[0]) / w)
    new = int(round(w * ratio)), int(round(h * ratio))
    values = cv2.resize(image, new, interpolation=cv2.INTER_LINEAR) if new != (w, h) else image
    dw, dh = size[0] - new[0], size[1] - new[1]
    left, top = (int(round(dw / 2 - 0.1)), int(round(dh / 2 - 0.1))) if centred else (0, 0)
    values = cv2.copyMakeBorder(values, top, dh - top, left, dw - left, cv2.BORDER_CONSTANT, value=(pad,) * 3)
    values = (values[..., ::-1] if rgb else values).astype(np.float32)
    values = (values - np.float32(mean)) / np.float32(std)
    place = np.float32([(size[0] - w * ratio) / 2, (size[1] - h * ratio) / 2] * 2 if unrounded else [left, top] * 2)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32), lambda boxes: (boxes - place) / ratio


# What is found.


def suppress(boxes, scores, iou, agnostic=False, several=False, **_):
    """Rows whose score is above CONF, after suppression within classes; several: a row may count for more than one class."""
    boxes, scores = torch.as_tensor(boxes), torch.as_tensor(scores)
    if several:
        row, cls = (scores > CONF).nonzero().T
        boxes, best = boxes[row], scores[row, cls]
    else:
        best, cls = scores.max(-1)
        keep = best > CONF
        boxes, best, cls = boxes[keep], best[keep], cls[keep]
    keep = torchvision.ops.batched_nms(boxes, best, torch.zeros_like(cls) if agnostic else cls, iou)
    return boxes[keep].numpy(), best[keep].numpy(), cls[keep].numpy()


def xyxy(table):
    return np.concatenate([table[:, :2] - table[:, 2:4] / 2, table[:, :2] + table[:, 2:4] / 2], 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decode_bins(tables, size, bins, strides, offset):
    """Corners of distributions over bins, all strides."""
    boxes = []
    for table, stride in zip(tables, strides):
        w, h = -(-size[0] // stride), -(-size[1] // stride)
        values = np.exp(table.reshape(-1, 4, bins))
        distances = (values / values.sum(-1, keepdims=True) * np.arange(bins)).sum(-1) * stride
        y, x = np.mgrid[0:h, 0:w].reshape(2, -1)
        centre = (np.stack([x, y], 1) + offset) * stride
        boxes.append(np.concatenate([centre - distances[:, :2], centre + distances[:, 2:]], 1))
    return np.concatenate(boxes).astype(np.float32)


def make(folder, pictures, name, net, size, prepare, read_outputs, inputs, outputs, opset=12, extra=None, dtype=None, mean=-3.5, many=MANY, **more):
    """Tries means and seeds until every picture has boxes.

    net(): the network with targets(mean). prepare(path): tensor and the way back. read_outputs(values, back, path): boxes, scores and classes.
    """
    path, paths = folder / f"{name}.onnx", kit.pictures(pictures, size)
    batch = torch.from_numpy(np.concatenate([prepare(p)[0] for p in paths]))
    seed = kit.SEED
    for _ in range(TRIES):
        torch.manual_seed(seed)
        model = net()
        model.eval()
        run = getattr(model, "calibrate", None) or (lambda values: [head(f) for part in heads(model) for head, f in zip(part, model.body(values))])
        values = batch.permute(0, 3, 1, 2).float() / 127.5 - 1 if dtype == "nhwc" else batch.float() / 255 if dtype == "nchw" else batch
        kit.liven(model, lambda: run(values), model.targets(mean), seed)
        sample = (batch[:1], *(extra or ()))
        with torch.no_grad():
            torch.onnx.export(model, sample, str(path), input_names=inputs, output_names=[f"_{o}" if o.isdigit() else o for o in outputs], opset_version=opset,
                              dynamo=False)
        number(path)
        session = kit.session(path)
        found = {}
        for picture in paths:
            tensor, back = prepare(picture)
            feed = {inputs[0]: tensor}
            if len(inputs) > 1:
                h, w = read(picture).shape[:2]
                feed[inputs[1]] = np.float32([[size[1] / h, size[0] / w]])
            found[picture] = kit.rows(*read_outputs(session.run(None, feed), back, picture))
        counts = [len(boxes) for boxes in found.values()]
        print(f"  {name}: mean {mean}, seed {seed}, boxes {counts}", flush=True)
        if min(counts) >= 4 and max(counts) < many:
            break
        if max(counts) < many:
            mean += 0.7
        else:
            mean, seed = mean - 0.7, seed + 1
    kit.save(folder, name, CONF, "detect", found, **more)


def number(path):
    """Outputs named by numbers, as older versions of PyTorch did: newer ones refuse to write such names."""
    import onnx

    model = onnx.load(str(path))
    for output in model.graph.output:
        if output.name[1:].isdigit():
            for node in model.graph.node:
                node.output[:] = [output.name[1:] if o == output.name else o for o in node.output]
                node.input[:] = [output.name[1:] if i == output.name else i for i in node.input]
            output.name = output.name[1:]
    onnx.save(model, str(path))


def heads(model):
    return [model.heads] if hasattr(model, "heads") else [model.cls, model.reg]


# YOLOX, the package.


def yolox(folder, pictures, name, count, size, decoded):
    from yolox.data.data_augment import preproc
    from yolox.models import YOLOPAFPN, YOLOX, YOLOXHead
    from yolox.models.network_blocks import SiLU
    from yolox.utils import demo_postprocess, multiclass_nms, replace_module

    def net():
        model = YOLOX(YOLOPAFPN(0.33, 0.25, depthwise=True), YOLOXHead(count, 0.25, depthwise=True))
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps = 1e-3
        model.head.initialize_biases(1e-2)
        model = replace_module(model, nn.SiLU, SiLU)
        model.head.decode_in_inference = decoded
        model.targets = lambda mean: {**{layer: (mean, 1.4) for layer in model.head.cls_preds}, **{layer: (-0.5, 1.4) for layer in model.head.obj_preds},
                                      **{layer: ([0.0, 0.0, 1.0, 1.0], 0.6) for layer in model.head.reg_preds}}
        model.calibrate = model.forward
        return model

    def prepare(path):
        tensor, ratio = preproc(read(path), (size[1], size[0]))
        return tensor[None], ratio

    def outputs(values, ratio, _):
        table = values[0] if decoded else demo_postprocess(values[0].copy(), (size[1], size[0]))
        boxes = xyxy(table[0]) / ratio
        found = multiclass_nms(boxes, table[0][:, 4:5] * table[0][:, 5:], nms_thr=0.45, score_thr=CONF)
        return (found[:, :4], found[:, 4], found[:, 5]) if found is not None else ([], [], [])

    make(folder, pictures, name, net, size, prepare, outputs, ["images"], ["output"], opset=11, options="--iou 0.45")


# YOLOv6, the package.


def yolov6(folder, pictures, name, count, size):
    import yolov6 as package
    from yolov6.models.yolo import build_model
    from yolov6.utils.config import Config
    from yolov6.utils.nms import non_max_suppression

    def net():
        config = Config.fromfile(str(Path(package.__file__).parent / "configs" / "yolov6n.py"))
        config.training_mode = "repvgg"
        model = build_model(config, count, torch.device("cpu"))

        class Output(nn.Module):
            """The package's export script leaves the feature maps out."""

            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, images):
                found = self.model(images)
                return found[0] if isinstance(found, (list, tuple)) else found

        detect = model.detect
        whole = Output()
        whole.targets = lambda mean: {**{layer: (mean, 1.4) for layer in detect.cls_preds}, **{layer: (3.0, 0.7) for layer in detect.reg_preds}}
        whole.calibrate = whole.forward
        detect.initialize_biases()
        return whole

    def outputs(values, back, _):
        found = non_max_suppression(torch.from_numpy(values[0].copy()), CONF, 0.45, None, False, max_det=1000)[0].numpy()
        return back(found[:, :4]), found[:, 4], found[:, 5]

    make(folder, pictures, name, net, size, lambda p: letterbox(p, size, unrounded=True), outputs, ["images"], ["outputs"], options="--iou 0.45")


def efficientdet(folder, pictures, name, count, side):
    """Five tables of class logits and five of boxes, nine anchors a cell; the package's own functions judge. Its suppression does not export."""
    import effdet
    from effdet.anchors import Anchors
    from effdet.bench import _batch_detection, _post_process
    from effdet.data.transforms import ResizePad
    from PIL import Image

    config = effdet.get_efficientdet_config("efficientdet_d0")
    config.image_size, config.num_classes = (side, side), count

    def net():
        inner = effdet.EfficientDet(config, pretrained_backbone=False)

        class Output(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = inner

            def forward(self, images):
                classes, boxes = self.inner(images)
                return (*classes, *boxes)

        whole = Output()
        whole.targets = lambda mean: {inner.class_net.predict.conv_pw: (mean, 1.4), inner.box_net.predict.conv_pw: (0.0, 0.3)}
        whole.calibrate = whole.forward
        return whole

    def prepare(path):
        image, notes = ResizePad(side, interpolation="bilinear", fill_color=(124, 116, 104))(Image.open(path).convert("RGB"), {})
        values = (np.asarray(image, np.float32) - np.float32(RGB_MEAN)) / np.float32(RGB_STD)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32), float(notes["img_scale"])

    def outputs(values, scale, _):
        tensors = [torch.from_numpy(v) for v in values]
        found = _post_process(tensors[:5], tensors[5:], num_levels=5, num_classes=count, max_detection_points=5000)
        rows = _batch_detection(1, *found[:2], Anchors.from_config(config).boxes, *found[2:], max_det_per_image=100)[0].numpy()
        rows = rows[rows[:, 4] > CONF]
        return rows[:, :4] * scale, rows[:, 4], rows[:, 5]

    make(folder, pictures, name, net, (side, side), prepare, outputs, ["images"], [f"{kind}_{i}" for kind in ("class", "box") for i in range(5)], opset=13,
         many=101, options="--iou 0.5", may_refuse=True)


# The rebuilt ones.


def yolov4(folder, pictures, name, count, side):
    """Boxes are suppressed within the class that is a row's best, at 0.6."""
    size = side, side

    def outputs(values, _, picture):
        h, w = read(picture).shape[:2]
        boxes, scores, classes = suppress(values[0][0, :, 0], values[1][0], 0.6)
        return boxes * np.float32([w, h, w, h]), scores, classes

    make(folder, pictures, name, lambda: Yolov4(count, None), size, lambda p: stretch(p, size), outputs, ["input"], ["boxes", "confs"], opset=11,
         mean=-4.2, options="--iou 0.6")


def yolov7(folder, pictures, name, count, form):
    size = 160, 160

    def scores(table):
        return table[:, 4:5] * table[:, 5:] if count > 1 else table[:, 4:5]

    def outputs(values, back, _):
        if form == "raw":
            tables = []
            for table, anchors, stride in zip(values, V7_ANCHORS, (8, 16, 32)):
                y = sigmoid(table[0])
                h, w = y.shape[1:3]
                cells = np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1)
                y[..., :2] = (y[..., :2] * 2 - 0.5 + cells) * stride
                y[..., 2:4] = (y[..., 2:4] * 2) ** 2 * np.float32(anchors)[:, None, None]
                tables.append(y.reshape(-1, 5 + count))
            table = np.concatenate(tables)
        elif form == "grid":
            table = values[0][0]
        elif form == "nms":
            rows = values[0][values[0][:, 6] > CONF]
            return back(rows[:, 1:5]), rows[:, 6], rows[:, 5]
        else:
            keep = (np.arange(100) < values[0][0, 0]) & (values[2][0] > CONF)
            return back(values[1][0][keep]), values[2][0][keep], values[3][0][keep]
        boxes, best, classes = suppress(xyxy(table), scores(table), 0.45)
        return back(boxes), best, classes

    names = {"raw": ["output", "503", "522"], "grid": ["output"], "nms": ["output"], "four": ["num_dets", "det_boxes", "det_scores", "det_classes"]}
    make(folder, pictures, name, lambda: Yolov7(count, form), size, lambda p: letterbox(p, size, unrounded=True), outputs, ["images"], names[form],
         mean=-4.9 if form != "four" else -5.6, many=95 if form == "four" else MANY, options="--iou 0.45" if form in ("raw", "grid") else "", may_refuse=form in ("raw", "four"))


def yolonas(folder, pictures, name, count):
    """super-gradients scales the longest side to 636 and puts it in the middle of 640; a row may count for several classes."""
    size = 640, 640

    def outputs(values, back, _):
        boxes, best, classes = suppress(values[0][0], values[1][0], 0.65, several=True)
        return back(boxes), best, classes

    make(folder, pictures, name, lambda: YoloNas(count, size, 17), size, lambda p: letterbox(p, size, longest=636), outputs, ["input.1"], ["904", "913"],
         opset=14, mean=-6.3, options="--iou 0.65", may_refuse=True)


def yolonas_finished(folder, pictures, name, count):
    size = 640, 640

    def prepare(path):
        tensor, back = letterbox(path, size, longest=636, std=(1, 1, 1))
        return tensor.astype(np.uint8), back

    def outputs(values, back, _):
        keep = (np.arange(1000) < values[0][0, 0]) & (values[2][0] > CONF)
        return back(values[1][0][keep]), values[2][0][keep], values[3][0][keep]

    make(folder, pictures, name, lambda: YoloNasFinished(count, size, 17), size, prepare, outputs, ["input"],
         ["graph2_num_predictions", "graph2_pred_boxes", "graph2_pred_scores", "graph2_pred_classes"], opset=14, dtype="nchw", mean=-6.3, may_refuse=True)


def ppyoloe(folder, pictures, name, count):
    size = 160, 160

    def outputs(values, _, __):
        rows = values[0][:values[1][0]]
        rows = rows[rows[:, 1] > CONF]
        return rows[:, 2:], rows[:, 1], rows[:, 0]

    make(folder, pictures, name, lambda: PaddleNms(count, size, 17), size, lambda p: stretch(p, size, mean=RGB_MEAN, std=RGB_STD, filter=cv2.INTER_CUBIC),
         outputs, ["image", "scale_factor"], ["multiclass_nms3_0.tmp_0", "multiclass_nms3_0.tmp_2"], opset=12, extra=(torch.ones(1, 2),), mean=-4.2, many=95, may_refuse=True)


def picodet(folder, pictures, name, count, bins=8):
    size = 160, 160

    def outputs(values, back, _):
        boxes = decode_bins(values[4:], size, bins, (8, 16, 32, 64), 0.5)
        boxes, best, classes = suppress(boxes, np.concatenate([v[0] for v in values[:4]]), 0.5, several=True)
        return back(boxes), best, classes

    make(folder, pictures, name, lambda: PicoDet(count, size, bins, 4), size, lambda p: stretch(p, size, mean=RGB_MEAN, std=RGB_STD, filter=cv2.INTER_CUBIC),
         outputs, ["image"], [f"transpose_{i}.tmp_0" for i in (0, 2, 4, 6, 1, 3, 5, 7)], opset=11, options="--iou 0.5", may_refuse=True)


def nanodet_plus(folder, pictures, name, count, bins=8):
    size = 160, 160

    def outputs(values, back, _):
        table = values[0][0]
        ends = np.cumsum([(-(-size[0] // s)) * (-(-size[1] // s)) for s in (8, 16, 32, 64)])
        boxes = decode_bins(np.split(table[:, count:], ends[:-1]), size, bins, (8, 16, 32, 64), 0.0)
        boxes, best, classes = suppress(boxes, table[:, :count], 0.6, several=True)
        return back(boxes), best, classes

    make(folder, pictures, name, lambda: NanoDetPlus(count, size, bins, 4), size, lambda p: stretch(p, size, rgb=False, mean=BGR_MEAN, std=BGR_STD), outputs,
         ["data"], ["output"], opset=11, options="--iou 0.6")


def tensorflow(folder, pictures, name, count):
    size = 192, 160

    def prepare(path):
        tensor, back = stretch(path, size, std=(1, 1, 1))
        return np.ascontiguousarray(tensor.transpose(0, 2, 3, 1)).astype(np.uint8), back

    def outputs(values, _, picture):
        h, w = read(picture).shape[:2]
        keep = values[2][0] > CONF
        boxes = values[0][0][keep][:, [1, 0, 3, 2]] * np.float32([w, h, w, h])
        return boxes, values[2][0][keep], values[1][0][keep]

    make(folder, pictures, name, lambda: TensorFlow(count, size, 12), size, prepare, outputs, ["input_tensor"],
         ["detection_boxes", "detection_classes", "detection_scores", "num_detections"], opset=13, dtype="nhwc", many=95)


def mmdeploy(folder, pictures, name, count):
    size = 160, 160

    def outputs(values, back, _):
        keep = values[0][0][:, 4] > CONF
        return back(values[0][0][keep][:, :4]), values[0][0][keep][:, 4], values[1][0][keep]

    make(folder, pictures, name, lambda: MmDeploy(count, size, 12), size, lambda p: letterbox(p, size, centred=False, rgb=False, mean=BGR_MEAN, std=BGR_STD),
         outputs, ["input"], ["dets", "labels"], opset=11, many=95, may_refuse=True)


WORK = {
    "yolox-80": lambda *a: yolox(*a, 80, (160, 160), False),
    "yolox-1": lambda *a: yolox(*a, 1, (160, 160), False),
    "yolox-80-decoded": lambda *a: yolox(*a, 80, (160, 160), True),
    "yolox-1-decoded-192": lambda *a: yolox(*a, 1, (192, 192), True),
    "yolox-7-192x160": lambda *a: yolox(*a, 7, (192, 160), False),
    "yolox-7-decoded-192x160": lambda *a: yolox(*a, 7, (192, 160), True),
    "yolov6-80": lambda *a: yolov6(*a, 80, (160, 160)),
    "yolov6-1": lambda *a: yolov6(*a, 1, (160, 160)),
    "yolov6-7-192x160": lambda *a: yolov6(*a, 7, (192, 160)),
    "yolov4-80": lambda *a: yolov4(*a, 80, 160),
    "yolov4-1": lambda *a: yolov4(*a, 1, 192),
    "yolov7-80-grid": lambda *a: yolov7(*a, 80, "grid"),
    "yolov7-1-grid": lambda *a: yolov7(*a, 1, "grid"),
    "yolov7-7-raw": lambda *a: yolov7(*a, 7, "raw"),
    "yolov7-7-nms": lambda *a: yolov7(*a, 7, "nms"),
    "yolov7-7-four": lambda *a: yolov7(*a, 7, "four"),
    "yolonas-80": lambda *a: yolonas(*a, 80),
    "yolonas-7-finished": lambda *a: yolonas_finished(*a, 7),
    "paddle-ppyoloe-7": lambda *a: ppyoloe(*a, 7),
    "paddle-picodet-7": lambda *a: picodet(*a, 7),
    "nanodet-plus-7": lambda *a: nanodet_plus(*a, 7),
    "tf-4": lambda *a: tensorflow(*a, 4),
    "mmdeploy-rtmdet-7": lambda *a: mmdeploy(*a, 7),
    "efficientdet-7": lambda *a: efficientdet(*a, 7, 256),
}


if __name__ == "__main__":
    sys.exit(kit.main(WORK))
