#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example convert_weights on what make_vectors.py wrote: a state_dict of the real PyTorch, and the same converted, which
tests/unit/exchange_test.cpp compares with PyTorch's outputs. Exits with 77 where a package is missing."""
import pathlib
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

try:
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
        self.convert("to-pytorch", self.like, self.out)
        self.assertIn("conv2d_1.weight", load_file(self.out))

    def test_refused(self):
        epsilon = ["--epsilon", "1e-5"]
        self.fails("give --epsilon", "from-pytorch", STATE, self.out, "--flatten", "3x3x6")
        self.fails("give --flatten HxWxC", "from-pytorch", STATE, self.out, *epsilon)
        self.fails("dense takes 54 numbers; expected 72, of the map 3x4x6", "from-pytorch", STATE, self.out, "--flatten",
                   "3x4x6", *epsilon)
        self.fails("--modules names 0, 1", "from-pytorch", STATE, self.out, "--modules", "0,1", *epsilon)
        self.fails("2 modules were named; expected 8", "to-pytorch", self.like, self.out, "--modules", "0,1")
        self.fails("expected a safetensors file", "to-pytorch", SCRIPT, self.out)
        self.fails("No such file", "to-pytorch", self.folder / "none", self.out)
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

    def without(self, name):
        state = load_file(STATE)
        del state[name]
        save_file(state, self.folder / "state")
        return self.folder / "state"


if __name__ == "__main__":
    unittest.main()
