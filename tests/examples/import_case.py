# SPDX-License-Identifier: BSL-1.0
"""What the tests of the example import_model have in common. Importing it exits with 77 where a package is missing."""
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "examples/import_model"
sys.dont_write_bytecode = True
sys.path.insert(0, str(FOLDER))
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
try:
    import h5py  # noqa: F401, so do its tests
    import numpy as np
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401, the importer takes it
    from onnx import TensorProto, helper  # noqa: F401
    from safetensors import safe_open  # noqa: F401
    from safetensors.numpy import load_file  # noqa: F401
except ImportError as missing:
    print(f"SKIPPED: no model was imported: {missing}", file=sys.stderr)
    sys.exit(77)
try:
    import keras
except ImportError:
    keras = None

import import_model
import read_onnx
from emulation import difference, emulate  # noqa: F401
from made_onnx import DRAW, Made  # noqa: F401
from refusals import AllRefused, Refused

EFFORT = float(os.environ.get("STRATA_TEST_EFFORT", "1"))


class Case(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory(prefix="strata-import-")
        self.addCleanup(work.cleanup)
        self.folder = pathlib.Path(work.name)
        self.out = self.folder / "out"

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, FOLDER / "import_model.py", *map(str, arguments)], capture_output=True, text=True,
                              check=False)

    def save(self, model, name="net.onnx"):
        path = self.folder / name
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return path

    def network(self, made, *outputs, fold=False):
        """Imports and compares with ONNX Runtime. Returns the text of the C++ type."""
        import cpp
        path = self.save(made.model(*outputs))
        reader = read_onnx.OnnxReader(path)
        network = import_model.network_of(reader, fold)
        _, _, worst = import_model.check(network, reader)
        self.assertLessEqual(worst, 2e-6)
        return cpp.Printer(network.chain, network.input).text()

    def refused(self, made, *outputs):
        with self.assertRaises((Refused, AllRefused)) as caught:
            import_model.network_of(read_onnx.OnnxReader(self.save(made.model(*outputs))), False)
        return str(caught.exception)

    def fails(self, path, *says, options=(), lines=1):
        """One message, and nothing written."""
        told = io.StringIO()
        with mock.patch.object(sys, "argv", ["import_model.py", str(path), "--out", str(self.out), *map(str, options)]), \
                contextlib.redirect_stderr(told):
            self.assertEqual(import_model.main(), 1, told.getvalue())
        for part in says:
            self.assertIn(part, told.getvalue())
        self.assertEqual(len(told.getvalue().splitlines()), lines, told.getvalue())
        self.assertFalse(self.out.exists())
