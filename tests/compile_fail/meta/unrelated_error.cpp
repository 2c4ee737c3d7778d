// A header is missing: an error, and not the one.
#ifdef EXPECT_COMPILE_FAIL
// expect-error: the message the author meant
#include "no_such_header.hpp"
#endif
