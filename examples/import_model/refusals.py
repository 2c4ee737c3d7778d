# SPDX-License-Identifier: BSL-1.0
"""How the parts of the importer say no. A refusal is one sentence, and names the node that it is about."""

LIMIT_ELEMENTS = 1 << 28  # of one tensor or map: 1 GiB of float32
LIMIT_NODES = 50_000
LIMIT_DEPTH = 64          # of branches in branches
SHOWN = 40                # refusals of one model


class Refused(Exception):
    """One sentence about one node, or about the file."""


class AllRefused(Exception):
    """Everything in a model that cannot be expressed."""

    def __init__(self, sentences):
        self.sentences = list(dict.fromkeys(sentences))
        super().__init__("\n".join(self.sentences))


def counted(size, what):
    """The number of elements of a shape, if memory may be taken for it."""
    total = 1
    for side in size:
        if side < 0:
            raise Refused(f"{what} has the shape {list(size)}; expected sizes that are not negative")
        total *= int(side)
    if total > LIMIT_ELEMENTS:
        raise Refused(f"{what} has the shape {list(size)}, {total} elements; the importer takes at most {LIMIT_ELEMENTS}")
    return total
