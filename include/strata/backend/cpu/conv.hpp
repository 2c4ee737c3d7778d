// SPDX-License-Identifier: BSL-1.0
// Convolutions: chooses the fastest way. x (N,H,W,C), w (KH,KW,C/groups,F), y (N,H',W',F).
#pragma once
#include <algorithm>

#include <strata/backend/cpu/activations.hpp>
#include <strata/backend/cpu/arrays.hpp>
#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/conv_depthwise.hpp>
#include <strata/backend/cpu/conv_direct.hpp>
#include <strata/backend/cpu/conv_patches.hpp>
#include <strata/backend/cpu/conv_winograd.hpp>
#include <strata/backend/cpu/conv_winograd_weights.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/backend/cpu/skinny_gemm.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {
inline bool goes_direct(int batch) { return batch >= direct_batch && path_now() != KernelPath::eigen; }
template <class T>
bool goes_depthwise(const Geometry& g) {
  return is_depthwise<T>(g) && path_now() != KernelPath::eigen;
}
}  // namespace detail

// relu: y is rectified. skip_zeros: see skinny_gemm.hpp.
template <class T>
void conv_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, ThreadPool& pool, T* scratch,
                  bool relu = false, bool skip_zeros = false) {
  if (detail::goes_depthwise<T>(g))
    return detail::depthwise_forward(g, batch, x, w, bias, Limits::of_relu(relu), y, g.out.channels, pool, scratch);
  if (detail::goes_direct(batch)) {
    if (detail::winograd_pays(g, batch))
      detail::winograd_forward(g, batch, x, w, bias, Limits::of_relu(relu), y, pool, scratch);
    else
      detail::direct_forward(g, batch, x, w, bias, Limits::of_relu(relu), y, pool, scratch);
    return;
  }
  if (detail::conv_is_skinny(g, batch) && detail::path_now() != KernelPath::eigen)
    detail::conv_skinny(g, batch, x, w, bias, y, g.out.channels, skip_zeros, pool, scratch);
  else if (detail::is_pointwise(g) && detail::path_now() != KernelPath::eigen)
    return detail::direct_forward(g, batch, x, w, bias, Limits::of_relu(relu), y, pool, scratch);
  else
    detail::patches_forward(g, batch, x, w, bias, y, g.out.channels, pool, scratch);
  if (relu) activation_forward<ReLU, T>(batch * g.out.size(), y, y, pool);
}

template <class T>
void conv_backward_input(const Geometry& g, int batch, const T* dy, const T* w, T* dx, ThreadPool& pool, T* scratch) {
  if (detail::goes_depthwise<T>(g))
    detail::depthwise_backward_input(g, batch, dy, w, dx, pool, scratch);
  else if (detail::goes_direct(batch) && detail::winograd_input_pays(g, batch))
    detail::winograd_backward_input(g, batch, dy, w, dx, pool, scratch);
  else if (detail::goes_direct(batch))
    detail::direct_backward_input(g, batch, dy, w, dx, pool, scratch);
  else
    detail::patches_backward_input(g, batch, dy, w, dx, pool, scratch);
}

// db (channels): the sum of dy (rows,channels) over its rows.
template <class T>
void bias_gradient(std::int64_t rows, int channels, const T* dy, T* db, ThreadPool& pool) {
  constexpr int most = 64;
  for_chunks(
      channels, pool,
      [=](std::int64_t first, std::int64_t count) {
        Array<T>(db + first, count) = sum_rows<T, most>(
            rows, count, [&](auto& sums, std::int64_t r) { sums += ConstArray<T>(dy + r * channels + first, count); });
      },
      most);
}

// db may be null.
template <class T>
void conv_backward_weights(const Geometry& g, int batch, const T* x, const T* dy, T* dw, T* db, ThreadPool& pool,
                           T* scratch) {
  if (detail::goes_depthwise<T>(g))
    detail::depthwise_backward_weights(g, batch, x, dy, dw, pool, scratch);
  else if (detail::goes_direct(batch) && detail::winograd_weights_pay(g, batch))
    detail::winograd_backward_weights(g, batch, x, dy, dw, pool, scratch);
  else if (detail::goes_direct(batch))
    detail::direct_backward_weights(g, batch, x, dy, dw, pool, scratch);
  else
    detail::patches_backward_weights(g, batch, x, dy, dw, pool, scratch);
  if (db) bias_gradient(std::int64_t{batch} * g.out.height * g.out.width, g.out.channels, dy, db, pool);
}

// A transposed convolution, by the geometry g of the convolution that it is the transpose of: x (batch, g.out), y (batch,
// g.in), w as of that one, bias (C) or null.
template <class T>
void conv_transpose_forward(const Geometry& g, int batch, const T* x, const T* w, const T* bias, T* y, ThreadPool& pool,
                            T* scratch) {
  conv_backward_input(g, batch, x, w, y, pool, scratch);
  if (!bias) return;
  const int channels = g.in.channels;
  for_rows(batch * g.in.size() / channels, channels, pool,
           [=](std::int64_t r) { Array<T>(y + r * channels, channels) += ConstArray<T>(bias, channels); });
}
// dx and db may be null.
template <class T>
void conv_transpose_backward(const Geometry& g, int batch, const T* x, const T* w, const T* dy, T* dx, T* dw, T* db,
                             ThreadPool& pool, T* scratch) {
  conv_backward_weights(g, batch, dy, x, dw, static_cast<T*>(nullptr), pool, scratch);
  if (db) bias_gradient(batch * g.in.size() / g.in.channels, g.in.channels, dy, db, pool);
  if (dx) conv_forward(g, batch, dy, w, static_cast<const T*>(nullptr), dx, pool, scratch);
}

}  // namespace strata::inline STRATA_ABI::cpu
