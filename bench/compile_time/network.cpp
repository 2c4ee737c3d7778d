// SPDX-License-Identifier: BSL-1.0
// A network as a type: shapes, checks and costs.
#include "../alexnet.hpp"

static_assert(AlexNet::output == strata::Shape{10});
static_assert(AlexNet::parameters == 21'594'506);
