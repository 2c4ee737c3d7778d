// Two cases; a line for both, a line for each, and lines for one compiler.
// cases: array list
// expect-error: told to both
#ifdef CASE_array
// expect-error(array): an array\[[0-9]+\]; of int
static_assert(sizeof(int) == 0, "told to both: an array[3]; of int");
#endif
#ifdef CASE_list
// expect-error(list): a list
// expect-error[gcc]: static assertion failed
// expect-error(list)[clang]: static assertion failed due to requirement
static_assert(sizeof(int) == 0, "told to both: a list");
#endif
