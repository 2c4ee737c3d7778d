#!/usr/bin/env bash
# examples/run.sh [OPTION...]: builds AlexNet for CIFAR-10 and trains it; without options, for one epoch.
# CXXFLAGS=-march=native examples/run.sh compiles everything for this processor, not only the dispatched kernels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./cmake/install.sh g++ cmake ninja-build libeigen3-dev libcli11-dev dataset-fashion-mnist zlib1g-dev libcurl4-openssl-dev libssl-dev \
  libprotobuf-dev protobuf-compiler libpng-dev libjpeg-dev
cmake -S . -B build/examples -G Ninja -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_FLAGS="${CXXFLAGS:-}" \
  -D STRATA_BUILD_EXAMPLES=ON -D STRATA_BUILD_TESTS=OFF -D STRATA_BUILD_BENCH=OFF
cmake --build build/examples --target alexnet_cifar

if (($# == 0)); then set -- --epochs 1; fi
exec build/examples/examples/alexnet_cifar/alexnet_cifar "$@"
