// The first expectation is met, the second is not.
#ifdef EXPECT_COMPILE_FAIL
// expect-error: one message
// expect-error: another message
static_assert(sizeof(int) == 0, "one message");
#endif
