#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example first_updates as its users meet it: first_updates_test.py PROGRAM

Data of CIFAR's format are made here.
"""
import csv
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import refusals

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
WORK = tempfile.TemporaryDirectory(prefix="strata-first-updates-")
ROOT = pathlib.Path(WORK.name)
DATA = ROOT / "data"


def noise(folder):
    """CIFAR-10 of noise without a gap, because an empty image has the same loss for every seed."""
    draw = random.Random(1)
    folder.mkdir()
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        records = bytearray(draw.randbytes(10000 * 3073))
        records[::3073] = bytes(label % 10 for label in records[::3073])
        (folder / f"{name}.bin").write_bytes(records)


noise(DATA)


def run(*options):
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, timeout=600, check=False)


def lines_of(result):
    return list(csv.DictReader(result.stdout.splitlines()))


class FirstUpdates(unittest.TestCase):
    def test_help(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        for option in "row data seed seeds updates threads bias".split():
            self.assertIn("--" + option, result.stdout)

    def test_refusals(self):
        refusals.check(self, run(), 2, ["--row"])
        refusals.check(self, run("--row", "c"), 2, ["--row"])
        refusals.check(self, run("--row", "a", "--updates", "783"), 2, ["--updates"])
        empty = ROOT / "empty"
        empty.mkdir()
        refusals.check(self, run("--row", "a", "--data", empty), 1, [f"{empty}/data_batch_1.bin: No such file"])

    def test_lines(self):
        options = ["--row", "b", "--data", DATA, "--updates", "3", "--seed", "4", "--seeds", "2", "--bias", "0", "--bias", "0.001"]
        result = run(*options, "--threads", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(run(*options, "--threads", "2").stdout, result.stdout)
        lines = lines_of(result)
        self.assertEqual([(line["bias"], line["seed"], line["update"]) for line in lines],
                         [(bias, seed, update) for bias in ("0", "0.001") for seed in "45" for update in "123"])
        for line in lines:
            self.assertEqual(line["row"], "b")
            if line["update"] == "3":
                self.assertIn(int(line["active channels"]), range(257))
            else:
                self.assertEqual(line["active channels"], "")
        losses = {(line["bias"], line["seed"], line["update"]): float(line["loss"]) for line in lines}
        for seed in "45":
            # Ten classes, before anything is learned. The bias changes the first loss by rounding, if at all.
            self.assertAlmostEqual(losses["0", seed, "1"], math.log(10), delta=0.05)
            self.assertAlmostEqual(losses["0", seed, "1"], losses["0.001", seed, "1"], delta=1e-6)
        self.assertNotEqual(losses["0", "4", "1"], losses["0", "5", "1"])
        self.assertNotEqual(losses["0", "4", "3"], losses["0.001", "4", "3"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
