// SPDX-License-Identifier: BSL-1.0
// Convolutions and dense layers on the GPU against the reference in double. The bound is the largest error of rounding the
// products' factors, a float32 sum in any order, and the result.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include <strata/backend/cuda/conv.hpp>
#include <strata/backend/cuda/dense.hpp>
#include <strata/backend/reference/conv.hpp>
#include <strata/backend/reference/dense.hpp>

using namespace strata;
using namespace strata::cuda;

namespace {

using Numbers = std::vector<double>;

class Random {
 public:
  int number(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }
  // Numbers that float32 (or bfloat16, on request) can hold.
  Numbers draw(std::int64_t count, Number type) {
    Numbers n(static_cast<std::size_t>(count));
    std::normal_distribution<float> normal;
    for (double& x : n) {
      const float f = normal(random_);
      x = type == Number::bf16 ? static_cast<float>(Bf16(f)) : f;
    }
    return n;
  }

 private:
  std::mt19937 random_{1};
};

Numbers absolute(Numbers n) {
  for (double& x : n) x = std::abs(x);
  return n;
}

// Memory on the device, with numbers of one type in it.
class Memory {
 public:
  Memory(const Numbers& numbers, Number type) : count_(numbers.size()), type_(type), bytes_(bytes(numbers.size(), type)) {
    if (type == Number::bf16)
      put<Bf16>(numbers);
    else
      put<float>(numbers);
  }
  // Filled with NaNs, so that unwritten elements are noticed.
  Memory(std::size_t count, Number type) : count_(count), type_(type), bytes_(bytes(count, type)) {
    check(cudaMemset(bytes_.get(), 0xFF, static_cast<std::size_t>(bytes(count, type))), "cudaMemset");
  }
  [[nodiscard]] void* get() const { return bytes_.get(); }
  [[nodiscard]] Numbers read() const { return type_ == Number::bf16 ? take<Bf16>() : take<float>(); }

 private:
  static std::int64_t bytes(std::size_t count, Number type) { return static_cast<std::int64_t>(count) * bytes_of(type); }
  template <class T>
  void put(const Numbers& numbers) {
    std::vector<T> values;
    for (const double x : numbers) values.push_back(T(static_cast<float>(x)));
    check(cudaMemcpy(bytes_.get(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  template <class T>
  [[nodiscard]] Numbers take() const {
    std::vector<T> values(count_);
    check(cudaMemcpy(values.data(), bytes_.get(), count_ * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
    Numbers numbers;
    for (const T x : values) numbers.push_back(static_cast<float>(x));
    return numbers;
  }
  std::size_t count_;
  Number type_;
  cuda::detail::Trial bytes_;
};

// `sums` are the sums of the products' absolute values, `terms` the number of products of a sum.
void check_close(const Numbers& got, const Numbers& expected, const Numbers& sums, std::int64_t terms, Math math,
                 Number output) {
  REQUIRE(got.size() == expected.size());
  const double factors = math == Math::tf32 ? 0x1p-9 : 0;       // two of them, cut after 10 bits
  const double sum = static_cast<double>(terms + 1) * 0x1p-24;  // rounded at each term
  const double result = output == Number::bf16 ? 0x1p-8 : 0x1p-24;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = sums[i] * (factors + sum) * (1 + result) + std::abs(expected[i]) * result;
    CHECK(std::abs(got[i] - expected[i]) <= bound);  // false for a NaN too
  }
}

// (KH,KW,C,F), as the host has weights, to (F,KH,KW,C).
Numbers filters_first(const Numbers& w, std::int64_t filters) {
  Numbers out(w.size());
  const auto f = static_cast<std::size_t>(filters), taps = w.size() / f;
  for (std::size_t t = 0; t < taps; ++t)
    for (std::size_t i = 0; i < f; ++i) out[i * taps + t] = w[t * f + i];
  return out;
}

constexpr Math all_math[] = {Math::float32, Math::tf32, Math::bf16};

void convolve(Random& random, CudnnHandle& handle, const Geometry& g, int batch, Math math, const PlanOptions& options) {
  const Number type = activation(math);
  const std::int64_t filters = g.out.channels;
  const auto ins = static_cast<std::size_t>(batch * g.in.size()), outs = static_cast<std::size_t>(batch * g.out.size());
  const auto weights = static_cast<std::size_t>(g.taps() * filters);
  const Numbers x = random.draw(batch * g.in.size(), type), w = random.draw(g.taps() * filters, type),
                bias = random.draw(filters, type), dy = random.draw(batch * g.out.size(), type);
  const Numbers ax = absolute(x), aw = absolute(w), abias = absolute(bias), ady = absolute(dy);
  Numbers expected(outs), sums(outs);
  const Memory device_x(x, type), device_w(filters_first(w, filters), type), device_bias(bias, type), device_dy(dy, type);
  ConvPlans plans({.handle = handle.get()}, options);
  const auto workspace = [&] { return cuda::detail::Trial(plans.workspace_size()); };

  for (const bool has_bias : {false, true}) {
    ConvProblem p{ConvOperation::forward, g, batch, math, has_bias};
    CAPTURE(ConvPlan::describe(p));
    const ConvPlan& plan = plans.get(p);
    const bool whole = plan.fused();
    const double* b = has_bias && whole ? bias.data() : nullptr;
    reference::conv_forward<double>(g, batch, x.data(), w.data(), b, expected.data());
    reference::conv_forward<double>(g, batch, ax.data(), aw.data(), b ? abias.data() : nullptr, sums.data());
    const Memory y(outs, type);
    plan.forward(handle.get(), device_x.get(), device_w.get(), device_bias.get(), y.get(), workspace().get());
    check_close(y.read(), expected, sums, g.taps() + 1, math, type);
  }
  {
    const ConvPlan& plan = plans.get({ConvOperation::backward_input, g, batch, math});
    CAPTURE(ConvPlan::describe(plan.problem()));
    Numbers expected_x(ins), sums_x(ins);
    reference::conv_backward_input<double>(g, batch, dy.data(), w.data(), expected_x.data());
    reference::conv_backward_input<double>(g, batch, ady.data(), aw.data(), sums_x.data());
    const Memory dx(ins, type);
    plan.backward_input(handle.get(), device_dy.get(), device_w.get(), dx.get(), workspace().get());
    const std::int64_t terms = g.window.kernel_h * g.window.kernel_w * (filters / g.groups);
    check_close(dx.read(), expected_x, sums_x, terms, math, type);
  }
  {
    const ConvPlan& plan = plans.get({ConvOperation::backward_weights, g, batch, math});
    CAPTURE(ConvPlan::describe(plan.problem()));
    Numbers expected_w(weights), sums_w(weights), db(bias.size());
    reference::conv_backward_weights<double>(g, batch, x.data(), dy.data(), expected_w.data(), db.data());
    reference::conv_backward_weights<double>(g, batch, ax.data(), ady.data(), sums_w.data(), db.data());
    const Memory dw(weights, plan.gradient());
    plan.backward_weights(handle.get(), device_x.get(), device_dy.get(), dw.get(), workspace().get());
    const std::int64_t terms = std::int64_t{batch} * g.out.height * g.out.width;
    check_close(dw.read(), filters_first(expected_w, filters), filters_first(sums_w, filters), terms, math,
                plan.gradient());
  }
}

Geometry drawn(Random& random) {
  WindowSpec s;
  s.kernel_h = random.number(1, 5), s.kernel_w = random.number(1, 5);
  s.stride_h = random.number(1, 3), s.stride_w = random.number(1, 3);
  s.dilation_h = random.number(1, 2), s.dilation_w = random.number(1, 2);
  s.padding = random.number(0, 1) ? Padding::same : Padding::explicit_;
  if (s.padding == Padding::explicit_) {
    s.top = random.number(2, 4), s.bottom = random.number(0, 2);
    s.left = random.number(2, 4), s.right = random.number(0, 2);
  }
  // Multiples of eight channels, which bfloat16's engines prefer, and odd numbers.
  const int groups = random.number(0, 2) ? 1 : 2, each = random.number(0, 1) ? 8 : random.number(1, 5);
  return place(s, Shape{random.number(6, 12), random.number(6, 12), groups * each}, groups * each * random.number(1, 2),
               groups);
}

}  // namespace

TEST_CASE("Convolutions on the GPU are those of the reference") {
  Random random;
  CudnnHandle handle;
  for (int round = 0; round < 20; ++round) {
    const Geometry g = drawn(random);
    const int batch = random.number(1, 9);
    for (const Math math : all_math) convolve(random, handle, g, batch, math, {});
  }
}

TEST_CASE("Convolutions that are not fused, and autotuned ones, are those of the reference") {
  Random random;
  CudnnHandle handle;
  for (int round = 0; round < 4; ++round) {
    const Geometry g = drawn(random);
    for (const Math math : all_math) {
      convolve(random, handle, g, 4, math, {.fuse = false});
      convolve(random, handle, g, 4, math, {.autotune = 4});
    }
  }
}

TEST_CASE("The same work gives the same bits") {
  Random random;
  CudnnHandle handle;
  const Geometry g = place({.kernel_h = 3, .kernel_w = 3, .padding = Padding::same}, Shape{13, 13, 64}, 96);
  for (const Math math : all_math) {
    const Number type = activation(math);
    const Memory x(random.draw(64 * g.in.size(), type), type), dy(random.draw(64 * g.out.size(), type), type);
    const ConvPlan plan({ConvOperation::backward_weights, g, 64, math}, {.handle = handle.get()});
    const cuda::detail::Trial workspace(plan.workspace_size());
    Numbers first;
    for (int i = 0; i < 5; ++i) {
      const Memory dw(static_cast<std::size_t>(g.taps() * g.out.channels), plan.gradient());
      plan.backward_weights(handle.get(), x.get(), dy.get(), dw.get(), workspace.get());
      const Numbers now = dw.read();
      if (i == 0) first = now;
      CHECK(now == first);
    }
  }
}

TEST_CASE("Dense layers on the GPU are those of the reference") {
  Random random;
  CublasHandle handle;
  for (int round = 0; round < 20; ++round) {
    // Matrices whose rows cuBLASLt can load 16 bytes at a time, and others.
    const int by = random.number(0, 1) ? 8 : 1;
    const int batch = random.number(1, 40), inputs = by * random.number(1, 30), units = by * random.number(1, 20);
    for (const Math math : all_math) {
      for (const int autotune : {0, 4}) {
        CAPTURE(batch);
        CAPTURE(inputs);
        CAPTURE(units);
        CAPTURE(name_of(math));
        const Number type = activation(math);
        const Numbers x = random.draw(batch * inputs, type), w = random.draw(inputs * units, type),
                      bias = random.draw(units, type), dy = random.draw(batch * units, type);
        const Numbers ax = absolute(x), aw = absolute(w), abias = absolute(bias), ady = absolute(dy);
        Numbers y(dy.size()), sums(dy.size()), dx(x.size()), sums_x(x.size()), dw(w.size()), sums_w(w.size());
        const Memory device_x(x, type), device_w(w, type), device_dy(dy, type);
        DensePlans plans(handle.get(), 1 << 20, autotune);
        const cuda::detail::Trial workspace(1 << 20);
        DenseProblem p{.inputs = inputs, .units = units, .batch = batch, .math = math};
        for (const Number output : {type, Number::float32}) {
          const Memory device_bias(bias, output), device_y(dy.size(), output);
          p.bias = true, p.output = output;
          reference::dense_forward<double>(inputs, units, batch, x.data(), w.data(), bias.data(), y.data());
          reference::dense_forward<double>(inputs, units, batch, ax.data(), aw.data(), abias.data(), sums.data());
          plans.get(p).forward(nullptr, device_x.get(), device_w.get(), device_bias.get(), device_y.get(), workspace.get());
          check_close(device_y.read(), y, sums, inputs + 1, math, output);
        }
        p = {DenseOperation::backward_input, inputs, units, batch, math};
        reference::dense_backward_input<double>(inputs, units, batch, dy.data(), w.data(), dx.data());
        reference::dense_backward_input<double>(inputs, units, batch, ady.data(), aw.data(), sums_x.data());
        const Memory device_dx(x.size(), type);
        plans.get(p).backward_input(nullptr, device_dy.get(), device_w.get(), device_dx.get(), workspace.get());
        check_close(device_dx.read(), dx, sums_x, units, math, type);

        p.operation = DenseOperation::backward_weights;
        Numbers db(bias.size());
        reference::dense_backward_weights<double>(inputs, units, batch, x.data(), dy.data(), dw.data(), db.data());
        reference::dense_backward_weights<double>(inputs, units, batch, ax.data(), ady.data(), sums_w.data(), db.data());
        const Memory device_dw(w.size(), Number::float32);
        plans.get(p).backward_weights(nullptr, device_x.get(), device_dy.get(), device_dw.get(), workspace.get());
        check_close(device_dw.read(), dw, sums_w, batch, math, Number::float32);
      }
    }
  }
}
