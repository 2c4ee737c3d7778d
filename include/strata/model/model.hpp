// SPDX-License-Identifier: BSL-1.0
// Model: a network with parameters, on a backend. All its memory is one arena, sized by the plan; forward, backward and
// predict allocate nothing.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/backend/cpu/blocks.hpp>
#include <strata/backend/cpu/cpu.hpp>
#include <strata/core/diagnose.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/fingerprint.hpp>
#include <strata/model/initializers.hpp>
#include <strata/model/plan.hpp>
#include <strata/model/profile.hpp>

namespace strata {

namespace detail {
template <class L>
inline constexpr bool sums = false;
template <class... L>
inline constexpr bool sums<Residual<L...>> = true;

// One function a layer and pass, whatever the networks it is in.
template <class Kernel, class Pass>
void run_forward(const Pass* p) {
  Kernel::forward(*p);
}
template <class Kernel, class Pass>
void run_backward(const Pass* p) {
  Kernel::backward(*p);
}
template <class Block, class Pass>
void run_block_forward(const Pass* p) {
  Block::forward(p);
}
template <class Block, class Pass>
void run_block_backward(const Pass* p) {
  Block::backward(p);
}
}  // namespace detail

// What a model is made for. A model for inference has no memory for gradients, and no functions that need it.
struct Training {};
struct Inference {};

struct ModelOptions {
  int batch = 32;          // samples at once, at most
  int threads = 0;         // of the processor; 0: all cores
  std::uint64_t seed = 0;  // of everything random: initial weights, dropout
  Initializer weights = GlorotUniform{};
  Initializer biases = Constant{0.0};
  std::vector<TensorInitializer> tensors{};  // for single tensors, before what stands above
  int device = 0;                            // of the Cuda backend: which GPU
  // Of the Cuda backend: try the ways to compute each product, and keep the fastest, which may be another one next time:
  // the last bits then differ from run to run.
  bool autotune = false;
};

// A layer by its number (Input is 0; of nested blocks all are counted) and name.
struct LayerName {
  int number = -1;  // -1: none
  std::string_view name{};
};

template <class Net, class Backend = Cpu, class Mode = Training>
class Model {
  // A broken network has reported its one error; a stand-in keeps its kernels from adding others.
  using sound = std::conditional_t<diagnose<Net>().ok(), Net, Sequential<Input<1, 1, 1>>>;
  using nodes = typename detail::analysed<sound>::nodes;
  static constexpr const auto& table = detail::analysed<sound>::table;
  static constexpr std::size_t count = detail::table_of<nodes>::count;
  static constexpr bool training_mode = std::is_same_v<Mode, Training>;
  static constexpr bool on_host = Backend::on_host;
  using A = typename Backend::activation;
  using Pass = typename Backend::Pass;

 public:
  using network = Net;
  using backend = Backend;
  using T = typename Backend::scalar;
  using Engine = typename Backend::Engine;

  // Throws std::invalid_argument for a batch below 1, a negative number of threads, an initializer that cannot be meant, or
  // one for a tensor that the network has not; std::bad_alloc where the plan does not fit.
  explicit Model(const ModelOptions& options)
      : options_(checked(options)),
        engine_({.threads = options.threads, .device = options.device, .autotune = options.autotune}),
        layout_(layout(options.batch, engine_.threads())) {
    static_assert(Net::layers >= 0);  // what is wrong with the network is said here, and not from far within
    for (std::size_t i = 0; i < count; ++i)
      if (graph[i].prepare)
        graph[i].prepare(engine_, table.rows[i].in, options.batch, buffers.learns[i - 1], layout_.parameters[i]);
    arena_ = engine_.allocate(
        {.bytes = layout_.plan.total(), .own = layout_.engine, .images = options.batch * Net::input.size()});
    initialize(options.weights, options.biases);
  }

  // The exact bytes of a model with these options; `slots` is what an optimizer keeps for each parameter.
  static constexpr MemoryPlan plan(std::int64_t batch, int threads, int slots = 0) {
    MemoryPlan p = layout(batch, threads).plan;
    p.optimizer = slots * detail::aligned(Net::parameters * static_cast<std::int64_t>(sizeof(T)));
    return p;
  }

  [[nodiscard]] const ModelOptions& options() const { return options_; }
  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] ThreadPool& pool()
    requires on_host
  {
    return engine_.runner();
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

  // images (N,H,W,C), N up to the batch capacity; returns what the network ends in, (N,output), valid until the next call.
  // Throws std::invalid_argument where the size is not a multiple of an image, or above the capacity.
  std::span<const T> predict(std::span<const T> images) { return forward(images, false, 0); }

  // As predict, but with dropout on as while training; BatchNorm stays as it predicts. `draw` picks the random numbers: the
  // mean over many draws and their spread are Monte-Carlo dropout (Gal, Ghahramani 2016).
  std::span<const T> predict_with_dropout(std::span<const T> images, std::uint64_t draw) {
    return run(images, false, true, draw);
  }

  // While training: dropout and batch statistics on; `step` picks the random numbers.
  std::span<const T> forward(std::span<const T> images, bool training, std::uint64_t step) {
    return run(images, training, training, step);
  }

  // The same as these with n images where the engine works and in its numbers (N,H,W,C); what the network ends in stays
  // there, too. The engine knows the step.
  const A* run_on_engine(const A* images, int n, bool training, bool dropout, std::uint64_t step) {
    images_ = images;
    batch_ = n;
    step_ = step;
    dropout_ = dropout;
    for (std::size_t i = 0; i < count; ++i) {
      const Node& node = graph[i];
      if (node.length == 0) continue;
      const Profile::Timer timer(timed(node) ? &profile_->rows[static_cast<std::size_t>(node.row)].forward : nullptr);
      if (node.length == 1)
        forward_node(i, training);
      else
        node.block_forward(passes(i, training).data());
      if (timed(node)) engine_.finish();
    }
    return input_of(static_cast<int>(count) - 1);
  }

  // Where the loss writes its gradient before backward().
  [[nodiscard]] A* output_gradient()
    requires training_mode
  {
    return gradient(count - 1);
  }
  template <class Ready>
  void backward(Ready&& ready) { backward(); ready(std::int64_t{0}, Net::parameters); }
  // After forward(images, true, step): fills gradients().
  void backward()
    requires training_mode
  {
    for (std::size_t i = count; i-- > 0;) {
      const Node& node = graph[i];
      if (node.length == 0) continue;
      const Profile::Timer timer(timed(node) ? &profile_->rows[static_cast<std::size_t>(node.row)].backward : nullptr);
      if (node.length == 1)
        backward_node(i);
      else
        node.block_backward(passes(i, true).data());
      if (timed(node)) engine_.finish();
    }
  }

  // From now on adds the time of forward and backward to the profile's rows, one for each layer or block of layers, which
  // it makes; null ends that. The profile must live until then.
  void watch(Profile* profile) {
    profile_ = profile;
    if (!profile) return;
    *profile = {};
    for (std::size_t i = 0; i < count; ++i) {
      if (graph[i].row < 0) continue;
      LayerTime& time = profile->rows.emplace_back();
      time.first = table.rows[i].layer;
      time.learns_before = buffers.learns[i - 1];
      for (std::size_t j = i; j < i + static_cast<std::size_t>(graph[i].length); ++j) {
        time.name += (j > i ? " + " : "") + std::string(graph[j].name);
        time.macs += table.rows[j].step.macs;
      }
    }
  }

  // The first layer whose output has a NaN or an infinity, found by running forward on the last images again, which must
  // still be there. BatchNorm's running statistics follow them once more.
  [[nodiscard]] LayerName first_not_finite(bool training) {
    // Layer by layer, also where they run as blocks, whose scratch is large enough for either.
    for (std::size_t i = 0; i < count; ++i) {
      forward_node(i, training);
      const detail::Row& row = table.rows[i];
      if (row.layer >= 0 && !engine_.all_finite(input_of(static_cast<int>(i)), batch_ * row.out.size()))
        return {row.layer, graph[i].name};
    }
    return {};
  }

  // What has values between steps, where the engine has it.
  [[nodiscard]] TensorRegions<T> regions() const {
    return {at<T>(0), Net::parameters, at<T>(layout_.states), table.state, {filters.found.data(), filters.size}};
  }
  [[nodiscard]] T* engine_gradients() const
    requires training_mode
  {
    return at<T>(layout_.gradients);
  }

  // Calls f(name, info, values) for every tensor, trainable or state, with Keras' names: conv2d_1/kernel. The values are on
  // the host, and may be changed.
  template <class F>
  void for_each_tensor(F&& f) {
    Names names;
    const HostTensors<T> host = engine_.open_tensors(regions());
    for (std::size_t i = 0; i < count; ++i) {
      if (graph[i].tensors.empty()) continue;
      const std::string prefix = names(graph[i].keras) + "/";
      std::int64_t trained = layout_.parameters[i], followed = layout_.state[i];
      for (const TensorInfo& info : graph[i].tensors) {
        T* start = info.trainable() ? host.parameters + trained : host.state + followed;
        (info.trainable() ? trained : followed) += info.size();
        f(prefix + info.name, info, std::span<T>(start, static_cast<std::size_t>(info.size())));
      }
    }
    engine_.close_tensors(regions());
  }

  // The trainable tensors in the order of their parameters.
  [[nodiscard]] std::vector<ParameterTensor> parameter_tensors() const {
    Names names;
    std::vector<ParameterTensor> tensors;
    for (std::size_t i = 0; i < count; ++i) {
      if (graph[i].tensors.empty()) continue;
      const std::string prefix = names(graph[i].keras) + "/";
      std::int64_t offset = layout_.parameters[i];
      for (const TensorInfo& info : graph[i].tensors)
        if (info.trainable()) tensors.push_back({prefix + info.name, info, offset}), offset += info.size();
    }
    return tensors;
  }

 private:
  std::span<const T> run(std::span<const T> images, bool training, bool dropout, std::uint64_t step) {
    const std::size_t one = static_cast<std::size_t>(Net::input.size());
    const std::size_t n = images.size() / one;
    if (images.size() != n * one || n > static_cast<std::size_t>(options_.batch))
      throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers are not up to " +
                                  std::to_string(options_.batch) + " images of " + std::to_string(one) + " numbers");
    const A* outputs = run_on_engine(engine_.bring(images, step), static_cast<int>(n), training, dropout, step);
    return engine_.fetch(outputs, n * static_cast<std::size_t>(Net::output.size()));
  }

  template <std::size_t I>
  using node_type = typename detail::pick<static_cast<int>(I), nodes>::type;
  template <std::size_t I>
  using layer_type = typename detail::node<node_type<I>>::layer;

  static const ModelOptions& checked(const ModelOptions& o) {
    if (o.batch < 1) throw std::invalid_argument("strata: batch " + std::to_string(o.batch) + " is not at least 1");
    if (o.threads < 0)
      throw std::invalid_argument("strata: threads " + std::to_string(o.threads) + " is negative; 0 takes all cores");
    return o;
  }

  // The backend's block of the `Length` nodes from I on.
  template <std::size_t I, class Length>
  struct block_of;
  template <std::size_t I, std::size_t... J>
  struct block_of<I, std::index_sequence<J...>> {
    using type = typename Backend::template block<layer_type<I + J>...>;
  };
  template <std::size_t I, std::size_t Length>
  using block = typename block_of<I, std::make_index_sequence<Length>>::type;
  template <std::size_t I>
  using kernel = typename Backend::template kernel<layer_type<I>>;
  // How many nodes from I on run as one block: 1 where each runs by itself.
  template <std::size_t I, std::size_t Length = Backend::longest_block>
  static constexpr std::size_t block_length() {
    if constexpr (Length == 1) {
      return 1;
    } else {
      if constexpr (I + Length <= count) {
        bool layers = true;
        for (std::size_t j = I; j < I + Length; ++j) layers = layers && table.rows[j].kind == detail::Kind::layer;
        if constexpr (block<I, Length>::exists)
          if (layers && block<I, Length>::applies(table.rows[I].in)) return Length;
      }
      return block_length<I, Length - 1>();
    }
  }

  template <std::size_t I>
  static constexpr detail::NodeTraits traits_of() {
    if constexpr (detail::node<node_type<I>>::kind == detail::Kind::layer) {
      using K = kernel<I>;
      constexpr std::size_t length = block_length<I>();
      detail::NodeTraits t{true, K::view, K::in_place, K::reads_output, K::reads_signs, K::keeps_signs, &K::saved_bytes};
      if constexpr (length > 1)
        t.scratch = &block<I, length>::template scratch<A>;
      else
        t.scratch = &K::template scratch<A>;
      return t;
    } else {
      return {};
    }
  }
  template <std::size_t... I>
  static constexpr std::array<detail::NodeTraits, count> all_traits(std::index_sequence<I...>) {
    return {traits_of<I>()...};
  }
  static constexpr auto traits() { return all_traits(std::make_index_sequence<count>{}); }
  static constexpr detail::Layout<count> layout(std::int64_t batch, int threads) {
    return detail::lay_out(table, traits(), batch, threads, {sizeof(T), sizeof(A)}, training_mode,
                           Engine::own_bytes(Net::parameters, batch * Net::input.size()));
  }
  static constexpr detail::Buffers<count> buffers = detail::assign_buffers(table, traits());

  // What runs, in order: a node by itself, or a block that the backend does together and that begins here.
  struct Node {
    int length = 1;     // nodes of the block; 0: within one
    int row = -1;       // of a profile; brackets and views take no time worth one
    bool sums = false;  // of a join: it adds
    bool runs = false;  // there is a forward
    std::string_view name{}, keras{};
    std::span<const TensorInfo> tensors{};
    void (*forward)(const Pass*) = nullptr;  // null: nothing to do, or the model does it
    void (*backward)(const Pass*) = nullptr;
    void (*block_forward)(const Pass*) = nullptr;  // takes the passes of its nodes
    void (*block_backward)(const Pass*) = nullptr;
    // Before there is memory, with so many parameters of other layers before its own; null: there is nothing to prepare.
    void (*prepare)(Engine&, Shape, int batch, bool learns_before, std::int64_t at) = nullptr;
  };
  template <std::size_t I>
  static constexpr auto tensors_of = layer_type<I>::tensors(table.rows[I].in);
  template <std::size_t I>
  static constexpr Node node_of() {
    using L = layer_type<I>;
    Node n;
    n.sums = detail::sums<L>;
    n.name = detail::name_of_node<node_type<I>>();
    if constexpr (detail::node<node_type<I>>::kind == detail::Kind::layer) {
      // A layer says how Keras calls it; one that Keras does not have goes by its own name.
      n.keras = n.name.empty() ? "layer" : n.name;
      if constexpr (requires { L::keras; }) n.keras = L::keras;
      if constexpr (requires { L::tensors(Shape{}); }) n.tensors = tensors_of<I>;
      constexpr std::size_t length = block_length<I>();
      n.length = static_cast<int>(length);
      n.runs = !kernel<I>::view;
      if constexpr (!kernel<I>::view) {
        n.forward = &detail::run_forward<kernel<I>, Pass>;
        if constexpr (training_mode) n.backward = &detail::run_backward<kernel<I>, Pass>;
      }
      if constexpr (length > 1) {
        n.block_forward = &detail::run_block_forward<block<I, length>, Pass>;
        if constexpr (training_mode) n.block_backward = &detail::run_block_backward<block<I, length>, Pass>;
      }
      if constexpr (kernel<I>::prepares) {
        if constexpr (length > 1)
          n.prepare = &block<I, length>::template prepare<training_mode, Engine>;
        else
          n.prepare = &kernel<I>::template prepare<training_mode, Engine>;
      }
    }
    return n;
  }
  template <std::size_t... I>
  static constexpr std::array<Node, count> graph_of(std::index_sequence<I...>) {
    std::array<Node, count> nodes{node_of<I>()...};
    int rows = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto length = static_cast<std::size_t>(nodes[i].length);
      for (std::size_t j = i + 1; j < i + length; ++j) nodes[j].length = 0;
      if (length > 0 && (table.rows[i].kind == detail::Kind::join || nodes[i].runs)) nodes[i].row = rows++;
    }
    return nodes;
  }
  static constexpr std::array<Node, count> graph = graph_of(std::make_index_sequence<count>{});

  // A tensor with four dimensions is a convolution's; each layer has at most one.
  struct Filters {
    std::array<FilterTensor, count> found{};
    std::size_t size = 0;
  };
  static constexpr Filters filters = [] {
    Filters f;
    std::int64_t offset = 0;
    for (const Node& node : graph)
      for (const TensorInfo& info : node.tensors) {
        if (!info.trainable()) continue;
        if (info.rank == 4) f.found[f.size++] = {offset, info.size() / info.shape[3], info.shape[3]};
        offset += info.size();
      }
    return f;
  }();
  [[nodiscard]] bool timed(const Node& node) const { return profile_ && node.row >= 0; }

  template <class U>
  U* at(std::int64_t offset) const {
    return reinterpret_cast<U*>(arena_ + offset);
  }
  [[nodiscard]] A* value(std::size_t i) const { return at<A>(layout_.value[i]); }
  [[nodiscard]] const A* input_of(int source) const {
    const auto s = static_cast<std::size_t>(source);
    return buffers.value[s] == 0 ? images_ : value(s);
  }
  // Null where nobody learns from it.
  [[nodiscard]] A* gradient(std::size_t i) const { return buffers.learns[i] ? at<A>(layout_.gradient[i]) : nullptr; }

  Pass pass(std::size_t i, bool training) {
    const detail::Row& row = table.rows[i];
    const auto source = static_cast<std::size_t>(row.source);
    // In the order of the members: those of the passes of all backends are the same, but for what the kernels run on.
    return Pass{batch_,
                row.in,
                row.out,
                input_of(row.source),
                value(i),
                training_mode ? gradient(i) : nullptr,
                training_mode ? gradient(source) : nullptr,
                at<T>(0) + layout_.parameters[i],
                training_mode ? at<T>(layout_.gradients) + layout_.parameters[i] : nullptr,
                at<T>(layout_.states) + layout_.state[i],
                at<std::byte>(layout_.saved[i]),
                at<T>(layout_.scratch),
                training,
                dropout_,
                engine_.random(options_.seed, static_cast<std::uint32_t>(row.layer), step_),
                engine_.runner()};
  }
  // Of a block of any length that begins at i.
  std::array<Pass, Backend::longest_block> passes(std::size_t i, bool training) {
    static_assert(Backend::longest_block == 3);
    return {pass(i, training), pass(i + 1, training), pass(std::min(i + 2, count - 1), training)};
  }

  void forward_node(std::size_t i, bool training) {
    const detail::Row& row = table.rows[i];
    if (graph[i].forward) {
      const Pass p = pass(i, training);
      graph[i].forward(&p);
    } else if (row.kind == detail::Kind::join) {
      // Branch ends, last first.
      std::array<int, count> ends{};
      int branches = 0;
      ends[static_cast<std::size_t>(branches++)] = row.source;
      for (int end = row.previous_end; end >= 0; end = table.rows[static_cast<std::size_t>(end)].previous_end)
        ends[static_cast<std::size_t>(branches++)] = table.rows[static_cast<std::size_t>(end)].source;
      if (graph[i].sums) {
        const A* other = input_of(branches > 1 ? ends[1] : row.fork);
        engine_.add(batch_ * row.out.size(), input_of(ends[0]), other, value(i));
      } else {
        int offset = 0;
        for (int b = branches - 1; b >= 0; --b) {
          const int end = ends[static_cast<std::size_t>(b)];
          const int channels = table.rows[static_cast<std::size_t>(end)].out.channels;
          engine_.concat_copy(rows_of(row.out), channels, input_of(end), row.out.channels, offset, value(i));
          offset += channels;
        }
      }
    }
  }
  void backward_node(std::size_t i) {
    const detail::Row& row = table.rows[i];
    if (graph[i].backward) {
      const Pass p = pass(i, true);
      graph[i].backward(&p);
    } else if (row.kind == detail::Kind::join) {
      const A* dy = gradient(i);
      int offset = row.out.channels;
      const auto give = [&](int end) {
        const int channels = table.rows[static_cast<std::size_t>(end)].out.channels;
        offset -= graph[i].sums ? 0 : channels;
        A* to = gradient(static_cast<std::size_t>(end));
        if (!to) return;
        if (graph[i].sums)
          engine_.copy(batch_ * row.out.size(), dy, to);
        else
          engine_.concat_take(rows_of(row.out), channels, to, row.out.channels, offset, dy);
      };
      give(row.source);
      for (int end = row.previous_end; end >= 0; end = table.rows[static_cast<std::size_t>(end)].previous_end)
        give(table.rows[static_cast<std::size_t>(end)].source);
    } else if (row.kind == detail::Kind::fork) {
      // What the other branches ask for, and, for a Residual without a projection, what came straight from the sum.
      A* sum = gradient(i);
      if (!sum) return;
      for (std::size_t j = i + 1; j < count; ++j) {
        const detail::Row& other = table.rows[j];
        if (other.fork != static_cast<int>(i)) continue;
        if (other.kind == detail::Kind::next || other.identity) engine_.add(batch_ * row.out.size(), sum, gradient(j), sum);
      }
    }
  }
  [[nodiscard]] std::int64_t rows_of(Shape s) const { return static_cast<std::int64_t>(batch_) * s.height * s.width; }

  // Keras numbers the layers of a kind: conv2d, conv2d_1, ...
  struct Names {
    std::vector<std::pair<std::string_view, int>> seen;
    std::string operator()(std::string_view name) {
      for (auto& [known, times] : seen)
        if (known == name) return std::string(name) + "_" + std::to_string(times++);
      seen.emplace_back(name, 1);
      return std::string(name);
    }
  };
  void initialize(const Initializer& weights, const Initializer& biases) {
    weights.validate();
    biases.validate();
    std::vector<std::string> names;
    for_each_tensor([&](const std::string& name, const TensorInfo& info, std::span<T> values) {
      const Random random(options_.seed, Purpose::initialize, static_cast<std::uint32_t>(names.size()));
      const Fan fan{info.fan_in, info.fan_out};
      names.push_back(name);
      if (const Initializer* own = detail::initializer_for(name, options_.tensors)) {
        own->validate();
        (*own)(values, fan, random);
        return;
      }
      switch (info.role) {
        case Role::weight:
          weights(values, fan, random);
          break;
        case Role::bias:
          biases(values, fan, random);
          break;
        case Role::scale:
        case Role::running_variance:
          std::fill(values.begin(), values.end(), T{1});
          break;
        case Role::shift:
        case Role::running_mean:
          break;
      }
    });
    detail::check_tensors(options_.tensors, names);
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
};

}  // namespace strata
