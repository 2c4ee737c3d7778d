#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""docs/deploy.md, line by line: deploy_test.py DEPLOY.md CMAKE STRATA_BUILD COMPILER WORK.

Installs strata from its build folder, takes the page's files and commands, and runs them as they stand. Where PyTorch or a package
of the importer is missing, what the importer would write is made here: the real ResNet-18. Its weights are random, but for a bias
that gives one known class.
"""
import array
import importlib.util
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples"))
from pictures import png  # noqa: E402

PAGE, CMAKE, BUILD, COMPILER, WORK = sys.argv[1:6]
TEXT = pathlib.Path(PAGE).read_text()
ROOT = pathlib.Path(WORK)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

NETWORK = (pathlib.Path(__file__).resolve().parent.parent / "pages" / "resnet18.hpp").read_text()


LIKELY = 207  # the class whose bias is large
PACKAGES = ("torch", "torchvision", "onnx", "onnxruntime")


def tensors():
    """Name and shape, in the order of the layers."""
    convolutions = [(7, 3, 64)]
    for before, channels in ((64, 64), (64, 128), (128, 256), (256, 512)):
        convolutions += [(3, before, channels), (3, channels, channels)]
        if before != channels:
            convolutions += [(1, before, channels)]
        convolutions += [(3, channels, channels)] * 2
    def number(i):
        return f"_{i}" if i else ""
    for i, (size, before, channels) in enumerate(convolutions):
        yield f"conv2d{number(i)}/kernel", (size, size, before, channels)
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            yield f"batch_normalization{number(i)}/{name}", (channels,)
    yield "dense/kernel", (512, 1000)
    yield "dense/bias", (1000,)


def weights(file, likely):
    """Random numbers, and a bias by which the class `likely` wins."""
    draw = random.Random(1)
    pattern = [draw.uniform(-1, 1) for _ in range(10007)]
    names = [f"class {i}" for i in range(1000)]
    metadata = {"strata.data": "imagenet", "strata.classes": "".join(f"{n}\n" for n in names),
                "strata.input": "image 224 224 3\nborder 0\ngrey 0\nmean 0.485 0.456 0.406\ndeviation 0.229 0.224 0.225\n"
                                "short_side 256\n"}
    header, data = {"__metadata__": metadata}, bytearray()
    for name, shape in tensors():
        size, scale = 1, 1
        for n in shape:
            size *= n
        if name.endswith("kernel"):
            scale = 2 / (size / shape[-1]) ** 0.5
        values = array.array("f", [scale * x for x in pattern]) * (size // len(pattern) + 1)
        values = values[:size]
        if name.endswith(("variance", "gamma")):
            values = array.array("f", [1 + abs(x) / 2 for x in values])
        if name == "dense/bias":
            values = array.array("f", [0.01 * x for x in values])
            values[likely] += 500
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * size]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


# Before the page's Python: a ResNet-18 that needs no download.
WITHOUT_DOWNLOAD = f"""import torchvision
made = torchvision.models.resnet18
def resnet18(weights):
    model = made()
    model.fc.bias.data[{LIKELY}] += 500
    return model
torchvision.models.resnet18 = resnet18
"""


def by_pytorch(environment):
    """The page's export and import; the name of the likely class."""
    [export] = (body for kind, body in BLOCKS if kind == "python")
    (ROOT / "export.py").write_text(WITHOUT_DOWNLOAD + export)
    run([sys.executable, "export.py"], environment)
    [imported] = (body for kind, body in BLOCKS if kind == "bash")
    said = run(re.sub("^python3 ", f"'{sys.executable}' ", imported), environment)
    if "largest difference" not in said:
        raise AssertionError(said)
    return (ROOT / "classes.txt").read_text().splitlines()[LIKELY]


def by_hand():
    (ROOT / "model" / "resnet18.hpp").write_text(NETWORK)
    weights(ROOT / "model" / "resnet18.safetensors", LIKELY)
    return f"class {LIKELY}"


def run(command, environment=None):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False, env=environment,
                          shell=isinstance(command, str))
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class Page(unittest.TestCase):
    def test_every_line(self):
        shutil.rmtree(ROOT, ignore_errors=True)
        (ROOT / "model").mkdir(parents=True)
        prefix = ROOT / "home" / ".local"
        run([CMAKE, "--install", BUILD, "--prefix", str(prefix)])
        environment = dict(os.environ, HOME=str(ROOT / "home"), CXX=COMPILER)
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            print(f"SKIPPED: {' and '.join(missing)} not installed: the page's first two steps were not run", file=sys.stderr)
        likely = by_hand() if missing else by_pytorch(environment)
        png(ROOT / "photo.png", 300, 280, lambda y, x: (y % 256, x % 256, (x * y) % 256))

        program, *functions = (body for kind, body in BLOCKS if kind == "cpp")
        [cmake] = (body for kind, body in BLOCKS if kind == "cmake")
        # The page's functions stand in the program too, so that they compile.
        [includes, main] = program.split("\nint main")
        self.assertEqual(len(functions), 2)
        extra = "#include <cstdint>\n#include <string>\n#include <thread>\n#include <utility>\n#include <vector>\n"
        (ROOT / "functions.cpp").write_text(extra + includes + "\n" + "\n".join(functions))
        (ROOT / "main.cpp").write_text(program)
        (ROOT / "CMakeLists.txt").write_text(cmake + "target_sources(label PRIVATE functions.cpp)\n")

        said = []
        for line in "".join(body for kind, body in BLOCKS if kind == "sh").splitlines():
            self.assertTrue(line.startswith(("cmake ", "build/")), line)
            said.append((line, run(re.sub("^cmake ", f"'{CMAKE}' ", line), environment)))
        self.assertEqual(len(said), 4)
        self.assertEqual(said[-1][0], "build/resnet18 photo.png --top 2")
        labelled, whole = said[-2][1].splitlines(), said[-1][1].splitlines()
        self.assertEqual(labelled[0], f"photo.png: 100.00% {likely}")
        self.assertEqual(len(labelled), 3)
        self.assertEqual(whole[:2], ["photo.png", f"  100.00%  {likely}"])
        self.assertEqual(len(whole), 3)

        # The programs need nothing beside themselves.
        shutil.rmtree(ROOT / "model")
        self.assertEqual(run("build/label photo.png").splitlines(), labelled)
        bad = subprocess.run(["build/resnet18", "CMakeLists.txt", "photo.png"], cwd=ROOT, capture_output=True, text=True,
                             check=False)
        self.assertEqual((bad.returncode, len(bad.stderr.splitlines())), (1, 1), bad.stderr)
        self.assertEqual(bad.stdout.splitlines()[:2], whole[:2])
        self.assertEqual(subprocess.run([ROOT / "build" / "resnet18"], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
