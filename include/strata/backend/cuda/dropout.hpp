// SPDX-License-Identifier: BSL-1.0
// Dropout: element i of the batch, or sample i, is dropped iff Random(seed, dropout, layer, *step).uniform(first + i) <
// rate, as on the CPU. The step is read on the device, so that a captured step can be replayed. In place or not.
#pragma once
#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

// An index is a block of random words, which is 4 elements.
template <class T>
struct DropoutForward {
  std::int64_t n;
  std::uint64_t seed;
  std::uint32_t layer, threshold;
  Compute<T> scale;
  const std::uint64_t* step;
  const T* x;
  T* y;
  std::uint64_t first;
  STRATA_HOST_DEVICE void operator()(std::int64_t block) const {
    using C = Compute<T>;
    const auto words = Random(seed, Purpose::dropout, layer, *step).from(first).block(static_cast<std::uint64_t>(block));
    const std::int64_t begin = block * 4;
    for (int k = 0; k < 4; ++k) {
      if (begin + k >= n) return;
      const bool dropped = words[static_cast<unsigned>(k)] >> 8 < threshold;
      y[begin + k] = dropped ? T(0) : T(static_cast<C>(x[begin + k]) * scale);
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
struct DropSamples {
  int size;
  std::uint64_t seed;
  std::uint32_t layer, threshold;
  Compute<T> scale;
  const std::uint64_t* step;
  const T* x;
  T* y;
  std::uint64_t first;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    const auto sample = first + static_cast<std::uint64_t>(quotient(i, size));
    const bool dropped = Random(seed, Purpose::dropout, layer, *step).bits(sample) >> 8 < threshold;
    y[i] = dropped ? T(0) : T(static_cast<Compute<T>>(x[i]) * scale);
  }
};

// uniform(i) is a multiple of 2^-24. As an integer it compares exactly with any rate.
inline std::uint32_t dropout_threshold(double rate) { return static_cast<std::uint32_t>(std::ceil(rate * 0x1p24)); }

template <class T>
DropoutForward<T> dropout(std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer, const std::uint64_t* step,
                          const T* x, T* y, std::uint64_t first) {
  return {n, seed, layer, dropout_threshold(rate), static_cast<Compute<T>>(1 / (1 - rate)), step, x, y, first};
}

}  // namespace detail

template <Run R, class T>
void dropout_forward(R& run, std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer,
                     const std::uint64_t* step, const T* x, T* y, std::uint64_t first = 0) {
  run((n + 3) / 4, detail::dropout(n, rate, seed, layer, step, x, y, first));
}
// Whole samples of `size` elements.
template <Run R, class T>
void drop_samples(R& run, int batch, std::int64_t size, double rate, std::uint64_t seed, std::uint32_t layer,
                  const std::uint64_t* step, const T* x, T* y, std::uint64_t first = 0) {
  run(batch * size, detail::DropSamples<T>{static_cast<int>(size), seed, layer, detail::dropout_threshold(rate),
                                           static_cast<Compute<T>>(1 / (1 - rate)), step, x, y, first});
}
// The gradient is dropped and scaled in the same way.
template <Run R, class T>
void dropout_backward(R& run, std::int64_t n, double rate, std::uint64_t seed, std::uint32_t layer,
                      const std::uint64_t* step, const T* dy, T* dx, std::uint64_t first = 0) {
  dropout_forward(run, n, rate, seed, layer, step, dy, dx, first);
}

// Backward through a ReLU and the Dropout after it, from the dropout's output y: it is above 0 iff the ReLU passed and
// nothing was dropped, so that no random number is needed.
template <Run R, class T>
void relu_dropout_backward(R& run, std::int64_t n, double rate, const T* y, const T* dy, T* dx) {
  run(n, detail::ReluDropoutBackward<T>{static_cast<Compute<T>>(1 / (1 - rate)), y, dy, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
