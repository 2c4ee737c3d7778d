#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the peers in interleaved rounds and makes the table. bench/run.sh has installed and built them. Standard library
alone."""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

import networks

HERE = os.path.dirname(os.path.abspath(__file__))
PARAMETERS = 21594506
TRAIN_MFLOP, FORWARD_MFLOP = 539.836, 184.861  # an image, nominal: padding taps counted, no input gradient of the first layer
WEIGHT_BYTES = 4 * PARAMETERS
TRAIN_PEERS = ("strata", "onednn2", "onednn3", "pytorch", "keras", "libtorch", "dlib")
SLOW_PEERS = ("libtorch", "dlib")  # neither near the best: every other round
SCRIPTS = {  # peer: virtual environment, script, further arguments
    "pytorch": ("torch", "pytorch.py", []),
    "pytorch-compiled": ("torch", "pytorch.py", ["--variant", "compiled"]),
    "keras": ("tensorflow", "tensorflow_keras.py", []),
    "onnxruntime": ("onnxruntime", "ort.py", []),
    "openvino": ("openvino", "ov.py", []),
}
OPENBLAS_OPENMP = "/usr/lib/x86_64-linux-gnu/openblas-openmp"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Runner:
    def __init__(self, build):
        self.build = build
        self.core = min(os.sched_getaffinity(0))
        self.log = open(os.path.join(build, "logs", "measure.log"), "w")
        self.raw = open(os.path.join(build, "raw.txt"), "w")

    def command(self, peer):
        if peer in SCRIPTS:
            venv, script, arguments = SCRIPTS[peer]
            return [os.path.join(self.build, "venv", venv, "bin", "python"), os.path.join(HERE, script), *arguments]
        return [os.path.join(self.build, "bin", peer)]

    def missing(self, peer):
        """Why the peer cannot run, or nothing."""
        if peer in SCRIPTS and not os.path.exists(os.path.join(self.build, "venv", SCRIPTS[peer][0], "complete")):
            return "not installed"
        if peer in ("onnxruntime", "openvino") and not os.path.exists(os.path.join(self.build, "data", "alexnet.onnx")):
            return "no ONNX model"
        if not os.path.exists(self.command(peer)[0]):
            return "not installed or not built"
        return ""

    def run(self, command, threads, limit):
        """The lines printed, as dictionaries. One thread means one core: nothing else of the process may use another."""
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads),
                           MKL_NUM_THREADS=str(threads), TORCHINDUCTOR_CACHE_DIR=os.path.join(self.build, "inductor"))
        if os.path.basename(command[0]) == "libtorch" and os.path.isdir(OPENBLAS_OPENMP):
            environment["LD_LIBRARY_PATH"] = OPENBLAS_OPENMP + ":" + os.environ.get("LD_LIBRARY_PATH", "")
        if threads == 1:
            command = ["taskset", "-c", str(self.core), *command]
        self.log.write("$ " + " ".join(command) + "\n")
        self.log.flush()
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=self.log, timeout=limit, text=True)
            output, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as late:
            output = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
            code = f"none after {limit} s"
        self.raw.write(output)
        self.raw.flush()
        lines = [dict(field.split("=", 1) for field in line.split()) for line in output.splitlines()
                 if line.startswith("peer=")]
        if code != 0:
            raise RuntimeError(f"exit code {code}; see build/bench/logs/measure.log")
        return lines


def numbers(text):
    return [float(x) for x in text.split(",")]


def worst(a, b):
    """Of the differences, the largest beside the largest value."""
    scale = max(abs(x) for x in b)
    return max((abs(x - y) for x, y in zip(a, b)), default=0.0) / scale


def check(peer, line, reference):
    """What is wrong with a peer's results, or nothing."""
    if int(line["parameters"]) != PARAMETERS:
        return f"{line['parameters']} parameters for {PARAMETERS}"
    if worst(numbers(line["logits"]), numbers(reference["logits"])) > 2e-3:
        return "other logits than strata's with the same weights and images"
    if peer in TRAIN_PEERS:
        if worst(numbers(line["losses"]), numbers(reference["losses"])) > 2e-3:
            return "other losses than strata's over four steps without dropout"
        first, last = numbers(line["learn"])
        if not last < 0.75 * first:  # dlib learns slower: its dropout does not scale what it keeps
            return f"does not learn: the loss went from {first:.3f} to {last:.3f}"
    return ""


def cpu_name():
    try:
        text = subprocess.run(["lscpu"], stdout=subprocess.PIPE, text=True, env=dict(os.environ, LC_ALL="C")).stdout
    except OSError:
        return platform.processor(), ""
    fields = dict((part.strip() for part in line.split(":", 1)) for line in text.splitlines() if ":" in line)
    flags = fields.get("Flags", "").split()
    kept = [f for f in flags if f.startswith(("avx", "fma", "amx"))]
    name = f"{fields.get('Model name', '?')}, family {fields.get('CPU family', '?')} model {fields.get('Model', '?')}, " \
           f"{fields.get('CPU(s)', '?')} CPUs, L2 {fields.get('L2 cache', '?')}, L3 {fields.get('L3 cache', '?')}"
    return name, " ".join(kept)


def spread(values, digits=1):
    return f"{min(values):.{digits}f} / {statistics.median(values):.{digits}f} / {max(values):.{digits}f}"


class Table:
    def __init__(self, peers, results, versions, machine, missing):
        self.peers, self.results, self.versions = peers, results, versions
        self.machine, self.missing = machine, missing

    def rate(self, peer, row):
        """Images a second: the median of the runs' medians."""
        ms = self.results.get((peer, *row))
        return row[1] * 1e3 / statistics.median(ms) if ms else None

    def best_peer(self, row):
        rates = [(self.rate(p, row), p) for p in self.peers if p != "strata" and self.rate(p, row)]
        return max(rates) if rates else None

    def ratio(self, row):
        best, own = self.best_peer(row), self.rate("strata", row)
        return f"{own / best[0]:.2f}" if best and own else "nan"

    def peak(self, threads, modes):
        values = [(statistics.median(v), mode) for mode in modes if (v := self.machine.get((mode, threads)))]
        return max(values) if values else None

    def text(self, head):
        out = list(head)
        out += ["| job | threads | peer | runs | ms a step: min / median / max of the runs' medians | images/s | strata / peer |",
                "|---|---|---|---|---|---|---|"]
        order = [("train", 128, "warm"), ("train", 64, "warm"), ("infer", 128, "warm"), ("infer", 64, "warm"),
                 ("infer", 1, "warm"), ("infer", 1, "cold")]
        for threads in (2, 1):
            for mode, batch, state in order:
                row = (mode, batch, state, threads)
                rates = sorted(((self.rate(p, row), p) for p in self.peers if self.rate(p, row)), reverse=True)
                own = self.rate("strata", row)
                for rate, peer in rates:
                    ms = self.results[(peer, *row)]
                    name = f"{mode} {batch}" + (" cold" if state == "cold" else "")
                    ratio = f"{own / rate:.2f}" if own else "-"
                    out.append(f"| {name} | {threads} | {peer} {self.versions.get(peer, '')} | {len(ms)} | "
                               f"{spread(ms, 2 if batch == 1 else 1)} | {rate:.1f} | {ratio} |")
        out += ["", *self.roofline()]
        if self.missing:
            out.append("")
        for peer, why in sorted(self.missing.items()):
            out.append(f"- MISSING: {peer}: {why}")
        return "\n".join(out) + "\n"

    def roofline(self):
        out = ["| roofline, measured in the same run | 1 thread | 2 threads |", "|---|---|---|"]
        for mode, unit in (("fma-avx512", "GFLOP/s"), ("fma-avx2", "GFLOP/s"), ("read", "GB/s"), ("update", "GB/s")):
            cells = [spread(self.machine[mode, t]) if (mode, t) in self.machine else "-" for t in (1, 2)]
            if cells != ["-", "-"]:
                out.append(f"| {mode}, {unit}: min / median / max | {cells[0]} | {cells[1]} |")

        def cells(f):
            return " | ".join(f(t) or "-" for t in (1, 2))

        def flops(mode, mflop):
            def cell(threads):
                rate, peak = self.rate("strata", (mode, 128, "warm", threads)), self.peak(threads, ("fma-avx512", "fma-avx2"))
                if rate and peak:
                    return f"{rate * mflop * 1e-3:.1f} GFLOP/s, {100 * rate * mflop * 1e-3 / peak[0]:.0f}%"
            return cells(cell)

        def update(threads):
            rate, peak = self.rate("strata", ("train", 128, "warm", threads)), self.peak(threads, ("update",))
            if rate and peak:
                moved = rate / 128 * 4 * WEIGHT_BYTES * 1e-9
                return f"{moved:.1f} GB/s, {100 * moved / peak[0]:.0f}%"

        def read(state):
            def cell(threads):
                rate, peak = self.rate("strata", ("infer", 1, state, threads)), self.peak(threads, ("read",))
                if rate and peak:
                    return f"{rate * WEIGHT_BYTES * 1e-9:.1f} GB/s, {100 * rate * WEIGHT_BYTES * 1e-9 / peak[0]:.0f}%"
            return cells(cell)

        out.append(f"| strata train 128: nominal arithmetic, share of the peak | {flops('train', TRAIN_MFLOP)} |")
        out.append(f"| strata infer 128: nominal arithmetic, share of the peak | {flops('infer', FORWARD_MFLOP)} |")
        out.append("| strata train 128: weights and velocities read and written once a step, share of update | "
                   f"{cells(update)} |")
        for state in ("warm", "cold"):
            out.append(f"| strata infer 1 {state}: all weights once a call, share of read | {read(state)} |")
        scaling = []
        for mode in ("train", "infer"):
            one, two = (self.rate("strata", (mode, 128, "warm", t)) for t in (1, 2))
            if one and two:
                scaling.append(f"{mode} 128 {two / one:.2f}x")
        if scaling:
            out += ["", "strata, two threads beside one: " + ", ".join(scaling)]
        return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--peers", required=True)
    parser.add_argument("--install-seconds", type=int, default=0)
    parser.add_argument("--build-seconds", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("--no-networks", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--minutes", type=float)
    o = parser.parse_args()
    began = time.monotonic() - o.build_seconds
    rounds = o.rounds or (1 if o.quick else 12 if o.full else 6)
    minutes = o.minutes or (1e9 if o.full else 40)
    seconds = 0.5 if o.quick else 2.0
    cpus = len(os.sched_getaffinity(0))
    runner = Runner(o.build)
    peers = ["strata"] + [p for p in o.peers.split(",") if p and p != "strata"]
    missing = {}
    for peer in list(peers):
        why = runner.missing(peer)
        if why:
            if peer == "strata":
                sys.exit(f"bench/run.sh: strata: {why}")
            missing[peer] = why
            peers.remove(peer)
            say(f"MISSING: {peer}: {why}")

    versions, reference = {}, None
    if not o.no_check:
        for peer in list(peers):
            data = os.path.join(o.build, "data")
            try:
                line = runner.run([*runner.command(peer), "--mode", "check", "--data", data, "--threads", str(min(cpus, 2))],
                                  min(cpus, 2), 600)[0]
            except (RuntimeError, IndexError) as error:
                line, why = None, str(error)
            if line:
                reference = reference or line
                why = check(peer, line, reference)
                learned = numbers(line["learn"]) if "learn" in line else None
                say(f"check {peer} {line['version']}: " + (why or "the same network" + (
                    f", loss {learned[0]:.3f} -> {learned[1]:.3f}" if learned else "")))
            if why:
                if peer == "strata":
                    sys.exit(f"bench/run.sh: strata: {why}")
                missing[peer] = why
                peers.remove(peer)
                say(f"MISSING: {peer}: {why}")

    results, machine = {}, {}
    completed, durations = 0, [0.0, 0.0]  # of the last rounds with and without one thread, in minutes

    def minutes_gone():
        return (time.monotonic() - began) / 60

    for number in range(rounds):
        if number > 1 and minutes_gone() + durations[number % 2] > minutes:
            say(f"no time for round {number + 1}")
            break
        from_here = minutes_gone()
        for threads in (2, 1):
            # Two threads carry the ratios: one thread gets every other round.
            if threads == 1 and (o.quick or number % 2 == 1 and not o.full):
                continue
            for mode in ("train", "infer"):
                order = [p for p in peers if mode == "infer" or p in TRAIN_PEERS]
                if number % 2 == 1 and not o.full:
                    order = [p for p in order if p not in SLOW_PEERS]
                turn = number % len(order)  # each round begins with another peer
                for peer in order[turn:] + order[:turn]:
                    if minutes_gone() > minutes and (threads == 1 or number > 0):
                        continue  # a machine so slow or busy that not even two rounds fit
                    arguments = ["--mode", mode, "--threads", str(threads), "--seconds", str(seconds),
                                 "--data", os.path.join(o.build, "data"),
                                 "--batches", "128,64" if mode == "train" else "1,128,64"]
                    if mode == "infer":
                        arguments.append("--cold")
                    try:
                        lines = runner.run([*runner.command(peer), *arguments], threads, 300)
                    except RuntimeError as error:
                        if peer == "strata":
                            sys.exit(f"bench/run.sh: strata: {error}")
                        missing[f"{peer} ({mode}, threads: {threads})"] = str(error)
                        say(f"{peer}: {error}")
                        continue
                    for line in lines:
                        versions[peer] = line["version"]
                        key = (peer, line["mode"], int(line["batch"]), line["state"], threads)
                        results.setdefault(key, []).append(statistics.median(numbers(line["ms"])))
        for line in runner.run([os.path.join(o.build, "bin", "peak"), "0.3"], 2, 300):
            machine.setdefault((line["mode"], int(line["threads"])), []).append(float(line["best"]))
        completed += 1
        durations[number % 2] = minutes_gone() - from_here
        say(f"round {number + 1} of {rounds}: {durations[number % 2]:.1f} minutes")

    name, flags = cpu_name()
    known = networks.Networks(runner, peers, say, flags.split())
    if not o.no_networks and known.available():
        for number in range(1 if o.quick else 3):
            if number > 0 and minutes_gone() > minutes + 15 and not o.full:
                say("no time for more rounds of networks")
                break
            for job in known.jobs:
                for threads in (2, 1) if number == 0 and not o.quick and job == "infer" else (2,):
                    known.round(number, job, threads, 0.3 if o.quick else 1.0)
            say(f"networks, round {number + 1}: {minutes_gone():.1f} minutes gone")

    head = [f"# strata beside its peers, {time.strftime('%Y-%m-%d %H:%M')}", "", f"{name}", "", f"Flags: {flags}", "",
            f"Linux {platform.release()}; float32; {completed} rounds; medians over the runs. AlexNet for 32x32 images, "
            f"{PARAMETERS:,} parameters; training: SGD, momentum {0.9}, dropout. Installing took {o.install_seconds} s, "
            f"the rest {minutes_gone():.1f} minutes. Load at the end: {os.getloadavg()[0]:.1f}.", ""]
    for key in ("OPENBLAS_CORETYPE", "STRATA_KERNELS"):
        if key in os.environ:
            head += [f"{key}={os.environ[key]}", ""]
    table = Table(peers, results, versions, machine, missing)
    text = table.text(head) + known.table()
    path = os.path.join(o.build, "table.md")
    with open(path, "w") as file:
        file.write(text)
    print(text)
    print("\n".join(known.summary()))
    for label, row in (("train128", ("train", 128, "warm", 2)), ("infer128", ("infer", 128, "warm", 2)),
                       ("infer1", ("infer", 1, "warm", 2))):
        print(f"{label} strata/best-peer {table.ratio(row)}")


if __name__ == "__main__":
    main()
