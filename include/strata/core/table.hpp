// SPDX-License-Identifier: BSL-1.0
// The table: a network evaluated once, at compile time, into one row for each node. Everything else reads it.
#pragma once
#include <array>
#include <cstddef>

#include <strata/core/layer_info.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/nodes.hpp>

namespace strata {

// The first fault of a network, as a value.
struct Diagnosis {
  Fault fault = Fault::none;
  int layer = -1;  // Input is 0; the layers of blocks count
  std::int64_t expected = 0, got = 0;
  Shape expected_shape{}, got_shape{};
  Parameter parameter = Parameter::none;
  int node = -1;
  [[nodiscard]] constexpr bool ok() const { return fault == Fault::none; }
};

inline namespace STRATA_ABI {
namespace detail {

struct Row {
  Kind kind = Kind::layer;
  int layer = -1;  // number of the layer; -1 for forks and the like
  Shape in{}, out{};
  LayerInfo step{};
  Values values = Values::any;  // of the output
  int source = -1;              // the row whose output this one reads
  int fork = -1;                // next, join: the row of their fork
  int previous_end = -1;        // next, join: the row of the branch end before this one; -1 for the first
  bool identity = false;        // join: its second branch is the fork itself, as of a Residual without a Shortcut
};

struct Rule {
  Kind kind;
  bool input;
  LayerInfo (*infer)(Shape);
  LayerInfo (*join)(Shape, Shape);
};

template <std::size_t Count>
struct Table {
  std::array<Row, Count == 0 ? 1 : Count> rows{};
  int nodes = static_cast<int>(Count);
  int layers = 0;
  Shape input{1, 1, 1}, output{1, 1, 1};  // without an Input: no size is zero
  std::int64_t parameters = 0, state = 0, macs = 0;
  std::int64_t outputs = 0;  // elements of all layers' outputs, one sample
  std::int64_t largest = 0;  // elements of the largest of them
  Values ends_in = Values::any;
  Diagnosis diagnosis{};
};

// Walks the nodes with a stack of forks. Keeps the first fault; a faulty layer continues with the output that its author
// most likely meant. The cost is linear in the number of nodes, since compilers limit the steps of an evaluation.
template <std::size_t Count>
constexpr Table<Count> fold(const std::array<Rule, Count == 0 ? 1 : Count>& rules) {
  Table<Count> t;
  // For each open fork, its row and the first and last branch end so far; for each branch end, the next of the same fork.
  std::array<int, Count + 1> forks{}, first_end{}, last_end{}, next_end{};
  int depth = 0;
  bool has_input = false;
  const auto report = [&t](Fault f, int node, int layer) {
    if (!t.diagnosis.ok()) return false;
    t.diagnosis.fault = f, t.diagnosis.node = node, t.diagnosis.layer = layer;
    return true;
  };
  if (Count == 0) report(Fault::empty_network, -1, -1);
  int numbered = 0;
  for (int i = 0; i < static_cast<int>(Count); ++i) {
    const Rule& rule = rules[static_cast<std::size_t>(i)];
    if (rule.input && i > 0) report(Fault::input_not_first, i, numbered);
    has_input = has_input || rule.input;
    if (rule.kind == Kind::layer || rule.kind == Kind::join) ++numbered;
  }
  if (Count > 0 && !has_input) report(Fault::no_input, -1, -1);
  for (int i = 0; i < static_cast<int>(Count); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Rule& rule = rules[at];
    Row& row = t.rows[at];
    row.kind = rule.kind;
    row.source = i - 1;
    row.in = i == 0 ? t.input : t.rows[at - 1].out;
    if (rule.kind == Kind::layer || rule.kind == Kind::join) row.layer = t.layers++;
    row.step = rule.infer(row.in);
    Shape expected_shape = row.step.out, got_shape = row.in;
    if (rule.kind == Kind::fork) {
      const auto top = static_cast<std::size_t>(depth++);
      forks[top] = i, first_end[top] = last_end[top] = -1;
    } else if ((rule.kind == Kind::next || rule.kind == Kind::join) && depth > 0) {
      const auto top = static_cast<std::size_t>(depth - 1);
      row.fork = forks[top];
      row.previous_end = last_end[top];
      const Shape forked = t.rows[static_cast<std::size_t>(row.fork)].out;
      if (rule.kind == Kind::next) {
        row.step.out = forked;
        row.values = t.rows[static_cast<std::size_t>(row.fork)].values;
        next_end[at] = -1;
        (last_end[top] < 0 ? first_end[top] : next_end[static_cast<std::size_t>(last_end[top])]) = i;
        last_end[top] = i;
      } else {
        // In the order of the branches: the input of each Next is the end of a branch, and the input here is the last. A
        // join of one branch adds the fork's own value.
        const int first = first_end[top];
        Shape sum = first >= 0 ? t.rows[static_cast<std::size_t>(first)].in : row.in;
        const auto add = [&](Shape next) {
          const LayerInfo s = rule.join(sum, next);
          if (s.fault != Fault::none && row.step.fault == Fault::none)
            expected_shape = sum, got_shape = next, row.step.fault = s.fault;
          row.step.values = s.values;
          sum = s.out;
        };
        for (int end = first; end >= 0; end = next_end[static_cast<std::size_t>(end)])
          if (end != first) add(t.rows[static_cast<std::size_t>(end)].in);
        row.identity = first < 0 && rule.join(Shape{1}, Shape{1}).out == Shape{1};  // a sum, not a concatenation
        if (first >= 0 || row.identity) add(first >= 0 ? row.in : forked);
        row.step.out = sum;
        --depth;
      }
    }
    row.out = row.step.out;
    if (row.step.values != Values::as_before)
      row.values = row.step.values;
    else if (rule.kind != Kind::next && i > 0)
      row.values = t.rows[at - 1].values;

    Fault f = row.step.fault;
    if (f == Fault::none && (saturating_size(row.out) > max_elements || row.step.parameters > max_elements)) {
      f = Fault::size_overflows;
      row.step.got = saturating_size(row.out) > max_elements ? saturating_size(row.out) : row.step.parameters;
    }
    if (f != Fault::none && report(f, i, row.layer)) {
      t.diagnosis.expected = row.step.expected, t.diagnosis.got = row.step.got, t.diagnosis.parameter = row.step.parameter;
      t.diagnosis.expected_shape = expected_shape, t.diagnosis.got_shape = got_shape;
    }
    t.parameters = saturating_add(t.parameters, row.step.parameters);
    t.state = saturating_add(t.state, row.step.state);
    t.macs = saturating_add(t.macs, row.step.macs);
    if (row.layer >= 0) {
      t.outputs = saturating_add(t.outputs, saturating_size(row.out));
      if (saturating_size(row.out) > t.largest) t.largest = saturating_size(row.out);
    }
    t.output = row.out;
    t.ends_in = row.values;
  }
  if (has_input) t.input = t.rows[0].out;
  return t;
}

template <class Nodes>
struct table_of;
template <class... N>
struct table_of<List<N...>> {
  static constexpr std::size_t count = sizeof...(N);
  static constexpr Table<count> value = fold<count>(
      std::array < Rule, count == 0 ? 1 : count > {Rule{node<N>::kind, is_input<N>, &node<N>::infer, &node<N>::join}...});
};

}  // namespace detail
}  // namespace STRATA_ABI
}  // namespace strata
