// SPDX-License-Identifier: BSL-1.0
// How many processors this process may use: the system's, the affinity (taskset) and the CPU quota of its cgroups, which
// is how containers are limited.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

inline constexpr int no_quota = std::numeric_limits<int>::max();

// A quota of `quota` microseconds in each `period`, as processors, rounded up. no_quota for texts that are not positive
// numbers: "max" (cgroup v2), "-1" (v1) and files that are missing.
inline int quota_processors(std::string_view quota, std::string_view period) {
  const auto number = [](std::string_view text) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc{} ? n : 0;
  };
  const std::int64_t q = number(quota), p = number(period);
  if (q <= 0 || p <= 0) return no_quota;
  return static_cast<int>(std::min<std::int64_t>((q - 1) / p + 1, no_quota));
}

// The parts of a text between separators.
inline std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end; (end = text.find(separator)) != std::string_view::npos; text.remove_prefix(end + 1))
    parts.push_back(text.substr(0, end));
  parts.push_back(text);
  return parts;
}

// The smallest quota of the process's cgroups and of those around them, as processors; no_quota if there is none.
// read(path) returns the text of a file, or "" if it cannot be read.
template <class Read>
int cgroup_processors(const Read& read) {
  const auto has_cpu = [](std::string_view list) {
    const auto names = parts_of(list, ',');
    return std::find(names.begin(), names.end(), "cpu") != names.end();
  };
  const std::string cgroups = read("/proc/self/cgroup"), mounts = read("/proc/self/mountinfo");
  int least = no_quota;
  for (const std::string_view mount : parts_of(mounts, '\n')) {
    // id parent device root point options [more] - type source options
    const std::size_t dash = mount.find(" - ");
    if (dash == std::string_view::npos) continue;
    const auto place = parts_of(mount.substr(0, dash), ' '), what = parts_of(mount.substr(dash + 3), ' ');
    if (place.size() < 5 || what.size() < 3) continue;
    const bool second = what[0] == "cgroup2";
    if (!second && !(what[0] == "cgroup" && has_cpu(what[2]))) continue;
    const std::string_view root = place[3] == "/" ? "" : place[3];
    for (const std::string_view line : parts_of(cgroups, '\n')) {  // id:controllers:path
      const std::size_t first = line.find(':'), next = first == std::string_view::npos ? first : line.find(':', first + 1);
      if (next == std::string_view::npos) continue;
      const std::string_view controllers = line.substr(first + 1, next - first - 1);
      if (second ? !controllers.empty() : !has_cpu(controllers)) continue;
      std::string_view path = line.substr(next + 1);
      // Inside a container the path may be that of the host, of which the mount shows only a part.
      const bool below = path.substr(0, root.size()) == root && (path.size() == root.size() || path[root.size()] == '/');
      path = below ? path.substr(root.size()) : "";
      if (path == "/") path = "";
      while (true) {
        const std::string folder = std::string(place[4]) + std::string(path) + "/";
        if (second) {
          const std::string text = read(folder + "cpu.max");
          const auto both = parts_of(text, ' ');
          if (both.size() == 2) least = std::min(least, quota_processors(both[0], both[1]));
        } else {
          least = std::min(least, quota_processors(read(folder + "cpu.cfs_quota_us"), read(folder + "cpu.cfs_period_us")));
        }
        if (path.empty()) break;
        const std::size_t slash = path.rfind('/');
        path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
      }
    }
  }
  return least;
}

}  // namespace strata::inline STRATA_ABI::detail
