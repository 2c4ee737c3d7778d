// SPDX-License-Identifier: BSL-1.0
#include <strata/data/images.hpp>

int main() { return 0; }
