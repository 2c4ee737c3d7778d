#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example notes as its users meet it: notes_test.py PROGRAM

Data of CIFAR's format are made here.
"""
import csv
import importlib.util
import json
import math
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

import made_cifar
import refusals

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
PAGE = pathlib.Path(__file__).resolve().parents[2] / "examples/notes/page.py"
WORK = tempfile.TemporaryDirectory(prefix="strata-notes-")
ROOT = pathlib.Path(WORK.name)
CIFAR = made_cifar.make(ROOT / "data")
SHORT = ["--data", CIFAR, "--images", "24", "--threads", "1"]


def run(*options):
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, timeout=600, check=False)


def lines_of(file):
    with file.open() as opened:
        return list(csv.DictReader(opened))


class Options(unittest.TestCase):
    def fails(self, code, says, *options):
        refusals.check(self, run(*options), code, [says])

    def test_help(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        for option in ("row all further suspects list seeds first-seed epochs images data threads checkpoint checkpoint-every "
                       "resume save report max-steps").split():
            self.assertIn("--" + option, result.stdout)

    def test_list(self):
        result = run("--list")
        self.assertEqual(result.returncode, 0)
        names = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")]
        self.assertEqual(names[:8], list("abcdefgh"))
        self.assertIn("ours100", names)
        sgd = [name for name in names if name.startswith("h-sgd-")]
        self.assertEqual(len(sgd), 12)
        # Results lie in folders of these names.
        for group in result.stdout.split("--"):
            inside = [line.split()[0] for line in group.splitlines() if line.startswith("  ")]
            self.assertEqual(len(inside), len(set(inside)))

    def test_wrong(self):
        self.fails(2, "is needed")
        self.fails(2, "--seeds", "--row", "a", "--seeds", "0")
        self.fails(2, "--first-seed", "--row", "a", "--first-seed", "0")
        self.fails(2, "--data", "--row", "a", "--data", ROOT / "none")
        self.fails(2, "--resume: is only for runs with --checkpoint", "--row", "a", "--resume")
        self.fails(2, "--checkpoint-every: is only for runs with --checkpoint", "--row", "a", "--checkpoint-every", "5")
        self.fails(2, "is empty", "--row", "a", "--checkpoint", "")
        self.fails(2, "--mirror: is only for runs without --data", "--row", "a", "--data", CIFAR, "--mirror", "x")
        self.fails(2, "--suspects: has its own budget", "--suspects", "--all")
        self.fails(1, "--row z: there is no such row", "--row", "z")
        self.fails(1, "--row h-linear: there is no such row", "--row", "h-linear")
        self.fails(1, "--row a: there is no such suspect", "--suspects", "--row", "a")

    def test_no_data(self):
        empty = ROOT / "empty"
        empty.mkdir()
        self.fails(1, f"{empty}/data_batch_1.bin: No such file", "--row", "f", "--data", empty)
        self.fails(1, f"{empty}/train.bin: No such file", "--row", "h", "--data", empty)


class Runs(unittest.TestCase):
    def test_table(self):
        result = run(*SHORT, "--row", "f", "--row", "h", "--row", "f", "--epochs", "1", "--seeds", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("cifar10 from", result.stdout)
        self.assertIn("24 training and 24 test images", result.stdout)
        self.assertIn("SGD{learning_rate InverseTimeDecay{learning_rate 0.03, decay 0.0005}, momentum 0.9, weight_decay 0}, batch 64, "
                      "shift 0.1, flip", result.stdout)
        for text in ("f, seed 1", "h, seed 1", "f, seed 2", "h, seed 2"):
            self.assertEqual(result.stdout.count(f"\n{text}: "), 1)
        table = result.stdout.split("\nrow ")[1].splitlines()
        self.assertTrue(table[1].startswith("f                  1      2   0."), table[1])
        self.assertEqual(table[1].count(" +- "), 4)
        self.assertEqual(table[2].split(), ["the", "notes", "0.7931", "0.8234", "0.6227", "0.5036"])
        self.assertTrue(table[3].startswith("h                  1      2   0."), table[3])
        self.assertEqual(table[4].split(), ["the", "notes", "0.4608", "0.5390", "2.1325", "1.6637"])
        self.assertIn("of 24 images", table[5])

    def test_resume(self):
        options = [*SHORT, "--row", "f", "--row", "h", "--epochs", "2", "--resume", "--checkpoint-every", "1"]
        whole, parts = ROOT / "whole", ROOT / "parts"
        result = run(*options, "--checkpoint", whole)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = lines_of(whole / "f/seed-1.csv")
        self.assertEqual([line["epoch"] for line in lines], ["1", "2"])
        self.assertEqual(lines[0]["test loss with dropout"], "")
        self.assertNotEqual(lines[1]["test loss with dropout"], lines[1]["test loss"])
        self.assertEqual(sorted(found.name for found in (whole / "f").iterdir()), ["seed-1", "seed-1.csv"])
        self.assertEqual(sorted(found.name for found in (whole / "f/seed-1").glob("*.safetensors")),
                         ["best.safetensors", "step-000000002.safetensors"])

        # Ended after the first of two epochs: no result. Then gone on with, to the same numbers.
        result = run(*options, "--checkpoint", parts, "--max-steps", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(list(parts.glob("*/*.csv")), [])
        for row in ("f", "h"):
            self.assertIn(f"{row}, seed 1: ended before its last epoch; not in the table", result.stdout)
        self.assertEqual(len(list(parts.glob("*/seed-1/step-*"))), 2)
        result = run(*options, "--checkpoint", parts)
        self.assertEqual(result.stdout.count("resumed from"), 2)
        for name in ("f/seed-1.csv", "h/seed-1.csv"):
            strip = [[{key: value for key, value in line.items() if key != "seconds"} for line in lines_of(folder / name)]
                     for folder in (whole, parts)]
            self.assertEqual(*strip)

        # What is finished is read, and not trained.
        before = (whole / "f/seed-1.csv").stat().st_mtime_ns
        again = run(*options, "--checkpoint", whole)
        self.assertNotIn("Epoch", again.stdout)
        self.assertEqual(again.stdout.split("\nrow ")[1], result.stdout.split("\nrow ")[1])
        self.assertEqual((whole / "f/seed-1.csv").stat().st_mtime_ns, before)

        # And nothing else is taken for it.
        for says, changed in (("--resume reads it", [*SHORT, "--row", "f", "--epochs", "2", "--checkpoint", whole]),
                              ("is of another run, 2 epochs of 24 images",
                               [*SHORT, "--row", "f", "--epochs", "3", "--resume", "--checkpoint", whole])):
            result = run(*changed)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"{whole}/f/seed-1.csv: ", result.stderr)
            self.assertIn(says, result.stderr)
        for says, old, new in (("line 1 is not the head", "run,", "row,"), ("line 2 has 14 fields", "f,1,24,24", "f,1,24"),
                               ("line 3 has 'two' in field 6", "f,1,24,24,2,2", "f,1,24,24,2,two"),
                               ("line 3 has another run", "\nf,1,24,24,2,2", "\nf,2,24,24,2,2")):
            file = whole / "f/seed-1.csv"
            text = file.read_text()
            file.write_text(text.replace(old, new, 1))
            result = run(*options, "--checkpoint", whole)
            file.write_text(text)
            self.assertEqual(result.returncode, 1, says)
            self.assertIn(f"{file}: {says}", result.stderr)
        file.write_text("".join(text.splitlines(True)[:2]))
        result = run(*options, "--checkpoint", whole)
        self.assertIn("ends after 1 epochs; expected 2", result.stderr)

    def test_suspects(self):
        folder = ROOT / "suspects"
        result = run(*SHORT, "--suspects", "--epochs", "1", "--row", "h-bytes", "--row", "layers", "--row", "h-slip",
                     "--checkpoint", folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("images from 0 to 255", result.stdout)
        self.assertIn("Adam{learning_rate 0.001", result.stdout)
        self.assertEqual(sorted(found.name for found in folder.iterdir()), ["h-bytes", "h-slip", "layers"])
        self.assertEqual(sorted(file.name for file in folder.glob("*/seed-1/*")),
                         ["best.safetensors"] * 3 + ["step-000000001.safetensors"] * 3)
        # What is finished is not trained again, also where its weights and a report are asked for.
        before = (folder / "layers/seed-1.csv").read_bytes()
        result = run(*SHORT, "--suspects", "--epochs", "1", "--row", "layers", "--checkpoint", folder, "--resume",
                     "--save", ROOT / "later", "--report", ROOT / "later")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"resumed from {folder}/layers/seed-1/step-000000001.safetensors", result.stdout)
        self.assertEqual((folder / "layers/seed-1.csv").read_bytes(), before)
        self.assertEqual(sorted(file.name for file in (ROOT / "later").iterdir()),
                         ["suspect-layers-seed-1.html", "suspect-layers-seed-1.safetensors"])

    def test_outputs(self):
        """--save and --report, also of a run that was finished before, which is not trained or written again."""
        folder = ROOT / "outputs"
        options = [*SHORT, "--row", "f", "--epochs", "2", "--checkpoint", folder / "state", "--resume"]
        self.assertEqual(run(*options).returncode, 0)
        files = [folder / "weights/f-seed-1.safetensors", folder / "reports/f-seed-1.html"]
        outputs = ["--save", folder / "weights", "--report", folder / "reports"]
        state = folder / "state/f/seed-1"
        last = state / "step-000000002.safetensors"
        (state / "step-000000002.safetensors.damaged").write_bytes(b"set aside")
        table = (folder / "state/f/seed-1.csv").read_bytes()
        before, metadata = [], {}
        for more in ([], ["--max-steps", "1"]):
            result = run(*options, *outputs, *more)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"resumed from {last}", result.stdout)
            self.assertIn("the notes   0.7931", result.stdout)
            before.append(files[0].read_bytes())
            with files[0].open("rb") as data:
                header = json.loads(data.read(struct.unpack("<Q", data.read(8))[0]))
            metadata = header.pop("__metadata__")
            self.assertEqual(sum(math.prod(tensor["shape"]) for tensor in header.values()), 21594506)
            page = files[1].read_text()
            for text in ("f, seed 1", "SGD{learning_rate InverseTimeDecay{learning_rate 0.01", "CIFAR-10, 5x5, SGD 0.01, dropout 0.5", "Eigen 3"):
                self.assertIn(text, page)
            for file in files:
                file.unlink()
        self.assertEqual(*before)
        self.assertIn("strata.data", metadata)  # what predict asks for
        self.assertEqual((folder / "state/f/seed-1.csv").read_bytes(), table)
        with (state / "best.safetensors").open("rb") as data:
            header = json.loads(data.read(struct.unpack("<Q", data.read(8))[0]))
        self.assertEqual(header["__metadata__"]["strata.data"], metadata["strata.data"])
        last.unlink()
        result = run(*options, *outputs)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{state}: has no checkpoint of this finished run", result.stderr)
        self.assertEqual(run(*options).returncode, 0)
        self.assertFalse(files[0].exists())
        # Of one that --max-steps ends.
        result = run(*SHORT, "--suspects", "--row", "layers", "--max-steps", "1", *outputs)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue((folder / "weights/suspect-layers-seed-1.safetensors").exists())
        self.assertTrue((folder / "reports/suspect-layers-seed-1.html").exists())

    def test_first_seed(self):
        result = run(*SHORT, "--row", "f", "--epochs", "1", "--first-seed", "3", "--seeds", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([line.split(":")[0] for line in result.stdout.splitlines() if line.startswith("f, seed")],
                         ["f, seed 3", "f, seed 4"])

    def test_ended_without_a_result(self):
        """Killed between its last checkpoint and its result: nothing is left to train."""
        options = [*SHORT, "--row", "f", "--checkpoint", ROOT / "ended"]
        result = run(*options, "--epochs", "2", "--max-steps", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        result = run(*options, "--epochs", "1", "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([line["epoch"] for line in lines_of(ROOT / "ended/f/seed-1.csv")], ["1"])

    def test_interrupted(self):
        folder = ROOT / "interrupted"
        with subprocess.Popen([PROGRAM, *map(str, SHORT), "--row", "f", "--epochs", "200", "--checkpoint", folder],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            seen = any(line.startswith("Epoch 2/") for line in process.stdout)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=300)
        self.assertTrue(seen)
        self.assertEqual(process.returncode, 130)
        self.assertIn("--resume continues from the checkpoints", error)
        self.assertEqual(list(folder.glob("*/*.csv")), [])
        self.assertEqual(len(list(folder.glob("f/seed-1/step-*"))), 2)


class Keras(unittest.TestCase):
    @unittest.skipUnless(importlib.util.find_spec("keras") and importlib.util.find_spec("jax"), "needs keras and jax")
    def test_keras_runs(self):
        """Keras' runs leave what ours leave, and of networks of the same size."""
        folder = ROOT / "keras"
        result = subprocess.run([sys.executable, PAGE.with_name("keras_runs.py"), "--data", CIFAR, "--out", folder, "--images",
                                 "24", "--epochs", "2", "layers-both", "b"], env={**os.environ, "KERAS_BACKEND": "jax"},
                                capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("layers-both, seed 1: 21,963,236 parameters", result.stdout)
        self.assertIn("b, seed 1: 21,622,154 parameters", result.stdout)  # a row, of ten classes
        theirs = lines_of(folder / "layers-both/seed-1.csv")
        self.assertEqual([line["epoch"] for line in theirs], ["1", "2"])
        self.assertTrue(theirs[0]["recipe"].startswith("Keras "))
        result = run(*SHORT, "--suspects", "--epochs", "1", "--row", "layers-both", "--checkpoint", ROOT / "ours")
        self.assertEqual(result.returncode, 0, result.stderr)
        ours = lines_of(ROOT / "ours/layers-both/seed-1.csv")
        self.assertEqual(list(theirs[0]), list(ours[0]))
        # Of 100 classes, before anything is learned.
        for line in (theirs[0], ours[0]):
            self.assertAlmostEqual(float(line["loss"]), math.log(100), delta=0.2)
        row = lines_of(folder / "b/seed-1.csv")
        self.assertAlmostEqual(float(row[0]["loss"]), math.log(10), delta=0.2)
        self.assertIn(", shift 0.1, flip,", row[0]["recipe"])

    @unittest.skipUnless(importlib.util.find_spec("keras") and importlib.util.find_spec("jax"), "needs keras and jax")
    def test_moved(self):
        """Keras' runs shift and mirror their images as ours: linear between pixels, the nearest pixel outside."""
        code = ("import sys, numpy; sys.path.insert(0, sys.argv[1]); import keras_runs; "
                "image = numpy.arange(12, dtype='float32').reshape(3, 4, 1); "
                "print(*[keras_runs.moved(image, *by)[..., 0].tolist() for by in ((1, -2, False), (0, 0.25, False), (0, 0, True))], "
                "sep='\\n')")
        result = subprocess.run([sys.executable, "-c", code, PAGE.parent], env={**os.environ, "KERAS_BACKEND": "jax"},
                                capture_output=True, text=True, timeout=600, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], [
            [[2, 3, 3, 3], [2, 3, 3, 3], [6, 7, 7, 7]],  # down by one row, left by two columns
            [[0, 0.75, 1.75, 2.75], [4, 4.75, 5.75, 6.75], [8, 8.75, 9.75, 10.75]],
            [[3, 2, 1, 0], [7, 6, 5, 4], [11, 10, 9, 8]]])


class Page(unittest.TestCase):
    """The page that stands in the documentation is made from the file that stands there."""

    def test_page(self):
        result = subprocess.run([sys.executable, PAGE, "--check"], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_figures(self):
        """Where the page says 48.3% (`h`), a run of that name ends with that test accuracy."""
        runs = {}
        for line in lines_of(PAGE.parents[2] / "docs/full-runs.csv"):
            runs.setdefault((line["run"], line["seed"], line["epochs"], line["recipe"]), []).append(line["test accuracy"])
        ends = {(key[0], f"{100 * float(accuracies[-1]):.1f}") for key, accuracies in runs.items() if accuracies[-1]}
        text = (PAGE.parents[2] / "docs/post-mortem.md").read_text().split("<!--")[0]
        said = re.findall(r"([\d.]+)%\s\(`([\w.-]+)`\)", text)
        self.assertGreater(len(said), 5)
        for accuracy, name in said:
            self.assertIn((name, accuracy), ends)

    def test_first_page(self):
        """It counts the seeds that leave chance as the table does."""
        text = (PAGE.parents[2] / "docs/post-mortem.md").read_text()
        rows = dict(re.findall(r"\(`([ab])`\) \| strata, avx512 \|.*\| (\d of \d) \|", text))
        self.assertEqual(sorted(rows), ["a", "b"])
        for row, left in rows.items():
            self.assertRegex(text.split("<!--")[0], rf"{left} seeds of\s+row\s+{row}\b")

    def test_it_can_fail(self):
        copy = ROOT / "copy"
        (copy / "examples/notes").mkdir(parents=True)
        shutil.copy(PAGE, copy / "examples/notes")
        shutil.copytree(PAGE.parents[2] / "docs", copy / "docs")
        script = copy / "examples/notes/page.py"

        def page(*options):
            return subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
        self.assertEqual(page("--check").returncode, 0)
        # A run more: with it the page is another, and once made stays.
        folder = ROOT / "more/h-plain"
        folder.mkdir(parents=True)
        head = ("run,seed,images,test images,epochs,epoch,loss,accuracy,test loss,test accuracy,seconds,"
                "test loss with dropout,test accuracy with dropout,diverged,recipe\n")

        def add(name, line):
            (ROOT / f"more/{name}").mkdir(exist_ok=True)
            (ROOT / f"more/{name}/seed-7.csv").write_text(head + line + "\n")
        recipe = next(line["recipe"] for line in lines_of(copy / "docs/post-mortem.csv") if line["run"] == "h-plain")
        add("h-plain", f'h-plain,7,10000,2000,5,5,4,0.25,4,0.75,1,5,0.5,,"{recipe}"')
        self.assertEqual(page("--check", folder.parent).returncode, 1)
        self.assertEqual(page(folder.parent).returncode, 0)
        self.assertEqual(page("--check").returncode, 0)
        self.assertIn('h-plain,7,10000,2000,5,5,4,0.25,4,0.75,5,0.5', (copy / "docs/post-mortem.csv").read_text())
        # What is unlike the rest is never averaged with it: fewer images, or another recipe.
        table = [line for line in (copy / "docs/post-mortem.md").read_text().splitlines() if "(`h`)" in line]
        add("h", "h,7,128,2000,1,1,4,0.25,4,0.75,1,,,,\"a, b\"")
        self.assertEqual(page(folder.parent).returncode, 0)
        now = [line for line in (copy / "docs/post-mortem.md").read_text().splitlines() if "(`h`)" in line]
        self.assertEqual(now, table)
        add("h", "h,7,50000,10000,2,2,4,0.25,4,0.75,1,,,,\"a, b\"")
        self.assertEqual(page(folder.parent).returncode, 0)
        now = [line for line in (copy / "docs/post-mortem.md").read_text().splitlines() if "(`h`)" in line]
        self.assertEqual([line for line in now if "| CPU | 7 | 2 |" not in line], table)
        self.assertEqual(len(now), len(table) + 1)
        # One epoch by Adam, in Keras: a table of its own.
        for seed in (8, 7):
            add("layers-rate", f"layers-rate,{seed},50000,10000,1,1,4,0.25,4,0.{seed},1,,,,\"Keras, b\"")
            self.assertEqual(page(folder.parent).returncode, 0)
        text = (copy / "docs/post-mortem.md").read_text()
        self.assertRegex(text, r"seed 7 \| seed 8 \| left chance \|")
        self.assertRegex(text, r"\(`layers-rate`\) \| Keras \|.* 2 of 2 \|")
        # Five images of a hundred are chance for ten classes, and have left it for a hundred.
        for run, left in (("b", 0), ("nn-both", 1)):
            add(run, f"{run},7,50000,10000,1,1,4,0.25,4,0.05,1,,,,\"Keras, b\"")
            self.assertEqual(page(folder.parent).returncode, 0)
            text = (copy / "docs/post-mortem.md").read_text()
            self.assertRegex(text, rf"\(`{run}`\) \| Keras \|.* 5\.0% \|.* {left} of \d \|")
        # What first_updates prints.
        begin = "row,seed,bias,kernels,update,loss,active channels\n"
        (ROOT / "more/first-updates-a.csv").write_text(begin + "a,9,0.5,made,1,2.5,\na,9,0.5,made,80,2.5,17\n")
        self.assertEqual(page(folder.parent).returncode, 0)
        self.assertRegex((copy / "docs/post-mortem.md").read_text(), r"\| `a` \| made \| 0\.5 \|.* 17 \|")
        (ROOT / "more/first-updates-b.csv").write_text(begin + "b,9,0.5,made,2,2.5,17\n")
        result = page(folder.parent)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("has runs over 2 and 80 updates", result.stderr)
        (ROOT / "more/first-updates-b.csv").unlink()
        self.assertRegex(text, r"\(`layers-rate`\) \| Keras \|.* 70\.0% \| 80\.0% \|")
        add("h-plain", "h-plain,8,10000,2000,5,5,4,0.25,4,0.75,1,5,0.5,,\"a, b\"")
        result = page(folder.parent)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("has runs of h-plain by more than one recipe", result.stderr)
        text = (copy / "docs/post-mortem.md").read_text()
        (copy / "docs/post-mortem.md").write_text(text.replace("| test accuracy |", "| accuracy |", 1))
        self.assertEqual(page("--check").returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
