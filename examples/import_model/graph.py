# SPDX-License-Identifier: BSL-1.0
"""A model as steps: each is one of strata's layers, or a place where values meet. A reader adds the steps of a file in the order
of computation; simplify() merges what the file computes in several; nest() finds the nesting of Residual, Concat and Gate."""
import numpy as np

from layers import Affine, AvgPool, BatchNorm, Conv, ConvTranspose, Dense, Flatten, GlobalPool, Join, Window, check_size, \
    hard_sigmoid, join_shape, scale
from refusals import LIMIT_DEPTH, AllRefused, Refused

JOINS = ("Add", "Concat", "Multiply")


class NeedsMap(Exception):
    """A layer takes the map (1,1,C) of a global pool, which therefore must be written as a pool."""

    def __init__(self, pool):
        super().__init__(pool)
        self.pool = pool


def read_with_maps(reader, read):
    """What read() gives. A Graph is made again for each global pool whose map of one pixel is needed as a map; reader.maps has
    these pools. Throws AllRefused."""
    reader.maps = set()
    while True:
        try:
            return read()
        except NeedsMap as need:
            if need.pool in reader.maps:
                raise AllRefused([f"{need.pool}: its vector would have to become a map again"]) from need
            reader.maps.add(need.pool)


class Step:
    def __init__(self, layer, inputs, name, shape, order):
        self.layer = layer    # a Layer, or one of JOINS
        self.inputs = inputs  # numbers of steps; step 0 is the input
        self.name = name      # as messages call it
        self.shape = shape    # of its output, as strata has it
        self.order = order    # of a vector behind Flatten: element j is the model's element order[j]; None if it is the same
        self.positive = False


class Graph:
    def __init__(self, shape):
        self.steps = [Step(None, [], "the input", shape, None)]

    @property
    def input(self):
        return self.steps[0].shape

    def add(self, layer, inputs, name, order=None):
        """Adds a step and returns its number. `order` is that of a Flatten's output."""
        sources = [self.steps[i] for i in inputs]
        if isinstance(layer, str):
            shape, order = self._meet(layer, sources)
            positive = all(s.positive for s in sources)
        else:
            source = sources[0]
            shape = layer.shape(source.shape)
            if source.order is not None and len(shape) == 1:
                layer.reorder(source.order)
                order = None if isinstance(layer, Dense) else source.order
            positive = source.positive if layer.positive is None else layer.positive
        check_size(shape, "its output")
        step = Step(layer, list(inputs), name, shape, order)
        step.positive = positive
        self.steps.append(step)
        return len(self.steps) - 1

    def _meet(self, kind, sources):
        orders = [s.order for s in sources]
        if kind == "Multiply":
            shapes = [s.shape for s in sources]
            # The factor of a gate is smaller than what it multiplies.
            join_shape("Gate", sorted(shapes, key=lambda s: -int(np.prod(s))))
            return max(shapes, key=np.prod), self._common(orders)
        shape = join_shape("Residual" if kind == "Add" else kind, [s.shape for s in sources])
        if kind == "Add" or all(order is None for order in orders):
            return shape, self._common(orders)
        parts, first = [], 0
        for source in sources:
            order = np.arange(source.shape[0]) if source.order is None else source.order
            parts.append(order + first)
            first += source.shape[0]
        return shape, np.concatenate(parts)

    @staticmethod
    def _common(orders):
        if any((a is None) != (b is None) or (a is not None and not np.array_equal(a, b)) for a, b in zip(orders, orders[1:])):
            raise Refused("its inputs are vectors whose elements have different orders in strata")
        return orders[0]

    def pool_behind(self, number):
        """The name of the global pool that makes a vector what in the model is a map of one pixel; None if there is none."""
        while number:
            step = self.steps[number]
            if isinstance(step.layer, GlobalPool):
                return step.name
            if isinstance(step.layer, (str, Flatten)):
                return None
            number = step.inputs[0]
        return None

    def used(self, output):
        """The numbers of the steps that the output needs, in the order of computation."""
        seen, stack = set(), [output]
        while stack:
            number = stack.pop()
            if number not in seen:
                seen.add(number)
                stack += self.steps[number].inputs
        return sorted(seen)


# --- Merging ------------------------------------------------------------------------------------------------------------

def simplify(graph, output, fold):
    """Merges constants that are added or multiplied into the layer before them, BatchNorm too if `fold` says so, and writes the
    other constants as layers. Returns the number of the output's step."""
    used = graph.used(output)
    readers = dict.fromkeys(used, 0)
    for number in used:
        for source in graph.steps[number].inputs:
            readers[source] += 1
    instead = hard_sigmoids(graph, used, readers)
    for number in used:
        step = graph.steps[number]
        if number in instead:
            continue
        step.inputs = [instead.get(source, source) for source in step.inputs]
        layer = step.layer
        if not isinstance(layer, Affine) and not (fold and isinstance(layer, BatchNorm)):
            continue
        source = step.inputs[0]
        before = graph.steps[source].layer
        alone = source and readers[source] == 1
        if alone and isinstance(before, (Conv, ConvTranspose, Dense, Affine, BatchNorm)) and not (
                isinstance(before, BatchNorm) and isinstance(layer, BatchNorm)) and not is_factor(layer):
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
    if isinstance(before, Affine):
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


# --- Nesting ------------------------------------------------------------------------------------------------------------

def nest(graph, output):
    """The layers from the input to the output, with Join where branches meet."""
    return Nesting(graph, output).chain(output, 0, 0)


class Nesting:
    """A value dominates another if all that the other is made of passes through it. A place where values meet starts at its
    nearest dominator, and its branches must share nothing behind it."""

    def __init__(self, graph, output):
        self.graph, self.dominator = graph, {0: 0}
        for number in graph.used(output):
            inputs = graph.steps[number].inputs
            if not inputs:
                continue
            nearest = inputs[0]
            for other in inputs[1:]:
                nearest = self.common(nearest, other)
            self.dominator[number] = nearest

    def common(self, one, other):
        """The nearest step that dominates both, or is one of them."""
        while one != other:
            if one > other:
                one = self.dominator[one]
            else:
                other = self.dominator[other]
        return one

    def chain(self, number, stop, depth):
        if depth > LIMIT_DEPTH:
            raise Refused(f"it has branches in branches to a depth of more than {LIMIT_DEPTH}")
        found = []
        while number != stop:
            step = self.graph.steps[number]
            if isinstance(step.layer, str):
                start = self.dominator[number]
                found.append(self.join(step, start, depth))
                number = start
            else:
                found.append(step.layer)
                number = step.inputs[0]
        return found[::-1]

    def join(self, step, start, depth):
        name, insides = step.name, []
        if step.layer == "Concat":
            branches = self.concat(step.inputs, start, name, depth)
            return Join("Concat", branches)
        for source in step.inputs:
            inside = self.between(source, start)
            self.check_apart(inside, insides, start, name)
            insides.append(inside)
        branches = [self.chain(source, start, depth + 1) for source in step.inputs]
        if step.layer == "Multiply":
            if [bool(b) for b in branches] == [True, False]:
                branches.reverse()
            if [bool(b) for b in branches] != [False, True]:
                raise Refused(f"{name}: it multiplies two computed values; strata's Gate multiplies a value by what is computed of "
                              "that same value")
            x = self.graph.steps[start].shape
            if x != step.shape:
                raise Refused(f"{name}: what it multiplies has the shape {x}, and its factor {step.shape}; strata's Gate keeps the "
                              "shape of what it multiplies")
            return Join("Gate", branches[1:])
        return residual(branches, name)

    def check_apart(self, inside, others, start, name):
        for other in others:
            if inside & other:
                shared = self.graph.steps[max(inside & other)].name
                raise Refused(f"{name}: its branches, which start at {self.graph.steps[start].name}, share {shared}; strata's "
                              "branches share nothing but their start")

    def concat(self, inputs, start, name, depth):
        """The branches; neighbours that have a nearer start in common become a Concat in a branch, as in Inception v3."""
        if depth > LIMIT_DEPTH:
            raise Refused(f"{name}: it has branches in branches to a depth of more than {LIMIT_DEPTH}")
        runs = []
        for source in inputs:
            nearest = self.common(runs[-1][1], source) if runs else start
            if runs and nearest != start:
                runs[-1][0].append(source)
                runs[-1][1] = nearest
            else:
                runs.append([[source], source])
        branches, insides = [], []
        for sources, nearest in runs:
            inside = set().union(*(self.between(source, start) for source in sources))
            self.check_apart(inside, insides, start, name)
            insides.append(inside)
            if len(sources) == 1:
                branches.append(self.chain(sources[0], start, depth + 1))
            else:
                inner = Join("Concat", self.concat(sources, nearest, name, depth + 1))
                branches.append(self.chain(nearest, start, depth + 1) + [inner])
        return branches

    def between(self, number, start):
        """The steps from `start`, without it, to this one."""
        seen, stack = set(), [number]
        while stack:
            n = stack.pop()
            if n != start and n not in seen:
                seen.add(n)
                stack += self.graph.steps[n].inputs
        return seen


def residual(branches, name):
    """Nested for more than two branches. The longest is the body; an empty one, the value itself, needs no Shortcut."""
    branches = sorted(branches, key=length, reverse=True)
    if not branches[0]:
        return scale(len(branches))
    body = branches[0]
    if sum(not b for b in branches) > 1:
        raise Refused(f"{name}: it adds one value twice beside a branch")
    for branch in branches[1:]:
        body = [Join("Residual", [body, branch] if branch else [body])]
    return body[0]


def length(branch):
    return sum(1 if not isinstance(x, Join) else 1 + sum(map(length, x.branches)) for x in branch)


# --- A nesting as a whole -----------------------------------------------------------------------------------------------

def layers_of(chain):
    """The layers in the order in which strata has them: a Residual's body comes before its Shortcut."""
    for item in chain:
        if isinstance(item, Join):
            for branch in item.branches:
                yield from layers_of(branch)
        else:
            yield item


def named_tensors(chain):
    """{"conv2d_1/kernel": (array, the model's own name)}; strata numbers the layers of a kind as Keras does."""
    counts, found = {}, {}
    for layer in layers_of(chain):
        if not layer.tensors:
            continue
        count = counts[layer.keras] = counts.get(layer.keras, -1) + 1
        for name, array in layer.tensors.items():
            found[f"{layer.keras}{f'_{count}' if count else ''}/{name}"] = (array, layer.origins.get(name, ""))
    return found


def parameters(chain):
    """The trainable numbers."""
    return sum(array.size for name, (array, _) in named_tensors(chain).items() if "/moving_" not in name)


def whole_pool(shape):
    """A pool over a whole map that leaves a map of one pixel."""
    return AvgPool(Window(shape[:2], shape[:2]))
