#!/usr/bin/env bash
# examples/run.sh [--with-mpi] [NAME] [OPTION...]: builds an example and runs it; without a name, AlexNet for CIFAR-10, which
# without options trains for one epoch. Paths are those of the folder where it is called.
# --with-mpi installs Open MPI and builds it in; docs/several-machines.md says how several processes run the program.
# CXXFLAGS=-march=native examples/run.sh compiles everything for this processor, not only the dispatched kernels.
# --help is an option of the example: the script builds it first, then the example lists its options.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

mpi=OFF mpi_packages=()
if [[ ${1:-} == --with-mpi ]]; then
  mpi=ON mpi_packages=(libopenmpi-dev openmpi-bin)
  shift
fi
name=alexnet_cifar
if (($# > 0)) && [[ $1 != -* ]]; then
  name=$1
  shift
elif (($# == 0)); then
  set -- --epochs 1
fi
if [[ ! $name =~ ^[a-z0-9_]+$ || ! -f $root/examples/$name/main.cpp ]]; then
  echo "examples/run.sh: there is no example \"$name\"; expected one of$(cd "$root/examples" && printf ' %s' */main.cpp |
    sed 's,/main.cpp,,g')" >&2
  exit 2
fi

# A network is a type, and the number of its outputs is part of it: folders to train on, or names in a file of weights.
classes=0
if [[ $name == own_pictures && ${1:-} == train ]]; then
  folder=""
  for argument in "${@:2}"; do
    if [[ -d $argument ]]; then
      folder=$argument
      classes=$(find -L "$argument" -mindepth 1 -maxdepth 1 -type d ! -name '.*' -printf x | wc -c)
      break
    elif [[ $argument == --help || $argument == -h ]]; then
      classes=2
      break
    fi
  done
  # A wrong path shall not cost the minutes of a build.
  if ((classes < 2)); then
    if [[ $folder ]]; then
      found="$folder has fewer than two folders"
    else
      found="there is no folder${2:+ $2}"
    fi
    echo "examples/run.sh: own_pictures train: $found; expected the path of a folder that has one folder for each class, at least two" >&2
    exit 2
  fi
elif [[ $name == own_pictures && ${1:-} == predict ]]; then
  for argument in "${@:2}"; do
    if [[ -f $argument ]]; then
      # Each name ends with a line break, which JSON text has as \u000a or \n; \\ is a backslash in a name.
      names=$(head -c 16777216 -- "$argument" | grep -aoE '"strata\.classes": ?"([^"\\]|\\.)*"' | head -n 1 || true)
      classes=$(printf '%s' "$names" | sed 's/\\\\//g' | grep -oiE '\\(n|u000a)' | wc -l || true)
      break
    fi
  done
fi
if ((classes == 0)); then classes=2; fi

program="$root/build/examples/examples/$name/$name"
if [[ ! -x $program ]]; then
  echo "examples/run.sh: installs missing packages and builds $name, which takes some minutes the first time" >&2
fi
(
  cd "$root"
  ./cmake/install.sh g++ cmake ninja-build libeigen3-dev libcli11-dev dataset-fashion-mnist zlib1g-dev libcurl4-openssl-dev \
    libssl-dev libprotobuf-dev protobuf-compiler libpng-dev libjpeg-dev \
    "${mpi_packages[@]}"
  mkdir -p build/examples
  cmake -S . -B build/examples -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_FLAGS="${CXXFLAGS:-}" \
    -D STRATA_BUILD_EXAMPLES=ON -D STRATA_BUILD_TESTS=OFF -D STRATA_BUILD_BENCH=OFF -D STRATA_BUILD_MPI=$mpi \
    -D STRATA_CLASSES="$classes" >build/examples/configure.log 2>&1 || { cat build/examples/configure.log; exit 1; }
  cmake --build build/examples --target "$name"
) >&2

exec "$program" "$@"
