#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Makes the tables and curves of docs/post-mortem.md from the results of `notes`.

page.py [--check] [FOLDER...]

Adds the seed-*.csv files in the folders to docs/post-mortem.csv (runs with the post-mortem's budget) and docs/full-runs.csv (all
others), and what first_updates prints, first-updates*.csv, to docs/first-updates.csv. From these files it makes the tables between the page's markers and the curves in docs/images/. Rows, and runs with
that budget, are averaged over seeds if images, epochs, recipe and device are the same. --check writes nothing and fails if a file
would change.
"""
import csv
import io
import math
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CSV = ROOT / "docs/post-mortem.csv"
FULL_CSV = ROOT / "docs/full-runs.csv"
FIRST_CSV = ROOT / "docs/first-updates.csv"
PAGE = ROOT / "docs/post-mortem.md"
IMAGES = ROOT / "docs/images"
COLORS = ["#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#6c4f9e", "#00798c", "#8d5524", "#5c5c5c"]

ALL = "50000"  # images
BUDGET = ("10000", "2000", "5")  # images, test images and epochs of the post-mortem
GPU = ", on a GPU in TF32"  # the end of the recipe of a run on a GPU
KERNELS = ", kernels "  # and of one on a CPU, if it is not an old one

# The runs in each table, by the name of its marker in the page. The first run is the one that the others are compared with.
TABLES = {
    "from-h": ("h", ["h-plain", "h-softmax", "h-relu-logits", "h-keep-0.15", "h-rate-0.15", "h-batch-200", "h-adam",
                     "h-helpers", "h-linear-dense", "h-linear", "h-bytes", "h-slip", "h-two-groups", "h-same"]),
    "layers": ("layers", ["layers-logits", "layers-dropout", "layers-both", "layers-rate", "layers-rate-relu",
                          "layers-rate-logits", "layers-epsilon", "layers-augmented", "layers-batch-64", "layers-sgd",
                          "layers-bytes", "layers-0.0001", "layers-both-0.0001", "layers-rate-0.0001",
                          "layers-rate-relu-0.0001", "layers-rate-logits-0.0001", "layers-rate-logits-augmented"]),
    "nn": ("nn-relu", ["nn-softmax", "nn-mended", "nn-logits", "nn-linear", "nn-both", "nn-glorot", "nn-valid", "nn-rate-relu",
                       "nn-rate-linear", "nn-rate-relu-0.0001", "nn-rate-linear-0.0001"]),
    "sgd": ("h-adam", [f"h-sgd-{rate}-{momentum}" for momentum in ("0.9", "0.45", "0.1")
                       for rate in ("0.1", "0.01", "0.001", "0.0001")]),
}
# The same for runs over all images.
FULL_TABLES = {
    "full": ("h", ["h-plain", "h-keep-0.15", "layers", "layers-logits", "layers-dropout", "layers-both", "layers-rate",
                   "layers-rate-relu", "layers-rate-logits", "layers-rate-logits-augmented", "layers-0.0001",
                   "layers-rate-0.0001", "layers-rate-relu-0.0001", "layers-rate-logits-0.0001", "nn-relu",
                   "nn-softmax", "nn-mended", "nn-linear", "nn-both"]),
}
# The rows, with the notes' test and train accuracy and test and train loss.
ROWS = {
    "a": (0.7490, 0.8158, 0.7617, 0.5243), "b": (0.7523, 0.8119, 0.7759, 0.5358), "c": (0.7571, 0.7954, 0.7238, 0.5828),
    "d": (0.7490, 0.7893, 0.7514, 0.5997), "e": (0.7777, 0.8084, 0.6711, 0.5466), "f": (0.7931, 0.8234, 0.6227, 0.5036),
    "g": (0.7769, 0.8322, 0.6830, 0.4786), "h": (0.4608, 0.5390, 2.1325, 1.6637),
}
FURTHER = ["a-pad4", "c-pad4", "f-plain", "f-crop", "f-0.001", "f-0.01", "f-0.03", "f-0.1", "f-constant", "f-paper", "h-60",
           "h-three", "ours10", "ours100", "ours10-he", "ours100-he", "ours10-he-0.015", "ours100-he-0.015",
           "ours100-he-0.01", "ours10-decay", "ours100-decay"]
# Four epochs: row f with other learning rates and another augmentation, row h with another dropout, row c with another padding.
RATES = {
    "f": "0.01 / (1 + 0.0005 updates)", "f-constant": "0.01", "f-0.001": "0.001, along a cosine to 0",
    "f-0.01": "0.01, along a cosine to 0", "f-0.03": "0.03, along a cosine to 0", "f-0.1": "0.1, along a cosine to 0",
    "f-paper": "0.01, 0.001, 0.0001; weight decay 0.0005, batch 128", "f-crop": "as f, padded by 4 and cropped, not shifted",
    "c": "11x11, Same", "c-pad4": "11x11, padded by 4", "a-pad4": "11x11, padded by 4, Adam", "h": "CIFAR-100",
    "h-three": "CIFAR-100, three dropouts",
}
# The runs that decide, over all images of CIFAR-100, with the seed that learns.
ENDS = [("layers-rate-0.0001", "1", "the rewrite, two softmaxes"), ("layers-rate-relu-0.0001", "1", "the rewrite, ReLU'd logits"),
        ("layers-rate-logits-0.0001", "1", "the rewrite, logits"), ("layers-rate-logits", "2", "the rewrite, logits"),
        ("h-plain", "1", "row h without augmentation"), ("h", "1", "row h")]
# Dropout and optimizer of the rows that differ in nothing else.
DROPOUTS = {"a": "none, Adam", "b": "0.25, Adam", "c": "0.25, SGD", "d": "0.5, SGD"}
# The first epoch of all images with Adam.
SEEDS = ["a", "b", "layers-rate", "layers-rate-relu", "layers-rate-logits", "nn-rate-linear", "nn-both"]
# Curves of the post-mortem's runs, and of rows.
ROW_CURVES = {"rows": ["f", "ours10", "ours10-he-0.015", "h-60", "ours100-he-0.015", "ours100-decay"],
              "post-mortem-long": ["h", "h-plain", "layers-rate-logits", "layers-rate-logits-0.0001",
                                   "layers-rate-relu-0.0001", "layers-rate-0.0001"]}
CURVES = {
    "post-mortem-h": ["h", "h-plain", "h-adam", "h-softmax", "h-keep-0.15", "h-relu-logits", "h-linear-dense"],
    "post-mortem-rewrites": ["layers", "layers-logits", "layers-dropout", "layers-both", "layers-rate-logits", "nn-relu",
                             "nn-linear", "nn-both"],
}
WHAT = {
    "a": "row a, without dropout", "b": "row b, dropout 0.25", "h": "row h", "h-plain": "no augmentation", "h-softmax": "softmax twice", "h-relu-logits": "ReLU'd logits",
    "h-keep-0.15": "dropout keeps 0.15", "h-rate-0.15": "dropout drops 0.15", "h-batch-200": "batch 200",
    "h-adam": "Adam, rate 0.001", "h-helpers": "truncated normal 0.01, biases 0.1 and 0.01",
    "h-linear-dense": "no ReLU in the dense layers", "h-linear": "no ReLU at all", "h-bytes": "images from 0 to 255",
    "h-slip": "conv2 of [5,5,3,256]", "h-two-groups": "two groups in conv4 and conv5",
    "h-same": "Same pools, stride 1", "layers": "the tf.layers rewrite", "layers-logits": "softmax once",
    "layers-dropout": "dropout 0.5", "layers-both": "softmax once, dropout 0.5", "layers-rate": "dropout drops 0.15",
    "layers-rate-relu": "ReLU'd logits, dropout drops 0.15",
    "layers-rate-logits": "softmax once, dropout drops 0.15",
    "layers-0.0001": "Adam with rate 0.0001", "layers-both-0.0001": "softmax once, dropout 0.5, Adam 0.0001",
    "layers-rate-0.0001": "dropout drops 0.15, Adam 0.0001",
    "layers-rate-relu-0.0001": "ReLU'd logits, dropout drops 0.15, Adam 0.0001",
    "layers-rate-logits-0.0001": "softmax once, dropout drops 0.15, Adam 0.0001",
    "layers-rate-logits-augmented": "softmax once, dropout drops 0.15, augmented",
    "nn-rate-relu-0.0001": "the slip mended, dropout drops 0.15, Adam 0.0001",
    "nn-rate-linear-0.0001": "the slip mended, dropout drops 0.15, no ReLU in the dense layers, Adam 0.0001",
    "layers-epsilon": "softmax once, dropout drops 0.15, epsilon 1e-8", "layers-augmented": "augmented",
    "layers-batch-64": "batch 64", "layers-sgd": "the SGD of row h", "layers-bytes": "images from 0 to 255",
    "nn-relu": "the tf.nn rewrite, ReLU'd logits", "nn-softmax": "softmax twice instead",
    "nn-mended": "the slip mended", "nn-linear": "the slip mended, no ReLU in the dense layers",
    "nn-logits": "the slip mended, logits", "nn-both": "the slip mended, logits, dropout 0.5",
    "nn-glorot": "the slip mended, logits, dropout 0.5, Glorot's values",
    "nn-valid": "the slip mended, logits, dropout 0.5, row h's pools and strides",
    "nn-rate-relu": "the slip mended, dropout drops 0.15",
    "nn-rate-linear": "the slip mended, dropout drops 0.15, no ReLU in the dense layers", "f": "row f",
    "h-60": "row h, CIFAR-100", "ours10": "our recipe", "ours10-he-0.015": "standardized, HeNormal",
    "ours100-he-0.015": "the same, CIFAR-100",
    "ours10-decay": "and weight decay 0.002", "ours100-decay": "and weight decay 0.002, CIFAR-100",
}


def setup(line):
    """The fields that must be equal for runs to be averaged."""
    return line["images"], line["test images"], line["epochs"], line["recipe"]


def read(text):
    """The lines of a CSV by run, seed and setup, in the order of their epochs."""
    runs = {}
    for line in csv.DictReader(io.StringIO(text)):
        runs.setdefault((line["run"], int(line["seed"]), *setup(line)), []).append(line)
    return runs


def write(runs):
    """All runs as one sorted CSV, without times, which differ in each run."""
    out = io.StringIO()
    writer = None
    for key in sorted(runs):
        for line in runs[key]:
            line = {name: value for name, value in line.items() if name != "seconds"}
            if writer is None:
                writer = csv.DictWriter(out, line, lineterminator="\n")
                writer.writeheader()
            writer.writerow(line)
    return out.getvalue()


def gather(folders, small, full):
    for folder in folders:
        for file in sorted(pathlib.Path(folder).glob("*/seed-*.csv")):
            for key, lines in read(file.read_text()).items():
                (small if key[2:5] == BUDGET else full)[key] = lines


def read_first(text):
    """The lines that first_updates prints by row, kernels, bias and seed."""
    runs = {}
    for line in csv.DictReader(io.StringIO(text)):
        runs.setdefault((line["row"], line["kernels"], float(line["bias"]), int(line["seed"])), []).append(line)
    return runs


def write_first(runs):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["row", "seed", "bias", "kernels", "update", "loss", "active channels"], lineterminator="\n")
    writer.writeheader()
    for key in sorted(runs):
        writer.writerows(runs[key])
    return out.getvalue()


def of(runs, name):
    """The runs of one name: a list of seeds per setup, those on a GPU last."""
    setups = {}
    for key, lines in sorted(runs.items()):
        if key[0] == name:
            setups.setdefault(key[2:], []).append(lines)
    return [setups[key] for key in sorted(setups, key=lambda key: (key[3].endswith(GPU), int(key[2]), key))]


def where(recipe):
    """What computed a run, as far as its recipe says."""
    if recipe.startswith("Keras"):
        return "Keras"
    if recipe.endswith(GPU):
        return "strata, on a GPU"
    return "strata" + (f", {recipe.split(KERNELS)[1]}" if KERNELS in recipe else "")


def device_of(lines):
    recipe = lines[0][0]["recipe"]
    return "Keras" if recipe.startswith("Keras") else "GPU" if recipe.endswith(GPU) else "CPU"


def last(lines, field):
    values = [float(line[-1][field]) for line in lines if line[-1][field]]
    return sum(values) / len(values) if values else None


def name_of(run):
    if run.startswith("h-sgd-"):
        rate, momentum = run[6:].rsplit("-", 1)
        return f"rate {float(rate):g}, momentum {momentum}"
    return WHAT[run]


def curve_of(runs, name):
    """(epoch, test accuracy) of the longest run; empty if it has a single point or ends in NaN."""
    found = [line for lines in of(runs, name) for line in lines if len(line) > 1 and not line[-1]["diverged"]]
    return [(int(line["epoch"]), 100 * float(line["test accuracy"])) for line in max(found, key=len, default=[])]


def cell(value, digits, scale=1):
    return "-" if value is None else f"{scale * value:.{digits}f}"


def diverged_at(lines):
    for line in lines:
        if line[-1]["diverged"]:
            return f"NaN at update {line[-1]['diverged'].split('update ')[1].split()[0]}"
    return None


def highest(line):
    """The best test accuracy and its epoch, if the epochs are known."""
    if len(line) < 2:
        return "-"
    best = max(line, key=lambda epoch: float(epoch["test accuracy"] or 0))
    return f"{100 * float(best['test accuracy']):.1f}%, {best['epoch']}"


def not_run(missing, what="Not run yet"):
    return ["", f"{what}: " + ", ".join(f"`{run}`" for run in missing) + "."] if missing else []


def table(runs, first, others, whole=False):
    """A table with one row per run: the difference and the result. Runs without results are named below it. whole: runs over all
    images, which may differ in seed, epochs and device; the table shows these."""
    out = [f"| |{' device | seed | epochs | highest, after epoch |' if whole else ''} test accuracy | with dropout left on "
           "| train accuracy | test loss | train loss |",
           f"|---|{'---|---:|---:|---:|' if whole else ''}---:|---:|---:|---:|---:|"]
    missing = []
    for run in [first, *others]:
        setups = of(runs, run)
        if whole:  # separately, because one seed learns and another does not
            setups = [[line] for lines in setups for line in lines if line[0]["epochs"] != "1" and line[0]["images"] == ALL]
        if not setups:
            missing.append(run)
        if len(setups) > 1 and not whole:
            raise SystemExit(f"page.py: {CSV.name} has runs of {run} by more than one recipe")
        for lines in setups:
            text = f"| **{name_of(run)}**" if run == first else f"| {name_of(run)}"
            text += f" (`{run}`) |"
            if whole:
                text += f" {device_of(lines)} | {lines[0][0]['seed']} | {lines[0][-1]['epoch']} | {highest(lines[0])} |"
            if diverged_at(lines):
                out.append(f"{text} {diverged_at(lines)} | | | | |")
                continue
            accuracy = last(lines, "test accuracy")
            images = int(lines[0][-1]["test images"])
            error = math.sqrt(accuracy * (1 - accuracy) / images)
            dropout = last(lines, "test accuracy with dropout")
            out.append(f"{text} {cell(accuracy, 1, 100)}% &plusmn; {100 * error:.1f} "
                       f"| {'-' if dropout is None else cell(dropout, 1, 100) + '%'} "
                       f"| {cell(last(lines, 'accuracy'), 1, 100)}% | {cell(last(lines, 'test loss'), 3)} "
                       f"| {cell(last(lines, 'loss'), 3)} |")
    return "\n".join(out + not_run(missing))


def rows_table(runs):
    """The rows and the rows proposed after them, averaged over seeds, with the figures of the notes in brackets."""
    out = ["| row | device | seeds | epochs | test accuracy | train accuracy | test loss | train loss |",
           "|---|---|---:|---:|---:|---:|---:|---:|"]
    missing = []
    for run in [*ROWS, *FURTHER]:
        setups = [lines for lines in of(runs, run) if int(lines[0][0]["epochs"]) >= 20 and lines[0][0]["images"] == ALL]
        if not setups:
            missing.append(run)
        for lines in setups:
            begin = f"| `{run}` | {device_of(lines)} | {len(lines)} | {lines[0][-1]['epoch']} |"
            if diverged_at(lines):
                out.append(f"{begin} {diverged_at(lines)} | | | |")
                continue
            notes = ROWS.get(run)
            cells = []
            for i, (field, digits, scale) in enumerate((("test accuracy", 1, 100), ("accuracy", 1, 100), ("test loss", 3, 1),
                                                        ("loss", 3, 1))):
                percent = "%" if scale == 100 else ""
                beside = f" ({cell(notes[i], digits, scale)}{percent})" if notes else ""
                cells.append(f"{cell(last(lines, field), digits, scale)}{percent}{beside}")
            values = [float(line[-1]["test accuracy"]) for line in lines]
            if len(values) > 1:
                cells[0] += f", {100 * min(values):.1f} to {100 * max(values):.1f}"
            out.append(f"{begin} " + " | ".join(cells) + " |")
    return "\n".join(out + not_run(missing, "Not run for twenty epochs"))


def rates_table(runs):
    """The test accuracy of the first seed after each of four epochs."""
    out = ["| row | recipe | 1 | 2 | 3 | 4 | test loss | train accuracy |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    for run in RATES:
        # If the learning rate does not depend on the number of epochs, the first four epochs of a longer run count too.
        found = [line[:4] for lines in of(runs, run) for line in lines
                 if len(line) >= 4 and (line[0]["epochs"] == "4" or "InverseTimeDecay" in line[0]["recipe"])]
        for line in found[:1]:
            accuracies = " | ".join(f"{100 * float(epoch['test accuracy']):.1f}%" for epoch in line)
            out.append(f"| `{run}` | {RATES[run]} | {accuracies} | {float(line[-1]['test loss']):.3f} "
                       f"| {100 * float(line[-1]['accuracy']):.1f}% |")
    return "\n".join(out + not_run([run for run in RATES if f"| `{run}` |" not in "".join(out)]))


def first_table(runs):
    """The active channels after some of the first updates, by seed and bias."""
    seeds = sorted({seed for *_, seed in runs})
    updates = {lines[-1]["update"] for lines in runs.values()}
    if len(updates) > 1:
        raise SystemExit(f"page.py: {FIRST_CSV.name} has runs over {' and '.join(sorted(updates))} updates")
    out = ["| row | kernels | last biases |" + "".join(f" seed {seed} |" for seed in seeds),
           "|---|---|---:|" + "---:|" * len(seeds)]
    for row, kernels, bias in dict.fromkeys(key[:3] for key in sorted(runs)):
        cells = [[line["active channels"] for line in runs.get((row, kernels, bias, seed), [])] for seed in seeds]
        out.append(f"| `{row}` | {kernels} | {bias:g} |" + "".join(f" {', '.join(filter(None, cell))} |" for cell in cells))
    return "\n".join(out)


def ends_table(runs):
    """The decisive runs on a CPU, whose epochs are known."""
    out = ["| network | trained with | final test accuracy | highest, after epoch | training accuracy |",
           "|---|---|---:|---:|---:|"]
    for run, seed, text in ENDS:
        found = [line for lines in of(runs, run) for line in lines
                 if line[0]["seed"] == seed and line[0]["epochs"] == "20" and device_of([line]) == "CPU"]
        if len(found) != 1:
            raise SystemExit(f"page.py: {FULL_CSV.name} has {len(found)} runs of {run}, seed {seed}, over 20 epochs; expected 1")
        recipe, end = found[0][0]["recipe"], found[0][-1]
        rate = re.match(r"Adam{(?:learning_)?rate (?:Constant{rate )?([\d.]+)", recipe)
        trained = f"Adam at {rate[1]}" if rate else "SGD"
        out.append(f"| {text} (`{run}`) | {trained} | {100 * float(end['test accuracy']):.1f}% | {highest(found[0])} "
                   f"| {100 * float(end['accuracy']):.1f}% |")
    return "\n".join(out)


def gaps_table(runs):
    """Training accuracy, test accuracy and their difference, in the notes and here."""
    out = ["| row | dropout | where | seed | epochs | training accuracy | test accuracy | gap |",
           "|---|---|---|---:|---:|---:|---:|---:|"]
    for run, dropout in DROPOUTS.items():
        test, training = ROWS[run][:2]
        places = [("the notes", "", 20, training, test)]
        for lines in of(runs, run):
            for line in lines:
                if line[0]["images"] == ALL and int(line[0]["epochs"]) > 1 and not line[-1]["diverged"]:
                    places.append((where(line[0]["recipe"]), line[0]["seed"], line[-1]["epoch"], float(line[-1]["accuracy"]),
                                   float(line[-1]["test accuracy"])))
        for place, seed, epochs, training, test in places:
            out.append(f"| `{run}` | {dropout} | {place} | {seed} | {epochs} | {100 * training:.1f}% | {100 * test:.1f}% "
                       f"| {100 * (training - test):.1f} |")
    return "\n".join(out)


def seeds_table(runs):
    """The test accuracy after the first epoch of Adam for each seed, in strata and in Keras, and how many have left chance."""
    found = {}  # by run and kernels, then by seed
    for run in SEEDS:
        for lines in of(runs, run):
            for line in lines:
                # Adam's learning rate is constant, so the first epoch of a longer run is the same.
                if line[0]["images"] == ALL and line[0]["epoch"] in ("0", "1"):
                    found.setdefault((run, lines[0][0]["recipe"]), {})[int(line[0]["seed"])] = line[0]
    seeds = sorted({seed for by_seed in found.values() for seed in by_seed})
    out = ["| | |" + "".join(f" seed {seed} |" for seed in seeds) + " left chance |", "|---|---|" + "---:|" * (len(seeds) + 1)]
    for (run, recipe), by_seed in found.items():
        chance = 0.1 if run in ROWS and run != "h" else 0.01
        accuracies = {seed: 0 if line["diverged"] else float(line["test accuracy"]) for seed, line in by_seed.items()}
        cells = {seed: "NaN" if line["diverged"] else f"{100 * accuracies[seed]:.1f}%" for seed, line in by_seed.items()}
        left = sum(accuracy > 1.5 * chance for accuracy in accuracies.values())
        out.append(f"| {name_of(run)} (`{run}`) | {where(recipe)} |" + "".join(f" {cells.get(seed, '')} |" for seed in seeds)
                   + f" {left} of {len(by_seed)} |")
    return "\n".join(out + not_run([run for run in SEEDS if run not in {name for name, _ in found}]))


def curves(runs, names, over):
    """The test accuracy by epoch as a self-contained SVG. over: the images of one epoch."""
    width, height, left, top, right, bottom = 860, 360, 52, 16, 350, 40
    points = {name: curve_of(runs, name) for name in names if curve_of(runs, name)}
    epochs = max((epoch for line in points.values() for epoch, _ in line), default=1)
    highest = max((value for line in points.values() for _, value in line), default=1)
    step = next(size for size in (0.5, 1, 2, 5, 10, 20) if highest / size <= 8)
    roof = step * math.ceil(highest / step)

    def x(epoch):
        return left + (width - left - right) * epoch / epochs

    def y(value):
        return height - bottom - (height - top - bottom) * value / roof

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
           'font-size="12">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for tick in range(round(roof / step) + 1):
        value = tick * step
        out.append(f'<path d="M{left} {y(value):.1f}H{width - right}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}%</text>')
    for epoch in range(0, epochs + 1, 1 + epochs // 12):
        out.append(f'<text x="{x(epoch):.1f}" y="{height - bottom + 16}" text-anchor="middle">{epoch}</text>')
    out.append(f'<text x="{x(epochs / 2):.1f}" y="{height - 6}" text-anchor="middle">passes over {over}</text>')
    # Labels at the right, as near to the ends of their lines as possible without overlap.
    labels = sorted((y(line[-1][1]), name) for name, line in points.items())
    places, previous = {}, -math.inf
    for place, name in labels:
        previous = max(place, previous + 16)
        places[name] = previous
    below = previous - (height - bottom)
    for name in places:
        places[name] -= max(below, 0)
    for i, (name, line) in enumerate(points.items()):
        color = COLORS[i % len(COLORS)]
        path = "L".join(f"{x(epoch):.1f} {y(value):.1f}" for epoch, value in line)
        out.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        out.append(f'<path d="M{x(line[-1][0]) + 3:.1f} {y(line[-1][1]):.1f}L{width - right + 16} {places[name]:.1f}" '
                   f'stroke="{color}" stroke-width="1"/>')
        out.append(f'<text x="{width - right + 20}" y="{places[name] + 4:.1f}" fill="{color}">{name_of(name)}</text>')
    return "\n".join(out) + "\n</svg>\n"


def between(text, marker, content):
    begin, end = f"<!-- {marker}: made by page.py -->\n", f"<!-- {marker}: end -->"
    if begin not in text or end not in text:
        raise SystemExit(f"{PAGE}: there is no marker {marker}")
    before, rest = text.split(begin, 1)
    return before + begin + "\n" + content + "\n\n" + end + rest.split(end, 1)[1]


def main(arguments):
    check = "--check" in arguments
    folders = [argument for argument in arguments if argument != "--check"]
    for folder in folders:
        if not os.path.isdir(folder):
            raise SystemExit(f"page.py: {folder}: there is no such folder")
    small, full = (read(file.read_text()) if file.exists() else {} for file in (CSV, FULL_CSV))
    gather(folders, small, full)
    beginnings = read_first(FIRST_CSV.read_text()) if FIRST_CSV.exists() else {}
    for folder in folders:
        for file in sorted(pathlib.Path(folder).glob("first-updates*.csv")):
            beginnings.update(read_first(file.read_text()))
    text = PAGE.read_text()
    for tables, runs in ((TABLES, small), (FULL_TABLES, full)):
        for marker, (first, others) in tables.items():
            text = between(text, marker, table(runs, first, others, runs is full))
    text = between(text, "rows", rows_table(full))
    text = between(text, "rates", rates_table(full))
    text = between(text, "seeds", seeds_table(full))
    text = between(text, "ends", ends_table(full))
    text = between(text, "gaps", gaps_table(full))
    text = between(text, "first", first_table(beginnings))
    made = {CSV: write(small), FULL_CSV: write(full), FIRST_CSV: write_first(beginnings), PAGE: text}
    made.update({IMAGES / f"{name}.svg": curves(small, names, "10,000 images") for name, names in CURVES.items()})
    made.update({IMAGES / f"{name}.svg": curves(full, names, "all images") for name, names in ROW_CURVES.items()})
    for file, content in made.items():
        if file.exists() and file.read_text() == content:
            continue
        if check:
            raise SystemExit(f"{file} is not what examples/notes/page.py makes; run it")
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.tmp")
        temporary.write_text(content)
        temporary.replace(file)
        print(f"{file}: written")


if __name__ == "__main__":
    main(sys.argv[1:])
