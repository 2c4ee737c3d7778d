#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Links one program from parts that were built with other flags and with another version of strata.

symbols_test.py INCLUDE COMMAND...          No two parts may have a symbol of strata in common, and each must compute.
symbols_test.py --self INCLUDE COMMAND...   Names them all alike, and checks that this is found.
COMMAND is the compiler with its flags.
"""
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# Eigen's functions of single floats, which bear no name of ours. They are what is left to share.
EIGEN = ("generic_fast_tanh_float", "pmax")
PLAIN, FLAGS, VERSION = "plain", "flags", "version"


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def build(folder, name, include, command, flags=()):
    part = folder / f"{name}.o"
    run(*command, f"-I{include}", f"-DSTRATA_PART=part_{name}", *flags, "-O1", "-c", HERE / "symbols.cpp", "-o", part)
    return part


def symbols(part):
    """The mangled names that a part defines for all parts: functions, and data that is one object in the program; ours, and
    those of Eigen that we instantiate."""
    found = set()
    for line in run("nm", "--defined-only", part).splitlines():
        _, kind, name = line.split(maxsplit=2)
        # Not std:: over our types, which every program with a std::vector shares.
        if kind in "TWVuBDR" and re.search(r"6strata|5Eigen", name) and not re.match(r"_ZN?K?St", name) and \
                not re.match(r"_ZN5Eigen8internal\d+(" + "|".join(EIGEN) + ")I", name):
            found.add(name)
    return found


def main():
    self_test = sys.argv[1] == "--self"
    include, *command = sys.argv[2 if self_test else 1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        headers = folder / "include"
        shutil.copytree(include, headers)
        linkage, version = headers / "strata/core/linkage.hpp", headers / "strata/util/version.hpp"
        if self_test:
            linkage.write_text(linkage.read_text().replace("_fma_bmi2", "").replace("_avx2", ""))
            command.append("-DSTRATA_SMALL")
        plain = build(folder, PLAIN, headers, command)
        parts = [plain]
        if platform.machine() == "x86_64":
            parts.append(build(folder, FLAGS, headers, command, ["-mavx2", "-mfma", "-mbmi2"]))
        if self_test:
            if platform.machine() == "x86_64" and not symbols(plain) & symbols(parts[1]):
                sys.exit("symbols that do not name the flags were not found")
            print("symbols that two parts share are found")
            return
        linkage.write_text(linkage.read_text().replace("v0_", "v9_"))
        version.write_text(version.read_text().replace('version = "0.', 'version = "9.'))
        parts.append(build(folder, VERSION, headers, command))
        names = [symbols(part) for part in parts]
        if min(len(n) for n in names) < 50:
            sys.exit(f"a part has only {min(len(n) for n in names)} symbols of strata")
        shared = [sorted(names[i] & names[j]) for i in range(len(parts)) for j in range(i)]
        for common in shared:
            if common:
                print(subprocess.run(["c++filt"], input="\n".join(common), capture_output=True, text=True).stdout)
                sys.exit(f"two parts define {len(common)} symbols in common")
        (folder / "main.cpp").write_text(
            "#include <cmath>\n#include <cstdio>\n"
            f'extern "C" double part_{PLAIN}(), part_{VERSION}();\n'
            + (f'extern "C" double part_{FLAGS}();\n' if len(parts) == 3 else f"static double part_{FLAGS}() {{ return part_{PLAIN}(); }}\n")
            + "int main() {\n"
            f"  const double plain = part_{PLAIN}();\n"
            "  bool equal = plain > 0 && plain == part_version();\n"
            "#if defined(__x86_64__)\n"
            '  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))\n'
            "#endif\n"
            f"    equal = equal && std::abs(part_{FLAGS}() - plain) < 1e-4;\n"
            '  std::printf("%.6f\\n", plain);\n'
            "  return equal ? 0 : 1;\n}\n")
        program = folder / "program"
        run(*command, folder / "main.cpp", *parts, "-pthread", "-o", program)
        print(f"{len(parts)} parts with {[len(n) for n in names]} symbols share none; loss {run(program).strip()}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stdout}\n{error.stderr}")
