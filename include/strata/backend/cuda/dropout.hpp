// SPDX-License-Identifier: BSL-1.0
// Dropout: element i of the batch is dropped iff Random(seed, dropout, layer, *step).uniform(i) < rate, as on the CPU. The
// step is read on the device, so that a captured step may be replayed. In place or not.
#pragma once
#include <strata/backend/cuda/element.hpp>
#include <strata/util/random.hpp>

namespace strata::cuda {

namespace detail {

// An index is a block of random words, and so of 4 elements.
template <class T>
struct DropoutForward {
  std::int64_t n;
  std::uint64_t seed;
  std::uint32_t layer, threshold;
  Compute<T> scale;
  const std::uint64_t* step;
  const T* x;
  T* y;
  bool relu;
  STRATA_HOST_DEVICE void operator()(std::int64_t block) const {
    using C = Compute<T>;
    const auto words = Random(seed, Purpose::dropout, layer, *step).block(static_cast<std::uint64_t>(block));
    const std::int64_t first = block * 4;
    for (int k = 0; k < 4; ++k) {
      if (first + k >= n) return;
      const C v = static_cast<C>(x[first + k]);
      const bool zero = words[static_cast<unsigned>(k)] >> 8 < threshold || (relu && v < C{0});
      y[first + k] = zero ? T(0) : T(v * scale);
    }
  }
};

template <class T>
struct ReluDropoutBackward {
  Compute<T> scale;
  const T *y, *dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    dx[i] = static_cast<C>(y[i]) > C{0} ? T(static_cast<C>(dy[i]) * scale) : T(0);
  }
};

template <class T>
DropoutForward<T> dropout(std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer, const std::uint64_t* step,
                          const T* x, T* y, bool relu) {
  // uniform(i) is a multiple of 2^-24: compared as the integer it is, exact for any rate.
  const auto threshold = static_cast<std::uint32_t>(std::ceil(rate * 0x1p24));
  return {n, seed, layer, threshold, static_cast<Compute<T>>(1 / (1 - rate)), step, x, y, relu};
}

}  // namespace detail

template <Run R, class T>
void dropout_forward(R& run, std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer,
                     const std::uint64_t* step, const T* x, T* y) {
  run((n + 3) / 4, detail::dropout(n, rate, seed, layer, step, x, y, false));
}
// The gradient is dropped and scaled alike.
template <Run R, class T>
void dropout_backward(R& run, std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer,
                      const std::uint64_t* step, const T* dy, T* dx) {
  dropout_forward(run, n, rate, seed, layer, step, dy, dx);
}

// A ReLU and the Dropout behind it in one pass.
template <Run R, class T>
void relu_dropout_forward(R& run, std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer,
                          const std::uint64_t* step, const T* x, T* y) {
  run((n + 3) / 4, detail::dropout(n, rate, seed, layer, step, x, y, true));
}
// y is what forward left: above 0 where the ReLU passed and nothing was dropped, so that no random number is needed.
template <Run R, class T>
void relu_dropout_backward(R& run, std::int64_t n, double rate, const T* y, const T* dy, T* dx) {
  run(n, detail::ReluDropoutBackward<T>{static_cast<Compute<T>>(1 / (1 - rate)), y, dy, dx});
}

}  // namespace strata::cuda
