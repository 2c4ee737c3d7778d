// SPDX-License-Identifier: BSL-1.0
// The gradient of a bias: db (channels), the sum of dy (rows,channels) over its rows.
#pragma once
#include <strata/backend/cuda/reduce.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

template <class T>
struct SumItself {
  const T* x;
  STRATA_HOST_DEVICE void operator()(std::int64_t i, int, Compute<T>* sums) const {
    sums[0] += static_cast<Compute<T>>(x[i]);
  }
};
template <class C>
struct StoreSum {
  C* to;
  STRATA_HOST_DEVICE void operator()(int c, const C* sums) const { to[c] = sums[0]; }
};

}  // namespace detail

// Elements of scratch.
constexpr std::int64_t bias_gradient_scratch(std::int64_t rows, int channels) {
  return row_sums_scratch(1, rows, channels);
}

template <Run R, class T>
void bias_gradient(R& run, std::int64_t rows, int channels, const T* dy, Compute<T>* db, Compute<T>* scratch) {
  detail::sum_rows<1>(run, rows, channels, scratch, detail::SumItself<T>{dy}, detail::StoreSum<Compute<T>>{db});
}

}  // namespace strata::inline STRATA_ABI::cuda
