// SPDX-License-Identifier: BSL-1.0
// Enlarged maps. x (N,H,W,C), y (N,H*rows,W*columns,C).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <strata/core/linkage.hpp>
#include <strata/core/upsample.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
// The share of element `from` of an axis in its output `to`. Bilinear: a triangle around the element's centre, where the
// outermost elements also stand for everything beyond them.
inline double upsample_share(int from, int to, int factor, int size, bool bilinear) {
  if (!bilinear) return to / factor == from ? 1 : 0;
  const double place = std::clamp((to + 0.5) / factor - 0.5, 0., size - 1.);
  return std::max(0., 1 - std::abs(place - from));
}
// Calls f(place in x, place in y, share) for each pair with a share above 0.
template <class F>
void for_shares(const Upsampling& u, int batch, F&& f) {
  const Shape out = u.out();
  for (std::int64_t n = 0; n < batch; ++n)
    for (int i = 0; i < out.height; ++i)
      for (int j = 0; j < out.width; ++j)
        for (int a = 0; a < u.in.height; ++a)
          for (int b = 0; b < u.in.width; ++b) {
            const double share = upsample_share(a, i, u.rows, u.in.height, u.bilinear) *
                                 upsample_share(b, j, u.columns, u.in.width, u.bilinear);
            if (share == 0) continue;
            for (int c = 0; c < out.channels; ++c)
              f(((n * u.in.height + a) * u.in.width + b) * out.channels + c,
                ((n * out.height + i) * out.width + j) * out.channels + c, share);
          }
}
}  // namespace detail

template <class T>
void upsample_forward(const Upsampling& u, int batch, const T* x, T* y) {
  std::fill_n(y, batch * u.out().size(), T(0));
  detail::for_shares(u, batch, [=](std::int64_t i, std::int64_t o, double share) { y[o] += static_cast<T>(share) * x[i]; });
}
template <class T>
void upsample_backward(const Upsampling& u, int batch, const T* dy, T* dx) {
  std::fill_n(dx, batch * u.in.size(), T(0));
  detail::for_shares(u, batch,
                     [=](std::int64_t i, std::int64_t o, double share) { dx[i] += static_cast<T>(share) * dy[o]; });
}

}  // namespace strata::inline STRATA_ABI::reference
