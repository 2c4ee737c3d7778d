// SPDX-License-Identifier: BSL-1.0
// Starting threads, and forgetting them in a child after fork(), which has the objects of its parent, but only the thread
// that called fork().
#pragma once
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

// Starts work(i) in a thread for each i in [first, asked). Throws std::system_error, which says how many threads were asked
// for; `threads` then holds those that were started.
template <class Work>
void start_threads(std::vector<std::thread>& threads, int asked, int first, const Work& work) {
  const auto fail = [&](std::error_code error) {
    throw std::system_error(error, "strata: " + std::to_string(asked) + " threads were asked for, but only " +
                                       std::to_string(static_cast<std::size_t>(first) + threads.size()) +
                                       " could be started");
  };
  try {
    for (int i = first; i < asked; ++i) threads.emplace_back(work, i);
  } catch (const std::system_error& e) {
    fail(e.code());
  } catch (const std::bad_alloc&) {
    fail(std::make_error_code(std::errc::not_enough_memory));
  }
}

// In a child: forgets the parent's threads. To join or detach one would reach into a thread that may be another by now. The
// new objects take the place of the old ones, which are not destroyed.
inline void forget_threads(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) std::construct_at(&thread);
  threads.clear();
}

}  // namespace strata::inline STRATA_ABI::detail
