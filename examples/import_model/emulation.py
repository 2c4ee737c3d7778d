# SPDX-License-Identifier: BSL-1.0
"""Computes in numpy what the C++ network will compute."""
import numpy as np

from layers import Join, join_run


def emulate(chain, x):
    """The outputs for inputs (N,H,W,C), in their precision."""
    for item in chain:
        if not isinstance(item, Join):
            x = item.run(x)
            continue
        values = [emulate(branch, x) for branch in item.branches]
        if item.kind == "Gate" or (item.kind == "Residual" and len(values) == 1):
            values.insert(0 if item.kind == "Gate" else 1, x)
        x = join_run(item.kind, values)
    return x


def difference(found, expected):
    """The largest difference, in units of the largest expected magnitude; infinite if a number is none."""
    if found.shape != expected.shape or not np.isfinite(found).all() or not np.isfinite(expected).all():
        return np.inf
    largest = np.abs(expected).max(initial=0)
    return float(np.abs(found - expected).max(initial=0) / largest) if largest > 0 else float(np.abs(found).max(initial=0))
