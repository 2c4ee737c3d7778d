#!/usr/bin/env bash
# bench/recipe.sh [ROUNDS [THREADS]]: a training step of the network of cifar_fast beside PyTorch, in turns. Installs what is
# missing, builds, and prints each round and the ratio of the medians: `recipe train strata/pytorch 1.62`. The next line
# compares with PyTorch in bfloat16, which strata has on GPUs only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-3} threads=${2:-2} steps=3
venv=$PWD/build/bench/venv/torch
./cmake/install.sh g++ cmake ninja-build libeigen3-dev python3 python3-venv libbenchmark-dev >&2
if [[ ! -e $venv/complete ]]; then
  python3 -m venv --clear "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check -q torch numpy >&2
  touch "$venv/complete"
fi
cmake -S . -B build/recipe -G Ninja -D CMAKE_BUILD_TYPE=Release -D STRATA_BUILD_TESTS=OFF -D STRATA_BUILD_EXAMPLES=OFF \
  -D STRATA_BUILD_BENCH=ON >&2
cmake --build build/recipe --target bench_recipe >&2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
run() {  # run NAME COMMAND...
  "${@:2}" >"$scratch/out"
  grep '^parameters' "$scratch/out" >"$scratch/$1.parameters"
  sed -n 's/^step //p' "$scratch/out" | tee -a "$scratch/$1" | sort -n | sed -n "$(((steps + 1) / 2))p" | sed "s/^/$1 /;s/\$/ s/"
}
for ((round = 1; round <= rounds; ++round)); do
  run strata build/recipe/bench/bench_recipe "$threads" "$steps"
  run pytorch "$venv/bin/python" bench/recipe.py "$threads" "$steps"
  run pytorch-bf16 "$venv/bin/python" bench/recipe.py "$threads" "$steps" bf16
done
cmp "$scratch/strata.parameters" "$scratch/pytorch.parameters"  # the same network
median() { sort -n "$scratch/$1" | awk '{ x[NR] = $1 } END { print (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }'; }
awk -v s="$(median strata)" -v p="$(median pytorch)" -v b="$(median pytorch-bf16)" \
  'BEGIN { printf "recipe train strata/pytorch %.2f\nrecipe train strata float32/pytorch bfloat16 %.2f\n", p / s, b / s }'
