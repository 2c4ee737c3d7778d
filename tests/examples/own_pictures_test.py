#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The example own_pictures as its users meet it: own_pictures_test.py PROGRAM CLASSES, the number it was built for."""
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

from pictures import png

PROGRAM, CLASSES = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
WORK = tempfile.TemporaryDirectory(prefix="strata-own-pictures-")
ROOT = pathlib.Path(WORK.name)


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=500, check=False)


def picture(path, number, seed):
    """Bars of a colour and a direction that belong to the class, in noise."""
    draw = random.Random(seed)
    shift, colour = draw.randrange(12), [60 + 190 * (number + 1 >> c & 1) for c in range(3)]

    def pixel(y, x):
        bar = ((y if number % 2 else x) + shift) // 6 % 2
        return [max(0, min(255, c * bar + draw.randrange(40))) for c in colour]

    return png(path, 40 + draw.randrange(30), 40 + draw.randrange(30), pixel)


def folder(name, classes=CLASSES, each=20):
    for number in range(classes):
        for i in range(each):
            picture(ROOT / name / f"class {number}" / f"{i}.png", number, 100 * number + i)
    return ROOT / name


class OwnPictures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = folder("data")
        (cls.data / "class 0" / "torn.jpg").write_bytes(b"\xff\xd8\xff torn")
        cls.weights, cls.report = ROOT / "w.safetensors", ROOT / "r.html"
        cls.trained = run("train", cls.data, "--save", cls.weights, "--report", cls.report, "--epochs", 6, "--seed", 1,
                          "--batch", 8)

    def fails(self, code, says, *arguments):
        result = run(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(says, result.stderr)
        return result

    def test_script(self):
        """examples/run.sh refuses a wrong folder before it builds."""
        script = pathlib.Path(__file__).resolve().parents[2] / "examples/run.sh"
        (ROOT / "single/only").mkdir(parents=True)
        for arguments, says in (([ROOT / "nowhere"], "nowhere; expected"),
                                ([ROOT / "single", "--epochs", "1"], f"{ROOT}/single has fewer than two folders; expected"),
                                ([], "there is no folder; expected")):
            result = subprocess.run([script, "own_pictures", "train", *arguments], capture_output=True, text=True, timeout=60,
                                    check=False)
            self.assertEqual((result.returncode, len(result.stderr.splitlines())), (2, 1), result.stderr)
            self.assertIn(says, result.stderr)

    def test_training(self):
        self.assertEqual(self.trained.returncode, 0, self.trained.stderr)
        self.assertTrue(self.trained.stderr.startswith(f"{self.data}/class 0/torn.jpg: "), self.trained.stderr)
        self.assertTrue(self.trained.stderr.endswith("; expected a whole PNG or JPEG file; left out\n"))
        self.assertEqual(self.trained.stderr.count("torn.jpg"), 1)
        self.assertIn(f"{18 * CLASSES} training and {2 * CLASSES} test pictures of {CLASSES} classes\n", self.trained.stdout)
        accuracy = float(re.search(r"\ntest accuracy (\S+)\n$", self.trained.stdout)[1])
        self.assertGreaterEqual(accuracy, 0.75)
        page = self.report.read_text()
        self.assertIn("<title>Pictures of data", page)
        for number in range(CLASSES):
            self.assertIn(f"class {number}", page)

    def test_the_same_again(self):
        """By another number of threads."""
        again = ROOT / "again.safetensors"
        first = ROOT / "first.safetensors"
        for file, threads in ((first, 1), (again, 2)):
            result = run("train", self.data, "--save", file, "--epochs", 1, "--batch", 16, "--threads", threads)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(first.read_bytes(), again.read_bytes())

    def test_labels(self):
        files = [picture(ROOT / "new" / f"{number}.png", number, 9000 + number) for number in range(CLASSES)]
        result = run("predict", self.weights, *files, "--top", 1)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        lines = result.stdout.splitlines()
        self.assertEqual(lines[::2], [str(file) for file in files])
        right = 0
        for number, line in enumerate(lines[1::2]):
            match = re.fullmatch(r" +\d+\.\d\d%  (class \d+)", line)
            self.assertTrue(match, line)
            right += match[1] == f"class {number}"
        self.assertGreaterEqual(right, 0.75 * CLASSES)
        result = run("predict", self.weights, files[0], self.data / "class 0" / "torn.jpg", files[1])
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stdout.splitlines()), 2 * (1 + min(CLASSES, 5)))
        self.assertTrue(result.stderr.startswith(f"own_pictures: {self.data}/class 0/torn.jpg: "), result.stderr)

    def test_bad_input_leaves_nothing(self):
        save = ROOT / "none.safetensors"
        more = folder("more", CLASSES + 1, 2)
        self.fails(1, f"own_pictures: {more}: {CLASSES + 1} classes; this program was built for another number", "train", more,
                   "--save", save)
        empty = folder("empty", CLASSES - 1, 1)
        (empty / "none").mkdir()
        self.fails(1, f"own_pictures: {empty}/none: a class without pictures", "train", empty, "--save", save)
        self.fails(1, "there is no folder", "train", self.data, "--save", ROOT / "missing" / "w")
        self.fails(1, "No such file or directory; expected a folder for each class", "train", ROOT / "missing")
        self.fails(2, "would write over --save", "train", self.data, "--save", save, "--report", save)
        self.fails(2, "subcommand", )
        self.fails(1, f"own_pictures: {self.report}: ", "predict", self.report, self.data / "class 0" / "1.png")
        self.assertFalse(save.exists())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
