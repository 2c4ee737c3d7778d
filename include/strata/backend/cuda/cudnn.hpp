// SPDX-License-Identifier: BSL-1.0
// All calls of cuDNN: its graph API through its C backend, in which everything is a descriptor with attributes. NVIDIA's
// own C++ layer takes half a minute to include, and Debian does not have it.
// https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-graph-library.html
#pragma once
#include <cudnn.h>

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <strata/backend/cuda/error.hpp>
#include <strata/core/linkage.hpp>

static_assert(CUDNN_VERSION >= 90000, "strata: cuDNN 9.0 or newer is needed");

namespace strata::inline STRATA_ABI::cuda {

using CudnnError = CallError<cudnnStatus_t>;

// Throws CudnnError unless `status` is success. `call` is the function's name, `about` its purpose.
inline void check(cudnnStatus_t status, const char* call, const char* about = nullptr) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> last{};
  cudnnGetLastErrorString(last.data(), last.size());
  std::string_view said = last.data();
  while (!said.empty() && said.back() <= ' ') said.remove_suffix(1);
  std::string what = call;
  if (about) what += std::string(" (") + about + ')';
  what += std::string(" failed: ") + cudnnGetErrorString(status);
  if (!said.empty()) what += ", " + std::string(said);
  throw CudnnError(status, what);
}

// cuDNN's state for one device and stream. Throws CudnnError if no device can be used.
class CudnnHandle {
 public:
  explicit CudnnHandle(cudaStream_t stream = nullptr)
      : handle_(create<cudnnHandle_t>([](auto* h) { check(cudnnCreate(h), "cudnnCreate"); })) {
    check(cudnnSetStream(get(), stream), "cudnnSetStream");
  }
  [[nodiscard]] cudnnHandle_t get() const { return handle_.get(); }

 private:
  Owned<cudnnHandle_t, cudnnDestroy> handle_;
};

namespace detail {

constexpr const char* name_of(cudnnBackendDescriptorType_t type) {
  constexpr std::pair<cudnnBackendDescriptorType_t, const char*> names[] = {
      {CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor"},
      {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution"},
      {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, "pointwise"},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "convolution, forward"},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, "convolution, backward to the input"},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, "convolution, backward to the weights"},
      {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, "pointwise operation"},
      {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, "operation graph"},
      {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, "engine heuristics"},
      {CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine"},
      {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, "engine configuration"},
      {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "execution plan"},
      {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "variant pack"}};
  for (const auto& [known, name] : names)
    if (known == type) return name;
  return "descriptor";
}

// cuDNN's tag for a value of type T.
template <class T>
constexpr cudnnBackendAttributeType_t attribute_type() {
  if constexpr (std::is_same_v<T, std::int64_t>) return CUDNN_TYPE_INT64;
  if constexpr (std::is_same_v<T, bool>) return CUDNN_TYPE_BOOLEAN;
  if constexpr (std::is_same_v<T, float>) return CUDNN_TYPE_FLOAT;
  if constexpr (std::is_same_v<T, char>) return CUDNN_TYPE_CHAR;
  if constexpr (std::is_same_v<T, void*>) return CUDNN_TYPE_VOID_PTR;
  if constexpr (std::is_same_v<T, cudnnHandle_t>) return CUDNN_TYPE_HANDLE;
  if constexpr (std::is_same_v<T, cudnnDataType_t>) return CUDNN_TYPE_DATA_TYPE;
  if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>) return CUDNN_TYPE_CONVOLUTION_MODE;
  if constexpr (std::is_same_v<T, cudnnPointwiseMode_t>) return CUDNN_TYPE_POINTWISE_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>) return CUDNN_TYPE_HEUR_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendNumericalNote_t>) return CUDNN_TYPE_NUMERICAL_NOTE;
}

}  // namespace detail

// One of cuDNN's backend descriptors. Throws CudnnError if cuDNN reports an error.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) : type_(type) {
    check(cudnnBackendCreateDescriptor(type, &descriptor_), "cudnnBackendCreateDescriptor", detail::name_of(type));
  }
  Descriptor(Descriptor&& other) noexcept : type_(other.type_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(type_, other.type_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() {
    if (descriptor_) cudnnBackendDestroyDescriptor(descriptor_);
  }

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    return set(name, detail::attribute_type<T>(), static_cast<std::int64_t>(values.size()), values.data());
  }
  template <class T>
    requires(!std::is_same_v<T, Descriptor>)
  Descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
    return set(name, detail::attribute_type<T>(), 1, &value);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor_);
  }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                  const void* values) {
    check(cudnnBackendSetAttribute(descriptor_, name, type, count, values), "cudnnBackendSetAttribute",
          detail::name_of(type_));
    return *this;
  }
  // After this the descriptor is read-only.
  Descriptor& finalize() {
    check(cudnnBackendFinalize(descriptor_), "cudnnBackendFinalize", detail::name_of(type_));
    return *this;
  }

  // get_all: all values of an attribute. get_number: the value of one that is a number. get_descriptor: one that is a
  // descriptor, written to `into`, which must be of its type.
  template <class T>
  [[nodiscard]] std::vector<T> get_all(cudnnBackendAttributeName_t name) const {
    std::vector<T> values(static_cast<std::size_t>(get(name, detail::attribute_type<T>(), 0, nullptr)));
    if (!values.empty()) {
      const auto count = static_cast<std::int64_t>(values.size());
      values.resize(static_cast<std::size_t>(get(name, detail::attribute_type<T>(), count, values.data())));
    }
    return values;
  }
  [[nodiscard]] std::int64_t get_number(cudnnBackendAttributeName_t name) const {
    std::int64_t value = 0;
    get(name, CUDNN_TYPE_INT64, 1, &value);
    return value;
  }
  void get_descriptor(cudnnBackendAttributeName_t name, Descriptor& into) const {
    get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &into.descriptor_);
  }
  // Reads up to `count` values and returns how many there are.
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                   void* values) const {
    std::int64_t there = 0;
    check(cudnnBackendGetAttribute(descriptor_, name, type, count, &there, values), "cudnnBackendGetAttribute",
          detail::name_of(type_));
    return there;
  }

  [[nodiscard]] cudnnBackendDescriptor_t get() const { return descriptor_; }

 private:
  cudnnBackendDescriptorType_t type_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

// Queues a plan's work on the handle's stream.
inline void execute(cudnnHandle_t handle, const Descriptor& plan, const Descriptor& variant_pack) {
  check(cudnnBackendExecute(handle, plan.get(), variant_pack.get()), "cudnnBackendExecute");
}

inline cudaStream_t stream_of(cudnnHandle_t handle) {
  cudaStream_t stream = nullptr;
  check(cudnnGetStream(handle, &stream), "cudnnGetStream");
  return stream;
}

}  // namespace strata::inline STRATA_ABI::cuda
