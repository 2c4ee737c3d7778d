// SPDX-License-Identifier: BSL-1.0
// FunctionRef: refers to something callable that its caller keeps, as a parameter of functions that are compiled once.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI {

template <class Signature>
class FunctionRef;

template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  FunctionRef() = default;  // refers to nothing
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& f)
      : context_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))), call_([](void* context, A... a) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(context))(std::forward<A>(a)...);
        }) {}

  explicit operator bool() const { return call_ != nullptr; }
  R operator()(A... a) const { return call_(context_, std::forward<A>(a)...); }

 private:
  void* context_ = nullptr;
  R (*call_)(void*, A...) = nullptr;
};

}  // namespace strata::inline STRATA_ABI
