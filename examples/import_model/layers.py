# SPDX-License-Identifier: BSL-1.0
"""strata's layers as Python objects: how each is written in C++, its output's shape, its tensors, and what it computes.

A shape is (height, width, channels), or (n,) for a vector. run() computes in numpy what the layer does, on (N,H,W,C) or (N,n),
in the precision of its argument. It is written from the formulas in include/strata/layers, so that a network can be compared
with its model before any C++ is compiled."""
import math

import numpy as np

from refusals import Refused, counted


def number(value):
    """A number as C++ source: the shortest that gives the same float32, and the same float64 where that is short too."""
    value = float(value)
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    short = repr(value)
    if len(short) > 12:
        short = str(np.float32(value))
    return short.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def real(value):
    """The same where C++ wants a double."""
    text = number(value)
    return text if any(mark in text for mark in ".e") else text + ".0"


def pair(sides, form):
    """`form` of a number, or of two that differ: Stride<2>, Stride<2, 1>."""
    return f"{form}<{sides[0]}>" if sides[0] == sides[1] else f"{form}<{sides[0]}, {sides[1]}>"


def size(sides):
    return str(sides[0]) if sides[0] == sides[1] else f"Size<{sides[0]}, {sides[1]}>"


class Layer:
    keras = None          # strata's name of the layer's tensors; None without tensors
    elementwise = False   # each element of a vector is treated alike, wherever it stands
    positive = None       # whether its outputs are at least 0; None: if its inputs are
    activation = False

    def __init__(self, kind, arguments=(), tensors=None):
        self.kind, self.arguments = kind, list(arguments)
        self.tensors = {}
        for name, array in (tensors or {}).items():
            self.tensors[name] = np.ascontiguousarray(array, np.float32)
        self.origins = {}  # the model's own names of the tensors

    def text(self):
        return self.kind + (f"<{', '.join(self.arguments)}>" if self.arguments else "")

    def shape(self, shape):
        return shape

    def reorder(self, order):
        """For a vector whose element j was the model's element order[j]."""
        if not self.elementwise:
            raise Refused(f"{self.kind} takes a vector behind Flatten, whose elements have another order in strata")
        self.tensors = {name: array[order] for name, array in self.tensors.items()}

    def tensor(self, name, x):
        return self.tensors[name].astype(x.dtype)

    def needs_map(self, shape):
        if len(shape) != 3:
            raise Refused(f"{self.kind} takes a map, and gets a vector of {shape[0]} elements")


# --- Windows ------------------------------------------------------------------------------------------------------------

class Window:
    """A window that slides over a map. Pairs are (rows, columns); pads are (top, bottom, left, right)."""

    def __init__(self, kernel, stride=(1, 1), dilation=(1, 1), pads=(0, 0, 0, 0), ceil=False):
        self.kernel, self.stride, self.dilation = (tuple(int(n) for n in sides) for sides in (kernel, stride, dilation))
        self.pads, self.ceil = tuple(int(n) for n in pads), bool(ceil)
        self.meant_same = False  # the file says Same, not numbers
        if len(self.kernel) != 2 or len(self.stride) != 2 or len(self.dilation) != 2 or len(self.pads) != 4:
            raise Refused(f"its window has {len(self.kernel)} axes; strata's windows have two")
        if min(self.kernel + self.stride + self.dilation) < 1 or max(self.kernel + self.stride + self.dilation) > 1 << 15:
            raise Refused(f"its window has the size {self.kernel}, stride {self.stride} and dilation {self.dilation}; "
                          "expected numbers from 1 to 32768")
        if min(self.pads) < 0 or max(self.pads) > 1 << 15:
            raise Refused(f"its pads are {self.pads}; expected numbers from 0 to 32768")

    def extent(self, axis):
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def output(self, axis, n):
        before, after = self.pads[2 * axis], self.pads[2 * axis + 1]
        step, extent = self.stride[axis], self.extent(axis)
        if extent > n + before + after:
            raise Refused(f"its window spans {extent} elements, and its padded input has {n + before + after}")
        out = (n + before + after - extent + (step - 1 if self.ceil else 0)) // step + 1
        return out - 1 if self.ceil and (out - 1) * step >= n + before else out

    def outputs(self, shape):
        return tuple(self.output(axis, shape[axis]) for axis in (0, 1))

    def same(self, shape):
        """The pads of `Same` over this map."""
        pads = []
        for axis in (0, 1):
            total = max((-(-shape[axis] // self.stride[axis]) - 1) * self.stride[axis] + self.extent(axis) - shape[axis], 0)
            pads += [total // 2, total - total // 2]
        return tuple(pads)

    def padding(self, shape):
        """The word for the padding: Same, Valid or Pad<...>. Same is said where it does not depend on the map's size, or where
        the odd row or column at the end shows that it was meant."""
        top, bottom, left, right = self.pads
        same = self.pads == self.same(shape)
        if same and (self.meant_same or self.stride == (1, 1) or top != bottom or left != right or self.kernel == (1, 1)):
            return "Same"
        if not any(self.pads):
            return "Valid"
        return f"Pad<{top}>" if len(set(self.pads)) == 1 else f"Pad<{top}, {bottom}, {left}, {right}>"

    def taps(self, x, fill):
        """For each tap of the window: its row, its column, and the input of every output, (N,H',W',C)."""
        rows, columns = self.outputs(x.shape[1:])
        ends = [max((out - 1) * self.stride[axis] + self.extent(axis) - x.shape[1 + axis] - self.pads[2 * axis], 0)
                for axis, out in ((0, rows), (1, columns))]
        x = np.pad(x, ((0, 0), (self.pads[0], max(ends[0], self.pads[1])), (self.pads[2], max(ends[1], self.pads[3])), (0, 0)),
                   constant_values=fill)
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                top, left = row * self.dilation[0], column * self.dilation[1]
                yield row, column, x[:, top:top + (rows - 1) * self.stride[0] + 1:self.stride[0],
                                     left:left + (columns - 1) * self.stride[1] + 1:self.stride[1]]

    def counts(self, sides, padding=False):
        """How many elements each window reads, (1,H',W',1); those of the padding too if they count. What CeilMode reaches beyond the
        padding does not count."""
        return (self.counts_along(0, sides[0], padding)[:, None] * self.counts_along(1, sides[1], padding))[None, :, :, None]

    def counts_along(self, axis, n, padding=False):
        """The same along one axis of n elements; counts() is the product of both."""
        before, after = self.pads[2 * axis:2 * axis + 2]
        low, high = (-before, n + after) if padding else (0, n)
        at, step, most = np.arange(self.output(axis, n)) * self.stride[axis] - before, self.dilation[axis], self.kernel[axis]
        first, end = (np.clip(-((at - limit) // step), 0, most) for limit in (low, high))
        return end - first

    def options(self, shape, default, with_stride):
        found = []
        if with_stride and self.stride != (1, 1):
            found.append(pair(self.stride, "Stride"))
        word = self.padding(shape)
        if word != default:
            found.append(word)
        if self.dilation != (1, 1):
            found.append(pair(self.dilation, "Dilation"))
        return found


class Conv(Layer):
    keras = "conv2d"
    positive = False

    def __init__(self, window, kernel, bias, groups=1):
        super().__init__("Conv", (), {"kernel": kernel} | ({} if bias is None else {"bias": bias}))
        self.window, self.groups = window, int(groups)
        channels, filters = self.tensors["kernel"].shape[2:]
        if self.tensors["kernel"].shape[:2] != window.kernel:
            raise Refused(f"its weights have a window of {self.tensors['kernel'].shape[:2]}, and its attributes {window.kernel}")
        if self.groups < 1 or filters % self.groups or not channels or not filters:
            raise Refused(f"it has {filters} filters in {self.groups} groups; expected a multiple")
        if bias is not None and self.tensors["bias"].shape != (filters,):
            raise Refused(f"its bias has the shape {self.tensors['bias'].shape}; expected ({filters},)")

    def shape(self, shape):
        self.needs_map(shape)
        kernel = self.tensors["kernel"]
        if shape[2] != kernel.shape[2] * self.groups:
            raise Refused(f"its weights are for {kernel.shape[2] * self.groups} channels, and it gets {shape[2]}")
        options = self.window.options(shape, "Same", True)
        if self.groups != 1:
            options.append(f"Groups<{self.groups}>")
        if "bias" not in self.tensors:
            options.append("NoBias")
        self.arguments = [size(self.window.kernel), str(kernel.shape[3]), *options]
        return (*self.window.outputs(shape), kernel.shape[3])

    def run(self, x):
        kernel, groups, out = self.tensor("kernel", x), self.groups, 0
        channels, filters = kernel.shape[2], kernel.shape[3] // groups
        for row, column, taps in self.window.taps(x, 0):
            if groups == 1:  # one product of matrices, not one for each row of the map
                out = out + (taps.reshape(-1, channels) @ kernel[row, column]).reshape(*taps.shape[:3], filters)
            elif channels == 1:
                out = out + np.repeat(taps, filters, -1) * kernel[row, column, 0]
            else:
                split = taps.reshape(-1, groups, channels).transpose(1, 0, 2)
                matrices = kernel[row, column].reshape(channels, groups, filters).transpose(1, 0, 2)
                out = out + (split @ matrices).transpose(1, 0, 2).reshape(*taps.shape[:3], groups * filters)
        return out + self.tensor("bias", x) if "bias" in self.tensors else out


class ConvTranspose(Layer):
    """pads are cut from the full output, and `extra` rows and columns are added at its end before that."""
    keras = "conv2d_transpose"
    positive = False

    def __init__(self, window, kernel, bias, extra=(0, 0)):
        super().__init__("ConvTranspose", (), {"kernel": kernel} | ({} if bias is None else {"bias": bias}))
        self.window, self.extra = window, tuple(int(n) for n in extra)
        if any(not 0 <= more < step for more, step in zip(self.extra, window.stride)):
            raise Refused(f"its output padding {self.extra} is not below its stride {window.stride}")
        if bias is not None and self.tensors["bias"].shape != (self.tensors["kernel"].shape[2],):
            raise Refused(f"its bias has the shape {self.tensors['bias'].shape}; expected one for each filter")

    def shape(self, shape):
        self.needs_map(shape)
        filters, channels = self.tensors["kernel"].shape[2:]
        if shape[2] != channels:
            raise Refused(f"its weights are for {channels} channels, and it gets {shape[2]}")
        w, out, same, valid = self.window, [], True, True
        for axis in (0, 1):
            before, after = w.pads[2 * axis:2 * axis + 2]
            extent, step = w.extent(axis), w.stride[axis]
            out.append((shape[axis] - 1) * step + extent - before - after + self.extra[axis])
            total = extent - step
            same = same and total >= 0 and (before, after) == (total // 2, total - total // 2)
            valid = valid and total >= 0 and before == after == 0
        if min(out) < 1:
            raise Refused(f"its pads {w.pads} leave nothing of its output")
        options = [pair(w.stride, "Stride")] if w.stride != (1, 1) else []
        if any(self.extra) or not same:
            pads = f"Pad<{w.pads[0]}>" if len(set(w.pads)) == 1 else f"Pad<{', '.join(map(str, w.pads))}>"
            options.append("Valid" if valid and not any(self.extra) else pads)
        if any(self.extra):
            options.append(pair(self.extra, "OutputPadding"))
        if w.dilation != (1, 1):
            options.append(pair(w.dilation, "Dilation"))
        if "bias" not in self.tensors:
            options.append("NoBias")
        self.arguments = [size(w.kernel), str(filters), *options]
        return (out[0], out[1], filters)

    def run(self, x):
        kernel, w = self.tensor("kernel", x), self.window
        rows, columns = x.shape[1:3]
        full = np.zeros((len(x), (rows - 1) * w.stride[0] + w.extent(0) + self.extra[0],
                         (columns - 1) * w.stride[1] + w.extent(1) + self.extra[1], kernel.shape[2]), x.dtype)
        for row in range(w.kernel[0]):
            for column in range(w.kernel[1]):
                top, left = row * w.dilation[0], column * w.dilation[1]
                full[:, top:top + (rows - 1) * w.stride[0] + 1:w.stride[0],
                     left:left + (columns - 1) * w.stride[1] + 1:w.stride[1]] += x @ kernel[row, column].T
        out = full[:, w.pads[0]:full.shape[1] - w.pads[1], w.pads[2]:full.shape[2] - w.pads[3]]
        return out + self.tensor("bias", x) if "bias" in self.tensors else out


class Pool(Layer):
    def __init__(self, kind, window, count_padding=False):
        super().__init__(kind)
        self.window, self.count_padding = window, bool(count_padding) and any(window.pads)

    def shape(self, shape):
        self.needs_map(shape)
        w = self.window
        out = w.outputs(shape)
        floor = Window(w.kernel, w.stride, w.dilation, w.pads)
        w.ceil = w.ceil and floor.outputs(shape) != out  # CeilMode is written where it changes something
        self.arguments = [size(w.kernel)]
        if w.stride != w.kernel:
            self.arguments.append(size(w.stride))
        options = w.options(shape, "Valid", False)
        if self.count_padding:
            options.append("CountPadding")
        if w.ceil:
            options.append("CeilMode")
        if options and w.stride == w.kernel:
            self.arguments.append(size(w.stride))
        self.arguments += options
        return (*out, shape[2])


class MaxPool(Pool):
    def __init__(self, window):
        super().__init__("MaxPool", window)

    def run(self, x):
        out = None
        for _, _, taps in self.window.taps(x, -np.inf):
            out = taps if out is None else np.maximum(out, taps)
        return np.where(self.window.counts(x.shape[1:3]) > 0, out, 0)  # a window of padding alone gives 0


class AvgPool(Pool):
    def __init__(self, window, count_padding=False):
        super().__init__("AvgPool", window, count_padding)

    def run(self, x):
        total = 0
        for _, _, taps in self.window.taps(x, 0):
            total = total + taps
        return total / np.maximum(self.window.counts(x.shape[1:3], self.count_padding), 1).astype(x.dtype)


class GlobalPool(Layer):
    def __init__(self, kind):
        super().__init__(kind)

    def shape(self, shape):
        self.needs_map(shape)
        return (shape[2],)

    def run(self, x):
        return x.mean((1, 2)) if self.kind == "GlobalAvgPool" else x.max((1, 2))


class Upsample(Layer):
    def __init__(self, factors, bilinear):
        super().__init__("Upsample", [size(factors)] + (["Bilinear"] if bilinear else []))
        self.factors, self.bilinear = tuple(factors), bilinear

    def shape(self, shape):
        self.needs_map(shape)
        return (shape[0] * self.factors[0], shape[1] * self.factors[1], shape[2])

    def run(self, x):
        for axis, factor in zip((1, 2), self.factors):
            at = np.arange(x.shape[axis] * factor)
            if not self.bilinear:
                x = np.take(x, at // factor, axis)
                continue
            place = np.maximum((at + 0.5) / factor - 0.5, 0)
            low = place.astype(int)
            high = np.minimum(low + 1, x.shape[axis] - 1)
            share = (place - low).reshape([-1 if a == axis else 1 for a in range(4)]).astype(x.dtype)
            x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
        return x


# --- Vectors ------------------------------------------------------------------------------------------------------------

class Flatten(Layer):
    def __init__(self):
        super().__init__("Flatten")

    def shape(self, shape):
        return (math.prod(shape),)

    def run(self, x):
        return x.reshape(len(x), -1)


class Reshape(Layer):
    """order: None, or how the vector must be permuted first: new element j is old element order[j]. simplify() does that in the Dense
    before it."""

    def __init__(self, shape, order=None):
        super().__init__("Reshape", [str(n) for n in shape])
        self.wanted, self.order = tuple(shape), order

    def shape(self, shape):
        if math.prod(shape) != math.prod(self.wanted):
            raise Refused(f"it makes {self.wanted} of {shape}, which has another number of elements")
        return self.wanted

    def run(self, x):
        return x.reshape(len(x), *self.wanted)


class Channels(Layer):
    def __init__(self, first, count):
        super().__init__("Channels", [str(first), str(count)])
        self.first, self.count = first, count

    def shape(self, shape):
        if self.first < 0 or self.count < 1 or self.first + self.count > shape[-1]:
            raise Refused(f"it takes channels {self.first} to {self.first + self.count - 1} of {shape[-1]}")
        return (*shape[:-1], self.count)

    def run(self, x):
        return x[..., self.first:self.first + self.count]


class Dense(Layer):
    keras = "dense"
    positive = False

    def __init__(self, kernel, bias):
        super().__init__("Dense", (), {"kernel": kernel} | ({} if bias is None else {"bias": bias}))
        if bias is not None and self.tensors["bias"].shape != self.tensors["kernel"].shape[1:]:
            raise Refused(f"its bias has the shape {self.tensors['bias'].shape}; expected one for each output")

    def shape(self, shape):
        if len(shape) != 1:
            raise Refused("Dense takes a vector, and gets a map")
        inputs, units = self.tensors["kernel"].shape
        if shape[0] != inputs:
            raise Refused(f"its weights are for {inputs} elements, and it gets {shape[0]}")
        self.arguments = [str(units)] + ([] if "bias" in self.tensors else ["NoBias"])
        return (units,)

    def reorder(self, order):
        self.tensors["kernel"] = self.tensors["kernel"][order]

    def run(self, x):
        out = x @ self.tensor("kernel", x)
        return out + self.tensor("bias", x) if "bias" in self.tensors else out


class Dropout(Layer):
    elementwise = True

    def __init__(self, rate):
        super().__init__("Dropout", [real(rate)])

    def run(self, x):
        return x


class Softmax(Layer):
    elementwise = True
    positive = True

    def __init__(self, logarithm=False):
        super().__init__("LogSoftmax" if logarithm else "Softmax")
        self.positive = not logarithm

    def shape(self, shape):
        if len(shape) != 1:
            raise Refused("strata's softmax takes a vector, and this one gets a map")
        return shape

    def run(self, x):
        x = x - x.max(-1, keepdims=True)
        sums = np.exp(x).sum(-1, keepdims=True)
        return np.exp(x) / sums if self.kind == "Softmax" else x - np.log(sums)


# --- Each channel alike -------------------------------------------------------------------------------------------------

class BatchNorm(Layer):
    keras = "batch_normalization"
    elementwise = True
    positive = False

    def __init__(self, mean, variance, gamma=None, beta=None, epsilon=1e-3, momentum=0.99):
        tensors = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
        super().__init__("BatchNorm", (), {name: array for name, array in tensors.items() if array is not None})
        self.epsilon = float(epsilon)
        options = []
        if number(epsilon) != "0.001":
            options.append(f"Epsilon<{real(epsilon)}>")
        if number(momentum) != "0.99" and 0 <= momentum < 1:
            options.append(f"Momentum<{real(momentum)}>")
        if gamma is None:
            options.append("NoScale")
        if beta is None:
            options.append("NoShift")
        if options:
            self.kind, self.arguments = "BatchNormOf", options
        if not self.epsilon > 0:
            raise Refused(f"its epsilon is {self.epsilon}; strata's is above 0")

    def shape(self, shape):
        return of_channels(self, shape)

    def affine(self):
        """(a, b) so that it computes a x + b."""
        t = {name: array.astype(np.float64) for name, array in self.tensors.items()}
        a = t.get("gamma", 1.0) / np.sqrt(t["moving_variance"] + self.epsilon)
        return a, t.get("beta", 0.0) - a * t["moving_mean"]

    def run(self, x):
        a, b = self.affine()
        return x * a.astype(x.dtype) + b.astype(x.dtype)


class SampleNorm(Layer):
    """GroupNorm, or LayerNorm with groups=None."""
    positive = False

    def __init__(self, groups, gamma, beta, epsilon):
        tensors = {"gamma": gamma, "beta": beta}
        super().__init__("", (), {n: a for n, a in tensors.items() if a is not None})
        self.keras = "layer_normalization" if groups is None else "group_normalization"
        self.groups, self.epsilon = groups, float(epsilon)
        self.elementwise = groups in (None, 1)
        if not self.epsilon > 0:
            raise Refused(f"its epsilon is {self.epsilon}; strata's is above 0")

    def shape(self, shape):
        if self.groups is not None and (self.groups < 1 or shape[-1] % self.groups):
            raise Refused(f"it has {self.groups} groups, which do not divide its {shape[-1]} channels")
        options = [f"Epsilon<{real(self.epsilon)}>"] if number(self.epsilon) != "0.001" else []
        options += ["NoScale"] * ("gamma" not in self.tensors) + ["NoShift"] * ("beta" not in self.tensors)
        if self.groups is None:
            self.kind, self.arguments = "LayerNormOf" if options else "LayerNorm", options
        else:
            self.kind, self.arguments = "GroupNorm", [str(self.groups), *options]
        return of_channels(self, shape)

    def run(self, x):
        if self.groups is None:
            split, axes = x, -1
        else:
            split = x.reshape(len(x), -1, self.groups, x.shape[-1] // self.groups)
            axes = (1, 3)
        mean = split.mean(axes, keepdims=True)
        out = ((split - mean) / np.sqrt(((split - mean) ** 2).mean(axes, keepdims=True) + self.epsilon)).reshape(x.shape)
        if "gamma" in self.tensors:
            out = out * self.tensor("gamma", x)
        return out + self.tensor("beta", x) if "beta" in self.tensors else out


class LRN(Layer):
    """alpha multiplies the sum of the squares. Of an even size, the extra channel is before."""

    def __init__(self, n, k, alpha, beta):
        super().__init__("LRN", [str(n), real(k), real(alpha), real(beta)])
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta
        if n < 1 or not (k > 0 and alpha >= 0 and beta >= 0):
            raise Refused(f"its size is {n}, bias {k}, alpha {alpha} and beta {beta}; strata's are at least 1, above 0, and "
                          "not negative")

    def shape(self, shape):
        self.needs_map(shape)
        return shape

    def run(self, x):
        squares = np.pad(x * x, ((0, 0),) * 3 + ((self.n // 2, (self.n - 1) // 2),))
        total = sum(squares[..., i:i + x.shape[-1]] for i in range(self.n))
        return x / (self.k + self.alpha * total) ** self.beta


class PReLU(Layer):
    keras = "p_re_lu"
    elementwise = True
    positive = False
    activation = True

    def __init__(self, alpha):
        super().__init__("PReLU", (), {"alpha": alpha})

    def shape(self, shape):
        return of_channels(self, shape)

    def run(self, x):
        return np.where(x < 0, self.tensor("alpha", x) * x, x)


class ChannelShuffle(Layer):
    def __init__(self, groups):
        super().__init__("ChannelShuffle", [str(groups)])
        self.groups = groups

    def run(self, x):
        split = x.reshape(*x.shape[:-1], self.groups, x.shape[-1] // self.groups)
        return np.swapaxes(split, -1, -2).reshape(x.shape)


class Affine(Layer):
    """a x + b for each channel, with constants of the model. simplify() makes a layer of strata of it."""
    elementwise = True
    positive = False

    def __init__(self, a, b):
        super().__init__("Affine", (), {"a": a, "b": b})

    def shape(self, shape):
        return of_channels(self, shape)

    def run(self, x):
        return x * self.tensor("a", x) + self.tensor("b", x)


def of_channels(layer, shape):
    for name, array in layer.tensors.items():
        if array.shape != (shape[-1],):
            raise Refused(f"its {name} has the shape {array.shape}; expected one number for each of {shape[-1]} channels")
    return shape


# --- Activations --------------------------------------------------------------------------------------------------------

_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x):
    return _erf(np.asarray(x, np.float64)).astype(np.float64)


class Elementwise(Layer):
    elementwise = True
    activation = True

    def __init__(self, kind, function, arguments=(), positive=None):
        super().__init__(kind, arguments)
        self.run, self.positive = function, positive


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


def relu():
    return Elementwise("ReLU", lambda x: np.maximum(x, 0), positive=True)


def clip(low, high):
    """low or high may be infinite."""
    if not low < high:
        raise Refused(f"it limits its values to [{low}, {high}]; strata's Clip needs a low limit below the high one")
    if low == 0 and high == math.inf:
        return relu()
    largest = float(np.finfo(np.float32).max)
    low, high = max(low, -largest), min(high, largest)
    layer = Elementwise("Clip", lambda x: np.clip(x, low, high), [number(low), number(high)],
                        positive=True if low >= 0 else None if high >= 0 else False)
    if (low, high) == (0, 6):
        layer.kind, layer.arguments = "ReLU6", []
    return layer


def scale(factor):
    return Elementwise("Scale", lambda x: x * x.dtype.type(factor), [real(factor)], positive=None if factor >= 0 else False)


def leaky_relu(slope):
    if not slope >= 0:
        raise Refused(f"its slope is {slope}; strata's LeakyReLU needs one that is not negative")
    return Elementwise("LeakyReLUOf", lambda x: np.where(x < 0, slope * x, x), [real(slope)], positive=None)


def elu(alpha=1.0):
    if not alpha >= 0:
        raise Refused(f"its alpha is {alpha}; strata's ELU needs one that is not negative")
    function = lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return Elementwise("ELU", function) if alpha == 1 else Elementwise("ELUOf", function, [real(alpha)])


def softplus():
    return Elementwise("Softplus", lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), positive=True)


def gelu():
    return Elementwise("GELU", lambda x: (0.5 * x * (1 + erf(x * math.sqrt(0.5)))).astype(x.dtype))


def gelu_tanh():
    return Elementwise("GELUTanh", lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))))


def silu():
    return Elementwise("SiLU", lambda x: x * sigmoid(x))


def hard_sigmoid():
    return Elementwise("HardSigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, positive=True)


def hard_swish():
    return Elementwise("HardSwish", lambda x: x * np.clip(x + 3, 0, 6) / 6)


def sigmoid_layer():
    return Elementwise("Sigmoid", sigmoid, positive=True)


def tanh():
    return Elementwise("Tanh", np.tanh)


# --- Layers made of layers ----------------------------------------------------------------------------------------------

class Join:
    """Branches, each a list of layers and joins, that start at one value and meet: Residual, Gate or Concat."""

    def __init__(self, kind, branches):
        self.kind, self.branches = kind, branches


def join_shape(kind, shapes):
    """The shape where branches meet."""
    first = shapes[0]
    if kind == "Concat":
        if any(len(s) != len(first) or s[:-1] != first[:-1] for s in shapes):
            raise Refused(f"it joins {', '.join(map(str, shapes))}, which differ in more than their channels")
        return (*first[:-1], sum(s[-1] for s in shapes))
    if kind == "Gate":
        x, gate = shapes
        if gate != x and not (len(x) == 3 and gate in ((x[2],), (1, 1, x[2]))):
            raise Refused(f"it multiplies {x} by {gate}; strata's Gate takes factors of the same shape, or one for each channel")
        return x
    if any(s != first for s in shapes):
        raise Refused(f"it adds {', '.join(map(str, shapes))}; strata's Residual adds maps of one shape")
    return first


def join_run(kind, values):
    if kind == "Concat":
        return np.concatenate(values, -1)
    if kind == "Gate":
        x, gate = values
        return x * (gate[:, None, None] if gate.ndim < x.ndim else gate)
    return sum(values[1:], values[0])


def check_size(shape, name):
    counted(shape, name)
    return shape
