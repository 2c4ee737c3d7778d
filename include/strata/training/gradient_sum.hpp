// SPDX-License-Identifier: BSL-1.0
// Sums gradients over processes in buckets, as soon as they are final, while earlier layers are still computed.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/training/pieces.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI::detail {

// Sums gradients over all processes, in buckets from the last parameter to the first. Their sizes do not depend on the
// calls of ready(), since a process without samples makes none and must sum the same buckets. Sums: who begins a sum.
template <class T, class Sums = Processes>
class GradientSum {
 public:
  // pieces: each process needs the sums of its own pieces alone.
  void begin(Sums& processes, T* values, std::int64_t count, bool pieces = false) {
    processes_ = &processes, values_ = values, pieces_ = pieces;
    begun_ = final_ = count;
    waiting_.clear();
  }
  // The gradients [first, first + count) are final.
  void ready(std::int64_t first, std::int64_t count) {
    waiting_.emplace_back(first, count);
    for (bool found = true; found;) {
      const auto next = std::find_if(waiting_.begin(), waiting_.end(),
                                     [this](const auto& some) { return some.first + some.second == final_; });
      found = next != waiting_.end();
      if (found) final_ = next->first, waiting_.erase(next);
    }
    while (begun_ - final_ >= bucket) sum(bucket);
  }
  // All are.
  void rest() {
    while (begun_ > 0) sum(std::min(bucket, begun_));
  }

 private:
  static constexpr std::int64_t bucket = numbers_of_bucket;

  void sum(std::int64_t count) {
    begun_ -= count;
    const std::span<T> some(values_ + begun_, static_cast<std::size_t>(count));
    if constexpr (std::is_same_v<Sums, Processes>)
      if (pieces_) return processes_->reduce_pieces(some, Wire::as_chosen);
    processes_->all_reduce(some, Wire::as_chosen);
  }

  Sums* processes_ = nullptr;
  T* values_ = nullptr;
  bool pieces_ = false;
  std::int64_t begun_ = 0, final_ = 0;  // from here on, sums have begun, gradients are final
  std::vector<std::pair<std::int64_t, std::int64_t>> waiting_;
};

}  // namespace strata::inline STRATA_ABI::detail
