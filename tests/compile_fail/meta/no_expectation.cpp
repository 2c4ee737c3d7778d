// Nobody says what the compiler should say.
#ifdef EXPECT_COMPILE_FAIL
static_assert(sizeof(int) == 0, "unexpected");
#endif
