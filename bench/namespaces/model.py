#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The time of a step of several processes, as docs/several-machines.md explains it. Prints its tables.

model.py [--parameters N] [--image MS] [--update MS] [--backward SHARE] [--latency US] [--split-update]
"""
import argparse

PROCESSES = (1, 2, 4, 8, 16, 64, 256, 1024)
BUCKET = 4 << 20  # bytes that are summed at a time (training/gradient_sum.hpp)
IN_FLIGHT = 4


def step(a, processes, images, gigabits, bytes_of_number=4, overlaps=True):
    """Seconds of one step, in which each process computes so many images."""
    compute, update = images * a.image / 1e3, a.update / 1e3
    if processes == 1:
        return compute + update
    buckets = -(-a.parameters * 4 // BUCKET)

    def half(size):  # pieces to all, or from all
        sent = (processes - 1) / processes * a.parameters * size
        return sent * 8 / (gigabits * 1e9) + (processes - 1) * a.latency / 1e6 * buckets / IN_FLIGHT

    # The first gradients are there when the backward pass begins; it hides what fits into its time.
    hidden = a.backward * compute if overlaps else 0
    if a.split_update:  # parameters are sent in float32, each bucket while the next ones are updated
        return compute + max(half(bytes_of_number) - hidden, 0) + max(update / processes, half(4))
    return compute + update + max(2 * half(bytes_of_number) - hidden, 0)


def table(a, title, images_of, bytes_of_number=4, overlaps=True):
    print(f"{title}\n| processes | 1 Gbit/s | 10 Gbit/s | 100 Gbit/s |\n|---|---|---|---|")
    for processes in PROCESSES:
        images = images_of(processes)
        if images < 1:
            continue
        one = images_of(1) / step(a, 1, images_of(1), 1)
        speeds = (processes * images / step(a, processes, images, g, bytes_of_number, overlaps) / one for g in (1, 10, 100))
        print(f"| {processes} | " + " | ".join(f"{speed:.2g}" if speed < 10 else f"{speed:.0f}" for speed in speeds) + " |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=int, default=21_500_000)
    parser.add_argument("--image", type=float, default=3.0, help="ms of computation an image")
    parser.add_argument("--update", type=float, default=40, help="ms of an update")
    parser.add_argument("--backward", type=float, default=0.6, help="share of the computation that hides the exchange")
    parser.add_argument("--latency", type=float, default=30, help="us of a message")
    parser.add_argument("--split-update", action="store_true", help="each process updates a part of the parameters")
    a = parser.parse_args()
    table(a, "A global batch of 128, divided: times as fast as one process", lambda p: 128 / p)
    table(a, "128 images in each process", lambda p: 128)
    table(a, "The same, bfloat16 on the wire", lambda p: 128, 2)
    # Accumulated gradients are summed after the last batch.
    table(a, "The same, and an update after eight batches", lambda p: 1024, 2, overlaps=False)


if __name__ == "__main__":
    main()
