// SPDX-License-Identifier: BSL-1.0
// Which engines cuDNN has for AlexNet's convolutions on GPUs that are only described; nothing runs.
#include <doctest/doctest.h>

#include <algorithm>

#include "../../examples/alexnet_cifar/network.hpp"
#include "convolutions.hpp"
#include "described.hpp"

using namespace strata;
using namespace strata::cuda;

namespace {

bool has_note(const ConvPlan& plan, cudnnBackendNumericalNote_t note) {
  const auto notes = plan.numerical_notes();
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

}  // namespace

TEST_CASE("There is a fused and exact plan for each of AlexNet's convolutions") {
  for (const test::Card& card : {test::h100, test::a100}) {
    const Descriptor properties = device_properties(test::json(card));
    for (const int batch : {128, 1024, 80}) {
      for (const Math math : {Math::float32, Math::tf32, Math::bf16}) {
        for (const ConvProblem& p : test::convolutions(AlexNet<10>{}, batch, math)) {
          CAPTURE(card.name);
          CAPTURE(ConvPlan::describe(p));
          const ConvPlan plan(p, {.properties = &properties});
          CHECK(plan.fused());
          CHECK(plan.workspace_size() <= PlanOptions{}.workspace_limit);
          // The same bits every time, and no intermediate rounding.
          CHECK_FALSE(has_note(plan, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
          CHECK_FALSE(has_note(plan, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
          CHECK_FALSE(has_note(plan, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION));
          if (math == Math::float32) {
            CHECK_FALSE(has_note(plan, CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
            CHECK_FALSE(has_note(plan, CUDNN_NUMERICAL_NOTE_WINOGRAD));
            CHECK_FALSE(has_note(plan, CUDNN_NUMERICAL_NOTE_FFT));
          }
          // With three input channels, tensor cores are not faster.
          if (math != Math::float32 && p.geometry.in.channels > 3) CHECK(has_note(plan, CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
          // cuDNN 9.19 has no other from bfloat16 inputs.
          const bool rounded = p.operation == ConvOperation::backward_weights && math == Math::bf16;
          CHECK(plan.gradient() == (rounded ? Number::bf16 : Number::float32));
        }
      }
    }
  }
}

TEST_CASE("Which of an engine's notes are acceptable") {
  using Notes = std::vector<cudnnBackendNumericalNote_t>;
  for (const Math math : {Math::float32, Math::tf32, Math::bf16}) {
    const bool strict = math == Math::float32;
    CHECK(cuda::detail::acceptable({}, math));
    CHECK(cuda::detail::acceptable(Notes{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, math));
    for (const auto note : {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
                            CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION})
      CHECK_FALSE(cuda::detail::acceptable(Notes{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, note}, math));
    for (const auto note : {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_FFT})
      CHECK(cuda::detail::acceptable(Notes{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, note}, math) == !strict);
  }
}

TEST_CASE("A card without bfloat16 says so, and has the rest") {
  const Descriptor properties = device_properties(test::json(test::t4));
  for (const Math math : {Math::float32, Math::tf32})
    for (const ConvProblem& p : test::convolutions(AlexNet<10>{}, 128, math)) {
      CAPTURE(ConvPlan::describe(p));
      CHECK_NOTHROW(ConvPlan(p, {.properties = &properties}));
    }
  const ConvProblem p = test::convolutions(AlexNet<10>{}, 128, Math::bf16).front();
  CHECK_THROWS_WITH_AS(ConvPlan(p, {.properties = &properties}),
                       "cuDNN has no plan for Conv forward, bias, 5x5, 32x32x3 -> 32x32x96, groups 1, batch 128, "
                       "bfloat16: the heuristics propose no engine",
                       CudnnError);
}

TEST_CASE("Engines that need more workspace than the limit are skipped") {
  const Descriptor properties = device_properties(test::json(test::h100));
  const PlanTarget target{.properties = &properties};
  int smaller = 0;
  for (const Math math : {Math::float32, Math::tf32}) {
    for (const ConvProblem& p : test::convolutions(AlexNet<10>{}, 128, math)) {
      const std::int64_t first = ConvPlan(p, target).workspace_size();
      const std::int64_t limit = first / 2;
      CAPTURE(ConvPlan::describe(p));
      const ConvPlan plan(p, target, {.workspace_limit = limit});
      CHECK(plan.workspace_size() <= limit);
      smaller += first > 0;
    }
  }
  CHECK(smaller > 10);
  std::string why;
  const auto graph = conv_graph(test::convolutions(AlexNet<10>{}, 128, Math::tf32).front());
  CHECK(make_plans(graph, target, Math::tf32, {.workspace_limit = -1}, 1, why).empty());
  CHECK(why.starts_with("its engine wants a workspace of "));
  CHECK(why.ends_with(" bytes, the limit is -1"));
}

TEST_CASE("The bias can be left out of the graph") {
  const Descriptor properties = device_properties(test::json(test::h100));
  ConvPlans plans({.properties = &properties}, {.fuse = false});
  for (const ConvProblem& p : test::convolutions(AlexNet<10>{}, 128, Math::tf32)) {
    const ConvPlan& plan = plans.get(p);
    CHECK(plan.fused() == (p.operation != ConvOperation::forward));
    CHECK(plan.problem().bias == p.bias);
  }
}

TEST_CASE("A plan is made once, and one for each problem") {
  const Descriptor properties = device_properties(test::json(test::h100));
  ConvPlans plans({.properties = &properties});
  CHECK(plans.workspace_size() == 0);
  std::vector<ConvProblem> problems = test::convolutions(AlexNet<10>{}, 128, Math::tf32);
  problems.push_back(problems.front());
  problems.back().batch = 80;
  problems.push_back(problems.front());
  problems.back().bias = false;
  problems.push_back(problems.front());
  problems.back().math = Math::float32;
  std::vector<const ConvPlan*> made;
  std::int64_t most = 0;
  for (const ConvProblem& p : problems) {
    made.push_back(&plans.get(p));
    most = std::max(most, made.back()->workspace_size());
  }
  for (std::size_t i = 0; i < problems.size(); ++i) CHECK(&plans.get(problems[i]) == made[i]);
  std::sort(made.begin(), made.end());
  CHECK(std::unique(made.begin(), made.end()) == made.end());
  CHECK(plans.workspace_size() == most);
  CHECK(most > 0);
}

TEST_CASE("A plan refuses to be run as another operation") {
  const Descriptor properties = device_properties(test::json(test::h100));
  const ConvProblem p = test::convolutions(AlexNet<10>{}, 128, Math::tf32).front();
  const ConvPlan plan(p, {.properties = &properties});
  CHECK_THROWS_AS(plan.backward_input(nullptr, nullptr, nullptr, nullptr, nullptr), std::logic_error);
  CHECK_THROWS_AS(plan.backward_weights(nullptr, nullptr, nullptr, nullptr, nullptr), std::logic_error);
}
