# SPDX-License-Identifier: BSL-1.0
"""Layers that ONNX files spell out in several nodes: activations such as GELU, layer normalization, and Pad before a window."""
import math

import numpy as np

import layers

# What counts as written element by element: how each is computed in double.
_ELEMENTWISE = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power, "Max": np.maximum,
    "Min": np.minimum, "Sigmoid": layers.sigmoid, "Tanh": np.tanh, "Erf": layers.erf, "Exp": np.exp, "Sqrt": np.sqrt,
    "Softplus": lambda x: np.log1p(np.exp(x)), "Relu": lambda x: np.maximum(x, 0), "Neg": np.negative, "Log": np.log,
    "Reciprocal": np.reciprocal, "Identity": lambda x: x, "Abs": np.abs,
}
_KNOWN = (layers.relu, layers.silu, layers.hard_swish, layers.hard_sigmoid, layers.gelu, layers.gelu_tanh,
          lambda: layers.clip(0, 6), layers.sigmoid_layer, layers.softplus, layers.tanh)
_SAMPLES = np.concatenate([np.linspace(-9, 9, 181), [-3.0, 3.0, -0.1234567, 0.7654321, 6.0, 6.5]])
_MOST = 14  # nodes
_PART = 1 << 20  # elements that are compared at once


def activation(graph, output):
    """(layer, name of its input) if the node that makes `output` ends an activation that is written in several nodes."""
    inside, frontier = [], {output}
    while len(inside) < _MOST:
        made = [name for name in frontier if name in graph.producer]
        if not made:
            return None
        last = max(made, key=lambda name: graph.place[name])
        node = graph.producer[last]
        if node.op_type not in _ELEMENTWISE and node.op_type not in ("Clip", "HardSigmoid"):
            return None
        if any(graph.constant(name).size != 1 for name in node.input if name in graph.constants):
            return None
        inside.append(node)
        frontier.remove(last)
        frontier |= {name for name in node.input if name and name not in graph.constants}
        if len(frontier) == 1 and len(inside) > 1:
            found = _match(graph, inside[::-1], next(iter(frontier)), output)
            if found is not None:
                return found, next(iter(frontier))
    return None


def _match(graph, nodes, source, output):
    values = {source: _SAMPLES}
    with np.errstate(all="ignore"):
        for node in nodes:
            inputs = [values[name] if name in values else graph.constant(name).astype(np.float64).reshape(-1)[0]
                      for name in node.input if name]
            attributes = graph.attributes(node)
            if node.op_type == "Clip":
                low, high = graph.limits(node, attributes)
                out = np.clip(inputs[0], low, high)
            elif node.op_type == "HardSigmoid":
                out = np.clip(attributes.get("alpha", 0.2) * inputs[0] + attributes.get("beta", 0.5), 0, 1)
            else:
                out = inputs[0]
                function = _ELEMENTWISE[node.op_type]
                out = function(*inputs) if len(inputs) <= 2 else None
                if out is None:
                    return None
            values[node.output[0]] = out
        result = values[output]
        for known in _KNOWN:
            layer = known()
            expected = layer.run(_SAMPLES)
            if np.allclose(result, expected, rtol=2e-6, atol=2e-6):
                return layer
    return None


def layer_norm(graph, output):
    """(input, epsilon, axes) if `output` is (x - mean) / sqrt(variance + epsilon), spelled out."""
    divide = graph.made_by(output, "Div")
    if divide is None:
        return None
    centre, root = graph.made_by(divide.input[0], "Sub"), graph.made_by(divide.input[1], "Sqrt")
    plus = root and graph.made_by(root.input[0], "Add")
    if centre is None or plus is None:
        return None
    variance, epsilon = graph.with_number(plus)
    mean_of_squares = variance and graph.made_by(variance, "ReduceMean")
    square = mean_of_squares and (graph.made_by(mean_of_squares.input[0], "Pow") or graph.made_by(mean_of_squares.input[0], "Mul"))
    mean = graph.made_by(centre.input[1], "ReduceMean")
    if not square or mean is None or mean.input[0] != centre.input[0]:
        return None
    squared = graph.made_by(square.input[0], "Sub")
    if squared is None or list(squared.input) != list(centre.input):
        return None
    if square.op_type == "Pow" and graph.with_number(square)[1] != 2:
        return None
    if square.op_type == "Mul" and square.input[0] != square.input[1]:
        return None
    axes = graph.axes(mean)
    if axes is None or axes != graph.axes(mean_of_squares):
        return None
    return centre.input[0], epsilon, axes


def lrn(graph, output):
    """(layer, input) if `output` is x / (k + the weighted sum of neighbours' squares) ^ beta, whose sum is a convolution of 1x1."""
    divide = graph.made_by(output, "Div")
    power = divide and graph.made_by(divide.input[1], "Pow")
    plus = power and graph.made_by(power.input[0], "Add")
    sums = plus and (graph.made_by(plus.input[0], "Conv") or graph.made_by(plus.input[1], "Conv"))
    square = sums and graph.made_by(sums.input[0], "Mul")
    if not square or list(square.input) != [divide.input[0]] * 2 or len(sums.input) != 2 or sums.input[1] not in graph.constants:
        return None
    (inner, beta), (_, k) = graph.with_number(power), graph.with_number(plus)
    band, attributes = graph.constant(sums.input[1]), graph.attributes(sums)
    if inner is None or k is None or band.ndim != 4 or band.shape != (len(band), len(band), 1, 1) or set(attributes) - {"kernel_shape"}:
        return None
    band, alpha = band[:, :, 0, 0], float(band.max())
    rows, columns = np.nonzero(band)
    before, behind = (rows - columns).max(initial=0), (columns - rows).max(initial=0)
    n = int(before + behind + 1)
    between = np.subtract.outer(np.arange(len(band)), np.arange(len(band)))
    if before != n // 2 or not np.array_equal(band, np.float32(alpha) * ((between <= before) & (-between <= behind))):
        return None
    return layers.LRN(n, k, alpha, beta), divide.input[0]


def nearest_factor(attributes, opset, size, factor):
    """Whether Resize by a whole factor repeats each element, as Upsample does."""
    mode = attributes.get("coordinate_transformation_mode", b"half_pixel" if opset >= 11 else b"asymmetric").decode()
    rounding = attributes.get("nearest_mode", b"round_prefer_floor" if opset >= 11 else b"floor").decode()
    round_ = {"floor": np.floor, "ceil": np.ceil, "round_prefer_floor": lambda x: np.ceil(x - 0.5),
              "round_prefer_ceil": lambda x: np.floor(x + 0.5)}.get(rounding)
    if round_ is None:
        return False
    for first in range(0, size * factor, _PART):
        out = np.arange(first, min(first + _PART, size * factor), dtype=np.float64)
        if mode in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
            place = (out + 0.5) / factor - 0.5
        elif mode == "asymmetric":
            place = out / factor
        elif mode == "align_corners":
            place = out * (size - 1) / max(size * factor - 1, 1)
        else:
            return False
        if not np.array_equal(np.clip(round_(place), 0, size - 1), out // factor):
            return False
    return True


def linear_factor(attributes, opset, size, factor):
    """Whether Resize by a whole factor mixes neighbours as Upsample<..., Bilinear> does."""
    mode = attributes.get("coordinate_transformation_mode", b"half_pixel" if opset >= 11 else b"asymmetric").decode()
    return factor == 1 or mode in ("half_pixel", "half_pixel_symmetric") or (mode == "pytorch_half_pixel" and size * factor > 1)


def is_infinite(value):
    return value is None or math.isinf(value) or abs(value) > 3.4e38
