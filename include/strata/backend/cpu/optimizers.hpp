// SPDX-License-Identifier: BSL-1.0
// Updates of parameters on the processor.
#pragma once
#include <cstdint>
#include <span>

#include <strata/backend/cpu/chunks.hpp>
#include <strata/core/linkage.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/optimizers/update.hpp>

namespace strata::inline STRATA_ABI::cpu {

inline constexpr std::int64_t update_chunk = 65536;

// If the gradients' norm over all ranges that are not frozen is above `limit`, scales them down to it. Returns false, and
// changes nothing, if the norm is infinite or NaN. The sum is in double precision, in fixed parts, so that it does not
// depend on the number of threads.
template <class T>
[[nodiscard]] bool clip_by_norm(std::span<const strata::detail::ParameterRange> ranges, double limit, T* g,
                                ThreadPool& pool);

// w[i] becomes element(w[i], g[i], the slots of i). Slot k of parameter i is slot_data[k * stride + i];
// slot_data is null if there are none.
template <class Element, class T>
void update_elements(const Element& element, std::int64_t n, T* w, const T* g, T* slot_data, std::int64_t stride,
                     ThreadPool& pool) {
  for_chunks(
      n, pool,
      [=](std::int64_t first, std::int64_t count) {
        T* __restrict weight = w + first;
        const T* __restrict gradient = g + first;
        for (std::int64_t i = 0; i < count; ++i)
          weight[i] = element(weight[i], gradient[i], SlotsOf<T>{slot_data, stride, first + i});
      },
      update_chunk);
}

}  // namespace strata::inline STRATA_ABI::cpu

#if !defined(STRATA_COMPILED)
#include <strata/backend/cpu/optimizers_impl.hpp>
#endif
