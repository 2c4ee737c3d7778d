// The page shows what the compiler said some time ago.
#ifdef EXPECT_COMPILE_FAIL
// expect-error: what it says today
static_assert(sizeof(int) == 0, "strata: what it says today");
#endif
