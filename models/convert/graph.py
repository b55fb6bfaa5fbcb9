"""What both converters build an ONNX graph with."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes and weights in the order in which they are added; the same calls give the same bytes."""

    def __init__(self, name, inputs):
        self.name = name
        self.inputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()]
        self.width = {k: v[-1] for k, v in inputs.items()}  # of square feature maps
        self.initializers, self.casts, self.nodes, self.count = [], [], [], 0

    def const(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name, array):
        """Halves the file: the Cast is folded away when a runtime loads the model."""
        array = array.astype(np.float32)
        if array.size <= 64:
            return self.const(name, array)
        half = array.astype(np.float16)
        assert np.isfinite(half).all(), name
        self.const(name + "__h", half)
        self.casts.append(
            helper.make_node("Cast", [name + "__h"], [name], to=TensorProto.FLOAT, name="cast_" + name)
        )
        return name

    def op(self, kind, inputs, output=None, name=None, **attributes):
        if output is None:
            output = f"t{self.count}"
            self.count += 1
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def conv(self, x, name, weight, bias, stride, group):
        """A square convolution with TensorFlow's padding SAME."""
        size, kernel = self.width[x], weight.shape[-1]
        out = -(-size // stride)
        pad = max((out - 1) * stride + kernel - size, 0)
        before, after = pad // 2, pad - pad // 2
        y = self.op(
            "Conv",
            [x, self.weight(name + ".w", weight), self.weight(name + ".b", bias)],
            name=name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=group,
        )
        self.width[y] = out
        return y

    def same_size(self, kind, inputs):
        y = self.op(kind, inputs)
        self.width[y] = self.width[inputs[0]]
        return y

    def relu6(self, x):
        return self.same_size("Clip", [x, "zero", "six"])

    def save(self, path, outputs):
        outputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()]
        graph = helper.make_graph(self.casts + self.nodes, self.name, self.inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
