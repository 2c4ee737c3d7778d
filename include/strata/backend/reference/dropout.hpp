// SPDX-License-Identifier: BSL-1.0
// Dropout: element i of the batch is dropped iff random.uniform(i) < rate; or sample i.
#pragma once
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/util/random.hpp>

namespace strata::inline STRATA_ABI::reference {

template <class T>
void dropout_forward(std::int64_t elements_per_sample, int batch, double rate, const Random& random, const T* x, T* y) {
  for (std::int64_t i = 0; i < elements_per_sample * batch; ++i) {
    const bool dropped = static_cast<double>(random.uniform(static_cast<std::uint64_t>(i))) < rate;
    y[i] = dropped ? T(0) : x[i] / static_cast<T>(1 - rate);
  }
}
// Dropout is linear and its own transpose.
template <class T>
void dropout_backward(std::int64_t elements_per_sample, int batch, double rate, const Random& random, const T* dy, T* dx) {
  dropout_forward(elements_per_sample, batch, rate, random, dy, dx);
}

template <class T>
void drop_samples(std::int64_t elements_per_sample, int batch, double rate, const Random& random, const T* x, T* y) {
  for (std::int64_t i = 0; i < elements_per_sample * batch; ++i) {
    const auto sample = static_cast<std::uint64_t>(i / elements_per_sample);
    y[i] = static_cast<double>(random.uniform(sample)) < rate ? T(0) : x[i] / static_cast<T>(1 - rate);
  }
}

}  // namespace strata::inline STRATA_ABI::reference
