#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""examples_test.py MPIRUN ALEXNET CIFAR_FAST: the examples, run by several processes."""
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples"))
import made_cifar  # noqa: E402

MPIRUN, ALEXNET, CIFAR_FAST = sys.argv[1:4]


def run(processes, program, *options, code=0):
    command = [program, *map(str, options)]
    if processes:
        command = [MPIRUN, "-n", str(processes), *command]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == code, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data = made_cifar.make(folder / "data")
        short = ["--dataset", "cifar10", "--data", data, "--images", "20", "--batch", "8", "--seed", "3", "--processes", "mpi"]

        # Without mpirun it is one process, and says so.
        alone = run(0, ALEXNET, *short, "--epochs", "1")
        assert "strata: one process" in alone.stderr, alone.stderr

        # One process writes, and the bits do not depend on their number.
        weights = {}
        for processes in (1, 2, 4):
            file = folder / f"weights-{processes}.safetensors"
            result = run(processes, ALEXNET, *short, "--epochs", "2", "--reproducible", "--save", file, "--metrics",
                         folder / f"metrics-{processes}.csv")
            assert result.stdout.count("Epoch 1/2") == 1, result.stdout
            assert result.stdout.count("weights saved") == 1, result.stdout
            weights[processes] = file.read_bytes()
        assert weights[1] == weights[2] == weights[4], "the weights of 1, 2 and 4 processes differ"

        # A split update changes no bit.
        for split in ("on", "off"):
            run(2, ALEXNET, *short, "--epochs", "2", "--save", folder / split, "--split-update", split)
        assert (folder / "on").read_bytes() == (folder / "off").read_bytes(), "a split update has other bits"

        # A run goes on with another number of processes.
        checkpoint = [*short, "--checkpoint", folder / "run"]
        run(2, ALEXNET, *checkpoint, "--epochs", "1", "--split-update", "on")
        resumed = run(3, ALEXNET, *checkpoint, "--epochs", "2", "--resume", "--gradients", "bf16")
        assert re.search("resumed from .*step-000000003", resumed.stdout), resumed.stdout

        # A process without the files.
        (folder / "data-0").symlink_to(data)
        (folder / "data-1").mkdir()
        result = subprocess.run([MPIRUN, "-n", "2", "bash", "-c",
                                 f"exec {ALEXNET} --processes mpi --dataset cifar10 --data {folder}/data-$OMPI_COMM_WORLD_RANK"],
                                capture_output=True, text=True, timeout=60, check=False)
        lines = sorted(re.findall(r"^strata: rank.*", result.stderr, re.M))
        assert result.returncode != 0 and len(lines) == 2, result.stderr
        assert "rank 1 has failed: " in lines[0] and "data-1" in lines[0] and "data-1" in lines[1], lines

        # Options that do not go together.
        run(0, ALEXNET, "--reproducible", code=2)
        run(0, ALEXNET, "--processes", "mpi", "--reproducible", "--gradients", "bf16", code=2)
        run(0, CIFAR_FAST, "--gradients", "bf16", code=2)
        run(0, CIFAR_FAST, "--split-update", "on", code=2)


if __name__ == "__main__":
    main()
