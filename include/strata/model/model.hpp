// SPDX-License-Identifier: BSL-1.0
// Model: a network with parameters, on a backend. All its memory is one arena, sized by the plan; forward, backward and
// predict allocate nothing. One thread at a time may call them: two at once get std::logic_error.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/alignment.hpp>
#include <strata/core/diagnose.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/graph.hpp>
#include <strata/model/options.hpp>
#include <strata/model/pass.hpp>
#include <strata/model/plan.hpp>
#include <strata/model/profile.hpp>
#include <strata/model/tensors.hpp>
#include <strata/util/busy.hpp>

namespace strata {

// The CPU backend (backend/cpu/cpu.hpp) and the type that it computes in.
template <class Scalar>
struct CpuOf;
using Cpu = CpuOf<float>;

// A layer by its number (Input is 0; the layers of nested blocks are counted too) and name.
struct LayerName {
  int number = -1;  // -1: none
  std::string_view name{};
};

template <class Net, class Backend = Cpu, class Mode = Training>
class Model {
  static constexpr bool training_mode = std::is_same_v<Mode, Training>;
  static constexpr bool on_host = Backend::on_host;
  using graph = detail::Graph<Net, Backend, training_mode>;
  static constexpr const auto& table = graph::table;
  static constexpr const auto& nodes = graph::nodes;
  static constexpr const auto& buffers = graph::buffers;
  static constexpr std::size_t count = graph::count;
  using Ops = typename graph::Ops;
  using A = typename Ops::Activation;

 public:
  using network = Net;
  using backend = Backend;
  using T = typename Ops::Parameter;
  using Engine = typename Backend::Engine;

  // Throws std::invalid_argument for a batch below 1, a negative number of threads, an initializer with impossible numbers,
  // or one for a tensor that the network does not have; OutOfMemory, a std::bad_alloc with the number of bytes, if
  // the plan does not fit into memory.
  explicit Model(const ModelOptions& options)
      : options_(options.checked()), engine_(options.engine()), layout_(graph::layout(options.batch, engine_.threads())) {
    static_assert(Net::layers >= 0);  // errors of the network are reported here, not from deep inside
    for (std::size_t i = 0; i < count; ++i)
      if (nodes[i].prepare)
        nodes[i].prepare(engine_.ops(), table.rows[i].in, options.batch,
                         {.training = training_mode,
                          .input_gradient = training_mode && buffers.learns[i - 1],
                          .offset = layout_.parameters[i]});
    arena_ = engine_.allocate(
        {.bytes = layout_.plan.total(), .own = layout_.engine, .images = options.batch * Net::input.size()});
    detail::TensorInitialization initialize(options_.weights, options_.biases, options_.tensors, options_.seed);
    for_each_tensor(initialize);
    initialize.finish();
  }

  // The exact bytes of a model with these options; `slot_count` is how many values an optimizer keeps for each parameter.
  static constexpr MemoryPlan plan(std::int64_t batch, int threads, int slot_count = 0) {
    MemoryPlan p = graph::layout(batch, threads).plan;
    p.optimizer = slot_count * detail::aligned(Net::parameters * static_cast<std::int64_t>(sizeof(T)));
    return p;
  }

  [[nodiscard]] const ModelOptions& options() const { return options_; }
  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] auto& pool()
    requires on_host
  {
    return engine_.pool();
  }
  // All trainable parameters, layer after layer, each layer's weights before its bias.
  [[nodiscard]] std::span<T> parameters()
    requires on_host
  {
    return {at<T>(0), static_cast<std::size_t>(Net::parameters)};
  }
  [[nodiscard]] std::span<const T> parameters() const
    requires on_host
  {
    return {at<T>(0), static_cast<std::size_t>(Net::parameters)};
  }
  [[nodiscard]] std::span<T> state()
    requires on_host
  {
    return {at<T>(layout_.states), static_cast<std::size_t>(table.state)};
  }
  [[nodiscard]] std::span<const T> state() const
    requires on_host
  {
    return {at<T>(layout_.states), static_cast<std::size_t>(table.state)};
  }
  [[nodiscard]] std::span<T> gradients()
    requires(training_mode && on_host)
  {
    return {at<T>(layout_.gradients), static_cast<std::size_t>(Net::parameters)};
  }

  // images (N,H,W,C), N up to the batch capacity; returns the network's output (N,output), valid until the next call.
  // Throws std::invalid_argument if the size is not a multiple of an image or exceeds the capacity.
  std::span<const T> predict(std::span<const T> images) { return forward(images, false, 0); }

  // As predict, but with dropout as in training; BatchNorm predicts. `draw` picks the random numbers: the mean over many
  // draws and their spread are Monte-Carlo dropout (Gal, Ghahramani 2016).
  std::span<const T> predict_with_dropout(std::span<const T> images, std::uint64_t draw) {
    return run(images, false, true, draw);
  }

  // If training, with dropout and batch statistics; `step` picks the random numbers.
  std::span<const T> forward(std::span<const T> images, bool training, std::uint64_t step) {
    return run(images, training, training, step);
  }

  // The same for n images that are already in the engine's memory and type (N,H,W,C). The result stays there too. On a GPU
  // the step is the one that the engine was given.
  const A* run_on_engine(const A* images, int n, bool training, bool dropout, std::uint64_t step) {
    const detail::Busy now = in_use();
    return run_nodes(images, n, training, dropout, step);
  }

  // Where the loss writes its gradient before backward().
  [[nodiscard]] A* output_gradient()
    requires training_mode
  {
    return gradient(count - 1);
  }
  // After forward(images, true, step): fills gradients().
  void backward()
    requires training_mode
  {
    backward([](std::int64_t, std::int64_t) {});
  }
  // The same, and calls ready(first, n) as soon as the gradients [first, first + n) are final, last layers first. On a GPU
  // "final" means that the work is queued.
  template <class Ready>
  void backward(Ready&& ready)
    requires training_mode
  {
    const detail::Busy now = in_use();
    for (std::size_t i = count; i-- > 0;) {
      const auto& node = nodes[i];
      if (node.length == 0) continue;
      {
        const Profile::Timer timer(timed(i) ? &profile_->rows[static_cast<std::size_t>(node.row)].backward : nullptr);
        if (node.length == 1)
          backward_node(i);
        else
          node.block_backward(passes(i, true).data());
        if (timed(i)) engine_.finish();
      }
      std::int64_t n = 0;
      for (std::size_t j = i; j < i + static_cast<std::size_t>(node.length); ++j) n += table.rows[j].step.parameters;
      if (n > 0) ready(layout_.parameters[i], n);
    }
  }

  // From now on adds the time of forward and backward to the profile, which gets one row for each layer or block of layers.
  // Null ends that. The profile must live until then.
  void watch(Profile* profile) {
    profile_ = profile;
    if (!profile) return;
    *profile = {};
    for (std::size_t i = 0; i < count; ++i) {
      if (nodes[i].row < 0) continue;
      LayerTime& time = profile->rows.emplace_back();
      time.first = table.rows[i].layer;
      time.learns_before = buffers.learns[i - 1];
      for (std::size_t j = i; j < i + static_cast<std::size_t>(nodes[i].length); ++j) {
        time.name += (j > i ? " + " : "") + std::string(nodes[j].name);
        time.macs += table.rows[j].step.macs;
      }
    }
  }

  // The first layer whose output has a NaN or an infinity. It runs forward on the last images again, which must still
  // exist, and so updates BatchNorm's running statistics once more.
  [[nodiscard]] LayerName first_not_finite(bool training) {
    // Layer by layer, also inside blocks: a block's scratch is large enough for both.
    for (std::size_t i = 0; i < count; ++i) {
      forward_node(i, training);
      const detail::Row& row = table.rows[i];
      if (row.layer >= 0 && !engine_.all_finite(input_of(static_cast<int>(i)), batch_ * row.out.size()))
        return {row.layer, nodes[i].name};
    }
    return {};
  }

  // Everything that keeps its values between steps, in the engine's memory.
  [[nodiscard]] TensorRegions<T> regions() const {
    return {.parameters = at<T>(0),
            .parameter_count = Net::parameters,
            .state = at<T>(layout_.states),
            .state_count = table.state,
            .filters = {graph::filters.found.data(), graph::filters.size}};
  }
  [[nodiscard]] T* engine_gradients() const
    requires training_mode
  {
    return at<T>(layout_.gradients);
  }

  // The trainable tensors, in the order of the parameters, with the names that for_each_tensor uses.
  [[nodiscard]] std::vector<ParameterTensor> parameter_tensors() const {
    std::vector<ParameterTensor> all;
    walk_tensors([&](std::string name, const TensorInfo& info, std::int64_t offset) {
      if (info.trainable()) all.push_back({std::move(name), info, offset});
    });
    return all;
  }
  // Calls f(name, info, values) for every tensor, trainable or state, with Keras' names: conv2d_1/kernel. f may change the
  // values, which are on the host during the call.
  template <class F>
  void for_each_tensor(F&& f) {
    const HostTensors<T> host = engine_.open_tensors(regions());
    walk_tensors([&](const std::string& name, const TensorInfo& info, std::int64_t offset) {
      T* start = (info.trainable() ? host.parameters : host.state) + offset;
      f(name, info, std::span<T>(start, static_cast<std::size_t>(info.size())));
    });
    engine_.close_tensors(regions());
  }

 private:
  [[nodiscard]] detail::Busy in_use() {
    return {busy_, "strata: a model was called while another call of it was running; use one model per thread"};
  }

  std::span<const T> run(std::span<const T> images, bool training, bool dropout, std::uint64_t step) {
    const std::size_t one = static_cast<std::size_t>(Net::input.size());
    const std::size_t n = images.size() / one;
    if (images.size() != n * one || n > static_cast<std::size_t>(options_.batch))
      throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers are not up to " +
                                  std::to_string(options_.batch) + " images of " + std::to_string(one) + " numbers");
    const detail::Busy now = in_use();
    const A* outputs = run_nodes(engine_.upload(images, step), static_cast<int>(n), training, dropout, step);
    return engine_.download(outputs, n * static_cast<std::size_t>(Net::output.size()));
  }

  const A* run_nodes(const A* images, int n, bool training, bool dropout, std::uint64_t step) {
    images_ = images;
    batch_ = n;
    step_ = step;
    dropout_ = dropout;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& node = nodes[i];
      if (node.length == 0) continue;
      const Profile::Timer timer(timed(i) ? &profile_->rows[static_cast<std::size_t>(node.row)].forward : nullptr);
      if (node.length == 1)
        forward_node(i, training);
      else
        node.block_forward(passes(i, training).data());
      if (timed(i)) engine_.finish();
    }
    return input_of(static_cast<int>(count) - 1);
  }

  // f(name, info, offset from the first parameter, or from the first number of state)
  template <class F>
  void walk_tensors(F&& f) const {
    detail::LayerNames names;
    for (std::size_t i = 0; i < count; ++i) {
      if (nodes[i].tensors.empty()) continue;
      const std::string prefix = names(nodes[i].keras) + "/";
      std::int64_t parameter = layout_.parameters[i], state = layout_.state[i];
      for (const TensorInfo& info : nodes[i].tensors)
        f(prefix + info.name, info,
          std::exchange(info.trainable() ? parameter : state, (info.trainable() ? parameter : state) + info.size()));
    }
  }

  [[nodiscard]] bool timed(std::size_t i) const { return profile_ && nodes[i].row >= 0; }

  template <class U>
  U* at(std::int64_t offset) const {
    return reinterpret_cast<U*>(arena_ + offset);
  }
  [[nodiscard]] A* value(std::size_t i) const { return at<A>(layout_.value[i]); }
  [[nodiscard]] const A* input_of(int source) const {
    const auto s = static_cast<std::size_t>(source);
    return buffers.value[s] == 0 ? images_ : value(s);
  }
  // Null if no node up to this one has parameters.
  [[nodiscard]] A* gradient(std::size_t i) const {
    return training_mode && buffers.learns[i] ? at<A>(layout_.gradient[i]) : nullptr;
  }

  Pass<Ops> pass(std::size_t i, bool training) {
    const detail::Row& row = table.rows[i];
    return Pass<Ops>{.batch = batch_,
                     .in = row.in,
                     .out = row.out,
                     .x = input_of(row.source),
                     .y = value(i),
                     .dy = gradient(i),
                     .dx = gradient(static_cast<std::size_t>(row.source)),
                     .parameters = at<T>(0) + layout_.parameters[i],
                     .gradients = training_mode ? at<T>(layout_.gradients) + layout_.parameters[i] : nullptr,
                     .state = at<T>(layout_.states) + layout_.state[i],
                     .saved = at<std::byte>(layout_.saved[i]),
                     .scratch = at<T>(layout_.scratch),
                     .training = training,
                     .dropout = dropout_,
                     .random = engine_.random(options_.seed, static_cast<std::uint32_t>(row.layer), step_),
                     .ops = engine_.ops()};
  }
  // Of a block of any length that begins at i.
  std::array<Pass<Ops>, detail::longest_block> passes(std::size_t i, bool training) {
    return {pass(i, training), pass(i + 1, training), pass(std::min(i + 2, count - 1), training)};
  }

  // Calls a function of the join at i.
  void call_join(std::size_t i, void (*function)(const JoinPass<Ops>*)) {
    using Branch = typename JoinPass<Ops>::Branch;
    const detail::Row& row = table.rows[i];
    std::array<Branch, count + 1> branches;
    std::size_t first = branches.size();  // filled from the end: the table links each branch to the one before
    const auto add = [&](int end, bool learns) {
      const auto e = static_cast<std::size_t>(end);
      branches[--first] = {table.rows[e].out.channels, input_of(end), learns ? gradient(e) : nullptr};
    };
    add(row.source, true);
    for (int end = row.previous_end; end >= 0; end = table.rows[static_cast<std::size_t>(end)].previous_end)
      add(table.rows[static_cast<std::size_t>(end)].source, true);
    if (row.identity) add(row.fork, false);  // its gradient is added at the fork
    const JoinPass<Ops> pass{.rows = static_cast<std::int64_t>(batch_) * row.out.height * row.out.width,
                             .channels = row.out.channels,
                             .branches = {branches.data() + first, branches.size() - first},
                             .y = value(i),
                             .dy = gradient(i),
                             .ops = engine_.ops()};
    function(&pass);
  }

  void forward_node(std::size_t i, bool training) {
    if (nodes[i].forward) {
      const Pass<Ops> p = pass(i, training);
      nodes[i].forward(&p);
    } else if (nodes[i].join) {
      call_join(i, nodes[i].join);
    }
  }
  void backward_node(std::size_t i) {
    const detail::Row& row = table.rows[i];
    if (nodes[i].backward) {
      const Pass<Ops> p = pass(i, true);
      nodes[i].backward(&p);
    } else if (nodes[i].join_backward) {
      call_join(i, nodes[i].join_backward);
    } else if (row.kind == detail::Kind::fork) {
      // Adds the gradients of the other branches. If a Residual has no Shortcut, one of them is the join's own.
      A* sum = gradient(i);
      if (!sum) return;
      for (std::size_t j = i + 1; j < count; ++j) {
        const detail::Row& other = table.rows[j];
        if (other.fork != static_cast<int>(i)) continue;
        if (other.kind == detail::Kind::next || other.identity)
          engine_.ops().add(batch_ * row.out.size(), sum, gradient(j), sum);
      }
    }
  }

  ModelOptions options_;
  Engine engine_;
  detail::Layout<count> layout_;
  std::byte* arena_ = nullptr;  // the engine's
  Profile* profile_ = nullptr;
  const A* images_ = nullptr;
  int batch_ = 0;
  bool dropout_ = false;
  std::uint64_t step_ = 0;
  std::atomic<unsigned> busy_{0};
};

}  // namespace strata
