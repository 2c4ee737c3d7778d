// SPDX-License-Identifier: BSL-1.0
#include <strata/io/tensorboard.hpp>

int main() { return strata::tensorboard::Event().step() == 0 ? 0 : 1; }
