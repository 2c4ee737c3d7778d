#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""version_test.py [--self] SOURCES VERSION: checks that all files that name the version of strata name VERSION, which is the one of
CMake. --self checks that a wrong version in each of them is found."""
import pathlib
import re
import sys

NUMBER = r"(\d+\.\d+\.\d+)"
# The file, what stands before and after the version, and how often.
PLACES = [("CHANGELOG.md", rf"\A# .*?^## \[{NUMBER}\] - \d{{4}}-\d\d-\d\d$", 1),  # the first entry
          ("CITATION.cff", rf'^version: "{NUMBER}"$', 1),
          ("packaging/vcpkg/strata/vcpkg.json", rf'^  "version": "{NUMBER}",$', 1),
          ("packaging/conan/conanfile.py", rf'^    version = "{NUMBER}"$', 1),
          ("packaging/conan/conandata.yml", rf'^  "{NUMBER}":$', 1),
          # None: at least once
          ("README.md", rf"\bv{NUMBER}\b", None),
          ("docs/install.md", rf"\bv{NUMBER}\b", None),
          ("docs/packages.md", rf"\bv?{NUMBER}\b", None)]


def faults(texts, version):
    for name, pattern, times in PLACES:
        found = re.findall(pattern, texts[name], re.MULTILINE | re.DOTALL)
        if (len(found) != times if times else not found) or set(found) != {version}:
            yield f"{name} names the versions {', '.join(found) or 'none'}; expected {version}"


def main():
    texts = {name: (pathlib.Path(sys.argv[-2]) / name).read_text(encoding="utf-8") for name, _, _ in PLACES}
    version = sys.argv[-1]
    if sys.argv[1] == "--self":
        for name, text in texts.items():
            for changed in (text.replace(version, "9.8.7"), text.replace(version, "")):
                found = list(faults({**texts, name: changed}, version))
                assert len(found) == 1 and found[0].startswith(name), (name, found)
        return
    found = list(faults(texts, version))
    if found:
        raise SystemExit("\n".join(found))
    print(f"{len(PLACES)} files name {version}")


if __name__ == "__main__":
    main()
