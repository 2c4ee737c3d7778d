// SPDX-License-Identifier: BSL-1.0
// The CPU for the conformance table: pools of 1, 2 and 3 threads, which must agree to the bit.
#pragma once
#include <algorithm>
#include <array>
#include <barrier>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <strata/backend/cpu/ops.hpp>
#include <strata/model/engine.hpp>

#include "conformance.hpp"

namespace conformance {

template <class T_, class C_, class Ops_>
struct OnCpuBy {
  using T = T_;
  using C = C_;
  using Ops = Ops_;
  static constexpr bool gpu = false;
  template <class F>
  static void each(F&& f) {
    static std::array<strata::ThreadPool, 3> pools{strata::ThreadPool(1), strata::ThreadPool(2), strata::ThreadPool(3)};
    for (strata::ThreadPool& pool : pools) f(Ops(pool), pool.size(), std::to_string(pool.size()) + " threads");
  }
  static Random random(std::uint64_t seed, std::uint32_t layer, std::uint64_t step) {
    return {seed, Purpose::dropout, layer, step};
  }
  static std::vector<std::int64_t> lengths() { return conformance::lengths(); }
};
template <class T>
struct OnCpu : OnCpuBy<T, T, strata::cpu::Ops<T>> {};

// Sums over two threads, each of which has one of these.
class SumOfTwo final : public strata::BatchSums {
 public:
  struct Meeting {
    std::barrier<> both{2};
    std::array<std::vector<double>, 2> numbers;
  };
  SumOfTwo(Meeting& meeting, std::size_t own) : meeting_(meeting), own_(own) {}
  void sum(std::span<double> numbers) override {
    meeting_.numbers[own_].assign(numbers.begin(), numbers.end());
    meeting_.both.arrive_and_wait();
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = meeting_.numbers[0].at(i) + meeting_.numbers[1].at(i);
    meeting_.both.arrive_and_wait();
  }

 private:
  Meeting& meeting_;
  std::size_t own_;
};

// A batch in two uneven shares, each in a thread as in a process, has the statistics and gradients of the whole.
template <class Ops>
void check_shared_batch_norm(double most) {
  using A = typename Ops::Activation;
  constexpr strata::Shape map{3, 2, 21};
  constexpr int batch = 9, first = 4, channels = map.channels;
  const auto size = static_cast<std::size_t>(batch * map.size());
  std::vector<A> x(size), dy(size), y(size), dx(size), y_shared(size), dx_shared(size);
  for (std::size_t i = 0; i < size; ++i) {
    x[i] = A(static_cast<float>(std::sin(0.7 * static_cast<double>(i))));
    dy[i] = A(static_cast<float>(std::cos(1.3 * static_cast<double>(i))));
  }
  using Row = std::vector<float>;
  struct Found {
    Row running_mean = Row(channels), running_variance = Row(channels, 1.f), mean = Row(channels), inverse = Row(channels),
        dgamma = Row(channels), dbeta = Row(channels);
  };
  const Row gamma(channels, 1.5f), beta(channels, 0.25f);
  const auto compute = [&](strata::BatchSums* sums, int from, int n, std::vector<A>& to, std::vector<A>& gradient,
                           Found& f) {
    strata::ThreadPool pool(1);
    const Ops ops(pool, sums);
    Row scratch(static_cast<std::size_t>(Ops::batch_norm_scratch(map, n)));
    const std::int64_t at = from * map.size();
    ops.batch_norm_forward(map, n, 1e-3f, 0.9f, x.data() + at, gamma.data(), beta.data(), f.running_mean.data(),
                           f.running_variance.data(), f.mean.data(), f.inverse.data(), to.data() + at, scratch.data());
    ops.batch_norm_backward(map, n, x.data() + at, gamma.data(), f.mean.data(), f.inverse.data(), dy.data() + at,
                            gradient.data() + at, f.dgamma.data(), f.dbeta.data(), scratch.data());
  };
  Found whole, a, b;
  compute(nullptr, 0, batch, y, dx, whole);
  SumOfTwo::Meeting meeting;
  SumOfTwo own(meeting, 0), others(meeting, 1);
  std::thread other([&] { compute(&others, first, batch - first, y_shared, dx_shared, b); });
  compute(&own, 0, first, y_shared, dx_shared, a);
  other.join();
  double largest = 0;
  const auto differ = [&](double p, double q) { largest = std::max(largest, std::isnan(p - q) ? 1e9 : std::abs(p - q)); };
  for (std::size_t i = 0; i < size; ++i) {
    differ(static_cast<double>(static_cast<float>(y[i])), static_cast<double>(static_cast<float>(y_shared[i])));
    differ(static_cast<double>(static_cast<float>(dx[i])), static_cast<double>(static_cast<float>(dx_shared[i])));
  }
  CHECK(largest <= most);
  largest = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    for (const Found* f : {&a, &b}) {
      differ(whole.running_mean[c], f->running_mean[c]);
      differ(whole.running_variance[c], f->running_variance[c]);
    }
    differ(whole.dgamma[c], a.dgamma[c] + b.dgamma[c]);
    differ(whole.dbeta[c], a.dbeta[c] + b.dbeta[c]);
  }
  CHECK(largest <= 1e-5);
}

}  // namespace conformance
