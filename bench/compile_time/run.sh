#!/usr/bin/env bash
# bench/compile_time/run.sh [COMPILER...]: what a user pays for each step, in CPU seconds and peak memory; g++ unless told
# otherwise. Flags: -std=c++20 -O2. Each figure is the best of three compilations, which take turns with those of the other rows.
# NB=9 sets the depth of deep_resnet.cpp: a ResNet of 6 NB + 2 layers.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

compilers=("$@")
if ((${#compilers[@]} == 0)); then compilers=(g++); fi
eigen=${EIGEN_INCLUDE:-/usr/include/eigen3}

for compiler in "${compilers[@]}"; do
  echo "$("$compiler" --version | head -n 1), -std=c++20 -O2"
  printf '%-22s %10s %10s\n' "" "CPU s" "peak MB"
  python3 - "$root" "$eigen" "${NB:-9}" "$compiler" -std=c++20 -O2 -c -o /dev/null <<'PYTHON'
import os
import subprocess
import sys

root, eigen, blocks, *compile = sys.argv[1:]
here = f"{root}/bench/compile_time"
strata = compile + [f"-I{root}/include", "-isystem", eigen]
deep = [f"{here}/deep_resnet.cpp", f"-DNB={blocks}"]
rows = {
    "include": strata + [f"{here}/include.cpp"],
    "network": strata + [f"{here}/network.cpp"],
    "training": strata + [f"{here}/training.cpp"],
    "compiled": strata + [f"{here}/training.cpp", "-DSTRATA_COMPILED"],
    "deep_resnet": strata + deep,
    "deep_resnet compiled": strata + deep + ["-DSTRATA_COMPILED"],
    "dlib": compile + [f"{root}/bench/peers/dlib.cpp"],
}
has_dlib = compile + ["-x", "c++", "-", "-fsyntax-only"]
if subprocess.run(has_dlib, input=b"#include <dlib/revision.h>\n", stderr=subprocess.DEVNULL).returncode != 0:
    del rows["dlib"]

best = {}
for _ in range(3):
    for row, command in rows.items():
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{row}: the compiler failed")
        # The driver's figures hold those of the compiler proper, which it waits for; memory is the largest process's.
        measured = (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
        best[row] = min(best.get(row, measured), measured)
for row, (seconds, memory) in best.items():
    print(f"{row:<22} {seconds:>10.2f} {memory:>10.0f}")
if "dlib" in best:
    print(f"compiled strata/dlib {best['compiled'][0] / best['dlib'][0]:.2f}")
else:
    print("compiled strata/dlib nan: dlib is not installed")
PYTHON
done
