#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Trains suspects of the notes with Adam in Keras, to see whether strata's results come from Adam or from strata.

keras_runs.py --data FOLDER --out FOLDER [--epochs N] [--seeds N] [--images N] RUN...

Networks, distributions of initial values, batches and settings are those of `notes --suspects` under the same names, on images
in [0, 1] without augmentation. Writes OUT/RUN/seed-N.csv for page.py, like `notes --checkpoint OUT`. Needs Keras 3 with a
backend: pip install keras==3.15.1 tensorflow-cpu==2.21.0
"""
import argparse
import csv
import pathlib
import time

import keras
import numpy

BATCH = 200
# name: the fraction that is dropped, the activation of the last layer
RUNS = {"layers-both": (0.5, None), "layers-rate-logits": (0.15, None), "layers-rate-relu": (0.15, "relu")}


def images_of(file):
    """CIFAR-100: images (N,32,32,3) and fine labels (N)."""
    raw = numpy.fromfile(file, numpy.uint8).reshape(-1, 2 + 3072)
    pixels = raw[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels.astype(numpy.float32) / 255, raw[:, 1].astype(numpy.int32)


def network(drop, end):
    layers = keras.layers
    return keras.Sequential([
        keras.Input((32, 32, 3)),
        layers.Conv2D(96, 5, padding="same", activation="relu"), layers.MaxPooling2D(3, 2),
        layers.Conv2D(256, 5, 2, padding="same", activation="relu"), layers.MaxPooling2D(3, 2),
        layers.Conv2D(384, 3, padding="same", activation="relu"), layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(256, 3, padding="same", activation="relu"), layers.MaxPooling2D(3, 2), layers.Flatten(),
        layers.Dense(4096, activation="relu"), layers.Dropout(drop),
        layers.Dense(4096, activation="relu"), layers.Dropout(drop), layers.Dense(100, activation=end)])


class Epochs(keras.callbacks.Callback):
    """Collects the line of each epoch in a result."""

    def __init__(self, fixed, recipe):
        super().__init__()
        self.fixed, self.recipe, self.lines = fixed, recipe, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.lines.append({
            **self.fixed, "epoch": epoch + 1, "loss": logs["loss"], "accuracy": logs["accuracy"],
            "test loss": logs["val_loss"], "test accuracy": logs["val_accuracy"], "seconds": time.monotonic() - self.begin,
            "test loss with dropout": "", "test accuracy with dropout": "", "diverged": "", "recipe": self.recipe})


def train(run, seed, options):
    file = options.out / run / f"seed-{seed}.csv"
    if file.exists():
        raise SystemExit(f"{file}: this is the result of an earlier run")
    training, test = ([part[:options.images] for part in images_of(options.data / f"cifar-100-binary/{name}.bin")]
                      for name in ("train", "test"))
    keras.utils.set_random_seed(seed)
    model = network(*RUNS[run])
    print(f"{run}, seed {seed}: {model.count_params():,} parameters", flush=True)
    model.compile(keras.optimizers.Adam(0.001), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    epochs = Epochs({"run": run, "seed": seed, "images": len(training[0]), "test images": len(test[0]),
                     "epochs": options.epochs},
                    f"Keras {keras.__version__} on {keras.backend.backend()}, Adam 0.001, batch {BATCH}, GlorotUniform")
    model.fit(*training, BATCH, options.epochs, validation_data=test, callbacks=[epochs], verbose=2)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    with temporary.open("w", newline="") as out:
        writer = csv.DictWriter(out, epochs.lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(epochs.lines)
    temporary.replace(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", choices=RUNS, metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with cifar-100-binary/")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="train with the seeds 1 to N")
    parser.add_argument("--images", type=int, help="use only the first N images of each set; default: all")
    options = parser.parse_args()
    for run in options.runs:
        for seed in range(1, options.seeds + 1):
            train(run, seed, options)


if __name__ == "__main__":
    main()
