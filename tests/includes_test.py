#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks the include graph of the headers.

includes_test.py FOLDER   FOLDER is the include folder, which holds strata/. Prints each fault with its file and line.
includes_test.py --self   Breaks each rule once in a small tree and checks that the fault is found.
"""
import collections
import pathlib
import re
import statistics
import sys
import tempfile

# The rooms that the headers of a room may include; its own room needs no mention. A room is a folder below strata/, and each
# folder below backend/ is one. The headers directly in strata/ are the room "top".
BASE = {"core", "util"}
MODEL = BASE | {"layers", "model"}
TRAINING = BASE | {"losses", "optimizers", "model", "data"}
IO = BASE | {"layers", "data", "model", "training"}
BACKEND = BASE | {"layers", "losses", "optimizers", "model", "data", "training"}
ALLOWED = {
    "core": set(),
    "util": set(),
    "layers": BASE,
    "losses": BASE,
    "optimizers": BASE,
    "interop": BASE | {"layers"},
    "data": BASE,
    "model": MODEL,
    "training": TRAINING,
    "io": IO,
    "report": IO | {"io"},
    "parallel": BASE | {"training"},
    "backend/reference": BASE | {"layers"},
    "backend/cpu": BACKEND,
    "backend/cuda": BACKEND,
    # The CPU's threads and instruction sets, and the GPU's kernels of single elements.
    "backend/cpu_bf16": BACKEND | {"backend/cpu", "backend/cuda"},
}
ALLOWED["top"] = set(ALLOWED)
NO_BACKEND = ("model", "training")  # not even through other headers
EVERYWHERE = {"core/linkage.hpp"}  # one macro
MAX_LINES = 400
# The only header that includes headers of a system, so that a port is one file; and what counts as one.
SYSTEM = "util/system_impl.hpp"
OF_SYSTEM = re.compile(r"(sys|linux|netinet|arpa)/.*|(dirent|dlfcn|fcntl|io|poll|process|pthread|sched|signal|unistd|windows)\.h")

# X_impl.hpp defines the functions that X.hpp declares and is a part of it. X.hpp ends with this, so that nobody misses them.
IMPL = "_impl.hpp"
ENDING = "#if !defined(STRATA_COMPILED)\n#include <strata/{}>\n#endif\n"

# The headers of the standard library: what core/ may include beside core/.
STANDARD = set("""algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
climits clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint cstdio
cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream functional future
initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex new
numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location
span sstream stack stdexcept stop_token streambuf string string_view syncstream system_error thread tuple type_traits typeindex
typeinfo unordered_map unordered_set utility valarray variant vector version""".split())

DIRECTIVE = re.compile(r"^\s*#\s*include(?:_next)?\s*(.*)$")
TARGET = re.compile(r'<([^>]*)>|"([^"]*)"')

Include = collections.namedtuple("Include", "line name quoted")


def room_of(name):
    """The room of a header, named by its path below strata/."""
    folders = name.split("/")[:-1]
    if not folders:
        return "top"
    return "/".join(folders[:2] if folders[0] == "backend" else folders[:1])


def owner_of(name):
    """X.hpp of X_impl.hpp; any other header itself."""
    return name.removesuffix(IMPL) + ".hpp" if name.endswith(IMPL) else name


def impl_of(name):
    return name.removesuffix(".hpp") + IMPL


def may_include_impl(name, target):
    """Whether a header may include the X_impl.hpp `target`: X.hpp, other _impl headers and backends may."""
    return name == owner_of(target) or name.endswith(IMPL) or name.startswith("backend/")


def includes_of(text):
    """Every include of a header, with its line. A name that is a macro is None."""
    found, in_comment = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if in_comment:
            _, in_comment, line = ("", False, line.split("*/", 1)[1]) if "*/" in line else ("", True, "")
        line = re.sub(r"/\*.*?\*/", "", line)
        match = DIRECTIVE.match(line)
        if match:
            target = TARGET.match(match[1])
            if target and match[1].startswith("<strata "):
                continue  # a message, which ends the compilation
            found.append(Include(number, (target[1] or target[2]) if target else None, bool(target and target[2])))
        elif "/*" in line.split("//")[0] and '"' not in line:
            in_comment = True
    return found


def cycle_in(edges):
    """A cycle in {node: {node, ...}} as a list that begins and ends with the same node, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in sorted(edges.get(node, ())):
            if cycle := visit(following):
                return cycle
        path.pop()
        done.add(node)
        return None

    for node in sorted(edges):
        if cycle := visit(node):
            return cycle
    return None


def path_to_backend(name, edges):
    """The shortest chain of includes from a header to one below backend/, or None."""
    queue, seen = collections.deque([[name]]), {name}
    while queue:
        path = queue.popleft()
        if path[-1].startswith("backend/"):
            return path
        for following in sorted(edges.get(path[-1], ())):
            if following not in seen:
                seen.add(following)
                queue.append([*path, following])
    return None


def check(folder):
    """The faults of a tree, and the numbers of lines of its headers."""
    root = pathlib.Path(folder) / "strata"
    texts = {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.hpp"))}
    faults, edges, first_line = [], {owner_of(name): set() for name in texts}, {}
    room_edges, room_line = collections.defaultdict(set), {}

    def fault(name, line, says):
        faults.append(f"strata/{name}:{line}: {says}")

    for name, text in texts.items():
        room = room_of(name)
        if room not in ALLOWED:
            fault(name, 1, f"the room {room} has no row in the table of this test")
        if (length := len(text.splitlines())) > MAX_LINES:
            fault(name, length, f"{length} lines; at most {MAX_LINES} are allowed")
        if name.endswith(IMPL):
            if owner_of(name) not in texts:
                fault(name, 1, f"there is no header {owner_of(name)}, whose functions it would define")
            elif not any(target == f"strata/{owner_of(name)}" for _, target, _ in includes_of(text)):
                fault(name, 1, f"does not include <strata/{owner_of(name)}>")
        elif impl_of(name) in texts and not text.endswith(ENDING.format(impl_of(name))):
            fault(name, length, f"does not end with the include of {impl_of(name)} for users without STRATA_COMPILED")
        for line, target, quoted in includes_of(text):
            if target is None:
                fault(name, line, "this test cannot follow an include of a macro")
                continue
            ours = target.removeprefix("strata/")
            if quoted or (not target.startswith("strata/") and target in texts):
                fault(name, line, f"{target} must be included as <strata/...>")
                # Follow it all the same: a path below the includer's folder, or below strata/.
                beside = (pathlib.PurePosixPath(name).parent / target).as_posix()
                ours = beside if beside in texts else ours
            elif not target.startswith("strata/"):
                if OF_SYSTEM.fullmatch(target) and name != SYSTEM and room != "core":
                    fault(name, line, f"only {SYSTEM} may include <{target}>, a header of the system")
                if room == "core" and target not in STANDARD:
                    fault(name, line, f"core/ includes <{target}>, which is not in the standard library")
                continue
            if ours not in texts:
                # protoc writes strata/x.pb.h from strata/x.proto while building.
                if not (ours.endswith(".pb.h") and (root / ours.replace(".pb.h", ".proto")).exists()):
                    fault(name, line, f"there is no header <{target}>")
                continue
            if ours.endswith(IMPL) and not may_include_impl(name, ours):
                fault(name, line, f"must include <strata/{owner_of(ours)}> instead of <strata/{ours}>")
            if owner_of(name) != owner_of(ours):
                edges[owner_of(name)].add(owner_of(ours))
                first_line.setdefault((owner_of(name), owner_of(ours)), (name, line))
            other = room_of(ours)
            if other == room or ours in EVERYWHERE:
                continue
            room_edges[room].add(other)
            room_line.setdefault((room, other), (name, line))
            if other not in ALLOWED.get(room, set()):
                fault(name, line, f"{room} must not include {other} (<strata/{ours}>)")

    for name in edges:
        if room_of(name) in NO_BACKEND and (path := path_to_backend(name, edges)):
            fault(*first_line[path[0], path[1]], f"reaches a backend: {' -> '.join(path)}")
    if cycle := cycle_in(edges):
        fault(*first_line[cycle[0], cycle[1]], f"the headers form a cycle: {' -> '.join(cycle)}")
    if cycle := cycle_in(room_edges):
        fault(*room_line[cycle[0], cycle[1]], f"the rooms form a cycle: {' -> '.join(cycle)}")
    return faults, [len(text.splitlines()) for text in texts.values()]


# --- The test of this test --------------------------------------------------------------------------------------------

GOOD = {
    "core/shape.hpp": "#pragma once\n#include <vector>\n",
    "core/errors.hpp": "#pragma once\n#if 0\n#include <strata needs this>\n#endif\n",
    "core/table.hpp": "#pragma once\n#include <strata/core/shape.hpp>\n",
    "layers/conv.hpp": "#pragma once\n#include <strata/core/table.hpp>\n",
    "model/model.hpp": "#pragma once\n/* A comment\n#include <strata/backend/cpu/conv.hpp>\n*/\n"
                       "// #include <strata/backend/cpu/conv.hpp>\n#include <strata/layers/conv.hpp>\n",
    "core/linkage.hpp": "#pragma once\n",
    "training/loop.hpp": "#pragma once\n#include <strata/model/model.hpp>\n" + ENDING.format("training/loop_impl.hpp"),
    "training/loop_impl.hpp": "#pragma once\n#include <strata/training/loop.hpp>\n",
    "util/system.hpp": "#pragma once\n" + ENDING.format("util/system_impl.hpp"),
    "util/system_impl.hpp": "#pragma once\n#include <sys/stat.h>\n#include <strata/util/system.hpp>\n",
    "util/numbers.hpp": "#pragma once\n" + ENDING.format("util/numbers_impl.hpp"),
    "util/numbers_impl.hpp": "#pragma once\n#include <strata/core/linkage.hpp>\n#include <strata/util/numbers.hpp>\n",
    "io/events.hpp": "#pragma once\n#include <strata/io/events.pb.h>\n",
    "io/events.proto": "",
    "backend/cpu/conv.hpp": "#pragma once\n#include <Eigen/Core>\n#include <strata/model/model.hpp>\n",
    "backend/cuda/conv.hpp": "#pragma once\n#include <strata/model/model.hpp>\n#include <strata/training/loop_impl.hpp>\n",
    "strata.hpp": "#pragma once\n#include <strata/backend/cpu/conv.hpp>\n#include <strata/training/loop.hpp>\n",
}

# What is appended to a header (or the whole of a new one), and the faults that must be found: all of them, and no other.
BROKEN = {
    "an edge that is not allowed": (
        {"layers/conv.hpp": "#include <strata/io/events.hpp>\n"},
        ["strata/layers/conv.hpp:3: layers must not include io (<strata/io/events.hpp>)"]),
    "one backend includes the other": (
        {"backend/cpu/conv.hpp": "#include <strata/backend/cuda/conv.hpp>\n"},
        ["strata/backend/cpu/conv.hpp:4: backend/cpu must not include backend/cuda (<strata/backend/cuda/conv.hpp>)"]),
    "a room without a row": (
        {"attic/box.hpp": "#pragma once\n"}, ["strata/attic/box.hpp:1: the room attic has no row in the table of this test"]),
    "a path to a backend": (
        {"core/table.hpp": "#include <strata/util/helper.hpp>\n",
         "util/helper.hpp": "#pragma once\n#include <strata/backend/cuda/ops.hpp>\n",
         "backend/cuda/ops.hpp": "#pragma once\n"},
        ["strata/core/table.hpp:3: core must not include util (<strata/util/helper.hpp>)",
         "strata/util/helper.hpp:2: util must not include backend/cuda (<strata/backend/cuda/ops.hpp>)",
         "strata/model/model.hpp:6: reaches a backend: model/model.hpp -> layers/conv.hpp -> core/table.hpp -> util/helper.hpp "
         "-> backend/cuda/ops.hpp",
         "strata/training/loop.hpp:2: reaches a backend: training/loop.hpp -> model/model.hpp -> layers/conv.hpp -> "
         "core/table.hpp -> util/helper.hpp -> backend/cuda/ops.hpp",
         "strata/model/model.hpp:6: the rooms form a cycle: model -> layers -> core -> util -> backend/cuda -> model"]),
    "a cycle of headers": (
        {"core/shape.hpp": "# include <strata/core/table.hpp>\n"},
        ["strata/core/table.hpp:2: the headers form a cycle: core/table.hpp -> core/shape.hpp -> core/table.hpp"]),
    "a cycle of rooms": (
        {"core/table.hpp": "#include <strata/layers/dense.hpp>\n", "layers/dense.hpp": "#pragma once\n"},
        ["strata/core/table.hpp:3: core must not include layers (<strata/layers/dense.hpp>)",
         "strata/layers/conv.hpp:2: the rooms form a cycle: layers -> core -> layers"]),
    "quotes": (
        {"layers/conv.hpp": '#include "strata/core/shape.hpp"\n'},
        ["strata/layers/conv.hpp:3: strata/core/shape.hpp must be included as <strata/...>"]),
    "a path from the same folder": (
        {"core/table.hpp": '#include "shape.hpp"\n'},
        ["strata/core/table.hpp:3: shape.hpp must be included as <strata/...>"]),
    "angle brackets without strata/": (
        {"layers/conv.hpp": "#include <core/shape.hpp>\n"},
        ["strata/layers/conv.hpp:3: core/shape.hpp must be included as <strata/...>"]),
    "a header that is not there": (
        {"layers/conv.hpp": "#include <strata/core/lost.hpp>\n"},
        ["strata/layers/conv.hpp:3: there is no header <strata/core/lost.hpp>"]),
    "a macro": (
        {"layers/conv.hpp": "#include HEADER\n"},
        ["strata/layers/conv.hpp:3: this test cannot follow an include of a macro"]),
    "a long header": (
        {"layers/conv.hpp": "\n" * 399}, ["strata/layers/conv.hpp:401: 401 lines; at most 400 are allowed"]),
    "the bodies of another header": (
        {"io/events.hpp": "#include <strata/training/loop_impl.hpp>\n"},
        ["strata/io/events.hpp:3: must include <strata/training/loop.hpp> instead of <strata/training/loop_impl.hpp>"]),
    "bodies that nobody includes": (
        {"layers/conv_impl.hpp": "#pragma once\n#include <strata/layers/conv.hpp>\n"},
        ["strata/layers/conv.hpp:2: does not end with the include of layers/conv_impl.hpp for users without STRATA_COMPILED"]),
    "bodies without declarations": (
        {"layers/pool_impl.hpp": "#pragma once\n"},
        ["strata/layers/pool_impl.hpp:1: there is no header layers/pool.hpp, whose functions it would define"]),
    "bodies that do not see their declarations": (
        {"layers/pool.hpp": "#pragma once\n" + ENDING.format("layers/pool_impl.hpp"), "layers/pool_impl.hpp": "#pragma once\n"},
        ["strata/layers/pool_impl.hpp:1: does not include <strata/layers/pool.hpp>"]),
    "a cycle through bodies": (
        {"model/model.hpp": ENDING.format("model/model_impl.hpp"),
         "model/model_impl.hpp": "#pragma once\n#include <strata/model/model.hpp>\n#include <strata/model/uses.hpp>\n",
         "model/uses.hpp": "#pragma once\n#include <strata/model/model.hpp>\n"},
        ["strata/model/model_impl.hpp:3: the headers form a cycle: model/model.hpp -> model/uses.hpp -> model/model.hpp"]),
    "bodies that reach a backend": (
        {"training/loop_impl.hpp": "#include <strata/backend/cpu/conv.hpp>\n"},
        ["strata/training/loop_impl.hpp:3: training must not include backend/cpu (<strata/backend/cpu/conv.hpp>)",
         "strata/training/loop_impl.hpp:3: reaches a backend: training/loop.hpp -> backend/cpu/conv.hpp"]),
    "core includes another library": (
        {"core/shape.hpp": "#include <Eigen/Core>\n"},
        ["strata/core/shape.hpp:3: core/ includes <Eigen/Core>, which is not in the standard library"]),
    "a header of the system": (
        {"util/numbers_impl.hpp": "#include <csignal>\n#include <sys/mman.h>\n", "layers/conv.hpp": "#include <unistd.h>\n"},
        ["strata/layers/conv.hpp:3: only util/system_impl.hpp may include <unistd.h>, a header of the system",
         "strata/util/numbers_impl.hpp:5: only util/system_impl.hpp may include <sys/mman.h>, a header of the system"]),
    "core includes a header of the system": (
        {"core/shape.hpp": "#include <unistd.h>\n"},
        ["strata/core/shape.hpp:3: core/ includes <unistd.h>, which is not in the standard library"]),
}


def faults_of(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / "strata" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check(folder)[0]


def check_self():
    # An allowed cycle would permit what the test of cycles forbids.
    if cycle := cycle_in({room: others - {room} for room, others in ALLOWED.items()}):
        raise SystemExit(f"includes_test.py: the table allows the cycle {' -> '.join(cycle)}")
    if found := faults_of(GOOD):
        raise SystemExit("includes_test.py: a good tree is refused:\n" + "\n".join(found))
    for what, (changes, expected) in BROKEN.items():
        found = faults_of(GOOD | {name: GOOD.get(name, "") + text for name, text in changes.items()})
        if found != expected:
            raise SystemExit(f"includes_test.py: {what}: found\n" + "\n".join(found) + "\ninstead of\n" + "\n".join(expected))
    print(f"{len(BROKEN)} broken trees, each found")


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    if sys.argv[1] == "--self":
        return check_self()
    faults, lengths = check(sys.argv[1])
    if not lengths:
        raise SystemExit(f"includes_test.py: {sys.argv[1]} holds no header of strata")
    print("\n".join(faults + [f"{len(lengths)} headers, median length {statistics.median(lengths):g} lines, "
                              f"{len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
