# SPDX-License-Identifier: BSL-1.0
"""The operators of ONNX that slide a window over a map, or change its size: convolutions, pools, Resize, Pad."""
import numpy as np

import layers
import onnx_patterns as patterns
from graph import whole_pool
from onnx_constants import axes_of
from onnx_values import Value, said
from refusals import Refused, counted


class Windows:
    """A part of OnnxReader: each method makes the value of the node that is read."""

    def _window(self, value, kernel, pool=False):
        a = self.attribute
        if value.axes != "NCHW":
            raise Refused(f"it takes a value with {len(value.axes)} axes; strata's windows slide over maps of two dimensions")
        stride, dilation = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
        auto, pads = a.get("auto_pad", b"NOTSET").decode(), [0, 0, 0, 0]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            top, bottom, left, right = layers.Window(kernel, stride, dilation).same(value.shape[2:])
            pads = [top, bottom, left, right] if auto == "SAME_UPPER" else [bottom, top, right, left]
        elif auto == "NOTSET":
            given = list(a.get("pads", [0, 0, 0, 0]))
            if len(given) != 4:
                raise Refused(f"its pads are {given}; expected four numbers")
            pads = [given[0], given[2], given[1], given[3]]
        elif auto != "VALID":
            raise Refused(f"its auto_pad is {auto}; expected NOTSET, SAME_UPPER, SAME_LOWER or VALID")
        if value.pads is not None:
            pads = [own + before for own, before in zip(pads, value.pads)]
        ceil = pool and a.get("ceil_mode", 0) and auto == "NOTSET"
        window = layers.Window(kernel, stride, dilation, pads, ceil)
        window.meant_same = auto == "SAME_UPPER"
        return window

    def _map(self, step, value):
        """The Value of a step whose output is a map."""
        height, width, channels = self.steps.steps[step].shape
        return Value(step, [value.shape[0], channels, height, width], "NCHW")

    def conv(self):
        value = self._data(self._input_name(0), keep_pads=True)
        weights = self.needed(self._input_name(1), "weight tensor")
        bias = self.needed(self._input_name(2), "bias") if self._input_name(2) else None
        if weights.ndim != 4:
            raise Refused(f"its weights have {weights.ndim} axes; strata's convolutions have two dimensions")
        kernel = self.attribute.get("kernel_shape", weights.shape[2:])
        window, groups = self._window(value, kernel), self.attribute.get("group", 1)
        flat = len(self.steps.steps[value.step].shape) == 1
        if flat and tuple(kernel) == (1, 1) and groups == 1 and not any(window.pads):
            layer = layers.Dense(weights[:, :, 0, 0].T, bias)  # over the one pixel behind a global pool
            shape = [value.shape[0], weights.shape[0], 1, 1]
            return self._after(self._origin(layer, kernel=self._input_name(1), bias=self._input_name(2)), value, shape)
        layer = layers.Conv(window, weights.transpose(2, 3, 1, 0), bias, groups)
        step = self._add(self._origin(layer, kernel=self._input_name(1), bias=self._input_name(2)), [value.step])
        return self._map(step, value)

    def conv_transpose(self):
        value = self._data(self._input_name(0))
        weights = self.needed(self._input_name(1), "weight tensor")
        bias = self.needed(self._input_name(2), "bias") if self._input_name(2) else None
        if weights.ndim != 4:
            raise Refused(f"its weights have {weights.ndim} axes; strata's convolutions have two dimensions")
        if self.attribute.get("group", 1) != 1:
            raise Refused(f"it has {self.attribute['group']} groups; strata's ConvTranspose has one")
        if value.axes != "NCHW":
            raise Refused("it takes no map of two dimensions")
        a, kernel = self.attribute, self.attribute.get("kernel_shape", weights.shape[2:])
        window = layers.Window(kernel, a.get("strides", [1, 1]), a.get("dilations", [1, 1]))
        extra, auto = list(a.get("output_padding", [0, 0])), a.get("auto_pad", b"NOTSET").decode()
        pads, wanted = list(a.get("pads", [0, 0, 0, 0])), a.get("output_shape")
        if len(pads) != 4 or len(extra) != 2:
            raise Refused(f"its pads are {pads} and its output padding {extra}; expected four numbers and two")
        if wanted is None and auto in ("SAME_UPPER", "SAME_LOWER"):
            wanted = [n * step for n, step in zip(value.shape[2:], window.stride)]
        if wanted is not None:
            for axis in (0, 1):
                full = (value.shape[2 + axis] - 1) * window.stride[axis] + extra[axis] + window.extent(axis)
                total = full - int(wanted[-2:][axis])
                if total < 0:  # what is missing is added at the end
                    extra[axis], total = extra[axis] - total, 0
                less = total // 2
                pads[axis], pads[2 + axis] = (less, total - less) if auto == "SAME_UPPER" else (total - less, less)
        elif auto == "VALID":
            pads = [0, 0, 0, 0]
        window = layers.Window(kernel, window.stride, window.dilation, [pads[0], pads[2], pads[1], pads[3]])
        layer = layers.ConvTranspose(window, weights.transpose(2, 3, 1, 0), bias, extra)
        step = self._add(self._origin(layer, kernel=self._input_name(1), bias=self._input_name(2)), [value.step])
        return self._map(step, value)

    def pool(self):
        average = self.node.op_type == "AveragePool"
        value = self._data(self._input_name(0), keep_pads=True)
        if "kernel_shape" not in self.attribute:
            raise Refused("it has no kernel_shape")
        window = self._window(value, self.attribute["kernel_shape"], True)
        count = average and bool(self.attribute.get("count_include_pad", 0))
        if value.pads is not None and any(value.pads):
            own = list(self.attribute.get("pads", [0, 0, 0, 0]))
            if not average and not value.lowest and not self.steps.steps[value.step].positive:
                raise Refused("it takes the maximum with the zeros of a Pad; strata's MaxPool ignores its padding")
            if average and any(own) and not count:
                raise Refused("it counts the zeros of a Pad, and not its own")
            count = average
        flat = len(self.steps.steps[value.step].shape) == 1
        if window.kernel == (1, 1) and window.stride == (1, 1) and not any(window.pads):
            return Value(value.step, value.shape, value.axes)
        if average and not any(window.pads) and not flat and window.outputs(value.shape[2:]) == (1, 1) \
                and list(window.kernel) == value.shape[2:]:
            return self._global("GlobalAvgPool", value)
        sides, zeros = (1, 1) if flat else self.steps.steps[value.step].shape[:2], value.pads is not None and not value.lowest
        if not average and not zeros and not all(window.counts_along(i, sides[i]).all() for i in (0, 1)) and not self._only_taken_by("Where"):
            raise Refused("some of its windows read padding alone, whose largest is minus infinity; strata's MaxPool gives 0 there")
        layer = layers.AvgPool(window, count) if average else layers.MaxPool(window)
        return self._map(self._add(layer, [value.step]), value)

    def _global(self, kind, value, shape=None, axes=None):
        """Of a map; its output is the vector (N,C), or a map of one pixel where later layers need one."""
        letters = dict(zip(value.axes, value.shape))
        shape, axes = shape or [value.shape[0], letters["C"], 1, 1], axes or "NCHW"
        if len(self.steps.steps[value.step].shape) == 1:
            return Value(value.step, shape, axes)  # it is one pixel already
        if said(self.node) in self.maps:
            if kind == "GlobalMaxPool":
                pool = layers.MaxPool(layers.Window(self.steps.steps[value.step].shape[:2], self.steps.steps[value.step].shape[:2]))
            else:
                pool = whole_pool(self.steps.steps[value.step].shape)
            return Value(self._add(pool, [value.step]), shape, axes)
        return Value(self._add(layers.GlobalPool(kind), [value.step]), shape, axes)

    def global_pool(self):
        value = self._data(self._input_name(0))
        if value.axes != "NCHW":
            raise Refused("it takes no map of two dimensions")
        return self._global("GlobalAvgPool" if self.node.op_type == "GlobalAveragePool" else "GlobalMaxPool", value)

    def reduce(self):
        value = self._data(self._input_name(0))
        inputs = [self.constants.get(name) if name else None for name in self.node.input]
        inputs = [None if i is None else self.constant(name) for i, name in zip(inputs, self.node.input)]
        axes, rank = axes_of(self.attribute, inputs), len(value.shape)
        letters = sorted(value.axes[n % rank] for n in axes) if axes else []
        if letters != ["H", "W"]:
            raise Refused(f"it reduces the axes {axes}; strata's global pools reduce the height and the width")
        keep = self.attribute.get("keepdims", 1)
        kind = "GlobalAvgPool" if self.node.op_type == "ReduceMean" else "GlobalMaxPool"
        out = [(1 if letter in "HW" else n, letter) for n, letter in zip(value.shape, value.axes) if keep or letter not in "HW"]
        made = self._global(kind, value, [n for n, _ in out], "".join(letter for _, letter in out))
        if not keep and len(self.steps.steps[made.step].shape) == 3:
            made.step = self._add(layers.Flatten(), [made.step])
        return made

    def resize(self):
        value = self._data(self._input_name(0))
        a = self.attribute
        mode = a.get("mode", b"nearest").decode()
        if self.node.op_type == "Upsample" or self.opset < 11:
            scales, sizes = (a.get("scales") or self.needed(self._input_name(1), "scales")), None
        else:
            scales = self.needed(self._input_name(2), "scales") if self._input_name(2) else None
            sizes = self.needed(self._input_name(3), "sizes") if self._input_name(3) else None
        axes = [n % len(value.shape) for n in a.get("axes", range(len(value.shape)))]
        factors = {letter: 1.0 for letter in value.axes}
        given = sizes if sizes is not None and np.size(sizes) else scales
        if given is None or len(given) != len(axes):
            raise Refused("it has neither scales nor sizes for its axes")
        if a.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
            raise Refused("it chooses its size by keep_aspect_ratio_policy")
        for axis, n in zip(axes, given):
            factors[value.axes[axis]] = float(n) / (value.shape[axis] if given is sizes else 1)
        if any(factor != int(factor) or factor < 1 for factor in factors.values()):
            raise Refused(f"it resizes by {', '.join(layers.number(f) for f in factors.values())}; strata's Upsample enlarges by "
                          "whole numbers")
        if any(factor != 1 for letter, factor in factors.items() if letter not in "HW"):
            raise Refused("it enlarges other axes than the height and the width")
        if mode == "cubic" or a.get("antialias", 0) or a.get("exclude_outside", 0):
            raise Refused(f"its mode is {mode}{' with antialias' * bool(a.get('antialias', 0))}; strata's Upsample repeats elements "
                          "or mixes neighbours linearly")
        letters = dict(zip(value.axes, value.shape))
        whole = (int(factors.get("H", 1)), int(factors.get("W", 1)))
        shape = [n * int(factors[letter]) for n, letter in zip(value.shape, value.axes)]
        counted(shape, "its output")
        old = self.opset if self.node.op_type == "Resize" else 10
        asks = patterns.nearest_factor if mode == "nearest" else patterns.linear_factor
        if not all(asks(a, old, letters[letter], factor) for letter, factor in zip("HW", whole)):
            how = a.get("coordinate_transformation_mode", b"asymmetric").decode()
            raise Refused(f"it places its elements by {how} with mode {mode}; strata's Upsample repeats each element, or mixes as "
                          "half_pixel does")
        if whole == (1, 1):
            return Value(value.step, value.shape, value.axes)
        step = self._add(layers.Upsample(whole, mode == "linear"), [value.step])
        return Value(step, shape, value.axes)

    def pad(self):
        value = self._data(self._input_name(0))
        a, rank = self.attribute, len(value.shape)
        mode = a.get("mode", b"constant").decode()
        pads = a.get("pads") if "pads" in a else self.needed(self._input_name(1), "pads").tolist()
        fill = a.get("value", 0.0)
        if self._input_name(2):
            fill = float(self.needed(self._input_name(2), "value").reshape(-1)[0])
        axes = range(rank)
        if self._input_name(3):
            axes = [int(n) % rank for n in self.needed(self._input_name(3), "axes")]
        if len(pads) != 2 * len(axes):
            raise Refused(f"its pads are {list(pads)}; expected two numbers for each axis")
        sides = {letter: (0, 0) for letter in value.axes}
        for place, axis in enumerate(axes):
            sides[value.axes[axis]] = (int(pads[place]), int(pads[place + len(axes)]))
        if all(pair == (0, 0) for pair in sides.values()):
            return Value(value.step, value.shape, value.axes)
        lowest = patterns.is_infinite(fill) and fill < 0 and self._only_taken_by("MaxPool")  # as strata's MaxPool pads
        if mode != "constant" or not (fill == 0 or lowest) or any(n < 0 for pair in sides.values() for n in pair) or \
                any(pair != (0, 0) for letter, pair in sides.items() if letter not in "HW"):
            raise Refused(f"it pads with mode {mode} by {list(pads)}; strata pads a map's sides with zeros")
        shape = [n + sum(sides[letter]) for n, letter in zip(value.shape, value.axes)]
        counted(shape, "its output")
        padded = Value(value.step, shape, value.axes, (*sides["H"], *sides["W"]))
        padded.lowest = lowest
        return padded

    def where(self):
        """0 for each window of a MaxPool that has nothing but padding; strata's MaxPool gives that."""
        names = list(self.node.input)
        stored = [name in self.constants for name in names]
        if stored == [True, False, True] and not self.constant(names[2]).any():
            value, wanted = self._data(names[1]), self.constant(names[0])
            step = self.steps.steps[value.step]
            if isinstance(step.layer, layers.MaxPool) and value.axes == "NCHW" and wanted.size == np.prod(step.shape[:2]):
                read = step.layer.window.counts(self.steps.steps[step.inputs[0]].shape[:2])[0, :, :, 0] > 0
                if wanted.shape[-2:] == read.shape and np.array_equal(wanted.reshape(read.shape), read):
                    return value
        raise Refused("it chooses between two values for each element; strata has no layer that does")


OPERATORS = {
    "Conv": Windows.conv, "ConvTranspose": Windows.conv_transpose, "MaxPool": Windows.pool, "AveragePool": Windows.pool,
    "GlobalAveragePool": Windows.global_pool, "GlobalMaxPool": Windows.global_pool, "ReduceMean": Windows.reduce,
    "ReduceMax": Windows.reduce, "Resize": Windows.resize, "Upsample": Windows.resize, "Pad": Windows.pad, "Where": Windows.where,
}
