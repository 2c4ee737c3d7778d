// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels are function objects that do the work of one element, without CUDA. A `Run` calls one for every
// index of [0, n), in any order. The device is a Run (device.hpp), and so is a loop, so that tests run the same lines on a
// machine without a GPU.
#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <strata/core/bf16.hpp>
#include <strata/core/host_device.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

namespace cuda {

// The type that computes with numbers of type T.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, Bf16>, float, T>;

template <class R>
concept Run = requires(R& run, void (*element)(std::int64_t)) { run(std::int64_t{}, element); };

}  // namespace cuda
}  // namespace strata::inline STRATA_ABI
