// The wanted error, and one that follows.
#ifdef EXPECT_COMPILE_FAIL
// expect-error: the wanted one
static_assert(sizeof(int) == 0, "the wanted one");
const char* follows = 1;
#endif
