// SPDX-License-Identifier: BSL-1.0
// The GPU's own kernels beside the reference: in a loop on the host in unit/, on a device in cuda/. Who includes this
// defines before it conformance::Runner, which is a cuda::Run that has done its work when it returns, and Runner::orders of
// doing it. What kernels read and write stands on the heap, never on the stack: a device reaches that alone
// (cuda/managed_memory.cpp).
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <strata/backend/cuda/element.hpp>

#include "conformance.hpp"

namespace conformance {

namespace cuda = strata::cuda;
using cuda::Compute;

// An output, poisoned or beginning with what it holds.
template <class T>
struct Out {
  explicit Out(std::int64_t n) : size(n) {}
  explicit Out(const Numbers& numbers) : start(&numbers) {}
  [[nodiscard]] Guarded<T> buffer() const { return start ? Guarded<T>(*start) : Guarded<T>(size); }
  std::int64_t size = 0;
  const Numbers* start = nullptr;
};

// kernel(run, pointers to the outputs) in each order; the outputs, which must be the same bits.
template <class Kernel, class... T>
std::tuple<std::vector<T>...> launch(Kernel&& kernel, const Out<T>&... outputs) {
  std::optional<std::tuple<std::vector<T>...>> first;
  for (const Runner::Order order : Runner::orders) {
    Runner run(order);
    std::tuple<Guarded<T>...> buffers{outputs.buffer()...};
    std::apply([&](auto&... b) { kernel(run, b.data()...); }, buffers);
    INFO("order ", static_cast<int>(order));
    CHECK_MESSAGE(std::apply([](auto&... b) { return (b.intact() && ...); }, buffers), "wrote outside its output");
    auto now = std::apply([](auto&... b) { return std::tuple(b.inside()...); }, buffers);
    if (!first) first = now;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      CHECK_MESSAGE((same_bits(std::get<I>(now), std::get<I>(*first)) && ...), "depends on the order of the indices");
    }(std::index_sequence_for<T...>{});
  }
  return *first;
}

// What is left of numbers in a type.
template <class T>
Numbers seen(const Numbers& v) {
  return as_numbers(as<T>(v));
}

// To the bit, but that a NaN is a NaN.
template <class T>
void check_equal(const char* what, const std::vector<T>& got, const Numbers& want) {
  INFO(std::string(what));  // of a const char* this doctest prints the address
  REQUIRE(got.size() == want.size());
  std::string wrong;
  for (std::size_t i = 0; i < got.size() && wrong.empty(); ++i)
    if (const double v = value_of(got[i]); !(v == want[i] || (v != v && want[i] != want[i])))
      wrong = std::to_string(v) + " instead of " + std::to_string(want[i]) + " at " + std::to_string(i);
  CHECK(wrong == "");
}

}  // namespace conformance
