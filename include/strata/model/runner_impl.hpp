// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/model/runner.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class Engine>
Runner<Engine>::Runner(const Program<Ops>& program, Engine& engine, int batch, bool training, std::uint64_t seed,
                       int packed_for)
    : program_(&program),
      engine_(&engine),
      plan_(program.nodes.size()),
      layout_(lay_out(
          program,
          {.batch = batch,
           .threads = engine.threads(),
           .scalar = {sizeof(T), sizeof(A)},
           .training = training,
           .capacity = packed_for > 0 ? packed_for : batch,
           .engine = Engine::own_bytes(program.parameters, batch * program.input.size(), batch * program.output.size())},
          std::span<NodePlan<Ops>>(plan_))),
      training_(training),
      capacity_(batch),
      packed_for_(packed_for > 0 ? packed_for : batch),
      seed_(seed) {
  int rows = 0;
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    const GraphNode<Ops>& node = program_->nodes[i];
    row_of_profile_.push_back(plan_[i].length > 0 && (node.join || node.forward) ? rows++ : -1);
  }
  branches_.resize(plan_.size() + 1);
}

template <class Engine>
void Runner<Engine>::prepare() {
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    const Prepare<Ops> function = plan_[i].block ? plan_[i].block->prepare : program_->nodes[i].prepare;
    if (!function) continue;
    const Preparation wanted{
        .training = training_, .input_gradient = training_ && plan_[i - 1].learns, .offset = plan_[i].parameters};
    function(engine_->ops(), program_->rows[i].in, capacity_, wanted);
  }
}

template <class Engine>
Busy Runner<Engine>::in_use() {
  return {busy_, "strata: a model was called while another call of it was running; give each thread a session() of it"};
}

template <class Engine>
std::span<const typename Runner<Engine>::T> Runner<Engine>::run(std::span<const T> images, bool training, bool dropout,
                                                                std::uint64_t step) {
  const std::size_t one = static_cast<std::size_t>(program_->input.size());
  const std::size_t n = images.size() / one;
  if (images.size() != n * one || n > static_cast<std::size_t>(capacity_))
    throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers were given; expected up to " +
                                std::to_string(capacity_) + " images of " + std::to_string(one) + " numbers");
  const Busy now = in_use();
  first_sample_ = 0;
  const A* outputs = run_nodes(engine_->upload(images, step), static_cast<int>(n), training, dropout, step);
  return engine_->download(outputs, n * static_cast<std::size_t>(program_->output.size()));
}

template <class Engine>
const typename Runner<Engine>::A* Runner<Engine>::run_on_engine(const A* images, int n, bool training, bool dropout,
                                                                std::uint64_t step, std::int64_t first) {
  const Busy now = in_use();
  first_sample_ = first;
  return run_nodes(images, n, training, dropout, step);
}

template <class Engine>
const typename Runner<Engine>::A* Runner<Engine>::run_nodes(const A* images, int n, bool training, bool dropout,
                                                            std::uint64_t step) {
  refresh();
  images_ = images;
  batch_ = n;
  step_ = step;
  dropout_ = dropout;
  part_first_ = 0;
  for (std::size_t i = 0, end = 0; i < plan_.size(); i = end) {
    const auto in_parts = [&](std::size_t node) { return !training && plan_[node].part_end > 0; };
    if (!in_parts(i)) {
      for (end = i + 1; end < plan_.size() && !in_parts(end);) ++end;
      forward_nodes(i, end, training);
      continue;
    }
    end = static_cast<std::size_t>(plan_[i].part_end);
    const int parts = (n + samples_of_part - 1) / samples_of_part;
    for (int part = 0; part < parts; ++part) {
      part_first_ = std::int64_t{part} * samples_of_part;
      batch_ = std::min(samples_of_part, n - part * samples_of_part);
      forward_nodes(i, end, training);
    }
    batch_ = n, part_first_ = 0;
  }
  if (training && layout_.plan.packed > 0) packed_state_->suspect();  // running statistics have moved
  return input_of(static_cast<int>(plan_.size()) - 1);
}

template <class Engine>
void Runner<Engine>::forward_nodes(std::size_t first, std::size_t end, bool training) {
  for (std::size_t i = first; i < end; ++i) {
    if (plan_[i].length == 0) continue;
    const Profile::Timer timer(time_of(i, &LayerTime::forward));
    if (plan_[i].begins_chain && !training)
      run_chain(i);
    else if (plan_[i].begins_chain)
      for (std::size_t j = i; j < i + static_cast<std::size_t>(plan_[i].length); ++j) forward_node(j, training);
    else if (const BlockNode<Ops>* block = plan_[i].block)
      block->forward(passes(i, training).data());
    else
      forward_node(i, training, true);
    if (timed(i)) engine_->finish();
  }
}

template <class Engine>
void Runner<Engine>::backward(const GradientsReady& ready) {
  const Busy now = in_use();
  for (std::size_t i = plan_.size(); i-- > 0;) {
    if (plan_[i].length == 0) continue;
    const std::size_t last = i + static_cast<std::size_t>(plan_[i].length) - 1;
    if (!plan_[last].learns) continue;  // there is no gradient
    {
      const Profile::Timer timer(time_of(i, &LayerTime::backward));
      if (const BlockNode<Ops>* block = plan_[i].block)
        block->backward(passes(i, true).data());
      else
        for (std::size_t j = last + 1; j-- > i;) backward_node(j);
      if (timed(i)) engine_->finish();
    }
    if (!ready) continue;
    std::int64_t n = 0;
    for (std::size_t j = i; j <= last; ++j) n += program_->rows[j].step.parameters;
    if (n > 0) ready(plan_[i].parameters, n);
  }
}

template <class Engine>
void Runner<Engine>::watch(Profile* profile) {
  profile_ = profile;
  if (!profile) return;
  *profile = {};
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    if (row_of_profile_[i] < 0) continue;
    LayerTime& time = profile->rows.emplace_back();
    time.first = program_->rows[i].layer;
    time.learns_before = plan_[i - 1].learns;
    for (std::size_t j = i; j < i + static_cast<std::size_t>(plan_[i].length); ++j) {
      time.name += (j > i ? " + " : "") + std::string(program_->nodes[j].name);
      time.macs += program_->rows[j].step.macs;
    }
  }
}

template <class Engine>
LayerName Runner<Engine>::first_not_finite(bool training) {
  // Layer by layer, also inside blocks: a block's scratch is large enough for both.
  if (training && layout_.plan.packed > 0) packed_state_->suspect();
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    forward_node(i, training);
    const Row& row = program_->rows[i];
    if (row.layer >= 0 && !engine_->all_finite(input_of(static_cast<int>(i)), batch_ * row.out.size()))
      return {row.layer, program_->nodes[i].name};
  }
  return {};
}

template <class Engine>
double* Runner<Engine>::time_of(std::size_t i, double LayerTime::* sum) const {
  return timed(i) ? &(profile_->rows[static_cast<std::size_t>(row_of_profile_[i])].*sum) : nullptr;
}

template <class Engine>
const typename Runner<Engine>::A* Runner<Engine>::input_of(int source) const {
  const auto s = static_cast<std::size_t>(source);
  return plan_[s].value == 0 ? images_ + part_first_ * program_->input.size() : value(s);
}

template <class Engine>
typename Runner<Engine>::A* Runner<Engine>::gradient(std::size_t i) const {
  return training_ && plan_[i].learns ? at<A>(plan_[i].gradient_at) : nullptr;
}

template <class Engine>
Pass<typename Engine::Ops> Runner<Engine>::pass(std::size_t i, bool training) const {
  const Row& row = program_->rows[i];
  const NodePlan<Ops>& node = plan_[i];
  return Pass<Ops>{.batch = batch_,
                   .in = row.in,
                   .out = row.out,
                   .x = input_of(row.source),
                   .y = value(i),
                   .dy = gradient(i),
                   .dx = gradient(static_cast<std::size_t>(row.source)),
                   .parameters = parameters_ + node.parameters,
                   .gradients = training_ ? gradients() + node.parameters : nullptr,
                   .state = state_ + node.state,
                   .saved = at<std::byte>(node.saved_at),
                   .scratch = at<T>(layout_.scratch),
                   .training = training,
                   .dropout = dropout_,
                   .random = engine_->random(seed_, static_cast<std::uint32_t>(row.layer), step_),
                   .ops = engine_->ops(),
                   .first_sample = first_sample_ + part_first_};
}

template <class Engine>
std::array<Pass<typename Engine::Ops>, longest_block> Runner<Engine>::passes(std::size_t i, bool training) const {
  return {pass(i, training), pass(i + 1, training), pass(std::min(i + 2, plan_.size() - 1), training)};
}

template <class Engine>
void Runner<Engine>::refresh() {
  if constexpr (runs_chains<Ops>) {
    if (layout_.plan.packed == 0) return;
    // State follows the weights.
    packed_state_->refresh({reinterpret_cast<const std::byte*>(parameters_),
                            static_cast<std::size_t>(layout_.plan.weights + layout_.plan.state)},
                           Engine::path(), [this] {
                             for (std::size_t i = 0; i < plan_.size(); ++i)
                               if (plan_[i].begins_chain) pack_chain(i);
                           });
  }
}

template <class Engine>
void Runner<Engine>::pack_chain(std::size_t i) {
  if constexpr (runs_chains<Ops>) {
    const auto normalization = static_cast<std::size_t>(plan_[i].chain.normalization);
    T* packed = packed_ + plan_[i].packed;
    if (normalization > 0)
      program_->nodes[normalization].chain->scale_and_shift(pass(normalization, false), packed,
                                                            packed + program_->rows[i].out.channels);
    program_->nodes[i].chain->pack(pass(i, false), normalization > 0, packed_for_, packed);
  }
}

template <class Engine>
void Runner<Engine>::run_chain(std::size_t i) {
  if constexpr (runs_chains<Ops>) {
    const Chain& chain = plan_[i].chain;
    ChainEnd<A> end{.normalized = chain.normalization > 0, .capacity = packed_for_};
    if (chain.sum > 0) {
      const Row& sum = program_->rows[static_cast<std::size_t>(chain.sum)];
      end.add = input_of(sum.identity ? sum.fork : program_->rows[static_cast<std::size_t>(sum.previous_end)].source);
    }
    if (chain.activation > 0) {
      const ChainNode<Ops>& activation = *program_->nodes[static_cast<std::size_t>(chain.activation)].chain;
      end.limits = activation.limits, end.activation = activation.activation;
    }
    Pass<Ops> p = pass(i, false);
    if (chain.whole > 0) {
      const auto whole = static_cast<std::size_t>(chain.whole);
      p.y = value(whole) + chain.channel, end.stride = program_->rows[whole].out.channels;
    }
    program_->nodes[i].chain->run(p, packed_ + plan_[i].packed, end);
  }
}

// Whether a chain that ends at i has written its output to a Concat's.
template <class Engine>
bool Runner<Engine>::placed_by_chain(std::size_t i) const {
  return plan_[plan_[i].chain_first >= 0 ? static_cast<std::size_t>(plan_[i].chain_first) : i].chain.whole > 0;
}

// Calls a function of the join at i. after_chains: the chains before it have run as such.
template <class Engine>
void Runner<Engine>::call_join(std::size_t i, void (*function)(const JoinPass<Ops>*), bool after_chains, bool relu) {
  const Row& row = program_->rows[i];
  std::size_t first = branches_.size();  // filled from the end: the table links each branch to the one before
  const auto rows = [this](Shape s) { return std::int64_t{batch_} * s.height * s.width; };
  const auto add = [&](int end, bool learns) {
    const auto e = static_cast<std::size_t>(end);
    const Shape out = program_->rows[e].out;
    const A* x = after_chains && placed_by_chain(e) ? nullptr : input_of(end);
    branches_[--first] = {rows(out), out.channels, x, learns ? gradient(e) : nullptr};
  };
  add(row.source, true);
  for (int end = row.previous_end; end >= 0; end = program_->rows[static_cast<std::size_t>(end)].previous_end)
    add(program_->rows[static_cast<std::size_t>(end)].source, true);
  if (row.identity) add(row.fork, false);  // its gradient is added at the fork
  const JoinPass<Ops> pass{.rows = rows(row.out),
                           .channels = row.out.channels,
                           .branches = {branches_.data() + first, branches_.size() - first},
                           .y = value(i),
                           .dy = gradient(i),
                           .ops = engine_->ops(),
                           .relu = relu};
  function(&pass);
}

template <class Engine>
void Runner<Engine>::forward_node(std::size_t i, bool training, bool planned) {
  const GraphNode<Ops>& node = program_->nodes[i];
  if (node.forward) {
    const Pass<Ops> p = pass(i, training);
    node.forward(&p);
  } else if (node.join) {
    call_join(i, node.join, planned && !training, planned && plan_[i].length > 1);
  }
}

template <class Engine>
void Runner<Engine>::backward_node(std::size_t i) {
  const GraphNode<Ops>& node = program_->nodes[i];
  const Row& row = program_->rows[i];
  if (node.backward) {
    const Pass<Ops> p = pass(i, true);
    node.backward(&p);
  } else if (node.join_backward) {
    call_join(i, node.join_backward);
  } else if (row.kind == Kind::fork) {
    // Adds the gradients of the other branches. If a Residual has no Shortcut, one of them is the join's own.
    A* sum = gradient(i);
    if (!sum) return;
    for (std::size_t j = i + 1; j < plan_.size(); ++j) {
      const Row& other = program_->rows[j];
      if (other.fork != static_cast<int>(i)) continue;
      if (other.kind == Kind::next || other.identity) engine_->ops().add(batch_ * row.out.size(), sum, gradient(j), sum);
    }
  }
}

}  // namespace strata::inline STRATA_ABI::detail
