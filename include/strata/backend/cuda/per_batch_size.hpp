// SPDX-License-Identifier: BSL-1.0
// Keeps one thing for each batch size, such as a plan or a captured graph.
#pragma once
#include <algorithm>
#include <cstddef>
#include <list>
#include <utility>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

// Values of the sizes that were used last. A program with many sizes would otherwise fill the device's memory.
template <class T>
class PerBatchSize {
 public:
  static constexpr std::size_t most = 8;

  // The value of a size, which is now the one used last; null if there is none.
  [[nodiscard]] T* find(int size) {
    const auto found = std::ranges::find(entries_, size, &Entry::first);
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.end(), entries_, found);
    return &entries_.back().second;
  }
  // The same, but the order stays.
  [[nodiscard]] const T* peek(int size) const {
    const auto found = std::ranges::find(entries_, size, &Entry::first);
    return found == entries_.end() ? nullptr : &found->second;
  }
  // Whether add() removes a value.
  [[nodiscard]] bool full() const { return entries_.size() == most; }
  // Adds the value of a size that has none, and removes that of the size that was used longest ago if there are too many.
  T& add(int size, T value) {
    if (full()) entries_.pop_front();
    return entries_.emplace_back(size, std::move(value)).second;
  }
  void clear() { entries_.clear(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  using Entry = std::pair<int, T>;
  std::list<Entry> entries_;  // the one used last is at the end
};

}  // namespace strata::inline STRATA_ABI::cuda
