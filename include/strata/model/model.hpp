// SPDX-License-Identifier: BSL-1.0
// Model: a network with parameters, on a backend. All its memory is one arena, sized by the plan; forward, backward and
// predict allocate nothing. One thread at a time may call them: two at once get std::logic_error. For predictions from
// several threads each takes a session() of the model. docs/threads.md says the rest.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/core/alignment.hpp>
#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/graph.hpp>
#include <strata/model/model_core.hpp>
#include <strata/model/options.hpp>
#include <strata/model/plan.hpp>
#include <strata/model/profile.hpp>
#include <strata/model/session.hpp>
#include <strata/util/processors.hpp>

namespace strata::inline STRATA_ABI {

// The CPU backend (backend/cpu/cpu.hpp) and the type that it computes in.
template <class Scalar>
struct CpuOf;
using Cpu = CpuOf<float>;

// A model can be moved, into a vector or an optional for example; its weights, its memory and what refers to them stay
// where they are. A model that was moved from can only be destroyed or assigned to. copy() copies one.
template <class Net, class Backend = Cpu, class Mode = Training>
class Model {
  static constexpr bool training_mode = std::is_same_v<Mode, Training>;
  static constexpr bool on_host = Backend::on_host;
  using graph = detail::Graph<Net, Backend, training_mode>;
  using Ops = typename Backend::Ops;
  using A = typename Ops::Activation;

 public:
  using network = Net;
  using backend = Backend;
  using T = typename Ops::Parameter;
  using Engine = typename Backend::Engine;
  using Core = detail::ModelCore<Engine>;

  // Throws std::invalid_argument for a batch below 1, a negative number of threads, an initializer with impossible numbers,
  // or one for a tensor that the network does not have; OutOfMemory, a std::bad_alloc with the number of bytes, if
  // the plan does not fit into memory.
  explicit Model(const ModelOptions& options) : core_(Core::make(graph::program, options, training_mode)) {
    static_assert(Net::layers >= 0);  // errors of the network are reported here, not from deep inside
  }
  Model(Model&&) noexcept = default;
  Model& operator=(Model&&) noexcept = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() = default;

  // Another model with the same options and values, and memory and threads of its own.
  [[nodiscard]] Model copy() const {
    Model other(options());
    other.core_->copy_values(*core_);
    return other;
  }
  // For predictions at the same time from several threads: see Session. Throws std::invalid_argument for negative options,
  // OutOfMemory.
  [[nodiscard]] Session<Net, Backend> session(const SessionOptions& options = {}) const
    requires on_host
  {
    return Session<Net, Backend>(detail::SessionCore<Engine>::make(core_, options));
  }

  // The exact bytes of a model with these options; `slot_count` is how many values an optimizer keeps for each parameter. A
  // constant, except with 0 threads, which are all that the process may use.
  static constexpr MemoryPlan plan(std::int64_t batch, int threads, int slot_count = 0) {
    std::array<detail::NodePlan<Ops>, graph::count> nodes{};
    MemoryPlan p =
        detail::lay_out(
            graph::program,
            {.batch = batch,
             .threads = threads > 0 ? threads : detail::usable_processors(),
             .scalar = {sizeof(T), sizeof(A)},
             .training = training_mode,
             .capacity = static_cast<int>(batch),
             .engine = Engine::own_bytes(Net::parameters, batch * Net::input.size(), batch * Net::output.size())},
            std::span<detail::NodePlan<Ops>>(nodes))
            .plan;
    p.optimizer = slot_count * detail::aligned(Net::parameters * static_cast<std::int64_t>(sizeof(T)));
    return p;
  }

  [[nodiscard]] const ModelOptions& options() const { return core_->options(); }
  [[nodiscard]] Engine& engine() { return core_->engine(); }
  [[nodiscard]] auto& pool()
    requires on_host
  {
    return engine().pool();
  }
  // All trainable parameters, layer after layer, each layer's weights before its bias.
  // Write to them before the next prediction, and ask for them anew to write again.
  [[nodiscard]] std::span<T> parameters()
    requires on_host
  {
    core_->packed_state().suspect();
    return {runner().parameters(), static_cast<std::size_t>(Net::parameters)};
  }
  [[nodiscard]] std::span<const T> parameters() const
    requires on_host
  {
    return {runner().parameters(), static_cast<std::size_t>(Net::parameters)};
  }
  [[nodiscard]] std::span<T> state()
    requires on_host
  {
    core_->packed_state().suspect();
    return {runner().state(), static_cast<std::size_t>(graph::table.state)};
  }
  [[nodiscard]] std::span<const T> state() const
    requires on_host
  {
    return {runner().state(), static_cast<std::size_t>(graph::table.state)};
  }
  [[nodiscard]] std::span<T> gradients()
    requires(training_mode && on_host)
  {
    return {runner().gradients(), static_cast<std::size_t>(Net::parameters)};
  }

  // images (N,H,W,C), N up to the batch capacity; returns the network's output (N,output), valid until the next call.
  // Throws std::invalid_argument if the size is not a multiple of an image or exceeds the capacity.
  std::span<const T> predict(std::span<const T> images) { return forward(images, false, 0); }

  // As predict, but with dropout as in training; BatchNorm predicts. `draw` picks the random numbers: the mean over many
  // draws and their spread are Monte-Carlo dropout (Gal, Ghahramani 2016).
  std::span<const T> predict_with_dropout(std::span<const T> images, std::uint64_t draw) {
    return runner().run(images, false, true, draw);
  }

  // If training, with dropout and batch statistics; `step` picks the random numbers.
  std::span<const T> forward(std::span<const T> images, bool training, std::uint64_t step) {
    return runner().run(images, training, training, step);
  }

  // The same for n images that are already in the engine's memory and type (N,H,W,C). The result stays there too. On a GPU
  // the step is the one that the engine was given.
  const A* run_on_engine(const A* images, int n, bool training, bool dropout, std::uint64_t step) {
    return runner().run_on_engine(images, n, training, dropout, step);
  }

  // Where the loss writes its gradient before backward().
  [[nodiscard]] A* output_gradient()
    requires training_mode
  {
    return runner().output_gradient();
  }
  // After forward(images, true, step): fills gradients().
  void backward()
    requires training_mode
  {
    runner().backward({});
  }
  // The same, and calls ready(first, n) as soon as the gradients [first, first + n) are final, last layers first. On a GPU
  // "final" means that the work is queued.
  void backward(const detail::GradientsReady& ready)
    requires training_mode
  {
    runner().backward(ready);
  }

  // From now on adds the time of forward and backward to the profile, which gets one row for each layer or block of layers.
  // Null ends that. The profile must live until then.
  void watch(Profile* profile) { runner().watch(profile); }

  // The first layer whose output has a NaN or an infinity. It runs forward on the last images again, which must still
  // exist, and so updates BatchNorm's running statistics once more.
  [[nodiscard]] LayerName first_not_finite(bool training) { return runner().first_not_finite(training); }

  // Everything that keeps its values between steps, in the engine's memory.
  [[nodiscard]] TensorRegions<T> regions() const {
    core_->packed_state().suspect();
    return core_->regions();
  }
  [[nodiscard]] T* engine_gradients() const
    requires training_mode
  {
    return runner().gradients();
  }

  // The trainable tensors, in the order of the parameters, with the names that for_each_tensor uses.
  [[nodiscard]] std::vector<ParameterTensor> parameter_tensors() const { return core_->parameter_tensors(); }
  // Calls f(name, info, values) for every tensor, trainable or state, with Keras' names: conv2d_1/kernel. f may change the
  // values, which are on the host during this call alone. On every backend the model has what f wrote, also if f throws.
  template <class F>
  void for_each_tensor(F&& f) {
    core_->on_host([&](const HostTensors<T>& host) {
      for (const detail::NamedTensor& t : core_->tensors()) {
        f(t.name, t.info, std::span<T>(Core::values(host, t), static_cast<std::size_t>(t.info.size())));
        core_->packed_state().suspect();  // f of the next tensor may predict
      }
    });
  }

  // The model without its network's type, for training. It stays where it is when the model is moved.
  [[nodiscard]] const std::shared_ptr<Core>& core() const { return core_; }

 private:
  [[nodiscard]] detail::Runner<Engine>& runner() const { return core_->runner(); }

  std::shared_ptr<Core> core_;
};

}  // namespace strata::inline STRATA_ABI
