// SPDX-License-Identifier: BSL-1.0
// Where branches meet: sums for Residual, products for Gate, copies of channels for Concat; other orders of channels; and
// conversions.
#pragma once
#include <strata/backend/cuda/reduce.hpp>
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

// An index is an element of x.
template <class T>
struct GateElement {
  int area, channels;
  const T *x, *gate;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t row = quotient(i, channels), at = quotient(row, area) * channels + (i - row * channels);
    y[i] = T(static_cast<Compute<T>>(x[i]) * static_cast<Compute<T>>(gate[at]));
  }
};
// An index is an element of the gate.
template <class T>
struct GateGradient {
  int area, channels;
  const T *x, *dy;
  T* dgate;
  STRATA_HOST_DEVICE void operator()(std::int64_t o) const {
    const std::int64_t sample = quotient(o, channels), first = sample * area * channels + (o - sample * channels);
    Compute<T> sums[1];
    sum_range(0, area, sums, [&](std::int64_t k, Compute<T>* to) {
      const std::int64_t i = first + k * channels;
      to[0] += static_cast<Compute<T>>(dy[i]) * static_cast<Compute<T>>(x[i]);
    });
    dgate[o] = T(sums[0]);
  }
};

template <class T>
struct ShuffleChannels {
  int channels, groups;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const std::int64_t row = quotient(i, channels);
    const int at = static_cast<int>(i - row * channels), place = at / groups, group = at - place * groups;
    y[i] = x[row * channels + group * (channels / groups) + place];
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

// y = x gate: x (samples,area,C), gate (samples,C).
template <Run R, class T>
void gate_forward(R& run, std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, T* y) {
  run(samples * area * channels, detail::GateElement<T>{static_cast<int>(area), channels, x, gate, y});
}
// dx and dgate may be null.
template <Run R, class T>
void gate_backward(R& run, std::int64_t samples, std::int64_t area, int channels, const T* x, const T* gate, const T* dy,
                   T* dx, T* dgate) {
  if (dx) gate_forward(run, samples, area, channels, dy, gate, dx);
  if (dgate) run(samples * channels, detail::GateGradient<T>{static_cast<int>(area), channels, x, dy, dgate});
}

// y[j groups + i] = x[i C / groups + j] in each row of x (rows,C).
template <Run R, class T>
void shuffle_channels(R& run, std::int64_t rows, int channels, int groups, const T* x, T* y) {
  run(rows * channels, detail::ShuffleChannels<T>{channels, groups, x, y});
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
