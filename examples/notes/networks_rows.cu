// SPDX-License-Identifier: BSL-1.0
// The same for a GPU.
#include "networks_rows.cpp"
