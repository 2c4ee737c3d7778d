#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Looks for scalar code in kernels that are written over vectors.

vectors_test.py LIBRARY    Fails if a version of a kernel takes vectors apart. A compiler may do so silently where it has no
                           pattern for an operation: g++ 12 made the 512-bit max pool 19 times slower than the 256-bit one.
                           It reads the code, so that each path is watched on processors that cannot run it.
vectors_test.py --self     Checks that such code is found.
"""
import collections
import re
import subprocess
import sys

KERNEL = re.compile(r"<.*\bversions<(.*)>::(avx512|avx2|baseline)\(.*>:$")
# Instructions that put single numbers into vectors or take them out, and comparisons of single numbers.
SCALAR = re.compile(r"\s(v?p(?:insr|extr)[bdqw]|v?u?comis[sd])\s")
# The last elements of a row, which do not fill a vector, need a few.
MOST = 6
# A function that was not inlined is compiled for the plain processor, whatever the version is for. An object file names the
# function that is called on the next line, unless both are in one section.
LIBRARY = re.compile(r": R_X86_64_\w+\s+mem(?:set|cpy|move)\b")
OTHER = re.compile(r": R_X86_64_(?:PLT32|PC32)\s+(?!mem(?:set|cpy|move)\b)\S")  # of a jump to another function


def read(listing):
    """For each version of a kernel how many instructions it has, how many of these are scalar, and how many are calls."""
    counts, name, called, jumped = collections.defaultdict(lambda: [0, 0, 0]), None, False, False
    for line in [*listing, ""]:
        if called and not LIBRARY.search(line) or jumped and OTHER.search(line):
            counts[name][2] += 1
        called = jumped = False
        if line.endswith(">:"):
            match = KERNEL.search(line)
            name = match and f"{match[2]} of {match[1]}"
        elif name and ":\t" in line:
            counts[name][0] += 1
            counts[name][1] += bool(SCALAR.search(line + " "))
            called = ":\tcall " in line
            jumped = ":\tjmp " in line
    return counts


def faults(counts):
    found = [f"{name}: {scalar} of {all_} instructions handle single numbers" for name, (all_, scalar, _) in counts.items()
             if scalar > MOST]
    return found + [f"{name}: calls a function that is not inlined" for name, (_, _, calls) in counts.items() if calls]


def self_test():
    def listing(path, instruction, times):
        return [f"0000000000000000 <versions<Kernel<float>, int>::{path}(int)>:", *[f"   0:\t{instruction} %xmm1,%xmm2"] * times]
    assert not faults(read(listing("avx512", "vcomiss", MOST)))
    assert not faults(read(listing("avx512", "vmaxps", 100)))
    for instruction in ("vcomiss", "vucomiss", "vpinsrd $0x1,", "vpextrq $0x1,", "comisd", "pinsrw $0x1,"):
        assert len(faults(read(listing("avx2", instruction, MOST + 1)))) == 1, instruction
    call = "\t\t\t1: R_X86_64_PLT32\t"
    assert len(faults(read(listing("avx512", "call   5", 1)))) == 1
    assert len(faults(read(listing("avx512", "call   5", 1) + [call + "Kernel<float>::run<64>(int)-0x4"]))) == 1
    assert not faults(read(listing("avx512", "call   5", 1) + [call + "memset-0x4"]))
    assert len(faults(read(listing("avx512", "jmp    5", 1) + [call + "Kernel<float>::run<64>(int)-0x4"]))) == 1
    assert not faults(read(listing("avx512", "jmp    5", 1)))


def main():
    if sys.argv[1] == "--self":
        return self_test()
    output = subprocess.run(["objdump", "-d", "-r", "-C", "--no-show-raw-insn", sys.argv[1]], check=True, capture_output=True,
                            text=True).stdout
    counts = read(output.splitlines())
    paths = {name.split()[0] for name in counts}
    if paths != {"avx512", "avx2", "baseline"}:
        sys.exit(f"vectors_test.py: no kernels of a path are in {sys.argv[1]}; there are: {sorted(paths)}")
    if found := faults(counts):
        sys.exit("\n".join(found))
    print(f"{len(counts)} versions of kernels, none with more than {MOST} scalar instructions")


if __name__ == "__main__":
    main()
