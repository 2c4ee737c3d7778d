# SPDX-License-Identifier: BSL-1.0
"""Measures predictions and training steps of known networks (networks.cpp) by strata and its peers, for measure.py."""
import math
import os
import statistics

NETWORKS = ("lenet", "squeezenet", "resnet18", "resnet18cifar", "mobilenetv2", "vgg16", "cifar_fast")
# A step of VGG-16 on 128 images would take a minute and most of the memory.
TRAIN_BATCHES = {"lenet": 64, "squeezenet": 128, "resnet18": 128, "resnet18cifar": 128, "mobilenetv2": 16, "vgg16": 16,
                 "cifar_fast": 256}
INFER_BATCHES = {network: (1, 32) for network in NETWORKS}
JOBS = ("infer", "train", "bf16")  # predictions, training steps in float32 and in bfloat16
ENVIRONMENTS = {"onnxruntime": "onnxruntime", "openvino": "openvino", "pytorch": "torch", "pytorch-compiled": "torch"}
TRAINERS = ("pytorch",)
TOLERANCE = {"infer": 1e-3, "train": 1e-3, "bf16": 0.05}  # of the largest logit or loss
HERE = os.path.dirname(os.path.abspath(__file__))


def batches(job, network):
    return INFER_BATCHES[network] if job == "infer" else (TRAIN_BATCHES[network],)


def has_bf16(flags):
    return "avx512_bf16" in flags or "amx_bf16" in flags


class Networks:
    def __init__(self, runner, peers, say, flags=()):
        self.runner, self.say = runner, say
        self.jobs = [job for job in JOBS if job != "bf16" or has_bf16(flags)]
        self.data = os.path.join(runner.build, "data", "networks")
        self.results, self.missing = {}, {}
        self.peers = [p for p in ENVIRONMENTS if p in peers and self.installed(p)]

    def installed(self, peer):
        there = os.path.exists(os.path.join(self.runner.build, "venv", ENVIRONMENTS[peer], "complete"))
        if not there:
            self.missing[peer] = "not installed"
        return there

    def command(self, peer, job, network):
        if peer == "strata":
            return [os.path.join(self.runner.build, "bin", "networks"), job, network]
        python = os.path.join(self.runner.build, "venv", ENVIRONMENTS[peer], "bin", "python")
        return [python, os.path.join(HERE, "network_peers.py"), peer, network, "--mode", job, "--data", self.data]

    def available(self):
        program = os.path.join(self.runner.build, "bin", "networks")
        if not os.path.exists(program):
            self.missing["networks"] = "not built: protobuf is missing"
            return False
        os.makedirs(self.data, exist_ok=True)
        self.runner.run([program, "write", self.data], 2, 600)
        return True

    def round(self, number, job, threads, seconds):
        """All networks once. torch.compile takes half a minute for each network and batch, so it has the first round."""
        for network in NETWORKS:
            peers = ["strata"] + [p for p in self.peers if p in TRAINERS or
                                  job == "infer" and (p != "pytorch-compiled" or number == 0)]
            turn = number % len(peers)
            for peer in peers[turn:] + peers[:turn]:
                arguments = ["--batches", ",".join(map(str, batches(job, network))), "--threads", str(threads),
                             "--seconds", str(seconds), "--least", "5" if job == "infer" else "2"]
                try:
                    lines = self.runner.run([*self.command(peer, job, network), *arguments], threads, 900)
                except RuntimeError as error:
                    self.missing[f"{peer}, {network}, {job}"] = str(error)
                    self.say(f"{peer}, {network}, {job}: {error}")
                    continue
                for line in lines:
                    if line["mode"] == "check":
                        if not float(line["difference"]) < TOLERANCE[job]:
                            self.missing[f"{peer}, {network}, {job}"] = f"other results than strata's: {line['difference']}"
                            break
                        continue
                    ms = statistics.median(float(x) for x in line["ms"].split(","))
                    self.results.setdefault((peer, job, network, int(line["batch"]), threads), []).append(ms)

    def ms(self, peer, job, network, batch, threads):
        values = self.results.get((peer, job, network, batch, threads))
        return statistics.median(values) if values else None

    def ratio(self, job, network, batch, threads):
        """The best peer's time divided by strata's, or nothing."""
        own = self.ms("strata", job, network, batch, threads)
        best = min((t for p in self.peers if (t := self.ms(p, job, network, batch, threads))), default=None)
        return best / own if own and best else None

    def table(self):
        peers = ["strata", *self.peers]
        out = ["", "Known networks: ms of a prediction or of a training step (in float32; bf16: in bfloat16), the median of the "
               "runs' medians, and the best peer's time divided by strata's.",
               "", "| job | network | batch | threads | " + " | ".join(peers) + " | best peer / strata |",
               "|---" * (len(peers) + 5) + "|"]
        for job, threads in [("infer", 2), ("train", 2), ("bf16", 2), ("infer", 1)]:
            for turn in range(2 if job == "infer" else 1):
                for network in NETWORKS:
                    batch = batches(job, network)[turn]
                    times = [self.ms(p, job, network, batch, threads) for p in peers]
                    if any(times):
                        cells = " | ".join(f"{t:.3g}" if t else "-" for t in times)
                        ratio = self.ratio(job, network, batch, threads)
                        out.append(f"| {job} | {network} | {batch} | {threads} | {cells} | "
                                   f"{f'{ratio:.2f}' if ratio else '-'} |")
        out += [f"- MISSING: {what}: {why}" for what, why in sorted(self.missing.items())]
        return "\n".join(out) + "\n"

    def summary(self):
        """The lines for two threads."""
        lines = []
        for label, job, turn in (("networks infer1", "infer", 0), ("networks infer32", "infer", 1),
                                 ("networks train", "train", 0), ("bf16 train", "bf16", 0)):
            ratios = {n: r for n in NETWORKS if (r := self.ratio(job, n, batches(job, n)[turn], 2))}
            if not ratios:
                lines.append(f"{label} strata/best-peer nan")
                continue
            mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
            least = min(ratios, key=ratios.get)
            lines.append(f"{label} strata/best-peer geomean {mean:.2f} least {ratios[least]:.2f} {least}")
        return lines
