#!/usr/bin/env bash
# Usage: tests/cuda/sanitizer.sh [BUILD]
# Runs the tests that need a GPU, as the preset cuda built them into BUILD (build/cuda), under compute-sanitizer: memcheck,
# racecheck, initcheck. Ends with 0 where all is clean, 1 where something was found, 2 where the tests could not be run, 77
# where there is no GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=${1:-build/cuda}
shopt -s nullglob
programs=()
for source in tests/cuda/*_device_test.c{pp,u}; do
  name=$(basename "${source%.*}")
  program=$build/tests/cuda/cuda_$name
  if [[ ! -x $program ]]; then
    echo "sanitizer.sh: $program is not built: cmake --preset cuda && cmake --build --preset cuda --target cuda_tests" >&2
    exit 2
  fi
  programs+=("$program")
done

status=0
listed=$("${programs[0]}" --list-test-cases) || status=$?
if ((status == 77)); then
  reason=${listed%%$'\n'*}
  echo "sanitizer.sh: SKIPPED, nothing was checked: ${reason#SKIPPED: }"
  exit 77
fi
sanitizer=$(PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin command -v compute-sanitizer) || {
  echo "sanitizer.sh: compute-sanitizer is not installed; it comes with the CUDA toolkit" >&2
  exit 2
}

clean=0 found=()
for tool in memcheck racecheck initcheck; do
  for program in "${programs[@]}"; do
    name=${program##*/cuda_}
    # Their memory is the host's too: initcheck does not see what the host writes there, and they poison it themselves.
    if [[ $tool == initcheck && $name == *elements_device_test ]]; then continue; fi
    echo "== $tool: $name"
    # Memory that is cut from a large piece looks to memcheck as if it ended where the piece does.
    # Calls of CUDA that fail are no finding: the tests see to them.
    if STRATA_TEST_MEMORY=separate "$sanitizer" --tool "$tool" --error-exitcode 1 --report-api-errors no "$program"; then
      clean=$((clean + 1))
    else
      found+=("$tool: $name")
    fi
  done
done
echo "sanitizer.sh: $clean runs are clean"
if ((${#found[@]} > 0)); then
  printf 'sanitizer.sh: FAILED %s\n' "${found[@]}"
  exit 1
fi
