# SPDX-License-Identifier: BSL-1.0
"""Computes the nodes of an ONNX graph whose inputs are known, such as the shapes that exporters compute at run time."""
import math

import numpy as np

from refusals import Refused, counted


def known(node, attributes, inputs, opset):
    """The outputs of a node for its inputs, or None for an operator that is not computed here. Refuses outputs that are too large
    before they are made."""
    compute = _OPERATORS.get(node.op_type)
    if compute is None:
        return None
    try:
        with np.errstate(all="ignore"):
            outputs = compute(attributes, inputs, opset)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, ZeroDivisionError, AttributeError) as error:
        raise Refused(f"it cannot be computed from its constants: {error}") from error
    return outputs if isinstance(outputs, list) else [np.asarray(outputs)]


def computes(operator):
    return operator in _OPERATORS


def axes_of(attributes, inputs, place=1):
    if "axes" in attributes:
        return [int(n) for n in attributes["axes"]]
    return [int(n) for n in np.ravel(inputs[place])] if len(inputs) > place and inputs[place] is not None else None


def reshaped(shape, wanted, allow_zero=False):
    """The shape that Reshape makes of one."""
    wanted = [int(n) for n in np.ravel(wanted)]
    out = [shape[i] if n == 0 and not allow_zero else n for i, n in enumerate(wanted)]
    if out.count(-1) > 1 or any(n < -1 for n in out):
        raise ValueError(f"a shape {wanted}")
    if -1 in out:
        rest = math.prod(n for n in out if n != -1)
        if rest == 0 or math.prod(shape) % rest:
            raise ValueError(f"{list(shape)} does not become {wanted}")
        out[out.index(-1)] = math.prod(shape) // rest
    if math.prod(out) != math.prod(shape):
        raise ValueError(f"{list(shape)} does not become {wanted}")
    return out


def _binary(function):
    def compute(_, inputs, __):
        counted(np.broadcast_shapes(*(np.shape(x) for x in inputs)), "its output")
        return function(*inputs)
    return compute


def _unary(function):
    return lambda _, inputs, __: np.asarray(function(inputs[0])).astype(inputs[0].dtype)


def _divide(a, b):
    return a // b if np.issubdtype(a.dtype, np.integer) else a / b


def _cast(attributes, inputs, _):
    import onnx
    return inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))


def _constant(attributes, _, __):
    from onnx_file import array_of
    if "value" in attributes:
        return array_of(attributes["value"])
    for name, kind in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
                       ("value_ints", np.int64)):
        if name in attributes:
            return np.array(attributes[name], kind)
    raise ValueError("a constant without numbers")


def _filled(attributes, inputs, _):
    from onnx_file import array_of
    shape = [int(n) for n in inputs[0]]
    counted(shape, "its output")
    value = array_of(attributes["value"]) if "value" in attributes else np.zeros(1, np.float32)
    return np.full(shape, value.reshape(-1)[0], value.dtype)


def _unsqueeze(attributes, inputs, _):
    axes = axes_of(attributes, inputs)
    return np.expand_dims(inputs[0], tuple(axes))


def _squeeze(attributes, inputs, _):
    axes = axes_of(attributes, inputs)
    return np.squeeze(inputs[0], None if axes is None else tuple(axes))


def _concat(attributes, inputs, _):
    counted([sum(x.size for x in inputs)], "its output")
    return np.concatenate(inputs, attributes["axis"])


def cuts_of(attributes, inputs, shape, opset):
    """What Slice takes of each axis, as slices of Python."""
    if opset < 10:
        starts, ends, axes, steps = attributes["starts"], attributes["ends"], attributes.get("axes"), None
    else:
        starts, ends, axes, steps = (list(inputs) + [None] * 4)[1:5]
    starts, ends = np.ravel(starts), np.ravel(ends)
    axes = range(len(starts)) if axes is None else np.ravel(axes)
    steps = [1] * len(starts) if steps is None else np.ravel(steps)
    cut = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        start, end, step = int(start), int(end), int(step)
        limit = shape[int(axis)]
        cut[int(axis)] = slice(start, None if step < 0 and end < -limit else end, step)
    return cut


def _slice(attributes, inputs, opset):
    return inputs[0][tuple(cuts_of(attributes, inputs, inputs[0].shape, opset))]


def _gather(attributes, inputs, _):
    axis = attributes.get("axis", 0)
    x, index = inputs
    counted([x.size // max(x.shape[axis], 1), index.size], "its output")
    return np.take(x, index.astype(np.int64), axis)


def _range(_, inputs, __):
    start, limit, step = (x.item() for x in inputs)
    counted([max(math.ceil((limit - start) / step), 0)], "its output")
    return np.arange(start, limit, step, inputs[0].dtype)


def _expand(_, inputs, __):
    shape = np.broadcast_shapes(inputs[0].shape, tuple(int(n) for n in inputs[1]))
    counted(shape, "its output")
    return np.broadcast_to(inputs[0], shape)


def _reshape(attributes, inputs, _):
    return inputs[0].reshape(reshaped(inputs[0].shape, inputs[1], attributes.get("allowzero", 0)))


def _transpose(attributes, inputs, _):
    return np.transpose(inputs[0], attributes.get("perm"))


def _split(attributes, inputs, _):
    axis, x = attributes.get("axis", 0), inputs[0]
    sizes = attributes.get("split") or (inputs[1] if len(inputs) > 1 else None)
    if sizes is None:
        raise ValueError("a Split without sizes")
    return [np.asarray(part) for part in np.split(x, np.cumsum(sizes)[:-1], axis)]


def _reduce(function):
    def compute(attributes, inputs, _):
        axes = axes_of(attributes, inputs)
        return np.asarray(function(inputs[0], None if axes is None else tuple(axes), keepdims=bool(attributes.get("keepdims", 1))))
    return compute


def _clip(attributes, inputs, _):
    low = inputs[1] if len(inputs) > 1 else attributes.get("min")
    high = inputs[2] if len(inputs) > 2 else attributes.get("max")
    x = inputs[0]
    x = x if low is None else np.maximum(x, np.asarray(low, x.dtype))
    return x if high is None else np.minimum(x, np.asarray(high, x.dtype))


_OPERATORS = {
    "Constant": _constant, "ConstantOfShape": _filled, "Identity": lambda _, inputs, __: inputs[0], "Cast": _cast,
    "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Concat": _concat, "Slice": _slice, "Gather": _gather, "Range": _range,
    "Expand": _expand, "Reshape": _reshape, "Transpose": _transpose, "Split": _split, "Clip": _clip,
    "Add": _binary(np.add), "Sub": _binary(np.subtract), "Mul": _binary(np.multiply), "Div": _binary(_divide),
    "Pow": _binary(lambda a, b: np.power(a, b).astype(a.dtype)), "Equal": _binary(np.equal), "Mod": _binary(np.mod),
    "Where": _binary(np.where), "Max": _binary(lambda *x: np.maximum.reduce(x)), "Min": _binary(lambda *x: np.minimum.reduce(x)),
    "Less": _binary(np.less), "Greater": _binary(np.greater), "And": _binary(np.logical_and), "Or": _binary(np.logical_or),
    "Sqrt": _unary(np.sqrt), "Neg": _unary(np.negative), "Floor": _unary(np.floor), "Ceil": _unary(np.ceil),
    "Exp": _unary(np.exp), "Reciprocal": _unary(np.reciprocal), "Abs": _unary(np.abs), "Not": _unary(np.logical_not),
    "Size": lambda _, inputs, __: np.array(inputs[0].size, np.int64),
    "Shape": lambda _, inputs, __: np.array(inputs[0].shape, np.int64),
    "ReduceProd": _reduce(np.prod), "ReduceSum": _reduce(np.sum), "ReduceMax": _reduce(np.max), "ReduceMin": _reduce(np.min),
    "ReduceMean": _reduce(np.mean),
}
