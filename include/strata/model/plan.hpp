// SPDX-License-Identifier: BSL-1.0
// The memory plan: computes byte offsets in one arena from a network's program. Layers that work in place share a buffer;
// buffers whose lifetimes do not overlap share memory. It is constexpr, so that a plan can be a constant.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <strata/core/alignment.hpp>
#include <strata/core/linkage.hpp>
#include <strata/core/table.hpp>
#include <strata/model/parts.hpp>
#include <strata/model/plan_types.hpp>
#include <strata/model/program.hpp>

namespace strata::inline STRATA_ABI {

namespace detail {

// The chains of inference: each begins at a product or a normalization and goes on as far as its output has one reader.
template <class Ops>
constexpr void choose_chains(const Program<Ops>& p, std::span<NodePlan<Ops>> plan) {
  const int nodes = static_cast<int>(plan.size());
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  const auto part = [&](int i) -> const ChainNode<Ops>* { return i < nodes ? p.nodes[at(i)].chain : nullptr; };
  // A Residual of two branches.
  const auto adds_two = [&](int i) {
    const Row& row = p.rows[at(i)];
    const bool one_end = row.previous_end >= 0 && p.rows[at(row.previous_end)].previous_end < 0;
    return row.identity ? row.previous_end < 0 : one_end;
  };
  for (int i = 1; i < nodes; ++i) {
    if (plan[at(i)].length == 0 || !part(i) || !part(i)->run) continue;
    NodePlan<Ops>& node = plan[at(i)];
    int next = i + 1;
    if (part(next) && part(next)->scale_and_shift && !part(i)->scale_and_shift) node.chain.normalization = next++;
    if (part(next) && part(next)->adds && adds_two(next)) node.chain.sum = next++;
    if (part(next) && (part(next)->limits.any() || part(next)->activation)) node.chain.activation = next++;
    node.begins_chain = true, node.length = next - i;
    for (int j = i + 1; j < next; ++j) plan[at(j)].length = 0, plan[at(j)].chain_first = i;
  }
  // Chains that end a branch of a Concat.
  for (int i = 1; i < nodes; ++i) {
    if (!part(i) || !part(i)->concatenates) continue;
    int channel = p.rows[at(i)].out.channels;
    const auto place = [&](int end) {
      channel -= p.rows[at(end)].out.channels;
      const int first = plan[at(end)].chain_first >= 0 ? plan[at(end)].chain_first : end;
      NodePlan<Ops>& node = plan[at(first)];
      if (node.begins_chain && first + node.length - 1 == end && part(first)->takes_stride && node.chain.sum == 0)
        node.chain.whole = i, node.chain.channel = channel;
    };
    place(p.rows[at(i)].source);
    for (int end = p.rows[at(i)].previous_end; end >= 0; end = p.rows[at(end)].previous_end) place(p.rows[at(end)].source);
  }
}

// The backend's blocks, the longest that apply, from the first node on.
template <class Ops>
constexpr void choose_blocks(const Program<Ops>& p, std::span<NodePlan<Ops>> plan) {
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].length == 0 || plan[i].begins_chain) continue;
    for (const BlockNode<Ops>* block : p.nodes[i].blocks) {
      if (!block || !block->applies(p.rows[i].in)) continue;
      plan[i].block = block, plan[i].length = block->length;
      for (int j = 1; j < block->length; ++j) plan[i + static_cast<std::size_t>(j)].length = 0;
      break;
    }
  }
}

template <class Ops>
constexpr void assign_buffers(const Program<Ops>& p, std::span<NodePlan<Ops>> b) {
  const int nodes = static_cast<int>(b.size());
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  for (int i = 0; i < nodes; ++i) {
    const Row& row = p.rows[at(i)];
    const NodeTraits& k = p.nodes[at(i)].traits;
    b[at(i)].value = b[at(i)].gradient = i;
    if (i == 0) continue;
    const int source = row.kind == Kind::next ? row.fork : row.source;
    b[at(i)].learns = b[at(source)].learns || row.step.parameters > 0 || row.kind == Kind::join;
    if (b[at(i)].chain_first >= 0) {
      b[at(i)].value = b[at(i)].chain_first;
    } else if (row.kind == Kind::fork || row.kind == Kind::next || (row.kind == Kind::layer && k.view)) {
      b[at(i)].value = b[at(source)].value;
    } else if (row.kind == Kind::layer && k.in_place && b[at(source)].value != 0) {
      // Not if another branch still reads the buffer, or an earlier layer's backward needs it unchanged.
      bool free = p.rows[at(source)].kind == Kind::layer || p.rows[at(source)].kind == Kind::join;
      for (int j = source; j >= 0; --j) {
        if (b[at(j)].value != b[at(source)].value) break;
        const NodeTraits& earlier = p.nodes[at(j)].traits;
        if (earlier.reads_output || (earlier.reads_signs && !k.keeps_signs) || p.rows[at(j)].kind == Kind::fork ||
            p.rows[at(j)].kind == Kind::next)
          free = false;
      }
      if (free) b[at(i)].value = b[at(source)].value;
    }
    if (row.kind == Kind::fork || (row.kind == Kind::layer && (k.view || k.in_place)))
      b[at(i)].gradient = b[at(source)].gradient;
    // Nothing in the last branch writes to this buffer: a layer in place would share it with the layer before it.
    if (row.kind == Kind::join && k.same_gradient && b[at(source)].gradient == source) b[at(i)].gradient = source;
  }
  // Lifetimes, in node numbers. The readers of a node's output write its gradient, and the node reads it.
  for (int i = 0; i < nodes; ++i) {
    b[at(i)].value_begin = b[at(i)].value_end = i;
    b[at(i)].gradient_begin = b[at(i)].gradient_end = i;
  }
  const auto touch_value = [&](int value, int by) {
    int& end = b[at(b[at(value)].value)].value_end;
    if (by > end) end = by;
  };
  for (int i = nodes - 1; i > 0; --i)
    if (const int whole = b[at(i)].chain.whole; whole > 0) b[at(whole)].value_begin = i;
  const auto touch_gradient = [&](int value, int by) {
    const auto root = at(b[at(value)].gradient);
    if (by > b[root].gradient_end) b[root].gradient_end = by;
    if (by < b[root].gradient_begin) b[root].gradient_begin = by;
  };
  for (int i = 0; i < nodes; ++i) {
    const Row& row = p.rows[at(i)];
    touch_value(i, i);
    touch_gradient(i, i);
    if (i == 0) continue;
    touch_value(row.source, i);
    touch_gradient(row.source, i);
    if (row.kind == Kind::next) touch_value(row.fork, i), touch_gradient(i, row.fork);
    if (row.kind == Kind::join) {
      touch_value(row.fork, i);
      touch_gradient(i, row.fork);
      for (int end = row.previous_end; end >= 0; end = p.rows[at(end)].previous_end) {
        touch_value(p.rows[at(end)].source, i);
        touch_gradient(p.rows[at(end)].source, i);
      }
    }
  }
  // The network's output lives until the loss and the caller have read it.
  touch_value(nodes - 1, nodes);
  touch_gradient(nodes - 1, nodes);
}

// In training a backend may rectify a sum at once, if the ReLU behind it works in place.
template <class Ops>
constexpr void choose_rectified_sums(const Program<Ops>& p, std::span<NodePlan<Ops>> plan) {
  for (std::size_t i = 0; i + 1 < plan.size(); ++i) {
    NodePlan<Ops>&sum = plan[i], &relu = plan[i + 1];
    if (p.nodes[i].traits.same_gradient && p.nodes[i + 1].relu && relu.length == 1 && !relu.block &&
        relu.value == sum.value && relu.gradient == sum.gradient)
      sum.length = 2, relu.length = 0;
  }
}

// A buffer of `bytes` that lives from one node to another; offset: its place.
struct BufferPlace {
  std::int64_t bytes = 0;
  int begin = 0, end = 0;
  std::int64_t offset = 0;
};

// Gives the buffer of node i the lowest place that is free during its life; buffers before it have theirs. Returns its end.
template <class BufferOf>
constexpr std::int64_t place_buffer(std::size_t i, BufferPlace& buffer, const BufferOf& buffer_of) {
  buffer.offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t j = 0; j < i; ++j) {
      const BufferPlace other = buffer_of(j);
      if (other.bytes == 0 || other.end < buffer.begin || buffer.end < other.begin) continue;
      if (buffer.offset < other.offset + other.bytes && other.offset < buffer.offset + buffer.bytes)
        buffer.offset = other.offset + other.bytes, moved = true;
    }
  }
  return buffer.offset + buffer.bytes;
}

// Fills the plan of each node, which is as it was made before.
template <class Ops>
constexpr Layout lay_out(const Program<Ops>& p, const PlanRequest& request, std::span<NodePlan<Ops>> plan) {
  if (!request.training) choose_chains(p, plan);
  choose_blocks(p, plan);
  assign_buffers(p, plan);
  if constexpr (adds_and_rectifies<Ops>)
    if (request.training) choose_rectified_sums(p, plan);
  if constexpr (runs_chains<Ops>)
    if (!request.training) choose_parts(p, request, plan);
  const int nodes = static_cast<int>(plan.size());
  const auto bytes_of = [&](std::size_t i) {
    return aligned(request.batch * saturating_size(p.rows[i].out) * request.scalar.activation);
  };
  // The images are the caller's.
  const auto value_of = [&](std::size_t i) -> BufferPlace {
    if (i == 0 || plan[i].value != static_cast<int>(i)) return {};
    // Backward reads the values of forward.
    return {bytes_of(i), plan[i].value_begin, request.training ? nodes : plan[i].value_end, plan[i].value_at};
  };
  const auto gradient_of = [&](std::size_t i) -> BufferPlace {
    if (i == 0 || !request.training || plan[i].gradient != static_cast<int>(i)) return {};
    return {bytes_of(i), plan[i].gradient_begin, plan[i].gradient_end, plan[i].gradient_at};
  };
  Layout l;
  std::int64_t parameters = 0, state = 0, packed = 0, saved = 0, scratch = 0, values_end = 0, gradients_end = 0;
  const auto raise = [](std::int64_t& most, std::int64_t v) {
    if (v > most) most = v;
  };
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const Row& row = p.rows[i];
    const NodeTraits& traits = p.nodes[i].traits;
    NodePlan<Ops>& node = plan[i];
    node.parameters = parameters, parameters += row.step.parameters;
    node.state = state, state += row.step.state;
    if (BufferPlace value = value_of(i); value.bytes > 0) {
      raise(values_end, place_buffer(i, value, value_of));
      node.value_at = value.offset;
    }
    if (BufferPlace gradient = gradient_of(i); gradient.bytes > 0) {
      raise(gradients_end, place_buffer(i, gradient, gradient_of));
      node.gradient_at = gradient.offset;
    }
    if (!traits.kernel) continue;
    node.saved_at = saved, saved += aligned(traits.saved_bytes(row.in, row.out, request.batch));
    const int batch = static_cast<int>(request.batch);
    const auto wants = node.block ? node.block->scratch : traits.scratch;
    raise(scratch, aligned(wants(row.in, batch, request.threads) * request.scalar.parameter));
    if (!node.begins_chain) continue;
    const ChainNode<Ops>& first = *p.nodes[i].chain;
    raise(scratch, aligned(first.scratch(row.in, batch, request.threads) * request.scalar.parameter));
    node.packed = packed,
    packed += aligned(first.packed(row.in, request.capacity) * request.scalar.parameter) / request.scalar.parameter;
  }
  l.plan.weights = aligned(parameters * request.scalar.parameter);
  l.plan.state = aligned(state * request.scalar.parameter);
  l.plan.packed = packed * request.scalar.parameter;
  l.plan.gradients = request.training ? aligned(parameters * request.scalar.parameter) : 0;
  l.plan.activations = values_end;
  l.plan.activation_gradients = gradients_end;
  l.plan.saved = saved;
  l.plan.scratch = scratch;
  l.plan.engine = aligned(request.engine);
  l.states = l.plan.weights, l.packed = l.states + l.plan.state;
  // The regions follow each other.
  const std::int64_t values = l.plan.gradients, gradients = values + l.plan.activations;
  const std::int64_t kept = gradients + l.plan.activation_gradients;
  l.scratch = kept + l.plan.saved;
  l.engine = l.scratch + l.plan.scratch;
  for (NodePlan<Ops>& node : plan) {
    // That of a shared buffer is known already, since its node comes first.
    const auto own = static_cast<int>(&node - plan.data());
    node.value_at = node.value == own ? values + node.value_at : plan[static_cast<std::size_t>(node.value)].value_at;
    node.gradient_at =
        node.gradient == own ? gradients + node.gradient_at : plan[static_cast<std::size_t>(node.gradient)].gradient_at;
    node.saved_at += kept;
  }
  return l;
}

}  // namespace detail
}  // namespace strata::inline STRATA_ABI
