#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example import_model: small models against ONNX Runtime and Keras, what is refused, and damaged and hostile files. Exits
with 77 where a package is missing."""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "examples/import_model"
sys.dont_write_bytecode = True
sys.path.insert(0, str(FOLDER))
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
try:
    import h5py
    import numpy as np
    import onnx
    import onnxruntime  # noqa: F401, the importer takes it
    from onnx import TensorProto, helper
    from safetensors import safe_open
    from safetensors.numpy import load_file
except ImportError as missing:
    print(f"SKIPPED: no model was imported: {missing}", file=sys.stderr)
    sys.exit(77)
try:
    import keras
except ImportError:
    keras = None

import import_model
import read_onnx
from emulation import difference, emulate
from made_onnx import DRAW, Made
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


class Networks(Case):
    def test_residual_gate_and_concat(self):
        m = Made(3, 12, 12)
        x = m("Relu", m.norm(m.conv("x", 3, 8, bias=False), 8))
        body = m.norm(m.conv(m("Relu", m.norm(m.conv(x, 8, 8, bias=False, group=8), 8)), 8, 8, bias=False), 8)
        squeezed = m.conv(m("GlobalAveragePool", body), 8, 2, k=1)
        gate = m("Sigmoid", m.conv(m("Relu", squeezed), 2, 8, k=1))
        x = m("Relu", m("Add", m("Mul", gate, body), x))
        x = m("Add", m.conv(x, 8, 6, k=1), m.conv(x, 8, 6))
        x = m("Concat", m.conv(x, 6, 4, k=1), m("MaxPool", x, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]), x, axis=1)
        x = m("Gemm", m("Flatten", m("GlobalAveragePool", x)), m.weight(5, 16), m.weight(5), transB=1)
        text = self.network(m, m("Softmax", x))
        for part in ("Gate<GlobalAvgPool, Dense<2>, ReLU, Dense<8>, Sigmoid>", "Concat<Conv<1, 4>, MaxPool<3, 1, Same>, Sequential<>>",
                     "Shortcut<Conv<3, 6>>", "Groups<8>"):
            self.assertIn(part, " ".join(text.split()))

    def test_flatten_has_another_order(self):
        for norm in (False, True):
            m = Made(3, 5, 4)
            x = m("Flatten", m.conv("x", 3, 6))
            if norm:
                x = m("PRelu", m.norm(x, 120), m.weight(120))
            x = m("Add", m("MatMul", x, m.weight(120, 7)), m.weight(7))
            self.assertIn("Flatten", self.network(m, m("Relu", x)))

    def test_vectors_of_two_branches_behind_flatten(self):
        m = Made(2, 4, 3)
        a, b = m("Flatten", m.conv("x", 2, 3)), m("Flatten", m.conv("x", 2, 5))
        x = m("Gemm", m("Concat", a, b, axis=1), m.weight(96, 4))
        self.network(m, x)

    def test_a_flattened_output_is_compared_in_its_order(self):
        m = Made(3, 4, 5)
        self.assertIn("Flatten", self.network(m, m("Flatten", m.conv("x", 3, 2))))

    def test_channels_last(self):
        m = Made(6, 5, 3)  # as tf2onnx writes it
        x = m("Transpose", m("Sub", "x", m.constant(np.float32([0.1, 0.2, 0.3]))), perm=[0, 3, 1, 2])
        x = m("Transpose", m("Relu", m.conv(x, 3, 4)), perm=[0, 2, 3, 1])
        x = m("MatMul", m("Reshape", x, m.constant(np.int64([-1, 120]))), m.weight(120, 6))
        self.assertIn("Input<6, 5, 3>", self.network(m, x))

    def test_shapes_that_are_computed(self):
        m = Made(3, 6, 6)
        x = m.conv("x", 3, 4)
        batch = m("Unsqueeze", m("Gather", m("Shape", x), m.constant(np.int64(0))), m.constant(np.int64([0])))
        shape = m("Concat", batch, m.constant(np.int64([-1])), axis=0)
        self.network(m, m("Gemm", m("Reshape", x, shape), m.weight(144, 3)))

    def test_activations_that_are_spelled_out(self):
        half, one, root = (np.float32(n) for n in (0.5, 1, 2 ** 0.5))
        three, six = np.float32(3), np.float32(6)

        def gelu(m, x):
            return m("Mul", m("Mul", x, m("Add", m("Erf", m("Div", x, m.constant(root))), m.constant(one))), m.constant(half))

        def hard_swish(m, x):
            return m("Div", m("Mul", x, m("Clip", m("Add", x, m.constant(three)), m.constant(np.float32(0)), m.constant(six))),
                     m.constant(six))

        def mish(m, x):
            return m("Mul", x, m("Tanh", m("Softplus", x)))

        for wanted, spell in (("GELU", gelu), ("HardSwish", hard_swish), ("SiLU", lambda m, x: m("Mul", m("Sigmoid", x), x)),
                              ("Gate<Softplus, Tanh>", mish), ("ReLU6", lambda m, x: m("Clip", x, m.constant(np.float32(0)),
                                                                                      m.constant(six)))):
            m = Made(2, 5, 5)
            self.assertIn(f"Conv<3, 3>, {wanted}", self.network(m, spell(m, m.conv("x", 2, 3))))

    def test_an_activation_inside_that_is_used_elsewhere_too(self):
        m = Made(2, 5, 5)
        x = m.conv("x", 2, 3)
        gate = m("Sigmoid", x)
        text = self.network(m, m("Concat", m("Mul", x, gate), gate, axis=1))
        self.assertIn("Concat<SiLU, Sigmoid>", text)

    def test_layer_norm_of_convnext(self):
        for opset in (13, 17):
            m = Made(4, 6, 6, opset=opset)
            x = m("Transpose", m.conv("x", 4, 4, group=4), perm=[0, 2, 3, 1])
            if opset == 17:
                x = m("LayerNormalization", x, m.weight(4), m.weight(4), axis=-1, epsilon=1e-6)
            else:
                centred = m("Sub", x, m("ReduceMean", x, axes=[-1]))
                variance = m("ReduceMean", m("Pow", centred, m.constant(np.float32(2))), axes=[-1])
                x = m("Div", centred, m("Sqrt", m("Add", variance, m.constant(np.float32(1e-6)))))
                x = m("Add", m("Mul", x, m.weight(4)), m.weight(4))
            x = m("Add", m("MatMul", x, m.weight(4, 8)), m.weight(8))
            x = m("Mul", m("Transpose", x, perm=[0, 3, 1, 2]), m.weight(8, 1, 1))
            self.assertIn("LayerNormOf<Epsilon<1e-6>", self.network(m, x))

    def test_dense_net_joins_again_and_again(self):
        m = Made(2, 4, 4)
        maps = ["x"]
        for i in range(3):
            joined = m("Concat", *maps, axis=1) if i else "x"
            maps.append(m.conv(m("Relu", joined), 2 + 3 * i, 3))
        text = self.network(m, m("Concat", *maps, axis=1))
        self.assertEqual(text.count("DenseLayer"), 4)  # its definition, and three

    def test_encoder_and_decoder(self):
        m = Made(2, 8, 8)
        down = m("MaxPool", m.conv("x", 2, 4), kernel_shape=[2, 2], strides=[2, 2])
        up = m("ConvTranspose", m.conv(down, 4, 6), m.weight(6, 4, 2, 2), m.weight(4), strides=[2, 2])
        x = m("Concat", up, "x", axis=1)
        bigger = m("Resize", x, "", m.constant(np.float32([1, 1, 2, 2])), mode="linear", coordinate_transformation_mode="half_pixel")
        out = m("ConvTranspose", bigger, m.weight(6, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
        text = self.network(m, m("Sigmoid", m("PRelu", out, m.weight(3, 1, 1))))
        for part in ("ConvTranspose<2, 4, Stride<2>>", "Upsample<2, Bilinear>", "OutputPadding<1>"):
            self.assertIn(part, text)

    def test_channel_shuffle(self):
        m = Made(6, 4, 4)
        x = m("Reshape", m.conv("x", 6, 6, group=3, k=1), m.constant(np.int64([0, 3, 2, 4, 4])))
        x = m("Reshape", m("Transpose", x, perm=[0, 2, 1, 3, 4]), m.constant(np.int64([0, 6, 4, 4])))
        self.assertIn("ChannelShuffle<3>", self.network(m, m.conv(x, 6, 4)))

    def test_pads_before_windows(self):
        m = Made(2, 7, 7)
        x = m("Relu", m.conv(m("Pad", "x", m.constant(np.int64([0, 0, 1, 0, 0, 0, 2, 3]))), 2, 4, pads=[0, 0, 0, 0]))
        x = m("MaxPool", m("Pad", x, m.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1]))), kernel_shape=[3, 3], strides=[2, 2])
        self.assertIn("Pad<1, 2, 0, 3>", self.network(m, x))
        m = Made(2, 7, 7)
        self.refused(m, m("MaxPool", m("Pad", "x", m.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1]))), kernel_shape=[3, 3]))

    def test_fold(self):
        m = Made(3, 6, 6)
        x = m("Relu", m.norm(m.conv("x", 3, 4, bias=False), 4))
        x = m.norm(m("ConvTranspose", x, m.weight(4, 3, 2, 2), strides=[2, 2]), 3)
        text = self.network(m, x, fold=True)
        self.assertNotIn("BatchNorm", text)
        self.assertNotIn("NoBias", text)

    def test_a_pool_whose_pixel_is_needed_as_a_map(self):
        m = Made(4, 4, 4)
        x = m("Resize", m.conv(m("GlobalAveragePool", "x"), 4, 3, k=1), "", m.constant(np.float32([1, 1, 4, 4])), mode="nearest",
              nearest_mode="floor", coordinate_transformation_mode="asymmetric")
        self.assertIn("AvgPool<4>, Conv<1, 3>, Upsample<4>", self.network(m, m("Concat", x, "x", axis=1)))

    def test_names_of_what_repeats(self):
        m = Made(3, 16, 16)
        x = m.conv("x", 3, 8)
        for filters in (8, 16, 32):
            squeezed = m("Relu", m.conv(x, filters // 2 if filters > 8 else 8, filters // 8, k=1))
            x = m("Concat", m("Relu", m.conv(squeezed, filters // 8, filters // 2, k=1)),
                  m("Relu", m.conv(squeezed, filters // 8, filters // 2)), axis=1)
        text = self.network(m, x)
        self.assertIn("template <int Filters>\nusing Fire = ", text)
        self.assertIn("Fire<1>, Fire<2>, Fire<4>", text)


class Files(Case):
    def tiny(self):
        m = Made(3, 6, 6)
        x = m("Relu", m.norm(m.conv("x", 3, 4), 4))
        logits = m("Gemm", m("Flatten", m("GlobalAveragePool", x)), m.weight(4, 5))
        return m.model(m("Softmax", logits)), logits

    def test_what_is_written(self):
        path = self.save(self.tiny()[0])
        (self.folder / "names.txt").write_text("a\nb c\nd\ne\nf\n")
        result = self.run_script(path, "--out", self.out, "--mean", "-0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--resize", "8",
                                 "--classes", self.folder / "names.txt")
        # argparse takes a mean that begins with a minus for an option, unless = is before it
        self.assertEqual(result.returncode, 2)
        result = self.run_script(path, "--out", self.out, "--mean=-0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--resize", "8",
                                 "--classes", self.folder / "names.txt")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["net.check.safetensors", "net.hpp", "net.safetensors"])
        tensors = load_file(self.out / "net.safetensors")
        self.assertEqual(tensors["conv2d/kernel"].shape, (3, 3, 3, 4))
        self.assertEqual(set(tensors), {"conv2d/kernel", "conv2d/bias", "dense/kernel", *(f"batch_normalization/{t}" for t in (
            "gamma", "beta", "moving_mean", "moving_variance"))})
        metadata = safe_open(self.out / "net.safetensors", "numpy").metadata()
        self.assertEqual(metadata["strata.classes"], "a\nb c\nd\ne\nf\n")
        self.assertEqual(metadata["strata.input"], "image 6 6 3\nborder 0\ngrey 0\nmean -0.5 0.4 0.3\ndeviation 0.2 0.2 0.2\n"
                                                   "short_side 8\n")
        self.assertIn("conv2d/kernel w0\n", metadata["source.names"])
        checked = load_file(self.out / "net.check.safetensors")
        self.assertEqual((checked["input"].shape, checked["output"].shape), ((2, 6, 6, 3), (2, 5)))
        text = (self.out / "net.hpp").read_text()
        for part in ("namespace net {", "ONNX opset 17", "sha256", "static_assert(Net::output == Shape{5} && Net::parameters == 140);"):
            self.assertIn(part, text)
        again = {p: p.read_bytes() for p in self.out.iterdir()}
        self.run_script(path, "--out", self.out, "--mean=-0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--resize", "8", "--classes",
                        self.folder / "names.txt")
        self.assertEqual(again, {p: p.read_bytes() for p in self.out.iterdir()})

    def test_output_and_input(self):
        model, logits = self.tiny()
        self.assertEqual(self.run_script(self.save(model), "--out", self.out, "--output", logits).returncode, 0)
        self.assertNotIn("Softmax", (self.out / "net.hpp").read_text())
        for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            dim.ClearField("dim_value")
        path = self.save(model, "open.onnx")
        result = self.run_script(path, "--out", self.out)
        self.assertIn("give --input HxWxC", result.stderr)
        self.assertEqual(self.run_script(path, "--out", self.out, "--input", "7x9x3").returncode, 0)
        self.assertIn("Input<7, 9, 3>", (self.out / "open.hpp").read_text())

    def test_wrong_options(self):
        path = self.save(self.tiny()[0])
        for options in (["--input", "7x9"], ["--mean", "1,2,3"], ["--std", "0,1,1", "--mean", "1,1,1"], ["--resize", "0"], ["--x"]):
            self.assertEqual(self.run_script(path, "--out", self.out, *options).returncode, 2, options)
        for options, says in ((["--name", "class"], "'class' cannot name"), (["--output", "none"], "computes no none"),
                              (["--input", "7x7x4"], "does not fit"), (["--mean", "1", "--std", "1"], "3 channels"),
                              (["--classes", self.folder / "none"], "cannot be read"), (["--resize", "5"], "--resize 5")):
            self.fails(path, says, options=options)
        self.fails(self.folder / "none.onnx", "cannot be read")

    def test_all_refusals_at_once(self):
        m = Made(4, 6, 6)
        a, b = m("Split", "x", m.constant(np.int64([2, 2])), outputs=2, axis=1)
        x = m("Concat", m.conv(a, 2, 2), b, axis=1)
        y = m("Softsign", m.conv("x", 4, 4))
        z = m("Clip", m.conv("x", 4, 4), m.constant(np.float32(2)), m.constant(np.float32(1)))
        self.fails(self.save(m.model(m("Sum", x, y, z))), "3 things cannot be expressed; nothing was written",
                   "Split 'node0': it takes some of the channels; strata has no layer that does",
                   "Softsign 'node4': strata has no layer for Softsign", "Clip 'node6': it limits its values to [2.0, 1.0]", lines=4)

    def test_single_refusals(self):
        def made(build, says, sides=(2, 5, 5), opset=17):
            m = Made(*sides, opset=opset)
            self.assertIn(says, self.refused(m, build(m)))

        def crossed(m):
            a, b = m.conv("x", 2, 2), m.conv("x", 2, 2)
            return m("Add", m("Add", m("Relu", a), b), m("Concat", m.conv(a, 2, 1), m.conv(b, 2, 1), axis=1))

        made(crossed, "share")
        made(lambda m: m("Mul", m.conv("x", 2, 2), m.conv("x", 2, 2)), "strata's Gate multiplies a value by")
        made(lambda m: m("Mul", "x", m.conv("x", 2, 1)), "takes factors of the same shape, or one for each channel")
        made(lambda m: m("Softmax", m.conv("x", 2, 2), axis=1), "takes the softmax along axis 1")
        made(lambda m: m("Reshape", "x", m.constant(np.int64([0, 5, 5, 2]))), "strata flattens a map")
        made(lambda m: m("ConvTranspose", "x", m.weight(2, 1, 2, 2), group=2), "it has 2 groups")
        made(lambda m: m("Conv", "x", m.weight(2, 3, 3, 3)), "3 channels, and it gets 2")
        made(lambda m: m("Conv", "x", m.weight(2, 2, 9, 9)), "spans 9 elements")
        made(lambda m: m("Add", "x", m.weight(2, 5, 5)), "a number, or one for each channel")
        made(lambda m: m("Transpose", "x", perm=[1, 0, 2, 3]), "the axis of the images")
        made(lambda m: m("Resize", "x", "", m.constant(np.float32([1, 1, 0.5, 0.5]))), "enlarges by whole numbers")
        made(lambda m: m("MatMul", "x", "x"), "two computed matrices")

    def test_outputs_of_more_than_one(self):
        m = Made(2, 5, 5)
        a, b = m.conv("x", 2, 2), m.conv("x", 2, 3)
        self.fails(self.save(m.model(a, b)), f"the model has 2 outputs, {a}, {b}; name one with --output")


class Hostile(Case):
    def model(self):
        m = Made(2, 5, 5)
        return m.model(m("Relu", m.conv("x", 2, 3)))

    def test_no_model(self):
        for data in (b"", b"\x00", b"text that is no model at all, but long enough", os.urandom(4000), b"\x3a\xff\xff\xff\x7f"):
            self.fails(self.save(data), "nothing was written")

    def test_every_truncation(self):
        data = self.model().SerializeToString()
        path = self.folder / "cut.onnx"
        for end in range(0, len(data), 1 if EFFORT >= 10 else 7):
            path.write_bytes(data[:end])
            with self.assertRaises((Refused, AllRefused), msg=end):
                import_model.network_of(read_onnx.OnnxReader(path), False)

    def test_sizes_that_overflow(self):
        for dims, says in (([1 << 40, 1 << 40, 3, 3], "elements"), ([-3, 2, 3, 3], "not negative"), ([3, 2, 3, 4], "not the numbers"),
                           ([1 << 20, 1 << 20], "elements")):
            model = self.model()
            del model.graph.initializer[0].dims[:]
            model.graph.initializer[0].dims.extend(dims)
            path = self.save(model)
            with self.assertRaises((Refused, AllRefused), msg=dims) as caught:
                import_model.network_of(read_onnx.OnnxReader(path), False)
            self.assertIn(says, str(caught.exception))
        for attribute, value in (("strides", [0, 0]), ("strides", [1 << 60, 1]), ("pads", [-1] * 4), ("pads", [1 << 40] * 4),
                                 ("dilations", [1 << 62, 1]), ("group", 0), ("group", -(1 << 60)), ("kernel_shape", [1 << 50, 3]),
                                 ("strides", [1, 1, 1]), ("strides", "text"), ("auto_pad", "ELSE"), ("pads", [1 << 14] * 4)):
            model = self.model()
            node = model.graph.node[0]
            for old in [a for a in node.attribute if a.name == attribute]:
                node.attribute.remove(old)
            node.attribute.append(helper.make_attribute(attribute, value))
            with self.assertRaises((Refused, AllRefused), msg=(attribute, value)):
                import_model.network_of(read_onnx.OnnxReader(self.save(model)), False)

    def test_constants_that_grow(self):
        m = Made(2, 5, 5)
        name = m.constant(np.zeros(1 << 20, np.float32))
        for _ in range(40):
            name = m("Concat", name, name, axis=0)
        self.assertIn("constants of more than", self.refused(m, m("Add", "x", name)))
        m = Made(2, 5, 5)
        huge = m("ConstantOfShape", m.constant(np.int64([1 << 40, 1 << 40])))
        self.assertIn("elements", self.refused(m, m("Add", "x", huge)))

    def limited(self, path, *says):
        """Within 2 GB of memory more than the packages need themselves."""
        program = ("import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)); "
                   f"sys.path.insert(0, {str(FOLDER)!r}); sys.argv = ['import_model.py', {str(path)!r}, '--out', {str(self.out)!r}]; "
                   f"runpy.run_path({str(FOLDER / 'import_model.py')!r}, run_name='__main__')")
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(result.returncode, 1, result.stderr[-2000:])
        for part in says:
            self.assertIn(part, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr[-2000:])
        self.assertFalse(self.out.exists())

    def test_a_billion_nodes(self):
        path = self.folder / "many.onnx"
        count = 500_000_000  # two bytes each: an empty node
        with open(path, "wb") as file:
            body = count * 2
            length, head = body, b"\x3a"
            while length >= 128:
                head += bytes([length & 127 | 128])
                length >>= 7
            file.write(b"\x08\x08" + head + bytes([length]))
            part = b"\x0a\x00" * (1 << 20)
            for _ in range(0, count, 1 << 20):
                file.write(part[:min(len(part), body)])
                body -= min(len(part), body)
        self.limited(path, "more than")

    def test_external_data(self):
        secret = self.folder / "secret.bin"
        secret.write_bytes(bytes(1000))
        inner = self.folder / "model"
        inner.mkdir()
        (inner / "data.bin").write_bytes(DRAW.normal(0, 1, 54 + 10).astype("<f4").tobytes())
        (inner / "link.bin").symlink_to(secret)

        def external(**entries):
            model = self.model()
            tensor = model.graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in entries.items():
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
            path = inner / "net.onnx"
            path.write_bytes(model.SerializeToString())
            return path

        for entries, says in (({"location": "../secret.bin"}, "in the model's folder"), ({"location": secret}, "in the model's folder"),
                              ({"location": "link.bin"}, "in the model's folder"), ({"location": ""}, "in the model's folder"),
                              ({"location": "none.bin"}, "cannot be read"), ({"location": "data.bin", "offset": 200}, "ends behind"),
                              ({"location": "data.bin", "offset": -1}, "expected 216"),
                              ({"location": "data.bin", "length": 1 << 60}, "expected 216"),
                              ({"location": "data.bin", "offset": "x"}, "cannot be read"), ({"location": "."}, "cannot be read")):
            self.fails(external(**entries), says)
        self.assertEqual(self.run_script(external(location="data.bin", offset=40), "--out", self.out).returncode, 0)

    def test_cycles(self):
        nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(nodes, "g", [value("x", 1, [1, 2, 4, 4])], [value("b", 1, None)])
        self.fails(self.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])), "takes what it computes itself")

    def test_damaged_bytes(self):
        """Whatever a damaged file says, the reader answers with a refusal or with a network."""
        data = bytearray(self.model().SerializeToString())
        draw = np.random.default_rng(5)
        outcomes = {"network": 0, "refused": 0}
        for _ in range(int(600 * EFFORT)):
            damaged = bytearray(data)
            for _ in range(draw.integers(1, 4)):
                damaged[draw.integers(len(damaged))] = draw.integers(256)
            try:
                import_model.network_of(read_onnx.OnnxReader(self.save(bytes(damaged))), False)
                outcomes["network"] += 1
            except (Refused, AllRefused):
                outcomes["refused"] += 1
        self.assertTrue(all(outcomes.values()), outcomes)


@unittest.skipIf(keras is None, "Keras is not installed")
class Keras(Case):
    def keras_model(self, arithmetic=True):
        layers = keras.layers
        x = inputs = keras.Input((16, 16, 3))
        x = layers.Rescaling(1 / 127.5, offset=-1)(x)
        x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        x = layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        y = layers.DepthwiseConv2D(3, padding="same")(layers.Conv2D(16, 1, activation="silu")(x))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(16, 1, activation="hard_sigmoid")(layers.Conv2D(4, 1, activation="relu")(gate))
        y = layers.Conv2D(8, 1)(layers.Multiply()([y, gate]))
        x = layers.Add()([x, y])
        x = layers.LeakyReLU()(layers.BatchNormalization(scale=False)(x))
        x = layers.PReLU(shared_axes=[1, 2])(layers.SeparableConv2D(6, 3, padding="same")(x))
        x = layers.Concatenate()([layers.MaxPooling2D(3, strides=1, padding="same")(x), layers.AveragePooling2D(3, strides=1,
                                                                                                               padding="same")(x)])
        x = layers.LayerNormalization()(layers.Conv2DTranspose(5, 3, strides=2, padding="same")(x))
        x = layers.GroupNormalization(5)(layers.UpSampling2D(2, interpolation="bilinear")(x))
        inner = keras.Sequential([keras.Input((32, 32, 5)), layers.MaxPooling2D(4), layers.Conv2D(4, 3, padding="same"),
                                  layers.Conv2D(4, 3), layers.Flatten()])
        x = layers.Dropout(0.2)(inner(x))
        x = x * 0.5 + 3.0 if arithmetic else x
        x = layers.Dense(7, activation="gelu")(x)
        model = keras.Model(inputs, layers.Dense(5, activation="softmax")(x))
        draw = np.random.default_rng(7)
        model.set_weights([draw.uniform(0.5, 1.5, w.shape) if "variance" in w.path or "gamma" in w.path else
                           draw.normal(0, 0.3, w.shape) for w in model.weights])
        return model

    def test_files_of_keras(self):
        for name in ("net.keras", "net.h5"):  # Keras does not read x * 0.5 from .h5
            with self.subTest(name):
                model = self.keras_model(name == "net.keras")
                model.save(self.folder / name)
                result = self.run_script(self.folder / name, "--out", self.out)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("of the largest output", result.stdout)
                checked = load_file(self.out / "net.check.safetensors")
                expected = model.predict(checked["input"], verbose=0)
                self.assertLessEqual(difference(checked["output"], expected), 1e-6)

    def test_without_keras(self):
        model = self.keras_model()
        model.save(self.folder / "net.keras")
        import read_keras
        reader = read_keras.KerasReader(self.folder / "net.keras")
        network = import_model.network_of(reader, True)
        x = np.random.default_rng(1).normal(0, 60, (3, 16, 16, 3)).astype(np.float32)
        self.assertLessEqual(difference(emulate(network.chain, x.astype(np.float64)), model.predict(x, verbose=0)), 2e-6)

    def test_refusals(self):
        layers = keras.layers
        x = inputs = keras.Input((8, 8, 4))
        shared = layers.Conv2D(4, 3, padding="same")
        x = shared(shared(x))
        x = layers.UpSampling2D(2, interpolation="bicubic")(x)
        x = layers.MultiHeadAttention(2, 4)(x, x)
        keras.Model(inputs, x).save(self.folder / "net.keras")
        self.fails(self.folder / "net.keras", "Conv2D 'conv2d", "it is used twice", "strata has no attention", lines=3)

    good = {}

    def damaged(self, change):
        if not self.good:
            keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(3, 3)]).save(self.folder / "good.keras")
            with zipfile.ZipFile(self.folder / "good.keras") as archive:
                self.good.update({name: archive.read(name) for name in archive.namelist()})
        entries = dict(self.good)
        change(entries)
        with zipfile.ZipFile(self.folder / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries.items():
                archive.writestr(name, data)
        return self.folder / "net.keras"

    def weights(self, change):
        def changed(entries):
            path = self.folder / "w.h5"
            path.write_bytes(entries["model.weights.h5"])
            with h5py.File(path, "r+") as file:
                change(file["layers/conv2d/vars"])
            entries["model.weights.h5"] = path.read_bytes()
        return self.damaged(changed)

    def test_hostile_files(self):
        for data in (b"", b"PK\x03\x04", os.urandom(3000), b"\x89HDF\r\n\x1a\n" + os.urandom(2000)):
            path = self.folder / "net.keras"
            path.write_bytes(data)
            self.fails(path, "nothing was written")
        self.fails(self.damaged(lambda e: e.pop("config.json")), "no Keras model")
        self.fails(self.damaged(lambda e: e.update({"config.json": b"{"})), "is no JSON")
        self.fails(self.damaged(lambda e: e.update({"config.json": b"[" * 100000})), "is no JSON")
        self.fails(self.damaged(lambda e: e.update({"config.json": b" " * (65 << 20)})), "more than")
        self.fails(self.damaged(lambda e: e.update({"model.weights.h5": e["model.weights.h5"][:500]})), "nothing was written")

        def other(file, link):
            del file["0"]
            file["0"] = link

        self.fails(self.weights(lambda g: other(g, h5py.ExternalLink("/etc/passwd", "/0"))), "where it should be", lines=2)
        self.fails(self.weights(lambda g: other(g, h5py.SoftLink("/layers"))), "where it should be", lines=2)

        def huge(group):
            del group["0"]
            group.create_dataset("0", shape=(1 << 20, 1 << 20, 1 << 10), dtype="f4", chunks=(64, 64, 64))

        self.fails(self.weights(huge), "elements", lines=2)

        def loop(entries):
            config = json.loads(entries["config.json"])
            for _ in range(100):
                config = {"class_name": "Sequential", "config": {"name": "s", "layers": [config]}}
            entries["config.json"] = json.dumps(config).encode()

        self.fails(self.damaged(loop), "give --input HxWxC", lines=2)
        self.fails(self.damaged(loop), "models in models too deeply", options=("--input", "6x6x2"), lines=2)

    def test_damaged_bytes(self):
        path = self.damaged(lambda e: None)
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json")
        draw = np.random.default_rng(5)
        outcomes = {"network": 0, "refused": 0}
        import read_keras
        for _ in range(int(60 * EFFORT)):
            text = bytearray(config)
            for _ in range(draw.integers(1, 3)):
                text[draw.integers(len(text))] = draw.integers(32, 127)
            damaged = self.damaged(lambda e: e.update({"config.json": bytes(text)}))
            try:
                import_model.network_of(read_keras.KerasReader(damaged), False)
                outcomes["network"] += 1
            except (Refused, AllRefused):
                outcomes["refused"] += 1
        self.assertTrue(all(outcomes.values()), outcomes)


if __name__ == "__main__":
    unittest.main()
