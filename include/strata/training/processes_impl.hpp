// SPDX-License-Identifier: BSL-1.0
// The functions of processes.hpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <strata/core/linkage.hpp>
#include <strata/training/processes.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE std::vector<std::string> all_gather(Processes& processes, Call call, std::string_view own) {
  const char kind = static_cast<char>(call);
  std::vector<std::string> all = processes.all_gather(kind + std::string(own));
  for (std::string& text : all) {
    if (text.empty() || text[0] != kind)
      throw std::runtime_error(
          "strata: the processes make different calls; all have to make the same ones in the same order");
    text.erase(0, 1);
  }
  return all;
}

STRATA_DEFINE bool any(Processes& processes, bool own) {
  const std::vector<std::string> all = all_gather(processes, Call::question, own ? "1" : "0");
  return std::find(all.begin(), all.end(), "1") != all.end();
}

STRATA_DEFINE std::function<bool()> shared_stop(Processes* processes, const std::function<bool()>& stop) {
  if (!stop || !processes || processes->size() == 1) return stop;
  return [processes, stop] { return any(*processes, stop()); };
}

STRATA_DEFINE std::string broadcast_text(Processes& processes, const std::string& text) {
  std::uint64_t size = text.size();
  processes.broadcast(std::as_writable_bytes(std::span(&size, 1)));
  std::string received = text;
  received.resize(size);
  if (size > 0) processes.broadcast(std::as_writable_bytes(std::span(received)));
  return received;
}

STRATA_DEFINE void check_same(Processes& processes, const std::vector<std::string>& lines) {
  std::string own;
  for (std::string line : lines) {
    std::replace(line.begin(), line.end(), '\n', ' ');
    own += line + '\n';
  }
  const std::vector<std::string> all = all_gather(processes, Call::check, own);
  const auto next = [](std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return std::string(line.empty() ? "nothing" : line);
  };
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    std::string_view first = all[0], other = all[rank];
    while (!first.empty() || !other.empty()) {
      const std::string a = next(first), b = next(other);
      if (a != b)
        throw std::runtime_error("strata: the processes do not fit together: rank 0 has \"" + a + "\", rank " +
                                 std::to_string(rank) + " has \"" + b + "\"");
    }
  }
}

}  // namespace strata::inline STRATA_ABI::detail
