#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs strata and PyTorch's variants on one GPU in turns, and makes the table. bench/gpu/run.sh has installed and built them.
Standard library alone. --lines FILE makes the table of lines that were recorded (raw.txt)."""
import argparse
import ctypes
import os
import queue
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PARAMETERS = 21594506
PRECISIONS = ("tf32", "bf16", "float32")
BATCHES = (128, 1024)
# Set up in this order. Shares of the run's minutes that compiling may take; what is not ready then is missing.
VARIANTS = {"eager": 0.1, "cudagraphs": 0.1, "compile": 0.12, "max-autotune": 0.2, "compile-cudagraphs": 0.1}
COMPILED = ("compile", "max-autotune", "compile-cudagraphs")  # steps in TF32 and bf16 alone: compiling takes long
# Of the largest, how far two programs' logits and losses may be apart: what the precision leaves of a number, and some layers.
TOLERANCE = {"float32": 2e-3, "tf32": 1e-2, "bf16": 5e-2}
NO_DEVICE = 77


def say(text):
    print(text, file=sys.stderr, flush=True)


def no_device():
    """Why no GPU can be used here, or nothing. Asks the driver itself, so that nothing has to be installed or built."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "there is no NVIDIA driver (libcuda.so.1)"
    code = driver.cuInit(0)
    count = ctypes.c_int(0)
    code = code or driver.cuDeviceGetCount(ctypes.byref(count))
    if code != 0:
        name = ctypes.c_char_p()
        driver.cuGetErrorName(code, ctypes.byref(name))
        return f"the NVIDIA driver says {(name.value or str(code).encode()).decode()}"
    return "" if count.value > 0 else "there is no CUDA device"


def parse(line):
    """A measurement as a dictionary. A reason is the rest of its line."""
    line, _, reason = line.strip().partition(" reason=")
    fields = dict(field.split("=", 1) for field in line.split())
    if reason:
        fields["reason"] = reason
    return fields


def numbers(text):
    return [float(x) for x in text.split(",") if x]


def worst(a, b):
    """Of the differences, the largest beside the largest value; a NaN is as bad as can be."""
    if len(a) != len(b):
        return float("inf")
    scale = max(abs(x) for x in b)
    differences = [abs(x - y) / scale for x, y in zip(a, b)]
    return float("inf") if any(d != d for d in differences) else max(differences)


class Process:
    """A program that measures when it is told to. Its lines go to `record`; a word by itself says what it has done."""

    def __init__(self, name, command, record, log, environment=None):
        self.name, self.record = name, record
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                      env=environment)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.child.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def until(self, word, seconds):
        """Waits for the word, or, for none, for the end. Raises RuntimeError where it does not come in time."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                self.end()
                raise RuntimeError(f"not done within {seconds:.0f} s") from None
            if line is None:
                code = self.child.wait()
                if word is None and code == 0:
                    return
                raise RuntimeError(f"ended with exit code {code}; see measure.log")
            if line.startswith("peer="):
                self.record(line)
            if word is not None and line == word:
                return

    def tell(self, word):
        try:
            self.child.stdin.write(word + "\n")
            self.child.stdin.flush()
        except OSError:
            raise RuntimeError(f"ended with exit code {self.child.wait()}; see measure.log") from None

    def end(self):
        try:
            self.child.stdin.close()
        except OSError:
            pass
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


# --- What the lines say -------------------------------------------------------------------------------------------------
class Results:
    def __init__(self):
        self.cards, self.versions, self.runs, self.epochs, self.starts, self.missing = {}, {}, {}, {}, {}, {}
        self.checks, self.clocks, self.data = {}, [], ""

    def add(self, text):
        line = parse(text)
        peer, mode = line["peer"], line["mode"]
        if "version" in line:
            self.versions[peer] = line["version"]
        key = (peer, line.get("precision"), int(line.get("batch", 0)))
        if mode == "card":
            self.cards[peer] = line
        elif mode == "clock":
            self.clocks.append(line)
        elif mode == "check":
            self.checks[peer, line["precision"]] = line
        elif mode in ("train", "graph", "busy"):
            self.runs.setdefault((mode, *key), []).append(statistics.median(numbers(line["ms"])))
        elif mode == "start":
            self.starts[key] = line
            self.learned(key, line, "steps")
            if int(line["parameters"]) != PARAMETERS:
                self.miss(key, f"{line['parameters']} parameters for {PARAMETERS}")
        elif mode == "epoch":
            self.epochs.setdefault(key, {"first": float(line["first"]), "images": int(line["images"]), "seconds": []})
            self.epochs[key]["seconds"] += numbers(line["seconds"])
            self.learned(key, line, "epochs")
            self.data = self.data or line["data"]
            if line["data"] != self.data:
                self.miss(key, "its epochs are of other images")
        elif mode == "missing":
            self.miss(key, line["reason"])

    def miss(self, key, reason):
        peer, precision, batch = key
        where = f" ({precision}, batch {batch})" if batch else f" ({precision})" if precision else ""
        self.missing.setdefault(peer + where, reason)

    def learned(self, key, line, what):
        first, last = numbers(line["learn"])
        if not last < first:
            self.miss(key, f"does not learn in {what}: the loss went from {first:.3f} to {last:.3f}")

    def wrong(self, peer, precision):
        """What is wrong with a peer's logits and losses beside strata's, or nothing."""
        own, other = self.checks.get(("strata", precision)), self.checks.get((peer, precision))
        if own is None or other is None:
            return "no check"
        for line in (own, other):
            if int(line["parameters"]) != PARAMETERS:
                return f"{line['parameters']} parameters for {PARAMETERS}"
        for what in ("logits", "losses"):
            far = worst(numbers(other[what]), numbers(own[what]))
            if not far <= TOLERANCE[precision]:
                return f"other {what} than strata's: {far:.2g} of the largest apart, {TOLERANCE[precision]:g} allowed"
        return ""

    # --- The table
    def is_missing(self, peer, precision, batch):
        return any(name in self.missing for name in (peer, f"{peer} ({precision})", f"{peer} ({precision}, batch {batch})"))

    def median(self, mode, peer, precision, batch):
        ms = self.runs.get((mode, peer, precision, batch))
        return statistics.median(ms) if ms and not self.is_missing(peer, precision, batch) else None

    def peers(self, precision, batch):
        """The fastest first."""
        found = [(ms, peer) for peer in self.versions if (ms := self.median("train", peer, precision, batch))]
        return sorted(found)

    def ratio(self, precision, batch):
        own = self.median("train", "strata", precision, batch)
        others = [ms for ms, peer in self.peers(precision, batch) if peer != "strata"]
        return f"{min(others) / own:.2f}" if own and others else "nan"

    def epoch(self, peer, precision, batch):
        e = self.epochs.get((peer, precision, batch))
        seconds = e["seconds"] or [e["first"]] if e else []
        return seconds if not self.is_missing(peer, precision, batch) else []

    def rows(self):
        seen = {(key[2], key[3]) for key in self.runs} | {(key[1], key[2]) for key in self.epochs}
        return [(p, b) for p in PRECISIONS for b in sorted({b for _, b in seen}) if (p, b) in seen]

    def text(self, head):
        out = list(head)
        for peer, card in self.cards.items():
            if peer == "strata":
                out.append(f"{card['card'].replace('_', ' ')}, compute capability {card.get('capability', '?')}, driver for CUDA "
                           f"{card.get('driver', '?')}; strata {card['version']}: CUDA {card['runtime']}, cuDNN {card['cudnn']}")
        torch = next((card for peer, card in self.cards.items() if peer != "strata"), None)
        if torch:
            out.append(f"PyTorch {torch['version']}: CUDA {torch['runtime']}, cuDNN {torch['cudnn']}")
        if self.clocks:
            fields = {name: [c[name] for c in self.clocks] for name in self.clocks[0] if name not in ("peer", "mode")}
            ends = lambda name: "-".join(sorted({v for v in fields.get(name, ["?"])}, key=lambda v: (len(v), v))[::max(
                len(set(fields.get(name, ["?"]))) - 1, 1)])
            out.append(f"Driver {fields['driver'][0]}; after each round: SM {ends('sm')} MHz of {fields['sm_max'][0]}, memory "
                       f"{ends('memory')} MHz, {ends('celsius')} degrees, limit {fields['watt_limit'][0]} W")
        else:
            out.append("Driver and clocks: not known, nvidia-smi is not there.")
        out += ["", "| training step | peer | rounds | ms: min / median / max of the rounds' medians | images/s | strata / peer |",
                "|---|---|---|---|---|---|"]
        for precision, batch in self.rows():
            own = self.median("train", "strata", precision, batch)
            for ms, peer in self.peers(precision, batch):
                all_ms = self.runs["train", peer, precision, batch]
                out.append(f"| {precision}, batch {batch} | {peer} | {len(all_ms)} | {min(all_ms):.3f} / {ms:.3f} / "
                           f"{max(all_ms):.3f} | {batch * 1e3 / ms:.0f} | {f'{ms / own:.2f}' if own else '-'} |")
        out += ["", "| epoch with augmentation | peer | seconds: min / median / max | images/s | the first, s |", "|---|---|---|---|---|"]
        for precision, batch in self.rows():
            found = [(statistics.median(s), peer) for peer in self.versions if (s := self.epoch(peer, precision, batch))]
            for median, peer in sorted(found):
                s, e = self.epoch(peer, precision, batch), self.epochs[peer, precision, batch]
                out.append(f"| {precision}, batch {batch}, {e['images']} images | {peer} | {min(s):.3f} / {median:.3f} / "
                           f"{max(s):.3f} | {e['images'] / median:.0f} | {e['first']:.2f} |")
        out += ["", "| cold start | peer | making the model, ms | first step, ms | second step, ms |", "|---|---|---|---|---|"]
        for precision, batch in self.rows():
            for peer in self.versions:
                line = self.starts.get((peer, precision, batch))
                if line:
                    out.append(f"| {precision}, batch {batch} | {peer} | " +
                               " | ".join(f"{float(line[k]):.1f}" for k in ("setup_ms", "first_ms", "second_ms")) + " |")
        out += ["", "| GPU busy | peer | ms a step | share of the step |", "|---|---|---|---|"]
        for precision, batch in self.rows():
            for step, peer in self.peers(precision, batch):
                busy = self.median("graph" if peer == "strata" else "busy", peer, precision, batch)
                if busy:
                    out.append(f"| {precision}, batch {batch} | {peer} | {busy:.3f} | {100 * min(busy / step, 1):.0f}% |")
        out += ["", "strata's is its captured step launched back to back, the gaps between its kernels included; PyTorch's is what "
                "its profiler saw kernels and copies take."]
        if self.missing:
            out.append("")
        out += [f"- MISSING: {peer}: {why}" for peer, why in sorted(self.missing.items())]
        return "\n".join(out) + "\n"

    def last_lines(self):
        out = [f"train{batch}_{precision} strata/best-peer {self.ratio(precision, batch)}"
               for precision in ("tf32", "bf16") for batch in BATCHES]
        seconds = self.epoch("strata", "tf32", 1024)
        return out + [f"epoch1024 {statistics.median(seconds):.2f} s" if seconds else "epoch1024 nan s"]


# --- Measuring ----------------------------------------------------------------------------------------------------------
class Measurement:
    def __init__(self, o):
        self.o, self.results = o, Results()
        os.makedirs(os.path.join(o.build, "logs"), exist_ok=True)
        self.log = open(os.path.join(o.build, "logs", "measure.log"), "w")
        self.raw = open(os.path.join(o.build, "raw.txt"), "w")
        self.began = time.monotonic() - o.build_seconds
        self.limit = o.minutes * 60

    def left(self):
        return self.limit - (time.monotonic() - self.began)

    def record(self, line):
        self.raw.write(line + "\n")
        self.raw.flush()
        self.results.add(line)

    def start(self, peer, *more):
        """The process of a peer."""
        o = self.o
        variant = peer.removeprefix("pytorch-")
        precisions = ",".join(self.precisions(variant))
        common = ["--data", o.data, "--precisions", precisions, "--device", str(o.device),
                  *(["--no-autotune"] if o.no_autotune else []), *(["--cifar", o.cifar] if o.cifar else []), *more]
        if peer == "strata":
            return Process(peer, [o.step, *common], self.record, self.log)
        if variant in COMPILED:
            common += ["--epochs", "0"]
        environment = dict(os.environ, TORCHINDUCTOR_CACHE_DIR=os.path.join(o.build, "inductor"), PYTHONDONTWRITEBYTECODE="1")
        return Process(peer, [o.python, os.path.join(HERE, "pytorch.py"), "--variant", variant, *common], self.record, self.log,
                       environment)

    def precisions(self, variant):
        return [p for p in self.o.precisions.split(",") if variant not in COMPILED or p != "float32"]

    def clock(self):
        names = ("driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu", "power.limit")
        try:
            text = subprocess.run(["nvidia-smi", f"--id={self.o.device}", f"--query-gpu={','.join(names)}",
                                   "--format=csv,noheader,nounits"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                  timeout=20).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return
        values = [v.strip().replace(" ", "_") for v in text.split(",")]
        if len(values) == len(names):
            keys = ("driver", "sm", "sm_max", "memory", "celsius", "watt_limit")
            self.record("peer=clock mode=clock " + " ".join(f"{k}={v}" for k, v in zip(keys, values)))

    def check(self, peer, limit):
        """Of strata or eager PyTorch. Raises RuntimeError where it cannot be had."""
        process = self.start(peer, "--check")
        try:
            process.until(None, limit)
        finally:
            process.end()

    def run(self):
        o, results = self.o, self.results
        peers = [f"pytorch-{v}" for v in o.variants.split(",") if v]
        measured = {}
        try:
            self.check("strata", 120)
            first = self.start("strata", "--serve", *o.measure)
            measured["strata"] = first
            first.until("ready", 180)
        except RuntimeError as error:
            sys.exit(f"bench/gpu/run.sh: strata: {error}")
        if not o.torch:
            for peer in peers:
                results.miss((peer, None, 0), "PyTorch is not installed, or sees no GPU")
            peers = []
        elif peers:
            try:
                self.check("pytorch-eager", 120)
            except RuntimeError as error:
                say(f"the check of PyTorch: {error}")
            for precision in o.precisions.split(","):
                why = results.wrong("pytorch-eager", precision)
                say(f"check {precision}: {why or 'the same network'}")
                if why:
                    for peer in peers:
                        results.miss((peer, precision, 0), why)
        for peer in peers:
            variant = peer.removeprefix("pytorch-")
            share = VARIANTS[variant] * self.limit
            if not self.precisions(variant):
                results.miss((peer, None, 0), "is measured in TF32 and bf16 alone")
                continue
            if self.left() < share / 2:
                results.miss((peer, None, 0), "no time left to set it up")
                continue
            began = time.monotonic()
            process = self.start(peer, "--serve", "--setup-seconds", f"{share:.0f}", *o.measure)
            try:
                process.until("ready", max(1.5 * share, 60))
                measured[peer] = process
                say(f"{peer}: ready after {time.monotonic() - began:.0f} s")
            except RuntimeError as error:
                results.miss((peer, None, 0), f"setting it up: {error}")
                say(f"{peer}: {error}")

        rounds, longest = 0, 0.0
        while rounds < o.rounds:
            if rounds > 0 and self.left() < longest:
                say(f"no time for round {rounds + 1}")
                break
            began = time.monotonic()
            order = list(measured)
            turn = rounds % len(order)  # each round begins with another
            for peer in order[turn:] + order[:turn]:
                try:
                    measured[peer].tell("round")
                    measured[peer].until("done", 300)
                    self.clock()
                except RuntimeError as error:
                    if peer == "strata":
                        sys.exit(f"bench/gpu/run.sh: strata: {error}")
                    results.miss((peer, None, 0), f"round {rounds + 1}: {error}")
                    del measured[peer]
            longest = max(longest, time.monotonic() - began)
            rounds += 1
            say(f"round {rounds} of {o.rounds}: {time.monotonic() - began:.0f} s")
        # Last, since a profiler may leave things slower than it found them.
        for peer, process in measured.items():
            try:
                if peer != "strata" and self.left() > 0:
                    process.tell("busy")
                    process.until("done", 60)
            except RuntimeError as error:
                say(f"{peer}: the profiler: {error}")
            process.end()
        head = [f"# strata on a GPU, {time.strftime('%Y-%m-%d %H:%M')}", "",
                f"AlexNet for 32x32 images, {PARAMETERS:,} parameters, SGD with momentum, dropout. {rounds} rounds; autotuning "
                f"{'off' if o.no_autotune else 'on'} for all; {(time.monotonic() - self.began) / 60:.1f} minutes."]
        return head


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", action="store_true", help="without a GPU, say why and exit with code 77")
    parser.add_argument("--lines", help="make the table from the lines in this file")
    parser.add_argument("--build", default="build/bench/gpu")
    parser.add_argument("--data")
    parser.add_argument("--step", help="bench_gpu_step")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--torch", action="store_true", help="the Python of --python has PyTorch")
    parser.add_argument("--cifar", default="")
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--epochs", type=int, default=2, help="in each round; the first is reported separately")
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--build-seconds", type=float, default=0)
    parser.add_argument("--no-autotune", action="store_true")
    o = parser.parse_args()
    for variant in o.variants.split(","):
        if variant and variant not in VARIANTS:
            parser.error(f"--variants: '{variant}' is none of {', '.join(VARIANTS)}")
    if o.probe:
        why = no_device()
        if why:
            say(f"bench/gpu/run.sh: SKIPPED: {why}; nothing is measured")
            sys.exit(NO_DEVICE)
        return
    if o.lines:
        results = Results()
        with open(o.lines) as file:
            for line in file:
                if line.startswith("peer="):
                    results.add(line)
        text, path = results.text(["# strata on a GPU, from recorded lines", ""]), None
    else:
        o.measure = ["--seconds", str(o.seconds), "--epochs", str(o.epochs), "--images", str(o.images)]
        measurement = Measurement(o)
        head = measurement.run()
        results, path = measurement.results, os.path.join(o.build, "table.md")
        text = results.text([*head, ""])
    if path:
        with open(path, "w") as file:
            file.write(text)
    print(text)
    print("\n".join(results.last_lines()))


if __name__ == "__main__":
    main()
