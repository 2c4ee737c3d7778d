# SPDX-License-Identifier: BSL-1.0
"""The values of an ONNX model while it is read, and how messages name its nodes."""
from refusals import Refused


class Value:
    """A computed value: its step in the Graph, its ONNX shape, and its axes, one letter each. G and K are the groups and the
    channels of a group; M is all of a group, channels and places. `pads` are numbers around it that the next window takes: top,
    bottom, left, right; they are zeros, or minus infinity before a MaxPool. `whole` is the shape and the axes of what a Reshape
    split in groups."""

    def __init__(self, step, shape, axes, pads=None, whole=None):
        self.step, self.shape, self.axes, self.pads = step, [int(n) for n in shape], axes, pads
        self.whole, self.lowest = whole, False

    def channel_axis(self):
        if "C" not in self.axes:
            raise Refused("it takes groups of channels; strata groups them for a shuffle or a GroupNorm, and no more")
        return self.axes.index("C")


class Unknown:
    """What a refused node would have made."""


def said(node):
    """How messages name a node."""
    name = node.name or (node.output[0] if node.output else "")
    return f"{printable(node.op_type)} '{printable(name)}'"


def printable(text):
    return "".join(c if c.isprintable() else "?" for c in text)[:100]


def shown(names):
    return ", ".join(printable(n) for n in names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"
