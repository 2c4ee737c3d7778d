#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Trains rows and suspects of the notes with Adam in Keras, to see whether strata's results come from Adam or from strata.

keras_runs.py --data FOLDER --out FOLDER [--epochs N] [--seeds N] [--first-seed N] [--images N] RUN...

Networks, distributions of initial values, batches and settings are those of `notes` under the same names: rows a and b on
CIFAR-10 with shifts and flips, suspects on CIFAR-100 without augmentation, all on images in [0, 1]. Writes OUT/RUN/seed-N.csv
for page.py, like `notes --checkpoint OUT`. Needs Keras 3 with a backend: pip install keras==3.15.1 tensorflow-cpu==2.21.0
"""
import argparse
import csv
import dataclasses
import pathlib
import time

import keras
import numpy


@dataclasses.dataclass
class Run:
    drop: float  # the fraction that is dropped; 0: there is no dropout
    end: str | None = None  # the activation of the last layer
    classes: int = 100
    kernel: int = 5  # of the first convolution
    batch: int = 200
    augment: bool = False


RUNS = {
    "a": Run(0, classes=10, kernel=11, batch=64, augment=True),
    "b": Run(0.25, classes=10, kernel=11, batch=64, augment=True),
    "layers-both": Run(0.5), "layers-rate-logits": Run(0.15), "layers-rate-relu": Run(0.15, "relu"),
}


def images_of(data, classes, part):
    """Images (N,32,32,3) and labels (N), of CIFAR-100 the fine ones. part: "train" or "test"."""
    if classes == 100:
        files, labels = [f"cifar-100-binary/{part}.bin"], 2
    else:
        files, labels = [f"cifar-10-batches-bin/{name}.bin" for name in (
            [f"data_batch_{i}" for i in range(1, 6)] if part == "train" else ["test_batch"])], 1
    raw = numpy.concatenate([numpy.fromfile(data / file, numpy.uint8).reshape(-1, labels + 3072) for file in files])
    pixels = raw[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return pixels.astype(numpy.float32) / 255, raw[:, labels - 1].astype(numpy.int32)


def moved(image, down, right, flip):
    """An image that is shifted by a fraction of a pixel and more, linear between pixels, the nearest outside, then mirrored."""
    for axis, by in ((0, down), (1, right)):
        size = image.shape[axis]
        places = numpy.arange(size) - by
        first = numpy.floor(places).astype(int)
        part = (places - first).astype(numpy.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        before, after = (numpy.take(image, numpy.clip(at, 0, size - 1), axis) for at in (first, first + 1))
        image = before + part * (after - before)
    return image[:, ::-1] if flip else image


class Shuffled(keras.utils.PyDataset):
    """Batches in a new order in each epoch, each image shifted by up to a tenth of its size and half of them mirrored."""

    def __init__(self, images, labels, batch, seed):
        super().__init__()
        self.images, self.labels, self.batch = images, labels, batch
        self.random = numpy.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.images) // self.batch)

    def __getitem__(self, index):
        which = self.order[index * self.batch:(index + 1) * self.batch]
        most = self.images.shape[1] / 10
        images = [moved(self.images[i], *self.random.uniform(-most, most, 2), self.random.random() < 0.5) for i in which]
        return numpy.stack(images), self.labels[which]

    def on_epoch_end(self):
        self.order = self.random.permutation(len(self.images))


def network(run):
    layers = keras.layers

    def dropout():
        return [layers.Dropout(run.drop)] if run.drop > 0 else []
    return keras.Sequential([
        keras.Input((32, 32, 3)),
        layers.Conv2D(96, run.kernel, padding="same", activation="relu"), layers.MaxPooling2D(3, 2),
        layers.Conv2D(256, 5, 2, padding="same", activation="relu"), layers.MaxPooling2D(3, 2),
        layers.Conv2D(384, 3, padding="same", activation="relu"), layers.Conv2D(384, 3, padding="same", activation="relu"),
        layers.Conv2D(256, 3, padding="same", activation="relu"), layers.MaxPooling2D(3, 2), layers.Flatten(),
        layers.Dense(4096, activation="relu"), *dropout(),
        layers.Dense(4096, activation="relu"), *dropout(), layers.Dense(run.classes, activation=run.end)])


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


def train(name, seed, options):
    file = options.out / name / f"seed-{seed}.csv"
    if file.exists():
        raise SystemExit(f"{file}: this is the result of an earlier run")
    run = RUNS[name]
    training, test = ([array[:options.images] for array in images_of(options.data, run.classes, part)]
                      for part in ("train", "test"))
    keras.utils.set_random_seed(seed)
    model = network(run)
    print(f"{name}, seed {seed}: {model.count_params():,} parameters", flush=True)
    model.compile(keras.optimizers.Adam(0.001), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    epochs = Epochs({"run": name, "seed": seed, "images": len(training[0]), "test images": len(test[0]),
                     "epochs": options.epochs},
                    f"Keras {keras.__version__} on {keras.backend.backend()}, Adam 0.001, batch {run.batch}"
                    f"{', shift 0.1, flip' if run.augment else ''}, GlorotUniform")
    if run.augment:
        model.fit(Shuffled(*training, run.batch, seed), epochs=options.epochs, validation_data=test, callbacks=[epochs],
                  shuffle=False, verbose=2)
    else:
        model.fit(*training, run.batch, options.epochs, validation_data=test, callbacks=[epochs], verbose=2)
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
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder with cifar-10-batches-bin/ and cifar-100-binary/")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds to train with")
    parser.add_argument("--first-seed", type=int, default=1, help="the first of these seeds")
    parser.add_argument("--images", type=int, help="use only the first N images of each set; default: all")
    options = parser.parse_args()
    for run in options.runs:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            train(run, seed, options)


if __name__ == "__main__":
    main()
