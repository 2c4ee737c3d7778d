#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks the API reference.

reference_test.py COMPILER [FLAG...]   compiles the example of each item, in one translation unit
reference_test.py --self               breaks a copy of the headers in each way and checks that docs/reference.py says so
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))
import reference  # noqa: E402

HEAD = """\
#include <strata/strata.hpp>
#include <strata/losses/dice.hpp>
using namespace strata;
"""


def translation_unit(items):
    """Each example in a function of its own. A network of an example is instantiated."""
    code = HEAD
    for item in items:
        example = item.fields["Example"]
        net = "[[maybe_unused]] constexpr auto parameters = Net::parameters;\n" if "using Net =" in example else ""
        begin = reference.EXAMPLES if "train(" in example else ""
        code += f'void example_of_{item.name}() {{\n{begin}#line 1 "example of {item.name}"\n{example}\n{net}}}\n'
    return code


def compile_examples(command):
    errors = {path.stem for path in (ROOT / "docs/errors").glob("*.md")}
    items, _ = reference.read(ROOT / "include", errors)
    result = subprocess.run([*command, "-x", "c++", "-fsyntax-only", "-"], input=translation_unit(items), text=True,
                            capture_output=True, check=False, env=dict(os.environ, LC_ALL="C"))
    if result.returncode:
        raise SystemExit(result.stderr[:5000])
    print(f"{len(items)} examples compile")


# What is broken: a file, a text in it and another in its place, and what must be said.
FAULTS = (
    ("include/strata/layers/conv.hpp", "// Keras: ", "// Otherwise: ", "conv.hpp: Conv has no field Keras"),
    ("include/strata/layers/activations.hpp", "// Sets negative elements to zero. A NaN stays a NaN.\n", "",
     "activations.hpp: ReLU has no description"),
    ("include/strata/losses/losses.hpp", "// Formula: mean over c of (x_c - t_c)^2", "// Formula:",
     "losses.hpp: MeanSquaredError has no field Formula"),
    ("include/strata/losses/losses.hpp", "// Formula: mean over c of |x_c - t_c|", "// Formula: |x|\n// State: none",
     "losses.hpp: AbsoluteError has the field State, which losses do not have"),
    ("include/strata/optimizers/optimizers.hpp", "// State: m, one number for each parameter\n", "",
     "optimizers.hpp: Lion has no field State"),
    ("include/strata/optimizers/optimizers.hpp", "double rho = 0.9;                //", "double rho = 0.9;\n  //",
     "optimizers.hpp: RMSprop has a member rho without a comment"),
    ("include/strata/layers/dense.hpp", "needs_flat_input, input", "needs_flat_inputs, input",
     "dense.hpp: Dense names the error needs_flat_inputs, which has no page"),
    ("include/strata/optimizers/schedules.hpp", "double operator()(std::int64_t) const", "double rate(std::int64_t) const",
     "schedules.hpp: ConstantRate is not recognized"),
    ("include/strata/core/options.hpp", "struct NoBias", "struct Biasless", "options.hpp: Biasless is an option that no layer"),
    ("docs/reference/layers/Conv2.md", None, "# Conv2\n", "docs/reference/layers/Conv2.md: no item of the headers"),
)


def check_itself():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for part in ("include", "docs/errors"):
            shutil.copytree(ROOT / part, root / part)
        reference.pages(root)
        for name, text, wrong, says in FAULTS:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text() if text else None
            if text and text not in before:
                raise SystemExit(f"reference_test.py: {name} has no '{text}'")
            path.write_text(before.replace(text, wrong) if text else wrong)
            try:
                reference.pages(root)
            except reference.Fault as fault:
                if says not in str(fault):
                    raise SystemExit(f"reference_test.py: expected '{says}', got '{fault}'") from None
            else:
                raise SystemExit(f"reference_test.py: nobody says '{says}'")
            if text:
                path.write_text(before)
            else:
                path.unlink()
    broken = reference.Item("x.hpp", "layers", "Broken", "Broken", "struct Broken", "", "// Example: using Net = int;")
    if "constexpr auto parameters" not in translation_unit([broken]):
        raise SystemExit("reference_test.py: a network of an example is not instantiated")
    print(f"{len(FAULTS)} kinds of faults are found")


if __name__ == "__main__":
    if sys.argv[1:] == ["--self"]:
        check_itself()
    else:
        compile_examples(sys.argv[1:])
