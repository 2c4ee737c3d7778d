# SPDX-License-Identifier: BSL-1.0
"""What all peers written in Python share; peer.hpp is the same for those in C++, and says what is printed."""
import argparse
import os
import sys
import time

import numpy as np

# kernel, stride, input channels, output channels; five convolutions, padded by kernel // 2, then three dense layers.
LAYERS = [(5, 1, 3, 96), (5, 2, 96, 256), (3, 1, 256, 384), (3, 1, 384, 384), (3, 1, 384, 256),
          (1, 1, 256, 4096), (1, 1, 4096, 4096), (1, 1, 4096, 10)]
CONVOLUTIONS = 5
POOLS = (0, 1, 4)  # max pools, 3 by 3, stride 2, after these layers
PARAMETERS = 21594506
LEARNING_RATE, MOMENTUM, DROPOUT = 0.002, 0.9, 0.5


class Data:
    """images (N,H,W,C), labels, and a list of (kernel as (H,W,in,out) or (in,out), bias)."""

    def __init__(self, folder):
        self.images = np.fromfile(folder + "/images.f32", np.float32).reshape(-1, 32, 32, 3)
        self.labels = np.fromfile(folder + "/labels.i32", np.int32)
        numbers = np.fromfile(folder + "/weights.f32", np.float32)
        if len(self.images) != len(self.labels) or len(numbers) != PARAMETERS:
            raise RuntimeError(f"{folder}: not what make_data writes")
        self.weights, at = [], 0
        for i, (kernel, _, inputs, outputs) in enumerate(LAYERS):
            shape = (kernel, kernel, inputs, outputs) if i < CONVOLUTIONS else (inputs, outputs)
            count = kernel * kernel * inputs * outputs
            self.weights.append((numbers[at:at + count].reshape(shape), numbers[at + count:at + count + outputs]))
            at += count + outputs

    def images_nchw(self):
        return np.ascontiguousarray(self.images.transpose(0, 3, 1, 2))


class Evictor:
    """Writes one number a cache line of a buffer twice as large as the last cache."""

    def __init__(self):
        kib = 0
        try:
            with open("/sys/devices/system/cpu/cpu0/cache/index3/size") as file:
                kib = int(file.read().strip().rstrip("K"))
        except OSError:
            pass
        size = min(max(2 * kib * 1024, 128 << 20), 1 << 30)
        self.lines = np.zeros(size // 4, np.int32)[::16]

    def __call__(self):
        self.lines += 1


def measure(seconds, warm_up, f, between=None, least=5):
    """Milliseconds of each call of f(i): at least `least`, then until the time is up."""
    ms, i = [], 0
    for i in range(warm_up):
        f(i)
    i = warm_up
    until = time.perf_counter() + seconds
    while len(ms) < least or (time.perf_counter() < until and len(ms) < 4000):
        if between:
            between()
        begin = time.perf_counter()
        f(i)
        ms.append((time.perf_counter() - begin) * 1e3)
        i += 1
    return ms


def text(values):
    return ",".join(f"{float(x):.6g}" for x in values)


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("check", "train", "infer"), default="train")
    parser.add_argument("--data", required=True)
    parser.add_argument("--batches", default="128")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def run(o, name, version, make):
    """make(data, batch, training, dropout) gives an object with step(i) -> loss, predict(i) -> logits, parameters(), and,
    where a step cannot be timed from outside, train(seconds, warm_up) -> milliseconds."""
    data = Data(o.data)
    count = len(data.labels)

    def line(mode, batch, rest):
        print(f"peer={name} version={version} mode={mode} batch={batch} threads={o.threads} {rest}", flush=True)

    if o.mode == "check":
        peer = make(data, 64, False, False)
        logits = np.array(peer.predict(1)).reshape(-1, 10)
        rest = f"parameters={peer.parameters()} logits={text([*logits[0], *logits[63]])}"
        if hasattr(peer, "step"):
            peer = make(data, 64, True, False)
            rest += f" losses={text([peer.step(i) for i in range(4)])}"
            peer = make(data, 64, True, True)
            losses = [peer.step(i % (count // 64)) for i in range(30)]
            rest += f" learn={text([sum(losses[:3]) / 3, sum(losses[-3:]) / 3])}"
        line("check", 64, rest)
        return
    for batch in map(int, o.batches.split(",")):
        batches = max(count // batch, 1)
        if o.mode == "train":
            peer = make(data, batch, True, True)
            if hasattr(peer, "train"):
                ms = peer.train(o.seconds, 2)
            else:
                ms = measure(o.seconds, 2, lambda i: peer.step(i % batches))
            line("train", batch, f"state=warm ms={text(ms)}")
        else:
            peer = make(data, batch, False, False)
            predict = lambda i: peer.predict(i % batches)
            line("infer", batch, f"state=warm ms={text(measure(o.seconds, 3, predict))}")
            if batch == 1 and o.cold:
                line("infer", batch, f"state=cold ms={text(measure(o.seconds, 1, predict, Evictor()))}")


def main(name, version, make, o):
    try:
        run(o, name, version, make)
    except Exception as error:  # one line, and the exit code
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
