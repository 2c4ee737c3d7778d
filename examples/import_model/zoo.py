#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""zoo.py MODELS OUT [--only NAME...] [--compile 'g++ -std=c++20 -O2 ...'] [--time]: imports networks of torchvision, Keras and the
package onnx with random weights, and writes the table in docs/import.md.

MODELS keeps the models that it makes, OUT what is imported. torch, torchvision, keras (with jax) or onnx are needed for the
networks that are not in MODELS yet. --compile builds check.cpp for each network, and notes its difference and the compiler's
processor time; "{}" stands for the source and the flags of a network, for compilers that want libraries behind it. --time notes the
milliseconds of an image, beside those of ONNX Runtime with as many threads; it wants an idle machine, and programs in OUT that
--compile built, now or before. A row that is not made again keeps its numbers, in docs/import-networks.csv."""
import argparse
import collections
import csv
import os
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CSV, PAGE = ROOT / "docs/import-networks.csv", ROOT / "docs/import.md"
COLUMNS = ["network", "source", "result", "layers", "parameters", "difference", "difference in C++", "compile s", "ms",
           "ms ONNX Runtime"]
TORCHVISION = ("alexnet vgg11 vgg16_bn resnet18 resnet50 wide_resnet50_2 resnext50_32x4d squeezenet1_1 googlenet inception_v3 densenet121 "
               "mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet1_0 efficientnet_b0 efficientnet_v2_s regnet_x_400mf "
               "regnet_y_400mf convnext_tiny shufflenet_v2_x1_0 vit_b_16").split()
KERAS = ("MobileNet MobileNetV2 MobileNetV3Small EfficientNetB0 EfficientNetV2B0 ResNet50 ResNet50V2 DenseNet121 InceptionV3 Xception "
         "ConvNeXtTiny NASNetMobile").split()
# Trained ones, with where their files come from: they must be in MODELS, as trained-OriNet.onnx.
TRAINED = {"OriNet": "weights/orientation_orinet_fp32.onnx in the package occular-deskew 0.5.0 of PyPI",
           "MNIST-8": "mnist-8 of https://github.com/onnx/models"}
LIGHT = ("bvlc_alexnet densenet121 inception_v1 inception_v2 resnet50 shufflenet squeezenet vgg19 zfnet512").split()


def make_torchvision(name, path):
    import torch
    import torchvision
    torch.manual_seed(0)
    options = {"init_weights": False, "aux_logits": True} if name in ("inception_v3", "googlenet") else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if "running_var" in key:
                tensor.copy_(torch.rand(tensor.shape, generator=draw) + 0.5)
            elif "running_mean" in key or (tensor.dim() == 1 and not key.endswith("weight")):
                tensor.copy_(torch.randn(tensor.shape, generator=draw) * 0.1)
            elif tensor.dim() == 1 or "layer_scale" in key:
                tensor.copy_(torch.rand(tensor.shape, generator=draw) * 0.5 + 0.75)
    side = 299 if name == "inception_v3" else 224
    torch.onnx.export(net, torch.randn(1, 3, side, side), str(path), dynamo=False, opset_version=17, input_names=["x"],
                      output_names=["y"], dynamic_axes={"x": {0: "N"}})


def make_keras(name, path):
    import keras
    import numpy as np
    options = {"input_shape": (224, 224, 3)} if name == "MobileNetV3Small" else {}
    model = getattr(keras.applications, name)(weights=None, **options)
    draw, found = np.random.default_rng(0), []
    for weight in model.weights:
        if "variance" in weight.path or "gamma" in weight.path:
            found.append(draw.uniform(0.75, 1.25, weight.shape))
        elif any(word in weight.path for word in ("mean", "beta", "bias")):
            found.append(draw.normal(0, 0.1, weight.shape))
        else:
            found.append(np.asarray(weight))
    model.set_weights(found)
    model.save(path)


def make_light(name, path):
    """The weights of these models are constants, with which a mix-up of channels could not be seen."""
    import numpy as np
    import onnx
    draw = np.random.default_rng(0)
    model = onnx.load(Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx")
    graph, readers = model.graph, collections.defaultdict(list)
    shapes = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        for place, source in enumerate(node.input):
            readers[source].append((node, place))
    for node in list(graph.node):
        if node.op_type != "ConstantOfShape" or node.input[0] not in shapes:
            continue
        shape, found = [int(n) for n in shapes[node.input[0]]], readers[node.output[0]]
        while found[0][0].op_type in ("Unsqueeze", "Reshape") and found[0][1] == 0:
            found = readers[found[0][0].output[0]]
        kind, place = found[0][0].op_type, found[0][1]
        if kind in ("Conv", "Gemm") and place == 1:
            array = draw.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)
        elif kind == "Mul" or (kind == "BatchNormalization" and place in (1, 4)):
            array = draw.uniform(0.5, 1.5, shape)
        else:
            array = draw.normal(0, 0.1, shape)
        graph.initializer.append(onnx.numpy_helper.from_array(array.astype(np.float32), node.output[0]))
        graph.node.remove(node)
    onnx.save(model, path)


def find_trained(name, path):
    raise FileNotFoundError(f"{path} is missing: {TRAINED[name]}")


def logits(path):
    """What a last Softmax takes: it would hide differences of random weights."""
    import onnx
    graph = onnx.load(path, load_external_data=False).graph
    last = next((n for n in graph.node if n.output[0] == graph.output[0].name), None)
    return last.input[0] if last is not None and last.op_type == "Softmax" else None


# A program of its own, as strata's is: this one has other threads.
ONNX_RUNTIME = """
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
x = numpy.zeros([n if isinstance(n, int) else 1 for n in given.shape], numpy.float32)
times = []
while len(times) < 5 or sum(times) < 1:
    start = time.perf_counter()
    session.run(None, {given.name: x})
    times.append(time.perf_counter() - start)
print(1000 * sorted(times[1:])[len(times) // 2 - 1])
"""


def compiled(space, out, command, program):
    """The processor seconds of the compiler, or None."""
    source = [f"-I{ROOT}/include", "-include", f"{out / space}.hpp", f"-DNAME={space}", str(Path(__file__).with_name("check.cpp"))]
    words = shlex.split(command)
    at = words.index("{}") if "{}" in words else len(words)
    words[at:at + 1] = source
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if subprocess.run([*words, "-o", str(program), "-pthread"], check=False).returncode:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row_of(name, source, make, suffix, a):
    models, out = Path(a.models), Path(a.out)
    path = models / f"{source}-{name}{suffix}"
    if not path.exists():
        models.mkdir(parents=True, exist_ok=True)
        make(name, path)
    space = re.sub(r"\W", "_", f"{source}_{name}")
    output = logits(path) if suffix == ".onnx" else None
    header = out / f"{space}.hpp"
    old_header = header.read_bytes() if header.exists() else None
    command = [sys.executable, str(Path(__file__).with_name("import_model.py")), str(path), "--out", str(out), "--name", space]
    done = subprocess.run(command + (["--output", output] if output else []), capture_output=True, text=True, check=False)
    row = {"network": name, "source": source}
    if done.returncode:
        sentences = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]
        return row | {"result": "refused: " + (sentences or done.stderr.strip().splitlines()[-1:])[0].split(": ", 1)[-1]}
    found = re.search(r"(\d+) layers, (\d+) parameters(?:; largest difference (\S+))?", done.stdout)
    row |= {"result": "equal", "layers": found[1], "parameters": found[2], "difference": found[3] or ""}
    program = out / f"check_{space}"
    if header.exists() and header.read_bytes() != old_header:
        program.unlink(missing_ok=True)  # it has the network of before
    if a.compile:
        seconds = compiled(space, out, a.compile, program)
        if seconds is None:
            return row | {"result": "does not compile"}
        row["compile s"] = f"{seconds:.0f}"
    if not program.exists():
        return row
    # In turn, and twice: a machine that is shared is slower at times.
    before, own, others = shlex.split(a.before), [], []
    for _ in range(2 if a.time else 1):
        ran = subprocess.run([*before, program, out, "--threads", str(a.threads), "--seconds", "1" if a.time else "0"],
                             capture_output=True, text=True, check=False)
        found = re.search(r"difference (\S+)", ran.stdout)
        if found is None:
            return row | {"result": "does not run"}
        row["difference in C++"] = found[1]
        if ran.returncode:
            row["result"] = "DIFFERENT"
        own += [float(n) for n in re.findall(r"([\d.]+) ms", ran.stdout)]
        if a.time and suffix == ".onnx":
            ran = subprocess.run([*before, sys.executable, "-c", ONNX_RUNTIME, path, str(a.threads)], capture_output=True, text=True,
                                 check=True)
            others.append(float(ran.stdout))
    row |= {name: f"{min(numbers):.2f}" for name, numbers in (("ms", own), ("ms ONNX Runtime", others)) if numbers}
    return row


def table(rows):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join((row.get(c) or "").replace("|", "\\|") for c in COLUMNS) + " |" for row in rows]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models")
    parser.add_argument("out")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--compile", help="the compiler and its options, with those that find Eigen")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--threads", type=int, default=1, help="of the programs that are timed")
    parser.add_argument("--before", default="", help="a command that runs them, such as 'taskset -c 0'")
    a = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    kept = {}
    if CSV.exists():
        with open(CSV, newline="", encoding="utf-8") as file:
            kept = {(row["network"], row["source"]): row for row in csv.DictReader(file)}
    networks = [(source, name, make, suffix) for source, names, make, suffix in (
        ("torchvision", TORCHVISION, make_torchvision, ".onnx"), ("keras", KERAS, make_keras, ".keras"),
        ("onnx", LIGHT, make_light, ".onnx"), ("trained", TRAINED, find_trained, ".onnx")) for name in names]
    for source, name, make, suffix in networks:
        if a.only and name not in a.only and f"{source}-{name}" not in a.only:
            continue
        try:
            new, old = row_of(name, source, make, suffix, a), kept.get((name, source), {})
        except FileNotFoundError as missing:
            print(missing, file=sys.stderr)
            continue
        kept[name, source] = {c: new.get(c) or (old.get(c) if new["result"] == "equal" else "") or "" for c in COLUMNS}
        print(*kept[name, source].values(), flush=True)
        write([kept[name, source] for source, name, _, _ in networks if (name, source) in kept])


def write(rows):
    with open(CSV, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = PAGE.read_text("utf-8")
    begin, end = "<!-- zoo.py writes this table -->\n", "<!-- end of the table -->"
    before, rest = text.split(begin)
    PAGE.write_text(before + begin + table(rows) + "\n" + end + rest.split(end)[1], "utf-8")


if __name__ == "__main__":
    main()
