# SPDX-License-Identifier: BSL-1.0
"""onnx_model.py DATA FILE: writes the network with the shared weights as an ONNX model, for ONNX Runtime and OpenVINO."""
import sys

import numpy as np
import onnx
import peer
from onnx import TensorProto, helper, numpy_helper

data = peer.Data(sys.argv[1])
nodes, constants = [], []
at = "images"


def constant(name, values):
    constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def node(kind, inputs, **attributes):
    global at
    output = f"{kind.lower()}_{len(nodes)}"
    nodes.append(helper.make_node(kind, inputs, [output], **attributes))
    at = output


for i, ((kernel, stride, _, _), (w, b)) in enumerate(zip(peer.LAYERS, data.weights)):
    last = i + 1 == len(peer.LAYERS)
    if i < peer.CONVOLUTIONS:
        pad = kernel // 2
        node("Conv", [at, constant(f"w{i}", w.transpose(3, 2, 0, 1)), constant(f"b{i}", b)], kernel_shape=[kernel] * 2,
             strides=[stride] * 2, pads=[pad] * 4)
    else:
        if i == peer.CONVOLUTIONS:
            node("Flatten", [at])
        node("Gemm", [at, constant(f"w{i}", w), constant(f"b{i}", b)])
    if not last:
        node("Relu", [at])
    if i in peer.POOLS:
        node("MaxPool", [at], kernel_shape=[3, 3], strides=[2, 2])

graph = helper.make_graph(nodes, "alexnet", [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])],
                          [helper.make_tensor_value_info(at, TensorProto.FLOAT, ["n", 10])], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, sys.argv[2])
