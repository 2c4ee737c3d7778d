#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""page_code.py PAGE COMPILER [FLAG...]: compiles the C++ in a page.
page_code.py --self COMPILER [FLAG...]: checks that each kind of wrong page is detected.

A block of C++ with a function main is compiled as it stands. The others are compiled together, in this order, as the body of one
function; their #include lines, and blocks that begin with struct, class or template, stand before that function. A block that
begins with the line "// does not compile" is compiled separately, after the first statement of the function. It must give exactly
one error, with the text of the next block.
"""
import os
import pathlib
import re
import subprocess
import sys

BLOCK = re.compile(r"^```(cpp|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRONG = "// does not compile\n"
OUTSIDE = re.compile(r"(//.*\n)*(struct|class|template)\b")
PROGRAM = re.compile(r"^int main\(", re.MULTILINE)
INCLUDE = re.compile(r"^#include .*\n", re.MULTILINE)


def compile_code(command, code):
    result = subprocess.run([*command, "-x", "c++", "-fsyntax-only", "-"], input=code, capture_output=True, text=True,
                            check=False, env=dict(os.environ, LC_ALL="C"))
    return result.returncode, result.stderr


def compile_function(command, head, outside, body):
    includes = "".join(INCLUDE.findall(outside + body))
    outside, body = (INCLUDE.sub("\n", code) for code in (outside, body))
    return compile_code(command, f"#include <strata/{head}.hpp>\n{includes}using namespace strata;\n{outside}int main() {{\n{body}}}\n")


def check(page, head, command):
    """Returns the fault of the page or None, and the numbers of blocks that compile and that do not."""
    blocks = [(*found.groups(), page[:found.start()].count("\n") + 2) for found in BLOCK.finditer(page)]
    good = [(body, line) for kind, body, line in blocks if kind == "cpp" and not body.startswith(WRONG)]
    programs = [(body, line) for body, line in good if PROGRAM.search(body)]
    for body, line in programs:
        code, said = compile_code(command, f'#line {line} "page"\n{body}')
        if code != 0:
            return f"does not compile:\n{said[:3000]}", (0, 0)
    parts = [block for block in good if block not in programs]
    inside = [(body, line) for body, line in parts if not OUTSIDE.match(body)]
    outside, body = ("".join(f'#line {line} "page"\n{body}' for body, line in some)
                     for some in ((block for block in parts if block not in inside), inside))
    code, said = compile_function(command, head, outside, body) if parts else (0, "")
    if code != 0:
        return f"does not compile:\n{said[:3000]}", (0, 0)
    wrong, expected = "", []
    for (kind, body, line), (kind_after, text, _) in zip(blocks, [*blocks[1:], ("", "", 0)]):
        if kind != "cpp" or not body.startswith(WRONG):
            continue
        if kind_after != "text":
            return f"line {line}: no block of text with the error after it", (0, 0)
        wrong += f'#line {line} "page"\n{{\n{body}}}\n'
        expected.append((line, line + body.count("\n") + 1, text))
    if not expected:
        return None, (len(good), 0)
    _, said = compile_function(command, head, outside, inside[0][0].split(";")[0] + ";\n" + wrong)
    # The errors, and the lines that name their place in the page.
    lines = said.splitlines()
    errors = [i for i, line in enumerate(lines) if ": error: " in line]
    places = [(int(place), i) for i, line in enumerate(lines) for place in re.findall(r"\bpage:(\d+):", line)]
    for first, last, text in expected:
        if not any(first <= place <= last for place, _ in places):
            return f"line {first}: compiles", (0, 0)
        # g++ and clang print different text before the library's sentence.
        for sentence in (line[max(line.find("strata: "), 0):] for line in text.splitlines()):
            if not any(sentence in lines[i] for i in errors):
                return f"line {first}: the compiler does not say '{sentence}':\n{said[:6000]}", (0, 0)
    if len(errors) != len(expected):
        return f"{len(errors)} errors; expected {len(expected)}:\n{said[:6000]}", (0, 0)
    return None, (len(good), len(expected))


SMALL = """
```cpp
// A local struct cannot have this member.
struct Own { static constexpr int size = 12; };
```
```cpp
#include <complex>
static_assert(Sequential<Input<2, 2, 3>, Flatten>::output == Shape{Own::size} && std::complex<float>{}.imag() == 0);
```
```cpp
#include <strata/network.hpp>

int main() { static_assert(strata::Sequential<strata::Input<2, 2, 3>>::output.channels == 3); }
```
```cpp
// does not compile
static_assert(Sequential<Input<2, 2, 96>, Conv<1, 4, In<3>>>::parameters > 0);
```
```text
error: strata: In<...> is not the number of input channels that arrive
```
"""


def check_itself(command):
    for says, changed in ((None, SMALL), ("does not compile", SMALL.replace("size = 12", "size = 13")),
                          ("does not compile", SMALL.replace("channels == 3", "channels == 4")),
                          ("does not compile", SMALL.replace("#include <complex>", "")),
                          ("line 16: compiles", SMALL.replace("In<3>", "In<96>")),
                          ("does not say 'strata: nothing", SMALL.replace("strata: In<...>", "strata: nothing")),
                          ("no block of text", SMALL.replace("```text", "```"))):
        problem, _ = check(changed, "network", command)
        if (says is None) != (problem is None) or (says and says not in problem):
            raise SystemExit(f"page_code.py: the page with the fault '{says}' gives: {problem}")
    print("each kind of wrong page is detected")


def main():
    if sys.argv[1] == "--self":
        check_itself(sys.argv[2:])
        return
    page, command = pathlib.Path(sys.argv[1]).read_text(), sys.argv[2:]
    problem, (good, wrong) = check(page, "strata", command)
    if problem:
        raise SystemExit(f"{sys.argv[1]}: {problem}")
    if good < 1 or wrong != page.count(WRONG):
        raise SystemExit(f"{sys.argv[1]}: {good} blocks that compile and {wrong} that do not; has its layout changed?")
    print(f"{good} blocks compile, {wrong} do not")


if __name__ == "__main__":
    main()
