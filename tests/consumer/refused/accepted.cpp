// Not refused: the test of this file must fail.
#include "block.hpp"

// expect-error: residual_shapes_differ<
using Net = strata::Sequential<strata::Input<8, 8, 16>, Block<16>>;
static_assert(Net::parameters > 0);
