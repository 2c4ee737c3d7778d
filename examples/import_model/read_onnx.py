# SPDX-License-Identifier: BSL-1.0
"""Reads an ONNX model as a Graph of strata's layers.

Values keep their ONNX shape and the meaning of each axis, such as NCHW, so that a Transpose costs nothing: strata's maps are
(N,H,W,C) whatever the file calls them. Shapes that a file computes are followed as constants. What each operator becomes is in
onnx_windows.py, onnx_shapes.py and onnx_elements.py."""
import collections
import hashlib
import math

import numpy as np

import layers
import onnx_elements
import onnx_patterns as patterns
import onnx_shapes
import onnx_windows
from graph import Graph, add_step, read_with_maps
from onnx_constants import axes_of, computes, known
from onnx_elements import Elements
from onnx_file import array_of, read_model
from onnx_shapes import Shapes
from onnx_values import Unknown, Value, printable, said, shown
from onnx_windows import Windows
from refusals import LIMIT_ELEMENTS, LIMIT_NODES, AllRefused, Refused, counted

# What Python raises for attributes of other types, or as many, than an operator has.
DAMAGED = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError)


class OnnxReader(Windows, Shapes, Elements):
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
        self.place, self.readers, self.takers = {}, collections.Counter(), collections.defaultdict(list)
        for place, node in enumerate(ordered):
            for name in node.output:
                if name:
                    self.producer[name], self.place[name] = node, place
            self.readers.update(set(node.input))
            for name in set(node.input):
                self.takers[name].append(node)
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
                    return "NHWC" if self.attributes(node).get("perm") == [0, 3, 1, 2] else "NCHW"
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
            values = value if isinstance(value, list) else [value]
            for place, name in enumerate(node.output):
                self.values[name] = values[place] if place < len(values) else Unknown()
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
            try:
                norm = patterns.layer_norm(self, output)
                made = norm or patterns.lrn(self, output) or patterns.activation(self, output)
                if made is not None:
                    self._skip_inside(node, norm[0] if norm else made[1], skipped)
                    self.found[output] = made
            except (Refused, *DAMAGED):
                pass  # the walk says it, and names the node
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
                value = self._data(found[1])
                if isinstance(found[0], layers.LRN) and value.axes != "NCHW":
                    raise Refused("it takes no map of two dimensions")
                return self._after(found[0], value)
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
        if order is not None:
            return self.steps.add(layer, inputs, said(self.node), order)
        return add_step(self.steps, layer, inputs, said(self.node), self.maps)

    def _after(self, layer, value, shape=None, axes=None):
        step = self._add(layer, [value.step])
        return Value(step, shape or value.shape, axes or value.axes)

    def _origin(self, layer, **names):
        """Notes what the file calls a layer's tensors."""
        for tensor, name in names.items():
            if name:
                layer.origins[tensor] = self.names.get(name, name)
        return layer

    def _only_taken_by(self, *kinds, **attributes):
        """Whether all nodes that take the output of this one are of such kinds, with such attributes."""
        takers = self.takers[self.node.output[0]]
        return bool(takers) and self.readers[self.node.output[0]] == len(takers) and all(
            node.op_type in kinds and all(self.attributes(node).get(name) == value for name, value in attributes.items())
            for node in takers)

    def _input_name(self, place):
        return self.node.input[place] if len(self.node.input) > place else ""


_OPERATORS = onnx_windows.OPERATORS | onnx_shapes.OPERATORS | onnx_elements.OPERATORS
_REASONS = {
    **dict.fromkeys(("If", "Loop", "Scan"), "it chooses at run time what is computed; strata's networks are types"),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"),
                    "it computes in 8 bits; strata computes in float32, so export the model before it is quantized"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "strata has no recurrent layers"),
    "Attention": "strata has no attention", "Einsum": "strata has no layer for products of computed matrices",
    "NonMaxSuppression": "it chooses boxes, which is behind a detector's network; name the output before it with --output",
}
