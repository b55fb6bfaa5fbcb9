#!/usr/bin/env python3
"""Makes the tiny ONNX models of this folder and expected.json, what they must give.

A file has the inputs and outputs of one family of models, but nothing is learnt: boxes, classes
and scores are chosen here and written into the outputs the way that family encodes them. So the
right answers are known without running a decoder. Needs numpy and onnx:

    python3 tests/onnx/make.py

expected.json is a list, an entry a file. Boxes are x1, y1, x2, y2 in pixels of a picture that is
as large as the model's input; confidences of 0.25 and more count; the most confident come first.
"""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, external_data_helper, helper, numpy_helper

HERE = Path(__file__).parent
SIZE = 64
IMAGES = ("images", [1, 3, SIZE, SIZE])
NHWC = ("input", [1, SIZE, SIZE, 3])
STRIDES = (8, 16, 32)
LOW = -12.0  # a logit that is surely no
F32, I32, I64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
EXPECTED = []

# Box, class, score and the stride of its cell: three to find, one that non-maximum suppression
# (NMS) removes and families without it keep, two below the threshold.
SPOTS = [
    ([4, 6, 16, 20], 0, 0.9, 8),
    ([30, 4, 58, 24], 2, 0.8, 16),
    ([22, 30, 62, 62], 1, 0.7, 32),
    ([23, 30, 63, 62], 1, 0.6, 16),
    ([2, 40, 14, 56], 0, 0.24, 8),
    ([2, 24, 12, 36], 2, 0.24, 8),
]
QUERIES = [0, 7, 299, 3, 5, 250]  # rows of the six spots where there is no grid
NO_NMS = "no NMS: two boxes of a class overlap and both stay; a box in the last row"
# The same with masks, whose edges lie between cells of the prototypes.
MASK_SPOTS = [
    ([4, 8, 16, 24], 0, 0.9, 8),  # full
    ([32, 4, 56, 24], 2, 0.8, 16),  # the left half
    ([24, 32, 60, 60], 1, 0.7, 32),  # the lower 16 rows
    ([24, 32, 60, 64], 1, 0.6, 16),  # full
    ([4, 40, 16, 56], 0, 0.24, 8),
]
MASK_AREAS = [12 * 16, 12 * 20, 36 * 16, 36 * 32]
MASK_COEFFICIENTS = [{0: 3}, {1: 2}, {2: 2, 31: -1}, {0: 1}, {0: 1}]


class Net:
    """A graph in the making; values are known by their names."""

    def __init__(self, *inputs, kind=F32):
        self.nodes, self.weights, self.outputs = [], [], []
        self.inputs = [helper.make_tensor_value_info(n, kind, shape) for n, shape in inputs]
        self.input = inputs[0][0]

    @cached_property
    def zero(self):
        """Always 0, but made of the input so that no engine may drop that."""
        floats = self.op("Cast", self.input, to=F32)
        return self.op("Mul", self.op("ReduceMean", floats, keepdims=0), self.const(0.0))

    def op(self, kind, *inputs, name=None, **attributes):
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def const(self, values, kind=np.float32):
        name = f"const_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype=kind), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def shaped(self, value, *shape):
        return self.op("Reshape", value, self.ints(*shape))

    def full(self, shape, value=0.0, kind=np.float32):
        value = numpy_helper.from_array(np.array([value], dtype=kind))
        return self.op("ConstantOfShape", self.ints(*shape), value=value)

    def table(self, rows, columns, filled, base=0.0, kind=np.float32):
        """[rows, columns] of `base`, but for the rows in `filled`, a dict of lists."""
        at = self.const([[row] for row in filled], np.int64)
        values = self.const(list(filled.values()), kind)
        return self.op("ScatterND", self.full([rows, columns], base, kind), at, values)

    def plane(self, side, base, boxes=()):
        """[1, 1, side, side] of `base`, with another value added in each of the boxes."""
        plane, span = self.full([1, 1, side, side], base), np.arange(side)
        for (x1, y1, x2, y2), value in boxes:
            column = self.const(((span >= y1) & (span < y2))[:, None] * value)
            row = self.const((span >= x1) & (span < x2))
            plane = self.op("Add", plane, self.op("Mul", column, row))
        return plane

    def output(self, name, value, shape, kind=F32):
        """An output: `value` and the zero, or the node of that name where `value` is None."""
        if value:
            zero = self.zero if kind == F32 else self.op("Cast", self.zero, to=kind)
            self.op("Add", self.shaped(value, *shape), zero, name=name)
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def save(self, file, family, task, detections, note, metadata=None, outside=False, **more):
        """Writes the model, and what is expected of it to the list; all weights to `file`.data
        where `outside`."""
        parts = self.nodes, Path(file).stem, self.inputs, self.outputs, self.weights
        model = helper.make_model(helper.make_graph(*parts), producer_name="make.py",
                                  opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata or {})
        checker.check_model(model, full_check=True)
        if outside:
            (HERE / f"{file}.data").unlink(missing_ok=True)
            external_data_helper.convert_model_to_external_data(
                model, location=f"{file}.data", size_threshold=0, convert_attribute=True)
            model = external_data_helper.write_external_data_tensors(model, str(HERE))
        (HERE / file).write_bytes(model.SerializeToString(deterministic=True))
        EXPECTED.append({"file": file, "family": family, "task": task,
                         "detections": detections, "note": note, **more})


def ultralytics(task="detect", names=("red", "green", "blue"), **more):
    """What Ultralytics' exporter writes beside the graph."""
    names = "{" + ", ".join(f"{i}: '{name}'" for i, name in enumerate(names)) + "}"
    return {"description": "Ultralytics model made by hand", "author": "Ultralytics",
            "stride": "32", "task": task, "batch": "1", "imgsz": "[64, 64]", "names": names, **more}


PERSON = ultralytics("pose", ["person"], kpt_shape="[17, 3]")


def found(spots, shift=0, one_class=False, extra=lambda i, box: {}):
    """The detections for `spots`; `extra` gives further members by place and box."""
    return [{"class_id": 0 if one_class else c + shift, "confidence": score, "bbox": box,
             **extra(i, box)} for i, (box, c, score, _) in enumerate(spots)]


def centred(box):
    x1, y1, x2, y2 = box
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]


def fractions(values):
    return [v / SIZE for v in values]


def logit(p):
    return float(np.log(p / (1 - p)))


def scores(c, score, count=3):
    return [score if i == c else 0.05 for i in range(count)]


def cell_of(box, stride):
    """Column and row of the cell that holds the centre of `box`."""
    return [int(v // stride) for v in centred(box)[:2]]


def start_of(stride):
    """Number of the first cell of a stride, the finer ones coming before."""
    return sum((SIZE // s) ** 2 for s in STRIDES if s < stride)


def row_of(box, stride):
    column, row = cell_of(box, stride)
    return start_of(stride) + row * (SIZE // stride) + column


def flat(lists):
    return [v for values in lists for v in values]


def points_of(box, count, confidence=None):
    """`count` points on the rising diagonal of `box`, with a confidence where one is given."""
    (x1, y1, x2, y2), third = box, [] if confidence is None else [confidence]
    shares = [(k + 1) / (count + 1) for k in range(count)]
    return [[x1 + s * (x2 - x1), y2 - s * (y2 - y1), *third] for s in shares]


def body_of(box):
    return [[x, y, 0.5 + k / 40] for k, (x, y) in enumerate(points_of(box, 17))]


def with_body(i, box):
    return {"keypoints": body_of(box)}


def with_mask(i, box):
    return {"mask_area": MASK_AREAS[i]}


def yolov5():
    net, filled = Net(IMAGES), {}
    for anchor, (box, c, score, stride) in zip([0, 1, 2, 0, 1, 2], SPOTS):
        column, row = cell_of(box, stride)
        side = SIZE // stride
        at = 3 * start_of(stride) + (anchor * side + row) * side + column
        filled[at] = centred(box) + [0.96] + scores(c, score / 0.96)
    net.output("output0", net.table(252, 8, filled), [1, 252, 8])
    net.save("yolov5.onnx", "yolov5", "detect", found(SPOTS[:3]), "score = objectness x class; NMS")


def yolov8_net(filled, channels=7):
    """One output [1, channels, 84], a column a cell."""
    net = Net(IMAGES)
    columns = net.op("Transpose", net.table(84, channels, filled), perm=[1, 0])
    net.output("output0", columns, [1, channels, 84])
    return net


def yolov8():
    filled = {row_of(b, s): centred(b) + scores(c, score) for b, c, score, s in SPOTS}
    yolov8_net(filled).save("yolov8.onnx", "yolov8", "detect", found(SPOTS[:3]), "NMS", ultralytics())


def yolov8_half():
    """The input and the output are 16-bit floats, as exporters make them for GPUs."""
    net = Net(IMAGES, kind=TensorProto.FLOAT16)
    cells = {row_of(box, s): centred(box) + scores(c, p) for box, c, p, s in SPOTS}
    table = net.table(84, 7, cells)
    values = net.op("Add", net.op("Transpose", table, perm=[1, 0]), net.zero)
    net.op("Cast", net.shaped(values, 1, 7, 84), to=TensorProto.FLOAT16, name="output0")
    net.output("output0", None, [1, 7, 84], TensorProto.FLOAT16)
    net.save("yolov8-half.onnx", "yolov8", "detect", found(SPOTS[:3]), "16-bit floats",
             metadata=ultralytics())


def yolov8_weights():
    filled = {row_of(b, s): centred(b) + scores(c, score) for b, c, score, s in SPOTS}
    yolov8_net(filled).save("yolov8-weights.onnx", "yolov8", "detect", found(SPOTS[:3]),
                            "all weights in a file beside it; NMS", ultralytics(), outside=True)


def yolov8_pose():
    filled = {row_of(b, s): centred(b) + [score] + flat(body_of(b)) for b, _, score, s in SPOTS}
    detections = found(SPOTS[:3], one_class=True, extra=with_body)
    net = yolov8_net(filled, 56)
    net.save("yolov8-pose.onnx", "yolov8-pose", "pose", detections, "NMS", PERSON)


def coefficients(i):
    return [MASK_COEFFICIENTS[i].get(k, 0) for k in range(32)]


def prototypes(net):
    """0 is 1 all over, 1 is for the left of x = 44, 2 for below y = 44, 31 the reverse of 2."""
    side = SIZE // 4
    lower = (0, 11, side, side)
    planes = [net.plane(side, 1), net.plane(side, -1, [((0, 0, 11, side), 2)]),
              net.plane(side, -1, [(lower, 2)]), net.full([1, 28, side, side]),
              net.plane(side, 1, [(lower, -2)])]
    net.output("output1", net.op("Concat", *planes, axis=1), [1, 32, side, side])


def yolov8_seg():
    net = yolov8_net({row_of(box, stride): centred(box) + scores(c, score) + coefficients(i)
                      for i, (box, c, score, stride) in enumerate(MASK_SPOTS)}, 39)
    prototypes(net)
    net.save("yolov8-seg.onnx", "yolov8-seg", "segment", found(MASK_SPOTS[:3], extra=with_mask),
             "NMS; masks: the whole box, its left half, its lower 16 of 28 rows",
             ultralytics("segment"))


# Centre, size and angle of an oriented box, its class and score, and whether NMS by ProbIoU above
# 0.7 keeps it. The seventh covers the eighth and that the ninth, which so goes too, as Ultralytics'
# fast NMS has it; the third and the fourth cross, and their upright boxes are the same.
ORIENTED = [
    ((16, 16, 20, 6, 0.5), 0, 0.9, True),
    ((16.5, 16.2, 20, 6.5, 0.55), 0, 0.85, False),
    ((44, 20, 30, 4, np.pi / 4), 1, 0.8, True),
    ((44, 20, 30, 4, -np.pi / 4), 1, 0.75, True),
    ((20, 48, 8, 24, 2.0), 2, 0.7, True),  # the height is the longer side
    ((60, 54, 16, 6, 0.3), 2, 0.65, True),  # reaches out of the picture
    ((44, 44, 16, 8, 0.0), 0, 0.6, True),
    ((46.5, 44, 16, 8, 0.0), 0, 0.55, False),
    ((49, 44, 16, 8, 0.0), 0, 0.5, False),
    ((32, 32, 9, 5, 1.0), 0, 0.24, False),
]


def probiou(one, other):
    """1 less the Hellinger distance of two normal distributions (arXiv 2106.06072)."""
    def gaussian(x, y, w, h, angle):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.array([x, y]), turn @ np.diag([w * w / 12, h * h / 12]) @ turn.T
    (m1, s1), (m2, s2) = gaussian(*one), gaussian(*other)
    mean, apart = (s1 + s2) / 2, m1 - m2
    dets = np.linalg.det(mean) / np.sqrt(np.linalg.det(s1) * np.linalg.det(s2))
    distance = apart @ np.linalg.inv(mean) @ apart / 8 + np.log(dets) / 2
    return 1 - np.sqrt(max(0.0, 1 - np.exp(-distance)))


def turned(shape):
    """Upright box within the picture, corners and direction of an oriented box."""
    x, y, w, h, angle = shape
    corners = [complex(x, y) + complex(a * w / 2, b * h / 2) * np.exp(1j * angle)
               for a, b in [(-1, -1), (1, -1), (1, 1), (-1, 1)]]
    xs, ys = [c.real for c in corners], [c.imag for c in corners]
    bbox = [float(np.clip(v, 0, SIZE)) for v in (min(xs), min(ys), max(xs), max(ys))]
    along = np.degrees(angle + (np.pi / 2 if h > w else 0)) % 180
    return {"bbox": bbox, "corners": [[c.real, c.imag] for c in corners],
            "rotation_deg": float(along)}


def obb():
    kept = [not any(probiou(better, shape) > 0.7 and c == of
                    for better, of, _, _ in ORIENTED[:i]) and score > 0.25
            for i, (shape, c, score, _) in enumerate(ORIENTED)]
    assert kept == [keep for *_, keep in ORIENTED], kept
    detections = [{"class_id": c, "confidence": score, **turned(shape)}
                  for shape, c, score, _ in ORIENTED]
    rows = {5 + 8 * i: [*shape[:4], *scores(c, score), shape[4]]
            for i, (shape, c, score, _) in enumerate(ORIENTED)}
    yolov8_net(rows, 8).save("yolov8-obb.onnx", "yolov8-obb", "obb",
                             [d for d, keep in zip(detections, kept) if keep],
                             "NMS by ProbIoU, with what is suppressed too", ultralytics("obb"))
    net = Net(IMAGES)
    rows = {5 + 8 * i: [*shape[:4], score, c, shape[4]]
            for i, (shape, c, score, _) in enumerate(ORIENTED)}
    net.output("output0", net.table(300, 7, rows), [1, 300, 7])
    net.save("yolo26-obb.onnx", "yolov10-obb", "obb", detections[:-1], "no NMS: all stay",
             ultralytics("obb"))
    net = Net(IMAGES)  # around the brightest pixel
    column = net.op("Concat", *brightest(net, 1), net.const([12, 4, 0, 0.9, 0, 2.5]), axis=0)
    net.op("Concat", net.full([1, 8, 83]), net.shaped(column, 1, 8, 1), axis=2, name="output0")
    net.output("output0", None, [1, 8, 84])
    one = {"class_id": 1, "confidence": 0.9, **turned((40.5, 20.5, 12, 4, 2.5))}
    net.save("seek-obb.onnx", "yolov8-obb", "obb", [one], "a 12x4 box around the brightest pixel, "
             "here for black with one white_pixel [x, y]", ultralytics("obb"), white_pixel=[40, 20])


def end_to_end_net(spots, columns, tail):
    """Rows x1, y1, x2, y2, score, class and a tail by place and box."""
    net = Net(IMAGES)
    filled = {row: [*box, score, c, *tail(i, box)]
              for i, (row, (box, c, score, _)) in enumerate(zip(QUERIES, spots))}
    net.output("output0", net.table(300, columns, filled), [1, 300, columns])
    return net


def end_to_end():
    net = end_to_end_net(SPOTS, 6, lambda i, box: [])
    net.save("yolov10.onnx", "yolov10", "detect", found(SPOTS[:4]), NO_NMS, ultralytics())
    people = [(box, 0, score, stride) for box, _, score, stride in SPOTS]
    net = end_to_end_net(people, 57, lambda i, box: flat(body_of(box)))
    detections = found(people[:4], extra=with_body)
    net.save("yolo26-pose.onnx", "yolo26-pose", "pose", detections, NO_NMS, PERSON)
    net = end_to_end_net(MASK_SPOTS, 38, lambda i, box: coefficients(i))
    prototypes(net)
    detections = found(MASK_SPOTS[:4], extra=with_mask)
    net.save("yolo26-seg.onnx", "yolo26-seg", "segment", detections, NO_NMS, ultralytics("segment"))


def rtdetr_ultralytics():
    net = Net(IMAGES)
    filled = {row: fractions(centred(box)) + scores(c, score)
              for row, (box, c, score, _) in zip(QUERIES, SPOTS)}
    net.output("output0", net.table(300, 7, filled), [1, 300, 7])
    net.save("rtdetr-ultralytics.onnx", "rtdetr-ultralytics", "detect", found(SPOTS[:4]),
             "centre and size as fractions; " + NO_NMS, ultralytics())


def rtdetr_net(make):
    """`make` gives labels, boxes as fractions [300, 4], and scores."""
    net = Net(IMAGES)
    net.inputs.append(helper.make_tensor_value_info("orig_target_sizes", I64, [1, 2]))
    labels, boxes, confidences = make(net)
    sizes = net.op("Tile", net.op("Cast", "orig_target_sizes", to=F32), net.ints(1, 2))
    net.op("Mul", net.shaped(boxes, 1, 300, 4), net.shaped(sizes, 1, 1, 4), name="boxes")
    net.output("labels", labels, [1, 300], I64)
    net.output("boxes", None, [1, 300, 4])
    net.output("scores", confidences, [1, 300])
    return net


def rtdetr():
    at = list(zip(QUERIES, SPOTS))
    net = rtdetr_net(lambda net: (
        net.table(300, 1, {row: [c] for row, (_, c, _, _) in at}, 0, np.int64),
        net.table(300, 4, {row: fractions(box) for row, (box, _, _, _) in at}),
        net.table(300, 1, {row: [score] for row, (_, _, score, _) in at})))
    net.save("rtdetr.onnx", "rtdetr", "detect", found(SPOTS[:4]),
             "in pixels for orig_target_sizes [[64, 64]] (width, height); " + NO_NMS)


def detr_net(entry, names, classes, rows):
    """Boxes as fractions and logits; `rows` are the query, box and {class: score}."""
    net = Net(entry)
    boxes = {q: fractions(centred(box)) for q, box, _ in rows}
    logits = {q: [logit(of[c]) if c in of else LOW for c in range(classes)] for q, _, of in rows}
    tables = {"boxes": (net.table(300, 4, boxes), [1, 300, 4]),
              "logits": (net.table(300, classes, logits, LOW), [1, 300, classes])}
    for name, what in names.items():
        net.output(name, *tables[what])
    return net


def rfdetr():
    spots = [(box, [1, 90, 18][c], score, stride) for box, c, score, stride in SPOTS]
    rows = [(q, box, {c: score}) for q, (box, c, score, _) in zip(QUERIES, spots)]
    net = detr_net(("input", IMAGES[1]), {"dets": "boxes", "labels": "logits"}, 91, rows)
    net.save("rfdetr.onnx", "rfdetr", "detect", found(spots[:4]),
             "sigmoid; the column is the class; " + NO_NMS)


def side_bins(distances):
    """Eight logits a side whose softmax has its mean at a whole or half distance."""
    return [50.0 if k in (np.floor(d), np.ceil(d)) else 0.0 for d in distances for k in range(8)]


def by_stride(strides, half, cells):
    """Rows of scores and bins by stride, and their spots.

    A cell is its stride, column, row, four distances in strides, class and score.
    """
    rows, spots = {s: {} for s in strides}, []
    for stride, column, row, distances, c, score in cells:
        cx, cy = (column + half) * stride, (row + half) * stride
        left, top, right, bottom = [d * stride for d in distances]
        spots.append(([cx - left, cy - top, cx + right, cy + bottom], c, score, stride))
        rows[stride][row * (SIZE // stride) + column] = (scores(c, score), side_bins(distances))
    return rows, spots


def nanodet():
    net = Net(IMAGES)
    rows, spots = by_stride(STRIDES, 0.5, [
        (8, 1, 1, [1, 1, 2, 1], 0, 0.9),
        (16, 3, 1, [1, 1, 0, 1], 2, 0.8),
        (32, 1, 1, [0.5, 0, 0.5, 0.5], 1, 0.7),
        (16, 2, 3, [0.5, 0.5, 1.5, 0.5], 1, 0.6),
        (8, 0, 6, [0, 1, 1, 1], 0, 0.24),
    ])
    for name, part, columns in (("cls_pred_stride", 0, 3), ("dis_pred_stride", 1, 32)):
        for stride, filled in rows.items():
            count = (SIZE // stride) ** 2
            table = net.table(count, columns, {at: both[part] for at, both in filled.items()})
            net.output(f"{name}_{stride}", table, [1, count, columns])
    net.save("nanodet.onnx", "nanodet", "detect", found(spots[:3]),
             "from the middle of a cell; a half stride is an even split of two bins; NMS")


def nanodet_plus():
    net = Net(IMAGES)
    rows, spots = by_stride((*STRIDES, 64), 0, [
        (8, 6, 2, [1, 1, 1, 2], 0, 0.9),
        (16, 1, 3, [0.5, 0.5, 1, 0.5], 2, 0.8),
        (64, 0, 0, [0, 0, 0.5, 0.5], 1, 0.7),
        (32, 0, 0, [0, 0, 1, 1], 1, 0.6),
        (8, 7, 7, [1, 1, 1, 1], 0, 0.24),
    ])
    values = np.zeros((85, 35))
    for s in rows:
        for at, both in rows[s].items():
            values[start_of(s) + at] = flat(both)
    chances = np.clip(values[:, :3], 1e-6, 1 - 1e-6)
    grid_output(net, [sigmoid(net, chances), linear(net, values[:, 3:])], "output")
    net.output("output", None, [1, 85, 35])
    net.save("nanodet-plus.onnx", "nanodet-plus", "detect", found(spots[:3]),
             "four strides, from the corner of a cell; NMS")


def ssd():
    net, at = Net(IMAGES), list(zip([0, 57, 119, 118, 10, 60], SPOTS))
    filled = {row: [0.0] + scores(c, score, 4) for row, (_, c, score, _) in at}
    boxes = {row: fractions([y1, x1, y2, x2]) for row, ((x1, y1, x2, y2), _, _, _) in at}
    net.output("Postprocessor/scores", net.table(120, 5, filled), [1, 120, 5])
    net.output("Postprocessor/boxes", net.table(120, 4, boxes), [1, 120, 1, 4])
    net.save("ssd.onnx", "ssd", "detect", found(SPOTS[:3], shift=1),
             "y before x; the column is the class, column 0 is always 0; NMS")
    net, order = Net(IMAGES), [SPOTS[i] for i in (0, 4, 1, 3, 2)]
    net.output("boxes", net.const([box for box, _, _, _ in order]), [5, 4])
    net.output("labels", net.ints(*[c + 1 for _, c, _, _ in order]), [5], I64)
    net.output("scores", net.const([score for _, _, score, _ in order]), [5])
    net.save("ssd-post.onnx", "torchvision", "detect", found(SPOTS[:4], shift=1),
             "the label is the class; rows are not sorted; " + NO_NMS)


def blazeface():
    # Cells a side, anchors a cell, and the column, row and anchor of each face.
    near, far = (16, 2), (8, 6)
    anchors = [(near, 2, 3, 1), (far, 5, 1, 0), (far, 7, 7, 5), (far, 5, 5, 2), (near, 2, 12, 0)]
    net, logits, numbers = Net(NHWC), {near: {}, far: {}}, {near: {}, far: {}}
    for (level, column, row, k), (box, _, score, _) in zip(anchors, SPOTS):
        side, each = level
        ax, ay = (column + 0.5) * SIZE / side, (row + 0.5) * SIZE / side
        (cx, cy, w, h), at = centred(box), (row * side + column) * each + k
        points = flat([x - ax, y - ay] for x, y in points_of(box, 6))
        logits[level][at], numbers[level][at] = [logit(score)], [cx - ax, cy - ay, w, h, *points]
    outputs = ("classificator", 1, LOW, logits), ("regressor", 16, 0, numbers)
    for name, columns, base, rows in outputs:
        for i, (side, each) in enumerate((near, far)):
            table = net.table(side * side * each, columns, rows[side, each], base)
            net.output(f"{name}_{i + 1}", table, [1, side * side * each, columns])
    save_faces(net, "blazeface", SPOTS[:3], 6, "NMS")


def save_faces(net, family, spots, count, note):
    with_points = lambda i, box: {"keypoints": points_of(box, count, 1.0)}
    net.save(f"{family}.onnx", family, "face", found(spots, one_class=True, extra=with_points),
             note + "; points have no confidence of their own, 1 here")


def centerface():
    # As SPOTS, but the third is in the last cell, and the fifth the fourth's duplicate.
    spots = [*SPOTS[:2], ([59, 58, 63, 64], 0, 0.75, 4), ([25, 30, 61, 57], 0, 0.7, 4),
             ([26, 30, 62, 57], 0, 0.6, 4), SPOTS[4]]
    net, side, rows, first = Net(("input", [10, 3, 32, 32])), SIZE // 4, {}, 0
    for box, _, score, _ in spots:
        (cx, cy, w, h), (column, row) = centred(box), cell_of(box, 4)
        marks = flat([(y - box[1]) / h, (x - box[0]) / w] for x, y in points_of(box, 5))
        rows[row * side + column] = [score, np.log(h / 4), np.log(w / 4), cy / 4 - row - 0.5,
                                     cx / 4 - column - 0.5, *marks]
    # The maps are cut to a quarter of the input, so that the declared size works too.
    grey = net.op("ReduceMean", net.input, axes=[1])
    pooled = net.op("AveragePool", grey, kernel_shape=[4, 4], strides=[4, 4])
    nothing = net.op("Mul", pooled, net.const(0.0))
    ends = net.op("Slice", net.op("Shape", pooled), net.ints(2), net.ints(4))
    for name, channels in (("537", 1), ("538", 2), ("539", 2), ("540", 10)):
        part = {at: values[first:first + channels] for at, values in rows.items()}
        table = net.op("Transpose", net.table(side * side, channels, part), perm=[1, 0])
        whole = net.shaped(table, 1, channels, side, side)
        cut = net.op("Slice", whole, net.ints(0, 0), ends, net.ints(2, 3))
        net.op("Add", cut, nothing, name=name)
        net.output(name, None, [10, channels, 8, 8])
        first += channels
    save_faces(net, "centerface", spots[:4], 5,
               "declares 10 pictures of 32x32: run it with [1, 3, 64, 64]; NMS")


def classify():
    chances = [0.06, 0.5, 0.1, 0.3, 0.04]
    ranked = sorted(enumerate(chances), key=lambda pair: -pair[1])
    detections = [{"class_id": c, "confidence": p} for c, p in ranked]
    metadata = ultralytics("classify", ["red", "green", "blue", "black", "white"])
    net = Net(IMAGES)
    net.op("Softmax", net.op("Add", net.const([np.log(chances) + 5]), net.zero), name="output0")
    net.output("output0", None, [1, 5])
    net.save("classify-softmax.onnx", "classify", "classify", detections,
             "ends in a Softmax", metadata)
    net = Net(IMAGES)
    net.output("output0", net.const([np.log(chances) + 5]), [1, 5])
    net.save("classify-logits.onnx", "classify", "classify", detections,
             "logits: the softmax is the reader's", metadata)


def movenet():
    points = [[10 + 2.5 * k, 58 - 3 * k, 0.1 if k % 8 == 0 else 0.4 + k / 50] for k in range(17)]
    net, sure = Net(NHWC, kind=I32), np.array([p[:2] for p in points if p[2] >= 0.25])
    table = net.const([[y / SIZE, x / SIZE, score] for x, y, score in points])
    net.output("output_0", table, [1, 1, 17, 3])
    one = {"class_id": 0, "confidence": float(np.mean([score for _, _, score in points])),
           "bbox": [*sure.min(0).tolist(), *sure.max(0).tolist()], "keypoints": points}
    net.save("movenet.onnx", "movenet", "pose", [one], "int32 input; one person; the box holds the "
             "points of 0.25 and more, the confidence is the mean of all 17")


def semantic():
    big, small, note = [36, 30, 60, 56], [6, 8, 26, 20], "a detection a region, box = its bounds"
    regions = [{"class_id": 0, "confidence": 0.95, "bbox": big, "mask_area": 24 * 26},
               {"class_id": 0, "confidence": 0.9, "bbox": small, "mask_area": 20 * 12}]
    net = Net(NHWC)
    plane = net.plane(SIZE, LOW, [(big, logit(0.95) - LOW), (small, logit(0.9) - LOW)])
    plane = net.op("Add", net.shaped(plane, 1, SIZE, SIZE, 1), net.zero)
    net.op("Sigmoid", plane, name="output")
    net.output("output", None, [1, SIZE, SIZE, 1])
    net.save("semantic.onnx", "semantic", "semantic", regions, note + "; class 0 is the only one")
    net, sure = Net(IMAGES), lambda p: logit(p) + np.log(3)  # against three zeros
    planes = [net.plane(SIZE, 8, [(big, -8), (small, -8)]), net.plane(SIZE, 0, [(big, sure(0.95))]),
              net.plane(SIZE, 0), net.plane(SIZE, 0, [(small, sure(0.9))])]
    net.output("output", net.op("Concat", *planes, axis=1), [1, 4, SIZE, SIZE])
    regions = [{**region, "class_id": c} for region, c in zip(regions, (1, 3))]
    net.save("semantic-classes.onnx", "semantic", "semantic", regions,
             note + "; logits, class 0 is the background; confidence = softmax")


def yolov8_dynamic():
    net = Net(("images", ["batch", 3, "height", "width"]))
    grey, levels = net.op("ReduceMean", net.input, axes=[1]), []
    for s in STRIDES:
        pooled = net.op("MaxPool", grey, kernel_shape=[s, s], strides=[s, s])
        levels.append(net.shaped(pooled, 0, 1, -1))
    joined = net.op("Concat", *levels, axis=2)
    count = net.op("Slice", net.op("Shape", joined), net.ints(2), net.ints(3))
    blank = net.op("Expand", net.const([[0.0]]), net.op("Concat", count, net.ints(7), axis=0))
    last = net.shaped(net.op("Sub", count, net.ints(1)), 1, 1)
    at = net.op("Concat", net.const([[i] for i in range(5)], np.int64), last, axis=0)
    order = [SPOTS[i] for i in (0, 1, 3, 4, 5, 2)]
    rows = net.const([centred(box) + scores(c, score) for box, c, score, _ in order])
    columns = net.op("Transpose", net.op("ScatterND", blank, at, rows), perm=[1, 0])
    nothing = net.op("Sub", joined, joined)
    net.op("Add", nothing, net.shaped(columns, 1, 7, -1), name="output0")
    net.output("output0", None, ["batch", 7, "anchors"])
    net.save("yolov8-dynamic.onnx", "yolov8", "detect", found(SPOTS[:3]), "open sides; NMS; the "
             "same boxes, in pixels of the input, whatever its size", ultralytics(dynamic="True"))


def yolov8_hard():
    save = lambda name, filled, detections, note: yolov8_net(filled).save(
        f"yolov8-{name}.onnx", "yolov8", "detect", detections, note, ultralytics())
    low = {row_of(b, s): centred(b) + scores(c, 0.24) for b, c, _, s in SPOTS}
    save("empty", low, [], "nothing reaches 0.25")
    nan, inf = float("nan"), float("inf")
    bad = [[nan] * 4 + [0.95, 0, 0], [10, nan, 8, 8, 0.94, 0, 0], [inf, 10, 8, 8, 0, 0.93, 0],
           [10, 10, inf, inf, 0, 0.92, 0], [40, 50, 8, 8, nan, 0, 0], [50, 50, 8, 8, 0, inf, 0],
           [50, 40, 8, 8, -inf, 0, 0], [20, 20, 0, 0, 0.91, 0, 0], [30, 30, -8, -8, 0.89, 0, 0],
           [30, 50, 8, 0, 0.88, 0, 0]]
    filled = {2 * i: row for i, row in enumerate(bad)}
    filled |= {row_of(b, s): centred(b) + scores(c, score) for b, c, score, s in SPOTS[1:3]}
    save("nan", filled, found(SPOTS[1:3]),
         "rows with NaN, infinity and boxes without area are not reported")
    ties = [([4, 4, 14, 12], 1), ([30, 4, 50, 24], 0), ([31, 4, 51, 24], 0), ([4, 30, 20, 40], 2),
            ([40, 40, 60, 60], 1), ([10, 48, 30, 60], 0)]
    filled = {3 + 16 * i: centred(box) + scores(c, 0.5) for i, (box, c) in enumerate(ties)}
    kept = [(box, c, 0.5, 8) for i, (box, c) in enumerate(ties) if i != 2]
    save("ties", filled, found(kept), "equal scores: in the order of the rows, and of two that "
         "overlap the first stays")


def yolov8_30000():
    net, count, across = Net(("images", [1, 3, 1280, 1280])), 33600, 200
    number = net.op("Range", *[net.const(v, np.int64) for v in (0, count, 1)])

    def line(whole, factor, plus):
        scaled = net.op("Mul", net.op("Cast", whole, to=F32), net.const(factor))
        return net.shaped(net.op("Add", scaled, net.const(plus)), 1, 1, count)

    x, y = [line(net.op(kind, number, net.ints(across)), 6, 4) for kind in ("Mod", "Div")]
    four, none, falling = net.full([1, 2, count], 4), net.full([1, 2, count]), (-2e-5, 0.95)
    columns = net.op("Concat", x, y, four, line(number, *falling), none, axis=1)
    net.output("output0", columns, [1, 7, count])
    ends = []
    for i in (0, 299):
        x1, y1 = 6 * (i % across) + 2, 6 * (i // across) + 2
        ends.append(([x1, y1, x1 + 4, y1 + 4], 0, 0.95 - 2e-5 * i, 8))
    first, last = found(ends)
    net.save("yolov8-30000.onnx", "yolov8", "detect",
             {"count": 300, "first": first, "last": last}, "33600 boxes above the threshold, none "
             "overlapping; in pixels of the 1280x1280 input", ultralytics(imgsz="[1280, 1280]"))


def no_tract():
    """The rows are stored upside down; ReverseSequence, which tract lacks, turns them."""
    net = Net(IMAGES)
    filled = {83 - row_of(b, s): centred(b) + scores(c, score) for b, c, score, s in SPOTS}
    table = net.op("Add", net.shaped(net.table(84, 7, filled), 84, 1, 7), net.zero)
    turned = net.op("ReverseSequence", table, net.ints(84), batch_axis=1, time_axis=0)
    net.op("Transpose", turned, perm=[1, 2, 0], name="output0")
    net.output("output0", None, [1, 7, 84])
    net.save("no-tract.onnx", "yolov8", "detect", found(SPOTS[:3]),
             "runs in ONNX Runtime only; NMS", ultralytics())


def brightest(net, channels, factor=1.0, plus=0.0):
    """Centre of the brightest pixel, x and y of shape [1], each times `factor` and `plus` added."""
    grey = net.op("ReduceMean", net.input, axes=[channels])
    place = net.op("ArgMax", net.shaped(grey, 1, SIZE * SIZE), axis=1, keepdims=0)
    whole = [net.op(kind, place, net.ints(SIZE)) for kind in ("Mod", "Div")]
    scaled = [net.op("Mul", net.op("Cast", v, to=F32), net.const(factor)) for v in whole]
    return [net.op("Add", v, net.const(factor / 2 + plus)) for v in scaled]


def save_seeker(net, file, family, task="detect", c=1, metadata=None, **more):
    one = {"class_id": c, "confidence": 0.9, "bbox": [37.5, 17.5, 43.5, 23.5], **more}
    net.save(file, family, task, [one], "a 6x6 box around the brightest pixel, here for black with "
             "one white_pixel [x, y]", metadata, white_pixel=[40, 20])


def seekers():
    net = Net(IMAGES)
    column = net.op("Concat", *brightest(net, 1), net.const([6, 6, 0, 0.9, 0]), axis=0)
    net.op("Concat", net.full([1, 7, 83]), net.shaped(column, 1, 7, 1), axis=2, name="output0")
    net.output("output0", None, [1, 7, 84])
    save_seeker(net, "seek-yolov8.onnx", "yolov8", metadata=ultralytics())

    net = Net(IMAGES)  # in the last row, whose cell is (1, 1) of stride 32
    row = net.op("Concat", *brightest(net, 1, 1 / 32, -1), net.const(np.log([6 / 32] * 2)), axis=0)
    last = net.const(np.eye(84)[None, :, 83:])
    boxes = net.op("MatMul", last, net.shaped(row, 1, 1, 4))
    sure, chances = np.full((84, 1), 1e-6), np.full((84, 3), 1e-6)
    sure[83], chances[83, 1] = 0.9, 1 - 1e-6
    grid_output(net, [boxes, sigmoid(net, sure), sigmoid(net, chances)], "output")
    net.output("output", None, [1, 84, 8])
    save_seeker(net, "seek-yolox.onnx", "yolox")

    def outputs(net):
        corners = [v for by in (-3, 3) for v in brightest(net, 1, 1 / SIZE, by / SIZE)]
        row = net.shaped(net.op("Concat", *corners, axis=0), 1, 4)
        boxes = net.op("Concat", row, net.full([299, 4]), axis=0)
        return net.full([300, 1], 1, np.int64), boxes, net.table(300, 1, {0: [0.9]})
    save_seeker(rtdetr_net(outputs), "seek-rtdetr.onnx", "rtdetr")

    net = Net(NHWC)  # of the last anchor, centred on (60, 60)
    net.output("classificator_1", net.full([1, 512, 1], LOW), [1, 512, 1])
    net.output("classificator_2", net.table(384, 1, {383: [logit(0.9)]}, LOW), [1, 384, 1])
    net.output("regressor_1", net.full([1, 512, 16]), [1, 512, 16])
    shift = brightest(net, 3, 1, -60)
    row = net.shaped(net.op("Concat", *shift, net.const([6, 6]), *shift * 6, axis=0), 1, 1, 16)
    net.op("Concat", net.full([1, 383, 16]), row, axis=1, name="regressor_2")
    net.output("regressor_2", None, [1, 384, 16])
    points = [[40.5, 20.5, 1.0]] * 6
    save_seeker(net, "seek-nhwc.onnx", "blazeface", "face", 0, keypoints=points)


def seek(net, channels, picture=None, batch=1):
    """Boxes of YOLOv8 around the brightest pixel, scored 0.9 where its level is 255."""
    floats = net.op("Cast", picture or net.input, to=F32)
    grey = net.op("ReduceMean", floats, axes=[channels], keepdims=0)
    flat = net.shaped(grey, batch, -1)
    place = net.op("ArgMax", flat, axis=1, keepdims=1)
    whole = [net.op("Cast", net.op(k, place, net.ints(SIZE)), to=F32) for k in ("Mod", "Div")]
    centre = [net.op("Add", v, net.const(0.5)) for v in whole]
    score = net.op("Mul", net.op("ReduceMax", flat, axes=[1], keepdims=1), net.const(0.9 / 255))
    zeros = net.full([batch, 1])
    column = net.op("Concat", *centre, net.full([batch, 2], 6), zeros, score, zeros, axis=1)
    rows = net.shaped(column, batch, 7, 1)
    net.op("Concat", net.full([batch, 7, 83]), rows, axis=2, name="output0")
    net.output("output0", None, [batch, 7, 84])


def inputs():
    """Other kinds of inputs; all find the brightest pixel, and its level of 0 to 255."""
    kinds = {"u8": ([1, 3, SIZE, SIZE], 1, TensorProto.UINT8),
             "u8-last": ([1, SIZE, SIZE, 3], 3, TensorProto.UINT8),
             "i32": ([1, 3, SIZE, SIZE], 1, I32),
             "grey-u8": ([1, 1, SIZE, SIZE], 1, TensorProto.UINT8),
             "grey-last": ([1, SIZE, SIZE, 1], 3, TensorProto.UINT8),
             "chw": ([3, SIZE, SIZE], 0, TensorProto.UINT8),
             "hwc": ([SIZE, SIZE, 3], 2, TensorProto.UINT8),
             "double": ([1, 3, SIZE, SIZE], 1, TensorProto.DOUBLE)}
    for name, (shape, channels, kind) in kinds.items():
        net = Net(("images", shape), kind=kind)
        picture = None
        if name == "double":  # floats are 0 to 1
            picture = net.op("Mul", net.op("Cast", net.input, to=F32), net.const(255.0))
        seek(net, channels, picture)
        save_seeker(net, f"seek-{name}.onnx", "yolov8", metadata=ultralytics())

    # Four at once. Where one is fed, this one goes wrong without an error: [4, 7, 84] again.
    net = Net(("images", [4, 3, SIZE, SIZE]))
    seek(net, 1, net.op("Mul", net.input, net.const(255.0)), batch=4)
    save_seeker(net, "seek-batch4.onnx", "yolov8", metadata=ultralytics(batch="4"))


def types():
    """Outputs of many types, [0, 1, 3] each; of no family."""
    net = Net(IMAGES)
    values = net.op("Add", net.const([0.0, 1.0, 3.0]), net.zero)
    for name in ("FLOAT16", "DOUBLE", "INT8", "UINT8", "INT32", "INT64", "BOOL"):
        kind = TensorProto.DataType.Value(name)
        net.output(net.op("Cast", values, to=kind, name=name.lower()), None, [3], kind)
    net.save("types.onnx", None, None, [], None)
    EXPECTED.pop()


# Rows as real heads give them: one in every cell or query, most of them unlikely, and computed by
# the operators that exporters write. Only such models can be told from others of their shapes.

LOW_SCORE = 0.02


def cells():
    """Column, row and stride of each row of a grid model."""
    return [(i % (SIZE // s), i // (SIZE // s), s) for s in STRIDES for i in range((SIZE // s) ** 2)]


def cell_boxes():
    """A box around each cell, of different sizes."""
    boxes = []
    for k, (column, row, s) in enumerate(cells()):
        cx, cy, w, h = (column + 0.5) * s, (row + 0.5) * s, s * (0.8 + k % 5 / 5), s * (0.7 + k % 7 / 7)
        boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    return boxes


def grid_rows(classes=3, spots=None):
    """Boxes [84, 4] and scores [84, classes] with the spots in their cells."""
    boxes, chances = np.array(cell_boxes()), np.full((84, classes), LOW_SCORE)
    for box, c, score, stride in spots or SPOTS:
        boxes[row_of(box, stride)] = box
        chances[row_of(box, stride)] = 0.05
        chances[row_of(box, stride), c] = score
    return boxes, chances


def query_rows(count=300, classes=3):
    """Boxes and scores of queries anywhere, with the spots in the rows QUERIES."""
    k = np.arange(count)
    cx, cy, w, h = 4 + k * 37 % 57, 5 + k * 23 % 55, 3 + k % 5, 2.5 + k % 6
    boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    chances = LOW_SCORE / (1 + k[:, None] % 9 + np.arange(classes))
    for row, (box, c, score, _) in zip(QUERIES, SPOTS):
        boxes[row], chances[row] = box, 0.05
        if c < classes:
            chances[row, c] = score
    return boxes, chances


def middles(boxes):
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


def strides():
    return np.array([[s] for _, _, s in cells()], dtype=float)


def linear(net, values, prefix=""):
    """[1, rows, columns] as a last layer gives it: a matrix product and its bias."""
    rows, columns = values.shape
    zeros = net.op("Mul", net.const(np.zeros((1, rows, 1))), net.zero)
    product = net.op("MatMul", zeros, net.const(np.ones((1, columns))), name=prefix and f"{prefix}/MatMul")
    return net.op("Add", product, net.const(values))


def sigmoid(net, chances, prefix=""):
    return net.op("Sigmoid", linear(net, np.log(chances / (1 - chances)), prefix))


def grid_output(net, parts, name, turned=False):
    """The parts side by side, [1, rows, columns] or turned."""
    joined = net.op("Concat", *parts, axis=2, name=None if turned else name)
    if turned:
        net.op("Transpose", joined, perm=[0, 2, 1], name=name)
    return joined


def decoded(net, values):
    """Whole boxes: multiplied by the strides last."""
    return net.op("Mul", linear(net, values / strides()), net.const(strides()))


def bare_yolov8():
    """Shapes that several families share, without notes: told apart by operators and values."""
    boxes, chances = grid_rows()
    twins = (("yolov8-bare", "yolov8", middles(boxes), True), ("yolov8-turned", "yolov8", middles(boxes), False),
             ("yolov8-corners", "yolov8-corners", boxes, True))
    for file, family, values, turned in twins:
        net = Net(IMAGES)
        grid_output(net, [decoded(net, values), sigmoid(net, chances)], "output0", turned)
        net.output("output0", None, [1, 7, 84] if turned else [1, 84, 7])
        net.save(f"{file}.onnx", family, "detect", found(SPOTS[:3]), "NMS; without notes")
    net = Net(IMAGES)
    logits = np.log(chances / (1 - chances))
    grid_output(net, [decoded(net, middles(boxes)), linear(net, logits)], "output0", True)
    net.output("output0", None, [1, 7, 84])
    net.save("yolov8-logits.onnx", "yolov8", "detect", found(SPOTS[:3]), "cut before its sigmoid",
             ultralytics())


def eights():
    """Three families of [1, 84, 8]: offsets, whole boxes with an objectness, one that is always 1."""
    boxes, chances = grid_rows()
    at = np.array([[column, row] for column, row, _ in cells()])
    middle = middles(boxes)
    raw = np.concatenate([middle[:, :2] / strides() - at, np.log(middle[:, 2:] / strides())], 1)
    sure = np.full((84, 1), 0.96)
    net = Net(IMAGES)
    grid_output(net, [linear(net, raw), sigmoid(net, sure), sigmoid(net, chances / 0.96)], "output")
    net.output("output", None, [1, 84, 8])
    net.save("yolox.onnx", "yolox", "detect", found(SPOTS[:3]), "raw offsets; score = objectness x class; NMS")
    net = Net(IMAGES)
    parts = [decoded(net, middle), sigmoid(net, sure, "head/obj_preds.0"), sigmoid(net, chances / 0.96)]
    grid_output(net, parts, "output")
    net.output("output", None, [1, 84, 8])
    net.save("yolox-decoded.onnx", "yolox-decoded", "detect", found(SPOTS[:3]),
             "--decode_in_inference: whole boxes")
    net = Net(IMAGES)
    grid_output(net, [decoded(net, middle), net.const(np.ones((1, 84, 1))), sigmoid(net, chances)], "outputs")
    net.output("outputs", None, [1, 84, 8])
    net.save("yolov6.onnx", "yolov6", "detect", found(SPOTS[:3]), "objectness of 1")


def ranked(chances):
    return np.stack([chances.max(1), chances.argmax(1).astype(float)], 1)


def sixes():
    """Three families of [1, 300, 6]: corners in pixels, fractions with a class, two scores."""
    boxes, chances = query_rows()
    kept = found(SPOTS[:4])
    both = lambda values: np.concatenate([values, ranked(chances)], 1)
    rows = {"yolov10-bare": ("yolov10", both(boxes), kept),
            "rtdetr-bare": ("rtdetr-ultralytics", both(middles(boxes) / SIZE), kept)}
    boxes, chances = query_rows(classes=2)
    two = [detection for detection in found(SPOTS[:4]) if detection["class_id"] < 2]
    rows["rtdetr-two"] = ("rtdetr-ultralytics-8.3", np.concatenate([middles(boxes) / SIZE, chances], 1), two)
    for file, (family, values, expected) in rows.items():
        net = Net(IMAGES)
        net.output("output0", net.const(values), [1, 300, 6])
        net.save(f"{file}.onnx", family, "detect", expected, NO_NMS + "; without notes")


def transformers():
    """Two families of logits and pred_boxes: a sigmoid each, or a softmax with no object last. The
    names of their layers tell them apart."""
    boxes, chances = query_rows()
    logits = np.log(chances / (1 - chances))
    # For a softmax over three classes and no object, whose logit is 0.
    rest = np.clip(1 - chances.sum(1, keepdims=True), 1e-6, 1)
    twice = logits.copy()
    twice[QUERIES[1], 0] = logit(0.5)  # above the threshold in two classes, and both count
    second = {"class_id": 0, "confidence": 0.5, "bbox": SPOTS[1][0]}
    kinds = {"detr-hf": ("detr-logits", "model/enc_score_head", twice),
             "detr-softmax": ("detr-softmax", "class_labels_classifier", np.concatenate([np.log(chances / rest), np.zeros((300, 1))], 1))}
    for file, (family, layer, values) in kinds.items():
        net = Net(("pixel_values", [1, 3, SIZE, SIZE]))
        net.output("logits", linear(net, values, layer), [1, 300, values.shape[1]])
        net.output("pred_boxes", net.const(middles(boxes) / SIZE), [1, 300, 4])
        more = [second] if file == "detr-hf" else []
        net.save(f"{file}.onnx", family, "detect", found(SPOTS[:4]) + more, NO_NMS)


def fractions_and_confidences():
    """YOLOv4 of PyTorch has SSD's shapes, the left edge first."""
    net, at = Net(IMAGES), list(zip([0, 57, 119, 118, 10, 60], SPOTS))
    boxes = {row: fractions(box) for row, (box, _, _, _) in at}
    net.output("boxes", net.table(120, 4, boxes), [1, 120, 1, 4])
    net.output("confs", net.table(120, 3, {row: scores(c, score) for row, (_, c, score, _) in at}), [1, 120, 3])
    net.save("yolov4.onnx", "yolov4", "detect", found(SPOTS[:3]), "corners as fractions; NMS")


def rfdetr_more():
    """Half precision, a slot of no object after three classes, and masks."""
    boxes, chances = query_rows()
    logits = np.log(chances / (1 - chances))
    slot = np.full((300, 1), 3.0)  # untrained: it must never be a class
    for file, kind in (("rfdetr-half", TensorProto.FLOAT16), ("rfdetr-seg", F32)):
        net = Net(("input", [1, 3, SIZE, SIZE]))
        values = {"dets": middles(boxes) / SIZE, "labels": np.concatenate([logits, slot], 1)}
        if file == "rfdetr-seg":
            masks = np.full((300, 16, 16), -4.0)
            for row, (box, *_ ) in zip(QUERIES, SPOTS):
                x1, y1, x2, y2 = [round(v / 4) for v in box]
                masks[row, y1:y2, x1:x2] = 4
            values["masks"] = masks
        for name, value in values.items():
            whole = net.op("Add", net.const(value[None]), net.zero)
            net.op("Cast", whole, to=kind, name=name)
            net.output(name, None, [1, *value.shape], kind)
        expected = found(SPOTS[:4])
        if file == "rfdetr-seg":
            for detection, (box, *_ ) in zip(expected, SPOTS):
                x1, y1, x2, y2 = [round(v / 4) * 4 for v in box]
                detection["mask_area"] = (x2 - x1) * (y2 - y1)
        net.save(f"{file}.onnx", "rfdetr", "segment" if file == "rfdetr-seg" else "detect", expected,
                 NO_NMS + "; the last column is no object")


def probabilities():
    """Classifiers whose values are probabilities, though no softmax ends them."""
    chances = np.array([[0.06, 0.5, 0.1, 0.3, 0.04]])
    ranked = [{"class_id": int(c), "confidence": float(chances[0, c])} for c in np.argsort(-chances[0])]
    metadata = ultralytics("classify", ["red", "green", "blue", "black", "white"])

    def logits(net):
        return net.op("Add", net.const(np.log(chances) + 5), net.zero)

    def clip(net):
        return net.op("Clip", net.op("Softmax", logits(net)), net.const(0.0), net.const(1.0), name="output0")

    def ratio(net):
        powers = net.op("Exp", logits(net))
        return net.op("Div", powers, net.op("ReduceSum", powers, net.ints(1)), name="output0")

    def mean(net):
        both = [net.op("Softmax", logits(net)) for _ in range(2)]
        return net.op("Mul", net.op("Add", *both), net.const(0.5), name="output0")

    def each(net):
        odds = np.log(chances / (1 - chances))
        return net.op("Sigmoid", net.op("Add", net.const(odds), net.zero), name="output0")

    for name, tail in (("clip", clip), ("ratio", ratio), ("mean", mean), ("sigmoid", each)):
        net = Net(IMAGES)
        tail(net)
        net.output("output0", None, [1, 5])
        net.save(f"classify-{name}.onnx", "classify", "classify", ranked, "probabilities", metadata)


def keypoint_rcnn():
    """torchvision's Keypoint R-CNN: the third value of a keypoint is always 1."""
    net = Net(IMAGES)
    net.output("boxes", net.const([box for box, *_ in SPOTS]), [6, 4])
    net.output("labels", net.ints(*[1] * 6), [6], I64)
    net.output("scores", net.const([score for *_, score, _ in SPOTS]), [6])
    net.output("keypoints", net.const([points_of(box, 17, 1.0) for box, *_ in SPOTS]), [6, 17, 3])
    net.output("keypoints_scores", net.full([6, 17], 8.0), [6, 17])
    points = lambda i, box: {"keypoints": points_of(box, 17)}
    expected = [{**d, "class_id": 1} for d in found(SPOTS[:4], extra=points)]
    net.save("ssd-post-pose.onnx", "torchvision", "pose", expected, "the label is the class; " + NO_NMS)


def picodet():
    net = Net(("image", [1, 3, SIZE, SIZE]))
    rows, spots = by_stride((*STRIDES, 64), 0.5, [
        (8, 1, 1, [1, 1, 2, 1], 0, 0.9),
        (16, 3, 1, [1, 1, 0, 1], 2, 0.8),
        (32, 1, 1, [0.5, 0, 0.5, 0.5], 1, 0.7),
        (16, 2, 3, [0.5, 0.5, 1.5, 0.5], 1, 0.6),
        (64, 0, 0, [0.5, 0.5, 0, 0], 0, 0.5),
        (8, 0, 6, [0, 1, 1, 1], 0, 0.24),
    ])
    for part, columns in ((0, 3), (1, 32)):
        for stride, filled in rows.items():
            count = (SIZE // stride) ** 2
            table = net.table(count, columns, {at: both[part] for at, both in filled.items()})
            net.output(f"transpose_{part}_{stride}", table, [1, count, columns])
    net.save("picodet.onnx", "picodet", "detect", found([*spots[:3], spots[4]]),
             "four strides, from the middle of a cell; NMS")


def anchors(stride):
    """Width and height of the nine anchors of a cell of EfficientDet."""
    sides = [(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)]
    return [[4 * stride * 2 ** (k / 3) * side for side in pair] for k in range(3) for pair in sides]


def efficientdet():
    """The anchor of each spot is another one."""
    net = Net(IMAGES)
    strides = (8, 16, 32, 64, 128)
    maps = {s: (-(-SIZE // s), {}, {}) for s in strides}
    for i, (box, c, score, stride) in enumerate(SPOTS):
        side, logits, offsets = maps[stride]
        (cx, cy, w, h), (column, row) = centred(box), cell_of(box, stride)
        k = (4 * i + 1) % 9
        wide, high = anchors(stride)[k]
        at = row * side + column
        values = [(cy - (row + 0.5) * stride) / high, (cx - (column + 0.5) * stride) / wide, np.log(h / high), np.log(w / wide)]
        logits.setdefault(at, [LOW] * 27)[3 * k:3 * k + 3] = [logit(p) for p in scores(c, score)]
        offsets.setdefault(at, [0.0] * 36)[4 * k:4 * k + 4] = values
    for part, (kind, channels, base) in enumerate((("class", 27, LOW), ("box", 36, 0.0))):
        for i, s in enumerate(strides):
            side, filled = maps[s][0], maps[s][part + 1]
            table = net.table(side * side, channels, filled, base) if filled else net.full([side * side, channels], base)
            turned = net.op("Transpose", table, perm=[1, 0])
            net.output(f"{kind}_{i}", turned, [1, channels, side, side])
    net.save("efficientdet.onnx", "efficientdet", "detect", found(SPOTS[:3], shift=1),
             "nine anchors a cell, y before x; logits; classes from 1; NMS")
    rows = [[0, y1, x1, y2, x2, score, c + 1] for (x1, y1, x2, y2), c, score, _ in SPOTS]
    net = Net(("image_arrays", [1, SIZE, SIZE, 3]), kind=TensorProto.UINT8)
    net.output("detections", net.const(rows), [1, 6, 7])
    net.save("efficientdet-automl.onnx", "efficientdet-automl", "detect", found(SPOTS[:4], shift=1),
             "y before x, classes from 1; " + NO_NMS)


def centernet():
    """Heat around a centre that is no centre of its own."""
    side, heat = SIZE // 4, np.full((3, SIZE // 4, SIZE // 4), 0.01)
    sizes, offsets = np.zeros((2, side, side)), np.zeros((2, side, side))
    for box, c, score, _ in SPOTS[:3] + SPOTS[4:]:
        (cx, cy, w, h), (column, row) = centred(box), cell_of(box, 4)
        around = heat[c, max(row - 1, 0):row + 2, max(column - 1, 0):column + 2]
        np.maximum(around, score * 0.8, out=around)
        heat[c, row, column] = score
        sizes[:, row, column] = w / 4, h / 4
        offsets[:, row, column] = cx / 4 - column, cy / 4 - row
    net = Net(IMAGES)
    odds = np.log(heat / (1 - heat))
    net.output("hm", net.const(odds), [1, 3, side, side])
    net.output("wh", net.const(sizes), [1, 2, side, side])
    net.output("reg", net.const(offsets), [1, 2, side, side])
    net.save("centernet.onnx", "centernet", "detect", found(SPOTS[:3]), "peaks of logits; no NMS")


def suppressed():
    """Outputs behind a suppression: PaddleDetection, MMDeploy, YOLO-NAS in both its forms."""
    boxes, kept = [box for box, *_ in SPOTS], found(SPOTS[:4])
    classes, chances = [c for _, c, *_ in SPOTS], [score for *_, score, _ in SPOTS]
    net = Net(("image", [1, 3, SIZE, SIZE]), ("scale_factor", [1, 2]))
    rows = [[c, score, *box] for box, c, score, _ in SPOTS]
    table = net.op("Div", net.const(rows), net.op("Concat", net.const([[1.0, 1.0]]), "scale_factor", "scale_factor", axis=1))
    net.output("multiclass_nms3_0.tmp_0", table, [6, 6])
    net.output("multiclass_nms3_0.tmp_2", net.ints(6), [1], I64)
    net.save("paddle.onnx", "paddle", "detect", kept, "class, score, corners; " + NO_NMS)
    net = Net(("input", [1, 3, SIZE, SIZE]))
    net.output("dets", net.const([[*box, score] for box, _, score, _ in SPOTS]), [1, 6, 5])
    net.output("labels", net.ints(*classes), [1, 6], I64)
    net.save("mmdeploy.onnx", "mmdeploy", "detect", kept, NO_NMS)
    byte = Net(("input", [1, 3, SIZE, SIZE]), kind=TensorProto.UINT8)
    byte.output("graph2_num_predictions", byte.ints(6), [1, 1], I64)
    byte.output("graph2_pred_boxes", byte.const(boxes), [1, 6, 4])
    byte.output("graph2_pred_scores", byte.const(chances), [1, 6])
    byte.output("graph2_pred_classes", byte.ints(*classes), [1, 6], I64)
    byte.save("nms-outputs.onnx", "nms-outputs", "detect", kept, NO_NMS)
    # Twins: class before score, and score before class.
    for file, name, order in (("yolonas-nms", "graph2_flat_predictions", (4, 5)), ("yolov7-nms", "output", (5, 4))):
        net = Net(("input", [1, 3, SIZE, SIZE]), kind=TensorProto.UINT8 if file == "yolonas-nms" else F32)
        values = [[0, *box, *[[*box, score, c][k] for k in order]] for box, c, score, _ in SPOTS]
        if file == "yolonas-nms":
            net.output(name, net.const(values), [6, 7])
        else:
            # A suppression that drops nothing, as the family has one.
            kept_rows = net.op("NonMaxSuppression", net.op("Add", net.const([boxes]), net.zero), net.op("Add", net.const([[chances]]), net.zero), net.ints(10), net.const([1.0]), net.const([0.0]))
            at = net.op("Gather", kept_rows, net.ints(2), axis=1)
            kept_values = net.op("Gather", net.const(values), net.op("Squeeze", at, net.ints(1)), axis=0)
            net.op("Add", kept_values, net.zero, name=name)
            net.output(name, None, ["n", 7])
        net.save(f"{file}.onnx", file, "detect", kept, NO_NMS)


def eight_bits():
    """Products of bytes whose sums by twos do not fit in 16 bits: cut off there, all classes are alike."""
    net = Net(IMAGES)
    one = net.op("Add", net.const(np.ones((1, 64))), net.zero)
    scale, weight_scale = net.const(1 / 255), net.const(5 / (64 * 127))
    zero = net.const(0, np.uint8)
    values = net.op("DequantizeLinear", net.op("QuantizeLinear", one, scale, zero), scale, zero)
    levels = np.tile([127, 120, 100], (64, 1))
    weights = net.op("DequantizeLinear", net.const(levels, np.int8), weight_scale, net.const(0, np.int8))
    net.op("Softmax", net.op("MatMul", values, weights), name="output0")
    net.output("output0", None, [1, 3])
    powers = np.exp(5 * levels[0] / 127)
    ranked = [{"class_id": c, "confidence": float(p)} for c, p in enumerate(powers / powers.sum())]
    net.save("classify-int8.onnx", "classify", "classify", ranked, "8-bit operators", ultralytics("classify"))


def impossible():
    """The only row that scores enough has a score of 1.5; not enough rows to doubt the family."""
    box, c, _, stride = SPOTS[0]
    net = yolov8_net({row_of(box, stride): centred(box) + scores(c, 1.5)})
    net.save("yolov8-impossible.onnx", None, None, [], None, ultralytics())
    EXPECTED.pop()


def main():
    for make in (yolov5, yolov8, yolov8_half, yolov8_weights, yolov8_pose, yolov8_seg, obb, end_to_end,
                 rtdetr_ultralytics, bare_yolov8, eights, sixes, transformers,
                 fractions_and_confidences, rfdetr_more, probabilities,
                 rtdetr, rfdetr, nanodet, nanodet_plus, ssd, blazeface, centerface, classify, movenet,
                 semantic, yolov8_dynamic, yolov8_hard, yolov8_30000, no_tract, seekers, inputs,
                 types, keypoint_rcnn, picodet, efficientdet, centernet, suppressed, eight_bits,
                 impossible):
        make()
    lines = ",\n".join(json.dumps(entry, allow_nan=False) for entry in EXPECTED)
    (HERE / "expected.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
