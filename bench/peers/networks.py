# SPDX-License-Identifier: BSL-1.0
"""Measures the predictions of known networks (networks.cpp) by strata and its peers, for measure.py."""
import math
import os
import statistics

NETWORKS = ("lenet", "squeezenet", "resnet18", "resnet18cifar", "mobilenetv2", "vgg16", "cifar_fast")
BATCHES = (1, 32)
PEERS = ("onnxruntime", "openvino", "pytorch", "pytorch-compiled")
ENVIRONMENTS = {"onnxruntime": "onnxruntime", "openvino": "openvino", "pytorch": "torch", "pytorch-compiled": "torch"}
HERE = os.path.dirname(os.path.abspath(__file__))


class Networks:
    def __init__(self, runner, peers, say):
        self.runner, self.say = runner, say
        self.data = os.path.join(runner.build, "data", "networks")
        self.results, self.missing = {}, {}
        self.peers = [p for p in PEERS if p in peers and self.installed(p)]

    def installed(self, peer):
        there = os.path.exists(os.path.join(self.runner.build, "venv", ENVIRONMENTS[peer], "complete"))
        if not there:
            self.missing[peer] = "not installed"
        return there

    def command(self, peer, network):
        if peer == "strata":
            return [os.path.join(self.runner.build, "bin", "networks"), "infer", network]
        python = os.path.join(self.runner.build, "venv", ENVIRONMENTS[peer], "bin", "python")
        return [python, os.path.join(HERE, "network_peers.py"), peer, network, "--data", self.data]

    def available(self):
        program = os.path.join(self.runner.build, "bin", "networks")
        if not os.path.exists(program):
            self.missing["networks"] = "not built: protobuf is missing"
            return False
        os.makedirs(self.data, exist_ok=True)
        self.runner.run([program, "write", self.data], 2, 600)
        return True

    def round(self, number, threads, seconds):
        """All networks once. torch.compile takes half a minute for each network and batch, so it has the first round."""
        for network in NETWORKS:
            peers = ["strata"] + [p for p in self.peers if p != "pytorch-compiled" or number == 0]
            turn = number % len(peers)
            for peer in peers[turn:] + peers[:turn]:
                arguments = ["--batches", ",".join(map(str, BATCHES)), "--threads", str(threads), "--seconds", str(seconds)]
                try:
                    lines = self.runner.run([*self.command(peer, network), *arguments], threads, 900)
                except RuntimeError as error:
                    self.missing[f"{peer}, {network}"] = str(error)
                    self.say(f"{peer}, {network}: {error}")
                    continue
                for line in lines:
                    if line["mode"] == "check":
                        if not float(line["difference"]) < 1e-3:
                            self.missing[f"{peer}, {network}"] = f"other logits than strata's: {line['difference']}"
                            break
                        continue
                    ms = statistics.median(float(x) for x in line["ms"].split(","))
                    self.results.setdefault((peer, network, int(line["batch"]), threads), []).append(ms)

    def ms(self, peer, network, batch, threads):
        values = self.results.get((peer, network, batch, threads))
        return statistics.median(values) if values else None

    def best(self, network, batch, threads):
        times = [(self.ms(p, network, batch, threads), p) for p in self.peers if self.ms(p, network, batch, threads)]
        return min(times) if times else None

    def ratios(self, batch, threads):
        found = {}
        for network in NETWORKS:
            own, best = self.ms("strata", network, batch, threads), self.best(network, batch, threads)
            if own and best:
                found[network] = best[0] / own
        return found

    def table(self):
        peers = ["strata", *self.peers]
        out = ["", "Predictions of known networks: ms, the median of the runs' medians, and the best peer's time beside strata's.",
               "", "| network | batch | threads | " + " | ".join(peers) + " | best peer / strata |",
               "|---" * (len(peers) + 4) + "|"]
        for threads in (2, 1):
            for batch in BATCHES:
                ratios = self.ratios(batch, threads)
                for network in NETWORKS:
                    times = [self.ms(p, network, batch, threads) for p in peers]
                    if any(times):
                        cells = " | ".join(f"{t:.3g}" if t else "-" for t in times)
                        ratio = f"{ratios[network]:.2f}" if network in ratios else "-"
                        out.append(f"| {network} | {batch} | {threads} | {cells} | {ratio} |")
        out += [f"- MISSING: {what}: {why}" for what, why in sorted(self.missing.items())]
        return "\n".join(out) + "\n"

    def summary(self):
        """The lines for two threads."""
        lines = []
        for batch in BATCHES:
            ratios = self.ratios(batch, 2)
            if not ratios:
                lines.append(f"networks infer{batch} strata/best-peer nan")
                continue
            mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
            least = min(ratios, key=ratios.get)
            lines.append(f"networks infer{batch} strata/best-peer geomean {mean:.2f} least {ratios[least]:.2f} {least}")
        return lines
