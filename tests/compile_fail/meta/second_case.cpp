// The first case fails as it should, the second compiles.
// cases: a b
#ifdef CASE_a
// expect-error: only in a
static_assert(sizeof(int) == 0, "only in a");
#endif
