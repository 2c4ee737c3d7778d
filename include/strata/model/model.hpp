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

#include <strata/backend/eigen/blocks.hpp>
#include <strata/backend/eigen/combine.hpp>
#include <strata/backend/eigen/cpu.hpp>
#include <strata/core/diagnose.hpp>
#include <strata/model/arena.hpp>
#include <strata/model/plan.hpp>
#include <strata/model/profile.hpp>
#include <strata/training/initializers.hpp>

namespace strata {

namespace detail {
template <class L>
inline constexpr bool sums = false;
template <class... L>
inline constexpr bool sums<Residual<L...>> = true;
}  // namespace detail

// What a model is made for. A model for inference has no memory for gradients, and no functions that need it.
struct Training {};
struct Inference {};

struct ModelOptions {
  int batch = 32;          // samples at once, at most
  int threads = 0;         // 0: all cores
  std::uint64_t seed = 0;  // of everything random: initial weights, dropout
  Initializer weights = GlorotUniform{};
  Initializer biases = Value{0.0};
  std::vector<TensorInitializer> tensors{};  // for single tensors, before what stands above
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

 public:
  using network = Net;
  using backend = Backend;
  using T = typename Backend::scalar;

  // Throws std::invalid_argument for a batch below 1, a negative number of threads, an initializer that cannot be meant, or
  // one for a tensor that the network has not; std::bad_alloc where the plan does not fit.
  explicit Model(const ModelOptions& options)
      : options_(checked(options)),
        pool_(options.threads),
        layout_(layout(options.batch, pool_.size())),
        arena_(static_cast<std::byte*>(::operator new(static_cast<std::size_t>(layout_.plan.total()), align))) {
    static_assert(Net::layers >= 0);  // what is wrong with the network is said here, and not from far within
    detail::prefer_large_pages(arena_.get(), static_cast<std::size_t>(layout_.plan.total()));
    std::memset(arena_.get(), 0, static_cast<std::size_t>(layout_.plan.total()));
    initialize(options.weights, options.biases);
  }

  // The exact bytes of a model with these options; `slots` is what an optimizer keeps for each parameter.
  static constexpr MemoryPlan plan(std::int64_t batch, int threads, int slots = 0) {
    MemoryPlan p = layout(batch, threads).plan;
    p.optimizer = slots * detail::aligned(Net::parameters * static_cast<std::int64_t>(sizeof(T)));
    return p;
  }

  [[nodiscard]] const ModelOptions& options() const { return options_; }
  [[nodiscard]] ThreadPool& pool() { return pool_; }
  // All trainable parameters, layer after layer, each layer's weights before its bias.
  [[nodiscard]] std::span<T> parameters() { return {at<T>(0), static_cast<std::size_t>(Net::parameters)}; }
  [[nodiscard]] std::span<const T> parameters() const { return {at<T>(0), static_cast<std::size_t>(Net::parameters)}; }
  [[nodiscard]] std::span<T> state() { return {at<T>(layout_.states), static_cast<std::size_t>(table.state)}; }
  [[nodiscard]] std::span<const T> state() const { return {at<T>(layout_.states), static_cast<std::size_t>(table.state)}; }
  [[nodiscard]] std::span<T> gradients()
    requires training_mode
  {
    return {at<T>(layout_.gradients), static_cast<std::size_t>(Net::parameters)};
  }

  // images (N,H,W,C), N up to the batch capacity; returns what the network ends in, (N,output), valid until the next call.
  // Throws std::invalid_argument where the size is not a multiple of an image, or above the capacity.
  std::span<const T> predict(std::span<const T> images) { return forward(images, false, 0); }

  // While training: dropout and batch statistics on; `step` picks the random numbers.
  std::span<const T> forward(std::span<const T> images, bool training, std::uint64_t step) {
    const std::size_t one = static_cast<std::size_t>(Net::input.size());
    const std::size_t n = images.size() / one;
    if (images.size() != n * one || n > static_cast<std::size_t>(options_.batch))
      throw std::invalid_argument("strata: " + std::to_string(images.size()) + " numbers are not up to " +
                                  std::to_string(options_.batch) + " images of " + std::to_string(one) + " numbers");
    images_ = images.data();
    batch_ = static_cast<int>(n);
    step_ = step;
    forward_from<0>(training);
    return {input_of(static_cast<int>(count) - 1), n * static_cast<std::size_t>(Net::output.size())};
  }

  // Where the loss writes its gradient before backward().
  [[nodiscard]] T* output_gradient()
    requires training_mode
  {
    return gradient(count - 1);
  }
  // After forward(images, true, step): fills gradients().
  void backward()
    requires training_mode
  {
    backward_from<0>();
  }

  // From now on adds the time of forward and backward to the profile's rows, one for each layer or block of layers, which
  // it makes; null ends that. The profile must live until then.
  void watch(Profile* profile) {
    profile_ = profile;
    if (!profile) return;
    *profile = {};
    profile_rows_from<0>(*profile);
  }

  // The first layer whose output has a NaN or an infinity, found by running forward on the last images again, which must
  // still be there. BatchNorm's running statistics follow them once more.
  [[nodiscard]] LayerName first_not_finite(bool training) {
    LayerName found;
    find_not_finite(training, found, std::make_index_sequence<count>{});
    return found;
  }

  // Calls f(name, info, values) for every tensor, trainable or state, with Keras' names: conv2d_1/kernel.
  template <class F>
  void for_each_tensor(F&& f) {
    Names names;
    each_tensor(f, names, std::make_index_sequence<count>{});
  }

 private:
  static constexpr std::align_val_t align{detail::alignment};
  struct Release {
    void operator()(std::byte* p) const { ::operator delete(p, align); }
  };
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
    using type = CpuBlock<layer_type<I + J>...>;
  };
  template <std::size_t I, std::size_t Length>
  using block = typename block_of<I, std::make_index_sequence<Length>>::type;
  // How many nodes from I on run as one block: 1 where each runs by itself.
  template <std::size_t I, std::size_t Length = longest_cpu_block>
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
      using K = CpuKernel<layer_type<I>>;
      constexpr std::size_t length = block_length<I>();
      if constexpr (length > 1)
        return {true, K::view, K::in_place, K::reads_output, &K::saved_bytes, &block<I, length>::template scratch<T>};
      else
        return {true, K::view, K::in_place, K::reads_output, &K::saved_bytes, &K::template scratch<T>};
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
    return detail::lay_out(table, traits(), batch, threads, static_cast<std::int64_t>(sizeof(T)), training_mode);
  }
  static constexpr detail::Buffers<count> buffers = detail::assign_buffers(table, traits());

  template <class U>
  U* at(std::int64_t offset) const {
    return reinterpret_cast<U*>(arena_.get() + offset);
  }
  [[nodiscard]] T* value(std::size_t i) const { return at<T>(layout_.value[i]); }
  [[nodiscard]] const T* input_of(int source) const {
    const auto s = static_cast<std::size_t>(source);
    return buffers.value[s] == 0 ? images_ : value(s);
  }
  // Null where nobody learns from it.
  [[nodiscard]] T* gradient(std::size_t i) const { return buffers.learns[i] ? at<T>(layout_.gradient[i]) : nullptr; }

  template <std::size_t I>
  Pass<T> pass(bool training) {
    constexpr const detail::Row& row = table.rows[I];
    const auto source = static_cast<std::size_t>(row.source);
    return {.batch = batch_,
            .in = row.in,
            .out = row.out,
            .x = input_of(row.source),
            .y = value(I),
            .dy = training_mode ? gradient(I) : nullptr,
            .dx = training_mode ? gradient(source) : nullptr,
            .parameters = at<T>(0) + layout_.parameters[I],
            .gradients = training_mode ? at<T>(layout_.gradients) + layout_.parameters[I] : nullptr,
            .state = at<T>(layout_.states) + layout_.state[I],
            .saved = at<std::byte>(layout_.saved[I]),
            .scratch = at<T>(layout_.scratch),
            .training = training,
            .random = Random(options_.seed, Purpose::dropout, static_cast<std::uint32_t>(row.layer), step_),
            .pool = pool_};
  }

  template <std::size_t I, std::size_t... J>
  std::array<Pass<T>, sizeof...(J)> passes(bool training, std::index_sequence<J...>) {
    return {pass<I + J>(training)...};
  }

  template <std::size_t I>
  void forward_node(bool training) {
    constexpr const detail::Row& row = table.rows[I];
    if constexpr (I > 0 && row.kind == detail::Kind::layer) {
      CpuKernel<layer_type<I>>::forward(pass<I>(training));
    } else if constexpr (row.kind == detail::Kind::join) {
      // Branch ends, last first.
      std::array<int, count> ends{};
      int branches = 0;
      ends[static_cast<std::size_t>(branches++)] = row.source;
      for (int end = row.previous_end; end >= 0; end = table.rows[static_cast<std::size_t>(end)].previous_end)
        ends[static_cast<std::size_t>(branches++)] = table.rows[static_cast<std::size_t>(end)].source;
      if constexpr (is_sum<I>) {
        const T* other = input_of(branches > 1 ? ends[1] : row.fork);
        eigen::add_forward(batch_ * row.out.size(), input_of(ends[0]), other, value(I), pool_);
      } else {
        int offset = 0;
        for (int b = branches - 1; b >= 0; --b) {
          const int end = ends[static_cast<std::size_t>(b)];
          const int channels = table.rows[static_cast<std::size_t>(end)].out.channels;
          eigen::concat_copy(rows_of(row.out), channels, input_of(end), row.out.channels, offset, value(I), pool_);
          offset += channels;
        }
      }
    }
  }
  template <std::size_t I>
  void backward_node() {
    constexpr const detail::Row& row = table.rows[I];
    if constexpr (I > 0 && row.kind == detail::Kind::layer) {
      CpuKernel<layer_type<I>>::backward(pass<I>(true));
    } else if constexpr (row.kind == detail::Kind::join) {
      const T* dy = gradient(I);
      int offset = row.out.channels;
      const auto give = [&](int end) {
        const int channels = table.rows[static_cast<std::size_t>(end)].out.channels;
        offset -= is_sum<I> ? 0 : channels;
        T* to = gradient(static_cast<std::size_t>(end));
        if (!to) return;
        if constexpr (is_sum<I>)
          std::memcpy(to, dy, static_cast<std::size_t>(batch_ * row.out.size()) * sizeof(T));
        else
          eigen::concat_take(rows_of(row.out), channels, to, row.out.channels, offset, dy, pool_);
      };
      give(row.source);
      for (int end = row.previous_end; end >= 0; end = table.rows[static_cast<std::size_t>(end)].previous_end)
        give(table.rows[static_cast<std::size_t>(end)].source);
    } else if constexpr (row.kind == detail::Kind::fork) {
      // What the other branches ask for, and, for a Residual without a projection, what came straight from the sum.
      T* sum = gradient(I);
      if (!sum) return;
      for (std::size_t j = I + 1; j < count; ++j) {
        const detail::Row& other = table.rows[j];
        if (other.fork != static_cast<int>(I)) continue;
        if (other.kind == detail::Kind::next || other.identity)
          eigen::add_forward(batch_ * row.out.size(), static_cast<const T*>(sum), static_cast<const T*>(gradient(j)), sum,
                             pool_);
      }
    }
  }
  template <std::size_t I>
  static constexpr bool is_sum = detail::sums<layer_type<I>>;
  [[nodiscard]] std::int64_t rows_of(Shape s) const { return static_cast<std::int64_t>(batch_) * s.height * s.width; }

  // A block, where the backend has one that begins here, and its layers one by one where it has none. `row`: of a profile.
  template <std::size_t I>
  void forward_from(bool training, std::size_t row = 0) {
    if constexpr (I < count) {
      constexpr std::size_t length = block_length<I>();
      {
        const Profile::Timer timer(profile_ && has_row<I> ? &profile_->rows[row].forward : nullptr);
        if constexpr (length == 1)
          forward_node<I>(training);
        else
          block<I, length>::forward(passes<I>(training, std::make_index_sequence<length>{}));
      }
      forward_from<I + length>(training, row + has_row<I>);
    }
  }
  template <std::size_t I>
  void backward_from(std::size_t row = 0) {
    if constexpr (I < count) {
      constexpr std::size_t length = block_length<I>();
      backward_from<I + length>(row + has_row<I>);
      const Profile::Timer timer(profile_ && has_row<I> ? &profile_->rows[row].backward : nullptr);
      if constexpr (length == 1)
        backward_node<I>();
      else
        block<I, length>::backward(passes<I>(true, std::make_index_sequence<length>{}));
    }
  }
  // Brackets and views take no time worth a line.
  template <std::size_t I>
  static constexpr bool has_row = I > 0 && (table.rows[I].kind == detail::Kind::join ||
                                            (table.rows[I].kind == detail::Kind::layer && !traits_of<I>().view));
  template <std::size_t I>
  static void profile_rows_from(Profile& profile) {
    if constexpr (I < count) {
      constexpr std::size_t length = block_length<I>();
      if constexpr (has_row<I>) {
        LayerTime t;
        t.first = table.rows[I].layer;
        t.learns_before = buffers.learns[I - 1];
        add_to_row<I>(t, std::make_index_sequence<length>{});
        profile.rows.push_back(std::move(t));
      }
      profile_rows_from<I + length>(profile);
    }
  }
  template <std::size_t I, std::size_t... J>
  static void add_to_row(LayerTime& t, std::index_sequence<J...>) {
    ((t.name += (J > 0 ? " + " : "") + std::string(layer_type<I + J>::name), t.macs += table.rows[I + J].step.macs), ...);
  }

  // Layer by layer, also where they run as blocks, whose scratch is large enough for either.
  template <std::size_t... I>
  void find_not_finite(bool training, LayerName& found, std::index_sequence<I...>) {
    (find_not_finite_in<I>(training, found), ...);
  }
  template <std::size_t I>
  void find_not_finite_in(bool training, LayerName& found) {
    if (found.number >= 0) return;
    forward_node<I>(training);
    constexpr const detail::Row& row = table.rows[I];
    if (row.layer < 0 || all_finite(input_of(static_cast<int>(I)), batch_ * row.out.size())) return;
    found.number = row.layer;
    if constexpr (requires { std::string_view(layer_type<I>::name); }) found.name = layer_type<I>::name;
  }
  static bool all_finite(const T* x, std::int64_t n) {
    return std::all_of(x, x + n, [](T v) { return std::isfinite(v); });
  }

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
  // A layer says how Keras calls it; one that Keras does not have goes by its own name.
  template <class L>
  static constexpr std::string_view name_of() {
    if constexpr (requires { L::keras; })
      return L::keras;
    else if constexpr (requires { L::name; })
      return L::name;
    else
      return "layer";
  }
  template <class F, std::size_t... I>
  void each_tensor(F& f, Names& names, std::index_sequence<I...>) {
    (each_tensor_of<I>(f, names), ...);
  }
  template <std::size_t I, class F>
  void each_tensor_of(F& f, Names& names) {
    if constexpr (detail::node<node_type<I>>::kind == detail::Kind::layer) {
      using L = layer_type<I>;
      if constexpr (requires { L::tensors(Shape{}); }) {
        const std::string prefix = names(name_of<L>()) + "/";
        std::int64_t trained = layout_.parameters[I], followed = layout_.state[I];
        for (const TensorInfo& info : L::tensors(table.rows[I].in)) {
          T* start = info.trainable() ? at<T>(0) + trained : at<T>(layout_.states) + followed;
          (info.trainable() ? trained : followed) += info.size();
          f(prefix + info.name, info, std::span<T>(start, static_cast<std::size_t>(info.size())));
        }
      }
    }
  }

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
  ThreadPool pool_;
  detail::Layout<count> layout_;
  std::unique_ptr<std::byte, Release> arena_;
  Profile* profile_ = nullptr;
  const T* images_ = nullptr;
  int batch_ = 0;
  std::uint64_t step_ = 0;
};

}  // namespace strata
