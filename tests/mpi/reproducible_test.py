#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""reproducible_test.py MPIRUN PROGRAM: the reproducible runs of mpi_together have the same bits with 1, 2 and 4 processes."""
import subprocess
import sys

MPIRUN, PROGRAM = sys.argv[1:3]


def bits(processes):
    result = subprocess.run([MPIRUN, "-n", str(processes), PROGRAM, "--test-case=a reproducible run"], capture_output=True,
                            text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return [line for line in result.stdout.splitlines() if line.startswith("reproducible: ")]


one = bits(1)
assert len(one) == 3 and len(set(one)) == 3, one
for more in (2, 4):
    assert bits(more) == one, f"{more} processes: {bits(more)}; one: {one}"
