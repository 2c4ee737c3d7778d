// SPDX-License-Identifier: BSL-1.0
// architecture_fingerprint<Net>(): tells networks apart.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {
namespace detail {

template <class N>
constexpr std::string_view name_of_node() {
  if constexpr (node<N>::kind == Kind::layer || node<N>::kind == Kind::join) {
    if constexpr (requires { std::string_view(node<N>::layer::name); }) return node<N>::layer::name;
  }
  return {};
}

// Numbers that change the results of a layer but not its shape, such as the slope of a LeakyReLU. A copy, because the
// layer's own array would be a symbol without a version.
template <class L>
inline constexpr auto numbers_of_layer = [] {
  std::array<double, std::size(L::numbers)> copy{};
  std::copy(std::begin(L::numbers), std::end(L::numbers), copy.begin());
  return copy;
}();
template <class N>
constexpr std::span<const double> numbers_of_node() {
  if constexpr (requires { std::span<const double>(node<N>::layer::numbers); })
    return numbers_of_layer<typename node<N>::layer>;
  return {};
}

template <class Nodes>
struct names_of;
template <class... Nodes>
struct names_of<List<Nodes...>> {
  static constexpr std::array<std::string_view, sizeof...(Nodes) + 1> names{name_of_node<Nodes>()..., std::string_view{}};
  static constexpr std::array<std::span<const double>, sizeof...(Nodes) + 1> numbers{numbers_of_node<Nodes>()...,
                                                                                     std::span<const double>{}};
};

// names, numbers: of each row.
[[nodiscard]] std::string fingerprint_text(std::span<const Row> rows, std::span<const std::string_view> names,
                                           std::span<const std::span<const double>> numbers);

}  // namespace detail

// Sixteen hexadecimal digits, equal for networks with the same layers, numbers, windows and shapes. Dropout and
// StochasticDepth do not count, since they do nothing outside of training. For telling files apart; not a protection
// against forgery.
template <class Net>
[[nodiscard]] std::string architecture_fingerprint() {
  using nodes = typename detail::analysed<Net>::nodes;
  return detail::fingerprint_text(detail::analysed<Net>::table.rows, detail::names_of<nodes>::names,
                                  detail::names_of<nodes>::numbers);
}

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/fingerprint_impl.hpp>
#endif
