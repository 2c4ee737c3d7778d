#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""single_header.py INCLUDE OUT [HEADER...]: writes one header that holds the HEADERs and all headers of strata that they include.

INCLUDE is strata's folder include/. Without HEADER it is strata/strata.hpp. The standard library, Eigen and the system's headers
stay includes. The result needs no other file of strata, and several sources of a program may include it. It has no compiled
form, so it refuses STRATA_COMPILED.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r"#include <(strata/[a-z0-9_/]+\.hpp)>.*\n")
OTHER_INCLUDE = re.compile(r"#include <[a-zA-Z0-9_/.]+>")
# X.hpp ends with this. Without the compiled library it is an include like any other.
IMPL = re.compile(r"#if !defined\(STRATA_COMPILED\)\n(#include <strata/[a-z0-9_/]+_impl\.hpp>\n)#endif\n")
BANNER = """\
// SPDX-License-Identifier: BSL-1.0
// strata {version}, {headers} in one header. {copyright}, Boost Software License 1.0: https://www.boost.org/LICENSE_1_0.txt
// Made from strata's include/ by cmake/single_header.py: change it there. C++20.
#pragma once
#if defined(STRATA_COMPILED)
#error "strata: one header has no compiled library; link strata::compiled only with strata's installed headers"
#endif
"""


class Merger:
    def __init__(self, folder):
        self.folder = folder
        self.standard = set()  # includes of others' headers that stand outside of every condition
        self.whole = set()     # headers of strata that stand outside of every condition
        self.guarded = set()   # those that an #if may have skipped: a later include repeats them, behind a guard

    def text(self, name, inside_if=False):
        """The header `name` with all that it includes. inside_if: a condition may skip it."""
        if name in self.whole:
            return ""
        guard = ""
        if inside_if or name in self.guarded:
            guard = "STRATA_SINGLE_" + re.sub(r"\W", "_", name).upper()
        (self.guarded if inside_if else self.whole).add(name)
        source = IMPL.sub(r"\1", (self.folder / name).read_text(encoding="utf-8"))
        lines, depth, begun = [f"\n// --- {name}\n"], 0, False
        if guard:
            lines.append(f"#ifndef {guard}\n#define {guard}\n")
        for line in source.splitlines(keepends=True):
            if line == "#pragma once\n" or line.startswith("// SPDX-License-Identifier"):
                continue
            if re.match(r"\s*#\s*if", line):
                depth += 1
            elif re.match(r"\s*#\s*endif", line):
                depth -= 1
            ours = INCLUDE.fullmatch(line)
            if ours:
                lines.append(self.text(ours[1], inside_if or depth > 0))
                continue
            other = OTHER_INCLUDE.match(line)
            if other and not inside_if and depth == 0:
                if other[0] in self.standard:
                    continue
                self.standard.add(other[0])
            lines.append(line)
        if guard:
            lines.append("#endif\n")
        return "".join(lines)


def single_header(folder, headers):
    merger = Merger(folder)
    body = "".join(merger.text(header) for header in headers)
    left = re.search(r'^\s*#\s*include\s*(<strata/|").*$', body, re.MULTILINE)
    if left:
        raise SystemExit(f"single_header.py: an include is not written as #include <strata/...>: {left[0].strip()}")
    version = re.search(r'version = "([0-9.]+)"', (folder / "strata/util/version.hpp").read_text(encoding="utf-8"))[1]
    copyright_line = re.search(r"^Copyright.*$", (folder.parent / "LICENSE").read_text(encoding="utf-8"), re.MULTILINE)[0]
    banner = BANNER.format(version=version, headers=", ".join(f"<{h}>" for h in headers), copyright=copyright_line)
    return re.sub(r"\n{3,}", "\n\n", banner + body)


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    folder, out, headers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:] or ["strata/strata.hpp"]
    for header in headers:
        if not (folder / header).is_file():
            raise SystemExit(f"single_header.py: {folder} has no {header}")
    text = single_header(folder, headers)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
