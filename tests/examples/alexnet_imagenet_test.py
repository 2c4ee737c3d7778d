#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example alexnet_imagenet on made folders of a thousand classes: alexnet_imagenet_test.py PROGRAM."""
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

from pictures import jpeg

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
WORK = tempfile.TemporaryDirectory(prefix="strata-imagenet-")
ROOT = pathlib.Path(WORK.name)


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=1000, check=False)


def made(folder, classes=1000):
    """One picture a class in each part, of sizes around 256, with the colours of its class."""
    for part, seed in (("train", 1), ("val", 2)):
        draw = random.Random(seed)
        for number in range(classes):
            colours = [[draw.randrange(60, 190) if c else number * 7 % 200 + 28 for c in range(3)] for _ in range(4)]
            jpeg(folder / part / f"n{number:08}" / "1.JPEG", draw.randrange(200, 300), draw.randrange(200, 300),
                 lambda y, x, colours=colours: colours[(y // 9 + x // 7) % 4])
    return folder


class AlexNet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = made(ROOT / "data")

    def fails(self, code, says, *arguments):
        result = run(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(says, result.stderr)

    def test_one_step(self):
        result = run()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^60965224 parameters; loss of a first step \d+\.\d{4}\n$")

    def test_a_resumed_run_is_the_same(self):
        recipe = ["--data", self.data, "--batch", 8, "--epochs", 1]
        whole, parts = ROOT / "whole.safetensors", ROOT / "parts.safetensors"
        result = run(*recipe, "--max-steps", 4, "--save", whole)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("1000 training and 1000 validation pictures of 1000 classes\n", result.stdout)
        accuracy, five = map(float, re.search(r"\nvalidation accuracy (\S+), among the first five (\S+)\n$",
                                              result.stdout).groups())
        self.assertTrue(0 <= accuracy <= five < 0.1, result.stdout)
        for steps in (2, 4):
            again = run(*recipe, "--max-steps", steps, "--save", parts, "--checkpoint", ROOT / "run", "--resume", "--threads", 1)
            self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(whole.read_bytes(), parts.read_bytes())
        self.assertIn(b"n00000999", whole.read_bytes()[:200000])

    def test_bad_input(self):
        save = ROOT / "none.safetensors"
        few = made(ROOT / "few", 3)
        self.fails(1, "alexnet_imagenet: strata: the data set has 3 classes; the network has 1000 outputs", "--data", few,
                   "--save", save)
        (few / "val" / "n00000002").rename(few / "val" / "other")
        self.fails(1, f"{few}/val/other: a folder of no known class; expected one of 3 classes, such as n00000000", "--data",
                   few)
        self.fails(1, f"{ROOT}/train: No such file or directory", "--data", ROOT)
        self.fails(2, "is only for runs with --data", "--epochs", 3)
        self.fails(2, "is only for runs with --checkpoint", "--data", few, "--resume")
        self.assertFalse(save.exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
