// SPDX-License-Identifier: BSL-1.0
// Parts of a batch: in a model for inference, layers with large maps compute a few samples at a time, one layer after the
// other, so that their maps stay in the cache. Otherwise each layer would write the maps of the whole batch to memory, and
// the next would read them from there.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <strata/core/linkage.hpp>
#include <strata/core/table.hpp>
#include <strata/model/plan_types.hpp>
#include <strata/model/program.hpp>

namespace strata::inline STRATA_ABI::detail {

// Nodes between which one tensor flows: a layer, a chain, a block, or a fork with all of its branches. Bytes of a sample.
struct Section {
  int end = 0;               // the node behind the last
  std::int64_t largest = 0;  // of what one of its layers reads and writes
  std::int64_t moved = 0;    // of what all of them read and write
  std::int64_t weights = 0;  // of the whole section
};

template <class Ops>
constexpr Section section_at(const Program<Ops>& p, const PlanRequest& request, std::span<const NodePlan<Ops>> plan,
                             int first) {
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  const auto bytes = [&](Shape s) { return saturating_size(s) * request.scalar.activation; };
  Section s;
  s.end = first + 1;
  if (p.rows[at(first)].kind == Kind::fork)
    while (p.rows[at(s.end - 1)].kind != Kind::join || p.rows[at(s.end - 1)].fork != first) ++s.end;
  const std::int64_t kept = s.end > first + 1 ? bytes(p.rows[at(first)].in) : 0;  // what the branches share
  for (int i = first; i < s.end; ++i) {
    const NodePlan<Ops>& node = plan[at(i)];
    if (node.length == 0) continue;
    const int last = i + node.length - 1;
    if (last >= s.end) s.end = last + 1;
    const NodeTraits& traits = p.nodes[at(i)].traits;
    if (p.rows[at(i)].kind != Kind::join && (!traits.kernel || traits.view)) continue;
    const std::int64_t moved = bytes(p.rows[at(i)].in) + bytes(p.rows[at(last)].out);
    s.moved += moved;
    if (moved + kept > s.largest) s.largest = moved + kept;
    std::int64_t weights = 0;
    if (node.begins_chain)
      weights = p.nodes[at(i)].chain->packed(p.rows[at(i)].in, request.capacity);
    else
      for (int j = i; j <= last; ++j) weights += p.rows[at(j)].step.parameters;
    s.weights += weights * request.scalar.parameter;
  }
  return s;
}

// A part has few samples, but two, so that there is work for more threads.
inline constexpr int samples_of_part = 2;

// Whether maps are large, and reading the weights again for each part takes less time than it saves. It does not depend on
// the batch at hand or on the threads, since the bits may depend on it. The size is measured.
constexpr bool goes_in_parts(const Section& s) {
  constexpr std::int64_t large = 512 << 10;
  return s.largest > large && s.weights <= s.moved * samples_of_part;
}

// Fills the parts' fields in the plan of each node, and lets a buffer live as long as parts need it.
template <class Ops>
constexpr void choose_parts(const Program<Ops>& p, const PlanRequest& request, std::span<NodePlan<Ops>> plan) {
  const int nodes = static_cast<int>(plan.size());
  const auto at = [](int i) { return static_cast<std::size_t>(i); };
  for (int first = 1, next = 0; first < nodes; first = next) {
    int end = first;
    for (next = first; next < nodes;) {
      const Section section = section_at<Ops>(p, request, plan, next);
      next = section.end;
      if (!goes_in_parts(section)) break;
      end = section.end;
    }
    if (end == first) continue;
    const int input = plan[at(p.rows[at(first)].source)].value, output = plan[at(end - 1)].value;
    bool any = false;  // else nothing would stay in the cache
    for (int i = first; i < end; ++i) {
      plan[at(i)].in_part = plan[at(i)].value >= first && plan[at(i)].value != output;
      any = any || plan[at(i)].in_part;
    }
    if (!any) continue;
    plan[at(first)].part_end = end;
    // Later parts read the one and must not write to the other.
    if (plan[at(input)].value_end < end - 1) plan[at(input)].value_end = end - 1;
    if (plan[at(output)].value_begin > first) plan[at(output)].value_begin = first;
  }
}

}  // namespace strata::inline STRATA_ABI::detail
