// SPDX-License-Identifier: BSL-1.0
// Memory as Eigen's arrays, for element-wise work.
#pragma once
#include <algorithm>
#include <cstdint>

#include <strata/backend/cpu/eigen.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cpu {

// Eigen's own functions bear our name through it, and with it the flags that they were built with (core/linkage.hpp).
struct UnitStride : Eigen::InnerStride<1> {};
template <class T>
using Array = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Unaligned, UnitStride>;
template <class T>
using ConstArray = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, Eigen::Unaligned, UnitStride>;

// Sums over rows of `count` elements, at most `Most`; add(sums, r) adds row r. It adds in T within a block of rows and in
// double from block to block, because a float that has reached 2^24 does not change when 1 is added.
template <class T, int Most, class Add>
Eigen::Array<T, Eigen::Dynamic, 1, 0, Most, 1> sum_rows(std::int64_t rows, std::int64_t count, Add&& add) {
  constexpr std::int64_t block = 512;
  Eigen::Array<double, Eigen::Dynamic, 1, 0, Most, 1> all(count);
  Eigen::Array<T, Eigen::Dynamic, 1, 0, Most, 1> part(count);
  all.setZero();
  for (std::int64_t first = 0; first < rows; first += block) {
    part.setZero();
    for (std::int64_t r = first; r < std::min(rows, first + block); ++r) add(part, r);
    all += part.template cast<double>();
  }
  return all.template cast<T>();
}

}  // namespace strata::inline STRATA_ABI::cpu
