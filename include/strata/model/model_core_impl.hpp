// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <algorithm>
#include <span>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/model/model_core.hpp>
#include <strata/model/runner_impl.hpp>
#include <strata/model/tensors.hpp>

namespace strata::inline STRATA_ABI::detail {

template <class Engine>
ModelCore<Engine>::ModelCore(const Program<Ops>& program, const ModelOptions& options, bool training)
    : program_(program),
      options_(options.checked()),
      engine_(options.engine()),
      runner_(program, engine_, options.batch, training, options.seed) {
  list_tensors();
  runner_.prepare();
  const Layout& layout = runner_.layout();
  std::byte* arena = engine_.allocate(
      {.bytes = layout.plan.total(), .own = layout.kept() + layout.engine, .images = options.batch * program.input.size()});
  runner_.use({.parameters = reinterpret_cast<T*>(arena),
               .parameter_count = program_.parameters,
               .state = reinterpret_cast<T*>(arena + layout.states),
               .state_count = program_.state,
               .filters = {}},
              reinterpret_cast<T*>(arena + layout.packed), packed_state_, arena + layout.kept());
  initialize();
}

template <class Engine>
std::shared_ptr<ModelCore<Engine>> ModelCore<Engine>::make(const Program<Ops>& program, const ModelOptions& options,
                                                           bool training) {
  return std::make_shared<ModelCore>(program, options, training);
}

template <class Engine>
void ModelCore<Engine>::list_tensors() {
  LayerNames names;
  std::int64_t parameters = 0;
  std::vector<TensorInfo> infos;
  for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
    const GraphNode<Ops>& node = program_.nodes[i];
    if (!node.tensors) continue;
    infos.clear();
    node.tensors(program_.rows[i].in, infos);
    if (infos.empty()) continue;
    const std::string prefix = names(node.keras) + "/";
    std::int64_t parameter = runner_.node(i).parameters, state = runner_.node(i).state;
    for (const TensorInfo& info : infos) {
      std::int64_t& offset = info.trainable() ? parameter : state;
      tensors_.push_back({prefix + info.name, info, offset});
      offset += info.size();
      if (!info.trainable()) continue;
      if (info.layout == TensorLayout::filters) {
        const std::int64_t last = info.shape[static_cast<std::size_t>(info.rank - 1)];
        filters_.push_back({parameters, info.size() / last, last});
      }
      parameters += info.size();
    }
  }
}

template <class Engine>
void ModelCore<Engine>::initialize() {
  TensorInitialization initialize(options_.weights, options_.biases, options_.tensors, options_.seed);
  on_host([&](const HostTensors<T>& host) {
    for (const NamedTensor& t : tensors_)
      initialize(t.name, t.info, std::span<T>(values(host, t), static_cast<std::size_t>(t.info.size())));
  });
  initialize.finish();
}

template <class Engine>
std::vector<ParameterTensor> ModelCore<Engine>::parameter_tensors() const {
  std::vector<ParameterTensor> all;
  for (const NamedTensor& t : tensors_)
    if (t.info.trainable()) all.push_back({t.name, t.info, t.offset});
  return all;
}

template <class Engine>
TensorRegions<typename ModelCore<Engine>::T> ModelCore<Engine>::regions() const {
  return {.parameters = runner_.parameters(),
          .parameter_count = program_.parameters,
          .state = runner_.state(),
          .state_count = program_.state,
          .filters = filters_};
}

template <class Engine>
void ModelCore<Engine>::copy_values(ModelCore& from) {
  from.on_host([&](const HostTensors<T>& source) {
    on_host([&](const HostTensors<T>& target) {
      for (const NamedTensor& t : tensors_) std::copy_n(values(source, t), t.info.size(), values(target, t));
    });
  });
}

}  // namespace strata::inline STRATA_ABI::detail
