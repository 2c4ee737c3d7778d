// One error, with the history of twelve templates.
template <class T>
struct Deep0 {
#ifdef EXPECT_COMPILE_FAIL
  // expect-error: nowhere near the mistake
  static_assert(sizeof(T) == 0, "nowhere near the mistake");
#endif
};
template <class T>
struct Deep1 : Deep0<T> {};
template <class T>
struct Deep2 : Deep1<T> {};
template <class T>
struct Deep3 : Deep2<T> {};
template <class T>
struct Deep4 : Deep3<T> {};
template <class T>
struct Deep5 : Deep4<T> {};
template <class T>
struct Deep6 : Deep5<T> {};
template <class T>
struct Deep7 : Deep6<T> {};
template <class T>
struct Deep8 : Deep7<T> {};
template <class T>
struct Deep9 : Deep8<T> {};
template <class T>
struct Deep10 : Deep9<T> {};
template <class T>
struct Deep11 : Deep10<T> {};
template <class T>
struct Deep12 : Deep11<T> {};
Deep12<int> deep;
