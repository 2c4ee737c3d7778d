// The mistake stands outside the #ifdef.
// expect-error: broken in any case
static_assert(sizeof(int) == 0, "broken in any case");
