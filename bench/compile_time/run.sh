#!/usr/bin/env bash
# bench/compile_time/run.sh [COMPILER...]: what a user pays for each step, in CPU seconds and peak memory; g++ unless told
# otherwise. Flags: -std=c++20 -O2. Each figure is the best of three compilations.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

compilers=("$@")
if ((${#compilers[@]} == 0)); then compilers=(g++); fi
eigen=${EIGEN_INCLUDE:-/usr/include/eigen3}

for compiler in "${compilers[@]}"; do
  echo "$("$compiler" --version | head -n 1), -std=c++20 -O2"
  printf '%-22s %10s %10s\n' "" "CPU s" "peak MB"
  for source in include network training; do
    python3 - "$source" "$compiler" -std=c++20 -O2 -c -o /dev/null -I"$root/include" -isystem "$eigen" \
      "$here/$source.cpp" <<'PYTHON'
import os
import subprocess
import sys

best = None
for _ in range(3):
    process = subprocess.Popen(sys.argv[2:])
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{sys.argv[1]}: the compiler failed")
    # The driver's figures hold those of the compiler proper, which it waits for; memory is the largest process's.
    measured = (usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    best = min(best, measured) if best else measured
print(f"{sys.argv[1]:<22} {best[0]:>10.2f} {best[1]:>10.0f}")
PYTHON
  done
done
