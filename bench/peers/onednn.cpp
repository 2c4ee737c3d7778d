// SPDX-License-Identifier: BSL-1.0
// oneDNN's primitives in a loop written by hand: what its own frameworks could reach at best. One source for 2.x and 3.x.
// ReLUs are fused into convolutions and inner products, pools keep a workspace, every primitive chooses its own formats and
// reorders stand only where two of them differ; dropout and the update are loops of our own, in OpenMP like the rest.
#include <omp.h>

#include <cmath>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "peer.hpp"

namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;
using Tag = memory::format_tag;
constexpr auto f32 = memory::data_type::f32;
constexpr bool v3 = DNNL_VERSION_MAJOR >= 3;

// --- The differences between 2.x and 3.x: descriptors went, a post-op lost its scale. --------------------------------
template <class Primitive, class... A>
typename Primitive::primitive_desc describe(const dnnl::engine& engine, const A&... a) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, a...);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(a...), engine);
#endif
}
template <class Primitive, class... A>
typename Primitive::primitive_desc describe_with(const dnnl::engine& engine, const dnnl::primitive_attr& attr,
                                                 const A&... a) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, a..., attr);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(a...), attr, engine);
#endif
}
template <class Primitive, class Hint, class... A>
typename Primitive::primitive_desc describe_back(const dnnl::engine& engine, const Hint& hint, const A&... a) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, a..., hint);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(a...), engine, hint);
#endif
}
dnnl::primitive_attr with_relu() {
  dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#else
  ops.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#endif
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  return attr;
}

memory::desc any(const memory::dims& dims) { return {dims, f32, Tag::any}; }

struct Primitive {
  dnnl::primitive primitive;
  Arguments arguments;
};

class OneDnn : public bench::Peer {
 public:
  OneDnn(const bench::Setup& setup, const bench::Data& data)
      : setup_(setup), data_(data), batch_(setup.batch), images_(bench::images_nchw(data)) {
    omp_set_num_threads(setup.threads);
    build();
    if (setup.training) build_backward();
    engine_stream_.wait();
  }

  double step(int number) override {
    load(number);
    run(forward_);
    const double loss = loss_and_gradient(number);
    run(backward_);
    update();
    ++step_;
    return loss;
  }
  const float* predict(int number) override {
    load(number);
    run(forward_);
    return pointer(logits_);
  }
  [[nodiscard]] std::size_t parameters() const override {
    std::size_t n = 0;
    for (const Weights& w : weights_) n += w.count;
    return n;
  }

 private:
  // A tensor of parameters: its values in the format that forward wants, its velocity likewise.
  struct Weights {
    memory value, gradient;  // the gradient in value's format
    std::vector<float> velocity;
    std::size_t count = 0;
  };
  struct Block {  // a convolution or dense layer, and what follows it
    memory input, output;
    int kernel = 0, bias = 0;  // indices into weights_
    bool relu = true, pool = false, drop = false;
    dnnl::convolution_forward::primitive_desc conv;
    dnnl::inner_product_forward::primitive_desc dense;
    dnnl::pooling_forward::primitive_desc pooling;
    memory pooled, workspace;
    std::vector<unsigned char> mask;
  };
  // Primitives in their order, and dropouts between them.
  struct Sequence {
    std::vector<Primitive> primitives;
    std::vector<int> order;  // >= 0: a primitive; otherwise -(block + 1): dropout of that block
  };

  static float* pointer(const memory& m) { return static_cast<float*>(m.get_data_handle()); }
  memory allocate(const memory::desc& desc) const { return {desc, engine_}; }

  void add(Sequence& s, const dnnl::primitive& primitive, const Arguments& arguments) {
    s.order.push_back(static_cast<int>(s.primitives.size()));
    s.primitives.push_back({primitive, arguments});
  }
  // The same values in another format: the memory itself where that is the same.
  memory converted(Sequence& s, const memory& from, const memory::desc& desc) {
    if (from.get_desc() == desc) return from;
    memory to = allocate(desc);
    add(s, dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
    return to;
  }
  void convert_now(memory from, memory to) { dnnl::reorder(from, to).execute(engine_stream_, from, to); }

  int add_weights(const memory::desc& desc, std::vector<float> values, const memory::dims& dims, Tag plain) {
    Weights w;
    w.count = values.size();
    w.value = allocate(desc);
    const memory from({dims, f32, plain}, engine_, values.data());
    convert_now(from, w.value);
    engine_stream_.wait();
    if (setup_.training) {
      w.gradient = allocate(desc);
      std::memset(w.gradient.get_data_handle(), 0, desc.get_size());  // blocked formats may be padded
      w.velocity.assign(desc.get_size() / sizeof(float), 0.0F);
    }
    weights_.push_back(std::move(w));
    return static_cast<int>(weights_.size()) - 1;
  }

  void build() {
    using dnnl::algorithm;
    const auto kind = setup_.training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
    const dnnl::primitive_attr relu = with_relu();
    const memory::dims zero{0, 0};
    input_ = memory({{batch_, 3, 32, 32}, f32, Tag::nchw}, engine_, images_.data());
    memory x = input_;
    for (int i = 0; i < bench::layer_count; ++i) {
      const bench::Layer& l = bench::layers[i];
      Block b;
      b.relu = i + 1 < bench::layer_count;
      b.pool = i == 0 || i == 1 || i == 4;
      b.drop = setup_.training && setup_.dropout && (i == 5 || i == 6);
      const memory::dims bias{l.out_channels};
      if (i < bench::convolutions) {
        const memory::dims in{batch_, l.in_channels, l.in_size, l.in_size},
            out{batch_, l.out_channels, l.out_size, l.out_size};
        const memory::dims kernel{l.out_channels, l.in_channels, l.kernel, l.kernel};
        const memory::dims strides{l.stride, l.stride}, pad{l.kernel / 2, l.kernel / 2};
        // The last rows and columns of an even map are not reached from the right.
        const int right = (l.out_size - 1) * l.stride + l.kernel - l.in_size - l.kernel / 2;
        b.conv = describe_with<dnnl::convolution_forward>(engine_, relu, kind, algorithm::convolution_auto, any(in),
                                                          any(kernel), memory::desc(bias, f32, Tag::x), any(out), strides,
                                                          pad, memory::dims{right, right});
        b.kernel = add_weights(b.conv.weights_desc(), bench::kernel_oihw(data_, i), kernel, Tag::oihw);
        b.bias = add_weights(b.conv.bias_desc(), {data_.bias(i), data_.bias(i) + l.out_channels}, bias, Tag::x);
        b.input = converted(forward_, x, b.conv.src_desc());
        b.output = allocate(b.conv.dst_desc());
        add(forward_, dnnl::convolution_forward(b.conv), forward_arguments(b));
      } else {
        // The map before the first is 1x1: flattening changes nothing but the dimensions.
        const memory::dims in{batch_, l.in_channels}, out{batch_, l.out_channels}, kernel{l.out_channels, l.in_channels};
        if (i == bench::convolutions) {
          const memory flat = converted(forward_, x, {{batch_, l.in_channels, 1, 1}, f32, Tag::nchw});
          x = memory({in, f32, Tag::nc}, engine_, flat.get_data_handle());
          kept_.push_back(flat);
        }
        b.dense = describe_with<dnnl::inner_product_forward>(engine_, b.relu ? relu : dnnl::primitive_attr(), kind, any(in),
                                                             any(kernel), memory::desc(bias, f32, Tag::x), any(out));
        b.kernel = add_weights(b.dense.weights_desc(), bench::kernel_oihw(data_, i), kernel, Tag::oi);
        b.bias = add_weights(b.dense.bias_desc(), {data_.bias(i), data_.bias(i) + l.out_channels}, bias, Tag::x);
        b.input = converted(forward_, x, b.dense.src_desc());
        b.output = allocate(b.dense.dst_desc());
        add(forward_, dnnl::inner_product_forward(b.dense), forward_arguments(b));
      }
      x = b.output;
      if (b.pool) {
        const int size = (l.out_size - 3) / 2 + 1;
        const memory::dims window{3, 3}, strides{2, 2};
        const memory::desc pooled = any({batch_, l.out_channels, size, size});
#if DNNL_VERSION_MAJOR >= 3
        b.pooling = describe<dnnl::pooling_forward>(engine_, kind, algorithm::pooling_max, x.get_desc(), pooled, strides,
                                                    window, zero, zero, zero);
#else
        b.pooling = describe<dnnl::pooling_forward>(engine_, kind, algorithm::pooling_max, x.get_desc(), pooled, strides,
                                                    window, zero, zero);
#endif
        b.pooled = allocate(b.pooling.dst_desc());
        Arguments arguments{{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, b.pooled}};
        if (setup_.training) {
          b.workspace = allocate(b.pooling.workspace_desc());
          arguments[DNNL_ARG_WORKSPACE] = b.workspace;
        }
        add(forward_, dnnl::pooling_forward(b.pooling), arguments);
        x = b.pooled;
      }
      if (b.drop) {
        b.mask.assign(x.get_desc().get_size() / sizeof(float), 0);
        forward_.order.push_back(-(i + 1));
      }
      blocks_.push_back(std::move(b));
    }
    logits_ = converted(forward_, x, {{batch_, bench::classes}, f32, Tag::nc});
  }

  Arguments forward_arguments(const Block& b) {
    return {{DNNL_ARG_SRC, b.input},
            {DNNL_ARG_WEIGHTS, weights_[static_cast<std::size_t>(b.kernel)].value},
            {DNNL_ARG_BIAS, weights_[static_cast<std::size_t>(b.bias)].value},
            {DNNL_ARG_DST, b.output}};
  }

  void build_backward() {
    using dnnl::algorithm;
    Sequence& s = backward_;
    gradient_ = allocate({{batch_, bench::classes}, f32, Tag::nc});
    memory dy = gradient_;
    for (int i = bench::layer_count - 1; i >= 0; --i) {
      const bench::Layer& l = bench::layers[i];
      Block& b = blocks_[static_cast<std::size_t>(i)];
      if (b.drop) {
        dropped_gradient_.push_back({i, dy});
        s.order.push_back(-(i + 1));
      }
      if (b.pool) {
        // The convolution's output is in the format of the pool's source; its gradient too.
        const memory::dims window{3, 3}, strides{2, 2}, zero{0, 0};
        memory dx = allocate(b.output.get_desc());
#if DNNL_VERSION_MAJOR >= 3
        const auto pd = describe_back<dnnl::pooling_backward>(engine_, b.pooling, algorithm::pooling_max, dx.get_desc(),
                                                              b.pooled.get_desc(), strides, window, zero, zero, zero);
#else
        const auto pd = describe_back<dnnl::pooling_backward>(engine_, b.pooling, algorithm::pooling_max, dx.get_desc(),
                                                              b.pooled.get_desc(), strides, window, zero, zero);
#endif
        dy = converted(s, dy, pd.diff_dst_desc());
        add(s, dnnl::pooling_backward(pd),
            {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WORKSPACE, b.workspace}, {DNNL_ARG_DIFF_SRC, dx}});
        dy = dx;
      }
      if (b.relu) {
        // In place: the gradient of the output becomes that of the sum.
        const memory::desc desc = b.output.get_desc();
        dy = converted(s, dy, desc);
        constexpr auto relu = algorithm::eltwise_relu_use_dst_for_bwd;
#if DNNL_VERSION_MAJOR >= 3
        const auto hint =
            describe<dnnl::eltwise_forward>(engine_, dnnl::prop_kind::forward_training, relu, desc, desc, 0.0F, 0.0F);
        const auto pd = describe_back<dnnl::eltwise_backward>(engine_, hint, relu, desc, desc, desc, 0.0F, 0.0F);
#else
        const auto hint =
            describe<dnnl::eltwise_forward>(engine_, dnnl::prop_kind::forward_training, relu, desc, 0.0F, 0.0F);
        const auto pd = describe_back<dnnl::eltwise_backward>(engine_, hint, relu, desc, desc, 0.0F, 0.0F);
#endif
        add(s, dnnl::eltwise_backward(pd), {{DNNL_ARG_DST, b.output}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_SRC, dy}});
      }
      Weights& kernel = weights_[static_cast<std::size_t>(b.kernel)];
      Weights& bias = weights_[static_cast<std::size_t>(b.bias)];
      const memory::dims bias_dims{l.out_channels};
      if (i < bench::convolutions) {
        const memory::dims in{batch_, l.in_channels, l.in_size, l.in_size},
            out{batch_, l.out_channels, l.out_size, l.out_size};
        const memory::dims kernel_dims{l.out_channels, l.in_channels, l.kernel, l.kernel};
        const memory::dims strides{l.stride, l.stride}, pad{l.kernel / 2, l.kernel / 2};
        const int right = (l.out_size - 1) * l.stride + l.kernel - l.in_size - l.kernel / 2;
        const memory::dims pad_right{right, right};
        const auto weights = describe_back<dnnl::convolution_backward_weights>(
            engine_, b.conv, algorithm::convolution_auto, any(in), any(kernel_dims), memory::desc(bias_dims, f32, Tag::x),
            any(out), strides, pad, pad_right);
        add_weight_gradient<dnnl::convolution_backward_weights>(weights, b, kernel, bias, dy);
        if (i > 0) {
          const auto data = describe_back<dnnl::convolution_backward_data>(
              engine_, b.conv, algorithm::convolution_auto, any(in), any(kernel_dims), any(out), strides, pad, pad_right);
          dy = add_input_gradient<dnnl::convolution_backward_data>(data, kernel, dy);
        }
      } else {
        const memory::dims in{batch_, l.in_channels}, out{batch_, l.out_channels},
            kernel_dims{l.out_channels, l.in_channels};
        const auto weights = describe_back<dnnl::inner_product_backward_weights>(
            engine_, b.dense, any(in), any(kernel_dims), memory::desc(bias_dims, f32, Tag::x), any(out));
        add_weight_gradient<dnnl::inner_product_backward_weights>(weights, b, kernel, bias, dy);
        const auto data =
            describe_back<dnnl::inner_product_backward_data>(engine_, b.dense, any(in), any(kernel_dims), any(out));
        dy = add_input_gradient<dnnl::inner_product_backward_data>(data, kernel, dy);
        if (i == bench::convolutions) {
          const memory flat = converted(s, dy, {in, f32, Tag::nc});
          kept_.push_back(flat);
          dy = memory({{batch_, l.in_channels, 1, 1}, f32, Tag::nchw}, engine_, flat.get_data_handle());
        }
      }
    }
  }
  template <class P>
  void add_weight_gradient(const typename P::primitive_desc& pd, const Block& b, Weights& kernel, Weights& bias,
                           const memory& dy) {
    const memory x = converted(backward_, b.input, pd.src_desc());
    const memory d = converted(backward_, dy, pd.diff_dst_desc());
    const bool same = pd.diff_weights_desc() == kernel.value.get_desc();
    const memory dw = same ? kernel.gradient : allocate(pd.diff_weights_desc());
    add(backward_, P(pd),
        {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, d}, {DNNL_ARG_DIFF_WEIGHTS, dw}, {DNNL_ARG_DIFF_BIAS, bias.gradient}});
    if (!same) add(backward_, dnnl::reorder(dw, kernel.gradient), {{DNNL_ARG_FROM, dw}, {DNNL_ARG_TO, kernel.gradient}});
  }
  template <class P>
  memory add_input_gradient(const typename P::primitive_desc& pd, const Weights& kernel, const memory& dy) {
    const memory d = converted(backward_, dy, pd.diff_dst_desc());
    const memory w = converted(backward_, kernel.value, pd.weights_desc());
    const memory dx = allocate(pd.diff_src_desc());
    add(backward_, P(pd), {{DNNL_ARG_DIFF_DST, d}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, dx}});
    return dx;
  }

  void load(int number) {
    input_.set_data_handle(images_.data() +
                           static_cast<std::size_t>(number) * static_cast<std::size_t>(batch_) * bench::pixels);
  }
  void run(Sequence& s) {
    for (const int at : s.order) {
      if (at >= 0) {
        const Primitive& p = s.primitives[static_cast<std::size_t>(at)];
        p.primitive.execute(engine_stream_, p.arguments);
      } else if (&s == &forward_) {
        drop(-at - 1);
      } else {
        drop_gradient(-at - 1);
      }
    }
    engine_stream_.wait();
  }

  // Keeps half: a bit of a hash of step, layer and element.
  void drop(int block) {
    Block& b = blocks_[static_cast<std::size_t>(block)];
    float* x = pointer(b.output);
    unsigned char* mask = b.mask.data();
    const auto n = static_cast<std::int64_t>(b.mask.size());
    const auto key = static_cast<std::uint32_t>(step_ * 2 + block) * 0x9E3779B9U;
#pragma omp parallel for simd schedule(static)
    for (std::int64_t i = 0; i < n; ++i) {
      std::uint32_t h = static_cast<std::uint32_t>(i) * 0x85EBCA6BU + key;
      h = (h ^ (h >> 15)) * 0x2C1B3C6DU;
      h = (h ^ (h >> 12)) * 0x297A2D39U;
      const std::uint32_t keep = h >> 31;
      mask[i] = static_cast<unsigned char>(keep);
      x[i] *= 2.0F * static_cast<float>(keep);
    }
  }
  void drop_gradient(int block) {
    for (const auto& [number, memory] : dropped_gradient_) {
      if (number != block) continue;
      const unsigned char* mask = blocks_[static_cast<std::size_t>(block)].mask.data();
      float* d = pointer(memory);
      const auto n = static_cast<std::int64_t>(blocks_[static_cast<std::size_t>(block)].mask.size());
#pragma omp parallel for simd schedule(static)
      for (std::int64_t i = 0; i < n; ++i) d[i] *= 2.0F * static_cast<float>(mask[i]);
    }
  }

  double loss_and_gradient(int number) {
    const float* logits = pointer(logits_);
    float* d = pointer(gradient_);
    const std::int32_t* labels = data_.labels.data() + static_cast<std::ptrdiff_t>(number) * batch_;
    double loss = 0;
    for (int n = 0; n < batch_; ++n) {
      const float* x = logits + static_cast<std::ptrdiff_t>(n) * bench::classes;
      float* g = d + static_cast<std::ptrdiff_t>(n) * bench::classes;
      const float largest = *std::max_element(x, x + bench::classes);
      float sum = 0;
      for (int c = 0; c < bench::classes; ++c) sum += std::exp(x[c] - largest);
      for (int c = 0; c < bench::classes; ++c)
        g[c] = (std::exp(x[c] - largest) / sum - (c == labels[n] ? 1.0F : 0.0F)) / static_cast<float>(batch_);
      loss -= static_cast<double>(x[labels[n]] - largest - std::log(sum));
    }
    return loss / batch_;
  }

  void update() {
    constexpr auto rate = static_cast<float>(bench::learning_rate), momentum = static_cast<float>(bench::momentum);
    for (Weights& w : weights_) {
      float* value = pointer(w.value);
      const float* gradient = pointer(w.gradient);
      float* velocity = w.velocity.data();
      const auto n = static_cast<std::int64_t>(w.velocity.size());
#pragma omp parallel for simd schedule(static)
      for (std::int64_t i = 0; i < n; ++i) {
        velocity[i] = momentum * velocity[i] - rate * gradient[i];
        value[i] += velocity[i];
      }
    }
  }

  bench::Setup setup_;
  const bench::Data& data_;
  int batch_;
  std::vector<float> images_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream engine_stream_{engine_};
  std::vector<Weights> weights_;
  std::vector<Block> blocks_;
  std::vector<memory> kept_;
  std::vector<std::pair<int, memory>> dropped_gradient_;
  Sequence forward_, backward_;
  memory input_, logits_, gradient_;
  std::int64_t step_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const dnnl_version_t& v = *dnnl_version();
  const std::string version = std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
  return bench::run(argc, argv, v3 ? "onednn3" : "onednn2", version,
                    [](const bench::Setup& setup, const bench::Data& data) {
                      return std::unique_ptr<bench::Peer>(std::make_unique<OneDnn>(setup, data));
                    });
}
