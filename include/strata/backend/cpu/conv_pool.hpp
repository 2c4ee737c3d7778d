// SPDX-License-Identifier: BSL-1.0
// The backward pass of a convolution before a max pool. The gradient of the convolution's output is zero except where the
// pool picked an element (and, with a ReLU between them, a positive one): about a tenth is not zero for a pool 3/2. So it
// is never formed. Both gradients of the convolution are sums over the list of picked elements, filter by filter. The
// weights' gradient keeps the sums of some taps in registers while it goes through the list; the input's gradient keeps
// their weights there. x (N,H,W,C), w (KH,KW,C,F).
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/backend/cpu/simd.hpp>
#include <strata/backend/cpu/sizes.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/window.hpp>

namespace strata::inline STRATA_ABI::cpu {

namespace detail {

// A gradient, and the corner of its window in the padded map.
template <class T>
struct Picked {
  T gradient;
  std::int32_t offset;
};

// sums[i] += gradient * map[offset + offsets[i]], `Count` vectors, over a list.
template <class T, int Count>
struct GatherKernel {
  template <int Bytes>
  STRATA_INLINE static void run(const T* map, const Picked<T>* list, int n, const int* offsets, T* sums) {
    constexpr int lanes = lanes_of<T, Bytes>;
    vector<T, Bytes> sum[std::size_t{Count}];
    STRATA_UNROLL for (int i = 0; i < Count; ++i) load(sum[i], sums + i * lanes);
    for (int k = 0; k < n; ++k) {
      const T* from = map + list[k].offset;
      const T gradient = list[k].gradient;
      STRATA_UNROLL for (int i = 0; i < Count; ++i) {
        vector<T, Bytes> v;
        load(v, from + offsets[i]);
        sum[i] += gradient * v;
      }
    }
    STRATA_UNROLL for (int i = 0; i < Count; ++i) store(sums + i * lanes, sum[i]);
  }
  using table = versions<GatherKernel, const T*, const Picked<T>*, int, const int*, T*>;
};

// map[offset + offsets[i]] += gradient * weights[i].
template <class T, int Count>
struct ScatterKernel {
  template <int Bytes>
  STRATA_INLINE static void run(T* map, const Picked<T>* list, int n, const int* offsets, const T* weights) {
    constexpr int lanes = lanes_of<T, Bytes>;
    vector<T, Bytes> weight[std::size_t{Count}];
    STRATA_UNROLL for (int i = 0; i < Count; ++i) load(weight[i], weights + i * lanes);
    for (int k = 0; k < n; ++k) {
      T* to = map + list[k].offset;
      const T gradient = list[k].gradient;
      STRATA_UNROLL for (int i = 0; i < Count; ++i) {
        vector<T, Bytes> v;
        load(v, to + offsets[i]);
        v += gradient * weight[i];
        store(to + offsets[i], v);
      }
    }
  }
  using table = versions<ScatterKernel, T*, const Picked<T>*, int, const int*, const T*>;
};

// count: what at_once() returns.
template <class T, template <class, int> class Kernel>
typename Kernel<T, 2>::table::function picked_kernel(int count, KernelPath path) {
  const typename Kernel<T, 2>::table::function all[] = {
      Kernel<T, 2>::table::of(path), Kernel<T, 4>::table::of(path),  Kernel<T, 6>::table::of(path),
      Kernel<T, 8>::table::of(path), Kernel<T, 10>::table::of(path), Kernel<T, most_vectors>::table::of(path)};
  return all[count / 2 - 1];
}

}  // namespace detail

// dy, y and argmax are the pool's. relu: there is a ReLU between them, so that elements that are not positive have no
// gradient. `list` has room for the gradient of the convolution's output, (N,H',W',F). db and dx may be null.
template <class T>
void conv_pool_backward(const Geometry& g, const Geometry& pooled, int batch, bool relu, const T* x, const T* w, const T* y,
                        const T* dy, const std::int32_t* argmax, T* dw, T* db, T* dx, T* list, ThreadPool& pool,
                        T* scratch) {
  using detail::Picked;
  const KernelPath path = detail::path_now();
  const detail::PickedLayout l(g, detail::bytes_of(path) / static_cast<int>(sizeof(T)), static_cast<int>(sizeof(T)), batch);
  const Window& win = g.window;
  const int filters = g.out.channels, chunks = (batch + l.samples - 1) / l.samples;
  const int places = pooled.out.height * pooled.out.width;

  // The list: for each chunk of samples and each filter, room for all elements, and their number.
  static_assert(sizeof(Picked<T>) == 2 * sizeof(T));
  const std::int64_t room = static_cast<std::int64_t>(l.samples) * places;
  auto* const picked = reinterpret_cast<Picked<T>*>(list);
  auto* const counts = reinterpret_cast<std::int32_t*>(picked + static_cast<std::int64_t>(batch) * places * filters);
  // The last chunk may have fewer samples and so less room.
  const auto list_of = [=](int chunk, int filter) {
    const int first = chunk * l.samples, samples = std::min(l.samples, batch - first);
    return picked + static_cast<std::int64_t>(first) * places * filters +
           static_cast<std::int64_t>(filter) * (samples < l.samples ? static_cast<std::int64_t>(samples) * places : room);
  };
  pool.parallel_for(chunks, [&](int chunk, int) {
    std::int32_t* count = counts + static_cast<std::int64_t>(chunk) * filters;
    std::fill_n(count, filters, 0);
    const int first = chunk * l.samples, samples = std::min(l.samples, batch - first);
    Picked<T>* const begin = list_of(chunk, 0);
    const std::int64_t apart = list_of(chunk, 1) - begin;
    for (int n = 0; n < samples; ++n)
      for (int place = 0; place < places; ++place) {
        const std::int64_t row = (static_cast<std::int64_t>(first + n) * places + place) * filters;
        for (int f = 0; f < filters; ++f) {
          const std::int32_t at = argmax[row + f];
          if (at < 0 || (relu && !(y[row + f] > T{0}))) continue;
          const int i = at / g.out.width * win.stride_h, j = at % g.out.width * win.stride_w;
          begin[f * apart + count[f]++] = {dy[row + f], static_cast<std::int32_t>(n * l.map + (i * l.width + j) * l.block)};
        }
      }
  });
  if (db)
    for_elements(
        filters, pool,
        [=](std::int64_t f) {
          T sum{};
          for (int chunk = 0; chunk < chunks; ++chunk) {
            const Picked<T>* entry = list_of(chunk, static_cast<int>(f));
            for (const Picked<T>* end = entry + counts[chunk * filters + f]; entry != end; ++entry) sum += entry->gradient;
          }
          db[f] = sum;
        },
        16);

  const int all = l.each * l.parts;
  int* const offsets = reinterpret_cast<int*>(scratch);
  for (int i = 0; i < all; ++i) offsets[i] = l.offset(win, i);
  T* const shared = detail::at_cache_line(scratch + all);
  T* const mine = detail::at_cache_line(shared + static_cast<std::int64_t>(l.blocks) * filters * l.filter());
  const int share = detail::filters_at_once(g, l), shares = (filters + share - 1) / share;
  const std::int64_t each = l.maps() + share * l.filter() + detail::line / static_cast<int>(sizeof(T));

  const auto gather = detail::picked_kernel<T, detail::GatherKernel>(l.each, path);
  pool.parallel_for(l.blocks * shares, [&](int task, int worker) {
    const int at_block = task / shares, first = task % shares * share, last = std::min(filters, first + share);
    T* const maps = mine + worker * each;
    T* const sums = detail::at_cache_line(maps + l.maps());
    const int channels = std::min(l.block, g.in.channels - at_block * l.block);
    std::fill_n(maps, l.maps(), T{0});
    std::fill_n(sums, (last - first) * l.filter(), T{0});
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int samples = std::min(l.samples, batch - chunk * l.samples);
      for (int n = 0; n < samples; ++n) {
        const T* from = x + (static_cast<std::int64_t>(chunk) * l.samples + n) * g.in.size() + at_block * l.block;
        for (int i = 0; i < g.in.height; ++i) {
          T* to = maps + n * l.map + ((i + win.pad_top) * l.width + win.pad_left) * l.block;
          for (int j = 0; j < g.in.width; ++j, from += g.in.channels, to += l.block) std::copy_n(from, channels, to);
        }
      }
      for (int f = first; f < last; ++f)
        for (int part = 0; part < l.parts; ++part)
          if (const int count = counts[chunk * filters + f])
            gather(maps, list_of(chunk, f), count, offsets + part * l.each,
                   sums + (f - first) * l.filter() + part * l.each * l.lanes);
    }
    l.for_weights(g, at_block, [&](int lane, int row) {
      for (int f = first; f < last; ++f)
        dw[static_cast<std::int64_t>(row) * filters + f] = sums[(f - first) * l.filter() + lane];
    });
  });
  if (!dx) return;

  pool.parallel_for(l.blocks * shares, [&](int task, int) {
    const int at_block = task / shares, first = task % shares * share, last = std::min(filters, first + share);
    T* const to = shared + static_cast<std::int64_t>(at_block) * filters * l.filter();
    std::fill_n(to + first * l.filter(), (last - first) * l.filter(), T{0});
    l.for_weights(g, at_block, [&](int lane, int row) {
      for (int f = first; f < last; ++f) to[f * l.filter() + lane] = w[static_cast<std::int64_t>(row) * filters + f];
    });
  });
  const auto scatter = detail::picked_kernel<T, detail::ScatterKernel>(l.each, path);
  pool.parallel_for(chunks * l.blocks, [&](int task, int worker) {
    const int chunk = task / l.blocks, at_block = task % l.blocks;
    T* const maps = mine + worker * each;
    const T* const weights = shared + static_cast<std::int64_t>(at_block) * filters * l.filter();
    const int channels = std::min(l.block, g.in.channels - at_block * l.block);
    const int samples = std::min(l.samples, batch - chunk * l.samples);
    std::fill_n(maps, samples * l.map + l.lanes, T{0});
    for (int f = 0; f < filters; ++f)
      for (int part = 0; part < l.parts; ++part)
        if (const int count = counts[chunk * filters + f])
          scatter(maps, list_of(chunk, f), count, offsets + part * l.each,
                  weights + f * l.filter() + part * l.each * l.lanes);
    for (int n = 0; n < samples; ++n) {
      T* to = dx + (static_cast<std::int64_t>(chunk) * l.samples + n) * g.in.size() + at_block * l.block;
      for (int i = 0; i < g.in.height; ++i) {
        const T* from = maps + n * l.map + ((i + win.pad_top) * l.width + win.pad_left) * l.block;
        for (int j = 0; j < g.in.width; ++j, from += l.block, to += g.in.channels) std::copy_n(from, channels, to);
      }
    }
  });
}

}  // namespace strata::inline STRATA_ABI::cpu
