# SPDX-License-Identifier: BSL-1.0
"""Writes files completely or not at all, and safetensors in the order in which strata has the tensors."""
import json
import os
import struct
from pathlib import Path

import numpy as np


def safetensors(tensors, metadata=None):
    """The bytes of a file of float32 tensors, in parts."""
    header, offset = ({"__metadata__": metadata} if metadata else {}), 0
    arrays = [np.ascontiguousarray(array, "<f4") for array in tensors.values()]
    for name, array in zip(tensors, arrays):
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for array in arrays:
        yield array.tobytes()


def write_all(files):
    """{path: parts}. All files get temporary names first, so that nothing is there if one cannot be written."""
    temporary = {}
    try:
        for path, parts in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            temporary[path] = Path(f"{path}.part")
            with open(temporary[path], "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
        for path, part in temporary.items():
            part.replace(path)
    finally:
        for part in temporary.values():
            part.unlink(missing_ok=True)


def input_metadata(name, shape, outputs, classes, mean, deviation, short_side):
    """What strata's Classifier reads: the names of the classes and how a picture becomes an input. Without names, classes have
    numbers."""
    lines = [("image", shape), ("border", [0]), ("grey", [0]), ("mean", mean or []), ("deviation", deviation or [])]
    if short_side:
        lines.append(("short_side", [short_side]))
    text = "".join(" ".join([key, *(f"{n:.9g}" for n in numbers)]) + "\n" for key, numbers in lines)
    names = classes or [str(n) for n in range(outputs)]
    return {"strata.data": name, "strata.classes": "".join(f"{n}\n" for n in names), "strata.input": text}
