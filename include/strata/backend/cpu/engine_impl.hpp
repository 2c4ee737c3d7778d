// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include <strata/backend/cpu/eigen.hpp>
#include <strata/backend/cpu/engine.hpp>
#include <strata/core/linkage.hpp>
#include <strata/util/out_of_memory.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI {

template <class T>
std::string CpuEngine<T>::libraries() {
  return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
         std::to_string(EIGEN_MINOR_VERSION);
}

template <class T>
std::byte* CpuEngine<T>::allocate(const ArenaRequest& request) {
  const auto size = static_cast<std::size_t>(request.bytes);
  memory_.reset(static_cast<std::byte*>(::operator new(size, align, std::nothrow)));
  if (!memory_) throw OutOfMemory(request.bytes, "a model; a smaller batch needs less");
  strata::detail::os::prefer_large_pages(memory_.get(), size);
  std::memset(memory_.get(), 0, size);
  return memory_.get();
}

template <class T>
bool CpuEngine<T>::all_finite(const T* x, std::int64_t n) {
  return std::all_of(x, x + n, [](T v) { return std::isfinite(v); });
}

#if defined(STRATA_COMPILED)
template class CpuEngine<float>;
template class CpuEngine<double>;
#endif

}  // namespace strata::inline STRATA_ABI
