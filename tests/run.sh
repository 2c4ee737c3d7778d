#!/usr/bin/env bash
# tests/run.sh [--list | --help] [GROUP...]: runs the tests that a change must pass; without GROUP, all but aarch64, mingw and long.
# Installs missing packages, builds in build/, and ends with `N passed, N failed, N skipped`, which counts tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

legs=(format gcc clang libcxx compile-fail cuda examples packaging mpi sanitizers)
by_name=(aarch64 mingw long)  # these run only if they are named
declare -A about=(
  [format]="every source is formatted by clang-format-19"
  [gcc]="all targets and their tests with GCC"
  [clang]="the library, examples, benchmarks and tests of kernels with Clang 19; sanitizers has the other tests"
  [libcxx]="all headers and a few unit tests with Clang 19 and libc++"
  [aarch64]="only if named: the library and a few unit tests for aarch64, cross-compiled with GCC and run in QEMU"
  [mingw]="only if named: the library and unit tests for Windows, compiled by MinGW-w64 and run in Wine"
  [compile-fail]="mistakes give the promised errors: GCC, Clang, and nvcc if it is installed"
  [cuda]="the GPU backend with nvcc, and its tests; some of them need a GPU"
  [examples]="the examples"
  [packaging]="install and find_package, add_subdirectory, FetchContent, the Debian package, the single header"
  [mpi]="training by several processes with Open MPI"
  [sanitizers]="unit tests under address, undefined-behaviour and thread sanitizers; two processes under the last"
  [long]="only if named: ten times as many damaged files and drawn shapes; the example notes by nvcc"
)
tools=(g++ cmake ninja-build libeigen3-dev doctest-dev python3)
libraries=(libbenchmark-dev libcli11-dev zlib1g-dev libcurl4-openssl-dev libssl-dev libpng-dev libjpeg-dev libprotobuf-dev
  protobuf-compiler libopenmpi-dev openmpi-bin)
pypi=(python3-venv ca-certificates)
clang=(clang-19 libclang-rt-19-dev)
declare -A packages=(
  [format]="clang-format-19"
  [gcc]="${tools[*]} ${libraries[*]} dataset-fashion-mnist"
  [clang]="${tools[*]} ${libraries[*]} ${clang[*]} dataset-fashion-mnist"
  [libcxx]="${tools[*]} ${libraries[*]} ${clang[*]} libc++-19-dev libc++abi-19-dev"
  [aarch64]="${tools[*]}"
  [mingw]="${tools[*]}"
  [compile-fail]="${tools[*]} ${libraries[*]} ${clang[*]}"
  [cuda]="${tools[*]} ${libraries[*]}"
  [examples]="${tools[*]} ${libraries[*]} ${pypi[*]} dataset-fashion-mnist"
  [packaging]="${tools[*]} ${libraries[*]} pkg-config"
  [mpi]="${tools[*]} ${libraries[*]} iproute2 dataset-fashion-mnist"
  [sanitizers]="${tools[*]} ${libraries[*]} ${clang[*]} dataset-fashion-mnist"
  [long]="${tools[*]} ${libraries[*]}"
)

wanted=()
for argument in "$@"; do
  if [[ $argument == --help ]]; then
    sed -n '2,3s/^# //p' tests/run.sh
    exit 0
  elif [[ $argument == --list ]]; then
    for leg in "${legs[@]}" "${by_name[@]}"; do printf '%-13s %s\n' "$leg" "${about[$leg]}"; done
    exit 0
  elif [[ $argument == -* || ! -v about[$argument] ]]; then
    echo "tests/run.sh: unknown group '$argument'; the groups are: ${legs[*]} ${by_name[*]}" >&2
    exit 2
  fi
  wanted+=("$argument")
done
if ((${#wanted[@]} == 0)); then wanted=("${legs[@]}"); fi

# One job per processor, limited by memory: a compiler takes up to 1.5 GB.
memory=$(($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) * 1024))
limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
if [[ $limit != max ]] && ((limit < memory)); then memory=$limit; fi
jobs=$((memory / 1500000000)) processors=$(nproc)
if ((jobs > processors)); then jobs=$processors; elif ((jobs < 1)); then jobs=1; fi
passed=0 failed=0 skipped=0

# Sets the tests' Python to one with the packages in tests/requirements.txt, if they can be installed.
python=
python_packages() {
  local venv=$PWD/build/venv
  if ! cmp -s tests/requirements.txt "$venv/installed" || ! "$venv/bin/python" -c ''; then
    if ! { python3 -m venv --clear "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check -q -r tests/requirements.txt &&
      cp tests/requirements.txt "$venv/installed"; }; then
      rm -rf "$venv"
      echo "SKIPPED: the packages in tests/requirements.txt cannot be installed from PyPI; tests that need them are skipped" >&2
      return
    fi
  fi
  python=$venv/bin/python
  # Not for every version of Python.
  "$python" -m pip install --disable-pip-version-check -q openvino==2026.4.1 ||
    echo "SKIPPED: openvino cannot be installed from PyPI; ONNX files are not run in it" >&2
}

configure() { cmake --preset "$1" -D STRATA_QUICK=ON -D Python3_EXECUTABLE="${python:-$(command -v python3)}" "${@:2}"; }
configure_gcc() { configure gcc -D STRATA_BUILD_MPI=ON; }  # several groups share this build
build() { cmake --build "build/$1" --parallel "$jobs" "${@:2}" -- -k 0; }  # -k 0: show all errors

# check PRESET [CTEST OPTION...]: runs tests and adds their counts to the summary.
check() {
  local preset=$1 results status=0
  shift
  results=$PWD/build/$preset/results.xml
  rm -f "$results"
  ctest --test-dir "build/$preset" --parallel "$jobs" --output-on-failure --no-tests=error --output-junit "$results" "$@" ||
    status=$?
  if [[ -f $results ]]; then
    python3 - "$results" >>"$counts" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree
tests = tree.parse(sys.argv[1]).getroot().findall("testcase")
failed = sum(test.get("status") == "fail" for test in tests)
passed = sum(test.get("status") == "run" for test in tests)
print(passed, failed, len(tests) - passed - failed)
PYTHON
  fi
  return "$status"
}

# Each group runs in its own shell with `set -e`, so it stops at the first command that fails.
leg_format() {
  find include tests examples bench docs packaging -path packaging/conan/test_package/build -prune -o \
    -type f \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' \) -print0 |
    xargs -0 clang-format-19 --dry-run -Werror
  # When it assigns `{.b = 1}` to an existing object, nvcc 13.0 treats it as `{1}`.
  if grep -rnE '(^|[{;(]) *[A-Za-z_][A-Za-z_0-9.>()-]*(\[[^]]*\])? = \{ *\.[a-z]' include examples tests/cuda; then
    echo "format: write the type, as in x = X{.b = 1}; without it nvcc ignores the names"
    return 1
  fi
  echo "2 0 0" >>"$counts"  # these are two tests
}
leg_gcc() {
  configure_gcc
  build gcc
  # Each kernels.PATH is unit.conformance_test for one path.
  check gcc -LE '^(compile_fail|packaging|examples|mpi)$' -E '^unit\.conformance_test$'
}
leg_clang() {
  configure clang
  build clang --target examples benchmarks compile_tests kernel_tests
  # GCC's leg draws all shapes.
  STRATA_TEST_EFFORT=0.5 check clang -L '^(kernels|static)$' -E '^unit\.conformance_test$'
}
leg_libcxx() {
  configure libcxx
  build libcxx --target odr_test checkpoint_test data_test data_info_test weights_test
  check libcxx -R '^(static\.odr|unit\.(checkpoint|data|data_info|weights)_test)$'
}
leg_aarch64() {
  local skipped=""
  if [[ $(uname -m) == aarch64 ]]; then
    skipped="this processor is one, and the other groups test it"
  elif ! ./cmake/install.sh g++-aarch64-linux-gnu qemu-user; then
    skipped="g++-aarch64-linux-gnu and qemu-user cannot be installed"
  fi
  if [[ $skipped ]]; then
    echo "aarch64: ALL SKIPPED: $skipped"
    echo "0 0 1" >>"$counts"
    return
  fi
  configure aarch64
  # QEMU computes vectors one number at a time, so these are the tests of kernels, and of what else depends on the processor.
  build aarch64 --target gemm_test conformance_test inference_test checkpoint_test model_test summary_test quick_start
  STRATA_TEST_EFFORT=0.005 check aarch64 -R '^(unit\.(gemm|conformance|inference|checkpoint|model|summary)_test|examples\.quick_start)$'
}
leg_mingw() {
  if ! ./cmake/install.sh g++-mingw-w64-x86-64-posix libz-mingw-w64-dev; then
    echo "mingw: ALL SKIPPED: g++-mingw-w64-x86-64-posix and libz-mingw-w64-dev cannot be installed"
    echo "0 0 1" >>"$counts"
    return
  fi
  configure mingw
  build mingw --target unit_tests quick_start
  if ! ./cmake/install.sh wine wine64; then
    echo "mingw: wine cannot be installed, so the programs were compiled, and their tests SKIPPED"
    echo "0 0 1" >>"$counts"
    return
  fi
  # A server that a test starts would keep the test's output open, and CTest would wait for it.
  export WINEDEBUG=-all WINEPREFIX=$PWD/build/mingw/wine
  # First, since it cannot start while the server that wineboot starts comes up or ends.
  mkdir -p "$WINEPREFIX"
  /usr/lib/wine/wineserver -p300 </dev/null >/dev/null 2>&1 || true  # seconds after the last program; fails if one runs
  wine wineboot </dev/null >/dev/null 2>&1
  STRATA_TEST_EFFORT=0.1 check mingw -R '^(unit\..*_test|examples\.quick_start)$'
}
leg_compile-fail() {
  local status=0
  configure_gcc
  check gcc -L '^compile_fail$' || status=1
  configure clang
  check clang -L '^compile_fail$' || status=1
  if ! command -v nvcc >/dev/null && [[ ! -x /usr/local/cuda/bin/nvcc ]]; then
    echo "compile-fail: nvcc is not installed, so its tests were SKIPPED"
  fi
  return "$status"
}
leg_cuda() {
  # Skip without the toolkit and cuDNN, which come from NVIDIA and not from Debian.
  local found
  found=$(cmake --preset cuda -D STRATA_BUILD_CUDA=OFF) || { echo "$found"; return 1; }
  if [[ ! $found =~ components:[^$'\n']*cuda ]] || { ! command -v nvcc >/dev/null && [[ ! -x /usr/local/cuda/bin/nvcc ]]; }; then
    echo "cuda: ALL SKIPPED: nvcc or cuDNN 9 is not installed; the GPU backend was not compiled"
    echo "0 0 1" >>"$counts"
    return
  fi
  configure cuda
  build cuda --target cuda_tests
  local status=0 without
  check cuda -L '^cuda$' || status=1
  without=$(awk '{ skipped += $3 } END { print skipped + 0 }' "$counts")
  if ((without > 0)); then
    sed -n '/^SKIPPED/,/^\[doctest\] unskipped/p' build/cuda/Testing/Temporary/LastTest.log | sed '/^\[doctest\]\|^===/d'
    echo "cuda: $without test programs need a GPU and were SKIPPED, with the tests listed above"
  fi
  return "$status"
}
leg_examples() {
  python_packages
  configure_gcc
  build gcc --target examples
  check gcc -L '^examples$'
}
leg_packaging() {
  configure_gcc
  build gcc --target strata_compiled  # it is installed if it is there
  check gcc -L '^packaging$'
}
leg_mpi() {
  configure_gcc
  build gcc --target mpi_tests
  check gcc -L '^mpi$'
}
leg_long() {
  configure_gcc
  build gcc --target fuzz_test conformance_test
  STRATA_TEST_EFFORT=10 check gcc -R '^unit\.(fuzz|conformance)_test$'
  if command -v nvcc >/dev/null || [[ -x /usr/local/cuda/bin/nvcc ]]; then
    configure cuda
    build cuda --target notes
  fi
}
# can_start SANITIZER: whether an empty program runs with it.
can_start() {
  echo 'int main() {}' | clang++-19 -x c++ -fsanitize="$1" -o "$scratch/least" - && "$scratch/least"
}
leg_sanitizers() {
  local status=0
  configure asan
  build asan --target unit_tests
  STRATA_TEST_EFFORT=0.5 check asan -L '^unit$' || status=1
  if grep -qE '^add_test.*\bunit\.' build/asan/tests/CTestTestfile.cmake &&
    grep -q 'LABELS "unit;threads"' build/asan/tests/CTestTestfile.cmake; then
    # The thread sanitizer needs memory at fixed addresses, which some kernels and containers do not allow.
    if ! can_start thread; then
      echo "sanitizers: programs with the thread sanitizer do not start here, so its tests were SKIPPED"
      echo "0 0 1" >>"$counts"
      return "$status"
    fi
    configure tsan -D STRATA_BUILD_MPI=ON
    build tsan --target thread_tests mpi_together
    STRATA_TEST_EFFORT=0.1 check tsan -L '^threads$' || status=1
    check tsan -R '^mpi\.together_2$' || status=1
  fi
  return "$status"
}

summary=()
result=0
# Tests write some gigabytes, more than /tmp may hold, in particular if it is in memory.
mkdir -p build
scratch=$(mktemp -d "$PWD/build/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
counts=$scratch/counts
for leg in "${wanted[@]}"; do
  echo "=== $leg: ${about[$leg]}"
  start=$SECONDS
  : >"$counts"
  status=0
  read -ra needed <<<"${packages[$leg]}"
  # Not `(set -e; ...) || status=$?`, because bash ignores set -e on the left of ||, even inside the parentheses.
  set +e
  (
    set -e
    ./cmake/install.sh "${needed[@]}"
    "leg_$leg"
  )
  status=$?
  set -e
  bad=0
  while read -r p f s; do
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s)) bad=$((bad + f))
  done <"$counts"
  if ((status != 0)); then
    result=1
    # A group that fails before its tests counts as one failed test.
    if ((bad == 0)); then failed=$((failed + 1)); fi
  fi
  verdict=passed
  if ((status != 0)); then verdict=FAILED; fi
  summary+=("$(printf '%-13s %-6s %4d s' "$leg" "$verdict" $((SECONDS - start)))")
  echo "=== ${summary[-1]}"
done

echo
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
exit "$result"
