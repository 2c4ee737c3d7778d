// SPDX-License-Identifier: BSL-1.0
// The table: a network folded once, while compiling, into a row a node. Everything else reads it.
#pragma once
#include <array>
#include <cstddef>

#include <strata/core/layer_info.hpp>
#include <strata/core/nodes.hpp>

namespace strata {

// The verdict on a network as a value.
struct Diagnosis {
  Fault fault = Fault::none;
  int layer = -1;  // Input is 0; blocks are counted through
  std::int64_t expected = 0, got = 0;
  Shape expected_shape{}, got_shape{};
  Parameter parameter = Parameter::none;
  int node = -1;
  [[nodiscard]] constexpr bool ok() const { return fault == Fault::none; }
};

namespace detail {

struct Row {
  Kind kind = Kind::layer;
  int layer = -1;  // number of the layer; brackets have none
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
  Shape input{1, 1, 1}, output{1, 1, 1};  // as they stay where there is no Input, or nothing: no size is zero
  std::int64_t parameters = 0, state = 0, macs = 0;
  std::int64_t outputs = 0;  // elements of all layers' outputs, one sample
  std::int64_t largest = 0;  // elements of the largest of them
  Values ends_in = Values::any;
  Diagnosis diagnosis{};
};

// Walks the nodes with a stack of forks. The first fault is kept; each faulty layer goes on as it was plainly meant.
template <std::size_t Count>
constexpr Table<Count> fold(const std::array<Rule, Count == 0 ? 1 : Count>& rules) {
  Table<Count> t;
  std::array<int, Count + 1> forks{}, last_end{};
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
      forks[static_cast<std::size_t>(depth)] = i, last_end[static_cast<std::size_t>(depth)] = -1, ++depth;
    } else if ((rule.kind == Kind::next || rule.kind == Kind::join) && depth > 0) {
      const auto top = static_cast<std::size_t>(depth - 1);
      row.fork = forks[top];
      row.previous_end = last_end[top];
      const Shape forked = t.rows[static_cast<std::size_t>(row.fork)].out;
      if (rule.kind == Kind::next) {
        row.step.out = forked;
        row.values = t.rows[static_cast<std::size_t>(row.fork)].values;
        last_end[top] = i;
      } else {
        // Branches in order: what ended at each Next, then what ends here. A join with one branch adds the fork itself.
        std::array<int, Count + 1> ends{};
        int branches = 0;
        for (int end = row.previous_end; end >= 0; end = t.rows[static_cast<std::size_t>(end)].previous_end)
          ends[static_cast<std::size_t>(branches++)] = end;
        Shape sum =
            branches > 0 ? t.rows[static_cast<std::size_t>(ends[static_cast<std::size_t>(branches - 1)])].in : row.in;
        const auto add = [&](Shape next) {
          const LayerInfo s = rule.join(sum, next);
          if (s.fault != Fault::none && row.step.fault == Fault::none)
            expected_shape = sum, got_shape = next, row.step.fault = s.fault;
          row.step.values = s.values;
          sum = s.out;
        };
        for (int b = branches - 2; b >= 0; --b) add(t.rows[static_cast<std::size_t>(ends[static_cast<std::size_t>(b)])].in);
        row.identity = branches == 0 && rule.join(Shape{1}, Shape{1}).out == Shape{1};  // a sum of one
        if (branches > 0 || row.identity) add(branches > 0 ? row.in : forked);
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
    if (f == Fault::none && (size_of(row.out) > largest_size || row.step.parameters > largest_size)) {
      f = Fault::size_overflows;
      row.step.got = size_of(row.out) > largest_size ? size_of(row.out) : row.step.parameters;
    }
    if (f != Fault::none && report(f, i, row.layer)) {
      t.diagnosis.expected = row.step.expected, t.diagnosis.got = row.step.got, t.diagnosis.parameter = row.step.parameter;
      t.diagnosis.expected_shape = expected_shape, t.diagnosis.got_shape = got_shape;
    }
    t.parameters = plus(t.parameters, row.step.parameters);
    t.state = plus(t.state, row.step.state);
    t.macs = plus(t.macs, row.step.macs);
    if (row.layer >= 0) {
      t.outputs = plus(t.outputs, size_of(row.out));
      if (size_of(row.out) > t.largest) t.largest = size_of(row.out);
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
}  // namespace strata
