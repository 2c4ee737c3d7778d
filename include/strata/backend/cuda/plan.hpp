// SPDX-License-Identifier: BSL-1.0
// How cuDNN computes a graph: heuristics propose engines, acceptable ones become plans, and a plan runs. The device is that
// of a handle, or one that is only described; its plans can be made, but not run.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strata/backend/cuda/autotune.hpp>
#include <strata/backend/cuda/cudnn.hpp>
#include <strata/backend/cuda/graph.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

#if CUDNN_VERSION >= 90800
// A device that need not exist on this machine, described in the JSON that cuDNN writes
// (CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION).
inline Descriptor device_properties(std::string_view json) {
  Descriptor properties(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  properties.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(json)).finalize();
  return properties;
}
#endif

// The device of a plan. Exactly one of the two is set.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* properties = nullptr;
};

struct PlanOptions {
  std::int64_t workspace_limit = std::int64_t{256} << 20;  // bytes; engines that need more are skipped
  int autotune = 0;  // above 1: run the first `autotune` plans on the device and keep the fastest
  bool fuse = true;  // a convolution and its bias in one graph, if cuDNN can
};

namespace detail {
// The notes of a configuration's engine.
inline std::vector<cudnnBackendNumericalNote_t> numerical_notes(const Descriptor& configuration) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  configuration.get_descriptor(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  return engine.get_all<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE);
}
}  // namespace detail

// An engine, ready to run a graph.
class Plan {
 public:
  // Throws CudnnError if the engine cannot do it.
  Plan(std::shared_ptr<const Graph> graph, Descriptor configuration, const PlanTarget& target)
      : graph_(std::move(graph)), configuration_(std::move(configuration)), plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    if (target.handle) plan_.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
#if CUDNN_VERSION >= 90800
    if (target.properties) plan_.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.properties);
#endif
    plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration_).finalize();
    workspace_ = plan_.get_number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  }

  // Bytes.
  [[nodiscard]] std::int64_t workspace_size() const { return workspace_; }

  [[nodiscard]] std::vector<cudnnBackendNumericalNote_t> numerical_notes() const {
    return detail::numerical_notes(configuration_);
  }

  // Queues the work on the handle's stream. `pointers` in the order of `ids`.
  void execute(cudnnHandle_t handle, std::span<const std::int64_t> ids, std::span<void* const> pointers,
               void* workspace) const {
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, static_cast<std::int64_t>(pointers.size()),
             pointers.data())
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace)
        .finalize();
    cuda::execute(handle, plan_, pack);
  }

 private:
  std::shared_ptr<const Graph> graph_;  // the plan's descriptors refer to it
  Descriptor configuration_, plan_;
  std::int64_t workspace_ = 0;
};

namespace detail {

// Not acceptable: results that differ from run to run, and inputs or sums of less precision than their types. Winograd and
// FFT engines lose digits too, but fewer than TF32 does.
inline bool acceptable(std::span<const cudnnBackendNumericalNote_t> notes, Math math) {
  for (const auto note : notes) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return false;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_FFT:
        if (math == Math::float32) return false;
        break;
      default:
        break;
    }
  }
  return true;
}

// The heuristics' proposals, best first.
inline std::vector<Descriptor> engine_configurations(const Descriptor& operation_graph, const PlanTarget& target,
                                                     cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, operation_graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
#if CUDNN_VERSION >= 90800
  if (target.properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
#else
  static_cast<void>(target);
#endif
  heuristics.finalize();
  std::vector<Descriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> raw;
  const std::int64_t count = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  for (std::int64_t i = 0; i < count; ++i)
    raw.push_back(configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  if (count > 0) {
    const std::int64_t there =
        heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, raw.data());
    configurations.erase(configurations.begin() + there, configurations.end());
  }
  return configurations;
}

// Measured on the device of the target's handle. Throws CudaError if its memory does not suffice.
inline std::size_t fastest_plan(const Graph& graph, const PlanTarget& target, const std::vector<Plan>& plans) {
  std::deque<Trial> memory;
  std::vector<std::int64_t> ids;
  std::vector<void*> pointers;
  for (const Graph::Memory& tensor : graph.tensors()) {
    ids.push_back(tensor.id);
    pointers.push_back(memory.emplace_back(tensor.bytes).get());
  }
  std::int64_t most = 0;
  for (const Plan& plan : plans) most = std::max(most, plan.workspace_size());
  const Trial workspace(most);
  return fastest(plans.size(), stream_of(target.handle),
                 [&](std::size_t i) { plans[i].execute(target.handle, ids, pointers, workspace.get()); });
}

}  // namespace detail

// The first `most` plans that the heuristics propose and the options allow, best first. If cuDNN has none, `why` is the
// first engine's reason.
inline std::vector<Plan> make_plans(const std::shared_ptr<const Graph>& graph, const PlanTarget& target, Math math,
                                    const PlanOptions& options, std::size_t most, std::string& why) {
  std::vector<Plan> plans;
  why.clear();
  const auto skip = [&why](const std::string& reason) {
    if (why.empty()) why = reason;
  };
  const auto add = [&](Descriptor configuration) {
    if (!detail::acceptable(detail::numerical_notes(configuration), math)) {
      skip("its engine computes with less precision than requested");
      return;
    }
    Plan plan(graph, std::move(configuration), target);
    if (plan.workspace_size() <= options.workspace_limit)
      plans.push_back(std::move(plan));
    else
      skip("its engine wants a workspace of " + std::to_string(plan.workspace_size()) + " bytes, the limit is " +
           std::to_string(options.workspace_limit));
  };
  // A proposed engine, or a whole mode, may still fail; then it is skipped.
  const auto attempt = [&](auto&& step) {
    try {
      step();
    } catch (const CudnnError& error) {
      skip(error.what());
    }
  };
  const Descriptor operation_graph = graph->finalize(target.handle);
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    attempt([&] {
      for (Descriptor& configuration : detail::engine_configurations(operation_graph, target, mode)) {
        if (plans.size() == most) return;
        attempt([&] { add(std::move(configuration)); });
      }
    });
    if (!plans.empty()) break;
  }
  skip("the heuristics propose no engine");
  return plans;
}

// The heuristics' first plan, or with autotune the fastest. If cuDNN has none: nullopt, and `why`.
inline std::optional<Plan> choose_plan(const std::shared_ptr<const Graph>& graph, const PlanTarget& target, Math math,
                                       const PlanOptions& options, std::string& why) {
  const bool tune = options.autotune > 1 && target.handle;
  std::vector<Plan> plans =
      make_plans(graph, target, math, options, tune ? static_cast<std::size_t>(options.autotune) : 1, why);
  if (plans.empty()) return std::nullopt;
  if (plans.size() == 1) return std::move(plans.front());
  try {
    return std::move(plans[detail::fastest_plan(*graph, target, plans)]);
  } catch (const CudaError& error) {
    if (error.code() != cudaErrorMemoryAllocation) throw;
    return std::move(plans.front());  // no memory for the trials
  }
}

}  // namespace strata::inline STRATA_ABI::cuda
