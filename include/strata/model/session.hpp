// SPDX-License-Identifier: BSL-1.0
// Session: predicts with the weights of a model, in memory of its own, so that several threads can predict at once.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <strata/core/linkage.hpp>
#include <strata/model/model_core.hpp>
#include <strata/util/no_copy.hpp>

namespace strata::inline STRATA_ABI {

struct SessionOptions {
  int batch = 0;  // capacity: the most images in one call; 0: the model's
  // 0: the model's pool, which all its sessions share: a session that finds it at work computes alone. Else as many threads
  // of the session's own; 1 starts none, as a real-time thread wants it.
  int threads = 0;
};

namespace detail {

template <class Engine>
class SessionCore : NoCopy {
 public:
  SessionCore(std::shared_ptr<ModelCore<Engine>> model, const SessionOptions& options);
  [[nodiscard]] static std::unique_ptr<SessionCore> make(std::shared_ptr<ModelCore<Engine>> model,
                                                         const SessionOptions& options);
  [[nodiscard]] Runner<Engine>& runner() { return runner_; }

 private:
  std::shared_ptr<ModelCore<Engine>> model_;  // keeps the weights
  Engine engine_;
  Runner<Engine> runner_;
};

}  // namespace detail

// Made by Model::session(). It allocates its memory once; predict() allocates nothing and waits for no lock, so that it may
// run in a real-time thread. Only the first prediction after the model's tensors were read or written may wait: it compares
// a hash of them. A session belongs to one thread at a time; two at once get std::logic_error. The weights must not change
// while a session predicts: do not train, load or initialize the model meanwhile. The weights live as long as the model or
// one of its sessions does. A session can be moved.
template <class Net, class Backend>
class Session {
 public:
  using network = Net;
  using Engine = typename Backend::Engine;
  using T = typename Engine::Ops::Parameter;

  explicit Session(std::unique_ptr<detail::SessionCore<Engine>> core) : core_(std::move(core)) {}

  // images (N,H,W,C), N up to the capacity; returns the network's output (N,output), the same bits as Model::predict,
  // valid until the next call of this session. Throws std::invalid_argument if the size is not a multiple of an image or
  // exceeds the capacity.
  std::span<const T> predict(std::span<const T> images) { return core_->runner().run(images, false, false, 0); }
  // See Model::predict_with_dropout.
  std::span<const T> predict_with_dropout(std::span<const T> images, std::uint64_t draw) {
    return core_->runner().run(images, false, true, draw);
  }

 private:
  std::unique_ptr<detail::SessionCore<Engine>> core_;
};

}  // namespace strata::inline STRATA_ABI

#if !defined(STRATA_COMPILED)
#include <strata/model/session_impl.hpp>
#endif
