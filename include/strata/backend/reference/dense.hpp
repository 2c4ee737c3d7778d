// SPDX-License-Identifier: BSL-1.0
// Fully connected layers: x (N,in), w (in,units), y (N,units). Each is a convolution of one position with one tap.
#pragma once
#include <strata/backend/reference/conv.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::reference {

namespace detail {
constexpr Geometry one_position(int in, int units) { return {Shape{1, 1, in}, Shape{1, 1, units}, {}, 1}; }
}  // namespace detail

template <class T>
void dense_forward(int in, int units, int batch, const T* x, const T* w, const T* bias, T* y) {
  conv_forward(detail::one_position(in, units), batch, x, w, bias, y);
}
template <class T>
void dense_backward_input(int in, int units, int batch, const T* dy, const T* w, T* dx) {
  conv_backward_input(detail::one_position(in, units), batch, dy, w, dx);
}
template <class T>
void dense_backward_weights(int in, int units, int batch, const T* x, const T* dy, T* dw, T* db) {
  conv_backward_weights(detail::one_position(in, units), batch, x, dy, dw, db);
}

}  // namespace strata::inline STRATA_ABI::reference
