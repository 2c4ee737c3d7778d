// SPDX-License-Identifier: BSL-1.0
// Every kind of kernel on every path that this processor has, one thread: milliseconds, the least of several runs in turns.
// Ends with 1 and names the kernels that a wider path makes slower, which nobody notices on a processor without that path.
//   bench_paths [ROUNDS]
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <strata/backend/cpu/path.hpp>
#include <strata/strata.hpp>

namespace {

using namespace strata;

// A layer of its own on one thread: forward and backward.
struct Kernels {
  std::string name;
  std::function<void()> forward, backward;
};

template <class Layer>
Kernels kernels_of(std::string name, Shape in, int batch) {
  using Kernel = CpuKernel<Layer>;
  using Ops = cpu::Ops<float>;
  const LayerInfo l = Layer::infer(in);
  struct Memory {
    ThreadPool pool{1};
    std::vector<float> x, y, dy, dx, parameters, gradients, state, saved, scratch;
  };
  const auto m = std::make_shared<Memory>();
  const Random random(1, Purpose::user);
  const auto numbers = [&](std::int64_t n) {
    std::vector<float> v(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = 2 * random.uniform(i) - 1;
    return v;
  };
  m->x = numbers(batch * in.size()), m->dx = m->x;
  m->y = m->dy = numbers(batch * l.out.size());
  m->parameters = m->gradients = numbers(l.parameters);
  m->state.assign(static_cast<std::size_t>(l.state), 1.f);
  m->saved.resize(static_cast<std::size_t>(Kernel::template saved_bytes<Ops>(in, l.out, batch) / 4 + 1));
  m->scratch.resize(static_cast<std::size_t>(Kernel::template scratch<Ops>(in, batch, 1) + 64));
  const Pass<Ops> pass{.batch = batch,
                       .in = in,
                       .out = l.out,
                       .x = m->x.data(),
                       .y = m->y.data(),
                       .dy = m->dy.data(),
                       .dx = m->dx.data(),
                       .parameters = m->parameters.data(),
                       .gradients = m->gradients.data(),
                       .state = m->state.data(),
                       .saved = reinterpret_cast<std::byte*>(m->saved.data()),
                       .scratch = m->scratch.data(),
                       .training = true,
                       .dropout = true,
                       .random = Random(1, Purpose::dropout, 1, 1),
                       .ops = Ops(m->pool)};
  return {std::move(name), [m, pass] { Kernel::forward(pass); }, [m, pass] { Kernel::backward(pass); }};
}

double milliseconds(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 15;
  constexpr double noise = 1.15;
  std::vector<Kernels> all{
      kernels_of<Conv<5, 96>>("conv 5x5 of 3 channels", {32, 32, 3}, 8),
      kernels_of<Conv<3, 64>>("conv 3x3 (Winograd)", {16, 16, 64}, 16),
      kernels_of<Conv<3, 64, Stride<2>>>("conv 3x3 stride 2", {16, 16, 64}, 16),
      kernels_of<Conv<3, 64>>("conv 3x3, one image", {16, 16, 64}, 1),
      kernels_of<Conv<1, 96>>("conv 1x1", {28, 28, 32}, 4),
      kernels_of<Conv<3, 144, Groups<144>>>("conv 3x3 depthwise", {28, 28, 144}, 4),
      kernels_of<Conv<3, 144, Groups<144>, Stride<2>>>("conv 3x3 depthwise stride 2", {28, 28, 144}, 4),
      kernels_of<Conv<5, 48, Groups<24>>>("conv 5x5 depthwise, 2 filters a channel", {14, 14, 24}, 4),
      kernels_of<Dense<1024>>("dense, 64 samples", Shape{1024}, 64),
      kernels_of<Dense<1024>>("dense, one sample", Shape{1024}, 1),
      kernels_of<MaxPool<3, 2>>("max pool 3x3", {32, 32, 96}, 8),
      kernels_of<AvgPool<2>>("average pool 2x2", {32, 32, 96}, 8),
      kernels_of<GlobalAvgPool>("global average pool", {7, 7, 512}, 32),
      kernels_of<BatchNorm>("batch normalization", {16, 16, 64}, 16),
      kernels_of<BatchNorm>("batch normalization of 24 channels", {28, 28, 24}, 8),
      kernels_of<ReLU>("ReLU", {32, 32, 64}, 4),
      kernels_of<ReLU6>("ReLU6", {32, 32, 64}, 4),
      kernels_of<GELU>("GELU", {32, 32, 64}, 4),
      kernels_of<SiLU>("SiLU", {32, 32, 64}, 4),
      kernels_of<HardSwish>("HardSwish", {32, 32, 64}, 4),
      kernels_of<Sigmoid>("sigmoid", {32, 32, 64}, 4)};
  struct Path {
    cpu::KernelPath path;
    const char* name;
  };
  std::vector<Path> paths;
  for (const Path p : {Path{cpu::KernelPath::baseline, "baseline"}, Path{cpu::KernelPath::avx2, "avx2"},
                       Path{cpu::KernelPath::avx512, "avx512"}})
    if (cpu::set_kernel_path(p.path)) paths.push_back(p);

  std::printf("%-50s", "ms");
  for (const Path& p : paths) std::printf(" %10s", p.name);
  std::printf("\n");
  int slower = 0;
  for (const Kernels& k : all)
    for (const bool backward : {false, true}) {
      std::vector<double> least(paths.size(), std::numeric_limits<double>::infinity());
      for (int round = 0; round < rounds; ++round)
        for (std::size_t p = 0; p < paths.size(); ++p) {
          cpu::set_kernel_path(paths[p].path);
          if (backward && round == 0) k.forward();  // leaves what backward reads
          least[p] = std::min(least[p], milliseconds(backward ? k.backward : k.forward));
        }
      std::printf("%-50s", (k.name + (backward ? " backward" : "")).c_str());
      for (const double ms : least) std::printf(" %10.3f", ms);
      for (std::size_t p = 1; p < paths.size(); ++p)
        if (least[p] > noise * least[p - 1])
          std::printf("  <- %s is slower than %s", paths[p].name, paths[p - 1].name), ++slower;
      std::printf("\n");
    }
  if (slower > 0) std::printf("%d kernels are more than %.2f times slower on a wider path\n", slower, noise);
  return slower > 0 ? 1 : 0;
}
