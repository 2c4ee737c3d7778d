#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Experiments of the notes by Adam in Keras itself: is what strata's runs come to Adam's doing, or strata's?

keras_runs.py --data FOLDER --out FOLDER [--epochs N] [--seeds N] [--images N] RUN...

The same networks, initial values (drawn anew), batches and numbers as `notes` has under these names, on images in [0, 1].
Leaves OUT/RUN/seed-N.csv as `notes --checkpoint OUT` does, for page.py. Needs Keras 3 with a backend and, for row b, scipy:
pip install keras==3.15.1 tensorflow-cpu==2.21.0 scipy
"""
import argparse
import csv
import pathlib
import time

import keras
import numpy

HELPERS = "TruncatedNormal 0.01, biases 0.1 and 0.01"

# name: classes, first kernel, dropout, tf.nn's shapes, ReLU'd logits, tf.nn's initial values, batch, augmented
RUNS = {
    "b": dict(classes=10, first=11, drop=0.25, batch=64, augment=True),
    "layers-both": dict(drop=0.5),
    "layers-rate-logits": dict(drop=0.15),
    "nn-valid": dict(drop=0.5, helpers=True),
    "nn-both": dict(drop=0.5, helpers=True, same=True),
    "nn-rate-relu": dict(drop=0.15, helpers=True, same=True, relu_logits=True),
    "nn-rate-linear": dict(drop=0.15, helpers=True, same=True, relu_dense=False),
}


def images_of(folder, classes):
    """(training images (N,32,32,3), labels (N)), and the same of the test set."""
    sets = []
    for files in ([f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)], ["cifar-10-batches-bin/test_batch.bin"]) \
            if classes == 10 else (["cifar-100-binary/train.bin"], ["cifar-100-binary/test.bin"]):
        labels = 1 if classes == 10 else 2  # bytes before the image; of CIFAR-100 the fine label is the second
        raw = numpy.concatenate([numpy.fromfile(folder / file, numpy.uint8) for file in files]).reshape(-1, labels + 3072)
        pixels = raw[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        sets.append((pixels.astype(numpy.float32) / 255, raw[:, labels - 1].astype(numpy.int32)))
    return sets


def network(classes=100, first=5, drop=0.5, same=False, helpers=False, relu_logits=False, relu_dense=True, **_):
    layers = keras.layers
    normal = keras.initializers.TruncatedNormal(stddev=0.01) if helpers else "glorot_uniform"
    padding = "same" if same else "valid"

    def conv(filters, kernel, strides=1):
        return layers.Conv2D(filters, kernel, strides, padding="same", activation="relu", kernel_initializer=normal,
                             bias_initializer=keras.initializers.Constant(0.1 if helpers else 0))

    def dense(units, relu):
        return layers.Dense(units, activation="relu" if relu else None, kernel_initializer=normal,
                            bias_initializer=keras.initializers.Constant(0.01 if helpers else 0))

    return keras.Sequential([
        keras.Input((32, 32, 3)), conv(96, first), layers.MaxPooling2D(3, 2, padding),
        conv(256, 5, 1 if same else 2), layers.MaxPooling2D(3, 2, padding),
        conv(384, 3), conv(384, 3), conv(256, 3), layers.MaxPooling2D(3, 2, padding), layers.Flatten(),
        dense(4096, relu_dense), layers.Dropout(drop), dense(4096, relu_dense), layers.Dropout(drop),
        dense(classes, relu_logits)])


class Written(keras.callbacks.Callback):
    """The results so far, after each epoch."""

    def __init__(self, file, fixed):
        super().__init__()
        self.file, self.fixed, self.lines = file, fixed, []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.lines.append({
            **{name: self.fixed[name] for name in ("run", "seed", "images", "test images", "epochs")}, "epoch": epoch + 1,
            "loss": logs["loss"], "accuracy": logs["accuracy"], "test loss": logs["val_loss"],
            "test accuracy": logs["val_accuracy"], "seconds": time.monotonic() - self.begin, "test loss with dropout": "",
            "test accuracy with dropout": "", "diverged": "", "recipe": self.fixed["recipe"]})
        temporary = self.file.with_suffix(".tmp")
        with temporary.open("w", newline="") as out:
            writer = csv.DictWriter(out, self.lines[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.lines)
        temporary.replace(self.file)


def train(run, seed, options):
    parts = {"classes": 100, "batch": 200, **RUNS[run]}
    (x, labels), test = images_of(options.data, parts["classes"])
    x, labels, test = x[:options.images], labels[:options.images], tuple(part[:options.images] for part in test)
    keras.utils.set_random_seed(seed)
    model = network(**parts)
    print(f"{run}, seed {seed}: {model.count_params():,} parameters", flush=True)
    model.compile(keras.optimizers.Adam(0.001), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    file = options.out / run / f"seed-{seed}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    recipe = ", ".join([f"Keras {keras.__version__} on {keras.backend.backend()}, Adam 0.001, batch {parts['batch']}",
                        *(["shift 0.1, flip"] if parts.get("augment") else []),
                        HELPERS if parts.get("helpers") else "GlorotUniform"])
    written = Written(file, {"run": run, "seed": seed, "images": len(x), "test images": len(test[0]), "epochs": options.epochs,
                             "recipe": recipe})
    common = dict(epochs=options.epochs, validation_data=test, callbacks=[written], verbose=2)
    if parts.get("augment"):
        from keras.src.legacy.preprocessing.image import ImageDataGenerator  # which is what the notes call
        augmented = ImageDataGenerator(width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True)
        model.fit(augmented.flow(x, labels, parts["batch"], seed=seed), **common)
    else:
        model.fit(x, labels, parts["batch"], **common)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", choices=RUNS, metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--data", type=pathlib.Path, required=True, help="with cifar-10-batches-bin/ and cifar-100-binary/")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1, help="1 to N")
    parser.add_argument("--images", type=int, help="the first so many of each set; default: all")
    options = parser.parse_args()
    for run in options.runs:
        for seed in range(1, options.seeds + 1):
            train(run, seed, options)


if __name__ == "__main__":
    main()
