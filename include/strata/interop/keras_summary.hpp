// SPDX-License-Identifier: BSL-1.0
// keras_summary: compares a network with the text that Keras' model.summary() printed, at compile time:
//
//     static_assert(keras_summary<Net, R"(
//     conv2d (Conv2D)              (None, 32, 32, 96)        7296
//     max_pooling2d (MaxPooling2D) (None, 15, 15, 96)        0
//     ...)">);
//
// It compares output shapes and parameters row by row. It reads the layouts of Keras 2, which cuts names at their column,
// and of Keras 3, with its boxes, and skips headings, rules and totals.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>
#include <strata/layers/expect.hpp>

namespace strata::inline STRATA_ABI {

// Text as a template argument.
template <std::size_t Size>
struct FixedString {
  char characters[Size]{};
  // NOLINTNEXTLINE(google-explicit-constructor): makes keras_summary<Net, "..."> possible
  consteval FixedString(const char (&text)[Size]) {
    for (std::size_t i = 0; i < Size; ++i) characters[i] = text[i];
  }
  [[nodiscard]] constexpr std::string_view view() const { return {characters, Size - 1}; }
};

namespace detail {

// Whether Keras always lists a layer: Input and activations have a row in some models only.
enum class Listed { always, input, activation };

// A row of Keras' summary, or a layer of the network that may have one: all but Expect.
struct KerasRow {
  Listed kind = Listed::always;
  bool readable = false;
  int node = -1;  // of the network
  Shape out{};
  std::int64_t parameters = 0;  // as Keras counts, including those that are not trained
};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Reads a decimal number and moves `at` behind it; -1 if there is none. Keras 3 puts commas between thousands.
constexpr std::int64_t read_number(std::string_view s, std::size_t& at, bool thousands) {
  if (at >= s.size() || !is_digit(s[at])) return -1;
  std::int64_t n = 0;
  for (; at < s.size(); ++at) {
    if (is_digit(s[at]))
      n = saturating_add(saturating_multiply(10, n), s[at] - '0');
    else if (!thousands || s[at] != ',' || at + 1 >= s.size() || !is_digit(s[at + 1]))
      break;
  }
  return n;
}
constexpr void skip_blanks(std::string_view s, std::size_t& at) {
  while (at < s.size() && s[at] == ' ') ++at;
}
// Where the output shape starts: after "(None," or, with a fixed batch, "(128,". The end of the line if there is none.
constexpr std::size_t find_shape(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '(') continue;
    std::size_t at = i + 1;
    if (line.substr(at, 4) == "None")
      at += 4;
    else if (read_number(line, at, false) < 0)
      continue;
    if (at < line.size() && line[at] == ',') return at + 1;
  }
  return line.size();
}
// `name` is the text before the shape: "conv2d_1 (Conv2D)", perhaps cut, or without the type, which Keras 3 may wrap.
constexpr Listed kind_of_row(std::string_view name) {
  const std::size_t type = name.find('(');
  const bool typed = type != std::string_view::npos;
  if (typed) name = name.substr(type + 1);
  const auto has = [name](std::string_view word) { return name.find(word) != std::string_view::npos; };
  if (has(typed ? "InputLayer" : "input_layer")) return Listed::input;
  if (has(typed ? "PReLU" : "p_re_lu")) return Listed::always;  // it has parameters
  if (typed ? has("Activation") || has("ReLU") || has("Softmax") || has("Rescaling")
            : has("activation") || has("re_lu") || has("softmax") || has("rescaling"))
    return Listed::activation;
  return Listed::always;
}
// `shape` points to the text after the batch: " 15, 15, 96)        0".
constexpr KerasRow read_row(std::string_view line, std::size_t shape) {
  KerasRow row;
  row.kind = kind_of_row(line.substr(0, line.substr(0, shape).rfind('(')));
  std::array<std::int64_t, 3> sizes{};
  std::size_t count = 0, at = shape;
  for (; count < 4; ++count) {
    skip_blanks(line, at);
    if (at < line.size() && line[at] == ')') break;
    const std::int64_t n = read_number(line, at, false);
    if (n < 0 || n > max_elements || count == 3) return row;
    sizes[count] = n;
    skip_blanks(line, at);
    if (at < line.size() && line[at] == ',') ++at;
  }
  if (count == 1)
    row.out = Shape{saturate_to_int(sizes[0])};
  else if (count == 3)
    row.out = Shape{saturate_to_int(sizes[0]), saturate_to_int(sizes[1]), saturate_to_int(sizes[2])};
  else
    return row;
  while (at < line.size() && !is_digit(line[at])) ++at;  // ), ] and the edge of a box
  row.parameters = read_number(line, at, true);
  row.readable = row.parameters >= 0;
  return row;
}

template <std::size_t Capacity>
struct KerasRows {
  std::array<KerasRow, Capacity> rows{};
  std::size_t count = 0;
};
// The shortest row is "(None,1)0".
template <std::size_t Size>
constexpr auto read_keras(const FixedString<Size>& text) {
  KerasRows<Size / 8 + 1> read;
  std::string_view rest = text.view();
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    const std::size_t shape = find_shape(line);
    if (shape < line.size()) read.rows[read.count++] = read_row(line, shape);
  }
  return read;
}

enum class KerasFault { none, row, rows, unreadable };
struct KerasDifference {
  KerasFault fault = KerasFault::none;
  int row = 0;  // counted from 1
  int node = -1;
  std::int64_t expected = 0, got = 0;
  Shape expected_shape{}, got_shape{};
};

template <class N>
inline constexpr bool is_expect = false;
template <int First, int... Rest>
inline constexpr bool is_expect<Expect<First, Rest...>> = true;
// Activations of one's own included.
template <class N>
inline constexpr bool is_elementwise = requires { N::template forward<float>(0.0f); };

template <class Nodes>
struct own_rows;
template <class... N>
struct own_rows<List<N...>> {
  static constexpr auto read() {
    constexpr const auto& table = table_of<List<N...>>::value;
    constexpr std::array<bool, sizeof...(N) + 1> expect{is_expect<N>..., false};
    constexpr std::array<bool, sizeof...(N) + 1> elementwise{is_elementwise<N>..., false};
    constexpr std::array<bool, sizeof...(N) + 1> input{is_input<N>..., false};
    KerasRows<sizeof...(N) + 1> own;
    for (std::size_t i = 0; i + 1 < expect.size(); ++i) {
      const Row& row = table.rows[i];
      if (row.layer < 0 || expect[i]) continue;
      const Values v = row.step.values;
      const bool activation =
          row.step.parameters == 0 && (elementwise[i] || v == Values::rectified || v == Values::squashed ||
                                       v == Values::probabilities || v == Values::log_probabilities);
      own.rows[own.count++] = {input[i]     ? Listed::input
                               : activation ? Listed::activation
                                            : Listed::always,
                               true, static_cast<int>(i), row.out, saturating_add(row.step.parameters, row.step.state)};
    }
    return own;
  }
};

// Walks both lists, and skips rows that only one side has if they are of a kind that may be left out.
template <std::size_t Rows, std::size_t Own>
constexpr KerasDifference compare(const KerasRows<Rows>& keras, const KerasRows<Own>& own) {
  KerasDifference d;
  if (keras.count == 0) d.fault = KerasFault::unreadable;
  std::size_t o = 0;
  for (std::size_t k = 0; k < keras.count; ++k) {
    const KerasRow& theirs = keras.rows[k];
    d.row = static_cast<int>(k) + 1;
    if (!theirs.readable) {
      d.fault = KerasFault::unreadable;
      return d;
    }
    while (o < own.count && own.rows[o].kind != theirs.kind && own.rows[o].kind != Listed::always) ++o;
    if (o == own.count && theirs.kind == Listed::activation)
      continue;  // a softmax at the end, which the loss contains here
    if (o == own.count) {
      d.fault = KerasFault::rows;
      break;
    }
    const KerasRow& ours = own.rows[o++];
    if (theirs.kind == ours.kind && theirs.out == ours.out && theirs.parameters == ours.parameters) continue;
    d.fault = KerasFault::row;
    d.node = ours.node;
    d.expected = theirs.parameters, d.got = ours.parameters;
    d.expected_shape = theirs.out, d.got_shape = ours.out;
    return d;
  }
  for (; o < own.count; ++o)
    if (own.rows[o].kind == Listed::always && d.fault == KerasFault::none) d.fault = KerasFault::rows;
  for (std::size_t k = 0; k < keras.count; ++k) d.expected += keras.rows[k].kind == Listed::always ? 1 : 0;
  for (std::size_t i = 0; i < own.count; ++i) d.got += own.rows[i].kind == Listed::always ? 1 : 0;
  return d;
}

template <class Net, FixedString Text>
struct keras_check {
  using nodes = typename analysed<Net>::nodes;
  static constexpr KerasDifference difference = [] {
    if (!diagnose<Net>().ok()) return KerasDifference{};
    return compare(read_keras(Text), own_rows<nodes>::read());
  }();
  static constexpr Diagnosis diagnosis{.expected = difference.expected,
                                       .got = difference.got,
                                       .expected_shape = difference.expected_shape,
                                       .got_shape = difference.got_shape,
                                       .node = difference.node};
};
template <KerasFault F, class Check>
struct keras_verdict {
  static_assert(error::never<Check>, "strata: interop/keras_summary.hpp has no verdict on this difference");
  using type = ok;
};
template <class Check>
struct keras_verdict<KerasFault::none, Check> {
  using type = ok;
};
template <class Check>
struct keras_verdict<KerasFault::row, Check> {
  using w = words<Check>;
  using layer = typename node<typename pick<Check::diagnosis.node, typename Check::nodes>::type>::layer;
  using type = error::keras_row_differs<at_row<Check::difference.row>, layer, typename w::wanted_shape,
                                        typename w::shape_here, typename w::expected_number, typename w::got_number>;
};
template <class Check>
struct keras_verdict<KerasFault::rows, Check> {
  using type = error::keras_rows_missing<typename words<Check>::expected_number, typename words<Check>::got_number>;
};
template <class Check>
struct keras_verdict<KerasFault::unreadable, Check> {
  using type = error::keras_summary_unreadable<at_row<Check::difference.row>>;
};

}  // namespace detail

// True, or one error that names the row. Input, activations and Expect need no row. If Keras lists an Input or an
// activation, the network must have it at that place, except an activation at the very end, which a loss on logits
// contains.
template <class Net, FixedString Text>
inline constexpr bool keras_summary =
    Net::layers >= 0 &&  // reports a fault of the network itself
    sizeof(typename detail::keras_verdict<detail::keras_check<Net, Text>::difference.fault,
                                          detail::keras_check<Net, Text>>::type) != 0;

}  // namespace strata::inline STRATA_ABI
