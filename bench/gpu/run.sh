#!/usr/bin/env bash
# bench/gpu/run.sh [OPTION...]: strata on a GPU beside PyTorch on the same one, in turns: training steps and epochs. Builds,
# installs PyTorch where it is not there, measures, writes build/bench/gpu/table.md and prints it; the last five lines are
# strata's ratios to PyTorch's best way to run a step, and the seconds of an epoch. Where there is no GPU: exit code 77.
#   --cifar DIR       epochs of CIFAR-10 from there; without it, of 50,000 images made in memory
#   --variants A,B    only these of PyTorch: eager cudagraphs compile max-autotune compile-cudagraphs; '' is none
#   --precisions A,B  of tf32, bf16, float32 (all)
#   --rounds N        so many rounds at most (5)
#   --minutes N       what would take longer, installing apart, is left out (8); compiling gets shares of it
#   --seconds S       of each measurement (0.4)
#   --device N        which GPU (0)
#   --no-autotune     neither strata nor cuDNN for PyTorch tries which kernel is fastest
#   --python FILE     an interpreter that has PyTorch, in place of a virtual environment of our own
#   --no-install      with what is there
#   --no-build        with what was built before
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

install=true build_it=true python='' device=0 variants=all options=()
while (($# > 0)); do
  case $1 in
    --cifar | --precisions | --rounds | --minutes | --seconds) options+=("$1" "${2:?$1 needs a value}"); shift ;;
    --variants) variants=${2?--variants needs a value}; options+=("$1" "$2"); shift ;;
    --device) device=${2:?--device needs a number}; options+=("$1" "$2"); shift ;;
    --python) python=${2:?--python needs a file}; shift ;;
    --no-autotune) options+=("$1") ;;
    --no-install) install=false ;;
    --no-build) build_it=false ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "bench/gpu/run.sh: $1 is not an option; see --help" >&2; exit 2 ;;
  esac
  shift
done

# Before anything is installed: nothing here is of use without one.
if $install; then ./cmake/install.sh python3; fi
export PYTHONDONTWRITEBYTECODE=1
python3 bench/gpu/measure.py --probe

build=$PWD/build/bench/gpu
mkdir -p "$build/data" "$build/logs"
if $install; then ./cmake/install.sh g++ cmake ninja-build libeigen3-dev python3-venv python3-dev; fi

# --- PyTorch: of the environment, or ours from PyPI. torch.compile needs python3-dev and a compiler. ------------------------
sees() { "$1" -c 'import numpy, sys, torch; sys.exit(not torch.cuda.is_available())' >>"$build/logs/torch.log" 2>&1; }
torch=()
if [[ -n $variants ]]; then
  for candidate in ${python:+"$python"} python3 "$build/venv/bin/python"; do
    if sees "$candidate"; then
      python=$candidate torch=(--torch)
      break
    fi
  done
  if ((${#torch[@]} == 0)) && $install && [[ -z $python ]]; then
    echo "installing torch, numpy (PyPI) ..." >&2
    if { python3 -m venv --clear "$build/venv" &&
      "$build/venv/bin/python" -m pip install --disable-pip-version-check -q torch numpy; } >>"$build/logs/torch.log" 2>&1 &&
      sees "$build/venv/bin/python"; then
      python=$build/venv/bin/python torch=(--torch)
    fi
  fi
  if ((${#torch[@]} == 0)); then echo "PyTorch is missing: see build/bench/gpu/logs/torch.log" >&2; fi
fi

# --- Build ------------------------------------------------------------------------------------------------------------
began=$SECONDS
if $build_it; then
  # The card's own architecture, where it can be asked for: nothing is translated as it starts.
  architecture=$(nvidia-smi --id="$device" --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d '. ') ||
    architecture=90
  cmake -S . -B "$build/cmake" -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D STRATA_BUILD_CUDA=ON \
    -D CMAKE_CUDA_ARCHITECTURES="${architecture:-90}" -D STRATA_BUILD_TESTS=OFF -D STRATA_BUILD_EXAMPLES=OFF \
    >"$build/logs/configure.log" 2>&1 || { cat "$build/logs/configure.log" >&2; exit 1; }
  cmake --build "$build/cmake" --target bench_gpu_step bench_gpu_data >"$build/logs/build.log" 2>&1 ||
    { cat "$build/logs/build.log" >&2; exit 1; }
fi
programs=$build/cmake/bench/gpu
"$programs/bench_gpu_data" "$build/data"
built=$((SECONDS - began))
echo "build $built s" >&2

exec python3 bench/gpu/measure.py --build "$build" --data "$build/data" --step "$programs/bench_gpu_step" \
  --python "${python:-python3}" "${torch[@]}" --build-seconds "$built" "${options[@]}"
