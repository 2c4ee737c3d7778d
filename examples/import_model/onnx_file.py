# SPDX-License-Identifier: BSL-1.0
"""Reads an ONNX file with bounded memory: counts its messages before anything is parsed, and checks each tensor's size."""
import os

import numpy as np

from refusals import LIMIT_NODES, Refused, counted

LIMIT_FILE = (1 << 31) - 1    # protobuf's own limit
LIMIT_MESSAGES = 40 * LIMIT_NODES
LIMIT_DESCRIPTION = 256 << 20  # bytes of a file without the numbers of its tensors

# The messages of onnx.proto that a file is made of, by field number: what a reader unpacks into objects.
_TENSOR = {}
_TYPE = {}
_ATTRIBUTE = {5: _TENSOR, 10: _TENSOR}
_NODE = {5: _ATTRIBUTE}
_VALUE = {2: _TYPE}
_GRAPH = {1: _NODE, 5: _TENSOR, 11: _VALUE, 12: _VALUE, 13: _VALUE}
_ATTRIBUTE[6] = _ATTRIBUTE[11] = _GRAPH
_FUNCTION = {7: _NODE}
_MODEL = {7: _GRAPH, 25: _FUNCTION, 8: {}, 14: {}}
_NUMBERS = (4, 9)  # float_data and raw_data of a tensor, which memory holds as the file does


def read_model(path):
    """The parsed model, with the tensors that lie in other files. Throws Refused with one sentence."""
    import onnx
    from google.protobuf.message import DecodeError
    try:
        size = os.path.getsize(path)
        if size > LIMIT_FILE:
            raise Refused(f"the file has {size} bytes; expected at most {LIMIT_FILE}, protobuf's limit")
        with open(path, "rb") as file:
            data = file.read(size)
    except OSError as error:
        raise Refused(f"the file cannot be read: {error.strerror}") from error
    _count(data)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError, ValueError) as error:
        raise Refused(f"the file is no ONNX model, or a damaged one: {error}") from error
    del data
    if not model.HasField("graph") or not model.graph.node:
        raise Refused("the file is no ONNX model: it has no graph")
    _check_text(model.graph)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < 7:
        raise Refused(f"the model is of opset {opset}; expected 7 or newer (onnx.version_converter makes one of it)")
    if model.functions:
        raise Refused("the model has functions of its own; onnx.inliner.inline_local_functions replaces them by their nodes")
    _external(model, os.path.dirname(os.path.abspath(path)))
    return model, opset


def _count(data):
    """Walks over the messages and throws Refused for a file that is cut off, or too large when it is unpacked."""
    view, stack, messages, described = memoryview(data), [(0, len(data), _MODEL, 0)], 0, 0
    damaged = "the file is no ONNX model, or a damaged one: "
    while stack:
        at, end, fields, depth = stack.pop()
        if depth > 60:
            raise Refused(damaged + "its graphs are nested too deeply")
        while at < end:
            key, at = _varint(view, at, end)
            field, wire = key >> 3, key & 7
            messages += 1
            if messages > LIMIT_MESSAGES:
                raise Refused(f"the model has more than {LIMIT_MESSAGES} parts; the importer takes at most {LIMIT_NODES} nodes")
            if wire == 0:
                _, at = _varint(view, at, end)
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            elif wire == 2:
                length, at = _varint(view, at, end)
                if length > end - at:
                    raise Refused(damaged + f"a part of {length} bytes starts {end - at} bytes before its end")
                if field in fields:
                    stack.append((at, at + length, fields[field], depth + 1))
                elif not (fields is _TENSOR and field in _NUMBERS):
                    described += length
                at += length
            else:
                raise Refused(damaged + "it is no protobuf")
            if field == 0 or at > end:
                raise Refused(damaged + "it ends in the middle of a number" if field else damaged + "it is no protobuf")
    if described > LIMIT_DESCRIPTION:
        raise Refused(f"the model has {described} bytes beside the numbers of its tensors; expected at most {LIMIT_DESCRIPTION}")


def _varint(view, at, end):
    value = shift = 0
    while at < end and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise Refused("the file is no ONNX model, or a damaged one: it ends in the middle of a number")


def _check_text(graph):
    """protobuf gives bytes for names that are no text."""
    names = [value.name for value in [*graph.input, *graph.output, *graph.initializer]]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute)]
    if not all(isinstance(name, str) for name in names):
        raise Refused("the file is no ONNX model, or a damaged one: a name in it is no text")


def _tensors(graph):
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _external(model, folder):
    """Reads the tensors that lie in files beside the model, and nowhere else."""
    import onnx
    total, root = 0, os.path.realpath(folder)
    for tensor in _tensors(model.graph):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        place = os.path.realpath(os.path.join(root, location))
        if not location or os.path.isabs(location) or os.path.commonpath((root, place)) != root:
            raise Refused(f"the tensor {tensor.name} lies in the file {location!r}; expected one in the model's folder")
        expected = counted(tensor.dims, f"the tensor {tensor.name}") * _type(tensor).itemsize
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", expected))
            if offset < 0 or length != expected:
                raise Refused(f"the tensor {tensor.name} has {length} bytes at {offset} of {location}; expected {expected}")
            total += length
            if total > LIMIT_FILE:
                raise Refused(f"the tensors in other files have more than {LIMIT_FILE} bytes")
            with open(place, "rb") as file:
                file.seek(offset)
                data = file.read(length)
        except (OSError, ValueError, OverflowError) as error:
            raise Refused(f"the tensor {tensor.name} in the file {location} cannot be read: {error}") from error
        if len(data) != length:
            raise Refused(f"the tensor {tensor.name} ends behind its file {location}")
        tensor.raw_data = data
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT


def _type(tensor):
    import onnx
    try:
        return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"the tensor {tensor.name} has the unknown type {tensor.data_type}") from error


def array_of(tensor):
    """The numbers of a tensor. Throws Refused if they are not as many as its shape says."""
    import onnx
    kind = _type(tensor)
    what = f"the tensor {tensor.name}"
    if kind.kind not in "fiub" and kind.name != "bfloat16":
        raise Refused(f"{what} has the type {kind}; expected numbers")
    total = counted(tensor.dims, what)
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise Refused(f"{what} has not the numbers that its shape {list(tensor.dims)} says: {error}") from error
    if array.size != total:
        raise Refused(f"{what} has {array.size} numbers; expected {total}")
    return array
