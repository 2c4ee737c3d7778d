#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example cifar_fast as its users meet it: cifar_fast_test.py PROGRAM

Data of CIFAR's format are made here. A whole run takes minutes and real images, so that this one is stopped.
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import made_cifar
import refusals

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
WORK = tempfile.TemporaryDirectory(prefix="strata-cifar-fast-")
ROOT = pathlib.Path(WORK.name)
DATA = made_cifar.make(ROOT / "data") / "cifar-10-batches-bin"


def run(*options, **variables):
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, timeout=600, check=False,
                          env=os.environ | variables)


class CifarFast(unittest.TestCase):
    def test_help(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        for option in "data epochs seed threads precision save checkpoint resume".split():
            self.assertIn("--" + option, result.stdout)

    def test_refusals(self):
        refusals.check(self, run("--epochs", "0"), 2, ["--epochs"])
        refusals.check(self, run("--precision", "tf32"), 2, ["--precision"])
        refusals.check(self, run("--resume"), 2, ["--resume", "--checkpoint"])
        refusals.check(self, run("--data", ROOT / "none"), 1, ["none"])
        refusals.check(self, run("--data", DATA, "--save", ROOT / "none/w.safetensors"), 1, ["none/w.safetensors"])

    def stop(self, *options, **variables):
        """It trains, Ctrl-C ends it, and nothing is left at the place of the weights."""
        weights = ROOT / "w.safetensors"
        with subprocess.Popen([PROGRAM, "--data", DATA, "--save", weights, "--threads", "2", *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=os.environ | variables) as program:
            seen = ""
            begin = time.monotonic()
            while "loss:" not in seen and time.monotonic() - begin < 300:
                seen += program.stdout.read(1)
            program.send_signal(signal.SIGINT)
            _, errors = program.communicate(timeout=300)
        self.assertIn("Epoch 1/10", seen)
        self.assertEqual(program.returncode, 130)
        self.assertIn("nothing was saved", errors)
        self.assertEqual([file.name for file in ROOT.iterdir()], ["data"])

    def test_stopped(self):
        self.stop()

    def test_bf16(self):
        self.stop("--precision", "bf16", STRATA_BF16="widened")

    def test_bf16_refused(self):
        result = run("--data", DATA, "--precision", "bf16", STRATA_KERNELS="baseline", STRATA_BF16="")
        refusals.check(self, result, 1, ["use float32, or set STRATA_BF16=widened"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
