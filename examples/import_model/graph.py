# SPDX-License-Identifier: BSL-1.0
"""A model as steps: each is one of strata's layers, or a place where values meet. A reader adds the steps of a file in the order
of computation; nest() finds the nesting of Residual, Concat and Gate."""
import numpy as np

from layers import AvgPool, Conv, ConvTranspose, Dense, Flatten, GlobalPool, Join, LRN, Pool, Reshape, Upsample, Window, check_size, \
    join_shape, scale
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


def add_step(graph, layer, inputs, name, maps):
    """Graph.add(). Where a layer takes a map of one pixel, and the reader has a vector, the global pool that made it is read again as
    a map (`maps` has those that are), or a Reshape makes a map of the vector."""
    try:
        return graph.add(layer, inputs, name)
    except Refused as refused:
        vectors = [i for i in inputs if len(graph.steps[i].shape) == 1]
        if not vectors or not isinstance(layer, (str, Conv, ConvTranspose, Pool, Upsample, LRN)):
            raise
        pool = next((graph.steps[i].pool for i in vectors if graph.steps[i].pool and graph.steps[i].pool not in maps), None)
        if pool is not None:
            raise NeedsMap(pool) from None
        if any(graph.steps[i].order is not None for i in vectors):
            raise
        try:
            return graph.add(layer, [graph.pixel(i, name) if i in vectors else i for i in inputs], name)
        except Refused:
            raise refused from None


class Step:
    def __init__(self, layer, inputs, name, shape, order):
        self.layer = layer    # a Layer, or one of JOINS
        self.inputs = inputs  # numbers of steps; step 0 is the input
        self.name = name      # as messages call it
        self.shape = shape    # of its output, as strata has it
        self.order = order    # of a vector behind Flatten: element j is the model's element order[j]; None if it is the same
        self.positive = False
        self.pool = None      # the name of the global pool that makes a vector what in the model is a map of one pixel


class Graph:
    def __init__(self, shape):
        self.steps = [Step(None, [], "the input", shape, None)]
        self.pixels = {}  # the number of a vector's step: that of its map of one pixel
        self.joined = {}  # the numbers of the steps that a Concat joins: its own

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
        if not isinstance(layer, (str, Flatten)):
            step.pool = name if isinstance(layer, GlobalPool) else sources[0].pool
        self.steps.append(step)
        return len(self.steps) - 1

    def pixel(self, source, name):
        """The number of the step that makes a vector a map of one pixel."""
        if source not in self.pixels:
            self.pixels[source] = self.add_reshape(Reshape((1, 1, *self.steps[source].shape)), source, name)
        return self.pixels[source]

    def add_reshape(self, layer, source, name):
        """A Reshape of a vector to a map; layer.order may name an order that simplify() gives to the vector."""
        self.steps.append(Step(layer, [source], name, layer.shape(self.steps[source].shape), None))
        self.steps[-1].positive = self.steps[source].positive
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

    def used(self, output):
        """The numbers of the steps that the output needs, in the order of computation."""
        seen, stack = set(), [output]
        while stack:
            number = stack.pop()
            if number not in seen:
                seen.add(number)
                stack += self.steps[number].inputs
        return sorted(seen)


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
