// SPDX-License-Identifier: BSL-1.0
// How many cases a test draws: `usual`, times STRATA_TEST_EFFORT from the environment if it is set, and at least one. It is
// 10 in `tests/run.sh long`, and less than 1 where all shapes were drawn before: with the second compiler and under
// sanitizers.
#pragma once
#include <algorithm>
#include <cstdlib>

inline int as_many_as(int usual) {
  const char* effort = std::getenv("STRATA_TEST_EFFORT");
  const double times = effort ? std::atof(effort) : 1;
  return times > 0 ? std::max(1, static_cast<int>(usual * times)) : usual;
}
