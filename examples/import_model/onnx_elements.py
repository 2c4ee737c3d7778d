# SPDX-License-Identifier: BSL-1.0
"""The operators of ONNX that compute each element, or each channel, alike: arithmetic, normalizations, activations."""
import math

import numpy as np

import layers
from onnx_values import Value
from refusals import Refused


class Elements:
    """A part of OnnxReader: each method makes the value of the node that is read."""

    def arithmetic(self):
        kind, names = self.node.op_type, list(self.node.input)
        if len(names) != 2 and (not names or kind not in ("Sum", "Max", "Min")):
            raise Refused(f"it needs two inputs, and has {len(names)}")
        if len(names) == 1:
            return self._data(names[0])
        stored = [name in self.constants for name in names]
        if any(stored):
            return self._with_constant(kind, names, stored)
        values = [self._data(name) for name in names]
        if kind in ("Add", "Sum", "Sub") and len({tuple(v.shape) for v in values}) > 1:
            raise Refused(f"it adds values of the shapes {' and '.join(str(v.shape) for v in values)}; strata's Residual adds maps "
                          "of one shape")
        if kind in ("Add", "Sum", "Sub", "Mul") and len({v.axes for v in values}) > 1:
            raise Refused("it joins values whose axes have different meanings")
        steps = [v.step for v in values]
        large = max(values, key=lambda v: math.prod(v.shape))
        if kind == "Sub":
            steps[1] = self._add(layers.scale(-1.0), [steps[1]])
        elif kind == "Mul" and len(set(steps)) == 1:
            raise Refused("it multiplies a value by itself; strata has no layer for squares")
        elif kind not in ("Add", "Sum", "Mul"):
            raise Refused(f"it joins two computed values by {kind}; strata joins them by Residual (Add), Gate (Mul) and Concat")
        return Value(self._add("Multiply" if kind == "Mul" else "Add", steps), large.shape, large.axes)

    def _with_constant(self, kind, names, stored):
        if len(names) != 2:
            raise Refused("it joins more than two values, of which one is a constant")
        value = self._data(names[stored.index(False)])
        name = names[stored.index(True)]
        constant = self.constant(name)
        number = float(constant.reshape(-1)[0]) if constant.size == 1 else None
        if kind in ("Max", "Min") and number is not None:
            low, high = (number, math.inf) if kind == "Max" else (-math.inf, number)
            return self._after(layers.clip(low, high), value)
        if kind == "Pow":
            if number == 1 and stored[1]:
                return value
            raise Refused("strata has no layer for powers")
        if kind not in ("Add", "Sub", "Mul", "Div", "Sum") or (kind == "Div" and stored[0]):
            raise Refused(f"strata has no layer for {kind} with a constant")
        pooled = self._average_of_sums(value, constant) if kind == "Mul" else None
        if pooled is not None:
            return pooled
        vector = self._per_channel(value, constant)
        one, zero = np.ones_like(vector), np.zeros_like(vector)
        with np.errstate(all="ignore"):
            a, b = {"Add": (one, vector), "Sum": (one, vector), "Mul": (vector, zero), "Div": (1 / vector.astype(np.float64), zero),
                    "Sub": (-one, vector) if stored[0] else (one, -vector)}[kind]
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise Refused("its constant makes NaN or infinity")
        layer = layers.Affine(a, b)
        layer.origins = {"a": name if kind in ("Mul", "Div") else "", "b": name if kind in ("Add", "Sub", "Sum") else ""}
        return self._after(layer, value)

    def _average_of_sums(self, value, shares):
        """AvgPool, if the value is a convolution that sums each channel, and the constant has one share for each window."""
        conv = self.steps.steps[value.step]
        if value.axes != "NCHW" or not isinstance(conv.layer, layers.Conv) or shares.shape[-2:] != conv.shape[:2] or \
                shares.size != np.prod(conv.shape[:2]) or shares.size == 1:
            return None
        kernel, w = conv.layer.tensors, conv.layer.window
        if "bias" in kernel or kernel["kernel"].shape[2:] != (1, conv.layer.groups) or not (kernel["kernel"] == 1).all():
            return None
        before, shares = self.steps.steps[conv.inputs[0]].shape, shares.reshape(conv.shape[:2])
        windows = [(w, False), (w, True)]
        with np.errstate(all="ignore"):
            # The convolution may be padded more at the end, for the windows that CeilMode adds. The first window never reaches there,
            # so that the shares of the first column and row tell how many elements the others read.
            ends = [_end_of_ceil(w, axis, before[axis], counts) for axis, counts in (
                (0, 1 / (shares[:, 0] * w.kernel[1])), (1, 1 / (shares[0] * w.kernel[0])))]
        if None not in ends:
            pads = (w.pads[0], ends[0], w.pads[2], ends[1])
            windows.append((layers.Window(w.kernel, w.stride, w.dilation, pads, True), True))
        for window, count in windows:
            read = window.counts(before, count)[0, :, :, 0]
            if np.allclose(shares, np.where(read > 0, 1 / np.maximum(read, 1), 0), rtol=1e-6, atol=0):
                return Value(self._add(layers.AvgPool(window, count), [conv.inputs[0]]), value.shape, value.axes)
        return None

    def _per_channel(self, value, constant):
        """A constant of a binary node as one number for each channel."""
        channels = value.shape[value.channel_axis()] if "C" in value.axes else 0
        if constant.ndim > len(value.shape) and any(n != 1 for n in constant.shape[:constant.ndim - len(value.shape)]):
            raise Refused(f"its constant has the shape {constant.shape}, which repeats the value")
        sides = ([1] * len(value.shape) + list(constant.shape))[-len(value.shape):]
        for place, (n, letter) in enumerate(zip(sides, value.axes)):
            if n not in (1, value.shape[place]) or (n != 1 and letter != "C") or not channels:
                raise Refused(f"its constant has the shape {constant.shape}; strata takes a number, or one for each channel")
        return np.broadcast_to(constant.reshape(-1).astype(np.float32), (channels,))

    def batch_norm(self):
        value, a = self._data(self._input_name(0)), self.attribute
        if a.get("training_mode", 0) or any(self.readers[name] for name in self.node.output[1:]):
            raise Refused("it is in training mode: it computes the statistics of its batch")
        if a.get("spatial", 1) != 1:
            raise Refused("it normalizes each element by itself (spatial=0); strata's BatchNorm normalizes channels")
        names = [self._input_name(i) for i in range(1, 5)]
        gamma, beta, mean, variance = (self.needed(name, what).astype(np.float32) for name, what in zip(
            names, ("scale", "bias", "mean", "variance")))
        if value.axes[1:2] != "C":
            raise Refused("it normalizes an axis that is not the channels")
        layer = layers.BatchNorm(mean, variance, gamma, beta, a.get("epsilon", 1e-5), a.get("momentum", 0.9))
        return self._after(self._origin(layer, gamma=names[0], beta=names[1], moving_mean=names[2], moving_variance=names[3]), value)

    def _norm_of(self, value, axes, epsilon, gamma, beta, origins=None):
        rank = len(value.shape)
        letters = sorted(value.axes[n % rank] for n in axes)
        if letters != ["C"] and not (sorted(value.axes[1:]) == letters and len(self.steps.steps[value.step].shape) == 1):
            raise Refused(f"it normalizes over the axes {list(axes)}; strata's LayerNorm normalizes the channels of each position")
        layer = layers.SampleNorm(None, gamma, beta, epsilon)
        return self._after(self._origin(layer, **(origins or {})), value)

    def layer_norm(self):
        value, a = self._data(self._input_name(0)), self.attribute
        rank = len(value.shape)
        axes = list(range(a.get("axis", -1) % rank, rank))
        gamma = self.needed(self._input_name(1), "scale")
        beta = self.needed(self._input_name(2), "bias") if self._input_name(2) else None
        if gamma.size != value.shape[-1] or (beta is not None and beta.size != gamma.size):
            raise Refused(f"its scale has the shape {gamma.shape}; strata's LayerNorm has one number for each channel")
        return self._norm_of(value, axes, a.get("epsilon", 1e-5), gamma.reshape(-1), None if beta is None else beta.reshape(-1),
                             {"gamma": self._input_name(1), "beta": self._input_name(2)})

    def group_norm(self):
        value, a = self._data(self._input_name(0)), self.attribute
        if value.axes == "NGM":
            return self._norm_of_groups(value)
        if value.axes[1:2] != "C":
            raise Refused("it normalizes an axis that is not the channels")
        channels = value.shape[1]
        gamma, beta = (self.needed(self._input_name(i), what) for i, what in ((1, "scale"), (2, "bias")))
        groups = channels if self.node.op_type == "InstanceNormalization" else a.get("num_groups", 0)
        if gamma.size == groups != channels and groups > 0:  # opset 18 has one number for each group
            gamma, beta = (np.repeat(array, channels // groups) for array in (gamma, beta))
        if a.get("stash_type", 1) != 1:
            raise Refused("it does not compute in float32")
        layer = layers.SampleNorm(groups, gamma, beta, a.get("epsilon", 1e-5))
        return self._after(self._origin(layer, gamma=self._input_name(1), beta=self._input_name(2)), value)

    def _norm_of_groups(self, value):
        """GroupNorm as it is written before opset 18: a Reshape before and behind InstanceNormalization, then Mul and Add."""
        groups, channels = value.shape[1], self.steps.steps[value.step].shape[-1]
        gamma, beta = (np.repeat(self.needed(self._input_name(i), what), channels // groups) for i, what in ((1, "scale"), (2, "bias")))
        layer = layers.SampleNorm(groups, None if (gamma == 1).all() else gamma, beta if beta.any() else None,
                                  self.attribute.get("epsilon", 1e-5))
        return Value(self._add(layer, [value.step]), value.shape, value.axes, whole=value.whole)

    def lrn(self):
        value, a = self._data(self._input_name(0)), self.attribute
        if value.axes != "NCHW":
            raise Refused("it takes no map of two dimensions")
        n = a.get("size", 1)
        if n % 2 == 0:
            raise Refused(f"its size is {n}, and the extra channel is behind; strata's LRN of an even size has it before")
        alpha = float(str(np.float32(a.get("alpha", 1e-4))))  # 0.01 and not 0.00999999977
        return self._after(layers.LRN(n, a.get("bias", 1.0), alpha / max(n, 1), a.get("beta", 0.75)), value)

    # --- Activations ------------------------------------------------------------------------------------------------

    def activation(self):
        value, a, kind = self._data(self._input_name(0)), self.attribute, self.node.op_type
        if kind == "HardSigmoid":
            return self._hard_sigmoid(value, a.get("alpha", 0.2), a.get("beta", 0.5))
        if kind == "Selu":
            value = self._after(layers.elu(a.get("alpha", 1.67326319217681884765625)), value)
            return self._after(layers.scale(a.get("gamma", 1.05070102214813232421875)), value)
        if kind == "Celu":
            alpha = a.get("alpha", 1.0)
            if alpha == 1:
                return self._after(layers.elu(), value)
            if not alpha > 0:
                raise Refused(f"its alpha is {alpha}; expected a number above 0")
            value = self._after(layers.scale(1 / alpha), value)
            return self._after(layers.scale(alpha), self._after(layers.elu(), value))
        if kind == "Clip":
            low, high = self.limits(self.node, a)
            return value if (low, high) == (-math.inf, math.inf) else self._after(layers.clip(low, high), value)
        if kind == "Gelu":
            return self._after(layers.gelu_tanh() if a.get("approximate", b"none") == b"tanh" else layers.gelu(), value)
        if kind == "Swish":
            if a.get("alpha", 1.0) != 1:
                raise Refused(f"its alpha is {a['alpha']}; strata's SiLU has 1")
            return self._after(layers.silu(), value)
        if kind == "Mish":  # x tanh(softplus(x))
            inner = self._after(layers.tanh(), self._after(layers.softplus(), value))
            return Value(self._add("Multiply", [value.step, inner.step]), value.shape, value.axes)
        if kind == "Neg":
            return self._after(layers.scale(-1.0), value)
        layer = {"Relu": layers.relu, "Sigmoid": layers.sigmoid_layer, "Tanh": layers.tanh, "Softplus": layers.softplus,
                 "HardSwish": layers.hard_swish, "Elu": lambda: layers.elu(a.get("alpha", 1.0)),
                 "LeakyRelu": lambda: layers.leaky_relu(a.get("alpha", 0.01))}[kind]()
        return self._after(layer, value)

    def _hard_sigmoid(self, value, slope, shift):
        """max(0, min(1, slope x + shift)); strata's has the slope 1/6 and the shift 1/2."""
        channels = value.shape[value.channel_axis()]
        if abs(shift - 0.5) > 1e-6:
            value = self._after(layers.Affine(np.full(channels, slope), np.full(channels, shift)), value)
            return self._after(layers.clip(0, 1), value)
        if abs(slope * 6 - 1) > 1e-6:
            value = self._after(layers.scale(float(np.float32(slope)) * 6), value)
        return self._after(layers.hard_sigmoid(), value)

    def prelu(self):
        value = self._data(self._input_name(0))
        slopes = self._per_channel(value, self.needed(self._input_name(1), "slope"))
        return self._after(self._origin(layers.PReLU(slopes), alpha=self._input_name(1)), value)

    def softmax(self):
        value, kind = self._data(self._input_name(0)), self.node.op_type
        rank = len(value.shape)
        axis = self.attribute.get("axis", 1 if self.opset < 13 else -1) % rank
        inner = self.steps.steps[value.step].shape
        alone = math.prod(inner[:-1]) == 1  # one position
        over = set(value.axes[axis:]) if self.opset < 13 else {value.axes[axis]}
        rest = [n for n, letter in zip(value.shape, value.axes) if letter not in over | {"N"}]
        if not alone or "C" not in over or "N" in over or any(n != 1 for n in rest):
            raise Refused(f"it takes the softmax along axis {axis} of {value.shape}; strata's takes it of a vector")
        if len(inner) == 3:
            value = Value(self._add(layers.Flatten(), [value.step]), value.shape, value.axes)
        return self._after(layers.Softmax(kind == "LogSoftmax"), value)


def _end_of_ceil(w, axis, n, counts):
    """The padding at the end of an axis of n elements with which a window of CeilMode counts as many elements; None if no such
    padding makes as many outputs as `w` has."""
    for end in range(w.pads[2 * axis + 1], max(w.pads[2 * axis + 1] - 2 * w.stride[axis], -1), -1):
        pads = [*w.pads]
        pads[2 * axis + 1] = end
        window = layers.Window(w.kernel, w.stride, w.dilation, pads, True)
        if window.extent(axis) > n + pads[2 * axis] + end:
            return None
        if window.output(axis, n) == len(counts) and np.allclose(window.counts_along(axis, n, True), counts, rtol=1e-6):
            return end
    return None


OPERATORS = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "Pow"), Elements.arithmetic),
    "BatchNormalization": Elements.batch_norm, "LayerNormalization": Elements.layer_norm, "GroupNormalization": Elements.group_norm,
    "InstanceNormalization": Elements.group_norm, "LRN": Elements.lrn, "PRelu": Elements.prelu, "Softmax": Elements.softmax,
    "LogSoftmax": Elements.softmax,
    **dict.fromkeys(("Relu", "Sigmoid", "Tanh", "Softplus", "HardSwish", "HardSigmoid", "Elu", "LeakyRelu", "Selu", "Celu", "Clip",
                     "Gelu", "Swish", "Mish", "Neg"), Elements.activation),
}
