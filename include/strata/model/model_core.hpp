// SPDX-License-Identifier: BSL-1.0
// ModelCore: a model without its network's type. Model and Session are made of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <strata/core/linkage.hpp>
#include <strata/core/tensor_info.hpp>
#include <strata/model/engine.hpp>
#include <strata/model/options.hpp>
#include <strata/model/runner.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI::detail {

// A tensor of a model; offset: in elements, from the first parameter or from the first number of the state.
struct NamedTensor {
  std::string name;  // as Keras has it: conv2d_1/kernel
  TensorInfo info;
  std::int64_t offset = 0;
};

template <class Engine>
class ModelCore : NoCopy {
 public:
  using Ops = typename Engine::Ops;
  using T = typename Ops::Parameter;

  // The constructor of Model says what it throws.
  ModelCore(const Program<Ops>& program, const ModelOptions& options, bool training);
  [[nodiscard]] static std::shared_ptr<ModelCore> make(const Program<Ops>& program, const ModelOptions& options,
                                                       bool training);

  [[nodiscard]] const Program<Ops>& program() const { return program_; }
  [[nodiscard]] const ModelOptions& options() const { return options_; }
  [[nodiscard]] Engine& engine() { return engine_; }
  [[nodiscard]] Runner<Engine>& runner() { return runner_; }
  [[nodiscard]] const std::vector<NamedTensor>& tensors() const { return tensors_; }
  [[nodiscard]] std::vector<ParameterTensor> parameter_tensors() const;
  [[nodiscard]] TensorRegions<T> regions() const;
  [[nodiscard]] PackedState& packed_state() { return packed_state_; }
  // The values of all tensors of another core of the same program.
  void copy_values(ModelCore& from);

  // Calls f(tensors) with the tensors on the host. Then the engine gets what f changed, also if f throws.
  template <class F>
  void on_host(F&& f) {
    const HostTensors<T> tensors = engine_.open_tensors(regions());
    try {
      f(tensors);
    } catch (...) {
      engine_.close_tensors(regions());
      packed_state_.suspect();
      throw;
    }
    engine_.close_tensors(regions());
    packed_state_.suspect();
  }
  [[nodiscard]] static T* values(const HostTensors<T>& host, const NamedTensor& t) {
    return (t.info.trainable() ? host.parameters : host.state) + t.offset;
  }

 private:
  void list_tensors();
  void initialize();

  const Program<Ops>& program_;
  ModelOptions options_;
  Engine engine_;
  Runner<Engine> runner_;
  PackedState packed_state_;
  std::vector<NamedTensor> tensors_;
  std::vector<FilterTensor> filters_;  // that a backend may keep with the filters first
};

}  // namespace strata::inline STRATA_ABI::detail

#if !defined(STRATA_COMPILED)
#include <strata/model/model_core_impl.hpp>
#endif
