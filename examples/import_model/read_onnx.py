# SPDX-License-Identifier: BSL-1.0
"""Reads an ONNX model as a Graph of strata's layers.

Values keep their ONNX shape and the meaning of each axis, such as NCHW, so that a Transpose costs nothing: strata's maps are
(N,H,W,C) whatever the file calls them. Shapes that a file computes are followed as constants."""
import collections
import hashlib
import math

import numpy as np

import layers
import onnx_patterns as patterns
from graph import Graph, NeedsMap, read_with_maps, whole_pool
from onnx_constants import axes_of, computes, known, reshaped
from onnx_file import array_of, read_model
from refusals import LIMIT_ELEMENTS, LIMIT_NODES, AllRefused, Refused, counted

# What Python raises for attributes of other types, or as many, than an operator has.
DAMAGED = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError)


class Value:
    """A computed value: its step in the Graph, its ONNX shape, and its axes, one letter each. G and K are the groups and the
    channels of a group. `pads` are zeros around it that the next window takes: top, bottom, left, right."""

    def __init__(self, step, shape, axes, pads=None):
        self.step, self.shape, self.axes, self.pads = step, [int(n) for n in shape], axes, pads

    def channel_axis(self):
        return self.axes.index("C")


class Unknown:
    """What a refused node would have made."""


class OnnxReader:
    def __init__(self, path, input_shape=None, output=None):
        self.model, self.opset = read_model(path)
        self.graph = self.model.graph
        self.source = self._source(path)
        self.constants, self.names = {}, {}
        for tensor in self.graph.initializer:
            self.constants[tensor.name] = tensor  # unpacked when a node takes it
        self._choose_output(output)
        self._order_nodes()
        self.input_name, self.batch, self.input_sides, self.input_axes = self._input(input_shape)

    # --- The file ---------------------------------------------------------------------------------------------------

    def _source(self, path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
        maker = " ".join(filter(None, (self.model.producer_name, self.model.producer_version)))
        return {"sha256": digest.hexdigest(), "kind": f"ONNX opset {self.opset}", "maker": "".join(
            c for c in maker if c.isprintable())[:80]}

    def _choose_output(self, wanted):
        outputs = [o.name for o in self.graph.output]
        made = {name for node in self.graph.node for name in node.output}
        if wanted is not None:
            if wanted not in made:
                raise Refused(f"the model computes no {wanted}; its outputs are {shown(outputs)}")
            self.output = wanted
        elif len(outputs) == 1:
            self.output = outputs[0]
        else:
            raise Refused(f"the model has {len(outputs)} outputs, {shown(outputs)}; name one with --output")
        if self.output not in made:
            raise Refused(f"the model's output {self.output} is computed by no node")

    def _order_nodes(self):
        """The nodes that the output needs, each after those that it takes from."""
        makers = {}
        for node in self.graph.node:
            for name in node.output:
                if name and name in makers:
                    raise Refused(f"two nodes compute {name}; the file is no ONNX model, or a damaged one")
                if name:
                    makers[name] = node
        ordered, state, stack = [], {}, [(self.output, False)]
        while stack:
            name, done = stack.pop()
            node = makers.get(name)
            if node is None or (state.get(id(node)) == 2):
                continue
            if done:
                state[id(node)] = 2
                ordered.append(node)
                continue
            if state.get(id(node)) == 1:
                raise Refused(f"{said(node)}: it takes what it computes itself; the file is no ONNX model, or a damaged one")
            state[id(node)] = 1
            stack.append((name, True))
            stack += [(i, False) for i in node.input if i and state.get(id(makers.get(i))) != 2]
        if len(ordered) > LIMIT_NODES:
            raise Refused(f"the model has {len(ordered)} nodes; the importer takes at most {LIMIT_NODES}")
        self.nodes, self.producer = ordered, {}
        self.place, self.readers = {}, collections.Counter()
        for place, node in enumerate(ordered):
            for name in node.output:
                if name:
                    self.producer[name], self.place[name] = node, place
            self.readers.update(set(node.input))
        self.readers[self.output] += 1

    def _input(self, wanted):
        inputs = [i for i in self.graph.input if i.name not in self.constants]
        used = [i for i in inputs if self.readers[i.name]]
        if len(used) != 1:
            raise Refused(f"the output {self.output} is computed of {len(used)} inputs ({shown([i.name for i in used])}); "
                          "strata's networks have one")
        kind = used[0].type.tensor_type
        if kind.elem_type != 1:
            raise Refused(f"the input {used[0].name} is not float32; strata computes in float32")
        sides = [d.dim_value for d in kind.shape.dim]
        if len(sides) not in (2, 4):
            raise Refused(f"the input {used[0].name} has {len(sides)} axes; expected images (N,C,H,W) or vectors (N,n)")
        batch = sides[0] if sides[0] > 0 else 1
        axes = "NC" if len(sides) == 2 else self._layout(used[0].name)
        if wanted is not None:
            height, width, channels = wanted
            given = {"H": height, "W": width, "C": channels}
            if len(sides) == 2:
                given = {"C": height * width * channels}
            for place, letter in enumerate(axes[1:], 1):
                if sides[place] > 0 and sides[place] != given[letter]:
                    raise Refused(f"the input {used[0].name} has the shape {sides}, which --input {height}x{width}x{channels} "
                                  "does not fit")
                sides[place] = given[letter]
        if any(n <= 0 for n in sides[1:]):
            raise Refused(f"the input {used[0].name} has the shape {['?' if n <= 0 else n for n in sides]}; give --input HxWxC")
        counted([batch, *sides[1:]], f"the input {used[0].name}")
        return used[0].name, batch, sides[1:], axes

    def _layout(self, name):
        """NHWC if the first node that has an opinion turns the input into NCHW, or takes its last axis for the channels."""
        readers, names, seen = collections.defaultdict(list), [name], set()
        for node in self.nodes:
            for i in node.input:
                readers[i].append(node)
        while names:
            name = names.pop(0)
            for node in readers[name]:
                if node.op_type == "Transpose":
                    return "NHWC" if list(self.attributes(node).get("perm", [])) == [0, 3, 1, 2] else "NCHW"
                if node.op_type == "MatMul" or (node.op_type == "LayerNormalization" and self.attributes(node).get("axis", -1)
                                                in (-1, 3)):
                    return "NHWC"
                if node.op_type not in ("Add", "Sub", "Mul", "Div", "Identity", "Cast"):
                    return "NCHW"
                if id(node) not in seen:
                    seen.add(id(node))
                    names += node.output
        return "NCHW"

    # --- What patterns ask ------------------------------------------------------------------------------------------

    @staticmethod
    def attributes(node):
        import onnx
        found = {}
        for attribute in node.attribute:
            try:
                found[attribute.name] = onnx.helper.get_attribute_value(attribute)
            except ValueError as error:
                raise Refused(f"{said(node)}: its attribute {attribute.name} cannot be read") from error
        return found

    def made_by(self, name, kind):
        node = self.producer.get(name)
        return node if node is not None and node.op_type == kind else None

    def with_number(self, node):
        """(name, number) of a node of a value and a constant number; else (None, None)."""
        for value, constant in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
            if constant in self.constants and value not in self.constants and self.constant(constant).size == 1:
                return value, float(self.constant(constant).reshape(-1)[0])
        return None, None

    def axes(self, node):
        """The axes of a reduction."""
        inputs = [self.constant(name) if name in self.constants else None for name in node.input]
        return axes_of(self.attributes(node), inputs)

    def limits(self, node, attributes):
        """The limits of Clip; infinite where there is none."""
        found = []
        for place, name, none in ((1, "min", -math.inf), (2, "max", math.inf)):
            value = attributes.get(name)
            if len(node.input) > place and node.input[place]:
                value = float(self.needed(node.input[place], "limit").reshape(-1)[0])
            found.append(none if patterns.is_infinite(value) else float(value))
        return found

    def constant(self, name):
        array = self.constants[name]
        if not isinstance(array, np.ndarray):
            array = self.constants[name] = array_of(array)
        return array

    def needed(self, name, what):
        """A constant that a layer is made of."""
        if name not in self.constants:
            raise Refused(f"its {what} is computed, not stored")
        return self.constant(name)

    # --- The model's own outputs ------------------------------------------------------------------------------------

    def outputs(self, inputs, network):
        """Computes the model by ONNX Runtime. Inputs (N,H,W,C); one by one, unless the file says how many there are."""
        import onnx
        import onnxruntime
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        model.graph.ClearField("output")
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(self.output))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        letters = self.input_axes
        order = ["NHWC".index(letter) for letter in letters] if len(letters) == 4 else None
        found = []
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
            for start in range(0, len(inputs), self.batch):
                x = inputs[start:start + self.batch]
                x = x.transpose(order) if order else x.reshape(len(x), -1)
                found.append(session.run([self.output], {self.input_name: np.ascontiguousarray(x)})[0])
        except Exception as error:  # its exceptions have no common class of their own
            raise Refused(f"ONNX Runtime does not run the model: {printable(str(error))}") from error
        return np.concatenate(found)

    # --- The walk ---------------------------------------------------------------------------------------------------

    def read(self):
        """(Graph, number of its output's step, axes of the output). Throws AllRefused."""
        return read_with_maps(self, self._read)

    def _read(self):
        sides = dict(zip(self.input_axes[1:], self.input_sides))
        shape = (sides.get("H", 1), sides.get("W", 1), sides["C"])
        self.steps = Graph(shape)
        first = 0
        if len(self.input_axes) == 2:
            first = self.steps.add(layers.Flatten(), [0], "the input")
        self.values = {self.input_name: Value(first, [self.batch, *self.input_sides], self.input_axes)}
        refusals, self.folded = [], 0
        for node in self.nodes:  # first what needs no image: the patterns below ask for numbers
            try:
                self._fold(node)
            except (Refused, *DAMAGED):
                pass  # the walk below says it
        skipped = self._skipped()
        for node in self.nodes:
            if all(name in self.values or name in self.constants for name in node.output if name):
                continue
            try:
                if id(node) in skipped:
                    continue
                if self._fold(node):
                    continue
                value = self._value(node)
            except Refused as refused:
                refusals.append(f"{said(node)}: {refused}")
                value = Unknown()
            except DAMAGED as error:
                refusals.append(f"{said(node)}: its attributes or inputs are damaged: {printable(str(error))}")
                value = Unknown()
            self.values[node.output[0]] = value
            for name in node.output[1:]:
                self.values[name] = Unknown()
        value = self.values.get(self.output)
        if not refusals and (value is None or isinstance(value, Unknown)):
            refusals.append(f"the output {self.output} is a constant" if value is None else
                            f"the output {self.output} is no result that strata's layers have")
        if not refusals and value.pads is not None:
            refusals.append(f"the output {self.output} has a border of zeros; strata pads before windows alone")
        if not refusals and not (set(value.axes) <= set("NHWC")):
            refusals.append(f"the output {self.output} has {len(value.axes)} axes; strata's outputs are maps and vectors")
        if refusals:
            raise AllRefused(refusals)
        return self.steps, value.step, value.axes, value.shape

    def _skipped(self):
        """Finds the activations and normalizations that are spelled out. Returns the nodes inside them that nothing else takes."""
        self.found, skipped = {}, set()
        for node in reversed(self.nodes):
            if id(node) in skipped or not node.output:
                continue
            output = node.output[0]
            norm = patterns.layer_norm(self, output)
            source = norm[0] if norm else None
            if norm is None:
                made = patterns.activation(self, output)
                if made is None:
                    continue
                source = made[1]
                self.found[output] = made
            else:
                self.found[output] = norm
            self._skip_inside(node, source, skipped)
        return skipped

    def _skip_inside(self, last, source, skipped):
        inside, stack = {id(last)}, [name for name in last.input if name != source]
        members = []
        while stack:
            node = self.producer.get(stack.pop())
            if node is not None and id(node) not in inside:
                inside.add(id(node))
                members.append(node)
                stack += [name for name in node.input if name != source and name not in self.constants]
        # A node may be left out if all that takes from it is left out, too.
        members.sort(key=lambda node: -self.place[node.output[0]])
        gone = {id(last)}
        takers = collections.defaultdict(list)
        for node in [last, *members]:
            for name in set(node.input):
                takers[name].append(id(node))
        for node in members:
            if all(self.readers[name] == sum(taker in gone for taker in takers[name]) for name in node.output if name):
                gone.add(id(node))
        skipped |= gone - {id(last)}

    def _fold(self, node):
        """Computes a node that needs no image. Returns whether it is one."""
        computed = self._constant(node)
        if computed is None:
            return False
        self.folded += sum(array.size for array in computed)
        if self.folded > LIMIT_ELEMENTS:
            raise AllRefused([f"{said(node)}: the model computes constants of more than {LIMIT_ELEMENTS} numbers"])
        self.constants.update({name: array for name, array in zip(node.output, computed) if name})
        return True

    def _constant(self, node):
        """Its outputs, or None."""
        if node.op_type in ("Shape", "Size") and node.input and isinstance(self.values.get(node.input[0]), Value):
            shape = self.values[node.input[0]].shape
            attributes = self.attributes(node)
            cut = shape[attributes.get("start", 0):attributes.get("end", len(shape))]
            return [np.array(cut if node.op_type == "Shape" else math.prod(shape), np.int64)]
        if not all(name == "" or name in self.constants for name in node.input):
            return None
        inputs = [self.constant(name) if name else None for name in node.input]
        outputs = known(node, self.attributes(node), inputs, self.opset)
        if outputs is not None and node.op_type in ("Identity", "Reshape", "Transpose", "Cast"):
            self.names[node.output[0]] = self.names.get(node.input[0], node.input[0])
        if outputs is None:
            raise Refused("its inputs are constants, and the importer does not compute it")
        return outputs

    def _value(self, node):
        """The value that a node computes."""
        output = node.output[0]
        found = self.found.get(output)
        self.node, self.attribute = node, self.attributes(node)
        if found is not None:
            if isinstance(self.values.get(found[1] if len(found) == 2 else found[0]), Unknown):
                return Unknown()
            if len(found) == 2:
                return self._after(found[0], self._data(found[1]))
            return self._norm_of(self._data(found[0]), found[2], found[1], None, None)
        plain = node.domain in ("", "ai.onnx")
        method = _OPERATORS.get(node.op_type) if plain else None
        if any(isinstance(self.values.get(name), Unknown) for name in node.input) and (method or (plain and computes(node.op_type))):
            return Unknown()  # one sentence for each cause is enough
        if method is None:
            where = f" of {node.domain}" if node.domain not in ("", "ai.onnx") else ""
            raise Refused(_REASONS.get(node.op_type, f"strata has no layer for {node.op_type}{where}"))
        if len([name for name in node.output if name]) > 1 and node.op_type not in ("Split", "BatchNormalization", "Dropout"):
            if any(self.readers[name] for name in node.output[1:]):
                raise Refused("more than its first output is used")
        return method(self)

    def _data(self, name, keep_pads=False):
        value = self.values.get(name)
        if value is None:
            raise Refused(f"its input {name} is {'a constant' if name in self.constants else 'computed by no node'}")
        if isinstance(value, Unknown):
            raise Refused(f"its input {name} is refused")
        if value.pads is not None and not keep_pads:
            raise Refused("it takes what a Pad made; strata pads where a convolution or a pool reads, with zeros")
        return value

    def _add(self, layer, inputs, order=None):
        """A step of the Graph for this node."""
        pools = [self.steps.pool_behind(i) for i in inputs]
        try:
            return self.steps.add(layer, inputs, said(self.node), order)
        except Refused:
            # A map of one pixel may have become a vector too early.
            pool = next((p for p, i in zip(pools, inputs) if p and p not in self.maps and len(self.steps.steps[i].shape) == 1), None)
            if pool and isinstance(layer, (str, layers.Conv, layers.ConvTranspose, layers.Pool, layers.Upsample, layers.LRN)):
                raise NeedsMap(pool) from None
            raise

    def _after(self, layer, value, shape=None, axes=None):
        step = self._add(layer, [value.step])
        return Value(step, shape or value.shape, axes or value.axes)

    def _origin(self, layer, **names):
        """Notes what the file calls a layer's tensors."""
        for tensor, name in names.items():
            if name:
                layer.origins[tensor] = self.names.get(name, name)
        return layer

    def _input_name(self, place):
        return self.node.input[place] if len(self.node.input) > place else ""

    # --- Windows ----------------------------------------------------------------------------------------------------

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
            if not average and not self.steps.steps[value.step].positive:
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
        old = self.opset if self.node.op_type == "Resize" else 10
        asks = patterns.nearest_factor if mode == "nearest" else patterns.linear_factor
        if not all(asks(a, old, letters[letter], factor) for letter, factor in zip("HW", whole)):
            how = a.get("coordinate_transformation_mode", b"asymmetric").decode()
            raise Refused(f"it places its elements by {how} with mode {mode}; strata's Upsample repeats each element, or mixes as "
                          "half_pixel does")
        if whole == (1, 1):
            return Value(value.step, value.shape, value.axes)
        step = self._add(layers.Upsample(whole, mode == "linear"), [value.step])
        shape = [n * int(factors[letter]) for n, letter in zip(value.shape, value.axes)]
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
        if mode != "constant" or fill != 0 or any(n < 0 for pair in sides.values() for n in pair) or \
                any(pair != (0, 0) for letter, pair in sides.items() if letter not in "HW"):
            raise Refused(f"it pads with mode {mode} by {list(pads)}; strata pads a map's sides with zeros")
        shape = [n + sum(sides[letter]) for n, letter in zip(value.shape, value.axes)]
        counted(shape, "its output")
        return Value(value.step, shape, value.axes, (*sides["H"], *sides["W"]))

    # --- Vectors and shapes -----------------------------------------------------------------------------------------

    def _matrix(self, value, kernel, bias, origins):
        """x times a matrix, along the channels."""
        flat = len(self.steps.steps[value.step].shape) == 1
        if flat and value.axes[-1] == "C":
            return self._after(self._origin(layers.Dense(kernel, bias), **origins), value, [*value.shape[:-1], kernel.shape[1]])
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
        large = [i for i, n in enumerate(out) if i and n > 1]
        if (len(inner) == 1 or inner[0] == inner[1] == 1) and len(large) <= 1 and set(value.axes) <= set("NHWC"):
            axes = {2: "NC", 4: "NCHW" if not large or large[0] == 1 else "NHWC" if large[0] == 3 else None}.get(len(out))
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
        groups = _groups(value, out)
        if groups is not None:
            return Value(value.step, out, groups)
        if set("GK") <= set(value.axes):
            return self._shuffled(value, out)
        raise Refused(f"it makes {out} of {shape}; strata flattens a map, and changes no other shape")

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
        raise Refused("it takes some of the channels; strata has no layer that does")

    def slice(self):
        value = self._data(self._input_name(0))
        inputs = [None] + [self.needed(name, "range") if name else None for name in self.node.input[1:]]
        inputs[0] = np.broadcast_to(np.float32(0), value.shape)
        if known(self.node, self.attribute, inputs, self.opset)[0].shape == tuple(value.shape):
            return value
        raise Refused("it takes a part of a value; strata has no layer that does")

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
        steps = self._shared_prefix([v.step for v in values])
        return Value(self._add("Concat", steps), shape, first.axes) if len(steps) > 1 else Value(steps[0], shape, first.axes)

    def _shared_prefix(self, steps):
        """DenseNet joins all its maps again and again: what an earlier step has joined is taken from there."""
        lists = getattr(self.steps, "joined", None)
        if lists is None:
            lists = self.steps.joined = {}
        for length in range(len(steps) - 1, 1, -1):
            known_step = lists.get(tuple(steps[:length]))
            if known_step is not None:
                lists.setdefault(tuple(steps), len(self.steps.steps))
                return [known_step, *steps[length:]]
        lists.setdefault(tuple(steps), len(self.steps.steps))
        return steps

    # --- Arithmetic -------------------------------------------------------------------------------------------------

    def arithmetic(self):
        kind, names = self.node.op_type, list(self.node.input)
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

    def lrn(self):
        value, a = self._data(self._input_name(0)), self.attribute
        if value.axes != "NCHW":
            raise Refused("it takes no map of two dimensions")
        n = a.get("size", 1)
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


def _groups(value, out):
    """The axes of a value whose channels a Reshape splits in groups: NCHW -> NGKHW."""
    if "C" not in value.axes or len(out) != len(value.shape) + 1:
        return None
    place = value.channel_axis()
    if out[:place] == value.shape[:place] and out[place + 2:] == value.shape[place + 1:] and \
            out[place] * out[place + 1] == value.shape[place]:
        return value.axes.replace("C", "GK")
    return None


def said(node):
    """How messages name a node."""
    name = node.name or (node.output[0] if node.output else "")
    return f"{printable(node.op_type)} '{printable(name)}'"


def printable(text):
    return "".join(c if c.isprintable() else "?" for c in text)[:100]


def shown(names):
    return ", ".join(printable(n) for n in names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"


_OPERATORS = {
    "Conv": OnnxReader.conv, "ConvTranspose": OnnxReader.conv_transpose, "MaxPool": OnnxReader.pool,
    "AveragePool": OnnxReader.pool, "GlobalAveragePool": OnnxReader.global_pool, "GlobalMaxPool": OnnxReader.global_pool,
    "ReduceMean": OnnxReader.reduce, "ReduceMax": OnnxReader.reduce, "Resize": OnnxReader.resize,
    "Upsample": OnnxReader.resize, "Pad": OnnxReader.pad, "Gemm": OnnxReader.gemm, "MatMul": OnnxReader.matmul,
    "Transpose": OnnxReader.transpose, "Reshape": OnnxReader.reshape, "Flatten": OnnxReader.reshape,
    "Squeeze": OnnxReader.reshape, "Unsqueeze": OnnxReader.reshape, "Identity": OnnxReader.same, "Cast": OnnxReader.cast,
    "Dropout": OnnxReader.dropout, "Split": OnnxReader.split, "Slice": OnnxReader.slice, "Gather": OnnxReader.split,
    "Concat": OnnxReader.concat, "Add": OnnxReader.arithmetic, "Sub": OnnxReader.arithmetic, "Mul": OnnxReader.arithmetic,
    "Div": OnnxReader.arithmetic, "Sum": OnnxReader.arithmetic, "Max": OnnxReader.arithmetic, "Min": OnnxReader.arithmetic,
    "Pow": OnnxReader.arithmetic, "BatchNormalization": OnnxReader.batch_norm,
    "LayerNormalization": OnnxReader.layer_norm, "GroupNormalization": OnnxReader.group_norm,
    "InstanceNormalization": OnnxReader.group_norm, "LRN": OnnxReader.lrn, "PRelu": OnnxReader.prelu,
    "Softmax": OnnxReader.softmax, "LogSoftmax": OnnxReader.softmax,
    **dict.fromkeys(("Relu", "Sigmoid", "Tanh", "Softplus", "HardSwish", "HardSigmoid", "Elu", "LeakyRelu", "Selu", "Celu", "Clip",
                     "Gelu", "Swish", "Mish", "Neg"), OnnxReader.activation),
}
_REASONS = {
    **dict.fromkeys(("If", "Loop", "Scan"), "it chooses at run time what is computed; strata's networks are types"),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"),
                    "it computes in 8 bits; strata computes in float32, so export the model before it is quantized"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "strata has no recurrent layers"),
    "Attention": "strata has no attention", "Einsum": "strata has no layer for products of computed matrices",
    "NonMaxSuppression": "it chooses boxes, which is behind a detector's network; name the output before it with --output",
}
