// One error, with the history of eight templates.
template <int N>
struct Deep {
  static constexpr int value = Deep<N - 1>::value;
};
template <>
struct Deep<0> {
#ifdef EXPECT_COMPILE_FAIL
  // expect-error: nowhere near the mistake
  static_assert(sizeof(int) == 0,
                "nowhere near the mistake");
#endif
  static constexpr int value = 0;
};
int deep(int (&)[Deep<8>::value + 1]);
