// SPDX-License-Identifier: BSL-1.0
// Runner: forward and backward of a program in memory that a model or a session owns. It knows no network, so that a
// program compiles it once for each backend.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/packed_state.hpp>
#include <strata/model/plan.hpp>
#include <strata/model/profile.hpp>
#include <strata/model/program.hpp>
#include <strata/util/busy.hpp>
#include <strata/util/function_ref.hpp>

namespace strata::inline STRATA_ABI {

// A layer by its number (Input is 0; the layers of nested blocks are counted too) and name.
struct LayerName {
  int number = -1;  // -1: none
  std::string_view name{};
};

namespace detail {

// Called with (first, count) when the gradients [first, first + count) are final.
using GradientsReady = FunctionRef<void(std::int64_t, std::int64_t)>;

template <class Engine>
class Runner {
 public:
  using Ops = typename Engine::Ops;
  using A = typename Ops::Activation;
  using T = typename Ops::Parameter;

  // Plans the memory for this batch and this engine's threads. The engine must outlive the runner. packed_for: the batch of
  // the model whose packed weights it reads; 0: this one.
  Runner(const Program<Ops>& program, Engine& engine, int batch, bool training, std::uint64_t seed, int packed_for = 0);

  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] const NodePlan<Ops>& node(std::size_t i) const { return plan_[i]; }
  // Where weights, state, packed weights and working memory are, and who knows whether the packed weights are right.
  void use(const TensorRegions<T>& tensors, T* packed, PackedState& packed_state, std::byte* work) {
    parameters_ = tensors.parameters, state_ = tensors.state, packed_ = packed, packed_state_ = &packed_state, work_ = work;
  }
  [[nodiscard]] T* packed() const { return packed_; }
  // Packs the weights of chains if they have changed.
  void refresh();
  // Lets the kernels of products prepare, before memory is allocated.
  void prepare();

  // images (N,H,W,C), N up to the batch. See Model.
  std::span<const T> run(std::span<const T> images, bool training, bool dropout, std::uint64_t step);
  // first: see Pass::first_sample.
  const A* run_on_engine(const A* images, int n, bool training, bool dropout, std::uint64_t step, std::int64_t first = 0);
  void backward(const GradientsReady& ready);
  void watch(Profile* profile);
  [[nodiscard]] LayerName first_not_finite(bool training);

  [[nodiscard]] T* parameters() const { return parameters_; }
  [[nodiscard]] T* state() const { return state_; }
  [[nodiscard]] T* gradients() const { return at<T>(layout_.gradients); }
  [[nodiscard]] A* output_gradient() const { return gradient(plan_.size() - 1); }

 private:
  [[nodiscard]] Busy in_use();
  const A* run_nodes(const A* images, int n, bool training, bool dropout, std::uint64_t step);
  // Nodes [first, end).
  void forward_nodes(std::size_t first, std::size_t end, bool training);
  [[nodiscard]] bool timed(std::size_t i) const { return profile_ && row_of_profile_[i] >= 0; }
  [[nodiscard]] double* time_of(std::size_t i, double LayerTime::* sum) const;
  template <class U>
  U* at(std::int64_t offset) const {
    return reinterpret_cast<U*>(work_ + offset);
  }
  [[nodiscard]] A* value(std::size_t i) const {
    return at<A>(plan_[i].value_at) + (plan_[i].in_part ? 0 : part_first_ * program_->rows[i].out.size());
  }
  [[nodiscard]] const A* input_of(int source) const;
  // Null if no node up to this one has parameters.
  [[nodiscard]] A* gradient(std::size_t i) const;
  Pass<Ops> pass(std::size_t i, bool training) const;
  // Of a block of any length that begins at i.
  std::array<Pass<Ops>, longest_block> passes(std::size_t i, bool training) const;
  void run_chain(std::size_t i);
  void pack_chain(std::size_t i);
  [[nodiscard]] bool placed_by_chain(std::size_t i) const;
  void call_join(std::size_t i, void (*function)(const JoinPass<Ops>*), bool after_chains = false, bool relu = false);
  // planned: the chains before it have run as such, and it does the ReLU that the plan gives it.
  void forward_node(std::size_t i, bool training, bool planned = false);
  void backward_node(std::size_t i);

  const Program<Ops>* program_;
  Engine* engine_;
  std::vector<NodePlan<Ops>> plan_;
  Layout layout_;
  bool training_;
  int capacity_, packed_for_;
  std::uint64_t seed_;
  std::vector<typename JoinPass<Ops>::Branch> branches_;  // of the join that is under way
  std::vector<int> row_of_profile_;                       // of each node; -1: none
  T *parameters_ = nullptr, *state_ = nullptr, *packed_ = nullptr;
  PackedState* packed_state_ = nullptr;
  std::byte* work_ = nullptr;
  Profile* profile_ = nullptr;
  const A* images_ = nullptr;
  int batch_ = 0;
  bool dropout_ = false;
  std::uint64_t step_ = 0;
  std::int64_t first_sample_ = 0;
  std::int64_t part_first_ = 0;  // the first sample of the part that is under way, in the batch
  std::atomic<unsigned> busy_{0};
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/runner_impl.hpp>
#endif
