// SPDX-License-Identifier: BSL-1.0
// Memory that no system has: the exception says how much it was.
#include <doctest/doctest.h>

#include <new>
#include <string>

#include <strata/strata.hpp>

// Sanitizers end the program in place of the exception.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define STRATA_TEST_SANITIZED 1
#endif
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(STRATA_TEST_SANITIZED)

namespace {
using namespace strata;
using Net = Sequential<Input<224, 224, 3>, Conv<3, 64>, Flatten, Dense<4>>;

TEST_CASE("a batch that no memory has") {
  constexpr int batch = 2'000'000'000;
  const std::int64_t bytes = Model<Net>::plan(batch, 1).total();
  CHECK(bytes > std::int64_t{1} << 50);
  try {
    const Model<Net> model{{.batch = batch, .threads = 1}};
    FAIL("no error");
  } catch (const std::bad_alloc& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find("strata: the system cannot provide " + std::to_string(bytes) + " bytes (") == 0);
    CHECK(what.find(" GB) for a model; a smaller batch needs less") != std::string::npos);
    const auto* known = dynamic_cast<const OutOfMemory*>(&e);
    REQUIRE(known != nullptr);
    CHECK(known->bytes() == bytes);
  }
}

// Keeps far too many numbers for each parameter.
struct Greedy {
  Schedule learning_rate = 0.1;
  template <class T>
  struct Element {
    template <class Slots>
    STRATA_HOST_DEVICE T operator()(T w, T, const Slots&) const {
      return w;
    }
  };
  template <class T>
  [[nodiscard]] Element<T> element(const UpdateStep&) const {
    return {};
  }
  [[nodiscard]] static int slot_count() { return 2'000'000'000; }
  static void validate() {}
  [[nodiscard]] static std::string describe() { return "Greedy"; }
};

TEST_CASE("an optimizer that keeps more than any memory has") {
  Model<Sequential<Input<100, 100, 1>, Flatten, Dense<10>>> model{{.batch = 1, .threads = 1}};
  try {
    const Trainer trainer(model, SoftmaxCrossEntropy{}, Greedy{});
    FAIL("no error");
  } catch (const std::bad_alloc& e) {
    const std::string what = e.what();
    INFO(what);
    CHECK(what.find(" GB) for the memory of an optimizer") != std::string::npos);
  }
}

}  // namespace

#endif
