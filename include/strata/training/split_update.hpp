// SPDX-License-Identifier: BSL-1.0
// An update that is split among processes: each updates its pieces of the parameters, then all get the new parameters.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include <strata/core/linkage.hpp>
#include <strata/optimizers/parameter_groups.hpp>
#include <strata/training/pieces.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI::detail {

// update(r, range): of the part of range r that is this process's. The first buckets are gathered while the next ones are
// updated. A bucket whose parameters are all frozen is not sent.
template <class T, class Update>
void update_pieces(Processes& processes, std::span<T> parameters, std::span<const ParameterRange> ranges,
                   const Update& update) {
  each_bucket(static_cast<std::int64_t>(parameters.size()), [&](std::int64_t first, std::int64_t count) {
    const Piece own = piece_of(count, processes.rank(), processes.size());
    bool changes = false;
    for (std::size_t r = 0; r < ranges.size(); ++r) {
      const std::int64_t begin = ranges[r].first, end = begin + ranges[r].count;
      if (ranges[r].frozen || end <= first || begin >= first + count) continue;
      changes = true;
      ParameterRange part = ranges[r];
      part.first = std::max(begin, first + own.first);
      part.count = std::min(end, first + own.first + own.count) - part.first;
      if (part.count > 0) update(r, part);
    }
    if (changes)
      processes.gather_pieces(parameters.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
  });
  processes.wait();
}

// Everybody gets the numbers of each process's own parameters.
template <class T>
void gather_numbers(Processes& processes, std::span<T> numbers) {
  each_bucket(static_cast<std::int64_t>(numbers.size()), [&](std::int64_t first, std::int64_t count) {
    processes.gather_pieces(numbers.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
  });
  processes.wait();
}

// Whether this process has all that the optimizer keeps. After a split update it has that of its own parameters alone.
class MemoryOfOptimizer {
 public:
  void split() { whole_ = false; }
  void restored() { whole_ = true; }
  void check() const {
    if (!whole_)
      throw std::logic_error(
          "strata: the update is split, so each process has a part of the optimizer's memory; call gather_memory() in all");
  }
  // All processes call it.
  template <class Steps>
  void gather(Processes* processes, Steps& steps, int slot_count) {
    if (whole_) return;
    for (int slot = 0; slot < slot_count; ++slot) gather_numbers(*processes, steps.memory(slot));
    whole_ = true;
  }

 private:
  bool whole_ = true;
};

}  // namespace strata::inline STRATA_ABI::detail
