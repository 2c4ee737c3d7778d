#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example alexnet_cifar as its users meet it: alexnet_cifar_test.py PROGRAM

Data of CIFAR's format are made here and nothing leaves this machine: what is fetched comes from tests/data/range_server.py.
"""
import base64
import contextlib
import csv
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from xml.etree import ElementTree

import made_cifar
import refusals

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
SERVER = pathlib.Path(__file__).resolve().parent.parent / "data/range_server.py"
DEBIAN = pathlib.Path("/usr/share/datasets/fashion-mnist")
WORK = tempfile.TemporaryDirectory(prefix="strata-examples-")
ROOT = pathlib.Path(WORK.name)
SHORT = ["--images", "24", "--batch", "8", "--max-steps", "2", "--threads", "1"]
# A port that nothing listens on.
NO_SERVER = "http://127.0.0.1:9/"
CIFAR = made_cifar.make(ROOT / "data")


def environment():
    return dict(os.environ, STRATA_CACHE=str(ROOT / "cache"), no_proxy="127.0.0.1")


def run(*options):
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, env=environment(), timeout=300,
                          check=False)


@contextlib.contextmanager
def server(folder):
    with subprocess.Popen([sys.executable, SERVER, folder, ROOT / "log"], stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
        process.kill()


def header_of(file):
    with file.open("rb") as data:
        (length,) = struct.unpack("<Q", data.read(8))
        return json.loads(data.read(length))


class Options(unittest.TestCase):
    def fails(self, code, says, *options):
        refusals.check(self, run(*options), code, says)

    def test_help(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        for option in ("dataset data epochs batch learning-rate momentum decay dropout optimizer schedule seed threads augment "
                       "save load describe profile warm-up nesterov max-steps checkpoint checkpoint-every resume "
                       "report metrics tensorboard clip-norm patience label-smoothing erase ema views").split():
            self.assertIn("--" + option, result.stdout)

    def test_describe(self):
        result = run("--describe")
        self.assertEqual(result.returncode, 0)
        self.assertIn("21,594,506", result.stdout)
        self.assertIn("Dropout 0.5", result.stdout)
        self.assertIn("21,963,236", run("--describe", "--dataset", "cifar100").stdout)
        self.assertIn("Dropout 0.25", run("--describe", "--dropout", "0.25").stdout)

    def test_wrong(self):
        self.fails(2, ["--epoch"], "--epoch", "3")
        self.fails(2, ["--epochs"], "--epochs", "some")
        self.fails(2, ["--batch"], "--batch", "0")
        for seed in ("-1", "18446744073709551616", "1e3", "1 "):
            self.fails(2, ["--seed", "2^64"], "--seed", seed)
        for path in ("--save", "--checkpoint", "--report", "--metrics", "--tensorboard"):
            self.fails(2, [path, "is empty"], path, "")
        self.fails(2, ["--dataset"], "--dataset", "imagenet")
        self.fails(2, ["--dropout", "0.25"], "--dropout", "0.3")
        self.fails(2, ["--data", str(ROOT / "none")], "--data", ROOT / "none")
        self.fails(2, ["--load", str(ROOT / "none")], "--load", ROOT / "none")

    def test_without_effect(self):
        self.fails(2, ["--nesterov: is only for --optimizer sgd"], "--nesterov", "--optimizer", "adam")
        self.fails(2, ["--decay: is only for --schedule inverse-time"], "--decay", "0.1", "--schedule", "cosine")
        self.fails(2, ["--warm-up"], "--warm-up", "5", "--schedule", "one-cycle")
        self.fails(2, ["--step-every"], "--step-every", "5")
        self.fails(2, ["--resume: is only for runs with --checkpoint"], "--resume")
        self.fails(2, ["--initializer: is only for runs without --load"], "--initializer", "he-normal", "--load", PROGRAM)
        self.fails(2, ["--patience: is only for runs that train"], "--patience", "2", "--profile")
        self.fails(2, ["--views: is only for runs that train"], "--views", "--describe")
        self.fails(2, ["--erase: is only for runs with --augment"], "--erase", "0.5", "--no-augment")
        self.fails(2, ["--clip-norm: is only for runs that train"], "--clip-norm", "2", "--describe")
        for output in ("--save", "--checkpoint", "--report", "--metrics", "--tensorboard"):
            for mode in ("--profile", "--describe"):
                self.fails(2, [f"{output}: is only for runs that train"], output, ROOT / "a.csv", mode)
        self.fails(2, ["--checkpoint-every: is only for runs with --checkpoint"], "--checkpoint-every", "5")
        self.fails(2, ["--precision tf32 is only for --device cuda"], "--precision", "tf32")

    def test_cannot_be_meant(self):
        self.fails(2, ["the momentum is 1;"], "--momentum", "1")
        self.fails(2, ["the learning rate is -1;"], "--learning-rate", "-1")
        self.fails(2, ["the momentum is 0;", "nesterov"], "--nesterov", "--momentum", "0")
        self.fails(2, ["the factor of a StepDecay is 2;"], "--schedule", "step", "--step-factor", "2")
        self.fails(2, ["--clip-norm"], "--clip-norm", "-1")

    def test_paths(self):
        self.fails(1, ["there is no folder"], "--data", CIFAR, "--save", ROOT / "none/a")
        self.fails(1, ["this is a folder"], "--data", CIFAR, "--save", ROOT)
        self.fails(1, ["there is no folder"], "--data", CIFAR, "--report", ROOT / "none/a")
        self.fails(1, ["there is no folder"], "--data", CIFAR, "--metrics", ROOT / "none/a.csv")
        self.fails(1, ["a.txt: expected a name that ends in .csv or .jsonl"], "--data", CIFAR, "--metrics", ROOT / "a.txt")
        foreign = ROOT / "foreign"
        foreign.write_bytes(b"not weights at all")
        self.fails(1, [f"{foreign}: "], "--data", CIFAR, "--load", foreign)
        if os.geteuid() != 0:
            self.fails(1, ["cannot be written to"], "--data", CIFAR, "--save", "/usr/a")


class Sources(unittest.TestCase):
    def test_folder(self):
        empty = ROOT / "empty"
        empty.mkdir()
        result = run("--data", empty)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{empty}/data_batch_1.bin: No such file", result.stderr)
        result = run("--data", empty, "--dataset", "fashion-mnist")
        self.assertEqual(result.returncode, 1)
        self.assertIn("train-images-idx3-ubyte.gz: No such file", result.stderr)

    def test_damaged(self):
        damaged = ROOT / "damaged"
        made_cifar.records(damaged / "data_batch_1.bin", 9999, [10], 1)
        result = run("--data", damaged)
        self.assertEqual(result.returncode, 1)
        self.assertIn("data_batch_1.bin: record 9999: the file ends after", result.stderr)

    def test_named_and_not_to_be_had(self):
        result = run("--dataset", "cifar100", "--mirror", NO_SERVER)
        self.assertEqual(result.returncode, 1)
        self.assertIn(NO_SERVER + "cifar-100-binary.tar.gz", result.stderr)
        self.assertIn("--data DIR", result.stderr)
        with server(ROOT) as address:
            result = run("--dataset", "cifar10", "--mirror", address + "whole")
        self.assertEqual(result.returncode, 1)
        self.assertIn("404", result.stderr)

    def test_not_what_was_published(self):
        served = ROOT / "served"
        served.mkdir()
        (served / "cifar-10-binary.tar.gz").write_bytes(bytes(300000))
        with server(served) as address:
            result = run("--dataset", "cifar10", "--mirror", address + "whole")
        self.assertEqual(result.returncode, 1)
        self.assertIn("its MD5 is", result.stderr)
        self.assertIn(f"fetching {address}whole/cifar-10-binary.tar.gz\n", result.stdout)
        self.assertIn("100%", result.stdout)

    @unittest.skipUnless(DEBIAN.is_dir(), "needs Debian's dataset-fashion-mnist")
    def test_nothing_named_and_no_network(self):
        result = run(*SHORT, "--mirror", NO_SERVER)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Training on Fashion-MNIST from /usr/share/datasets/fashion-mnist instead", result.stdout)
        self.assertIn("Ankle boot", result.stdout)

    def test_cached(self):
        cache = ROOT / "cache"
        cache.mkdir()
        (cache / "cifar-10-batches-bin").symlink_to(CIFAR / "cifar-10-batches-bin")
        try:
            result = run(*SHORT, "--mirror", NO_SERVER)
        finally:
            (cache / "cifar-10-batches-bin").unlink()
            cache.rmdir()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"cifar10 from {cache}", result.stdout)


class Training(unittest.TestCase):
    def test_save_and_load(self):
        first, second, third = (ROOT / name for name in ("first.safetensors", "second.safetensors", "third.safetensors"))
        for file in (first, second):
            result = run(*SHORT, "--data", CIFAR, "--save", file)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("24 training and 24 test images", result.stdout)
        self.assertIn("test accuracy", result.stdout)
        self.assertIn("precision", result.stdout)
        self.assertIn("images/s", result.stdout)
        self.assertIn("\n2/3 [", result.stdout)
        self.assertTrue(first.read_bytes() == second.read_bytes())

        header = header_of(first)
        self.assertEqual(set(header.pop("__metadata__")), {"strata.architecture", "strata.checksums", "strata.classes", "strata.data",
                                                             "strata.input", "strata.summary"})
        for forbidden in (str(ROOT), os.uname().nodename, "alexnet_cifar", "--data"):
            self.assertNotIn(forbidden.encode(), first.read_bytes()[:20000])
        numbers = 0
        for tensor in header.values():
            self.assertEqual(tensor["dtype"], "F32")
            size = 1
            for side in tensor["shape"]:
                size *= side
            numbers += size
        self.assertEqual(numbers, 21594506)
        layers = [f"conv2d{n}" for n in ("", "_1", "_2", "_3", "_4")] + ["dense", "dense_1", "dense_2"]
        self.assertEqual(list(header), [f"{layer}/{kind}" for layer in layers for kind in ("kernel", "bias")])
        self.assertEqual(header["conv2d_1/kernel"]["shape"], [5, 5, 96, 256])
        self.assertEqual(header["dense/kernel"]["shape"], [256, 4096])

        # Loaded and trained no further, it is what was saved; also into a network with less dropout.
        result = run(*SHORT, "--data", CIFAR, "--load", first, "--epochs", "0", "--dropout", "0", "--save", third)
        self.assertEqual(result.returncode, 0, result.stderr)
        with first.open("rb") as a, third.open("rb") as b:
            skip = [8 + struct.unpack("<Q", file.read(8))[0] for file in (a, b)]
            a.seek(skip[0]), b.seek(skip[1])
            self.assertTrue(a.read() == b.read())

        result = run(*SHORT, "--data", CIFAR, "--dataset", "cifar100", "--load", first)
        self.assertEqual(result.returncode, 1)
        self.assertIn("tensor dense_2/kernel has the shape (4096, 10); expected this network's, (4096, 100)", result.stderr)

    def test_recipes(self):
        for says, options in (
            ("SGD{learning_rate WarmUp{Cosine{learning_rate 0.02, total 7, final 0}, updates 5}, momentum 0.8, nesterov, weight_decay 0.1}",
             "--schedule cosine --warm-up 5 --nesterov --learning-rate 0.02 --momentum 0.8 --weight-decay 0.1"),
            ("SGD{learning_rate StepDecay{learning_rate 0.01, factor 0.5, every 6}", "--schedule step --step-every 2 --step-factor 0.5"),
            ("AdamW{learning_rate OneCycle{max 0.001, total 12,", "--optimizer adamw --schedule one-cycle"),
            ("Adam{learning_rate 0.001", "--optimizer adam --schedule constant --no-augment"),
        ):
            with self.subTest(options):
                result = run(*SHORT, "--data", CIFAR, "--epochs", "4", *options.split())
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(says, result.stdout)

    def test_each_option_changes_the_result(self):
        def loss(*options):
            result = run(*SHORT, "--data", CIFAR, "--initializer", "he-normal", "--learning-rate", "0.03", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            return re.search(r"test loss ([\d.]+)", result.stdout)[1]
        losses = [loss(*options.split()) for options in
                  ("", "--label-smoothing 0.5", "--erase 1", "--ema 0.9", "--views", "--pad-crop 4")]
        self.assertEqual(len(set(losses)), len(losses), losses)

    def test_inputs_and_initializer(self):
        file = ROOT / "standardized.safetensors"
        result = run(*SHORT, "--data", CIFAR, "--epochs", "0", "--initializer", "he-normal", "--standardize", "--save", file)
        self.assertEqual(result.returncode, 0, result.stderr)
        # predict takes these from the file. Of the first 24 images, on the scale of [0, 1].
        kinds = dict(line.split(" ", 1) for line in header_of(file)["__metadata__"]["strata.input"].splitlines())
        images = (CIFAR / "cifar-10-batches-bin/data_batch_1.bin").read_bytes()[:24 * 3073]
        for channel, (mean, deviation) in enumerate(zip(kinds["mean"].split(), kinds["deviation"].split(), strict=True)):
            first = 1 + 1024 * channel
            pixels = [byte / 255 for at in range(0, len(images), 3073) for byte in images[at + first:at + first + 1024]]
            self.assertAlmostEqual(float(mean), statistics.fmean(pixels), 5)
            self.assertAlmostEqual(float(deviation), statistics.pstdev(pixels), 5)
        # 2 / in is the variance of the weights of 4096 inputs.
        header = header_of(file)["dense_1/kernel"]
        with file.open("rb") as data:
            data.seek(8 + struct.unpack("<Q", data.read(8))[0] + header["data_offsets"][0])
            weights = struct.unpack("<40960f", data.read(4 * 40960))
        self.assertAlmostEqual(statistics.pstdev(weights) * 2048 ** 0.5, 1, 1)
        # The evaluation at the end sees the same images as that of the epoch.
        result = run(*SHORT[:4], "--threads", "1", "--data", CIFAR, "--epochs", "1", "--standardize")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(re.search(r"val_loss: ([\d.]+)", result.stdout)[1], re.search(r"test loss ([\d.]+)", result.stdout)[1])

    def test_clipping_and_patience(self):
        # Without a rate nothing becomes better than the first epoch, and gradients of no norm change nothing.
        for options in (["--learning-rate", "0"], ["--clip-norm", "1e-30"]):
            result = run(*SHORT[:4], "--epochs", "9", "--data", CIFAR, "--threads", "1", "--patience", "2", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout.count("val_loss"), 3, result.stdout)

    def test_profile(self):
        result = run("--data", CIFAR, "--images", "24", "--batch", "8", "--threads", "1", "--profile", "--no-augment")
        self.assertEqual(result.returncode, 0, result.stderr)
        for row in ["    1  Conv + ReLU + MaxPool", "   11  Conv + ReLU + MaxPool", "   21  Dense", "update", "step"]:
            self.assertIn(row, result.stdout)
        self.assertNotIn("Epoch", result.stdout)

    def run_with(self, *options, **variables):
        return subprocess.run([PROGRAM, *SHORT[:-2], "--data", CIFAR, *map(str, options)], capture_output=True, text=True,
                              env=environment() | variables, timeout=300, check=False)

    def test_bf16(self):
        """Weights of a run in bfloat16 are float32, and the other precision reads them."""
        first, second = ROOT / "bf16-1.safetensors", ROOT / "bf16-2.safetensors"
        for file, threads in ((first, 1), (second, 2)):
            result = self.run_with("--precision", "bf16", "--threads", threads, "--save", file, STRATA_BF16="emulated")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("bfloat16 by emulated", result.stdout)
        self.assertTrue(first.read_bytes() == second.read_bytes())
        loaded = [self.run_with("--epochs", "0", "--load", first, "--precision", p, STRATA_BF16="widened")
                  for p in ("float32", "bf16")]
        losses = []
        for result in loaded:
            self.assertEqual(result.returncode, 0, result.stderr)
            losses.append(float(result.stdout.split("test loss ")[1].split(",")[0]))
        self.assertAlmostEqual(*losses, delta=0.02)

    def test_bf16_refused(self):
        result = self.run_with("--precision", "bf16", STRATA_KERNELS="baseline", STRATA_BF16="")
        refusals.check(self, result, 1, ["use float32, or set STRATA_BF16=widened"])

    def test_cifar100(self):
        result = run(*SHORT, "--data", CIFAR, "--dataset", "cifar100")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Most frequent confusions", result.stdout)

    def test_diverges(self):
        file = ROOT / "diverged"
        result = run("--data", CIFAR, "--images", "40", "--batch", "8", "--learning-rate", "1e20", "--save", file)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is NaN or infinite", result.stderr)
        self.assertFalse(file.exists())
        # The newest checkpoint is one whose loss was a number.
        state = ROOT / "diverged-state"
        result = run("--data", CIFAR, "--images", "40", "--batch", "8", "--learning-rate", "1e4", "--checkpoint", state,
                     "--checkpoint-every", "1")
        self.assertEqual(result.returncode, 1)
        found = re.search(r"the loss of update (\d+) is NaN or infinite; layer", result.stderr)
        self.assertIsNotNone(found, result.stderr)
        kept = {int(file.stem[5:]) for file in state.glob("step-*.safetensors")}
        self.assertEqual(max(kept, default=0), int(found[1]) - 1)
        # After the last step no loss of training follows.
        result = run(*SHORT[:4], "--data", CIFAR, "--learning-rate", "1e12", "--max-steps", "1", "--save", file, "--report", file)
        self.assertEqual(result.returncode, 2)
        self.assertIn("--save: would write over --report", result.stderr)
        result = run(*SHORT[:4], "--data", CIFAR, "--learning-rate", "1e12", "--max-steps", "1", "--save", file)
        self.assertEqual(result.returncode, 1)
        self.assertIn("the test loss is NaN or infinite", result.stderr)
        self.assertFalse(file.exists())

    def interrupted(self, number, when, *options):
        """Sends the signal once a line that begins with `when` is there, which a pipe has to get at once."""
        file = ROOT / "interrupted"
        with subprocess.Popen([PROGRAM, "--data", CIFAR, "--save", file, *map(str, options)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment()) as process:
            seen = any(line.startswith(when) for line in process.stdout)
            process.send_signal(number)
            rest, error = process.communicate(timeout=300)
        self.assertTrue(seen)
        self.assertEqual(process.returncode, 130, rest + error)
        self.assertIn("nothing was saved", error)
        self.assertNotIn("test accuracy", rest)
        self.assertEqual([found.name for found in ROOT.iterdir() if "interrupted" in found.name], [])

    def test_interrupted(self):
        self.interrupted(signal.SIGINT, "Epoch 1/", "--threads", "1")
        self.interrupted(signal.SIGTERM, "Epoch 1/", "--threads", "1")
        self.interrupted(signal.SIGINT, "cifar10 from", "--threads", "1")  # while data are read
        # One small epoch; then the validation of all 10,000 images, or the evaluation of as many.
        self.interrupted(signal.SIGINT, "SGD{", "--epochs", "0", "--threads", "1")


class Checkpoints(unittest.TestCase):
    """Runs of nine steps in three epochs, a checkpoint after each second step."""
    OPTIONS = ["--data", CIFAR, "--images", "24", "--batch", "8", "--epochs", "3", "--threads", "1", "--resume",
               "--checkpoint-every", "2"]

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=ROOT))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.whole = cls.folder / "whole.safetensors"
        cls.result = cls.run_in("whole", "--save", cls.whole)
        assert cls.result.returncode == 0, cls.result.stderr

    @classmethod
    def run_in(cls, name, *options):
        return run(*cls.OPTIONS, "--checkpoint", cls.folder / name, *options)

    @staticmethod
    def figures(result):
        """The lines of epochs and of the end, times apart."""
        lines = [line for line in result.stdout.splitlines() if line.startswith(("Epoch ", "3/3 [", "test loss"))]
        return [re.sub(r"\d+s \d+[mu]?s/step|, \d+ images/s$", "", line) for line in lines]

    def check_end(self, name):
        file = self.folder / f"{name}.safetensors"
        result = self.run_in(name, "--save", file)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.figures(result), self.figures(self.result))
        self.assertTrue(file.read_bytes() == self.whole.read_bytes())
        names = sorted(found.name for found in (self.folder / name).iterdir())
        self.assertEqual([*names[:1], *names[-2:]],
                         ["best.safetensors", "step-000000008.safetensors", "step-000000009.safetensors"])
        self.assertEqual(len(names), 4)
        best = [self.folder / run / "best.safetensors" for run in (name, "whole")]
        self.assertTrue(best[0].read_bytes() == best[1].read_bytes())
        shutil.rmtree(self.folder / name)
        file.unlink()

    def test_whole(self):
        self.assertEqual(len(self.figures(self.result)), 7)
        self.assertEqual(sorted(found.name for found in (self.folder / "whole").iterdir()),
                         ["best.safetensors", *(f"step-00000000{n}.safetensors" for n in (6, 8, 9))])
        # Finished, it trains nothing, and says and saves the same.
        shutil.copytree(self.folder / "whole", self.folder / "copy")
        before = {found: found.stat().st_mtime_ns for found in (self.folder / "copy").iterdir()}
        file = self.folder / "copy.safetensors"
        result = self.run_in("copy", "--save", file)
        self.assertIn("resumed from", result.stdout)
        self.assertEqual(before, {found: found.stat().st_mtime_ns for found in (self.folder / "copy").iterdir()})
        self.check_end("copy")

    def test_max_steps(self):
        for steps in (2, 4, 6, 7):
            result = self.run_in("steps", "--max-steps", steps)
            self.assertEqual(result.returncode, 0, result.stderr)
            again = self.run_in("steps", "--max-steps", steps)
            strip = lambda r: re.sub(r"\d+s \d+[mu]?s/step|resumed from .*\n|.* images/s.*", "", r.stdout)
            self.assertEqual(strip(again), strip(result))
        result = self.run_in("steps", "--max-steps", "5")
        self.assertEqual(result.returncode, 1)
        self.assertIn("exceed the length of this run", result.stderr)
        self.check_end("steps")

    def killed(self, name, number, ready):
        with subprocess.Popen([PROGRAM, *map(str, self.OPTIONS), "--checkpoint", self.folder / name],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not ready() and process.poll() is None:
                time.sleep(0.0005)
            process.send_signal(number)
            process.communicate(timeout=300)
        return process.returncode

    def test_killed(self):
        """Whenever a checkpoint is being written, and some time after it was. How far a run gets in that time is the machine's
        affair: one that has come to its end is compared, and the next one begins anew."""
        draw = random.Random(1)
        folder = self.folder / "killed"
        killed = 0
        for _ in range(40):
            pattern = draw.choice((".*.tmp", "step-*.safetensors"))
            before = set(folder.glob(pattern))
            wait = draw.random() * 0.3
            deadline = []  # begins when the file is seen

            def ready():
                if not deadline and set(folder.glob(pattern)) - before:
                    deadline.append(time.monotonic() + wait)
                return deadline and time.monotonic() >= deadline[0]

            code = self.killed("killed", signal.SIGKILL, ready)
            self.assertIn(code, (0, -signal.SIGKILL))
            killed += code != 0
            if killed == 5:
                break
            if code == 0:
                self.check_end("killed")
        self.assertEqual(killed, 5)
        self.check_end("killed")

    def test_interrupted(self):
        folder = self.folder / "interrupted"
        code = self.killed("interrupted", signal.SIGINT, lambda: list(folder.glob("*.safetensors")))
        self.assertIn(code, (0, 130))
        self.assertEqual(list(folder.glob(".*")), [])
        self.check_end("interrupted")

    def test_not_this_run(self):
        shutil.copytree(self.folder / "whole", self.folder / "other")
        for says, options in (("\"seed: 1\"; expected \"seed: 2\"", ["--seed", "2"]),
                              ("\"optimizer: SGD", ["--optimizer", "adam"]),
                              ("tensor dense_2/kernel has the shape (4096, 10); expected this network's, (4096, 100)",
                               ["--dataset", "cifar100"])):
            result = self.run_in("other", *options)
            self.assertEqual(result.returncode, 1)
            self.assertIn(says, result.stderr)
        newest = self.folder / "other/step-000000009.safetensors"
        with newest.open("r+b") as file:
            file.truncate(newest.stat().st_size - 1)
        result = self.run_in("other")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("tensor optimizer/0/dense_2/bias ends at byte", result.stderr)
        self.assertIn("and the previous one is used", result.stderr)
        self.assertEqual(self.figures(result), self.figures(self.result))
        result = run(*SHORT, "--data", CIFAR, "--checkpoint", self.folder / "other")
        self.assertEqual(result.returncode, 1)
        self.assertIn("checkpoints of an earlier run", result.stderr)
        shutil.rmtree(self.folder / "other")

    def test_python(self):
        """What is written opens elsewhere."""
        try:
            import numpy  # noqa: F401
            from safetensors import safe_open
        except ImportError as missing:
            print(f"SKIPPED: no file was opened by Python's safetensors: {missing}", file=sys.stderr)
            self.skipTest(str(missing))
        for file, count in ((self.whole, 16), (self.folder / "whole/step-000000009.safetensors", 32)):
            with safe_open(file, framework="numpy") as opened:
                self.assertEqual(len(opened.keys()), count)
                for name in opened.keys():
                    self.assertTrue(numpy.isfinite(opened.get_tensor(name)).all())
                self.assertEqual(opened.get_tensor("conv2d_1/kernel").shape, (5, 5, 96, 256))
                self.assertIn("Dropout 0.5", opened.metadata()["strata.summary"])


class Page:
    """A report, which has to be well-formed XML."""

    def __init__(self, file):
        self.text = file.read_text(encoding="utf-8")
        self.root = ElementTree.fromstring(self.text)

    def section(self, name):
        return self.root.find(f".//section[@id='{name}']")

    def facts(self, name):
        words = [element.text or "" for element in self.section(name).iterfind(".//dl/*")]
        return dict(zip(words[::2], words[1::2]))

    def but_for_this_run(self):
        begin = self.text.index('<section id="run">')
        return self.text[:begin] + self.text[self.text.index("</section>", begin):]


class Reports(unittest.TestCase):
    """Runs of nine steps in three epochs."""
    OPTIONS = ["--data", CIFAR, "--images", "24", "--batch", "8", "--epochs", "3", "--threads", "1"]

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=ROOT))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.result = cls.run_as("whole")
        assert cls.result.returncode == 0, cls.result.stderr
        cls.page = Page(cls.folder / "whole.html")

    @classmethod
    def run_as(cls, name, *options):
        return run(*cls.OPTIONS, "--report", cls.folder / f"{name}.html", "--metrics", cls.folder / f"{name}.csv", *options)

    def rows(self, name):
        with (self.folder / f"{name}.csv").open(newline="", encoding="ascii") as file:
            return list(csv.DictReader(file))

    def figures(self, name):
        """Of all epochs, times apart."""
        return [[value for key, value in row.items() if key not in ("seconds", "images_per_second")]
                for row in self.rows(name)]

    def test_metrics(self):
        rows = self.rows("whole")
        self.assertEqual([row["epoch"] for row in rows], ["1", "2", "3"])
        self.assertEqual([row["step"] for row in rows], ["3", "6", "9"])
        for row in rows:
            step = int(row["step"])
            self.assertEqual(float(row["learning_rate"]), 0.01 / (1 + 0.0005 * (step - 1)))
            self.assertAlmostEqual(float(row["images_per_second"]), 24 / float(row["seconds"]))
        # What was printed, to its last digit.
        printed = re.findall(r"- loss: (\S+) - accuracy: (\S+) - val_loss: (\S+) - val_accuracy: (\S+)",
                             self.result.stdout)
        keras = lambda x: f"{x:.4f}" if x > 1e-3 else f"{x:.4e}"
        self.assertEqual(printed, [tuple(keras(float(row[key])) for key in ("loss", "accuracy", "val_loss", "val_accuracy"))
                                   for row in rows])

    def test_stands_alone(self):
        for element in self.page.root.iter():
            for name in ("src", "href"):
                self.assertTrue(element.get(name, "#").startswith(("data:", "#")), element.get(name))
            self.assertNotIn(element.tag, ("script", "link", "iframe", "object"))
        self.assertNotRegex(self.page.text, r"url\(|@import")
        for picture in self.page.root.iter("img"):
            bytes_ = base64.b64decode(picture.get("src").removeprefix("data:image/bmp;base64,"), validate=True)
            self.assertEqual(bytes_[:2], b"BM")
            self.assertEqual(struct.unpack("<I", bytes_[2:6])[0], len(bytes_))

    def test_figures(self):
        rows = self.rows("whole")
        table = self.page.root.find(".//table[@id='epochs']/tbody")
        shown = [[row.find("th").text, row.find("td").text, *(data.get("value") for data in row.iter("data"))] for row in table]
        self.assertEqual(shown, [list(row.values())[:7] for row in rows])
        times = self.page.section("run").find(".//table[@id='times']/tbody")
        self.assertEqual([row.find(".//data").get("value") for row in times], [row["seconds"] for row in rows])
        accuracy, loss = (data.get("value") for data in self.page.root.find("body/div").iter("data"))
        self.assertEqual((accuracy, loss), (rows[-1]["val_accuracy"], rows[-1]["val_loss"]))
        self.assertEqual(len(self.page.section("curves").findall(".//svg")), 3)
        self.assertEqual(len(self.page.section("curves").findall(".//circle")), 3 * 5)

    def test_classes(self):
        matrix = [[int(cell.text) for cell in row.findall("td")] for row in self.page.section("confusion").find(".//tbody")]
        self.assertEqual([len(row) for row in matrix], [10] * 10)
        self.assertEqual(sum(map(sum, matrix)), 24)
        right = sum(matrix[c][c] for c in range(10))
        self.assertEqual(right / 24, float(self.rows("whole")[-1]["val_accuracy"]))
        rows = list(self.page.section("classes").find(".//tbody"))
        self.assertEqual([row.find("th").text for row in rows][:3], ["airplane", "automobile", "bird"])
        for c, row in enumerate(rows):
            precision, recall = (float(data.get("value")) for data in row.iter("data"))
            taken, there = sum(line[c] for line in matrix), sum(matrix[c])
            self.assertEqual(precision, matrix[c][c] / taken if taken else 0)
            self.assertEqual(recall, matrix[c][c] / there if there else 0)
        mistakes = self.page.section("mistakes").findall(".//figure")
        self.assertEqual(len(mistakes), 24 - right)
        shares = [float(figure.find(".//data").get("value")) for figure in mistakes]
        self.assertEqual(shares, sorted(shares, reverse=True))
        with (CIFAR / "cifar-10-batches-bin/test_batch.bin").open("rb") as data:
            for figure in mistakes:
                number = int(figure.find("img").get("alt").removeprefix("image "))
                data.seek(number * 3073)
                label, *pixels = data.read(3073)
                self.assertEqual(figure.findall(".//b")[1].text, rows[label].find("th").text)
                bmp = base64.b64decode(figure.find("img").get("src").split(",")[1])[54:]
                self.assertEqual(list(bmp[31 * 96:31 * 96 + 3]), [pixels[2048], pixels[1024], pixels[0]])  # above, left

    def test_facts(self):
        self.assertEqual(len(self.page.section("filters").findall(".//img")), 96)
        self.assertIn("21,594,506", self.page.section("network").find("pre").text)
        settings = self.page.facts("settings")
        self.assertEqual(settings["seed"], "1")
        self.assertRegex(settings["strata"], r"^\d+\.\d+\.\d+$")
        self.assertRegex(settings["compiler"], r"^(g\+\+|clang\+\+) \d+")
        self.assertIn(settings["kernels"], self.result.stdout)
        self.assertIn(settings["optimizer"], self.result.stdout)
        self.assertEqual(settings["initializer"], "glorot-uniform")
        self.assertEqual(settings["inputs"], "pixels in [0, 1]")
        command = self.page.facts("run")["command"]
        self.assertEqual(shlex.split(command)[1:], [*map(str, self.OPTIONS), "--report", str(self.folder / "whole.html"),
                                                    "--metrics", str(self.folder / "whole.csv")])
        self.assertNotIn(str(self.folder), self.page.but_for_this_run())

    def test_stopped_and_resumed(self):
        state = ["--checkpoint", self.folder / "state", "--resume"]
        result = self.run_as("parts", *state, "--max-steps", "4")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([row[:2] for row in self.figures("parts")], [["1", "3"], ["2", "4"]])
        self.assertEqual(self.figures("parts")[1][5:], ["", ""])
        self.assertEqual(len(list(Page(self.folder / "parts.html").root.find(".//table[@id='epochs']/tbody"))), 2)
        for _ in range(2):  # goes on; finds a run that is finished
            (self.folder / "parts.html").unlink()
            (self.folder / "parts.csv").unlink()
            result = self.run_as("parts", *state)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(self.figures("parts"), self.figures("whole"))
            self.assertEqual(Page(self.folder / "parts.html").but_for_this_run(), self.page.but_for_this_run())

    def test_odd_names(self):
        folder = self.folder / "it's <b>&"
        folder.mkdir()
        result = run(*SHORT, "--data", CIFAR, "--dataset", "cifar100", "--report", folder / "r.html", "--metrics",
                     folder / "m.jsonl")
        self.assertEqual(result.returncode, 0, result.stderr)
        page = Page(folder / "r.html")
        self.assertEqual(shlex.split(page.facts("run")["command"])[-1], str(folder / "m.jsonl"))
        cells = page.section("confusion").findall(".//rect/title")
        self.assertEqual(sum(int(cell.text.split(": ")[1]) for cell in cells), 24)
        (row,) = map(json.loads, (folder / "m.jsonl").read_text(encoding="ascii").splitlines())
        self.assertEqual((row["epoch"], row["step"], row["val_loss"]), (1, 2, None))
        shown = page.root.find(".//table[@id='epochs']/tbody/tr").findall(".//data")[1].get("value")
        self.assertEqual(float(shown), row["loss"])

    def test_tensorboard(self):
        """A run that is stopped and goes on, as TensorBoard reads it."""
        events = self.folder / "events"
        state = ["--checkpoint", self.folder / "logged", "--resume", "--tensorboard", events]
        for more in (["--max-steps", "4"], []):
            result = self.run_as("logged", *state, *more)
            if "built without protobuf" in result.stderr:
                self.skip(result.stderr)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(list(events.iterdir())), 2)
        try:
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        except ImportError as missing:
            self.skip(str(missing))
        log = EventAccumulator(str(events), size_guidance={"scalars": 0, "images": 0})
        log.Reload()
        rows = self.rows("logged")
        for tag in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            self.assertEqual([(event.step, event.value) for event in log.Scalars(tag)],
                             [(int(row["step"]), struct.unpack("f", struct.pack("f", float(row[tag])))[0]) for row in rows])
        (picture,) = log.Images("filters")
        self.assertEqual((picture.step, picture.width, picture.height), (9, 16 * 6 - 1, 6 * 6 - 1))

    def skip(self, why):
        print(f"SKIPPED: TensorBoard read no event file: {why}", file=sys.stderr)
        self.skipTest(why)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
