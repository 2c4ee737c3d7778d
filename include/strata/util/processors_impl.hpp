// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/util/processor_limits.hpp>
#include <strata/util/processors.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE int usable_processors() {
  const auto read = [](const std::string& path) {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  return std::max(1, std::min(affinity_processors(), cgroup_processors(read)));
}

}  // namespace strata::inline STRATA_ABI::detail
