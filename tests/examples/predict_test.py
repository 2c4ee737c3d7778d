#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example predict as its users meet it: predict_test.py PREDICT ALEXNET_CIFAR, the second of which makes the weights."""
import json
import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

import made_cifar
from pictures import png

PREDICT, TRAIN = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
WORK = tempfile.TemporaryDirectory(prefix="strata-predict-")
ROOT = pathlib.Path(WORK.name)
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()


def run(*arguments):
    return subprocess.run([PREDICT, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)


def train(name, *options):
    data = ROOT / "data"
    if not data.exists():
        made_cifar.make(data)
    command = [TRAIN, "--data", data, "--images", "8", "--batch", "8", "--epochs", "1", "--threads", "1", *options, "--save",
               ROOT / name, "--checkpoint", ROOT / f"{name}-run"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return ROOT / name


def changed(file, name, change):
    """A copy whose header, tensors apart, went through change(metadata, tensor offsets, data)."""
    raw = file.read_bytes()
    length, = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + length]), bytearray(raw[8 + length:])
    del header["__metadata__"]["strata.checksums"]
    change(header["__metadata__"], header, data)
    text = json.dumps(header).encode()
    (ROOT / name).write_bytes(struct.pack("<Q", len(text)) + text + data)
    return ROOT / name


class Predict(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ten = train("ten")
        cls.noise = png(ROOT / "noise.png", 32, 32, lambda y, x: ((y * 7 + x) % 256, x * 8, (y * x) % 256))
        cls.large = png(ROOT / "large.png", 100, 100, lambda y, x: (y * 2, x * 2, 100))

    def fails(self, says, *arguments):
        result = run(*arguments)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
        self.assertIn(says, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_labels(self):
        result = run(self.ten, self.noise, self.large)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        self.assertEqual(len(lines), 12)
        self.assertEqual([lines[0], lines[6]], [str(self.noise), str(self.large)])
        for block in (lines[1:6], lines[7:12]):
            found = [re.fullmatch(r" +(\d+\.\d\d)%  (\w+)", line) for line in block]
            shares = [float(match[1]) for match in found]
            self.assertEqual(shares, sorted(shares, reverse=True))
            self.assertLessEqual(len({match[2] for match in found} - set(CIFAR10)), 0)
        result = run(self.ten, self.noise, "--top", "100")
        shares = [float(share) for share in re.findall(r"([\d.]+)%", result.stdout)]
        self.assertEqual(len(shares), 10)
        self.assertLess(abs(sum(shares) - 100), 0.06)

    def test_the_class_that_the_weights_say(self):
        """A bias that outweighs the rest: its class stands first, under its name."""
        def to(number):
            def change(_, header, data):
                begin = header["dense_2/bias"]["data_offsets"][0] + 4 * number
                data[begin:begin + 4] = struct.pack("<f", 30)
            return change

        for number in (0, 3, 9):
            result = run(changed(self.ten, "biased", to(number)), self.noise, "--top", "1")
            self.assertEqual(result.stdout, f"{self.noise}\n  100.00%  {CIFAR10[number]}\n")

    def test_what_training_wrote(self):
        """Weights, the best of a run, and a checkpoint, which after one epoch are the same."""
        expected = run(self.ten, self.noise).stdout
        self.assertIn("%", expected)
        for file in ("best.safetensors", "step-000000001.safetensors"):
            result = run(ROOT / "ten-run" / file, self.noise)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, expected, ""))
        hundred = run(train("hundred", "--dataset", "cifar100"), self.noise)
        self.assertEqual((hundred.returncode, len(hundred.stdout.splitlines())), (0, 6), hundred.stderr)

    def test_bad_files(self):
        text, cut = ROOT / "text.png", ROOT / "cut.png"
        text.write_text("no picture")
        cut.write_bytes(self.noise.read_bytes()[:500])
        result = run(self.ten, text, self.noise, cut, ROOT / "none.jpg", self.large)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, run(self.ten, self.noise, self.large).stdout)
        errors = result.stderr.splitlines()
        self.assertEqual(len(errors), 3)
        for error, file in zip(errors, (text, cut, ROOT / "none.jpg")):
            self.assertTrue(error.startswith(f"predict: {file}: "), error)
            self.assertIn("expected a whole PNG or JPEG file", error)

    def test_bad_weights(self):
        self.fails(f"{ROOT / 'none'}: cannot be read", ROOT / "none", self.noise)
        self.fails("safetensors", self.noise, self.noise)

        def change(key, value):
            def edit(metadata, *_):
                metadata.pop(key)
                if value is not None:
                    metadata[key] = value
            return changed(self.ten, "changed", edit)

        self.fails("the architecture 0123456789abcdef belongs to no network", change("strata.architecture", "0123456789abcdef"),
                   self.noise)
        self.fails("no metadata strata.architecture", change("strata.architecture", None), self.noise)
        self.fails("no metadata strata.classes", change("strata.classes", None), self.noise)
        self.fails("strata.input is damaged", change("strata.input", "image 32 32 3\n"), self.noise)
        for mean, deviation in (("nan 0 0", "1 1 1"), ("0 0 0", "1 inf 1"), ("0 0 0", "1 0 1")):
            self.fails("strata.input is damaged", change("strata.input", "image 32 32 3\nborder 0\ngrey 0\n"
                                                         f"mean {mean}\ndeviation {deviation}\n"), self.noise)

        def not_a_number(_, header, data):
            begin = header["dense_2/bias"]["data_offsets"][0]
            data[begin:begin + 4] = struct.pack("<f", math.nan)
        self.fails(f"these weights give NaN or infinity for {self.noise}", changed(self.ten, "nan", not_a_number), self.noise)
        self.fails("describes other data than its network takes", change("strata.classes", "cat\ndog\n"), self.noise)

    def test_options(self):
        self.assertEqual(run("--help").returncode, 0)
        for wrong in ([], [self.ten], [self.ten, self.noise, "--top", "0"], [self.ten, self.noise, "--best"]):
            self.assertEqual(run(*wrong).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
