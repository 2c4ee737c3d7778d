# SPDX-License-Identifier: BSL-1.0
"""Predictions of the networks that networks.cpp wrote, by ONNX Runtime, OpenVINO or PyTorch (eager or compiled), and training
steps by PyTorch (eager) in float32 or bfloat16:
    network_peers.py PEER NAME --data DIR --mode infer|train|bf16 --batches 1,32 --threads 2 --seconds 2
Prints lines as peer.py does; the first, `check`, has the largest difference to strata's logits, or losses in training, divided
by the largest of them."""
import argparse

import numpy as np

import peer

LEARNING_RATE, MOMENTUM = 0.002, 0.9
CHECK_BATCH, CHECK_STEPS = 4, 3


def images(count, shape):
    """Noise, as networks.cpp has it, (N,H,W,C), in the order (N,C,H,W)."""
    channels, height, width = shape
    h = np.arange(count * channels * height * width, dtype=np.uint32) * np.uint32(2654435761)
    h = (h ^ (h >> 15)) * np.uint32(2246822519)
    h ^= h >> 13
    numbers = (h >> 8).astype(np.float32) * np.float32(2**-23) - 1
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
                layer.weight.requires_grad = bool((w[0] != 1).any())  # all ones: a BatchNorm without scale
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

    network = Network().train(o.mode != "infer").to(memory_format=torch.channels_last)
    if o.mode != "infer":
        classes = graph.output[0].type.tensor_type.shape.dim[1].dim_value
        return (torch.__version__.split("+")[0], shape,
                lambda batch: trainer(network, images(batch, shape), classes, o.mode == "bf16"))

    def make(batch):
        run = torch.compile(network) if o.peer == "pytorch-compiled" else network

        def predict(x):
            with torch.inference_mode():
                return run(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()
        return predict
    return torch.__version__.split("+")[0], shape, make


def trainer(network, x, classes, bf16):
    """A function that takes a step and returns its loss; the optimizer is networks.cpp's."""
    import torch
    learned = [p for p in network.parameters() if p.requires_grad]
    try:
        optimizer = torch.optim.SGD(learned, LEARNING_RATE, MOMENTUM, fused=True)
    except (RuntimeError, TypeError):
        optimizer = torch.optim.SGD(learned, LEARNING_RATE, MOMENTUM)
    x = torch.from_numpy(x).to(memory_format=torch.channels_last)
    labels = torch.arange(len(x)) % classes

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = torch.nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def difference(values, file):
    expected = np.fromfile(file, np.float32)
    return f"difference={np.abs(np.asarray(values).reshape(-1) - expected).max() / np.abs(expected).max():.2g}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("onnxruntime", "openvino", "pytorch", "pytorch-compiled"))
    parser.add_argument("network")
    parser.add_argument("--data", required=True)
    parser.add_argument("--mode", choices=("infer", "train", "bf16"), default="infer")
    parser.add_argument("--batches", default="1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--least", type=int, default=5)
    o = parser.parse_args()
    o.file = f"{o.data}/{o.network}.onnx"
    version, shape, make = {"onnxruntime": onnxruntime, "openvino": openvino}.get(o.peer, pytorch)(o)

    def line(mode, batch, rest):
        print(f"peer={o.peer} version={version} network={o.network} mode={mode} batch={batch} threads={o.threads} {rest}",
              flush=True)
    if o.mode == "infer":
        line("check", 2, difference(make(2)(images(2, shape)), f"{o.data}/{o.network}.logits.f32"))
    else:
        step = make(CHECK_BATCH)
        line("check", CHECK_BATCH, difference([step() for _ in range(CHECK_STEPS)], f"{o.data}/{o.network}.losses.f32"))
    for batch in map(int, o.batches.split(",")):
        if o.mode == "infer":
            predict, x = make(batch), images(batch, shape)
            ms = peer.measure(o.seconds, 2, lambda i: predict(x), least=o.least)
        else:
            step = make(batch)
            ms = peer.measure(o.seconds, 1, lambda i: step(), least=o.least)
        line(o.mode, batch, f"state=warm ms={peer.text(ms)}")


main()
