// SPDX-License-Identifier: BSL-1.0
// The same networks for a GPU.
#include "networks_h.cpp"
