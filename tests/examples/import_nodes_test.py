#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The importer on every node case of the package onnx: tests/data/import/nodes.txt says of each whether the network computes the
case's own outputs at the case's own tolerance ("equal"), or with which sentence it is refused. Any other result fails.

import_nodes_test.py            compares
import_nodes_test.py --update   writes the file, for a look at what changed
Exits with 77 where a package is missing."""
import pathlib
import sys
import tempfile
import unittest
import warnings

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples/import_model"))
EXPECTED = ROOT / "tests/data/import/nodes.txt"
try:
    import numpy as np
    import onnx
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases
except ImportError as missing:
    print(f"SKIPPED: no node case was imported: {missing}", file=sys.stderr)
    sys.exit(77)
import import_model
from emulation import emulate
from read_onnx import OnnxReader
from refusals import AllRefused, Refused

# These treat every element alike: a case of another rank than 4 gets leading axes of 1.
ELEMENTWISE = {"Celu", "Clip", "Dropout", "Elu", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Mish", "Neg", "Relu", "Selu",
               "Sigmoid", "Softplus", "Swish", "Tanh"}
HEADER = "# What import_model.py makes of the node cases of onnx; tests/examples/import_nodes_test.py --update writes it.\n"


def lifted(model, inputs, outputs):
    """The same case as an image."""
    if len({node.op_type for node in model.graph.node} - ELEMENTWISE) or not inputs or np.ndim(inputs[0]) in (2, 4):
        return inputs, outputs
    if np.ndim(inputs[0]) > 4 or len(outputs) != 1:
        return inputs, outputs
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    lift = lambda a: np.reshape(a, (1,) * (4 - np.ndim(a)) + np.shape(a))
    first = lift(inputs[0])
    shape = model.graph.input[0].type.tensor_type.shape
    del shape.dim[:]
    for side in first.shape:
        shape.dim.add().dim_value = side
    return [first, *inputs[1:]], [lift(outputs[0])]


def result(case, path):
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, outputs = case.data_sets[0]
    if not all(isinstance(a, (np.ndarray, np.generic)) for a in [*inputs, *outputs]):
        return "refused", "its inputs or outputs are no tensors"
    inputs, outputs = lifted(model, [np.asarray(a) for a in inputs], [np.asarray(a) for a in outputs])
    names = [i.name for i in model.graph.input]
    for name, array in list(zip(names, inputs))[1:]:  # what a trained model stores
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    path.write_bytes(model.SerializeToString())
    try:
        reader = OnnxReader(path, output=model.graph.output[0].name)  # others are masks, indices and statistics
        network = import_model.network_of(reader, False)
    except AllRefused as refused:
        return "refused", refused.sentences[0]
    except Refused as refused:
        return "refused", str(refused)
    x = inputs[0]
    if x.ndim == 4:
        x = x.transpose([reader.input_axes.index(letter) for letter in "NHWC"])
    found = emulate(network.chain, x.reshape(len(x), *network.input))
    expected = import_model.as_strata(outputs[0], network)
    equal = np.allclose(found, expected, rtol=case.rtol, atol=case.atol)
    return ("equal", "") if equal else ("DIFFERS", f"{np.abs(found - expected).max():.2g}")


def results():
    """One line for each case; the cases of operators of which none is equal share a line."""
    by_operator = {}
    with tempfile.TemporaryDirectory(prefix="strata-nodes-") as folder:
        for case in collect_testcases(None):
            operators = {node.op_type for node in case.model.graph.node}
            found = (case.name, *result(case, pathlib.Path(folder) / "case.onnx"))
            if len(operators) == 1:
                by_operator.setdefault(operators.pop(), []).append(found)
            elif found[1] != "refused":  # a function of the standard, spelled out
                by_operator.setdefault("several operators", []).append(found)
    lines = []
    for operator, found in sorted(by_operator.items()):
        reasons = {why.split("': ", 1)[-1] for _, _, why in found}  # without the node's name
        if len(found) > 1 and len(reasons) == 1 and found[0][1] == "refused":
            lines.append(f"{operator}: all {len(found)} refused: {reasons.pop()}")
        else:
            lines += [f"{operator}: {name} {verdict}" + (f": {why}" if why else "") for name, verdict, why in sorted(found)]
    return lines


class Nodes(unittest.TestCase):
    def test_every_case_gives_what_is_expected(self):
        expected = [line for line in EXPECTED.read_text().splitlines() if not line.startswith("#")]
        found = results()
        for line in sorted(set(expected) ^ set(found)):
            print("expected:" if line in expected else "found:   ", line, file=sys.stderr)
        self.assertEqual(sorted(found), sorted(expected))
        self.assertFalse([line for line in found if " DIFFERS" in line])


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        EXPECTED.parent.mkdir(parents=True, exist_ok=True)
        EXPECTED.write_text(HEADER + f"# onnx {onnx.__version__}\n" + "".join(line + "\n" for line in results()))
    else:
        unittest.main()
