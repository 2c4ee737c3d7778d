// SPDX-License-Identifier: BSL-1.0
// The memory plan: computes byte offsets in one arena from a network's table, at compile time. Layers that work in place
// share a buffer; buffers whose lifetimes do not overlap share memory.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <strata/core/alignment.hpp>
#include <strata/core/table.hpp>
#include <strata/core/tensor_info.hpp>

namespace strata {

// Bytes of a model, by purpose.
struct MemoryPlan {
  std::int64_t weights = 0, state = 0, gradients = 0, optimizer = 0;
  std::int64_t activations = 0, activation_gradients = 0, saved = 0, scratch = 0;
  std::int64_t engine = 0;  // the backend's own: on a GPU the images and, with bfloat16, a copy of the weights
  [[nodiscard]] constexpr std::int64_t total() const {
    return weights + state + gradients + optimizer + activations + activation_gradients + saved + scratch + engine;
  }
};

namespace detail {

// What the plan needs to know about a node's kernel.
struct NodeTraits {
  bool kernel = false;  // false: a bracket; the rest is unused
  bool view = false, in_place = false, reads_output = false, reads_signs = false, keeps_signs = false;
  std::int64_t (*saved_bytes)(Shape, Shape, std::int64_t) = nullptr;
  std::int64_t (*scratch)(Shape, int, int) = nullptr;
};

// The buffers of each node's output and its gradient: a buffer has the number of the node that creates it.
template <std::size_t Count>
struct Buffers {
  std::array<int, Count> value{}, gradient{};
  std::array<bool, Count> learns{};  // it or a node before it has parameters, so that its gradient is needed
  std::array<int, Count> value_end{}, gradient_begin{}, gradient_end{};  // first and last node that touch the buffer
};

template <std::size_t Count>
constexpr Buffers<Count> assign_buffers(const Table<Count>& t, const std::array<NodeTraits, Count>& traits) {
  Buffers<Count> b;
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  for (int i = 0; i < t.nodes; ++i) {
    const Row& row = t.rows[at(i)];
    const NodeTraits& k = traits[at(i)];
    b.value[at(i)] = b.gradient[at(i)] = i;
    if (i == 0) continue;
    const int source = row.kind == Kind::next ? row.fork : row.source;
    b.learns[at(i)] = b.learns[at(source)] || row.step.parameters > 0 || row.kind == Kind::join;
    if (row.kind == Kind::fork || row.kind == Kind::next || (row.kind == Kind::layer && k.view)) {
      b.value[at(i)] = b.value[at(source)];
    } else if (row.kind == Kind::layer && k.in_place && b.value[at(source)] != 0) {
      // Not if another branch still reads the buffer, or an earlier layer's backward needs it unchanged.
      bool free = t.rows[at(source)].kind == Kind::layer || t.rows[at(source)].kind == Kind::join;
      for (int j = source; j >= 0; --j) {
        if (b.value[at(j)] != b.value[at(source)]) break;
        const NodeTraits& earlier = traits[at(j)];
        if (earlier.reads_output || (earlier.reads_signs && !k.keeps_signs) || t.rows[at(j)].kind == Kind::fork ||
            t.rows[at(j)].kind == Kind::next)
          free = false;
      }
      if (free) b.value[at(i)] = b.value[at(source)];
    }
    if (row.kind == Kind::fork || (row.kind == Kind::layer && (k.view || k.in_place)))
      b.gradient[at(i)] = b.gradient[at(source)];
  }
  // Lifetimes, in node numbers. The readers of a node's output write its gradient, and the node reads it.
  for (int i = 0; i < t.nodes; ++i) {
    b.value_end[at(i)] = i;
    b.gradient_begin[at(i)] = b.gradient_end[at(i)] = i;
  }
  const auto touch_value = [&](int value, int by) {
    int& end = b.value_end[at(b.value[at(value)])];
    if (by > end) end = by;
  };
  const auto touch_gradient = [&](int value, int by) {
    const auto root = at(b.gradient[at(value)]);
    if (by > b.gradient_end[root]) b.gradient_end[root] = by;
    if (by < b.gradient_begin[root]) b.gradient_begin[root] = by;
  };
  for (int i = 0; i < t.nodes; ++i) {
    const Row& row = t.rows[at(i)];
    touch_value(i, i);
    touch_gradient(i, i);
    if (i == 0) continue;
    touch_value(row.source, i);
    touch_gradient(row.source, i);
    if (row.kind == Kind::next) touch_value(row.fork, i), touch_gradient(i, row.fork);
    if (row.kind == Kind::join) {
      touch_value(row.fork, i);
      touch_gradient(i, row.fork);
      for (int end = row.previous_end; end >= 0; end = t.rows[at(end)].previous_end) {
        touch_value(t.rows[at(end)].source, i);
        touch_gradient(t.rows[at(end)].source, i);
      }
    }
  }
  // The network's output lives until the loss and the caller have read it.
  touch_value(t.nodes - 1, t.nodes);
  touch_gradient(t.nodes - 1, t.nodes);
  return b;
}

// Byte offsets of buffers with lifetimes [begin, end]: each gets the lowest place that is free during all of it.
template <std::size_t Count>
constexpr std::int64_t place_buffers(const std::array<std::int64_t, Count>& bytes, const std::array<int, Count>& begin,
                                     const std::array<int, Count>& end, std::array<std::int64_t, Count>& offset) {
  std::int64_t top = 0;
  for (std::size_t i = 0; i < Count; ++i) {
    offset[i] = 0;
    if (bytes[i] == 0) continue;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t j = 0; j < i; ++j) {
        if (bytes[j] == 0 || end[j] < begin[i] || end[i] < begin[j]) continue;
        if (offset[i] < offset[j] + bytes[j] && offset[j] < offset[i] + bytes[i])
          offset[i] = offset[j] + bytes[j], moved = true;
      }
    }
    if (offset[i] + bytes[i] > top) top = offset[i] + bytes[i];
  }
  return top;
}

// Bytes of an element: of parameters and state, and of what flows between layers.
struct ScalarBytes {
  std::int64_t parameter, activation;
};

// Offsets in bytes, for one batch capacity, number of threads and scalars.
template <std::size_t Count>
struct Layout {
  std::array<std::int64_t, Count> value{}, gradient{}, saved{};  // by node; from the arena's start
  std::array<std::int64_t, Count> parameters{}, state{};         // by node; in elements, from the start of their region
  std::int64_t weights = 0, states = 0, gradients = 0, scratch = 0, engine = 0;  // where the regions start
  MemoryPlan plan;
};

template <std::size_t Count>
constexpr Layout<Count> lay_out(const Table<Count>& t, const std::array<NodeTraits, Count>& traits, std::int64_t batch,
                                int threads, ScalarBytes scalar, bool training, std::int64_t engine) {
  const Buffers<Count> b = assign_buffers(t, traits);
  Layout<Count> l;
  std::array<std::int64_t, Count> value_bytes{}, gradient_bytes{}, value_at{}, gradient_at{};
  std::array<int, Count> begin{}, end{};
  std::int64_t parameters = 0, state = 0, saved = 0, scratch = 0;
  for (std::size_t i = 0; i < Count; ++i) {
    const Row& row = t.rows[i];
    l.parameters[i] = parameters, parameters += row.step.parameters;
    l.state[i] = state, state += row.step.state;
    const int node = static_cast<int>(i);
    // The images are the caller's.
    if (b.value[i] == node && i > 0) value_bytes[i] = aligned(batch * saturating_size(row.out) * scalar.activation);
    if (training && b.gradient[i] == node && i > 0)
      gradient_bytes[i] = aligned(batch * saturating_size(row.out) * scalar.activation);
    begin[i] = node;
    end[i] = training ? t.nodes : b.value_end[i];  // backward reads the values of forward
    if (traits[i].kernel) {
      l.saved[i] = saved;
      saved += aligned(traits[i].saved_bytes(row.in, row.out, batch));
    }
    if (traits[i].kernel) {
      const std::int64_t wants = aligned(traits[i].scratch(row.in, static_cast<int>(batch), threads) * scalar.parameter);
      if (wants > scratch) scratch = wants;
    }
  }
  l.plan.weights = aligned(parameters * scalar.parameter);
  l.plan.state = aligned(state * scalar.parameter);
  l.plan.gradients = training ? aligned(parameters * scalar.parameter) : 0;
  l.plan.activations = place_buffers(value_bytes, begin, end, value_at);
  if (training) l.plan.activation_gradients = place_buffers(gradient_bytes, b.gradient_begin, b.gradient_end, gradient_at);
  l.plan.saved = saved;
  l.plan.scratch = scratch;
  l.plan.engine = aligned(engine);
  // The regions follow each other.
  l.states = l.plan.weights;
  l.gradients = l.states + l.plan.state;
  const std::int64_t values = l.gradients + l.plan.gradients, gradients = values + l.plan.activations;
  const std::int64_t kept = gradients + l.plan.activation_gradients;
  l.scratch = kept + l.plan.saved;
  l.engine = l.scratch + l.plan.scratch;
  for (std::size_t i = 0; i < Count; ++i) {
    l.value[i] = values + value_at[static_cast<std::size_t>(b.value[i])];
    l.gradient[i] = gradients + gradient_at[static_cast<std::size_t>(b.gradient[i])];
    l.saved[i] += kept;
  }
  return l;
}

}  // namespace detail
}  // namespace strata
