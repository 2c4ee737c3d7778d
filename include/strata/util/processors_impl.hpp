// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/util/processor_limits.hpp>
#include <strata/util/processors.hpp>
#include <strata/util/system.hpp>

namespace strata::inline STRATA_ABI::detail {

STRATA_DEFINE int processors_of_quota() {
  return cgroup_processors([](const std::string& path) {
    std::ifstream in(path);
    return std::string(std::istreambuf_iterator<char>(in), {});
  });
}

STRATA_DEFINE int usable_processors() {
  return std::max(1, std::min({os::allowed_processors(), processors_of_quota(), processor_limit.load()}));
}

}  // namespace strata::inline STRATA_ABI::detail
