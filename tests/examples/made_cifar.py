# SPDX-License-Identifier: BSL-1.0
"""Data of CIFAR's format, for the tests of the examples."""
import random


def records(file, count, labels, seed):
    """A CIFAR file whose first 40 records are noise; the rest is a hole in the file."""
    draw = random.Random(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        for _ in range(40):
            out.write(bytes(draw.randrange(n) for n in labels) + draw.randbytes(3072))
        out.truncate(count * (len(labels) + 3072))


def make(folder):
    """CIFAR-10 and CIFAR-100, whole by their sizes; returns the folder."""
    for number in range(1, 6):
        records(folder / f"cifar-10-batches-bin/data_batch_{number}.bin", 10000, [10], number)
    records(folder / "cifar-10-batches-bin/test_batch.bin", 10000, [10], 6)
    records(folder / "cifar-100-binary/train.bin", 50000, [20, 100], 7)
    records(folder / "cifar-100-binary/test.bin", 10000, [20, 100], 8)
    return folder
