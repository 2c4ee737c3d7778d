#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""single_header_test.py INCLUDE FOLDER COMPILER [FLAG...]: makes strata.hpp of the headers in INCLUDE by cmake/single_header.py, and
in FOLDER builds and runs a program of two sources that include it."""
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent / "cmake/single_header.py"


def made(include, out, *headers):
    subprocess.run([sys.executable, "-B", SCRIPT, include, out, *headers], check=True)
    return out.read_text(encoding="utf-8")


def check_conditions(folder):
    """A header that an #if may skip must be there for a later include, too."""
    tree = {"a.hpp": "#if defined(A)\n#include <strata/b.hpp>\n#endif\n#include <strata/b.hpp>\n#include <strata/b.hpp>\n",
            "b.hpp": "#include <strata/c.hpp>\nint b();\n", "c.hpp": "#include <vector>\nint c();\n",
            "util/version.hpp": 'version = "1.2.3"\n'}
    for name, text in tree.items():
        (folder / "include/strata" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "include/strata" / name).write_text("#pragma once\n" + text, encoding="utf-8")
    (folder / "LICENSE").write_text("Copyright (c) 2000 somebody\n", encoding="utf-8")
    text = made(folder / "include", folder / "a.hpp", "strata/a.hpp")
    # Twice each, behind guards: inside of the condition and after it.
    for line in ("int b();\n", "int c();\n", "#include <vector>\n"):
        assert text.count(line) == 2, text
    assert text.count("#ifndef STRATA_SINGLE_STRATA_B_HPP\n") == 2 and "strata 1.2.3" in text, text


def main():
    include, folder, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    shutil.rmtree(folder, ignore_errors=True)
    text = made(include, folder / "strata.hpp")
    assert "#include <strata/" not in text and text.count("#pragma once") == 1
    # The command in docs/packages.md.
    page = (HERE.parent / "docs/packages.md").read_text(encoding="utf-8")
    headers = next(line for line in page.splitlines() if line.startswith("python3 cmake/single_header.py")).split()[4:]
    assert "write_report(" in made(include, folder / "more.hpp", *headers) and "write_report(" not in text
    network = made(include, folder / "strata_network.hpp", "strata/network.hpp")
    assert "Eigen" not in network
    check_conditions(folder / "conditions")
    result = subprocess.run([sys.executable, "-B", SCRIPT, include, folder / "none.hpp", "strata/none.hpp"], capture_output=True,
                            text=True, check=False)
    assert result.returncode != 0 and "has no strata/none.hpp" in result.stderr, result.stderr
    subprocess.run([*compiler, "-fsyntax-only", "-x", "c++", "-"], check=True, text=True, input=f'''
#include "{folder}/strata_network.hpp"
static_assert(strata::Sequential<strata::Input<4, 4, 1>, strata::Flatten>::output == strata::Shape{{16}});
''')
    sources = [HERE / "consumer/single_header" / name for name in ("main.cpp", "accuracy.cpp")]
    subprocess.run([*compiler, f"-I{folder}", *sources, "-o", folder / "program", "-pthread"], check=True)
    subprocess.run([folder / "program"], check=True)


if __name__ == "__main__":
    main()
