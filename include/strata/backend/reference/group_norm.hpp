// SPDX-License-Identifier: BSL-1.0
// Group normalization: each group of channels of each sample by its own mean and variance. x (N,area,C); mean and
// inverse_deviation (N,groups). With an area of 1 and one group it is layer normalization of each row.
#pragma once
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
// Calls f(element, channel) for each element of one group of a sample.
template <class F>
void for_group(std::int64_t area, int channels, int groups, std::int64_t sample, int group, F&& f) {
  const int width = channels / groups;
  for (std::int64_t i = 0; i < area; ++i)
    for (int c = group * width; c < (group + 1) * width; ++c) f((sample * area + i) * channels + c, c);
}
}  // namespace detail

// gamma, beta (C)
template <class T>
void group_norm_forward(std::int64_t samples, std::int64_t area, int channels, int groups, T epsilon, const T* x,
                        const T* gamma, const T* beta, T* mean, T* inverse_deviation, T* y) {
  using std::sqrt;
  const T count = static_cast<T>(area * (channels / groups));
  for (std::int64_t n = 0; n < samples; ++n)
    for (int g = 0; g < groups; ++g) {
      T &m = mean[n * groups + g], &inverse = inverse_deviation[n * groups + g], squares(0);
      m = T(0);
      detail::for_group(area, channels, groups, n, g, [&](std::int64_t i, int) { m += x[i]; });
      m /= count;
      detail::for_group(area, channels, groups, n, g, [&](std::int64_t i, int) { squares += (x[i] - m) * (x[i] - m); });
      inverse = T(1) / sqrt(squares / count + epsilon);
      detail::for_group(area, channels, groups, n, g,
                        [&](std::int64_t i, int c) { y[i] = (x[i] - m) * inverse * gamma[c] + beta[c]; });
    }
}

// With d = gamma dy: dx = (d - mean(d) - normalized x * mean(d * normalized x)) / stddev
template <class T>
void group_norm_backward(std::int64_t samples, std::int64_t area, int channels, int groups, const T* x, const T* gamma,
                         const T* mean, const T* inverse_deviation, const T* dy, T* dx, T* dgamma, T* dbeta) {
  const T count = static_cast<T>(area * (channels / groups));
  for (int c = 0; c < channels; ++c) dgamma[c] = dbeta[c] = T(0);
  for (std::int64_t n = 0; n < samples; ++n)
    for (int g = 0; g < groups; ++g) {
      const T m = mean[n * groups + g], inverse = inverse_deviation[n * groups + g];
      T sum(0), product(0);
      detail::for_group(area, channels, groups, n, g, [&](std::int64_t i, int c) {
        const T normalized = (x[i] - m) * inverse;
        sum += gamma[c] * dy[i];
        product += gamma[c] * dy[i] * normalized;
        dgamma[c] += dy[i] * normalized;
        dbeta[c] += dy[i];
      });
      detail::for_group(area, channels, groups, n, g, [&](std::int64_t i, int c) {
        dx[i] = inverse * (gamma[c] * dy[i] - sum / count - (x[i] - m) * inverse * product / count);
      });
    }
}

}  // namespace strata::inline STRATA_ABI::reference
