// SPDX-License-Identifier: BSL-1.0
// Where branches meet: sums for Residual, copies of channels for Concat; and conversions.
#pragma once
#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

template <class T>
struct AddForward {
  const T *a, *b;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    y[i] = T(static_cast<Compute<T>>(a[i]) + static_cast<Compute<T>>(b[i]));
  }
};

// Between a branch and its channels of the whole; the constant one of the two is read. An index is an element of the
// branch.
template <class Branch, class Whole>
struct ConcatCopy {
  int channels, total, offset;
  Branch* branch;
  Whole* whole;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t row = quotient(i, channels), at = row * total + offset + (i - row * channels);
    if constexpr (std::is_const_v<Branch>)
      whole[at] = branch[i];
    else
      branch[i] = whole[at];
  }
};

template <class From, class To>
struct Convert {
  const From* x;
  To* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = To(static_cast<Compute<From>>(x[i])); }
};
template <class T>
struct Copy {
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const { y[i] = x[i]; }
};

}  // namespace detail

// y = a + b; y may be a or b.
template <Run R, class T>
void add_forward(R& run, std::int64_t n, const T* a, const T* b, T* y) {
  run(n, detail::AddForward<T>{a, b, y});
}

// Copies a branch (rows, channels) into the whole (rows, total) from channel `offset` on; concat_take copies it back.
template <Run R, class T>
void concat_copy(R& run, std::int64_t rows, int channels, const T* branch, int total, int offset, T* whole) {
  run(rows * channels, detail::ConcatCopy<const T, T>{channels, total, offset, branch, whole});
}
template <Run R, class T>
void concat_take(R& run, std::int64_t rows, int channels, T* branch, int total, int offset, const T* whole) {
  run(rows * channels, detail::ConcatCopy<T, const T>{channels, total, offset, branch, whole});
}

template <Run R, class T>
void copy(R& run, std::int64_t n, const T* x, T* y) {
  run(n, detail::Copy<T>{x, y});
}
// float to Bf16, rounded to the nearest; or back, exact.
template <Run R, class From, class To>
void convert(R& run, std::int64_t n, const From* x, To* y) {
  run(n, detail::Convert<From, To>{x, y});
}

}  // namespace strata::inline STRATA_ABI::cuda
