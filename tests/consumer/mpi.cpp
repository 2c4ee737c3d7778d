// SPDX-License-Identifier: BSL-1.0
#include <strata/parallel.hpp>

int main() { return strata::Mpi{}.size() == 1 ? 0 : 1; }
