// SPDX-License-Identifier: BSL-1.0
// Matrix products: C = [C +] op(A) op(B), row-major, one thread. Both operands are packed into panels, then a
// register-blocked micro-kernel runs over them, compiled here for AVX-512, AVX2 and the baseline side by side and chosen at
// run time: a user's plain -O2 is enough. The order of each sum depends on k alone, so the bits do not depend on how the
// caller cuts m and n.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace strata::eigen {

enum class KernelPath { baseline, avx2, avx512 };

namespace detail {

#if defined(__CUDACC__)
#pragma nv_diag_suppress 1675  // the unroll pragma is the host compiler's
#endif
#define STRATA_UNROLL _Pragma("GCC unroll 32")

template <class T, int Bytes>
struct vector_of {
  typedef T type __attribute__((vector_size(Bytes)));
};

// C (Rows x 2 vectors) = A' (depth x Rows) B (depth x 2 vectors), into a small buffer.
template <class T, int Bytes, int Rows>
[[gnu::always_inline]] inline void tile(const T* a, const T* b, T* c, int depth) {
  using vector = typename vector_of<T, Bytes>::type;
  constexpr int lanes = Bytes / static_cast<int>(sizeof(T));
  vector sum[Rows][2]{};
  for (int k = 0; k < depth; ++k) {
    vector right[2];
    STRATA_UNROLL for (int j = 0; j < 2; ++j) std::memcpy(&right[j], b + j * lanes, sizeof right[j]);
    STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
      const T left = a[i];
      STRATA_UNROLL for (int j = 0; j < 2; ++j) sum[i][j] += left * right[j];
    }
    a += Rows;
    b += 2 * lanes;
  }
  // Vector by vector: copied as rows, g++ 12 keeps the sums in memory.
  STRATA_UNROLL for (int i = 0; i < Rows; ++i) {
    STRATA_UNROLL for (int j = 0; j < 2; ++j) std::memcpy(c + (i * 2 + j) * lanes, &sum[i][j], sizeof sum[i][j]);
  }
}

struct MicroKernel {
  int rows = 0, columns = 0;
};
#if defined(__clang__)
#define STRATA_WIDE clang::min_vector_width(512),  // or clang splits 512-bit vectors under -march=native
#else
#define STRATA_WIDE
#endif
#if defined(__x86_64__)
template <class T>
[[ STRATA_WIDE gnu::target("avx512f,avx512vl,avx512dq,avx512bw,fma"), gnu::noinline ]] void tile_avx512(const T* a,
                                                                                                        const T* b, T* c,
                                                                                                        int depth) {
  tile<T, 64, 12>(a, b, c, depth);
}
template <class T>
[[gnu::target("avx2,fma"), gnu::noinline]] void tile_avx2(const T* a, const T* b, T* c, int depth) {
  tile<T, 32, 6>(a, b, c, depth);
}
#endif
template <class T>
[[gnu::noinline]] void tile_baseline(const T* a, const T* b, T* c, int depth) {
  tile<T, 16, 6>(a, b, c, depth);
}
#undef STRATA_WIDE
#undef STRATA_UNROLL

inline bool supported(KernelPath path) {
#if defined(__x86_64__)
  if (path == KernelPath::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw");
  if (path == KernelPath::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return path == KernelPath::baseline;
}

inline constexpr const char* path_names[] = {"baseline", "avx2", "avx512"};

inline KernelPath choose_path() {
  if (const char* wanted = std::getenv("STRATA_KERNELS"); wanted && *wanted) {
    for (int i = 0; i < 3; ++i)
      if (std::string_view(wanted) == path_names[i]) {
        if (supported(static_cast<KernelPath>(i))) return static_cast<KernelPath>(i);
        throw std::runtime_error(std::string("strata: STRATA_KERNELS=") + wanted + ": this processor cannot run them");
      }
    throw std::runtime_error(std::string("strata: STRATA_KERNELS=") + wanted + " is not avx512, avx2 or baseline");
  }
  for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2})
    if (supported(path)) return path;
  return KernelPath::baseline;
}

inline KernelPath& current_path() {
  static KernelPath path = choose_path();
  return path;
}

// Blocks: a packed slice of B, kc x nr, stays in L1; a packed block of A, mc x kc, in L2.
inline constexpr int block_k = 256, block_m = 144, block_n = 1024, most_rows = 12, most_columns = 32;

// Rows x depth of op(X) into panels of `width` rows, [panel][k][width], zeros behind the last row.
template <class T>
void pack(bool across, int rows, int depth, const T* x, int ld, int width, T* to) {
  for (int r = 0; r < rows; r += width) {
    const int n = std::min(width, rows - r);
    if (across) {  // x(k, row): a panel's rows lie side by side
      for (int k = 0; k < depth; ++k) {
        const T* from = x + static_cast<std::int64_t>(k) * ld + r;
        T* line = to + static_cast<std::int64_t>(k) * width;
        for (int i = 0; i < n; ++i) line[i] = from[i];
        for (int i = n; i < width; ++i) line[i] = T{0};
      }
    } else {
      for (int i = 0; i < width; ++i) {
        T* line = to + i;
        if (i >= n) {
          for (int k = 0; k < depth; ++k) line[static_cast<std::int64_t>(k) * width] = T{0};
          continue;
        }
        const T* from = x + static_cast<std::int64_t>(r + i) * ld;
        for (int k = 0; k < depth; ++k) line[static_cast<std::int64_t>(k) * width] = from[k];
      }
    }
    to += static_cast<std::int64_t>(width) * depth;
  }
}

}  // namespace detail

// The kernels in use, and a way to force them (tests run them all).
inline const char* kernel_path() { return detail::path_names[static_cast<int>(detail::current_path())]; }
inline bool set_kernel_path(KernelPath path) {
  if (!detail::supported(path)) return false;
  detail::current_path() = path;
  return true;
}

// Numbers of scratch that gemm needs, whatever the path.
template <class T>
constexpr std::int64_t gemm_scratch(int m, int n, int k) {
  const std::int64_t depth = std::min(k, detail::block_k);
  const std::int64_t rows = std::min(m, detail::block_m) + detail::most_rows;
  const std::int64_t columns = std::min(n, detail::block_n) + detail::most_columns;
  return depth * (rows + columns) + detail::most_rows * detail::most_columns;
}

// C(m,n) = [C +] op(A)(m,k) op(B)(k,n). lda, ldb, ldc are the row strides as stored; op transposes.
template <class T>
void gemm(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, int lda, const T* b, int ldb, T* c, int ldc,
          bool accumulate, T* scratch) {
  using Tile = void (*)(const T*, const T*, T*, int);
  Tile run = detail::tile_baseline<T>;
  int rows = 6, columns = 32 / static_cast<int>(sizeof(T));
#if defined(__x86_64__)
  const KernelPath path = detail::current_path();
  if (path == KernelPath::avx512) run = detail::tile_avx512<T>, rows = 12, columns = 128 / static_cast<int>(sizeof(T));
  if (path == KernelPath::avx2) run = detail::tile_avx2<T>, rows = 6, columns = 64 / static_cast<int>(sizeof(T));
#endif
  if (k <= 0) {
    if (!accumulate)
      for (int i = 0; i < m; ++i) std::fill_n(c + static_cast<std::int64_t>(i) * ldc, n, T{0});
    return;
  }
  T* small = scratch;
  T* packed_a = small + detail::most_rows * detail::most_columns;
  T* packed_b = packed_a + static_cast<std::int64_t>(std::min(k, detail::block_k)) *
                               (std::min(m, detail::block_m) + detail::most_rows);
  for (int n0 = 0; n0 < n; n0 += detail::block_n) {
    const int nb = std::min(detail::block_n, n - n0);
    for (int k0 = 0; k0 < k; k0 += detail::block_k) {
      const int kb = std::min(detail::block_k, k - k0);
      const bool add = accumulate || k0 > 0;
      const T* from_b =
          transpose_b ? b + static_cast<std::int64_t>(n0) * ldb + k0 : b + static_cast<std::int64_t>(k0) * ldb + n0;
      detail::pack(!transpose_b, nb, kb, from_b, ldb, columns, packed_b);
      for (int m0 = 0; m0 < m; m0 += detail::block_m) {
        const int mb = std::min(detail::block_m, m - m0);
        const T* from_a =
            transpose_a ? a + static_cast<std::int64_t>(k0) * lda + m0 : a + static_cast<std::int64_t>(m0) * lda + k0;
        detail::pack(transpose_a, mb, kb, from_a, lda, rows, packed_a);
        for (int j = 0; j < nb; j += columns) {
          const int width = std::min(columns, nb - j);
          for (int i = 0; i < mb; i += rows) {
            const int height = std::min(rows, mb - i);
            run(packed_a + static_cast<std::int64_t>(i) * kb, packed_b + static_cast<std::int64_t>(j) * kb, small, kb);
            for (int r = 0; r < height; ++r) {
              T* to = c + static_cast<std::int64_t>(m0 + i + r) * ldc + n0 + j;
              const T* from = small + r * columns;
              if (add)
                for (int l = 0; l < width; ++l) to[l] += from[l];
              else
                for (int l = 0; l < width; ++l) to[l] = from[l];
            }
          }
        }
      }
    }
  }
}

}  // namespace strata::eigen
