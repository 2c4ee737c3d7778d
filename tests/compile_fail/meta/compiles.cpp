// The message is printed, as a warning: the compiler returns 0.
#ifdef EXPECT_COMPILE_FAIL
// expect-error: a warning is no error
#pragma GCC warning "a warning is no error"
#endif
