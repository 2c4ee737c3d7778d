#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Turns a trained network into a C++ type and a file of its weights. docs/import.md explains it.

import_model.py MODEL.onnx --out DIR    an ONNX file (PyTorch writes one with torch.onnx.export), .keras, or .h5

DIR/NAME.hpp                 namespace NAME { using Net = Sequential<...>; }
DIR/NAME.safetensors         the weights
DIR/NAME.check.safetensors   inputs and the model's outputs, for a comparison by check.cpp

If strata cannot express a part of the network, nothing is written, and one line for each such node says why."""
import argparse
import math
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # beside an installed importer, which may not be writable
try:
    import numpy as np
except ImportError as missing:
    sys.exit(f"import_model: {missing}; make a virtual environment and use its Python: python3 -m venv venv && "
             f"venv/bin/pip install -r {Path(__file__).with_name('requirements.txt')}")

import cpp
import files
import layers
from emulation import difference, emulate
from graph import layers_of, named_tensors, nest, parameters
from refusals import SHOWN, AllRefused, Refused
from simplify import simplify

LARGEST_DIFFERENCE = 1e-5  # between the model's output and the emulation, in units of the largest output
CHECKED = 2                # images

_KEYWORDS = set("""alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const consteval
    constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum
    explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator
    or or_eq private protected public register reinterpret_cast requires return short signed sizeof static static_assert static_cast
    struct switch template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile
    wchar_t while xor xor_eq std strata main linux unix""".split())


class Network:
    """A model in strata's layers."""

    def __init__(self, chain, shape, order, axes, source):
        self.chain, self.input, self.order, self.axes, self.source = chain, shape, order, axes, source
        self.output = shape_of(chain, shape)


def shape_of(chain, shape):
    for item in chain:
        if isinstance(item, layers.Join):
            shapes = [shape_of(branch, shape) for branch in item.branches]
            if item.kind == "Gate":
                shapes.insert(0, shape)
            elif item.kind == "Residual" and len(shapes) == 1:
                shapes.append(shape)
            shape = layers.join_shape(item.kind, shapes)
        else:
            shape = item.shape(shape)
    return shape


def network_of(reader, fold):
    """Throws AllRefused."""
    graph, step, axes, _ = reader.read()
    try:
        order = graph.steps[step].order
        chain = nest(graph, simplify(graph, step, fold))
        return Network(chain, graph.input, order, axes, reader.source)
    except Refused as refused:
        raise AllRefused([str(refused)]) from refused


def read(path, input_shape, output):
    """The reader for a file."""
    suffix = Path(path).suffix.lower()
    if suffix in (".keras", ".h5", ".hdf5"):
        from read_keras import KerasReader
        return KerasReader(path, input_shape, output)
    from read_onnx import OnnxReader
    return OnnxReader(path, input_shape, output)


def as_strata(array, network):
    """An output of the model in strata's layout: (N,H,W,C), or (N,n) in the order behind Flatten."""
    if array.ndim == 4 and len(network.output) == 3:
        array = array.transpose([network.axes.index(letter) for letter in "NHWC"])
    array = array.reshape(len(array), *network.output)
    return array if network.order is None else array[:, network.order]


def check(network, reader):
    """(inputs, outputs, largest difference): the model's outputs, and how far the emulation of what is written is from them."""
    draw = np.random.default_rng(0)
    count = max(CHECKED, reader.batch)
    inputs = draw.normal(0, 1, (count, *network.input)).astype(np.float32)
    expected = reader.outputs(inputs, network)
    if expected is None:  # no other program computes the model: see read_keras
        found = emulate(network.chain, inputs.astype(np.float64))
        return inputs, found.astype(np.float32), None
    expected = as_strata(expected, network)
    found = emulate(network.chain, inputs.astype(np.float64)).astype(np.float32)
    return inputs, expected, difference(found, expected)


def notes_of(name, network, path, fold):
    source = network.source
    made = f"{source['kind']}{', made by ' + source['maker'] if source['maker'] else ''}"
    lines = [f"{name}: made by strata's import_model.py of {cpp_comment(Path(path).name)} ({cpp_comment(made)}).",
             f"sha256 of that file: {source['sha256']}",
             f"Weights: {name}.safetensors. Input: (N,{','.join(map(str, network.input))}), rows, columns, channels."]
    if fold:
        lines.append("Each BatchNorm behind a convolution is merged into it (--fold).")
    if network.order is not None:
        lines.append("The outputs are a flattened map: in the order rows, columns, channels, not as in that file.")
    return lines


def cpp_comment(text):
    return "".join(c if c.isprintable() and c not in "\\?" else "_" for c in text)


def classes_of(path):
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: the class names cannot be read: {error}") from error
    return text.splitlines()


def metadata_of(name, network, a):
    names = {tensor: origin for tensor, (_, origin) in named_tensors(network.chain).items() if origin}
    metadata = {"source.sha256": network.source["sha256"]}
    if names:
        metadata["source.names"] = "".join(f"{tensor} {files_name(origin)}\n" for tensor, origin in names.items())
    if not (a.mean or a.resize or a.classes):
        return metadata
    outputs = math.prod(network.output)
    classes = classes_of(a.classes) if a.classes else None
    if classes is not None and len(classes) != outputs:
        raise Refused(f"{a.classes} has {len(classes)} names; the network has {outputs} outputs")
    channels = network.input[2]
    for option, numbers in (("--mean", a.mean), ("--std", a.std)):
        if numbers and len(numbers) != channels:
            raise Refused(f"{option} has {len(numbers)} numbers; the network's images have {channels} channels")
    if a.resize and a.resize < max(network.input[:2]):
        raise Refused(f"--resize {a.resize} is less than the network's input {network.input[0]}x{network.input[1]}")
    return metadata | files.input_metadata(name, network.input, outputs, classes, a.mean, a.std, a.resize)


def files_name(text):
    return "".join(c if c.isprintable() and c != " " else "_" for c in text)


def run(a):
    name = a.name or default_name(a.model)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in _KEYWORDS or "__" in name:
        raise Refused(f"'{name}' cannot name a namespace of C++; give another --name")
    reader = read(a.model, a.input, a.output)
    network = network_of(reader, a.fold)
    metadata = metadata_of(name, network, a)
    inputs, outputs, worst = check(network, reader)
    if worst is not None and not worst <= LARGEST_DIFFERENCE:
        raise Refused(f"the network differs from the model by {worst:.1e} of the largest output; expected at most "
                      f"{LARGEST_DIFFERENCE:.0e}. This is a fault of the importer, or an output whose numbers are not finite")
    tensors = {tensor: array for tensor, (array, _) in named_tensors(network.chain).items()}
    body = cpp.Printer(network.chain, network.input).text()
    text = cpp.header(name, body, network.input, network.output, parameters(network.chain),
                      notes_of(name, network, a.model, a.fold))
    folder = Path(a.out)
    files.write_all({folder / f"{name}.safetensors": files.safetensors(tensors, metadata),
                     folder / f"{name}.check.safetensors": files.safetensors({"input": inputs, "output": outputs}),
                     folder / f"{name}.hpp": [text.encode()]})
    count = sum(1 for _ in layers_of(network.chain))
    said = "no other program checked it" if worst is None else f"largest difference {worst:.1e} of the largest output"
    print(f"{folder / name}.hpp: {count} layers, {parameters(network.chain)} parameters; {said}")


def default_name(model):
    name = re.sub(r"[^A-Za-z0-9]+", "_", Path(model).name.rsplit(".", 1)[0]).strip("_")
    return name if name[:1].isalpha() else f"model_{name}".rstrip("_")


def shape_argument(text):
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})x(\d{1,5})", text)
    if not match or not all(int(n) for n in match.groups()):
        raise argparse.ArgumentTypeError(f"'{text}'; expected height, width and channels, such as 224x224x3")
    return tuple(int(n) for n in match.groups())


def numbers_argument(text):
    try:
        numbers = [float(n) for n in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(math.isfinite(n) for n in numbers):
        raise argparse.ArgumentTypeError(f"'{text}'; expected numbers with commas, such as 0.485,0.456,0.406")
    return numbers


def deviation_argument(text):
    numbers = numbers_argument(text)
    if min(numbers) <= 0:
        raise argparse.ArgumentTypeError(f"'{text}'; expected numbers above 0")
    return numbers


def size_argument(text):
    if not re.fullmatch(r"[1-9]\d{0,4}", text) or int(text) > 1 << 14:
        raise argparse.ArgumentTypeError(f"'{text}'; expected a number from 1 to 16384")
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an .onnx, .keras or .h5 file")
    parser.add_argument("--out", required=True, help="write the files into this folder")
    parser.add_argument("--name", help="name of the namespace and of the files; default: that of the model's file")
    parser.add_argument("--input", type=shape_argument, metavar="HxWxC", help="the input's shape, such as 224x224x3, if the model leaves it open")
    parser.add_argument("--output", metavar="TENSOR", help="end at this tensor of an ONNX file; default: the model's only output")
    parser.add_argument("--mean", type=numbers_argument, metavar="R,G,B", help="mean of each channel, of pixels divided by 255")
    parser.add_argument("--std", type=deviation_argument, metavar="R,G,B", help="standard deviation of each channel, of pixels divided by 255")
    parser.add_argument("--resize", type=size_argument, metavar="N",
                        help="resize the shorter side of a picture to N and cut out its middle; default: stretch it")
    parser.add_argument("--classes", metavar="FILE", help="file with the name of one class in each line, in the order of the outputs")
    parser.add_argument("--fold", action="store_true", help="merge each BatchNorm into the convolution before it")
    a = parser.parse_args()
    if bool(a.mean) != bool(a.std):
        parser.error("--mean and --std go together")
    return a


def main():
    a = arguments()
    try:
        run(a)
    except AllRefused as refused:
        count = len(refused.sentences)
        print(f"import_model: {a.model}: {'1 thing' if count == 1 else f'{count} things'} cannot be expressed; nothing was written",
              file=sys.stderr)
        for sentence in refused.sentences[:SHOWN]:
            print(f"  {sentence}", file=sys.stderr)
        if count > SHOWN:
            print(f"  and {count - SHOWN} more", file=sys.stderr)
        return 1
    except (Refused, OSError) as error:
        print(f"import_model: {a.model}: {error}; nothing was written", file=sys.stderr)
        return 1
    except ImportError as missing:
        print(f"import_model: {missing}; install the packages for this Python: {sys.executable} -m pip install -r "
              f"{os.path.join(os.path.dirname(__file__), 'requirements.txt')}", file=sys.stderr)
        return 1
    except (MemoryError, RecursionError) as error:
        print(f"import_model: {a.model}: {type(error).__name__}: the model is too large; nothing was written", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
