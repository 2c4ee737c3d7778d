// A user's own test: the network refuses a shortcut of another shape.
#include "block.hpp"

// expect-error: strata::error::residual_shapes_differ<.*at_layer<3>.*expected_shape<8, 8, 16>.*got_shape<8, 8, 3>
#ifdef EXPECT_COMPILE_FAIL
using Net = strata::Sequential<strata::Input<8, 8, 3>, Block<16>>;
#else
using Net = strata::Sequential<strata::Input<8, 8, 16>, Block<16>>;
#endif
static_assert(Net::parameters > 0);
