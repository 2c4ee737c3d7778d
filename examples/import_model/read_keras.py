# SPDX-License-Identifier: BSL-1.0
"""Reads a Keras model as a Graph of strata's layers. Keras' maps are (N,H,W,C) as strata's are, and so are its kernels."""
import hashlib
import math

import numpy as np

import layers
from graph import Graph, add_step, read_with_maps, whole_pool
from keras_file import KerasFile
from refusals import LIMIT_DEPTH, LIMIT_NODES, AllRefused, Refused, counted

DAMAGED = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, ZeroDivisionError)

# These do nothing at inference.
_NOTHING = ("Activity", "AlphaDropout", "ActivityRegularization", "GaussianDropout", "GaussianNoise", "SpatialDropout2D", "RandomFlip",
            "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomShear", "Identity")
_MODELS = ("Sequential", "Functional", "Model")


class Value:
    """A step of the Graph, and the zeros around it that the next window takes: top, bottom, left, right."""

    def __init__(self, step, pads=None):
        self.step, self.pads = step, pads


class KerasReader:
    batch = 1

    def __init__(self, path, input_shape=None, output=None):
        if output is not None:
            raise Refused("--output is for ONNX files; a Keras model ends at its last layer")
        self.path, self.file = path, KerasFile(path)
        self.config, self.input_shape = self.file.config, input_shape
        self.keras3 = not self.file.version.startswith(("1.", "2."))
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
        version = "".join(c for c in self.file.version if c.isalnum() or c in ".-")[:20]
        self.source = {"sha256": digest.hexdigest(), "kind": f"Keras {version}", "maker": ""}

    def outputs(self, inputs, network):
        """By Keras, where it is installed; None where it is not."""
        import os
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            import keras
        except Exception:  # ImportError, or what a backend that is not there raises
            return None
        try:
            return np.asarray(keras.saving.load_model(self.path, compile=False).predict(inputs, verbose=0), np.float32)
        except Exception as error:  # its exceptions have no common class of their own
            raise Refused(f"Keras does not run the model: {str(error).splitlines()[0][:200]}") from error

    # --- The walk ---------------------------------------------------------------------------------------------------

    def read(self):
        """(Graph, number of its output's step, axes of the output, None). Throws AllRefused."""
        return read_with_maps(self, self._read)

    def _read(self):
        self.refusals, self.calls = [], 0
        try:
            shape = self._input_shape()
            self.graph = Graph(shape)
            first = Value(0 if len(self.sides) == 3 else self.graph.add(layers.Flatten(), [0], "the input"))
            out = self._model(self.config, [first], [], 0)
        except Refused as refused:
            raise AllRefused([*self.refusals, str(refused)]) from refused
        except DAMAGED as error:
            raise AllRefused([f"its configuration is damaged: {error!r}"]) from error
        if out is not None and out.pads is not None:
            self.refusals.append("the output has a border of zeros; strata pads before windows alone")
        if self.refusals or out is None:
            raise AllRefused(self.refusals or ["the output is no result that strata's layers have"])
        axes = "NHWC" if len(self.graph.steps[out.step].shape) == 3 else "NC"
        return self.graph, out.step, axes, None

    def _input_shape(self):
        sides = None
        pending, seen = [self.config], 0
        while pending and sides is None and seen < LIMIT_DEPTH:
            seen += 1
            model = pending.pop(0)
            for layer in layers_of(model):
                config = layer["config"]
                shape = config.get("batch_shape") or config.get("batch_input_shape")
                if shape:
                    sides = list(shape)[1:]
                    break
                if layer["class_name"] in _MODELS:
                    pending.append(layer)
                    break
            build = model.get("build_config") or {}
            if sides is None and build.get("input_shape"):
                sides = list(build["input_shape"])[1:]
        if self.input_shape is not None:
            wanted = list(self.input_shape)
            if sides is not None and len(sides) == 3 and any(n not in (None, w) for n, w in zip(sides, wanted)):
                raise Refused(f"the model's input is {sides}, which --input {'x'.join(map(str, wanted))} does not fit")
            sides = [math.prod(wanted)] if sides is not None and len(sides) == 1 else wanted
        if sides is None or len(sides) not in (1, 3) or not all(isinstance(n, int) and n > 0 for n in sides):
            raise Refused(f"the model's input has the shape {sides}; give --input HxWxC")
        counted(sides, "the input")
        self.sides = sides
        return tuple(sides) if len(sides) == 3 else (1, 1, sides[0])

    def _model(self, model, inputs, path, depth):
        """The output of a model, which may be a layer of another; None if something in it was refused."""
        if depth > LIMIT_DEPTH // 4:
            raise Refused("the model has models in models too deeply")
        if model.get("class_name") not in _MODELS:
            raise Refused(f"the model is of the class {model.get('class_name')}; expected a Sequential or functional one, because "
                          "the code of others is not in the file")
        found, counts, members = layers_of(model), {}, []
        for layer in found:
            kind = layer["class_name"]
            number = counts[kind] = counts.get(kind, -1) + 1
            members.append((layer, [*path, (kind, number, layer["config"].get("name") or layer.get("name", ""))]))
        config = model["config"]
        if model["class_name"] == "Sequential" or isinstance(config, list):
            value = inputs[0]
            for layer, place in members:
                if layer["class_name"] != "InputLayer":
                    value = self._layer(layer, [value], {}, place, depth)
            return value
        return self._functional(config, members, inputs, depth)

    def _functional(self, config, members, inputs, depth):
        by_name = {(layer.get("name") or layer["config"]["name"]): (layer, place) for layer, place in members}
        begins, ends = references(config["input_layers"]), references(config["output_layers"])
        if len(begins) != len(inputs):
            raise Refused(f"the model has {len(begins)} inputs; strata's networks have one")
        if len(ends) != 1:
            raise Refused(f"the model has {len(ends)} outputs, {', '.join(name for name, _ in ends)}; strata's networks have one")
        values = {(name, 0): value for (name, _), value in zip(begins, inputs)}
        stack, active = [ends[0]], set()
        while stack:
            key = stack[-1]
            if key in values:
                stack.pop()
                continue
            if key[0] not in by_name:
                raise Refused(f"the layer {key[0]} is not in the model")
            layer, place = by_name[key[0]]
            nodes = layer.get("inbound_nodes", [])
            if not key[1] < len(nodes):
                raise Refused(f"the layer {key[0]} has no call {key[1]}")
            sources, options = call_of(nodes[key[1]])
            missing = [s for s in sources if s not in values]
            if missing:
                if key in active:
                    raise Refused(f"the layer {key[0]} takes what it computes itself")
                active.add(key)
                stack += missing
                continue
            taken = [values[s] for s in sources]
            shared = sum(1 for k in values if k[0] == key[0])
            values[key] = self._layer(layer, taken, options, place, depth, shared)
            stack.pop()
        return values[ends[0]]

    def _layer(self, layer, inputs, options, path, depth, shared=0):
        """The value of a layer's call; None if it or something before it is refused."""
        kind, config = layer["class_name"], layer["config"]
        self.calls += 1
        if self.calls > LIMIT_NODES:
            raise Refused(f"the model has more than {LIMIT_NODES} layers")
        self.name = f"{kind} '{''.join(c if c.isprintable() else '?' for c in str(path[-1][2]))[:100]}'"
        known = kind in _MODELS or kind in _NOTHING or kind in _LAYERS
        if any(value is None for value in inputs) and known:
            return None
        name = self.name
        try:
            if kind in _MODELS:
                if shared:
                    raise Refused("it is used twice; strata's layers have weights of their own")
                return self._model(layer, inputs, path, depth + 1)
            if kind in _NOTHING:
                return inputs[0]
            if not known:
                raise Refused(_REASONS.get(kind, f"strata has no layer for {kind}"))
            self.path_of_layer, self.options, self.shared = path, options, shared
            if config.get("data_format") == "channels_first":
                raise Refused("its maps have the channels first; strata's and Keras' default have them last")
            return _LAYERS[kind](self, config, inputs)
        except Refused as refused:
            self.refusals.append(f"{name}: {refused}")
        except DAMAGED as error:
            self.refusals.append(f"{name}: its configuration is damaged: {error!r}")
        return None

    # --- Helpers ----------------------------------------------------------------------------------------------------

    def _weights(self, *names):
        if self.shared:
            raise Refused("it is used twice; strata's layers have weights of their own")
        return self.file.weights(self.path_of_layer, [name for name in names if name])

    def _add(self, layer, inputs):
        for value in inputs:
            if value.pads is not None:
                raise Refused("it takes what a ZeroPadding2D made; strata pads where a convolution or a pool reads")
        return Value(add_step(self.graph, layer, [value.step for value in inputs], self.name, self.maps))

    def _origin(self, layer):
        layer.origins = {name: f"{self.path_of_layer[-1][2]}/{name}" for name in layer.tensors}
        return layer

    def _activated(self, value, activation):
        """What a layer's argument `activation` adds."""
        for layer in self._activation(activation):
            if isinstance(layer, str):  # x tanh(softplus(x))
                inner = self._add(layers.tanh(), [self._add(layers.softplus(), [value])])
                value = self._add("Multiply", [value, inner])
            else:
                value = self._softmax(value) if isinstance(layer, layers.Softmax) and layer.kind == "Softmax" else \
                    self._add(layer, [value])
        return value

    def _activation(self, activation):
        options = {}
        if isinstance(activation, dict):
            config = activation.get("config")
            options = config if isinstance(config, dict) else {}
            activation = config if isinstance(config, str) else activation.get("class_name")
        name = str(activation or "linear").lower()
        plain = {"relu": layers.relu, "relu6": lambda: layers.clip(0, 6), "elu": layers.elu, "gelu": layers.gelu,
                 "silu": layers.silu, "swish": layers.silu, "hard_swish": layers.hard_swish, "hard_silu": layers.hard_swish,
                 "sigmoid": layers.sigmoid_layer, "tanh": layers.tanh, "softplus": layers.softplus, "softmax": layers.Softmax,
                 "log_softmax": lambda: layers.Softmax(True), "leaky_relu": lambda: layers.leaky_relu(
                     options.get("negative_slope", 0.2))}
        if name == "linear":
            return []
        if name in plain:
            return [plain[name]()]
        if name == "hard_sigmoid":  # Keras 2 has another slope
            return [layers.hard_sigmoid()] if self.keras3 else [layers.scale(1.2), layers.hard_sigmoid()]
        if name == "selu":
            return [layers.elu(1.6732632423543772), layers.scale(1.0507009873554805)]
        if name == "mish":
            return ["mish"]
        raise Refused(f"its activation is {name}; strata has no such layer")

    def _softmax(self, value):
        inner = self.graph.steps[value.step].shape
        if len(inner) == 3 and inner[:2] == (1, 1):
            value = self._add(layers.Flatten(), [value])
        return self._add(layers.Softmax(), [value])

    def _window(self, config, kernel, value, pool=False):
        stride = config.get("strides") or (kernel if pool else (1, 1))
        stride, dilation = both(stride), both(config.get("dilation_rate", 1))
        padding = config.get("padding", "valid")
        if padding not in ("valid", "same"):
            raise Refused(f"its padding is {padding}; expected valid or same")
        shape = self.graph.steps[value.step].shape
        window = layers.Window(kernel, stride, dilation)
        if padding == "same":
            sides = shape[:2] if value.pads is None else (shape[0] + sum(value.pads[:2]), shape[1] + sum(value.pads[2:]))
            window = layers.Window(kernel, stride, dilation, window.same(sides if len(shape) == 3 else (1, 1)))
            window.meant_same = value.pads is None
        if value.pads is not None:
            window = layers.Window(kernel, stride, dilation, [a + b for a, b in zip(window.pads, value.pads)])
        return window

    # --- Layers -----------------------------------------------------------------------------------------------------

    def _convolve(self, config, value, kernel, bias, groups):
        window = self._window(config, kernel.shape[:2], value)
        flat = len(self.graph.steps[value.step].shape) == 1
        value = Value(value.step)
        if flat and kernel.shape[:2] == (1, 1) and groups == 1:
            return self._add(self._origin(layers.Dense(kernel[0, 0], bias)), [value])
        return self._add(self._origin(layers.Conv(window, kernel, bias, groups)), [value])

    def conv(self, config, inputs):
        t = self._weights("kernel", config.get("use_bias", True) and "bias")
        out = self._convolve(config, inputs[0], t["kernel"], t.get("bias"), config.get("groups", 1))
        return self._activated(out, config.get("activation"))

    def depthwise(self, config, inputs):
        name = "kernel" if not self.file.legacy or self.keras3 else "depthwise_kernel"
        t = self._weights(name, config.get("use_bias", True) and "bias")
        kernel = t[name]
        out = self._convolve(config, inputs[0], kernel.reshape(*kernel.shape[:2], 1, -1), t.get("bias"), kernel.shape[2])
        return self._activated(out, config.get("activation"))

    def separable(self, config, inputs):
        t = self._weights("depthwise_kernel", "pointwise_kernel", config.get("use_bias", True) and "bias")
        kernel = t["depthwise_kernel"]
        out = self._convolve(config, inputs[0], kernel.reshape(*kernel.shape[:2], 1, -1), None, kernel.shape[2])
        out = self._convolve({}, out, t["pointwise_kernel"], t.get("bias"), 1)
        return self._activated(out, config.get("activation"))

    def transposed(self, config, inputs):
        t = self._weights("kernel", config.get("use_bias", True) and "bias")
        if config.get("output_padding") is not None:
            raise Refused("it has an output_padding")
        kernel, stride, dilation = t["kernel"], both(config.get("strides", 1)), both(config.get("dilation_rate", 1))
        pads, extra = [0, 0, 0, 0], [0, 0]
        for axis in (0, 1):
            total = dilation[axis] * (kernel.shape[axis] - 1) + 1 - stride[axis]
            if total < 0:
                extra[axis] = -total
            elif config.get("padding", "valid") == "same":
                pads[2 * axis:2 * axis + 2] = [total // 2, total - total // 2]
        layer = layers.ConvTranspose(layers.Window(kernel.shape[:2], stride, dilation, pads), kernel, t.get("bias"), extra)
        return self._activated(self._add(self._origin(layer), inputs), config.get("activation"))

    def dense(self, config, inputs):
        t = self._weights("kernel", config.get("use_bias", True) and "bias")
        if len(self.graph.steps[inputs[0].step].shape) == 3:  # of each position
            out = self._convolve({}, inputs[0], t["kernel"][None, None], t.get("bias"), 1)
        else:
            out = self._add(self._origin(layers.Dense(t["kernel"], t.get("bias"))), inputs)
        return self._activated(out, config.get("activation"))

    def batch_norm(self, config, inputs):
        self._last_axis(config, inputs[0])
        t = self._weights(config.get("scale", True) and "gamma", config.get("center", True) and "beta", "moving_mean",
                          "moving_variance")
        layer = layers.BatchNorm(t["moving_mean"], t["moving_variance"], t.get("gamma"), t.get("beta"),
                                 config.get("epsilon", 1e-3), config.get("momentum", 0.99))
        return self._add(self._origin(layer), inputs)

    def _last_axis(self, config, value):
        axis = config.get("axis", -1)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if axis not in (-1, len(self.graph.steps[value.step].shape)):
            raise Refused(f"it normalizes the axis {axis}; strata normalizes the channels, which are the last")

    def layer_norm(self, config, inputs):
        self._last_axis(config, inputs[0])
        if config.get("rms_scaling"):
            raise Refused("it scales by the root of the mean square (rms_scaling)")
        t = self._weights(config.get("scale", True) and "gamma", config.get("center", True) and "beta")
        layer = layers.SampleNorm(None, t.get("gamma"), t.get("beta"), config.get("epsilon", 1e-3))
        return self._add(self._origin(layer), inputs)

    def group_norm(self, config, inputs):
        self._last_axis(config, inputs[0])
        t = self._weights(config.get("scale", True) and "gamma", config.get("center", True) and "beta")
        groups = config.get("groups", 32)
        groups = self.graph.steps[inputs[0].step].shape[-1] if groups == -1 else groups
        layer = layers.SampleNorm(groups, t.get("gamma"), t.get("beta"), config.get("epsilon", 1e-3))
        return self._add(self._origin(layer), inputs)

    def normalization(self, config, inputs):
        if config.get("invert"):
            raise Refused("it inverts a normalization")
        if config.get("mean") is not None:
            mean, variance = np.ravel(config["mean"]), np.ravel(config["variance"])
        else:
            t = self._weights("mean", "variance")
            mean, variance = t["mean"].reshape(-1), t["variance"].reshape(-1)
        factor = 1 / np.maximum(np.sqrt(variance.astype(np.float64)), 1e-7)
        return self._affine(inputs[0], factor, -mean * factor)

    def rescaling(self, config, inputs):
        return self._affine(inputs[0], plain_number(config["scale"]), plain_number(config.get("offset", 0)))

    def layer_scale(self, _, inputs):
        """Of the ConvNeXt in keras.applications."""
        return self._affine(inputs[0], self._weights("gamma")["gamma"], 0.0)

    def _affine(self, value, a, b):
        channels = self.graph.steps[value.step].shape[-1]
        a, b = (np.ravel(np.asarray(n, np.float64)) for n in (a, b))
        if a.size not in (1, channels) or b.size not in (1, channels) or not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise Refused(f"it takes {max(a.size, b.size)} numbers for {channels} channels")
        return self._add(layers.Affine(np.broadcast_to(a, (channels,)), np.broadcast_to(b, (channels,))), [value])

    def pool(self, config, inputs):
        value, average = inputs[0], self.name.startswith("Average")
        window = self._window(config, both(config.get("pool_size", 2)), value, True)
        if value.pads is not None and any(value.pads) and not average and not self.graph.steps[value.step].positive:
            raise Refused("it takes the maximum with the zeros of a ZeroPadding2D; strata's MaxPool ignores its padding")
        if value.pads is not None and average and config.get("padding") == "same":
            raise Refused("it counts the zeros of a ZeroPadding2D, and not its own")
        layer = layers.AvgPool(window, value.pads is not None) if average else layers.MaxPool(window)
        return self._add(layer, [Value(value.step)])

    def global_pool(self, config, inputs):
        shape = self.graph.steps[inputs[0].step].shape
        average = "Average" in self.name.split("'")[0]
        if len(shape) == 1:
            return inputs[0]
        if self.name in self.maps:
            return self._add(whole_pool(shape) if average else layers.MaxPool(layers.Window(shape[:2], shape[:2])), inputs)
        return self._add(layers.GlobalPool("GlobalAvgPool" if average else "GlobalMaxPool"), inputs)

    def upsampling(self, config, inputs):
        how = config.get("interpolation", "nearest")
        if how not in ("nearest", "bilinear"):
            raise Refused(f"its interpolation is {how}; strata's Upsample repeats elements, or mixes neighbours linearly")
        return self._add(layers.Upsample(both(config.get("size", 2)), how == "bilinear"), inputs)

    def zero_padding(self, config, inputs):
        padding = config.get("padding", 1)
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        pads = [*both(rows), *both(columns)]
        before = inputs[0].pads or (0, 0, 0, 0)
        return Value(inputs[0].step, tuple(int(a) + b for a, b in zip(pads, before)))

    def flatten(self, _, inputs):
        if inputs[0].pads is None and len(self.graph.steps[inputs[0].step].shape) == 1:
            return inputs[0]
        return self._add(layers.Flatten(), inputs)

    def reshape(self, config, inputs):
        shape, target = self.graph.steps[inputs[0].step].shape, list(config["target_shape"])
        size = math.prod(shape)
        if -1 in target:
            rest = -math.prod(target)
            target[target.index(-1)] = size // rest if rest else 0
        if math.prod(target) != size:
            raise Refused(f"it makes {target} of {shape}")
        if tuple(target) == shape or (target == [1, 1, size] and len(shape) == 1):
            return inputs[0]
        if target == [size]:
            return self.flatten(config, inputs)
        if len(target) != 3:
            raise Refused(f"it makes {target} of {shape}; strata has maps of height, width and channels, and vectors")
        return self._add(layers.Reshape(target), inputs)

    def dropout(self, config, inputs):
        rate = float(config.get("rate", 0.5))
        return self._add(layers.Dropout(rate), inputs) if 0 < rate < 1 else inputs[0]

    def activation_layer(self, config, inputs):
        return self._activated(inputs[0], config["activation"])

    def relu(self, config, inputs):
        slope, threshold = config.get("negative_slope") or 0, config.get("threshold") or 0
        if threshold or (slope and config.get("max_value") is not None):
            raise Refused("it has a threshold, or a slope and a maximum; strata's ReLU has neither")
        if slope:
            return self._add(layers.leaky_relu(plain_number(slope)), inputs)
        high = config.get("max_value")
        return self._add(layers.clip(0, math.inf if high is None else float(plain_number(high))), inputs)

    def leaky_relu(self, config, inputs):
        return self._add(layers.leaky_relu(float(plain_number(config.get("negative_slope", config.get("alpha", 0.3))))), inputs)

    def elu(self, config, inputs):
        return self._add(layers.elu(float(plain_number(config.get("alpha", 1.0)))), inputs)

    def prelu(self, config, inputs):
        shape, alpha = self.graph.steps[inputs[0].step].shape, self._weights("alpha")["alpha"]
        if alpha.size != shape[-1]:
            raise Refused(f"it has slopes of the shape {alpha.shape}; strata's PReLU has one for each channel (shared_axes=[1, 2])")
        return self._add(self._origin(layers.PReLU(alpha.reshape(-1))), inputs)

    def softmax(self, config, inputs):
        axis = config.get("axis", -1)
        if axis not in (-1, len(self.graph.steps[inputs[0].step].shape)):
            raise Refused(f"it takes the softmax along axis {axis}; strata's takes it of a vector")
        return self._softmax(inputs[0])

    def add(self, config, inputs):
        return self._with_number(inputs, 1.0, self.options_number()) if len(inputs) == 1 else self._add("Add", inputs)

    def average(self, _, inputs):
        return self._add(layers.scale(1 / len(inputs)), [self._add("Add", inputs)])

    def subtract(self, _, inputs):
        if len(inputs) == 1:
            return self._with_number(inputs, 1.0, -self.options_number())
        return self._add("Add", [inputs[0], self._add(layers.scale(-1.0), [inputs[1]])])

    def multiply(self, _, inputs):
        if len(inputs) == 1:
            return self._with_number(inputs, self.options_number(), 0.0)
        if len(inputs) != 2 or inputs[0].step == inputs[1].step:
            raise Refused("it multiplies other than two different values")
        return self._add("Multiply", inputs)

    def divide(self, _, inputs):
        if len(inputs) != 1:
            raise Refused("it divides two computed values")
        return self._with_number(inputs, 1 / self.options_number(), 0.0)

    def options_number(self):
        numbers = self.options.get("numbers", [])
        if len(numbers) != 1:
            raise Refused(f"it takes {len(numbers)} numbers beside its input; expected one")
        if self.options.get("number_first") and self.name.split(" ")[0] in ("Subtract", "Divide", "TrueDivide"):
            raise Refused("it takes its input from a number")
        return float(numbers[0])

    def _with_number(self, inputs, a, b):
        return self._affine(inputs[0], a, b)

    def concatenate(self, config, inputs):
        axis = config.get("axis", -1)
        if axis not in (-1, len(self.graph.steps[inputs[0].step].shape)):
            raise Refused(f"it joins along axis {axis}; strata's Concat puts channels side by side")
        return self._add("Concat", inputs) if len(inputs) > 1 else inputs[0]

    def lambda_of_tensorflow(self, config, inputs):
        """Keras 2 writes x + 3 so."""
        function = str(config.get("function", "")).rsplit(".", 1)[-1]
        known = {"add": KerasReader.add, "multiply": KerasReader.multiply, "mul": KerasReader.multiply,
                 "subtract": KerasReader.subtract, "sub": KerasReader.subtract, "truediv": KerasReader.divide}
        if function not in known:
            raise Refused(f"strata has no layer for TensorFlow's {function}")
        return known[function](self, config, inputs)


# --- The configuration --------------------------------------------------------------------------------------------------

def layers_of(model):
    config = model["config"]
    found = config if isinstance(config, list) else config["layers"]
    for layer in found:
        if not isinstance(layer, dict) or not isinstance(layer.get("class_name"), str) or \
                not isinstance(layer.get("config"), (dict, list)):
            raise Refused("its configuration has a layer without a class")
        if isinstance(layer["config"], list):
            layer["config"] = {"name": layer.get("name", ""), "layers": layer["config"]}
    return found


def references(ends):
    """[(layer, call)] of input_layers and output_layers: one list of three, or several."""
    if ends and isinstance(ends[0], str):
        ends = [ends]
    return [(str(end[0]), int(end[1])) for end in ends]


def call_of(node):
    """([(layer, call)], options) of an inbound node: its tensors in order, and numbers beside them."""
    sources, numbers, order = [], [], []

    def walk(item, depth=0):
        if depth > 20:
            raise Refused("its call is nested too deeply")
        if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
            history = item["config"]["keras_history"]
            sources.append((str(history[0]), int(history[1])))
            order.append("tensor")
        elif isinstance(item, dict):
            for name, inner in item.items():
                if name not in ("training", "mask", "name"):
                    walk(inner, depth + 1)
        elif isinstance(item, list) and len(item) in (3, 4) and isinstance(item[0], str) and isinstance(item[1], int):
            sources.append((item[0], item[1]))  # Keras 2; the fourth are the options of the call
            order.append("tensor")
            if len(item) == 4:
                walk(item[3], depth + 1)
        elif isinstance(item, list):
            for inner in item:
                walk(inner, depth + 1)
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            numbers.append(item)
            order.append("number")

    if isinstance(node, dict):
        walk(node.get("args", []))
        walk(node.get("kwargs", {}))
    else:
        walk(node)
    return sources, {"numbers": numbers, "number_first": order[:1] == ["number"]}


def both(sides):
    """A number, or two."""
    found = tuple(int(n) for n in (sides if isinstance(sides, (list, tuple)) else (sides, sides)))
    if len(found) != 2:
        raise Refused(f"it has {len(found)} sizes; strata's maps have two dimensions")
    return found


def plain_number(value):
    """Keras 3 wraps arrays."""
    if isinstance(value, dict):
        value = value.get("config", {}).get("value", value)
    return np.asarray(value, np.float64)


_LAYERS = {
    "Conv2D": KerasReader.conv, "Convolution2D": KerasReader.conv, "DepthwiseConv2D": KerasReader.depthwise,
    "SeparableConv2D": KerasReader.separable, "Conv2DTranspose": KerasReader.transposed, "Dense": KerasReader.dense,
    "BatchNormalization": KerasReader.batch_norm, "LayerNormalization": KerasReader.layer_norm,
    "GroupNormalization": KerasReader.group_norm, "Normalization": KerasReader.normalization,
    "Rescaling": KerasReader.rescaling, "MaxPooling2D": KerasReader.pool, "AveragePooling2D": KerasReader.pool,
    "GlobalAveragePooling2D": KerasReader.global_pool, "GlobalMaxPooling2D": KerasReader.global_pool,
    "UpSampling2D": KerasReader.upsampling, "ZeroPadding2D": KerasReader.zero_padding, "Flatten": KerasReader.flatten,
    "Reshape": KerasReader.reshape, "Dropout": KerasReader.dropout, "Activation": KerasReader.activation_layer,
    "ReLU": KerasReader.relu, "LeakyReLU": KerasReader.leaky_relu, "ELU": KerasReader.elu, "PReLU": KerasReader.prelu,
    "Softmax": KerasReader.softmax, "Add": KerasReader.add, "Average": KerasReader.average, "Subtract": KerasReader.subtract,
    "Multiply": KerasReader.multiply, "Concatenate": KerasReader.concatenate, "TFOpLambda": KerasReader.lambda_of_tensorflow,
    "Divide": KerasReader.divide, "TrueDivide": KerasReader.divide, "LayerScale": KerasReader.layer_scale,
}
_REASONS = {
    "Lambda": "its code is not to be run, and strata does not know what it computes",
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "Bidirectional"), "strata has no recurrent layers"),
    **dict.fromkeys(("MultiHeadAttention", "Attention"), "strata has no attention"),
    **dict.fromkeys(("Conv1D", "Conv3D", "MaxPooling1D", "MaxPooling3D"), "strata has maps of two dimensions"),
}
