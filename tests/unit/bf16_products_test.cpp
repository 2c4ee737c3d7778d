// SPDX-License-Identifier: BSL-1.0
// Products in bfloat16 on the CPU, on each unit that this processor has and in each emulation, against the reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <strata/backend/cpu_bf16/amx.hpp>
#include <strata/backend/cpu_bf16/conv.hpp>
#include <strata/backend/cpu_bf16/dense.hpp>
#include <strata/backend/cpu_bf16/kernels.hpp>
#include <strata/backend/reference/conv.hpp>
#include <strata/backend/reference/dense.hpp>

#include "conformance.hpp"
#include "effort.hpp"

namespace {

using namespace conformance;
namespace bf16 = strata::cpu::bf16;
using bf16::Unit;
using strata::ThreadPool;
using strata::cpu::KernelPath;

// Puts path and unit back.
class Restore {
 public:
  Restore() = default;
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() {
    strata::cpu::set_kernel_path(path_);
    bf16::set_unit(Unit::emulated);
  }

 private:
  KernelPath path_ = strata::cpu::detail::path_now();
};

// Calls f(name) with each unit, and with the emulation on each path.
template <class F>
void on_each_unit(F&& f) {
  const Restore restore;
  for (const KernelPath path : {KernelPath::avx512, KernelPath::avx2, KernelPath::baseline}) {
    if (!strata::cpu::set_kernel_path(path)) continue;
    for (const Unit unit : {Unit::amx, Unit::avx512_bf16, Unit::widened, Unit::emulated})
      if (bf16::set_unit(unit)) f(std::string(bf16::name_of(unit)) + " on " + strata::cpu::kernel_path());
  }
}

Numbers rectified(const Numbers& v) {
  return map(v, [](double x) { return std::max(x, 0.0); });
}

std::array<ThreadPool, 2>& pools() {
  static std::array<ThreadPool, 2> both{ThreadPool(1), ThreadPool(3)};
  return both;
}
// Runs kernel(pool, scratch, outputs...) with one thread and with three; the bits must agree.
template <class Kernel, class... T>
auto run(std::int64_t (*scratch)(const void*, int), const void* sizes, Kernel&& kernel, const Out<T>&... outputs) {
  Runs<T...> runs(outputs...);
  for (ThreadPool& pool : pools())
    runs.add(std::to_string(pool.size()) + " threads", [&](T*... out) {
      Guarded<float> work(scratch(sizes, pool.size()));
      kernel(pool, work.data(), out...);
      CHECK_MESSAGE(work.intact(), "wrote outside its scratch");
    });
  return runs.outputs();
}

struct ConvCase {
  Geometry g;
  int batch;
};
std::int64_t conv_scratch(const void* c, int threads) {
  const auto& conv = *static_cast<const ConvCase*>(c);
  return bf16::conv_scratch(conv.g, conv.batch, threads);
}

void check_conv(const ConvCase& conv, Draw& draw) {
  const Geometry& g = conv.g;
  const int batch = conv.batch;
  const bool with_bias = draw.chance(50);
  const std::int64_t weights = g.taps() * g.out.channels, filters = g.out.channels;
  const Numbers x = seen<Bf16>(draw.numbers(batch * g.in.size())), dy = seen<Bf16>(draw.numbers(batch * g.out.size()));
  const Numbers given = draw.numbers(weights), bias = draw.numbers(filters), bias_of_input = draw.numbers(g.in.channels);
  // A pass reads the weights rounded, or as they are if it is widened.
  const auto read = [&](bool wide) { return wide ? given : seen<Bf16>(given); };
  Numbers w = read(bf16::detail::forward_is_wide(g, batch));
  const auto x_ = as<Bf16>(x), dy_ = as<Bf16>(dy);
  const auto w_ = as<float>(given), bias_ = as<float>(bias), bias_of_input_ = as<float>(bias_of_input);
  Numbers aw = absolute(w);
  const Numbers ax = absolute(x), ab = absolute(bias), ady = absolute(dy);
  const auto positions = static_cast<double>(batch) * g.out.height * g.out.width;

  Numbers want = zeros(batch * g.out.size()), size = want;
  reference::conv_forward(g, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::conv_forward(g, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  const bool relu = draw.chance(50);
  if (relu) want = rectified(want);
  const auto [y] = run(
      &conv_scratch, &conv,
      [&](ThreadPool& pool, float* work, Bf16* out) {
        bf16::conv_forward(g, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out, pool, work, relu);
      },
      Out<Bf16>(batch * g.out.size()));
  check_close("conv_forward", y, want, size, static_cast<double>(g.taps() + 1));

  const auto [dw, db, dx] = run(
      &conv_scratch, &conv,
      [&](ThreadPool& pool, float* work, float* to_w, float* to_b, Bf16* to_x) {
        bf16::conv_backward_weights(g, batch, x_.data(), dy_.data(), to_w, to_b, pool, work);
        bf16::conv_backward_input(g, batch, dy_.data(), w_.data(), to_x, pool, work,
                                  with_bias ? bias_of_input_.data() : nullptr);
      },
      Out<float>(weights), Out<float>(filters), Out<Bf16>(batch * g.in.size()));
  Numbers want_bias = zeros(filters), size_bias = want_bias;
  want = zeros(weights), size = want;
  reference::conv_backward_weights(g, batch, x.data(), dy.data(), want.data(), want_bias.data());
  reference::conv_backward_weights(g, batch, ax.data(), ady.data(), size.data(), size_bias.data());
  check_close("weights of conv_backward", dw, want, size, positions);
  check_close("bias of conv_backward", db, want_bias, size_bias, positions);
  want = zeros(batch * g.in.size()), size = want;
  w = read(bf16::detail::input_is_wide(g, batch)), aw = absolute(w);
  reference::conv_backward_input(g, batch, dy.data(), w.data(), want.data());
  reference::conv_backward_input(g, batch, ady.data(), aw.data(), size.data());
  if (with_bias)
    for (std::size_t i = 0, c = 0; i < want.size(); ++i, c = (c + 1) % bias_of_input.size())
      want[i] += bias_of_input[c], size[i] += std::abs(bias_of_input[c]);
  check_close("input of conv_backward", dx, want, size,
              static_cast<double>(g.out.channels / g.groups * g.window.kernel_h * g.window.kernel_w + 1));
}

TEST_CASE("convolutions in bfloat16 that widen a batch in several shares") {
  const Restore restore;
  REQUIRE(bf16::set_unit(Unit::widened));
  const WindowSpec three{.kernel_h = 3, .kernel_w = 3, .padding = strata::Padding::same};
  WindowSpec strided = three;
  strided.stride_h = strided.stride_w = 2;
  const ConvCase cases[] = {{place(three, Shape{32, 32, 60}, 4, 1), 21},
                            {place(strided, Shape{32, 32, 64}, 8, 2), 37},
                            {place(three, Shape{32, 32, 96}, 96, 96), 19}};
  std::uint64_t seed = 0;
  for (const ConvCase& conv : cases) {
    INFO(describe(conv.g, conv.batch));
    const int most = bf16::detail::samples_at_once(conv.g, conv.batch);
    REQUIRE(most < conv.batch);
    Draw draw(++seed);
    check_conv(conv, draw);
  }
}

TEST_CASE("convolutions in bfloat16 of drawn geometries") {
  on_each_unit([](const std::string& unit) {
    INFO(unit);
    int done = 0;
    for (std::uint64_t seed = 1; done < as_many_as(200); ++seed) {
      Draw draw(seed);
      const int groups = draw.chance(60) ? 1 : draw.between(2, 4), kind = draw.between(1, 100);
      const Shape in{draw.between(1, 11), draw.between(1, 11),
                     groups * (kind < 60   ? draw.between(1, 7)
                               : kind < 90 ? draw.between(8, 40)
                                           : 32 * draw.between(1, 9))};
      const Geometry g = place(draw_window(draw, in, 5), in, groups * draw.between(1, draw.chance(80) ? 9 : 70), groups);
      const int batch = draw.chance(60) ? draw.between(1, 4) : draw.between(7, 20);
      if (batch * g.out.size() * g.taps() > 400'000) continue;
      ++done;
      INFO("seed ", seed, ": ", describe(g, batch));
      check_conv({g, batch}, draw);
    }
    // By Winograd in float32, except with AMX.
    Draw draw(9);
    const ConvCase winograd{place({.kernel_h = 3, .kernel_w = 3, .padding = strata::Padding::same}, Shape{8, 8, 64}, 72, 1),
                            12};
    const bool wide = bf16::unit() != Unit::amx;
    CHECK(bf16::detail::forward_is_wide(winograd.g, winograd.batch) == wide);
    CHECK(bf16::detail::input_is_wide(winograd.g, winograd.batch) == wide);
    CHECK(bf16::detail::weights_are_wide(winograd.g, winograd.batch) == wide);
    check_conv(winograd, draw);
  });
}

struct DenseCase {
  int in, units, batch;
};
std::int64_t dense_scratch(const void* c, int threads) {
  const auto& d = *static_cast<const DenseCase*>(c);
  return bf16::dense_scratch(d.in, d.units, d.batch, threads);
}

void check_dense(const DenseCase& d, Draw& draw) {
  const auto [in, units, batch] = d;
  const bool with_bias = draw.chance(50), relu = draw.chance(50);
  const std::int64_t weights = std::int64_t{in} * units;
  const Numbers x = seen<Bf16>(draw.numbers(std::int64_t{batch} * in)), given = draw.numbers(weights),
                dy = seen<Bf16>(draw.numbers(std::int64_t{batch} * units)),
                w = bf16::detail::is_wide(batch) ? given : seen<Bf16>(given), bias = draw.numbers(units);
  const auto x_ = as<Bf16>(x), dy_ = as<Bf16>(dy);
  const auto w_ = as<float>(given), bias_ = as<float>(bias);
  const Numbers ax = absolute(x), aw = absolute(w), ab = absolute(bias), ady = absolute(dy);
  Numbers want = zeros(std::int64_t{batch} * units), size = want;
  reference::dense_forward(in, units, batch, x.data(), w.data(), with_bias ? bias.data() : nullptr, want.data());
  reference::dense_forward(in, units, batch, ax.data(), aw.data(), with_bias ? ab.data() : nullptr, size.data());
  if (relu) want = rectified(want);
  const auto [y, dw, db, dx] = run(
      &dense_scratch, &d,
      [&](ThreadPool& pool, float* work, Bf16* out, float* to_w, float* to_b, Bf16* to_x) {
        bf16::dense_forward(in, units, batch, x_.data(), w_.data(), with_bias ? bias_.data() : nullptr, out, pool, work,
                            relu);
        bf16::dense_backward_weights(in, units, batch, x_.data(), dy_.data(), to_w, to_b, pool, work);
        bf16::dense_backward_input(in, units, batch, dy_.data(), w_.data(), to_x, pool, work);
      },
      Out<Bf16>(std::int64_t{batch} * units), Out<float>(weights), Out<float>(units), Out<Bf16>(std::int64_t{batch} * in));
  check_close("dense_forward", y, want, size, in + 1);
  Numbers want_b = zeros(units), size_b = want_b;
  want = zeros(weights), size = want;
  reference::dense_backward_weights(in, units, batch, x.data(), dy.data(), want.data(), want_b.data());
  reference::dense_backward_weights(in, units, batch, ax.data(), ady.data(), size.data(), size_b.data());
  check_close("weights of dense_backward", dw, want, size, batch);
  check_close("bias of dense_backward", db, want_b, size_b, batch);
  want = zeros(std::int64_t{batch} * in), size = want;
  reference::dense_backward_input(in, units, batch, dy.data(), w.data(), want.data());
  reference::dense_backward_input(in, units, batch, ady.data(), aw.data(), size.data());
  check_close("input of dense_backward", dx, want, size, units);
}

TEST_CASE("dense layers in bfloat16 of drawn sizes") {
  on_each_unit([](const std::string& unit) {
    INFO(unit);
    for (int seed = 1; seed <= as_many_as(60); ++seed) {
      Draw draw(static_cast<std::uint64_t>(seed));
      const auto size = [&] { return draw.chance(70) ? draw.between(1, 70) : draw.between(100, 600); };
      const DenseCase d{size(), size(), draw.chance(80) ? draw.between(1, 40) : draw.between(90, 140)};
      INFO("seed ", seed, ": ", d.in, " inputs, ", d.units, " units, batch ", d.batch);
      check_dense(d, draw);
    }
  });
}

// AMX's tiles without AMX: the sizes of the operands are checked as the processor does.
struct EmulatedTiles {
  static inline strata::cpu::bf16::detail::TileSizes sizes;
  static inline bool configured = false;
  static inline std::array<std::array<std::array<std::uint8_t, 64>, 16>, 8> tiles;

  static int rows(int tile) {
    REQUIRE(configured);
    REQUIRE(sizes.row_bytes[tile] == 64);  // of a missing tile the processor faults
    return sizes.rows[tile];
  }
  static void configure(const strata::cpu::bf16::detail::TileSizes& s) {
    REQUIRE(s.palette == 1);
    REQUIRE(s.start_row == 0);
    for (const std::uint8_t byte : s.reserved) REQUIRE(byte == 0);
    for (int t = 0; t < 16; ++t) {
      REQUIRE((s.rows[t] == 0) == (s.row_bytes[t] == 0));
      REQUIRE(s.rows[t] <= (t < 8 ? 16 : 0));
      REQUIRE(s.row_bytes[t] <= 64);
    }
    sizes = s, configured = true;
    tiles = {};
  }
  static void release() { configured = false; }
  template <int Tile>
  static void zero() {
    static_cast<void>(rows(Tile));
    tiles[Tile] = {};
  }
  template <int Tile>
  static void load(const void* from, std::int64_t stride) {
    REQUIRE(stride >= 64);
    tiles[Tile] = {};
    for (int r = 0; r < rows(Tile); ++r)
      std::memcpy(tiles[Tile][static_cast<std::size_t>(r)].data(), static_cast<const char*>(from) + r * stride, 64);
  }
  template <int Tile>
  static void store(void* to, std::int64_t stride) {
    REQUIRE(stride >= 64);
    for (int r = 0; r < rows(Tile); ++r)
      std::memcpy(static_cast<char*>(to) + r * stride, tiles[Tile][static_cast<std::size_t>(r)].data(), 64);
  }
  template <int Sum, int Left, int Right>
  static void add_product() {
    REQUIRE(rows(Right) == 16);
    REQUIRE(rows(Left) == rows(Sum));
    const auto element = [](int tile, int row, int column) {
      Bf16 x;
      std::memcpy(
          &x, &tiles[static_cast<std::size_t>(tile)][static_cast<std::size_t>(row)][2 * static_cast<std::size_t>(column)],
          sizeof x);
      return static_cast<float>(x);
    };
    for (int m = 0; m < rows(Sum); ++m)
      for (int n = 0; n < 16; ++n) {
        float sum = 0;
        std::uint8_t* at = &tiles[Sum][static_cast<std::size_t>(m)][4 * static_cast<std::size_t>(n)];
        std::memcpy(&sum, at, sizeof sum);
        for (int k = 0; k < 16; ++k) {
          sum += element(Left, m, 2 * k + 1) * element(Right, k, 2 * n + 1);
          sum += element(Left, m, 2 * k) * element(Right, k, 2 * n);
        }
        std::memcpy(at, &sum, sizeof sum);
      }
  }
};

TEST_CASE("the driver of AMX' tiles, with emulated tiles") {
  using namespace strata::cpu::bf16::detail;
  for (int seed = 1; seed <= as_many_as(60); ++seed) {
    Draw draw(static_cast<std::uint64_t>(seed));
    const int rows = draw.between(1, 100), depth = 32 * draw.between(1, 8), stride_a = depth + draw.between(0, 9),
              stride_c = 32 + draw.between(0, 9);
    const bool add = draw.chance(50);
    INFO("seed ", seed, ": ", rows, " rows, depth ", depth, add ? ", added" : "");
    const Numbers a = seen<Bf16>(draw.numbers(std::int64_t{rows} * stride_a)),
                  b = seen<Bf16>(draw.numbers(std::int64_t{depth} * 32)), c = draw.numbers(std::int64_t{rows} * stride_c);
    const auto a_ = as<Bf16>(a), b_ = as<Bf16>(b);
    Guarded<float> sums(c);
    TileProduct<EmulatedTiles>::run(a_.data(), stride_a, rows, b_.data(), depth, sums.data(), stride_c, add);
    CHECK(!EmulatedTiles::configured);
    CHECK(sums.intact());
    Numbers want = c, size = absolute(c);
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < 32; ++j) {
        const auto at = static_cast<std::size_t>(i * stride_c + j);
        if (!add) want[at] = size[at] = 0;
        for (int k = 0; k < depth; ++k) {
          const double term =
              a[static_cast<std::size_t>(i * stride_a + k)] * b[static_cast<std::size_t>(k / 2 * 64 + 2 * j + k % 2)];
          want[at] += term, size[at] += std::abs(term);
        }
      }
    check_close("sums", sums.inside(), want, size, depth + 1);
  }
}

TEST_CASE("the units agree") {
  using namespace strata::cpu::bf16::detail;
  const Restore restore;
  Draw draw(7);
  const int rows = 29, depth = 96;
  const auto a = as<Bf16>(draw.numbers(rows * depth)), b = as<Bf16>(draw.numbers(depth * 32));
  const auto sums = [&](Unit unit) {
    std::vector<float> c(rows * 32);
    panel_product(unit)(a.data(), depth, rows, b.data(), depth, c.data(), 32, false);
    return c;
  };
  const std::vector<float> emulated = sums(Unit::emulated);
  if (bf16::set_unit(Unit::avx512_bf16))
    CHECK(same_bits(sums(Unit::avx512_bf16), emulated));
  else
    MESSAGE("SKIPPED: vdpbf16ps, which this processor lacks");
  if (bf16::set_unit(Unit::amx)) {
    const std::vector<float> by_tiles = sums(Unit::amx);
    // Other orders of sums of `depth` products, each below 1.
    for (std::size_t i = 0; i < emulated.size(); ++i) CHECK(std::abs(by_tiles[i] - emulated[i]) < 1e-4f);
  } else {
    MESSAGE("SKIPPED: AMX, which this processor lacks");
  }
}

}  // namespace
