// SPDX-License-Identifier: BSL-1.0
// Losses share these: the concept LossFunction, and the arithmetic of a row.
#pragma once
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/core/target.hpp>
#include <strata/losses/row.hpp>

namespace strata::inline STRATA_ABI {

// A loss has these members besides its work on a row. Without `targets` it takes a class index. validate() is optional.
template <class L>
concept LossFunction = requires(const L& loss) {
  { L::takes } -> std::convertible_to<Takes>;
  { loss.describe() } -> std::convertible_to<std::string>;
};

namespace detail {

// Whether its row is a sample even of a class map.
template <class L>
constexpr bool whole_samples() {
  if constexpr (requires { bool{L::whole_samples}; })
    return L::whole_samples;
  else
    return false;
}

// The largest output of a row, and the logarithm of the sum of exp(output - largest): nothing overflows.
template <class N>
struct LogSum {
  N top, log;
};
template <class Row>
STRATA_HOST_DEVICE LogSum<typename Row::number> log_sum_exp(const Row& row) {
  using N = typename Row::number;
  N top = row.output(0), sum{0};
  for (int c = 1; c < row.size(); ++c)
    if (const N x = row.output(c); x > top) top = x;
  for (int c = 0; c < row.size(); ++c) sum += std::exp(row.output(c) - top);
  return {top, std::log(sum)};
}

// The part of one output in the loss of its row, and the derivative of that part.
template <class N>
struct LossTerm {
  N value, slope;
};
// The mean over the outputs of term(output, target).
template <class Row, class F>
STRATA_HOST_DEVICE auto mean_over_outputs(const Row& row, const F& term) {
  using N = typename Row::number;
  const N n = static_cast<N>(row.size());
  N sum{0};
  for (int c = 0; c < row.size(); ++c) {
    const LossTerm<N> t = term(row.output(c), row.target(c));
    sum += t.value;
    row.gradient(c, t.slope / n);
  }
  return sum / n;
}

// A row whose gradients are multiplied by a factor.
template <class Row>
struct ScaledRow {
  using number = typename Row::number;
  static constexpr bool has_label = Row::has_label;
  Row row;
  number factor;
  [[nodiscard]] STRATA_HOST_DEVICE int size() const { return row.size(); }
  [[nodiscard]] STRATA_HOST_DEVICE number output(int i) const { return row.output(i); }
  [[nodiscard]] STRATA_HOST_DEVICE int label() const { return row.label(); }
  [[nodiscard]] STRATA_HOST_DEVICE number target(int i) const { return row.target(i); }
  [[nodiscard]] STRATA_HOST_DEVICE bool wants_gradient() const { return row.wants_gradient(); }
  STRATA_HOST_DEVICE void gradient(int i, number value) const { row.gradient(i, factor * value); }
};

template <class L>
void validate_loss(const L& loss) {
  if constexpr (requires { loss.validate(); }) loss.validate();
}
// A loss that fits some numbers of outputs alone has validate(int outputs), of a row.
template <class L>
void validate_loss(const L& loss, int outputs) {
  if constexpr (requires { loss.validate(outputs); }) loss.validate(outputs);
}

// The probability of class c that a loss sees in the outputs of a row: its own probability(outputs, c), or the output.
template <class L, class T>
double probability(const L& loss, std::span<const T> outputs, int c) {
  if constexpr (requires { loss.probability(outputs, c); })
    return loss.probability(outputs, c);
  else
    return static_cast<double>(outputs[static_cast<std::size_t>(c)]);
}
template <class T>
double sigmoid(T x) {
  return 1 / (1 + std::exp(-static_cast<double>(x)));
}

}  // namespace detail

}  // namespace strata::inline STRATA_ABI
