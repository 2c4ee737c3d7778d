# SPDX-License-Identifier: BSL-1.0
"""alexnet_cifar built for a GPU: trains there, and says in one line why it cannot where there is none."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import made_cifar

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
FOLDER = tempfile.TemporaryDirectory()
ROOT = pathlib.Path(FOLDER.name)
CIFAR = ROOT / "cifar"


def run(*options):
    command = [PROGRAM, "--data", CIFAR, "--images", "24", "--batch", "8", *options]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)


class Cuda(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        made_cifar.make(CIFAR)
        first = run("--device", "cuda", "--max-steps", "1")
        cls.has_device = first.returncode == 0
        cls.first = first

    def test_without_a_device(self):
        if self.has_device:
            self.skipTest("there is a GPU")
        self.assertEqual(self.first.returncode, 1)
        lines = self.first.stderr.splitlines()
        self.assertEqual(len(lines), 1, self.first.stderr)
        self.assertRegex(lines[0], r"^alexnet_cifar: .*(no CUDA device|no NVIDIA driver|driver is too old)")

    def test_no_such_device(self):
        if not self.has_device:
            self.skipTest("needs a GPU")
        result = run("--device", "cuda:99", "--max-steps", "1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no CUDA device 99", result.stderr)

    def test_precisions(self):
        if not self.has_device:
            self.skipTest("needs a GPU")
        for precision, says in (("tf32", "TF32"), ("float32", "float32"), ("bf16", "bfloat16")):
            with self.subTest(precision):
                result = run("--device", "cuda", "--precision", precision, "--epochs", "2")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(", " + says + "\n", result.stdout)
                self.assertIn("test accuracy", result.stdout)

    def test_nccl(self):
        if not self.has_device:
            self.skipTest("needs a GPU")
        result = run("--device", "cuda", "--processes", "nccl", "--gradients", "bf16", "--epochs", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("test accuracy", result.stdout)

    def test_goes_on_from_the_cpu(self):
        if not self.has_device:
            self.skipTest("needs a GPU")
        common = ["--epochs", "2", "--checkpoint", ROOT / "run", "--resume", "--seed", "3"]
        self.assertEqual(run(*common, "--max-steps", "2").returncode, 0)
        result = run(*common, "--device", "cuda", "--precision", "float32")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("resumed from", result.stdout)

    def test_options(self):
        result = run("--precision", "tf32")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--precision tf32 is only for --device cuda", " ".join(result.stderr.split()))
        result = run("--processes", "nccl")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(" ".join(result.stderr.split()), "--processes:? is only for --device cuda, if it is nccl")
        result = run("--processes", "mpi", "--device", "cuda")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(" ".join(result.stderr.split()), "--processes:? is only for --device cpu, if it is mpi")
        result = run("--device", "gpu")
        self.assertEqual(result.returncode, 2)
        self.assertIn("gpu is neither cpu nor cuda nor cuda:N", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
