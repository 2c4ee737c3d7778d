// SPDX-License-Identifier: BSL-1.0
// Enlarged maps. Backward gathers: each element of dx reads the outputs that it has a share in. x (N,H,W,C), y
// (N,H*rows,W*columns,C).
#pragma once
#include <cstdint>

#include <strata/backend/cuda/index.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/upsample.hpp>

namespace strata::inline STRATA_ABI::cuda {

namespace detail {

template <class T>
struct UpsampleForward {
  Upsampling u;
  const T* x;
  T* y;
  STRATA_HOST_DEVICE void operator()(std::int64_t o) const {
    using C = Compute<T>;
    const Place p = place_of(u.out(), o);
    const UpsampleTap<C> row = upsample_tap<C>(p.row, u.rows, u.in.height, u.bilinear);
    const UpsampleTap<C> column = upsample_tap<C>(p.column, u.columns, u.in.width, u.bilinear);
    const auto at = [&](int i, int j) {
      return static_cast<C>(x[((p.sample * u.in.height + i) * u.in.width + j) * u.in.channels + p.channel]);
    };
    if (!u.bilinear) {
      y[o] = T(at(row.low, column.low));
      return;
    }
    const C low = C{1} - row.share, left = C{1} - column.share;
    y[o] = T(low * (left * at(row.low, column.low) + column.share * at(row.low, column.high)) +
             row.share * (left * at(row.high, column.low) + column.share * at(row.high, column.high)));
  }
};

template <class T>
struct UpsampleBackward {
  Upsampling u;
  const T* dy;
  T* dx;
  STRATA_HOST_DEVICE void operator()(std::int64_t i) const {
    using C = Compute<T>;
    const Place p = place_of(u.in, i);
    const Shape out = u.out();
    C sum{0};
    for (int a = first(p.row, u.rows); a < end(p.row, u.rows, out.height); ++a) {
      const C row = share(p.row, upsample_tap<C>(a, u.rows, u.in.height, u.bilinear));
      if (row == C{0}) continue;
      for (int b = first(p.column, u.columns); b < end(p.column, u.columns, out.width); ++b) {
        const C column = share(p.column, upsample_tap<C>(b, u.columns, u.in.width, u.bilinear));
        if (column == C{0}) continue;
        sum += row * column * static_cast<C>(dy[((p.sample * out.height + a) * out.width + b) * out.channels + p.channel]);
      }
    }
    dx[i] = T(sum);
  }

 private:
  // The outputs [first, end) that may read an element: its own, and those of its neighbours.
  STRATA_HOST_DEVICE constexpr int first(int at, int factor) const {
    const int own = u.bilinear ? (at - 1) * factor : at * factor;
    return own < 0 ? 0 : own;
  }
  STRATA_HOST_DEVICE constexpr int end(int at, int factor, int outputs) const {
    const int own = (at + (u.bilinear ? 2 : 1)) * factor;
    return own < outputs ? own : outputs;
  }
  STRATA_HOST_DEVICE static constexpr Compute<T> share(int at, const UpsampleTap<Compute<T>>& tap) {
    return (tap.low == at ? 1 - tap.share : Compute<T>{0}) + (tap.high == at ? tap.share : Compute<T>{0});
  }
};

}  // namespace detail

template <Run R, class T>
void upsample_forward(R& run, const Upsampling& u, int batch, const T* x, T* y) {
  run(batch * u.out().size(), detail::UpsampleForward<T>{u, x, y});
}
template <Run R, class T>
void upsample_backward(R& run, const Upsampling& u, int batch, const T* dy, T* dx) {
  run(batch * u.in.size(), detail::UpsampleBackward<T>{u, dy, dx});
}

}  // namespace strata::inline STRATA_ABI::cuda
