// SPDX-License-Identifier: BSL-1.0
#include <strata/data/gzip.hpp>

int main() { return 0; }
