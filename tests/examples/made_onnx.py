# SPDX-License-Identifier: BSL-1.0
"""ONNX models with random weights, for the tests of the importer."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

DRAW = np.random.default_rng(3)


class Made:
    """An ONNX model, node by node."""

    def __init__(self, *sides, opset=17):
        self.sides, self.opset, self.nodes, self.weights, self.count = ["N", *sides], opset, [], [], 0

    def weight(self, *shape, low=None):
        array = DRAW.normal(0, 0.5, shape) if low is None else DRAW.uniform(low, low + 1, shape)
        return self.constant(array.astype(np.float32))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def __call__(self, kind, *inputs, outputs=1, **attributes):
        names = [f"t{self.count + i}" for i in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"node{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, channels, filters, k=3, bias=True, **attributes):
        attributes.setdefault("pads", [k // 2] * 4)
        group = attributes.get("group", 1)
        weights = [self.weight(filters, channels // group, k, k)] + ([self.weight(filters)] if bias else [])
        return self("Conv", x, *weights, **attributes)

    def norm(self, x, channels):
        return self("BatchNormalization", x, self.weight(channels, low=0.5), self.weight(channels), self.weight(channels),
                    self.weight(channels, low=0.5))

    def model(self, *outputs):
        value = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, "made", [value("x", TensorProto.FLOAT, self.sides)],
                                  [value(name, TensorProto.FLOAT, None) for name in outputs], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)


def every_layer():
    """A network of all that the importer knows, whose blocks repeat."""
    m = Made(3, 21, 19, opset=20)
    x = m("LRN", m("Relu", m.norm(m.conv("x", 3, 12, k=5, bias=False, strides=[2, 2]), 12)), size=5, alpha=0.01, bias=2.0)
    x = m("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)  # 11x10 -> 5x5
    for filters in (12, 12, 24):
        body = m("Clip", m.conv(x, 12, filters, k=1), m.constant(np.float32(0)), m.constant(np.float32(6)))
        body = m("HardSwish", m.norm(m.conv(body, filters, filters, group=filters), filters))
        gate = m("Relu", m.conv(m("GlobalAveragePool", body), filters, 4, k=1))
        gate = m("HardSigmoid", m.conv(gate, 4, filters, k=1), alpha=1 / 6)
        x = m("Relu", m("Add", m.conv(m("Mul", body, gate), filters, 12, k=1), x))
    x = m("Add", m.conv(m("Elu", x), 12, 12, dilations=[2, 2], pads=[2, 2, 2, 2]), m("LeakyRelu", m.conv(x, 12, 12, k=1)))
    x = m("Reshape", m.conv(x, 12, 12, k=1, group=3), m.constant(np.int64([0, 3, 4, 5, 5])))
    x = m("Reshape", m("Transpose", x, perm=[0, 2, 1, 3, 4]), m.constant(np.int64([0, 12, 5, 5])))
    kept, branch = m("Split", x, m.constant(np.int64([5, 7])), outputs=2, axis=1)
    x = m("Concat", kept, m("Relu", m.conv(branch, 7, 7, k=1)), axis=1)
    x = m("Transpose", m.conv(x, 12, 12, k=7, group=12), perm=[0, 2, 3, 1])
    x = m("LayerNormalization", x, m.weight(12), m.weight(12), axis=-1, epsilon=1e-6)
    x = m("Gelu", m("Add", m("MatMul", x, m.weight(12, 8)), m.weight(8)))
    x = m("Mul", m("Transpose", x, perm=[0, 3, 1, 2]), m.weight(8, 1, 1))
    up = m("ConvTranspose", x, m.weight(8, 4, 3, 3), m.weight(4), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    bigger = m("Resize", x, "", m.constant(np.float32([1, 1, 2, 2])), mode="linear")
    repeated = m("Resize", x, "", m.constant(np.float32([1, 1, 2, 2])), mode="nearest", nearest_mode="floor",
                 coordinate_transformation_mode="asymmetric")
    x = m("Concat", up, m("Softplus", bigger), m("Tanh", m("Add", repeated, m.constant(np.float32(0.25)))), axis=1)
    x = m("PRelu", m("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
          m.weight(20, 1, 1, low=0))
    x = m("InstanceNormalization", x, m.weight(20), m.weight(20))
    x = m("AveragePool", m("Mul", x, m("Sigmoid", x)), kernel_shape=[2, 3], strides=[1, 2], auto_pad="SAME_LOWER")
    x = m("Selu", m.norm(m("Flatten", x), 300))
    x = m("Gemm", m("Dropout", x), m.weight(24, 300), m.weight(24), transB=1)
    x = m("Reshape", m("Relu", x), m.constant(np.int64([0, 4, 3, 2])))  # a decoder's map
    x = m("Reshape", m("InstanceNormalization", m("Reshape", x, m.constant(np.int64([0, 2, -1]))), m.weight(2), m.weight(2)),
          m.constant(np.int64([0, 4, 3, 2])))
    x = m("Gemm", m("Flatten", m.conv(x, 4, 4)), m.weight(9, 24), m.weight(9), transB=1)
    return m.model(m("LogSoftmax", x))
