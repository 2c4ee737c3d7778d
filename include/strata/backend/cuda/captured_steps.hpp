// SPDX-License-Identifier: BSL-1.0
// The graphs of training steps: one for each size of batch and each phase of a reducer.
#pragma once
#include <map>
#include <memory>
#include <utility>

#include <strata/backend/cuda/per_batch_size.hpp>
#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::cuda {

template <class System>
class CapturedSteps {
 public:
  using Graph = typename System::Graph;

  // Queues a step of a batch, of which `own` images are this process's. The first of a size and phase runs as it is, since
  // it makes plans, which cannot be captured.
  template <class Engine, class Compute>
  void run(Engine& engine, int batch, int own, int phase, bool profiled, const Compute& compute) {
    auto stream = engine.device().stream();
    Captured& captured = of(engine, batch, own).phases[phase];
    if (profiled || !captured.once) {
      compute();
      captured.once = true;
    } else {
      if (!captured.graph) captured.graph = Graph(stream, compute);
      captured.graph.launch(stream);
    }
  }
  // Null if there is none yet.
  [[nodiscard]] const Graph* peek(int batch, int phase) const {
    const Sized* size = sizes_.peek(batch);
    if (!size) return nullptr;
    const auto found = size->phases.find(phase);
    return found != size->phases.end() && found->second.graph ? &found->second.graph : nullptr;
  }
  template <class Engine>
  void forget(Engine& engine) {
    if (!sizes_.empty()) engine.finish();  // queued work may use plans that only the captured steps keep
    sizes_.clear();
  }

 private:
  struct Captured {
    bool once = false;
    Graph graph;
  };
  struct Sized {
    std::shared_ptr<const void> plans;  // of the graphs
    std::map<int, Captured> phases{};
  };
  template <class Engine>
  Sized& of(Engine& engine, int batch, int own) {
    auto plans = own > 0 ? engine.plans_of(own) : nullptr;
    Sized* found = sizes_.find(batch);
    if (found && found->plans == plans) return *found;
    if (found || sizes_.full()) engine.finish();  // queued work may use what is removed
    if (!found) return sizes_.add(batch, Sized{std::move(plans)});
    found->phases.clear();
    found->plans = std::move(plans);
    return *found;
  }

  PerBatchSize<Sized> sizes_;
};

}  // namespace strata::inline STRATA_ABI::cuda
