#!/usr/bin/env bash
# bench/run.sh [OPTION...]: strata beside its peers on the same network, data and optimizer, one and two threads: AlexNet in
# training and inference, then predictions of known networks. Installs what is missing, builds, measures in interleaved
# rounds, writes build/bench/table.md and prints it; the last lines are strata's ratios to the best peer of a row.
#   --peers A,B,...   only these (and strata), of: onednn2 onednn3 pytorch pytorch-compiled onnxruntime openvino keras
#                     libtorch dlib
#   --quick           one round, two threads, short: to see that it works
#   --full            more rounds, without a limit of time
#   --rounds N        so many rounds at most
#   --minutes N       what would take longer than that, installing apart, is left out (default 40)
#   --no-install      with what is there
#   --no-check        without comparing logits, losses and parameters first
#   --no-networks     AlexNet alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=onednn2,onednn3,pytorch,pytorch-compiled,onnxruntime,openvino,keras,libtorch,dlib
peers=$all
install=true
options=()
while (($# > 0)); do
  case $1 in
    --peers) peers=${2:?--peers needs a list}; shift ;;
    --rounds | --minutes) options+=("$1" "${2:?$1 needs a number}"); shift ;;
    --quick | --full | --no-check | --no-networks) options+=("$1") ;;
    --no-install) install=false ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "bench/run.sh: $1 is not an option; see --help" >&2; exit 2 ;;
  esac
  shift
done
for peer in ${peers//,/ }; do
  if [[ ,$all,strata, != *",$peer,"* ]]; then
    echo "bench/run.sh: there is no peer $peer; there are: strata ${all//,/ }" >&2
    exit 2
  fi
done

export PYTHONDONTWRITEBYTECODE=1
build=$PWD/build/bench
mkdir -p "$build/data" "$build/logs"
wanted() { [[ ,$peers, == *",$1,"* ]]; }

# --- Install: what cannot be had is missing, not an end. Progress goes to stderr, details to build/bench/logs. ----------
began=$SECONDS
debian() {  # debian NAME PACKAGE...
  local name=$1
  shift
  ./cmake/install.sh "$@" >>"$build/logs/install-$name.log" 2>&1 || echo "cannot install $*: see build/bench/logs/install-$name.log" >&2
}
pypi() {  # pypi VENV PACKAGE...: a virtual environment each, so that no peer chooses another's versions
  local venv=$build/venv/$1 name=$1
  shift
  [[ -e $venv/complete ]] && return
  local from=$SECONDS
  echo "installing $* (PyPI) ..." >&2
  if { python3 -m venv --clear "$venv" && "$venv/bin/python" -m pip install --disable-pip-version-check -q "$@" &&
    touch "$venv/complete"; } >>"$build/logs/install-$name.log" 2>&1; then
    echo "installed $*: $((SECONDS - from)) s" >&2
  else
    echo "cannot install $*: see build/bench/logs/install-$name.log" >&2
  fi
}
if $install; then
  ./cmake/install.sh g++ cmake ninja-build libeigen3-dev libprotobuf-dev protobuf-compiler python3 python3-venv util-linux
  if wanted onednn2; then debian onednn2 libdnnl-dev; fi
  # The BLAS of Debian's libraries: the one on OpenMP, whose threads do not fight with those of libtorch.
  if wanted libtorch; then debian libtorch libtorch-dev libopenblas0-openmp; fi
  if wanted dlib; then debian dlib libdlib-dev libopenblas-dev; fi
  if wanted onednn3; then pypi onednn onednn-devel-cpu-gomp; fi
  if wanted onnxruntime || wanted openvino; then pypi onnxruntime onnxruntime onnx numpy; fi
  if wanted openvino; then pypi openvino openvino numpy; fi
  if wanted pytorch || wanted pytorch-compiled; then pypi torch torch numpy onnx; fi
  if wanted keras; then pypi tensorflow tensorflow keras; fi
fi
installed=$((SECONDS - began))

# --- Build -----------------------------------------------------------------------------------------------------------
began=$SECONDS
cmake -S bench/peers -B "$build/bin" -G Ninja -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D ONEDNN3_ROOT="$build/venv/onednn" \
  >"$build/logs/configure.log" 2>&1 || { cat "$build/logs/configure.log" >&2; exit 1; }
cmake --build "$build/bin" --target strata_peer make_data peak >"$build/logs/build.log" 2>&1 ||
  { cat "$build/logs/build.log" >&2; exit 1; }
for peer in onednn2 onednn3 libtorch dlib; do
  wanted $peer || continue
  cmake --build "$build/bin" --target $peer >"$build/logs/build-$peer.log" 2>&1 ||
    { rm -f "$build/bin/$peer"; echo "cannot build $peer: see build/bench/logs/build-$peer.log" >&2; }
done
if [[ ! " ${options[*]} " =~ " --no-networks " ]]; then
  cmake --build "$build/bin" --target networks >"$build/logs/build-networks.log" 2>&1 ||
    { rm -f "$build/bin/networks"; echo "cannot build networks: see build/bench/logs/build-networks.log" >&2; }
fi
"$build/bin/make_data" "$build/data"
if wanted onnxruntime || wanted openvino; then
  "$build/venv/onnxruntime/bin/python" bench/peers/onnx_model.py "$build/data" "$build/data/alexnet.onnx" \
    >"$build/logs/onnx-model.log" 2>&1 || echo "cannot write the ONNX model: see build/bench/logs/onnx-model.log" >&2
fi
built=$((SECONDS - began))
echo "install $installed s, build $built s" >&2

exec python3 bench/peers/measure.py --build "$build" --peers "$peers" --install-seconds "$installed" \
  --build-seconds "$built" "${options[@]}"
