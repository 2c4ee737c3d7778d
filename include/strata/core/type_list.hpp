// SPDX-License-Identifier: BSL-1.0
// Lists of types. The depth of the templates grows with the logarithm of a list's length, since compilers limit it, and no
// fold expression runs over a list, since clang limits those to 256 operands.
#pragma once
#include <cstddef>
#include <utility>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class...>
struct List {};

template <class T>
struct type_box {
  using type = T;
};

// --- pick<Index, List<...>>::type: the element at Index
// --------------------------------------------------------------------------
template <int Index, class List>
struct pick;

#if defined(__has_builtin)
#if __has_builtin(__type_pack_element)
#define STRATA_TYPE_PACK_ELEMENT
#endif
#endif

#if defined(STRATA_TYPE_PACK_ELEMENT)
template <int Index, class... T>
struct pick<Index, List<T...>> {
  using type = __type_pack_element<static_cast<std::size_t>(Index), T...>;
};
#else
// One base for each element, with its index: overload resolution finds the one that is asked for.
template <int Index, class T>
struct indexed {};
template <class Indices, class... T>
struct indexed_list;
template <int... Index, class... T>
struct indexed_list<std::integer_sequence<int, Index...>, T...> : indexed<Index, T>... {};
template <int Index, class T>
type_box<T> find_indexed(const indexed<Index, T>*);
template <int Index, class... T>
struct pick<Index, List<T...>> {
  using all = indexed_list<std::make_integer_sequence<int, static_cast<int>(sizeof...(T))>, T...>;
  // Qualified, since a lookup by argument would instantiate the elements.
  using type = typename decltype(detail::find_indexed<Index>(static_cast<const all*>(nullptr)))::type;
};
#endif
#undef STRATA_TYPE_PACK_ELEMENT

// --- concat<List<...>...>::type: all elements in one list ----------------------------------------------------------------
template <std::size_t>
using ignored = const void*;
template <class Indices>
struct drop;
template <std::size_t... Index>
struct drop<std::index_sequence<Index...>> {
  template <class... T>
  static List<T...> from(ignored<Index>..., type_box<T>*...);
};

// The first eight lists of a list of lists, as one.
template <class Lists>
struct concat_eight;
template <class... A, class... B, class... C, class... D, class... E, class... F, class... G, class... H, class... Rest>
struct concat_eight<
    List<List<A...>, List<B...>, List<C...>, List<D...>, List<E...>, List<F...>, List<G...>, List<H...>, Rest...>> {
  using type = List<A..., B..., C..., D..., E..., F..., G..., H...>;
};

template <class... Lists>
struct concat;
// Joins the lists eight by eight, then the results.
template <class Chunks, class... Lists>
struct concat_chunks;
template <std::size_t... Chunk, class... Lists>
struct concat_chunks<std::index_sequence<Chunk...>, Lists...>
    : concat<typename concat_eight<decltype(drop<std::make_index_sequence<8 * Chunk>>::from(
          static_cast<type_box<Lists>*>(nullptr)..., static_cast<type_box<List<>>*>(nullptr),
          static_cast<type_box<List<>>*>(nullptr), static_cast<type_box<List<>>*>(nullptr),
          static_cast<type_box<List<>>*>(nullptr), static_cast<type_box<List<>>*>(nullptr),
          static_cast<type_box<List<>>*>(nullptr), static_cast<type_box<List<>>*>(nullptr)))>::type...> {};
template <class... Lists>
struct concat : concat_chunks<std::make_index_sequence<(sizeof...(Lists) + 7) / 8>, Lists...> {};
template <>
struct concat<> {
  using type = List<>;
};
template <class... A>
struct concat<List<A...>> {
  using type = List<A...>;
};
template <class... A, class... B>
struct concat<List<A...>, List<B...>> {
  using type = List<A..., B...>;
};

}  // namespace strata::inline STRATA_ABI::detail
