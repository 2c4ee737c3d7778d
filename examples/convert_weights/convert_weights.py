#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Converts weights from and to PyTorch and Keras, in safetensors files. docs/weights.md explains the options.

convert_weights.py to-pytorch   NET.safetensors STATE.safetensors
convert_weights.py from-pytorch STATE.safetensors NET.safetensors --like OTHER.safetensors
convert_weights.py to-keras     NET.safetensors MODEL.keras NEW.keras
convert_weights.py from-keras   MODEL.keras NET.safetensors --like OTHER.safetensors

The differences: strata and Keras store a convolution's kernel as height, width, in, out, and PyTorch as out, in, height, width.
A transposed convolution's kernel is height, width, out, in there, and in, out, height, width in PyTorch. strata and Keras store a dense
layer's matrix as in x out, and PyTorch as out x in. Flatten goes by row, column, channel in strata and Keras, and by channel, row,
column in PyTorch, so the rows of the first matrix after it have another order. Groups do not change this.
"""
import argparse
import json
import os
import re
import struct
import sys
from pathlib import Path

import numpy
from safetensors import SafetensorError, safe_open

# The names of a layer's tensors in strata and Keras, and in PyTorch.
CONV = {"kernel": "weight", "bias": "bias"}
DENSE = CONV
BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
NORM = {"gamma": "weight", "beta": "bias"}  # GroupNorm, LayerNorm
PRELU = {"alpha": "weight"}
KINDS = {"conv2d": CONV, "conv2d_transpose": CONV, "dense": DENSE, "batch_normalization": BATCH_NORM,
         "group_normalization": NORM, "layer_normalization": NORM, "p_re_lu": PRELU}
EPSILON = 1e-3  # of BatchNorm in strata and Keras; PyTorch's default is 1e-5


class ConversionError(Exception):
    """One sentence for the user."""


# --- Files of strata ----------------------------------------------------------------------------------------------------

def read_net(path):
    """The tensors of a file in their order, {"conv2d/kernel": array}, and its metadata."""
    tensors = read_tensors(path)
    header, _ = read_header(path)
    metadata = header.pop("__metadata__", {})
    order = sorted(header, key=lambda name: header[name]["data_offsets"])
    return {name: tensors[name] for name in order}, metadata


def read_header(path):
    """The header of a file, and the number of bytes before its tensors."""
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        return json.loads(file.read(length)), 8 + length


def read_tensors(path):
    """Numbers of 16 bits become float32."""
    try:
        with safe_open(path, "numpy") as file:  # checks the header
            header, start = read_header(path)
            return {name: read_tensor(path, file, name, header[name], start) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise ConversionError(f"{path}: {error}; expected a safetensors file") from error


def read_tensor(path, file, name, entry, start):
    if entry["dtype"] == "BF16":  # NumPy has no such type: it is the upper half of a float32
        begin, end = entry["data_offsets"]
        bits = numpy.fromfile(path, "<u2", (end - begin) // 2, offset=start + begin)
        return (bits.astype("<u4") << 16).view("<f4").reshape(entry["shape"])
    if entry["dtype"] == "F16":
        return file.get_tensor(name).astype(numpy.float32)
    if entry["dtype"] not in ("F32", "F64", "I64"):
        raise ConversionError(f"{path}: {name} has dtype {entry['dtype']}; expected F32, F64, F16, BF16 or I64")
    return file.get_tensor(name)


def write_net(path, tensors, like=None):
    """Writes the tensors with the metadata of `like`, without its checksums, which belong to other weights."""
    metadata = {key: text for key, text in read_net(like)[1].items() if key.startswith("strata.")} if like else {}
    for key in ("strata.checksums", "strata.training", "strata.recipe", "strata.kernels"):
        metadata.pop(key, None)
    write(path, tensors, metadata)


def write(path, tensors, metadata=None):
    """Keeps the order of the tensors, which the package safetensors would not: it is the order of the layers."""
    header, offset = ({"__metadata__": metadata} if metadata else {}), 0
    for name, array in tensors.items():
        dtype = {"float32": "F32", "float64": "F64", "int64": "I64"}[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = Path(f"{path}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for array in tensors.values():
                file.write(numpy.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def of_training(name):
    """Whether a tensor of a checkpoint is no weight of the network: an optimizer's memory, or an average."""
    return name.startswith(("optimizer/", "average/"))


def check_like(path, tensors, like):
    """Throws for the first tensor that differs from `like` in name or shape."""
    expected = read_net(like)[0]
    expected = {name: array for name, array in expected.items() if not of_training(name)}
    for name, array in expected.items():
        if name not in tensors:
            raise ConversionError(f"{path}: nothing becomes {name}, which is in {like}")
        if tensors[name].shape != array.shape:
            raise ConversionError(f"{path}: {name} gets the shape {tensors[name].shape}; expected {array.shape}, as in {like}")
    for name in tensors:
        if name not in expected:
            raise ConversionError(f"{path}: it contains {name}, which is not in {like}")


def layers_of(path, tensors):
    """[("conv2d", CONV, {"kernel": array, ...}), ...] in the order of the file."""
    layers = {}
    for name, array in tensors.items():
        if of_training(name):  # of a checkpoint
            continue
        layer, _, kind = name.rpartition("/")
        layers.setdefault(layer, {})[kind] = array
    found = []
    for layer, arrays in layers.items():
        kinds = next((kinds for kinds in (CONV, NORM, BATCH_NORM, PRELU) if set(arrays) <= set(kinds)), None)
        if not kinds or (kinds is CONV and "kernel" not in arrays):
            raise ConversionError(f"{path}: the layer {layer} has {', '.join(arrays)}; expected one of Conv, ConvTranspose, "
                                  "Dense, PReLU, BatchNorm, GroupNorm, LayerNorm")
        found.append((layer, kinds, arrays))
    return found


# --- The order after Flatten --------------------------------------------------------------------------------------------

def maps_of(path, metadata):
    """For each Dense, PReLU and norm in order: the map (H, W, C) whose Flatten it takes, or None."""
    if "strata.summary" not in metadata:
        raise ConversionError(f"{path}: its metadata has no summary with the map before Flatten; give --flatten HxWxC")
    maps, shape, pending = [], (), None
    for row in metadata["strata.summary"].splitlines():
        match = re.match(r"((?:\| )*)(\w+)(.*)\(None, ([\d, ]+)\) +([\d,]+)", row)
        if not match:
            continue
        before, shape = shape, tuple(int(side) for side in match[4].split(", "))
        branch, layer = match[1] != "", match[2]
        if (branch and layer == "Flatten") or (pending and (branch or layer in ("Residual", "Concat", "Gate"))):
            raise ConversionError(f"{path}: with Flatten and branches together, the order of the elements is not known")
        if layer == "Flatten":
            pending = before if len(before) == 3 else pending  # a Flatten of flat data changes nothing
        elif layer in ("Dense", "PReLU", "BatchNorm", "GroupNorm", "LayerNorm") and match[5] != "0":
            if layer == "GroupNorm" and pending and not match[3].strip().endswith("groups 1"):
                raise ConversionError(f"{path}: the groups of a GroupNorm after Flatten are of other elements in PyTorch")
            maps.append(pending)
            if layer == "Dense":
                pending = None
    return maps


def orders_of(path, layers, metadata, flatten):
    """{layer: order} for the layers after Flatten: PyTorch's i-th element is element order[i] in strata."""
    flat = [(name, arrays) for name, kinds, arrays in layers if kinds is not CONV or arrays["kernel"].ndim == 2]
    if flatten is None:
        maps = maps_of(path, metadata)
        if len(maps) != len(flat):
            raise ConversionError(f"{path}: {len(flat)} layers of dense, norm and PReLU; the summary has {len(maps)}")
    else:  # for the first Dense, and for a norm or PReLU of the same size between the last convolution and it
        first = next((i for i, (_, arrays) in enumerate(flat) if "kernel" in arrays), len(flat))
        size = int(numpy.prod(flatten))
        names = [name for name, _, _ in layers]
        last = max((i for i, (_, _, arrays) in enumerate(layers) if "kernel" in arrays and arrays["kernel"].ndim == 4),
                   default=-1)
        maps = [flatten if i == first or (i < first and width_of(arrays) == size and names.index(name) > last) else None
                for i, (name, arrays) in enumerate(flat)]
    orders = {}
    for (name, arrays), shape in zip(flat, maps):
        if shape is None:
            continue
        size = width_of(arrays)
        if size != numpy.prod(shape):
            raise ConversionError(f"{path}: {name} takes {size} elements; expected {numpy.prod(shape)}, of the map "
                                  f"{'x'.join(map(str, shape))} before Flatten")
        orders[name] = numpy.arange(size).reshape(shape).transpose(2, 0, 1).reshape(-1)
    return orders


def width_of(arrays):
    """The inputs of a Dense, or the channels of a norm or PReLU."""
    return len(arrays["kernel"] if "kernel" in arrays else next(iter(arrays.values())))


# --- PyTorch ------------------------------------------------------------------------------------------------------------

def to_pytorch(path, flatten=None, modules=None, epsilon=None):
    """Returns a state_dict of numpy arrays. modules: PyTorch's names of the layers, in their order; default: strata's names.
    epsilon: the eps of PyTorch's BatchNorm, if there is one."""
    tensors, metadata = read_net(path)
    layers = layers_of(path, tensors)
    orders = orders_of(path, layers, metadata, flatten)
    modules = modules or [name.replace("/", ".") for name, _, _ in layers]
    if len(modules) != len(layers):
        raise ConversionError(f"{path}: {len(modules)} modules were named; expected {len(layers)}, one for each of "
                              f"{', '.join(name for name, _, _ in layers)}")
    state = {}
    for module, (name, kinds, arrays) in zip(modules, layers):
        for kind, array in arrays.items():
            if kind == "kernel" and array.ndim == 4:
                array = array.transpose(3, 2, 0, 1)
            elif kind == "kernel":
                array = array[orders[name]].T if name in orders else array.T
            elif kinds is not CONV and name in orders:
                array = array[orders[name]]
            if kind == "moving_variance":
                array = other_epsilon(array, EPSILON, given(path, epsilon))
            state[f"{module}.{kinds[kind]}"] = array
        if kinds is BATCH_NORM:
            state[f"{module}.num_batches_tracked"] = numpy.array(0)
    return state


def from_pytorch(state, path="state_dict", like=None, flatten=None, modules=None, epsilon=None):
    """Returns the tensors of a network from a state_dict of numpy arrays. path: its name in errors."""
    found = {}
    for name, array in state.items():
        module, _, kind = name.rpartition(".")
        if kind != "num_batches_tracked":
            found.setdefault(module, {})[kind] = array
    modules = modules or in_order(path, list(found))
    if sorted(modules) != sorted(found):
        raise ConversionError(f"{path}: it has the modules {', '.join(found)}; --modules names {', '.join(modules)}")
    layers, counts = [], {}
    likely = [re.sub(r"_\d+$", "", name) for name, _, _ in layers_of(like, read_net(like)[0])] if like else []
    for place, module in enumerate(modules):
        arrays = found[module]
        possible = layers_like(arrays)
        if not possible:
            raise ConversionError(f"{path}: the module {module} has {', '.join(arrays)}; expected Conv2d, ConvTranspose2d, Linear, "
                                  "PReLU, BatchNorm, GroupNorm or LayerNorm with weights")
        base = likely[place] if place < len(likely) and likely[place] in possible else possible[0]
        number = counts[base] = counts.get(base, -1) + 1
        arrays = {ours: arrays[theirs] for ours, theirs in KINDS[base].items() if theirs in arrays}
        if "kernel" in arrays:
            arrays["kernel"] = arrays["kernel"].transpose(2, 3, 1, 0) if arrays["kernel"].ndim == 4 else arrays["kernel"].T
        if "moving_variance" in arrays:
            arrays["moving_variance"] = other_epsilon(arrays["moving_variance"], given(path, epsilon), EPSILON)
        layers.append((base + (f"_{number}" if number else ""), KINDS[base], arrays))
    orders = orders_of(like or path, layers, read_net(like)[1] if like else {}, flatten)
    tensors = {}
    for name, _, arrays in layers:
        for kind, array in arrays.items():
            if name in orders and kind != "bias":
                array = array[numpy.argsort(orders[name])]
            tensors[f"{name}/{kind}"] = array.astype(numpy.float32)
    if like:
        check_like(path, tensors, like)
    return tensors


def layers_like(arrays):
    """The layers whose tensors a module of PyTorch may have, the most likely first. Only a file of the network tells those
    with the same tensors apart."""
    rank, names = arrays["weight"].ndim if "weight" in arrays else 1, set(arrays)
    if names <= {"weight", "bias"} and rank > 1:
        return {4: ["conv2d", "conv2d_transpose"], 2: ["dense"]}.get(rank, []) if "weight" in arrays else []
    if "running_mean" in arrays:
        return ["batch_normalization"] if rank == 1 and names <= set(BATCH_NORM.values()) else []
    if names == {"weight"}:
        return ["p_re_lu", "layer_normalization", "group_normalization"]
    return ["layer_normalization", "group_normalization"] if names == {"weight", "bias"} else []


def given(path, epsilon):
    if epsilon is None:
        raise ConversionError(f"{path}: it has BatchNorm, whose eps is not in a state_dict; give --epsilon (PyTorch's default is "
                              "1e-5)")
    return epsilon


def other_epsilon(variance, old, new):
    """The variance that gives the same output with the new epsilon: variance + epsilon stays the same."""
    return variance if old == new else (variance.astype(numpy.float64) + old - new).astype(numpy.float32)


def in_order(path, modules):
    """nn.Sequential numbers its modules. Others must be named in their order, because safetensors keep none."""
    if not all(module.isdigit() for module in modules):
        raise ConversionError(f"{path}: the order of the modules {', '.join(modules)} is not known; name them in the order of "
                              "the layers by --modules A,B,...")
    return sorted(modules, key=int)


# --- Keras --------------------------------------------------------------------------------------------------------------

def to_keras(path, model):
    """Sets the weights of a Keras model with the same layers."""
    from_file, _ = read_net(path)
    tensors = {name: array for name, array in from_file.items() if not of_training(name)}
    shapes = [array.shape for array in model.get_weights()]
    for (name, array), shape in zip(tensors.items(), shapes):
        if name.endswith("/alpha") and shape == (1, 1, *array.shape):  # a PReLU with shared_axes=[1, 2]
            tensors[name] = array.reshape(shape)
    found = [array.shape for array in tensors.values()]
    if shapes != found:
        raise ConversionError(f"{path}: tensors of the shapes {found}; the model has {shapes}")
    variances = [name for name in tensors if name.endswith("/moving_variance")]
    for name, layer in zip(variances, norms_of(model)):
        tensors[name] = other_epsilon(tensors[name], EPSILON, layer.epsilon)
    model.set_weights(list(tensors.values()))


def from_keras(model, path="model", like=None):
    """Returns the tensors of a network from a Keras model. path: its name in errors."""
    names, counts, epsilons = [], {}, iter([layer.epsilon for layer in norms_of(model)])
    arrays = model.get_weights()
    # Keras continues its numbers from model to model; here each model starts again.
    seen = {}
    for weight in model.weights:
        layer, _, kind = weight.path.rpartition("/")
        base = re.sub(r"_\d+$", "", layer.rpartition("/")[2])
        if layer not in seen:
            number = counts[base] = counts.get(base, -1) + 1
            seen[layer] = base + (f"_{number}" if number else "")
        names.append(f"{seen[layer]}/{kind}")
    tensors = dict(zip(names, arrays))
    for name in names:
        if name.endswith("/moving_variance"):
            tensors[name] = other_epsilon(tensors[name], next(epsilons), EPSILON)
        elif name.endswith("/alpha"):
            if tensors[name].size != tensors[name].shape[-1]:
                raise ConversionError(f"{path}: {name} has the shape {tensors[name].shape}; expected a PReLU of "
                                      "shared_axes=[1, 2], with one slope a channel")
            tensors[name] = tensors[name].reshape(-1)
    if like:
        expected = list(read_net(like)[0])
        if len(expected) == len(names):  # the user may have named layers
            tensors = dict(zip(expected, tensors.values()))
        check_like(path, tensors, like)
    return tensors


def norms_of(model):
    return [layer for layer in model._flatten_layers() if hasattr(layer, "moving_variance")]


def load_keras(path):
    import keras  # only these two commands need it
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError) as error:
        raise ConversionError(f"{path}: {error}; expected a file of Keras 3") from error


# --- Commands -----------------------------------------------------------------------------------------------------------

def sides(text):
    try:
        shape = tuple(int(side) for side in text.split("x"))
    except ValueError:
        shape = ()
    if len(shape) != 3 or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected HxWxC, such as 3x3x256")
    return shape


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, about, *files):
        sub = commands.add_parser(name, help=about, description=about)
        for file in files:
            sub.add_argument(file, metavar=file.upper())
        if name.startswith("from"):
            sub.add_argument("--like", help="a file that strata wrote for this network: checks names and shapes, and keeps its "
                                            "metadata")
        if name.endswith("pytorch"):
            sub.add_argument("--flatten", type=sides, metavar="HxWxC", help="the map before Flatten; default: from the summary")
            sub.add_argument("--modules", type=lambda text: text.split(","), metavar="A,B,...",
                             help="PyTorch's names of the layers with weights, in their order")
            sub.add_argument("--epsilon", type=float, help="eps of PyTorch's BatchNorm, if there is one")
        return sub

    command("to-pytorch", "write a state_dict in safetensors", "net", "state")
    command("from-pytorch", "read a state_dict in safetensors", "state", "net")
    command("to-keras", "write the model with these weights", "net", "model", "new")
    command("from-keras", "read a saved model", "model", "net")
    a = parser.parse_args()
    try:
        if a.command == "to-pytorch":
            write(a.state, to_pytorch(a.net, a.flatten, a.modules, a.epsilon))
        elif a.command == "from-pytorch":
            state = read_tensors(a.state)
            write_net(a.net, from_pytorch(state, a.state, a.like, a.flatten, a.modules, a.epsilon), a.like)
        elif a.command == "to-keras":
            model = load_keras(a.model)
            to_keras(a.net, model)
            model.save(a.new)
        else:
            write_net(a.net, from_keras(load_keras(a.model), a.model, a.like), a.like)
    except (ConversionError, OSError) as error:
        print(f"convert_weights: {error}", file=sys.stderr)
        return 1
    except ImportError as missing:
        print(f"convert_weights: {missing}; pip install keras and one of tensorflow, jax, torch", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
