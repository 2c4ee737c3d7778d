# SPDX-License-Identifier: BSL-1.0
"""Merges the steps of a Graph that a file computes in several: constants that are added or multiplied, BatchNorm, HardSigmoid."""
import numpy as np

from layers import Affine, BatchNorm, Conv, ConvTranspose, Dense, Flatten, Reshape, SampleNorm, hard_sigmoid, scale
from refusals import Refused


def simplify(graph, output, fold):
    """Merges constants that are added or multiplied into the layer before them, BatchNorm too if `fold` says so, and writes the
    other constants as layers. Returns the number of the output's step."""
    used = graph.used(output)
    readers = dict.fromkeys(used, 0)
    for number in used:
        for source in graph.steps[number].inputs:
            readers[source] += 1
    instead, flat = hard_sigmoids(graph, used, readers), {}
    for number in used:
        step = graph.steps[number]
        if number in instead:
            continue
        step.inputs = [instead.get(source, source) for source in step.inputs]
        if isinstance(step.layer, Flatten):
            same = same_vector(graph, step, flat.setdefault(step.inputs[0], number))
            if same != number:
                instead[number] = same
                readers[same] += readers[number]
            continue
        if isinstance(step.layer, Reshape) and step.layer.order is not None:
            exchange(graph, step, readers)
        layer = step.layer
        if not isinstance(layer, Affine) and not (fold and isinstance(layer, BatchNorm)):
            continue
        source = step.inputs[0]
        before = graph.steps[source].layer
        alone = source and readers[source] == 1
        norm = isinstance(before, SampleNorm) and isinstance(layer, Affine)
        if alone and (norm or isinstance(before, (Conv, ConvTranspose, Dense, Affine, BatchNorm))) and not (
                isinstance(before, BatchNorm) and isinstance(layer, BatchNorm)) and (norm or not is_factor(layer)):
            merge(before, layer)
            graph.steps[source].shape = before.shape(graph.steps[graph.steps[source].inputs[0]].shape)
            graph.steps[source].positive = False
            instead[number], readers[source] = source, readers[number]
    for number in used:
        step = graph.steps[number]
        if isinstance(step.layer, Affine):
            step.layer = of_constants(step.layer)
    return instead.get(output, output)


def hard_sigmoids(graph, used, readers):
    """x + 3, limited to 0 and 6, divided by 6: Keras writes it in layers. Returns {the last step: the one in its place}."""
    instead = {}
    for number in used:
        clip = graph.steps[number].inputs[0] if number else 0
        plus = graph.steps[clip].inputs[0] if clip else 0
        if not plus or readers[clip] != 1 or readers[plus] != 1:
            continue
        steps = [graph.steps[n] for n in (plus, clip, number)]
        three, limits, sixth = (step.layer for step in steps)
        if not isinstance(three, Affine) or not isinstance(sixth, Affine) or getattr(limits, "kind", "") != "ReLU6":
            continue
        if is_factor(sixth) and np.allclose(sixth.tensors["a"], 1 / 6, rtol=1e-6) and (three.tensors["a"] == 1).all() and \
                (three.tensors["b"] == 3).all():
            steps[0].layer = hard_sigmoid()
            instead[clip] = instead[number] = plus
            readers[plus] = readers[number]
    return instead


def same_vector(graph, step, first):
    """The number of the step that already has what a Flatten makes: what a Reshape before it was made of, or the first Flatten of the
    same map. The elements are the same; only the model's order of them differs, which matters while it is read."""
    before = graph.steps[step.inputs[0]]
    if isinstance(before.layer, Reshape) and before.layer.order is None and len(graph.steps[before.inputs[0]].shape) == 1:
        return before.inputs[0]
    return first


def exchange(graph, step, readers):
    """Gives the vector before a Reshape the order of strata's maps, by the columns of the Dense that made it."""
    order, number = step.layer.order, step.inputs[0]
    while True:
        before = graph.steps[number]
        if readers[number] != 1 or not (isinstance(before.layer, Dense) or getattr(before.layer, "elementwise", False)):
            raise Refused(f"{step.name}: it makes {list(step.shape)} of a vector whose elements have another order in strata; only "
                          "what a fully connected layer computed for it alone can be put in that order")
        if isinstance(before.layer, Dense):
            before.layer.tensors = {name: np.ascontiguousarray(array[..., order]) for name, array in before.layer.tensors.items()}
            break
        before.layer.reorder(order)
        number = before.inputs[0]
    step.layer.order = None


def is_factor(layer):
    """Whether it multiplies all channels by one number, for which strata has Scale."""
    return isinstance(layer, Affine) and not layer.tensors["b"].any() and np.ptp(layer.tensors["a"]) == 0


def merge(before, layer):
    """`before` becomes both."""
    if isinstance(layer, BatchNorm):
        a, b = layer.affine()
    else:
        a, b = layer.tensors["a"].astype(np.float64), layer.tensors["b"].astype(np.float64)
    t = {name: array.astype(np.float64) for name, array in before.tensors.items()}
    if isinstance(before, SampleNorm):
        if "gamma" in t or (a != 1).any():
            t["gamma"] = t.get("gamma", 1.0) * a
        if "beta" in t or b.any():
            t["beta"] = t.get("beta", 0.0) * a + b
        before.origins |= {"gamma": layer.origins.get("a") or before.origins.get("gamma", ""),
                           "beta": layer.origins.get("b") or before.origins.get("beta", "")}
    elif isinstance(before, Affine):
        t["a"], t["b"] = t["a"] * a, t["b"] * a + b
    elif isinstance(before, BatchNorm):
        t["gamma"], t["beta"] = t.get("gamma", 1.0) * a, t.get("beta", 0.0) * a + b
    else:
        t["kernel"] = t["kernel"] * (a[:, None] if isinstance(before, ConvTranspose) else a)
        if "bias" in t or b.any():
            t["bias"] = t.get("bias", 0.0) * a + b
    if isinstance(before, BatchNorm):
        for word, tensor in (("NoScale", "gamma"), ("NoShift", "beta")):
            t[tensor] = np.broadcast_to(t[tensor], a.shape)
            before.arguments = [argument for argument in before.arguments if argument != word]
        before.kind = "BatchNormOf" if before.arguments else "BatchNorm"
        t = {name: t[name] for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    before.tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in t.items()}


def of_constants(layer):
    """A layer of strata that computes a x + b."""
    a, b = layer.tensors["a"], layer.tensors["b"]
    if is_factor(layer):
        return scale(float(a[0]))
    norm = BatchNorm(np.zeros_like(a), np.full_like(a, 1 - 1e-3), a, b)
    norm.origins = {"gamma": layer.origins.get("a", ""), "beta": layer.origins.get("b", "")}
    return norm
