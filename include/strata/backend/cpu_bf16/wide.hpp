// SPDX-License-Identifier: BSL-1.0
// Products by float32's kernels over widened activations, some samples at a time so that the copies stay in the cache: of
// depthwise convolutions and of few samples, which memory bounds, and of all where that is faster than the instructions for
// bfloat16 (unit.hpp). Weights are read as they are.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/conv.hpp>
#include <strata/backend/cpu/dense.hpp>
#include <strata/backend/cpu_bf16/convert.hpp>
#include <strata/backend/cpu_bf16/multiply.hpp>
#include <strata/backend/cpu_bf16/sizes.hpp>
#include <strata/core/bf16.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu::bf16::detail {

// The copies, and what float32's kernels need.
struct WideConv {
  float *x, *y, *dw, *scratch;
  WideConv(const Geometry& g, int batch, float* from) {
    Scratch s(from);
    const int most = samples_at_once(g, batch);
    x = s.floats(most * g.in.size()), y = s.floats(most * g.out.size()), dw = s.floats(g.taps() * g.out.channels);
    scratch = s.floats(0);
  }
};
// Calls f(first sample, samples) for equal shares of the batch.
template <class F>
void for_shares_of_batch(const Geometry& g, int batch, const F& f) {
  if (batch == 0) return;
  const int most = samples_at_once(g, batch), shares = (batch + most - 1) / most, each = (batch + shares - 1) / shares;
  for (int first = 0; first < batch; first += each) f(first, std::min(each, batch - first));
}
// Rounds rows plus a bias, which may be null.
inline void round_biased(std::int64_t rows, int channels, const float* sums, const float* bias, Bf16* y, ThreadPool& pool) {
  for_chunks(
      rows, pool,
      [=](std::int64_t first, std::int64_t count) {
        round_rows(count, channels, sums + first * channels, channels, bias, false, y + first * channels, channels);
      },
      std::max(1, 16384 / channels));
}

inline void wide_forward(const Geometry& g, int batch, const Bf16* x, const float* w, const float* bias, bool relu, Bf16* y,
                         ThreadPool& pool, float* scratch) {
  const WideConv wide(g, batch, scratch);
  for_shares_of_batch(g, batch, [&](int first, int count) {
    widen(count * g.in.size(), x + first * g.in.size(), wide.x, pool);
    cpu::conv_forward<float>(g, count, wide.x, w, bias, wide.y, pool, wide.scratch, relu);
    round(count * g.out.size(), wide.y, y + first * g.out.size(), pool);
  });
}
inline void wide_backward_input(const Geometry& g, int batch, const Bf16* dy, const float* w, const float* bias, Bf16* dx,
                                ThreadPool& pool, float* scratch) {
  const WideConv wide(g, batch, scratch);
  for_shares_of_batch(g, batch, [&](int first, int count) {
    widen(count * g.out.size(), dy + first * g.out.size(), wide.y, pool);
    cpu::conv_backward_input<float>(g, count, wide.y, w, wide.x, pool, wide.scratch);
    round_biased(count * g.in.size() / g.in.channels, g.in.channels, wide.x, bias, dx + first * g.in.size(), pool);
  });
}
inline void wide_backward_weights(const Geometry& g, int batch, const Bf16* x, const Bf16* dy, float* dw, ThreadPool& pool,
                                  float* scratch) {
  const WideConv wide(g, batch, scratch);
  const std::int64_t weights = g.taps() * g.out.channels;
  float* const none = nullptr;
  if (batch == 0) std::fill_n(dw, weights, 0.f);
  for_shares_of_batch(g, batch, [&](int first, int count) {
    widen(count * g.in.size(), x + first * g.in.size(), wide.x, pool);
    widen(count * g.out.size(), dy + first * g.out.size(), wide.y, pool);
    cpu::conv_backward_weights<float>(g, count, wide.x, wide.y, first == 0 ? dw : wide.dw, none, pool, wide.scratch);
    if (first > 0)
      for_chunks(weights, pool, [=](std::int64_t from, std::int64_t n) {
        Array<float>(dw + from, n) += ConstArray<float>(wide.dw + from, n);
      });
  });
}

struct WideDense {
  float *x, *y, *scratch;
  WideDense(int in, int units, int batch, float* from) {
    Scratch s(from);
    x = s.floats(std::int64_t{batch} * in), y = s.floats(std::int64_t{batch} * units), scratch = s.floats(0);
  }
};
inline void wide_dense_forward(int in, int units, int batch, const Bf16* x, const float* w, const float* bias, bool relu,
                               Bf16* y, ThreadPool& pool, float* scratch) {
  const WideDense wide(in, units, batch, scratch);
  widen(std::int64_t{batch} * in, x, wide.x, pool);
  cpu::dense_forward<float>(in, units, batch, wide.x, w, bias, wide.y, pool, wide.scratch);
  if (relu) cpu::activation_forward<ReLU, float>(std::int64_t{batch} * units, wide.y, wide.y, pool);
  round(std::int64_t{batch} * units, wide.y, y, pool);
}
inline void wide_dense_backward_input(int in, int units, int batch, const Bf16* dy, const float* w, Bf16* dx,
                                      ThreadPool& pool, float* scratch) {
  const WideDense wide(in, units, batch, scratch);
  widen(std::int64_t{batch} * units, dy, wide.y, pool);
  cpu::dense_backward_input<float>(in, units, batch, wide.y, w, wide.x, pool, wide.scratch);
  round(std::int64_t{batch} * in, wide.x, dx, pool);
}
inline void wide_dense_backward_weights(int in, int units, int batch, const Bf16* x, const Bf16* dy, float* dw, float* db,
                                        ThreadPool& pool, float* scratch) {
  const WideDense wide(in, units, batch, scratch);
  widen(std::int64_t{batch} * in, x, wide.x, pool);
  widen(std::int64_t{batch} * units, dy, wide.y, pool);
  cpu::dense_backward_weights<float>(in, units, batch, wide.x, wide.y, dw, db, pool, wide.scratch);
}

}  // namespace strata::inline STRATA_ABI::cpu::bf16::detail
