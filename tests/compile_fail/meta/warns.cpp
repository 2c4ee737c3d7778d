// The good half compiles, and not in silence.
#ifdef EXPECT_COMPILE_FAIL
// expect-error: the mistake
static_assert(sizeof(int) == 0, "the mistake");
#else
#pragma GCC warning "not in silence"
#endif
