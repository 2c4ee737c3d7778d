// SPDX-License-Identifier: BSL-1.0
// Chains of inference (model/chain.hpp). Convolutions have the scale in their packed weights. The skinny one reads the
// weights themselves, and the scale is applied to its sums.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/dense.hpp>
#include <strata/backend/cpu/finish.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>
#include <strata/model/chain.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// The normalized bias, or the bias alone; it may be null.
template <class T>
void pack_shift(int channels, const T* bias, bool normalized, T* packed) {
  T* shift = packed + channels;
  if (!normalized) std::fill_n(packed, channels, T{1}), std::fill_n(shift, channels, T{0});
  if (bias)
    for (int c = 0; c < channels; ++c) shift[c] += packed[c] * bias[c];
}
// For a product that does not apply the scale.
template <class T>
Finish<T> finish_of(int channels, const T* packed, const ChainEnd<T>& end) {
  return {end.normalized ? packed : nullptr, end.normalized ? packed + channels : nullptr, end};
}

}  // namespace detail

// w (KH,KW,C/groups,F); bias (F) or null. If normalized, packed has the scale and the shift.
template <class T>
void pack_conv(const Geometry& g, const T* w, const T* bias, bool normalized, int capacity, T* packed, ThreadPool& pool) {
  const int filters = g.out.channels;
  detail::pack_shift(filters, bias, normalized, packed);
  T* weights = detail::at_cache_line(packed + 2 * filters);
  if (detail::is_depthwise<T>(g)) {
    for (std::int64_t tap = 0; tap < g.taps(); ++tap)
      for (int f = 0; f < filters; ++f) weights[tap * filters + f] = w[tap * filters + f] * packed[f];
    return;
  }
  const detail::TileSet<T, detail::RowsTile> tiles(detail::path_within<T>(filters / g.groups));
  const T* scale = normalized ? packed : nullptr;
  detail::pack_filters(g, tiles, w, packed + filters, scale, weights, pool);
  if (detail::winograd_pays_packed(g, capacity))
    detail::winograd_pack(g, w, scale, weights + detail::most_packed_filters<T>(g), pool);
}

// x (N,H,W,C), y (N,H',W',F), from the weights and the packed weights.
template <class T>
void conv_inference(const Geometry& g, int batch, const T* x, const T* w, const T* packed, const ChainEnd<T>& end, T* y,
                    ThreadPool& pool, T* scratch) {
  const int filters = g.out.channels;
  const T *shift = packed + filters, *weights = detail::at_cache_line(packed + 2 * filters), *none = nullptr;
  const Finish<T> scaled(none, none, end), plain = detail::finish_of(filters, packed, end);
  const T* bias = end.normalized ? nullptr : shift;  // where the scale comes later
  const std::int64_t rows = std::int64_t{batch} * g.out.height * g.out.width;
  const int stride = end.stride > 0 ? end.stride : filters;
  if (detail::path_now() == KernelPath::eigen) {
    detail::patches_forward(g, batch, x, w, bias, y, stride, pool, scratch);
    plain.all(rows, filters, y, y, stride, pool);
  } else if (detail::is_depthwise<T>(g)) {
    detail::depthwise_forward(g, batch, x, weights, shift, scaled.limits(), y, stride, pool, scratch, &scaled);
  } else if (detail::winograd_pays_packed(g, std::min(batch, end.capacity))) {
    detail::winograd_packed_forward(g, batch, x, weights + detail::most_packed_filters<T>(g), shift, scaled.limits(), y,
                                    stride, pool, scratch, &scaled);
  } else if (rows <= detail::skinny_samples && detail::conv_is_skinny(g, batch)) {
    detail::conv_skinny(g, batch, x, w, bias, y, stride, true, pool, scratch);
    plain.all(rows, filters, y, y, stride, pool);
  } else {
    const detail::TileSet<T, detail::RowsTile> tiles(detail::path_within<T>(filters / g.groups));
    detail::packed_forward(g, tiles, batch, x, weights, true, scaled.limits(), y, stride, pool,
                           detail::at_cache_line(scratch), &scaled);
  }
}

// x (N,in), w (in,units), y (N,units).
template <class T>
void dense_inference(int in, int units, int batch, const T* x, const T* w, const T* packed, const ChainEnd<T>& end, T* y,
                     ThreadPool& pool, T* scratch) {
  dense_forward(in, units, batch, x, w, end.normalized ? nullptr : packed + units, y, pool, scratch, true);
  detail::finish_of(units, packed, end).all(batch, units, y, y, units, pool);
}

// A normalization that begins a chain: x and y (rows,channels).
template <class T>
void normalization_inference(std::int64_t rows, int channels, const T* x, const T* packed, const ChainEnd<T>& end, T* y,
                             ThreadPool& pool) {
  Finish<T>(packed, packed + channels, end).all(rows, channels, x, y, channels, pool);
}

}  // namespace strata::inline STRATA_ABI::cpu
