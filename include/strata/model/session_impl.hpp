// SPDX-License-Identifier: BSL-1.0
#pragma once
#include <stdexcept>
#include <string>

#include <strata/core/linkage.hpp>
#include <strata/model/model_core_impl.hpp>
#include <strata/model/session.hpp>

namespace strata::inline STRATA_ABI::detail {

// The options of an engine that shares the model's pool, or has its own threads.
template <class Engine>
EngineOptions session_engine(ModelCore<Engine>& model, const SessionOptions& options) {
  if (options.batch < 0)
    throw std::invalid_argument("strata: batch " + std::to_string(options.batch) +
                                " of a session is negative; 0 takes the model's");
  if (options.threads < 0)
    throw std::invalid_argument("strata: threads " + std::to_string(options.threads) +
                                " of a session is negative; 0 shares the model's pool");
  EngineOptions engine = model.options().engine();
  engine.threads = options.threads;
  engine.pool = options.threads == 0 ? model.engine().shared_pool() : nullptr;
  return engine;
}

template <class Engine>
SessionCore<Engine>::SessionCore(std::shared_ptr<ModelCore<Engine>> model, const SessionOptions& options)
    : model_(std::move(model)),
      engine_(session_engine(*model_, options)),
      runner_(model_->program(), engine_, options.batch > 0 ? options.batch : model_->options().batch, false,
              model_->options().seed, model_->options().batch) {
  const Layout& layout = runner_.layout();
  std::byte* work = engine_.allocate({.bytes = layout.plan.total() - layout.kept(), .own = layout.engine, .images = 0});
  runner_.use(model_->regions(), model_->runner().packed(), model_->packed_state(), work);
  runner_.refresh();
}

template <class Engine>
std::unique_ptr<SessionCore<Engine>> SessionCore<Engine>::make(std::shared_ptr<ModelCore<Engine>> model,
                                                               const SessionOptions& options) {
  return std::make_unique<SessionCore>(std::move(model), options);
}

}  // namespace strata::inline STRATA_ABI::detail
