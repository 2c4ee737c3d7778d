#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example convert_weights on what make_vectors.py wrote: a state_dict of the real PyTorch, and the same converted, which
tests/unit/exchange_test.cpp compares with PyTorch's outputs; and on models of the real Keras. Exits with 77 where a package
is missing."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "examples/convert_weights/convert_weights.py"
STATE = ROOT / "tests/data/exchange/pytorch_state.safetensors"
NET = ROOT / "tests/data/exchange/pytorch_net.safetensors"
MODULES = "0,1,3,6,7,10,11,13"
# As strata prints it.
SUMMARY = """\
Layer                               Output shape              Parameters            MACs          Bytes     Sees Unread
Input                               (None, 11, 12, 4)                  0               0          2,112      1x1
Conv 3x3 /2 pad 1                   (None, 6, 6, 8)                  296          10,368          1,152      3x3    0x1
BatchNorm                           (None, 6, 6, 8)                   32               0          1,152      3x3
Conv 3x3 same groups 2              (None, 6, 6, 12)                 444          15,552          1,728      7x7
MaxPool 2x2 /2                      (None, 3, 3, 12)                   0               0            432      9x9
Conv 2x3 same                       (None, 3, 3, 6)                  432           3,888            216    13x17
BatchNorm                           (None, 3, 3, 6)                   24               0            216    13x17
Flatten                             (None, 54)                         0               0            216    13x17
Dense                               (None, 16)                       880             864             64      all
BatchNorm                           (None, 16)                        64               0             64      all
Dense                               (None, 5)                         85              80             20      all
"""

os.environ.setdefault("KERAS_BACKEND", "jax")
try:
    import keras
    import numpy
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
except ImportError as missing:
    print(f"SKIPPED: no weights were converted: {missing}", file=sys.stderr)
    sys.exit(77)


class Convert(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory(prefix="strata-convert-")
        self.addCleanup(work.cleanup)
        self.folder = pathlib.Path(work.name)
        self.out = self.folder / "out.safetensors"
        # A file of the same network as strata would have written it.
        self.like = self.folder / "like.safetensors"
        self.convert("from-pytorch", STATE, self.like, "--flatten", "3x3x6", "--epsilon", "1e-5")
        sys.path.insert(0, str(SCRIPT.parent))
        import convert_weights
        metadata = {"strata.summary": SUMMARY, "strata.architecture": "0123", "strata.checksums": "of this", "other": "x"}
        convert_weights.write(self.like, convert_weights.read_net(self.like)[0], metadata)

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)

    def convert(self, *arguments):
        result = self.run_script(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def fails(self, says, *arguments):
        result = self.run_script(*arguments)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(says, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertFalse(self.out.exists())
        self.assertEqual(list(self.folder.glob("*.part")), [])

    def test_from_pytorch(self):
        self.convert("from-pytorch", STATE, self.out, "--flatten", "3x3x6", "--epsilon", "1e-5")
        self.assertEqual(self.out.read_bytes(), NET.read_bytes())
        # The summary says the same, and what the file is of is kept; checksums would be of other numbers.
        self.out.unlink()
        self.convert("from-pytorch", STATE, self.out, "--like", self.like, "--epsilon", "1e-5")
        converted, expected = load_file(self.out), load_file(NET)
        self.assertEqual(set(converted), set(expected))
        for name, array in expected.items():
            self.assertTrue((converted[name] == array).all(), name)
        with safe_open(self.out, "numpy") as file:
            self.assertEqual(set(file.metadata()), {"strata.summary", "strata.architecture"})

    def test_where_the_numbers_go(self):
        """A few numbers, followed by hand."""
        state, net = load_file(STATE), load_file(NET)
        self.assertEqual(net["conv2d_1/kernel"].shape, (3, 3, 4, 12))
        self.assertEqual(net["conv2d_1/kernel"][0, 2, 1, 7], state["3.weight"][7, 1, 0, 2])
        for row, column, channel in ((0, 0, 0), (0, 1, 0), (2, 1, 5), (1, 2, 3)):
            here, there = (row * 3 + column) * 6 + channel, (channel * 3 + row) * 3 + column
            self.assertTrue((net["dense/kernel"][here] == state["10.weight"][:, there]).all())
        self.assertTrue((net["dense_1/kernel"] == state["13.weight"].T).all())
        self.assertTrue((net["batch_normalization_1/gamma"] == state["7.weight"]).all())
        shift = net["batch_normalization/moving_variance"] - state["1.running_var"]
        self.assertLess(numpy.abs(shift - (1e-5 - 1e-3)).max(), 1e-6)

    def test_16_bits(self):
        """Weights of BF16 and F16 become the same float32."""
        state = {name: array for name, array in load_file(STATE).items() if array.dtype == numpy.float32}
        options = ["--flatten", "3x3x6", "--epsilon", "1e-5"]
        for dtype in ("BF16", "F16"):
            header, body, rounded = {}, b"", {}
            for name, array in state.items():
                if dtype == "BF16":
                    bits = (array.view("<u4") >> 16).astype("<u2")
                    rounded[name] = (bits.astype("<u4") << 16).view("<f4")
                else:
                    bits = array.astype("<f2")
                    rounded[name] = bits.astype("<f4")
                header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(body), len(body) + bits.nbytes]}
                body += bits.tobytes()
            text = json.dumps(header).encode()
            (self.folder / "half").write_bytes(struct.pack("<Q", len(text)) + text + body)
            save_file(rounded, self.folder / "rounded")
            self.convert("from-pytorch", self.folder / "half", self.out, *options)
            self.convert("from-pytorch", self.folder / "rounded", self.folder / "expected", *options)
            found, expected = load_file(self.out), load_file(self.folder / "expected")
            self.assertEqual(set(found), set(expected))
            for name, array in expected.items():
                self.assertEqual(found[name].dtype, numpy.float32, name)
                self.assertTrue((found[name] == array).all(), name)
            self.out.unlink()

    def test_to_pytorch(self):
        expected = load_file(STATE)
        for flatten in (["--flatten", "3x3x6"], []):
            source = NET if flatten else self.like
            self.convert("to-pytorch", source, self.out, "--modules", MODULES, "--epsilon", "1e-5", *flatten)
            state = load_file(self.out)
            self.assertEqual(set(state), set(expected))
            for name, array in expected.items():
                if "running_var" in name:  # went to another epsilon and back
                    self.assertLess(numpy.abs(state[name] - array).max(), 1e-6)
                else:
                    self.assertEqual(state[name].dtype, array.dtype, name)
                    self.assertTrue((state[name] == array).all(), name)
        self.convert("to-pytorch", self.like, self.out, "--epsilon", "1e-3")
        self.assertIn("conv2d_1.weight", load_file(self.out))

    def test_layers_with_the_same_tensors(self):
        """A file of the network tells them apart, and none of them loses a number on the way there and back."""
        draw = numpy.random.default_rng(4)

        def drawn(*shape):
            return draw.normal(size=shape).astype(numpy.float32)
        state = {"0.weight": drawn(8, 4, 3, 3), "0.bias": drawn(8), "1.weight": drawn(8), "1.bias": drawn(8),
                 "2.weight": drawn(8), "3.weight": drawn(8, 6, 3, 2), "3.bias": drawn(6), "4.weight": drawn(6),
                 "4.bias": drawn(6), "6.weight": drawn(5, 24), "6.bias": drawn(5), "7.weight": drawn(5)}
        save_file(state, self.folder / "state")
        like = {"conv2d/kernel": drawn(3, 3, 4, 8), "conv2d/bias": drawn(8), "group_normalization/gamma": drawn(8),
                "group_normalization/beta": drawn(8), "p_re_lu/alpha": drawn(8), "conv2d_transpose/kernel": drawn(3, 2, 6, 8),
                "conv2d_transpose/bias": drawn(6), "layer_normalization/gamma": drawn(6), "layer_normalization/beta": drawn(6),
                "dense/kernel": drawn(24, 5), "dense/bias": drawn(5), "p_re_lu_1/alpha": drawn(5)}
        import convert_weights
        convert_weights.write(self.like, like, {})
        self.convert("from-pytorch", self.folder / "state", self.out, "--like", self.like, "--flatten", "2x2x6")
        net = load_file(self.out)
        self.assertEqual({name: array.shape for name, array in net.items()}, {name: like[name].shape for name in like})
        # Element (row, column, to, from) of the transposed convolution.
        self.assertEqual(net["conv2d_transpose/kernel"][2, 1, 4, 7], state["3.weight"][7, 4, 2, 1])
        self.assertTrue((net["p_re_lu/alpha"] == state["2.weight"]).all())
        self.assertTrue((net["layer_normalization/beta"] == state["4.bias"]).all())
        back = self.folder / "back"
        self.convert("to-pytorch", self.out, back, "--modules", "0,1,2,3,4,6,7", "--flatten", "2x2x6")
        found = load_file(back)
        self.assertEqual(set(found), set(state))
        for name, array in state.items():
            self.assertTrue((found[name] == array).all(), name)
        # Without such a file the commoner of two layers is taken.
        self.convert("from-pytorch", self.folder / "state", back, "--flatten", "2x2x6")
        self.assertIn("layer_normalization_1/gamma", load_file(back))
        self.assertIn("conv2d_1/kernel", load_file(back))

    def test_order_after_flatten(self):
        """What stands between Flatten and the first Dense has PyTorch's order of the elements there too."""
        import convert_weights
        summary = ("Flatten  (None, 12)  0  0\nLayerNorm  (None, 12)  24  0\nPReLU  (None, 12)  12  0\n"
                   "GroupNorm groups {}  (None, 12)  {}  0\nDense  (None, 5)  65  60\n")
        rows = "Input  (None, 2, 2, 3)  0  0\n" + summary
        self.assertEqual(convert_weights.maps_of("file", {"strata.summary": rows.format(1, 24)}), [(2, 2, 3)] * 4)
        self.assertEqual(convert_weights.maps_of("file", {"strata.summary": rows.format(4, 0)}), [(2, 2, 3)] * 3)
        with self.assertRaisesRegex(convert_weights.ConversionError, "the groups of a GroupNorm after Flatten"):
            convert_weights.maps_of("file", {"strata.summary": rows.format(4, 24)})

    def test_refused(self):
        epsilon = ["--epsilon", "1e-5"]
        self.fails("give --epsilon", "from-pytorch", STATE, self.out, "--flatten", "3x3x6")
        self.fails("give --flatten HxWxC", "from-pytorch", STATE, self.out, *epsilon)
        self.fails("dense takes 54 elements; expected 72, of the map 3x4x6", "from-pytorch", STATE, self.out, "--flatten",
                   "3x4x6", *epsilon)
        self.fails("--modules names 0, 1", "from-pytorch", STATE, self.out, "--modules", "0,1", *epsilon)
        self.fails("give --epsilon", "to-pytorch", self.like, self.out, "--modules", MODULES)
        self.fails("2 modules were named; expected 8", "to-pytorch", self.like, self.out, "--modules", "0,1")
        self.fails("expected a safetensors file", "to-pytorch", SCRIPT, self.out)
        self.fails("No such file", "to-pytorch", self.folder / "none", self.out)
        save_file({**load_file(STATE), "13.mask": numpy.zeros(3, numpy.bool_)}, self.folder / "mask")
        self.fails("13.mask has dtype BOOL; expected F32", "from-pytorch", self.folder / "mask", self.out, *epsilon)
        named = {name.replace("13.", "last."): array for name, array in load_file(STATE).items()}
        save_file(named, self.folder / "named")
        self.fails("the order of the modules", "from-pytorch", self.folder / "named", self.out, "--like", self.like, *epsilon)
        # Two layers exchanged: their shapes tell.
        self.fails("conv2d/kernel gets the shape (3, 3, 4, 12); expected (3, 3, 4, 8)", "from-pytorch", STATE, self.out,
                   "--like", self.like, "--modules", "3,1,0,6,7,10,11,13", *epsilon)
        self.fails("the module 13 has bias; expected", "from-pytorch", self.without("13.weight"), self.out, "--like", self.like,
                   *epsilon)
        self.fails("nothing becomes dense_1/bias", "from-pytorch", self.without("13.bias"), self.out, "--like", self.like,
                   *epsilon)

    def keras_model(self, seed, epsilon=1e-3, units=5):
        """With names that go on from model to model, and random numbers in every tensor."""
        layers = keras.layers
        model = keras.Sequential([keras.Input((7, 6, 4)), layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False),
                                  layers.BatchNormalization(epsilon=epsilon), layers.ReLU(), layers.Conv2D(6, 3, groups=2),
                                  layers.Flatten(), layers.Dense(9, activation="relu"), layers.Dense(units)])
        draw = numpy.random.default_rng(seed)
        model.set_weights([draw.uniform(0.1, 1, weight.shape) for weight in model.weights])
        file = self.folder / f"model{seed}.keras"
        model.save(file)
        return model, file

    def test_keras(self):
        self.keras_model(0)
        model, file = self.keras_model(1)
        self.convert("from-keras", file, self.out)
        names = ["conv2d/kernel", *(f"batch_normalization/{kind}" for kind in ("gamma", "beta", "moving_mean", "moving_variance")),
                 *(f"{layer}/{kind}" for layer in ("conv2d_1", "dense", "dense_1") for kind in ("kernel", "bias"))]
        with safe_open(self.out, "numpy") as net:
            self.assertEqual(set(net.keys()), set(names))
            for name, array in zip(names, model.get_weights(), strict=True):
                self.assertTrue((net.get_tensor(name) == array).all(), name)

        other, other_file = self.keras_model(2)
        images = numpy.random.default_rng(3).normal(size=(5, 7, 6, 4)).astype(numpy.float32)
        expected = model.predict(images, verbose=0)
        self.assertGreater(numpy.abs(other.predict(images, verbose=0) - expected).max(), 0.1)
        self.convert("to-keras", self.out, other_file, self.folder / "new.keras")
        self.assertTrue((keras.models.load_model(self.folder / "new.keras").predict(images, verbose=0) == expected).all())

        # The other layers with weights.
        layers = keras.layers
        newer = [keras.Sequential([keras.Input((7, 6, 4)), layers.Conv2D(8, 3), layers.GroupNormalization(4),
                                   layers.PReLU(shared_axes=[1, 2]), layers.Conv2DTranspose(6, 3, strides=2, padding="same"),
                                   layers.LayerNormalization(), layers.Flatten(), layers.Dense(5), layers.PReLU()])
                 for _ in range(2)]
        draw = numpy.random.default_rng(6)
        for each in newer:
            each.set_weights([draw.uniform(0.1, 1, weight.shape) for weight in each.weights])
        import convert_weights
        tensors = convert_weights.from_keras(newer[0])
        self.assertEqual([*tensors][:7], ["conv2d/kernel", "conv2d/bias", "group_normalization/gamma", "group_normalization/beta",
                                          "p_re_lu/alpha", "conv2d_transpose/kernel", "conv2d_transpose/bias"])
        self.assertEqual((tensors["p_re_lu/alpha"].shape, tensors["p_re_lu_1/alpha"].shape), ((8,), (5,)))
        self.assertEqual(tensors["conv2d_transpose/kernel"].shape, (3, 3, 6, 8))
        convert_weights.write(self.out, tensors)
        convert_weights.to_keras(self.out, newer[1])
        self.assertTrue((newer[0].predict(images, verbose=0) == newer[1].predict(images, verbose=0)).all())
        with self.assertRaisesRegex(convert_weights.ConversionError, "shared_axes"):
            convert_weights.from_keras(keras.Sequential([keras.Input((7, 6, 4)), layers.PReLU()]))
        self.out.unlink()
        self.convert("from-keras", file, self.out)

        # Another epsilon goes into the variances, both ways.
        import convert_weights
        wide, _ = self.keras_model(4, epsilon=0.1)
        convert_weights.to_keras(self.out, wide)
        self.assertLess(numpy.abs(wide.predict(images, verbose=0) - expected).max(), 1e-5 * numpy.abs(expected).max())
        for name, array in convert_weights.from_keras(wide).items():
            self.assertLess(numpy.abs(array - load_file(self.out)[name]).max(), 1e-6, name)

        few, _ = self.keras_model(5, units=4)
        with self.assertRaisesRegex(convert_weights.ConversionError, "the model has"):
            convert_weights.to_keras(self.out, few)
        with self.assertRaisesRegex(convert_weights.ConversionError, r"dense_1/kernel gets the shape \(9, 4\); expected \(9, 5\)"):
            convert_weights.from_keras(few, like=self.out)
        net, self.out = self.out, self.folder / "none.safetensors"
        self.fails("expected a file of Keras 3", "from-keras", net, self.out)

    def without(self, name):
        state = load_file(STATE)
        del state[name]
        save_file(state, self.folder / "state")
        return self.folder / "state"


if __name__ == "__main__":
    unittest.main()
