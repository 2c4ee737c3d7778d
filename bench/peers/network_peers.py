# SPDX-License-Identifier: BSL-1.0
"""Predictions of the networks that networks.cpp wrote, by ONNX Runtime, OpenVINO or PyTorch (eager or compiled):
    network_peers.py PEER NAME --data DIR --batches 1,32 --threads 2 --seconds 2
Prints lines as peer.py does; the first, `check`, has the largest difference to strata's logits, divided by the largest of
them."""
import argparse

import numpy as np

import peer


def images(count, shape):
    """sin(i), as networks.cpp has them, (N,H,W,C), in the order (N,C,H,W)."""
    channels, height, width = shape
    numbers = np.sin(np.arange(count * channels * height * width, dtype=np.float64)).astype(np.float32)
    return np.ascontiguousarray(numbers.reshape(count, height, width, channels).transpose(0, 3, 1, 2))


def onnxruntime(o):
    import onnxruntime as rt
    options = rt.SessionOptions()
    options.intra_op_num_threads = o.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = rt.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = rt.InferenceSession(o.file, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    return rt.__version__, entry.shape[1:], lambda batch: lambda x: session.run(None, {entry.name: x})[0]


def openvino(o):
    import openvino as ov
    core = ov.Core()
    model = core.read_model(o.file)
    shape = [d.get_length() for d in list(model.inputs[0].partial_shape)[1:]]
    settings = {"INFERENCE_NUM_THREADS": o.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32"}

    def make(batch):
        model.reshape([batch, *shape])
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        return lambda x: request.infer([x], share_inputs=True)[0]
    return ov.__version__.split("-")[0], shape, make


def pytorch(o):
    import onnx
    import torch
    import torch.nn.functional as F
    from onnx import numpy_helper
    torch.set_num_threads(o.threads)
    graph = onnx.load(o.file).graph
    weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    entry, result = graph.input[0], graph.output[0].name
    shape = [d.dim_value for d in entry.type.tensor_type.shape.dim][1:]

    def padded(a, kind):
        """PyTorch's symmetric padding."""
        top, left, bottom, right = a.get("pads", [0, 0, 0, 0])
        if (top, left) != (bottom, right) and kind == "Conv":
            raise RuntimeError("a convolution whose padding is not symmetric")
        return (top, left), (bottom - top, right - left)

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.steps = []
            seen = set()
            for node in graph.node:
                a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
                layer = node.name.split("/")[0]
                if layer.startswith("GELU_"):  # several nodes, one function in PyTorch
                    last = [n for n in graph.node if n.name.startswith(layer + "/")][-1].output[0]
                    if layer not in seen:
                        self.steps.append((F.gelu, [node.input[0]], last))
                    seen.add(layer)
                    continue
                inputs = [i for i in node.input if i not in weights]
                w = [weights[i] for i in node.input if i in weights]
                self.steps.append((self.function(node.op_type, a, w), inputs, node.output[0]))

        def function(self, kind, a, w):
            if kind == "Conv":
                (pad, extra), group = padded(a, kind), a.get("group", 1)
                filters, per_group, *size = w[0].shape
                layer = torch.nn.Conv2d(per_group * group, filters, size, a.get("strides", 1), pad, a.get("dilations", 1),
                                        group, len(w) > 1)
                return self.filled(layer, w)
            if kind == "Gemm":
                layer = torch.nn.Linear(w[0].shape[1 if a.get("transB") else 0], w[0].shape[0 if a.get("transB") else 1],
                                        len(w) > 1)
                return self.filled(layer, [w[0] if a.get("transB") else w[0].T.contiguous(), *w[1:]])
            if kind == "BatchNormalization":
                layer = torch.nn.BatchNorm2d(len(w[0]), a.get("epsilon", 1e-5))
                layer.running_mean.copy_(w[2])
                layer.running_var.copy_(w[3])
                return self.filled(layer, w[:2])
            if kind == "MaxPool":
                pad, extra = padded(a, kind)
                return torch.nn.MaxPool2d(a["kernel_shape"], a["strides"], pad, ceil_mode=any(extra) or bool(a.get("ceil_mode")))
            if kind == "Mul":
                return lambda x, factor=w[0]: x * factor
            known = {"Relu": F.relu, "Clip": F.relu6, "Add": torch.add, "Concat": lambda *x: torch.cat(x, 1),
                     "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True), "Flatten": lambda x: torch.flatten(x, 1)}
            if kind not in known:
                raise RuntimeError(f"the operator {kind} is not known here")
            return known[kind]

        def filled(self, layer, values):
            with torch.no_grad():
                for to, value in zip((p for p in (layer.weight, layer.bias) if p is not None), values):
                    to.copy_(value)
            self.add_module(str(len(self.steps)), layer)
            return layer

        def forward(self, x):
            known = {entry.name: x}
            for function, inputs, output in self.steps:
                known[output] = function(*(known[i] for i in inputs))
            return known[result]

    network = Network().eval().to(memory_format=torch.channels_last)

    def make(batch):
        run = torch.compile(network) if o.peer == "pytorch-compiled" else network

        def predict(x):
            with torch.inference_mode():
                return run(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()
        return predict
    return torch.__version__.split("+")[0], shape, make


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("onnxruntime", "openvino", "pytorch", "pytorch-compiled"))
    parser.add_argument("network")
    parser.add_argument("--data", required=True)
    parser.add_argument("--batches", default="1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2)
    o = parser.parse_args()
    o.file = f"{o.data}/{o.network}.onnx"
    version, shape, make = {"onnxruntime": onnxruntime, "openvino": openvino}.get(o.peer, pytorch)(o)

    def line(mode, batch, rest):
        print(f"peer={o.peer} version={version} network={o.network} mode={mode} batch={batch} threads={o.threads} {rest}",
              flush=True)
    expected = np.fromfile(f"{o.data}/{o.network}.logits.f32", np.float32)
    logits = np.asarray(make(2)(images(2, shape))).reshape(-1)
    line("check", 2, f"difference={np.abs(logits - expected).max() / np.abs(expected).max():.2g}")
    for batch in map(int, o.batches.split(",")):
        predict, x = make(batch), images(batch, shape)
        line("infer", batch, f"state=warm ms={peer.text(peer.measure(o.seconds, 2, lambda i: predict(x)))}")


main()
