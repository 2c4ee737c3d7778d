#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The files of save_onnx() in other programs: onnx_test.py ONNX_NETWORKS, the program that writes them.

onnx.checker must accept each file, and ONNX Runtime, and OpenVINO where it is installed, must give strata's outputs. Needs the
packages onnx, onnxruntime, numpy and safetensors; without them the test is skipped (77).
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy
    import onnx
    import onnxruntime
    import safetensors
    import safetensors.numpy
except ImportError as error:
    print(f"SKIPPED: {error}")
    sys.exit(77)
try:
    import openvino
except ImportError:
    openvino = None

WRITER = pathlib.Path(sys.argv[1]).resolve()
WORK = tempfile.TemporaryDirectory(prefix="strata-onnx-")
ROOT = pathlib.Path(WORK.name)
LARGEST = 1e-5  # of the largest output
IMPORTER = pathlib.Path(__file__).resolve().parents[2] / "examples" / "import_model" / "import_model.py"


def by_onnxruntime(file, image):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    [port] = session.get_inputs()
    [output] = session.run(None, {port.name: image})
    return output


def by_openvino(file, image):
    # Its default on some processors is 16 bits.
    model = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    return model(image)[0]


def difference(found, expected):
    """The largest difference, as a share of the largest number."""
    return numpy.abs(found - expected).max() / numpy.abs(expected).max()


class Written(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.count = int(subprocess.run([WRITER, ROOT], check=True, capture_output=True, text=True, timeout=300).stdout)
        cls.cases = []
        for number in range(cls.count):
            file = ROOT / f"{number}.safetensors"
            with safetensors.safe_open(file, "numpy") as opened:
                cls.cases.append((number, opened.metadata()["network"], opened.get_tensor("input"),
                                  opened.get_tensor("output")))

    def compare(self, run):
        worst = 0
        for number, network, image, expected in self.cases:
            first = numpy.ascontiguousarray(image.transpose(0, 3, 1, 2))
            maps = expected.ndim == 4
            for layout, given in (("nchw", first), ("nhwc", image)):
                with self.subTest(network=network, layout=layout):
                    found = run(ROOT / f"{number}.{layout}.onnx", given)
                    if maps and layout == "nchw":
                        found = found.transpose(0, 2, 3, 1)
                    self.assertEqual(found.shape, expected.shape)
                    self.assertGreater(expected.std(), 0)
                    share = difference(found, expected)
                    self.assertLessEqual(share, LARGEST)
                    worst = max(worst, share)
                    if layout == "nchw":  # a batch of another size
                        one = run(ROOT / f"{number}.{layout}.onnx", given[1:2])
                        one = one.transpose(0, 2, 3, 1) if maps else one
                        self.assertLessEqual(difference(one, expected[1:2]), 2 * LARGEST)
        print(f"{run.__name__}: {self.count} networks, largest difference {worst:.1e} of the largest output")

    def test_onnxruntime(self):
        self.assertGreater(self.count, 60)
        self.compare(by_onnxruntime)

    @unittest.skipUnless(openvino, "openvino is not installed")
    def test_openvino(self):
        self.compare(by_openvino)

    def test_checker(self):
        for number, network, image, expected in self.cases:
            for layout in ("nchw", "nhwc"):
                with self.subTest(network=network, layout=layout):
                    model = onnx.load(ROOT / f"{number}.{layout}.onnx")
                    onnx.checker.check_model(model, full_check=True)
                    self.assertEqual([(o.domain, o.version) for o in model.opset_import], [("", 17)])
                    self.assertEqual((model.ir_version, model.producer_name), (8, "strata"))
                    sizes = image.shape[1:]
                    if layout == "nchw":
                        sizes = (sizes[2], *sizes[:2])
                    [given], [gives] = model.graph.input, model.graph.output
                    self.assertEqual((given.name, gives.name), ("input", "output") if layout == "nchw" else ("pixels", "scores"))
                    dimensions = given.type.tensor_type.shape.dim
                    self.assertEqual((dimensions[0].dim_param, *(d.dim_value for d in dimensions[1:])), ("N", *sizes))
                    # full_check compares it with what onnx infers from the nodes.
                    wanted = expected.shape[1:]
                    if len(wanted) == 3 and layout == "nchw":
                        wanted = (wanted[2], *wanted[:2])
                    declared = gives.type.tensor_type.shape.dim
                    self.assertEqual((declared[0].dim_param, *(d.dim_value for d in declared[1:])), ("N", *wanted))
                    keys = {entry.key: entry.value for entry in model.metadata_props}
                    self.assertEqual(len(keys["strata.architecture"]), 16)
                    self.assertEqual(keys.get("strata.data"), "drawn" if layout == "nchw" else None)

    @unittest.skipUnless(IMPORTER.exists(), "there is no importer")
    def test_import(self):
        """import_model.py makes strata's types of the files. It compares its network with ONNX Runtime itself."""
        for number, network, image, _ in self.cases:
            with self.subTest(network=network):
                name = f"net{number}"
                done = subprocess.run([sys.executable, IMPORTER, ROOT / f"{number}.nchw.onnx", "--out", ROOT / "imported", "--name",
                                       name], capture_output=True, text=True, timeout=300, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                height, width, channels = image.shape[1:]
                self.assertIn(f"Input<{height}, {width}, {channels}>", (ROOT / "imported" / f"{name}.hpp").read_text())
        print(f"import_model.py: {self.count} networks")

    def test_a_difference_is_found(self):
        """The comparison fails for two swapped channels of one constant."""
        number = next(n for n, network, *_ in self.cases if "OnMap<PReLU" in network)
        model = onnx.load(ROOT / f"{number}.nchw.onnx")
        slopes = next(t for t in model.graph.initializer if t.name == "p_re_lu/alpha")
        values = onnx.numpy_helper.to_array(slopes).copy()
        values[[0, 1]] = values[[1, 0]]
        slopes.CopyFrom(onnx.numpy_helper.from_array(values, slopes.name))
        _, _, image, expected = self.cases[number]
        onnx.save(model, ROOT / "swapped.onnx")
        found = by_onnxruntime(ROOT / "swapped.onnx", numpy.ascontiguousarray(image.transpose(0, 3, 1, 2)))
        self.assertGreater(difference(found.transpose(0, 2, 3, 1), expected), 100 * LARGEST)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
