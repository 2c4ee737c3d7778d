// SPDX-License-Identifier: BSL-1.0
// Models and training on the CPU in bfloat16, beside float32.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/cpu_bf16.hpp>

#include "environment.hpp"
#include "every_layer.hpp"
#include "files.hpp"
#include "numbers_of.hpp"

namespace {

namespace bf16 = cpu::bf16;

constexpr int batch = 8;
const ModelOptions options{.batch = batch, .threads = 2, .seed = 5, .biases = Uniform{0.2}};
const std::vector<int> labels{0, 1, 2, 3, 4, 0, 1, 2};

std::vector<float> numbers(std::size_t n, std::uint64_t seed) {
  const Random random(seed, Purpose::user);
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = 2 * random.uniform(i) - 1;
  return v;
}
std::vector<float> images() { return numbers(static_cast<std::size_t>(batch * Net::input.size()), 1); }
std::vector<float> copy(std::span<const float> v) { return {v.begin(), v.end()}; }

// The largest difference, as a share of the largest number.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = std::isnan(d) ? 1e9 : std::max(worst, d);
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return worst / largest;
}

// Any processor runs these tests.
struct Emulated {
  Emulated() { bf16::set_unit(bf16::Unit::emulated); }
};
const Emulated emulated;

// Sets a variable of the environment while it lives.
struct Variable {
  const char* name;
  Variable(const char* variable, const char* value) : name(variable) { set_variable(name, value); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { unset_variable(name); }
};

}  // namespace

TEST_CASE("bfloat16 follows float32 as far as its numbers go") {
  for (const bf16::Unit unit : {bf16::Unit::emulated, bf16::Unit::widened, bf16::Unit::avx512_bf16, bf16::Unit::amx}) {
    if (!bf16::set_unit(unit)) continue;
    INFO(std::string(bf16::name_of(unit)));
    Model<Net> wide{options};
    Model<Net, CpuBF16> narrow{options};
    CHECK(numbers_of(wide) == numbers_of(narrow));  // the weights themselves are float32
    const double d = distance(copy(narrow.predict(images())), copy(wide.predict(images())));
    CHECK(d > 1e-5);
    CHECK(d < 5e-2);
    Trainer on_wide(wide, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.005, .momentum = 0.9});
    Trainer on_narrow(narrow, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.005, .momentum = 0.9});
    const std::vector<float> before = numbers_of(wide);
    for (int step = 0; step < 12; ++step)
      CHECK(on_narrow.step(images(), labels).loss == doctest::Approx(on_wide.step(images(), labels).loss).epsilon(0.1));
    CHECK(distance(numbers_of(narrow), before) > 1e-2);
    CHECK(distance(numbers_of(narrow), numbers_of(wide)) < 0.25 * distance(numbers_of(narrow), before));
  }
  bf16::set_unit(bf16::Unit::emulated);
}

TEST_CASE("bfloat16 gives the same bits with any number of threads, and in sessions") {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    ModelOptions some = options;
    some.threads = threads;
    Model<Net, CpuBF16> model{some};
    Trainer trainer(model, SoftmaxCrossEntropy{}, Adam{.learning_rate = 0.01});
    for (int step = 0; step < 3; ++step) trainer.step(images(), labels);
    std::vector<float> now = numbers_of(model);
    const std::vector<float> predicted = copy(model.predict(images()));
    now.insert(now.end(), predicted.begin(), predicted.end());
    if (first.empty()) first = now;
    CHECK(now == first);
    auto session = model.session({.threads = 1});
    CHECK(copy(session.predict(images())) == predicted);
    Model<Net, CpuBF16, Inference> alone{some};
    const Folder folder;
    save_weights(model, folder.path / "w.safetensors");
    load_weights(alone, folder.path / "w.safetensors");
    CHECK(copy(alone.predict(images())) == predicted);
  }
}

TEST_CASE("activations of bfloat16 take half the memory") {
  constexpr MemoryPlan wide = Model<Net>::plan(64, 1), narrow = Model<Net, CpuBF16>::plan(64, 1);
  CHECK(static_cast<double>(narrow.activations) < 0.51 * static_cast<double>(wide.activations));
  CHECK(narrow.weights == wide.weights);
}

TEST_CASE("a checkpoint in one precision goes on in the other, with the same numbers") {
  const Folder folder;
  const Adam adam{.learning_rate = 0.01};
  Model<Net> wide{options};
  Model<Net, CpuBF16> narrow{options};
  Trainer on_wide(wide, SoftmaxCrossEntropy{}, adam);
  Trainer on_narrow(narrow, SoftmaxCrossEntropy{}, adam);
  for (int i = 0; i < 3; ++i) on_narrow.step(images(), labels);
  save_checkpoint(on_narrow, {.step = 3, .updates = 3}, folder.path / "a", 9);
  CHECK(load_checkpoint(on_wide, folder.path / "a", 9).updates == 3);
  CHECK(numbers_of(wide) == numbers_of(narrow));
  const std::vector<float> before = numbers_of(wide);
  on_wide.step(images(), labels), on_narrow.step(images(), labels);
  CHECK(distance(numbers_of(wide), before) > 1e-3);
  CHECK(distance(numbers_of(wide), numbers_of(narrow)) < 5e-3);  // with Adam's memory; without it steps are ten times this
  save_checkpoint(on_wide, {.step = 4, .updates = 4}, folder.path / "b", 9);
  CHECK(load_checkpoint(on_narrow, folder.path / "b", 9).updates == 4);
  CHECK(numbers_of(narrow) == numbers_of(wide));
}

// One process that computes each batch in four parts.
struct InParts final : Processes {
  [[nodiscard]] int rank() const override { return 0; }
  [[nodiscard]] int size() const override { return 1; }
  [[nodiscard]] int parts() const override { return 4; }
  [[nodiscard]] bool reproducible() const override { return true; }
  void all_reduce(std::span<float>, Wire) override {}
  void all_reduce(std::span<double>, Wire) override {}
  void wait() override {}
  [[nodiscard]] std::vector<std::string> all_gather(std::string_view own) override { return {std::string(own)}; }
  void broadcast(std::span<std::byte>) override {}
  [[nodiscard]] ProcessError failed(const std::string& cause) override { return ProcessError(cause); }
  [[nodiscard]] std::string describe() const override { return "four parts"; }
};

// A copy of the numbers, behind which no memory may be read.
class AtTheEnd {
 public:
  explicit AtTheEnd(const std::vector<float>& v)
      : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))),
        bytes_((v.size() * sizeof(float) + page_ - 1) / page_ * page_ + page_),
        at_(static_cast<std::byte*>(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    REQUIRE(static_cast<void*>(at_) != MAP_FAILED);
    REQUIRE(::mprotect(at_ + bytes_ - page_, page_, PROT_NONE) == 0);
    numbers_ = {reinterpret_cast<float*>(at_ + bytes_ - page_) - v.size(), v.size()};
    std::copy(v.begin(), v.end(), numbers_.begin());
  }
  AtTheEnd(const AtTheEnd&) = delete;
  AtTheEnd& operator=(const AtTheEnd&) = delete;
  ~AtTheEnd() { ::munmap(at_, bytes_); }
  [[nodiscard]] std::span<const float> numbers() const { return numbers_; }

 private:
  std::size_t page_, bytes_;
  std::byte* at_;
  std::span<float> numbers_;
};

TEST_CASE("a step in parts reads the caller's images alone, and computes what a step in one does") {
  using Small = Sequential<Input<6, 6, 1>, Conv<3, 4>, ReLU, Flatten, Dense<5>>;
  Model<Small, CpuBF16> model{options}, in_parts{options};
  const SGD sgd{.learning_rate = 0.1};
  Trainer trainer(model, SoftmaxCrossEntropy{}, sgd), of_parts(in_parts, SoftmaxCrossEntropy{}, sgd);
  of_parts.work_with([] { return std::make_shared<InParts>(); });
  const AtTheEnd some(numbers(static_cast<std::size_t>(batch * Small::input.size()), 1));
  const std::vector<float> before = numbers_of(model);
  for (int step = 0; step < 3; ++step)
    CHECK(of_parts.step(some.numbers(), labels).loss ==
          doctest::Approx(trainer.step(some.numbers(), labels).loss).epsilon(1e-3));
  CHECK(distance(numbers_of(model), before) > 1e-2);
  CHECK(distance(numbers_of(in_parts), numbers_of(model)) < 0.05 * distance(numbers_of(model), before));
}

TEST_CASE("the search for numbers that are not finite leaves the last prediction") {
  Model<Net, CpuBF16> model{options};
  const std::span<const float> predicted = model.predict(images());
  const std::vector<float> before = copy(predicted);
  static_cast<void>(model.first_not_finite(false));
  CHECK(copy(predicted) == before);
}

TEST_CASE("numbers that are not finite are noticed in bfloat16") {
  Model<Net, CpuBF16> model{options};
  Trainer trainer(model, SoftmaxCrossEntropy{}, SGD{.learning_rate = 0.01});
  std::vector<float> bad = images();
  bad[100] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before = copy(model.parameters());
  CHECK_THROWS_AS(trainer.step(bad, labels), NotFiniteError);
  CHECK(copy(model.parameters()) == before);
}

TEST_CASE("bfloat16 is refused where it gains nothing, unless it is asked for") {
  const cpu::KernelPath path = cpu::detail::path_now();
  cpu::set_kernel_path(cpu::KernelPath::baseline);
  const auto refusal = [] {
    try {
      static_cast<void>(bf16::detail::choose_unit());
    } catch (const std::runtime_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  unset_variable("STRATA_BF16");
  CHECK(refusal().find("use float32, or set STRATA_BF16=widened") != std::string::npos);
  {
    const Variable asked("STRATA_BF16", "emulated");
    CHECK(bf16::detail::choose_unit() == bf16::Unit::emulated);
  }
  {
    const Variable asked("STRATA_BF16", "avx512_bf16");
    CHECK(refusal().find("STRATA_BF16=avx512_bf16: this processor, or the kernels in use, lack") != std::string::npos);
  }
  {
    const Variable asked("STRATA_BF16", "fast");
    CHECK(refusal() == "strata: STRATA_BF16=fast is none of amx, avx512_bf16, widened and emulated");
  }
  CHECK(!bf16::set_unit(bf16::Unit::amx));
  CHECK(bf16::set_unit(bf16::Unit::emulated));
  cpu::set_kernel_path(path);
}
