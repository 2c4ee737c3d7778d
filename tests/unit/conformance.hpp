// SPDX-License-Identifier: BSL-1.0
// What the conformance tests of all backends share: random cases, guarded buffers, and how far a kernel may be from the
// reference in double precision.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <strata/backend/cuda/element.hpp>
#include <strata/backend/reference/losses.hpp>
#include <strata/core/window.hpp>
#include <strata/util/random.hpp>

namespace conformance {

namespace reference = strata::reference;
using strata::Bf16;
using strata::Geometry;
using strata::Padding;
using strata::Purpose;
using strata::Random;
using strata::Shape;
using strata::WindowSpec;
using Numbers = std::vector<double>;

// ---- Random cases ----------------------------------------------------------------------------------------------------

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed, Purpose::user) {}
  int between(int low, int high) {
    return low + static_cast<int>(random_.below(static_cast<std::uint32_t>(high - low + 1), next_++));
  }
  bool chance(int percent) { return between(1, 100) <= percent; }
  // Always a float, so that kernels in all precisions get the same inputs.
  double number(double low = -1, double high = 1) {
    return static_cast<float>(low + (high - low) * static_cast<double>(random_.uniform(next_++)));
  }
  Numbers numbers(std::int64_t n, double low = -1, double high = 1) {
    Numbers v(static_cast<std::size_t>(n));
    for (double& x : v) x = number(low, high);
    return v;
  }
  std::vector<int> labels(int batch, int classes) {
    std::vector<int> v(static_cast<std::size_t>(batch));
    for (int& x : v) x = between(0, classes - 1);
    return v;
  }

 private:
  Random random_;
  std::uint64_t next_ = 0;
};

inline WindowSpec draw_window(Draw& draw, Shape in, int largest_kernel) {
  for (;;) {
    WindowSpec s;
    const bool whole = draw.chance(10);
    s.kernel_h = whole ? in.height : draw.between(1, largest_kernel);
    s.kernel_w = whole ? in.width : draw.between(1, largest_kernel);
    s.stride_h = draw.chance(40) ? 1 : draw.between(1, 4);
    s.stride_w = draw.chance(40) ? 1 : draw.between(1, 4);
    s.dilation_h = draw.chance(60) ? 1 : draw.between(1, 3);
    s.dilation_w = draw.chance(60) ? 1 : draw.between(1, 3);
    s.padding = static_cast<Padding>(draw.between(0, 2));
    if (s.padding == Padding::explicit_) {
      s.top = draw.between(0, 3), s.bottom = draw.between(0, 3);
      s.left = draw.between(0, 3), s.right = draw.between(0, 3);
    }
    if (slide_rows(s, in.height).output > 0 && slide_columns(s, in.width).output > 0) return s;
  }
}

inline std::string describe(const Geometry& g, int batch) {
  const auto join = [](std::initializer_list<int> numbers) {
    std::string s;
    for (const int n : numbers) s.append(s.empty() ? "" : "x").append(std::to_string(n));
    return s;
  };
  const strata::Window& w = g.window;
  return "batch " + std::to_string(batch) + ", " + join({g.in.height, g.in.width, g.in.channels}) + " -> " +
         join({g.out.height, g.out.width, g.out.channels}) + ", kernel " + join({w.kernel_h, w.kernel_w}) + ", stride " +
         join({w.stride_h, w.stride_w}) + ", dilation " + join({w.dilation_h, w.dilation_w}) + ", pad " +
         join({w.pad_top, w.pad_bottom, w.pad_left, w.pad_right}) + ", groups " + std::to_string(g.groups);
}

// ---- Running a kernel ------------------------------------------------------------------------------------------------

// From a double to any type of numbers, and back.
template <class T>
T number(double x) {
  if constexpr (std::is_same_v<T, Bf16>)
    return Bf16(static_cast<float>(x));
  else
    return static_cast<T>(x);
}
template <class T>
double value_of(T x) {
  if constexpr (std::is_same_v<T, Bf16>)
    return static_cast<double>(static_cast<float>(x));
  else
    return static_cast<double>(x);
}
template <class T>
std::vector<T> as(const Numbers& v) {
  std::vector<T> out(v.size());
  std::transform(v.begin(), v.end(), out.begin(), number<T>);
  return out;
}
template <class T>
Numbers as_numbers(const std::vector<T>& v) {
  Numbers out(v.size());
  std::transform(v.begin(), v.end(), out.begin(), value_of<T>);
  return out;
}
template <class F>
Numbers map(const Numbers& v, F&& f) {
  Numbers out(v.size());
  std::transform(v.begin(), v.end(), out.begin(), f);
  return out;
}
inline Numbers absolute(const Numbers& v) {
  return map(v, [](double x) { return std::abs(x); });
}
// What is left of numbers in a type.
template <class T>
Numbers seen(const Numbers& v) {
  return as_numbers(as<T>(v));
}
inline Numbers zeros(std::int64_t n) { return Numbers(static_cast<std::size_t>(n)); }

// A buffer that holds poison until a kernel fills it, between two fences that no kernel may touch.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t n) : all_(static_cast<std::size_t>(n) + 2 * fence, number<T>(value)) {
    std::fill(all_.begin() + fence, all_.end() - fence, poison());
  }
  explicit Guarded(const Numbers& start) : Guarded(static_cast<std::int64_t>(start.size())) {
    std::transform(start.begin(), start.end(), all_.begin() + fence, number<T>);
  }
  T* data() { return all_.data() + fence; }
  [[nodiscard]] bool intact() const {
    const auto same = [](T x) { return value_of(x) == value; };
    return std::all_of(all_.begin(), all_.begin() + fence, same) && std::all_of(all_.end() - fence, all_.end(), same);
  }
  [[nodiscard]] std::vector<T> inside() const { return {all_.begin() + fence, all_.end() - fence}; }

 private:
  static constexpr int fence = 64;
  static constexpr double value = 12288;  // in any type
  static T poison() {
    using limits = std::numeric_limits<T>;
    return limits::is_integer ? limits::min() : number<T>(std::numeric_limits<double>::quiet_NaN());
  }
  std::vector<T> all_;
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// An output, poisoned or with initial values.
template <class T>
struct Out {
  explicit Out(std::int64_t n) : size(n) {}
  explicit Out(const Numbers& numbers) : start(&numbers) {}
  [[nodiscard]] Guarded<T> buffer() const { return start ? Guarded<T>(*start) : Guarded<T>(size); }
  std::int64_t size = 0;
  const Numbers* start = nullptr;
};

// Runs a kernel into guarded buffers and compares the bits with those of the first run.
template <class... T>
class Runs {
 public:
  explicit Runs(const Out<T>&... outputs) : outputs_(outputs...) {}
  // kernel(pointers to the outputs)
  template <class Kernel>
  void add(const std::string& way, Kernel&& kernel) {
    INFO(way);
    auto buffers = std::apply([](const auto&... o) { return std::tuple<Guarded<T>...>(o.buffer()...); }, outputs_);
    std::apply([&](auto&... b) { kernel(b.data()...); }, buffers);
    CHECK_MESSAGE(std::apply([](auto&... b) { return (b.intact() && ...); }, buffers), "wrote outside its output");
    auto now = std::apply([](auto&... b) { return std::tuple<std::vector<T>...>(b.inside()...); }, buffers);
    if (!first_) first_ = now;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      CHECK_MESSAGE((same_bits(std::get<I>(now), std::get<I>(*first_)) && ...), "differs from the first run");
    }(std::index_sequence_for<T...>{});
  }
  [[nodiscard]] const std::tuple<std::vector<T>...>& outputs() const { return *first_; }

 private:
  std::tuple<Out<T>...> outputs_;
  std::optional<std::tuple<std::vector<T>...>> first_;
};

// The error of a sum of `terms` rounded terms is about sqrt(terms) epsilon times the sum of their magnitudes, with the
// epsilon of the type that computes. Storing as bfloat16 adds half a unit of the last place. A NaN is not close to a
// number.
template <class T>
void check_close(const char* what, const std::vector<T>& got, const Numbers& want, const Numbers& magnitude, double terms) {
  INFO(std::string(what));  // of a const char* this doctest prints the address
  REQUIRE(got.size() == want.size());
  REQUIRE(got.size() == magnitude.size());
  using limits = std::numeric_limits<strata::cuda::Compute<T>>;
  const auto epsilon = static_cast<double>(limits::epsilon()), least = static_cast<double>(limits::min());
  const double storing = std::is_same_v<T, Bf16> ? 0x1p-8 : 0;
  std::size_t bad = 0, at = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double value = value_of(got[i]);
    double allowed = 2 * (2 + std::sqrt(terms)) * epsilon * magnitude[i] + least;
    allowed += storing * (std::abs(want[i]) + allowed);
    if (std::abs(value - want[i]) <= allowed || (std::isnan(value) && std::isnan(want[i]))) continue;
    if (bad++ == 0) at = i;
  }
  if (bad == 0) {
    CHECK(true);
  } else {
    FAIL_CHECK(std::to_string(bad), " of ", std::to_string(got.size()), " differ; the first is [", std::to_string(at),
               "]: ", value_of(got[at]), " instead of ", want[at], " (sum of magnitudes ", magnitude[at], ")");
  }
}

// To the bit, except that any NaN equals any other.
template <class T>
void check_equal(const char* what, const std::vector<T>& got, const Numbers& want) {
  INFO(std::string(what));  // of a const char* this doctest prints the address
  REQUIRE(got.size() == want.size());
  std::string wrong;
  for (std::size_t i = 0; i < got.size() && wrong.empty(); ++i)
    if (const double v = value_of(got[i]); !(v == want[i] || (v != v && want[i] != want[i])))
      wrong = std::to_string(v) + " instead of " + std::to_string(want[i]) + " at " + std::to_string(i);
  CHECK(wrong == "");
}
template <class T>
void check_same(const char* what, const std::vector<T>& got, const std::vector<T>& want) {
  check_close(what, got, as_numbers(want), zeros(static_cast<std::int64_t>(want.size())), 0);
}

// Sizes around one, a vector register, and the chunks of element-wise work on the CPU.
inline std::vector<std::int64_t> lengths() { return {1, 2, 3, 7, 16, 31, 100, 16383, 16384, 16385, 3 * 16384 + 5}; }

// For each element of a row, the sum of f over the row.
template <class F>
Numbers by_row(int batch, int classes, F&& f) {
  Numbers out(static_cast<std::size_t>(batch) * static_cast<std::size_t>(classes));
  for (std::int64_t n = 0; n < batch; ++n) {
    double sum = 0;
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) sum += f(static_cast<std::size_t>(i));
    for (std::int64_t i = n * classes; i < (n + 1) * classes; ++i) out[static_cast<std::size_t>(i)] = sum;
  }
  return out;
}

}  // namespace conformance
