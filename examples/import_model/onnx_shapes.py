# SPDX-License-Identifier: BSL-1.0
"""The operators of ONNX on vectors, and those that give a value another shape or order: products of matrices, Reshape, Transpose,
Concat, and parts of a value."""
import itertools
import math

import numpy as np

import layers
from onnx_constants import axes_of, cuts_of, reshaped
from onnx_values import Unknown, Value, said
from refusals import Refused, counted

WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "Resize", "Upsample")
ONLY_CHANNELS = "it takes a part of a value; strata's Channels takes neighbouring channels, and no more"


class Shapes:
    """A part of OnnxReader: each method makes the value of the node that is read."""

    def _matrix(self, value, kernel, bias, origins):
        """x times a matrix, along the channels."""
        flat = len(self.steps.steps[value.step].shape) == 1
        if flat and value.axes[-1] == "C":
            made = self._after(self._origin(layers.Dense(kernel, bias), **origins), value, [*value.shape[:-1], kernel.shape[1]])
            if value.axes == "NC":
                self.steps.steps[made.step].pool = None  # the model has a vector here, too
            return made
        if value.axes[-1] != "C":
            raise Refused("it multiplies along an axis that is not the channels")
        layer = layers.Conv(layers.Window((1, 1)), kernel[None, None], bias)
        return self._after(self._origin(layer, **origins), value, [*value.shape[:-1], kernel.shape[1]])

    def gemm(self):
        value, a = self._data(self._input_name(0)), self.attribute
        if a.get("transA", 0):
            raise Refused("it transposes its input (transA), which is the axis of the images")
        if value.axes != "NC":
            raise Refused(f"it takes a value of {len(value.axes)} axes; expected vectors (N,n)")
        kernel = self.needed(self._input_name(1), "matrix")
        if kernel.ndim != 2:
            raise Refused(f"its matrix has {kernel.ndim} axes")
        kernel = (kernel.T if a.get("transB", 0) else kernel) * np.float32(a.get("alpha", 1.0))
        bias = None
        if self._input_name(2):
            bias = self.needed(self._input_name(2), "bias") * np.float32(a.get("beta", 1.0))
            if bias.size not in (1, kernel.shape[1]) or (bias.ndim == 2 and bias.shape[0] != 1):
                raise Refused(f"it adds a matrix of the shape {bias.shape}; strata's Dense adds one number to each output")
            bias = np.broadcast_to(bias.reshape(-1), (kernel.shape[1],))
        return self._matrix(value, kernel, bias, {"kernel": self._input_name(1), "bias": self._input_name(2)})

    def matmul(self):
        if self._input_name(0) in self.constants:
            raise Refused("it multiplies a constant matrix by a computed one; strata's Dense multiplies by its weights on the right")
        value = self._data(self._input_name(0))
        if self._input_name(1) not in self.constants:
            raise Refused("it multiplies two computed matrices, as attention does")
        kernel = self.constant(self._input_name(1))
        if kernel.ndim != 2:
            raise Refused(f"its matrix has {kernel.ndim} axes; expected two")
        return self._matrix(value, kernel, None, {"kernel": self._input_name(1)})

    def transpose(self):
        value = self._data(self._input_name(0), keep_pads=True)
        rank = len(value.shape)
        order = [n % rank for n in self.attribute.get("perm", range(rank - 1, -1, -1))]
        if sorted(order) != list(range(rank)):
            raise Refused(f"its perm is {order}; expected each axis once")
        if order[0] != 0:
            raise Refused(f"it moves the axis of the images (perm {order})")
        return Value(value.step, [value.shape[n] for n in order], "".join(value.axes[n] for n in order), value.pads)

    def reshape(self):
        value = self._data(self._input_name(0))
        kind, shape = self.node.op_type, value.shape
        try:
            out = self._reshaped(kind, shape)
        except (ValueError, IndexError) as error:
            raise Refused(f"its shape does not fit: {error}") from error
        return self._as(value, out)

    def _reshaped(self, kind, shape):
        a = self.attribute
        if kind == "Reshape":
            wanted = a["shape"] if "shape" in a else self.needed(self._input_name(1), "shape")
            return reshaped(shape, wanted, a.get("allowzero", 0))
        if kind == "Flatten":
            axis = a.get("axis", 1)
            axis = axis + len(shape) if axis < 0 else axis
            return [math.prod(shape[:axis]), math.prod(shape[axis:])]
        inputs = [None if name not in self.constants else self.constant(name) for name in self.node.input]
        axes = axes_of(a, inputs)
        if kind == "Squeeze":
            axes = [n % len(shape) for n in axes] if axes is not None else [i for i, n in enumerate(shape) if n == 1]
            if any(shape[n] != 1 for n in axes):
                raise ValueError(f"{shape} has more than one element on the axes {axes}")
            return [n for i, n in enumerate(shape) if i not in axes]
        rank = len(shape) + len(axes)
        places, rest = {n % rank for n in axes}, iter(shape)
        return [1 if i in places else next(rest) for i in range(rank)]

    def _as(self, value, out):
        """The same elements under another shape."""
        shape, batch = value.shape, value.shape[0]
        inner = self.steps.steps[value.step].shape
        counted(out, "its output")
        if out == shape:
            return value
        if not out or out[0] != batch:
            raise Refused(f"it makes {out} of {shape}, which moves elements from one image to another")
        count = math.prod(shape[1:])
        if value.whole is not None and out == value.whole[0]:
            return Value(value.step, out, value.whole[1])
        if len(out) == 3 and value.axes in ("NCHW", "NC") and inner[-1] % out[1] == 0 and self._only_taken_by("InstanceNormalization"):
            return Value(value.step, out, "NGM", whole=(shape, value.axes))
        large = [i for i, n in enumerate(out) if i and n > 1]
        if (len(inner) == 1 or inner[0] == inner[1] == 1) and len(large) <= 1 and set(value.axes) <= set("NHWC"):
            axes = {2: "NC", 4: "NCHW" if not large or large[0] == 1 else "NHWC" if large[0] == 3 else None}.get(len(out))
            if len(out) == 4 and (axes is None or (axes == "NHWC" and self._only_taken_by(*WINDOWS))):  # one row or column
                return self._map_of(value, out)
            if axes is None:
                raise Refused(f"it makes {out} of {shape}; strata has maps (N,H,W,C) and vectors")
            if len(out) == 2 and len(inner) == 3:
                return Value(self._add(layers.Flatten(), [value.step]), out, "NC")
            return Value(value.step, out, axes)
        if len(out) == 2 and out[1] == count and len(inner) == 3 and sorted(value.axes) == sorted("NHWC"):
            sides = dict(zip("HWC", inner))
            letters = value.axes[1:]
            order = np.arange(count).reshape([sides[letter] for letter in letters])
            order = order.transpose([letters.index(letter) for letter in "HWC"]).reshape(-1)
            return Value(self._add(layers.Flatten(), [value.step], None if letters == "HWC" else order), out, "NC")
        if len(out) == 4 and math.prod(out[1:]) == count:
            made = self._map_of(value, out)
            if made is not None:
                return made
        groups = _groups(value, out)
        if groups is not None:
            return Value(value.step, out, groups)
        if set("GK") <= set(value.axes):
            return self._shuffled(value, out)
        raise Refused(f"it makes {out} of {shape}; the importer makes vectors of maps, maps of vectors, and groups of channels, and no "
                      "other shape")

    def _map_of(self, value, out):
        """A Reshape to a map, or None. It is (N,H,W,C) if a Transpose follows that says so, and (N,C,H,W) otherwise."""
        inner = self.steps.steps[value.step]
        channels_last = self._only_taken_by("Transpose", perm=[0, 3, 1, 2])
        if len(inner.shape) == 3 and inner.shape[:2] != (1, 1):
            same = channels_last and value.axes == "NHWC"
            return Value(self._add(layers.Reshape(out[1:]), [value.step]), out, "NHWC") if same else None
        if not set(value.axes) <= set("NHWC"):
            return None
        count, order = math.prod(out[1:]), None
        shape, axes = (out[1:], "NHWC") if channels_last else ((out[2], out[3], out[1]), "NCHW")
        if not channels_last:
            order = np.arange(count).reshape(out[1:]).transpose(1, 2, 0).reshape(-1)
            if np.array_equal(order, np.arange(count)):
                order = None
        if inner.order is not None:
            if not np.array_equal(inner.order, np.arange(count) if order is None else order):
                raise Refused(f"it makes {out} of a vector whose elements have another order in strata")
            order = None
        step = self.steps.add_reshape(layers.Reshape(shape, order), value.step, said(self.node))
        return Value(step, out, axes)

    def _shuffled(self, value, out):
        """The groups that a Reshape made become channels again."""
        place = min(value.axes.index("G"), value.axes.index("K"))
        pair, sides = value.axes[place:place + 2], dict(zip(value.axes, value.shape))
        merged = value.shape[:place] + [sides["G"] * sides["K"]] + value.shape[place + 2:]
        axes = value.axes.replace("GK", "C").replace("KG", "C")
        if out != merged or axes not in ("NCHW", "NHWC", "NC"):
            raise Refused(f"it makes {out} of {value.shape}, which are groups of channels; strata shuffles channels, and no more")
        if pair == "GK":
            return Value(value.step, out, axes)
        return Value(self._add(layers.ChannelShuffle(sides["G"]), [value.step]), out, axes)

    def same(self):
        return self._data(self._input_name(0), keep_pads=True)

    def cast(self):
        if self.attribute.get("to") != 1:
            raise Refused("it changes the type of a computed value; strata computes in float32")
        return self.same()

    def dropout(self):
        value, a = self._data(self._input_name(0)), self.attribute
        if any(self.readers[name] for name in self.node.output[1:]):
            raise Refused("its mask is used")
        if self._input_name(2) and bool(self.needed(self._input_name(2), "mode").reshape(-1)[0]):
            raise Refused("it drops elements at inference, too (training_mode)")
        rate = a.get("ratio", 0.5)
        if self._input_name(1):
            rate = float(self.needed(self._input_name(1), "ratio").reshape(-1)[0])
        if not 0 < rate < 1:
            return value
        return self._after(layers.Dropout(rate), value)

    def split(self):
        value, a = self._data(self._input_name(0)), self.attribute
        axis, count = a.get("axis", 0) % len(value.shape), len(self.node.output)
        sizes = a.get("split") or (self.needed(self._input_name(1), "sizes").tolist() if self._input_name(1) else None)
        if sizes is None:
            each = -(-value.shape[axis] // count)
            sizes = [max(min(each, value.shape[axis] - i * each), 0) for i in range(count)]
        if len(sizes) != count or min(sizes) < 0 or sum(sizes) != value.shape[axis]:
            raise Refused(f"its parts are {list(sizes)[:20]} of {value.shape[axis]}, and it has {count} outputs")
        places = itertools.accumulate(sizes, initial=0)
        return [self._channels(value, axis, first, n) if n or (name and self.readers[name]) else Unknown()
                for name, first, n in zip(self.node.output, places, sizes)]

    def part(self):
        """Slice and Gather: where they take neighbouring channels, or all of a value."""
        value, rank = self._data(self._input_name(0)), len(self._data(self._input_name(0)).shape)
        inputs = [None] + [self.needed(name, "range") if name else None for name in self.node.input[1:]]
        if self.node.op_type == "Gather":
            axis, index = self.attribute.get("axis", 0) % rank, inputs[1].astype(np.int64)
            if index.ndim != 1 or not index.size or not ((-value.shape[axis] <= index) & (index < value.shape[axis])).all():
                raise Refused(ONLY_CHANNELS)
            index = np.where(index < 0, index + value.shape[axis], index)
            if (np.diff(index) != 1).any():
                raise Refused(ONLY_CHANNELS)
            return self._channels(value, axis, int(index[0]), index.size)
        taken = [range(n)[cut] for n, cut in zip(value.shape, cuts_of(self.attribute, inputs, value.shape, self.opset))]
        changed = [axis for axis in range(rank) if taken[axis] != range(value.shape[axis])]
        if len(changed) > 1 or any(len(part) > 1 and part.step != 1 for part in taken):
            raise Refused(ONLY_CHANNELS)
        return self._channels(value, changed[0], taken[changed[0]].start, len(taken[changed[0]])) if changed else value

    def _channels(self, value, axis, first, count):
        if (first, count) == (0, value.shape[axis]):
            return value
        if value.axes[axis] != "C":
            raise Refused(ONLY_CHANNELS)
        if not count:
            raise Refused("it makes a part without channels")
        shape = [count if i == axis else n for i, n in enumerate(value.shape)]
        return self._after(layers.Channels(first, count), value, shape)

    def concat(self):
        names = list(self.node.input)
        if any(name in self.constants for name in names):
            raise Refused("it joins a constant to a computed value")
        values = [self._data(name) for name in names]
        axis = self.attribute["axis"] if "axis" in self.attribute else 1
        first = values[0]
        if any(v.axes != first.axes for v in values):
            raise Refused("it joins values whose axes have different meanings")
        axis %= len(first.shape)
        if len(values) == 1:
            return first
        if first.axes[axis] != "C":
            raise Refused(f"it joins along axis {axis}; strata's Concat puts channels side by side")
        shape = list(first.shape)
        shape[axis] = sum(v.shape[axis] for v in values)
        joined, steps = self.steps.joined, [v.step for v in values]
        # DenseNet joins all its maps again and again: what an earlier step has joined is taken from there.
        known = next((n for n in range(len(steps) - 1, 1, -1) if tuple(steps[:n]) in joined), 0)
        step = self._add("Concat", [joined[tuple(steps[:known])], *steps[known:]] if known else steps)
        joined.setdefault(tuple(steps), step)
        return Value(step, shape, first.axes)


def _groups(value, out):
    """The axes of a value whose channels a Reshape splits in groups: NCHW -> NGKHW."""
    if "C" not in value.axes or len(out) != len(value.shape) + 1:
        return None
    place = value.channel_axis()
    if out[:place] == value.shape[:place] and out[place + 2:] == value.shape[place + 1:] and \
            out[place] * out[place + 1] == value.shape[place]:
        return value.axes.replace("C", "GK")
    return None


OPERATORS = {
    "Gemm": Shapes.gemm, "MatMul": Shapes.matmul, "Transpose": Shapes.transpose,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), Shapes.reshape), "Identity": Shapes.same, "Cast": Shapes.cast,
    "Dropout": Shapes.dropout, "Split": Shapes.split, "Slice": Shapes.part, "Gather": Shapes.part, "Concat": Shapes.concat,
}
