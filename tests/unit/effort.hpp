// SPDX-License-Identifier: BSL-1.0
// How many cases a test draws: `usual`, times STRATA_TEST_EFFORT from the environment if it is set (tests/run.sh long).
#pragma once
#include <cstdlib>

inline int as_many_as(int usual) {
  const char* effort = std::getenv("STRATA_TEST_EFFORT");
  const int times = effort ? std::atoi(effort) : 1;
  return usual * (times > 0 ? times : 1);
}
