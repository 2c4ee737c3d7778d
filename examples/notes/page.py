#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The tables and curves of docs/post-mortem.md, from the results of `notes`.

page.py [--check] [FOLDER...]

Takes the seed-*.csv files below the folders into docs/post-mortem.csv (runs on the post-mortem's 10,000 images) and
docs/full-runs.csv (all others), and makes from those the tables between the page's markers and the curves in docs/images/.
Without a folder from what is in the files. --check writes nothing and fails where a file would change.
"""
import csv
import io
import math
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CSV = ROOT / "docs/post-mortem.csv"
FULL_CSV = ROOT / "docs/full-runs.csv"
PAGE = ROOT / "docs/post-mortem.md"
IMAGES = ROOT / "docs/images"
COLORS = ["#1b6ca8", "#d1495b", "#2e933c", "#edae49", "#6c4f9e", "#00798c", "#8d5524", "#5c5c5c"]

# Which runs stand in which table: the page's markers name them. A table begins with what the others are compared with.
TABLES = {
    "from-h": ("h", ["h-plain", "h-softmax", "h-relu-logits", "h-keep-0.15", "h-rate-0.15", "h-batch-200", "h-adam",
                     "h-helpers", "h-linear-dense", "h-linear", "h-bytes", "h-slip", "h-two-groups", "h-same"]),
    "layers": ("layers", ["layers-logits", "layers-dropout", "layers-both", "layers-rate", "layers-rate-logits",
                          "layers-augmented", "layers-batch-64", "layers-sgd", "layers-bytes"]),
    "nn": ("nn-relu", ["nn-softmax", "nn-mended", "nn-linear", "nn-both"]),
    "sgd": ("h-adam", [f"h-sgd-{rate}-{momentum}" for momentum in ("0.9", "0.45", "0.1")
                       for rate in ("0.1", "0.01", "0.001", "0.0001")]),
}
# Of runs on all images.
FULL_TABLES = {
    "full": ("h", ["layers", "layers-logits", "layers-dropout", "layers-both", "layers-rate", "layers-rate-logits", "nn-relu",
                   "nn-softmax", "nn-mended", "nn-linear", "nn-both"]),
}
# The rows, with the notes' test and train accuracy and test and train loss.
ROWS = {
    "a": (0.7490, 0.8158, 0.7617, 0.5243), "b": (0.7523, 0.8119, 0.7759, 0.5358), "c": (0.7571, 0.7954, 0.7238, 0.5828),
    "d": (0.7490, 0.7893, 0.7514, 0.5997), "e": (0.7777, 0.8084, 0.6711, 0.5466), "f": (0.7931, 0.8234, 0.6227, 0.5036),
    "g": (0.7769, 0.8322, 0.6830, 0.4786), "h": (0.4608, 0.5390, 2.1325, 1.6637),
}
FURTHER = ["a-pad4", "f-plain", "f-0.001", "f-0.01", "f-0.03", "f-0.1", "f-constant", "f-paper", "h-60", "h-three", "ours10",
           "ours100"]
CURVES = {
    "post-mortem-h": ["h", "h-plain", "h-adam", "h-softmax", "h-keep-0.15", "h-relu-logits", "h-linear-dense"],
    "post-mortem-rewrites": ["layers", "layers-logits", "layers-dropout", "layers-both", "layers-rate-logits", "nn-relu",
                             "nn-linear", "nn-both"],
}
WHAT = {
    "h": "row h", "h-plain": "no augmentation", "h-softmax": "softmax twice", "h-relu-logits": "ReLU'd logits",
    "h-keep-0.15": "dropout keeps 0.15", "h-rate-0.15": "dropout drops 0.15", "h-batch-200": "batch 200",
    "h-adam": "Adam, rate 0.001", "h-helpers": "truncated normal 0.01, biases 0.1 and 0.01",
    "h-linear-dense": "no ReLU in the dense layers", "h-linear": "no ReLU at all", "h-bytes": "images from 0 to 255",
    "h-slip": "conv2 of [5,5,3,256]", "h-two-groups": "two groups in conv4 and conv5",
    "h-same": "Same pools, stride 1", "layers": "the tf.layers rewrite", "layers-logits": "softmax once",
    "layers-dropout": "dropout 0.5", "layers-both": "softmax once, dropout 0.5", "layers-rate": "dropout drops 0.15",
    "layers-rate-logits": "softmax once, dropout drops 0.15", "layers-augmented": "augmented",
    "layers-batch-64": "batch 64", "layers-sgd": "the SGD of row h", "layers-bytes": "images from 0 to 255",
    "nn-relu": "the tf.nn rewrite, ReLU'd logits", "nn-softmax": "softmax twice instead",
    "nn-mended": "the slip mended", "nn-linear": "the slip mended, no ReLU in the dense layers",
    "nn-both": "the slip mended, logits, dropout 0.5",
}


def read(text):
    """The lines of a CSV by run and seed, in the order of their epochs."""
    runs = {}
    for line in csv.DictReader(io.StringIO(text)):
        runs.setdefault((line["run"], int(line["seed"])), []).append(line)
    return runs


def write(runs):
    """The whole as one CSV, sorted; times are left out, since they differ each time."""
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


def is_small(lines):
    return int(lines[0]["images"]) <= 10000


def gather(folders, small, full):
    for folder in folders:
        for file in sorted(pathlib.Path(folder).glob("*/seed-*.csv")):
            for key, lines in read(file.read_text()).items():
                (small if is_small(lines) else full)[key] = lines


def of(runs, name):
    """The runs of one name, over their seeds."""
    return [lines for (run, _), lines in sorted(runs.items()) if run == name]


def last(lines, field):
    values = [float(line[-1][field]) for line in lines if line[-1][field]]
    return sum(values) / len(values) if values else None


def name_of(run):
    if run.startswith("h-sgd-"):
        rate, momentum = run[6:].rsplit("-", 1)
        return f"rate {float(rate):g}, momentum {momentum}"
    return WHAT[run]


def cell(value, digits, scale=1):
    return "-" if value is None else f"{scale * value:.{digits}f}"


def table(runs, first, others):
    """A row a run: what differs, and what came of it. Those that have not run yet are named below."""
    out = ["| | test accuracy | with dropout left on | train accuracy | test loss | train loss |",
           "|---|---:|---:|---:|---:|---:|"]
    missing = []
    for run in [first, *others]:
        lines = of(runs, run)
        if not lines:
            missing.append(run)
            continue
        diverged = next((line[-1]["diverged"] for line in lines if line[-1]["diverged"]), "")
        text = f"**{name_of(run)}**" if run == first else name_of(run)
        if diverged:
            update = diverged.split("update ")[1].split()[0]
            out.append(f"| {text} (`{run}`) | NaN at update {update} | | | | |")
            continue
        accuracy = last(lines, "test accuracy")
        images = int(lines[0][-1]["test images"])
        error = math.sqrt(accuracy * (1 - accuracy) / images)
        out.append(f"| {text} (`{run}`) | {cell(accuracy, 1, 100)}% &plusmn; {100 * error:.1f} "
                   f"| {cell(last(lines, 'test accuracy with dropout'), 1, 100)}% "
                   f"| {cell(last(lines, 'accuracy'), 1, 100)}% | {cell(last(lines, 'test loss'), 3)} "
                   f"| {cell(last(lines, 'loss'), 3)} |")
    if missing:
        out.append("")
        out.append("Not run yet: " + ", ".join(f"`{run}`" for run in missing) + ".")
    return "\n".join(out)


def rows_table(runs):
    """Rows and what was proposed after them, over their seeds, beside the notes' figures in brackets."""
    out = ["| row | seeds | epochs | test accuracy | train accuracy | test loss | train loss |",
           "|---|---:|---:|---:|---:|---:|---:|"]
    missing = []
    for run in [*ROWS, *FURTHER]:
        lines = of(runs, run)
        if not lines:
            missing.append(run)
            continue
        notes = ROWS.get(run)
        diverged = next((line[-1]["diverged"] for line in lines if line[-1]["diverged"]), "")
        if diverged:
            out.append(f"| `{run}` | {len(lines)} | NaN at update {diverged.split('update ')[1].split()[0]} | | | | |")
            continue
        cells = []
        for i, (field, digits, scale) in enumerate((("test accuracy", 1, 100), ("accuracy", 1, 100), ("test loss", 3, 1),
                                                    ("loss", 3, 1))):
            percent = "%" if scale == 100 else ""
            beside = f" ({cell(notes[i], digits, scale)}{percent})" if notes else ""
            cells.append(f"{cell(last(lines, field), digits, scale)}{percent}{beside}")
        values = [float(line[-1]["test accuracy"]) for line in lines]
        if len(values) > 1:
            cells[0] += f", {100 * min(values):.1f} to {100 * max(values):.1f}"
        out.append(f"| `{run}` | {len(lines)} | {lines[0][-1]['epoch']} | " + " | ".join(cells) + " |")
    if missing:
        out.append("")
        out.append("Not run yet: " + ", ".join(f"`{run}`" for run in missing) + ".")
    return "\n".join(out)


def curves(runs, names):
    """Test accuracy by epoch, as one SVG that needs nothing from elsewhere."""
    width, height, left, top, right, bottom = 760, 360, 52, 16, 250, 40
    shown = [(name, of(runs, name)[0]) for name in names if of(runs, name) and not of(runs, name)[0][-1]["diverged"]]
    points = {name: [(int(line["epoch"]), 100 * float(line["test accuracy"])) for line in lines] for name, lines in shown}
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
    for epoch in range(epochs + 1):
        out.append(f'<text x="{x(epoch):.1f}" y="{height - bottom + 16}" text-anchor="middle">{epoch}</text>')
    out.append(f'<text x="{x(epochs / 2):.1f}" y="{height - 6}" text-anchor="middle">passes over 10,000 images</text>')
    # Labels at the right, as near to the ends of their lines as they can be without touching.
    labels = sorted((y(line[-1][1]), name) for name, line in points.items())
    places, previous = {}, -math.inf
    for place, name in labels:
        previous = max(place, previous + 16)
        places[name] = previous
    over = previous - (height - bottom)
    for name in places:
        places[name] -= max(over, 0)
    for i, (name, line) in enumerate(points.items()):
        color = COLORS[i % len(COLORS)]
        path = "L".join(f"{x(epoch):.1f} {y(value):.1f}" for epoch, value in [(0, 1.0), *line])
        out.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        out.append(f'<path d="M{x(epochs) + 3:.1f} {y(line[-1][1]):.1f}L{width - right + 16} {places[name]:.1f}" '
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
    text = PAGE.read_text()
    for tables, runs in ((TABLES, small), (FULL_TABLES, full)):
        for marker, (first, others) in tables.items():
            text = between(text, marker, table(runs, first, others))
    text = between(text, "rows", rows_table(full))
    made = {CSV: write(small), FULL_CSV: write(full), PAGE: text}
    made.update({IMAGES / f"{name}.svg": curves(small, names) for name, names in CURVES.items()})
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
