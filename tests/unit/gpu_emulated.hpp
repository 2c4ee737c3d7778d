// SPDX-License-Identifier: BSL-1.0
// A GPU backend on the host. The library's own kernels, blocks, engine and trainer run in a loop; the reference computes
// the products of cuDNN and cuBLASLt; a queue does its work at once, and a graph repeats it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <strata/backend/cuda/gpu_engine.hpp>
#include <strata/backend/cuda/precision.hpp>
#include <strata/backend/reference/conv.hpp>
#include <strata/backend/reference/dense.hpp>

namespace emulated {

using strata::Geometry;

// How often a device of this kind was used.
struct Counts {
  std::int64_t launches = 0, allocations = 0, captures = 0, replays = 0;
};

class Device {
 public:
  explicit Device(int) {}
  void use() const {}
  [[nodiscard]] Device* stream() { return this; }
  [[nodiscard]] static std::string name() { return "an emulated GPU"; }
  template <class Element>
  void operator()(std::int64_t n, Element element) {
    static_assert(std::is_trivially_copyable_v<Element>);
    ++counts.launches;
    // A graph that is being captured only records.
    if (recorded)
      recorded->push_back([=] {
        for (std::int64_t i = n; i-- > 0;) element(i);
      });
    else
      for (std::int64_t i = n; i-- > 0;) element(i);
  }
  // For products, which are no elements.
  void call(std::function<void()> work) { recorded ? recorded->push_back(std::move(work)) : work(); }
  void copy_bytes(void* to, const void* from, std::int64_t bytes) {
    call([=] {
      if (bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(bytes));
    });
  }
  void zero_bytes(void* to, std::int64_t bytes) {
    call([=] { std::memset(to, 0, static_cast<std::size_t>(bytes)); });
  }
  void finish() {
    if (recorded) throw std::logic_error("waiting while a graph is captured");
  }
  std::vector<std::function<void()>>* recorded = nullptr;
  Counts counts;
};

class Memory {
 public:
  Memory() = default;
  Memory(Device& device, std::int64_t bytes, const std::string&)
      : bytes_(new std::byte[static_cast<std::size_t>(bytes)]()) {
    if (device.recorded) throw std::logic_error("allocating while a graph is captured");
    ++device.counts.allocations;
  }
  [[nodiscard]] std::byte* get() const { return bytes_.get(); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

struct Event {
  void record(Device*) {}
  void hold(Device*) {}
  void wait() {}
  [[nodiscard]] bool happened() const { return true; }
};

class Graph {
 public:
  Graph() = default;
  template <class Work>
  Graph(Device* device, Work&& work) : work_(std::make_shared<std::vector<std::function<void()>>>()) {
    ++device->counts.captures;
    device->recorded = work_.get();
    work();
    device->recorded = nullptr;
  }
  explicit operator bool() const { return work_ != nullptr; }
  void launch(Device* device) const {
    ++device->counts.replays;
    for (const auto& w : *work_) w();
  }

 private:
  std::shared_ptr<std::vector<std::function<void()>>> work_;
};

struct CopyStream {
  Device* get() { return nullptr; }
  void copy_bytes(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
};

struct System {
  using Device = emulated::Device;
  using Memory = emulated::Memory;
  using Event = emulated::Event;
  using Graph = emulated::Graph;
  using CopyStream = emulated::CopyStream;
  template <class T>
  using PinnedAllocator = std::allocator<T>;
};

template <class Precision>
class Engine : public strata::cuda::GpuEngine<Precision, System> {
  using Base = strata::cuda::GpuEngine<Precision, System>;
  using A = typename Precision::Activation;
  using Base::weights;

 public:
  using Base::Base;
  using Base::device;

  using Ops = strata::cuda::Ops<Engine>;
  [[nodiscard]] Ops ops() { return Ops(*this); }

  std::byte* allocate(const strata::ArenaRequest& request) {
    memory_ = Memory(device(), request.bytes, "");
    this->use_arena(memory_.get(), request);
    return memory_.get();
  }

  void prepare_conv_forward(const Geometry&, int, bool, std::int64_t) { ++prepared; }
  void prepare_conv_backward_input(const Geometry&, int, std::int64_t) { ++prepared; }
  void prepare_conv_backward_weights(const Geometry&, int, std::int64_t) { ++prepared; }
  void prepare_dense_forward(int, int, int, bool, std::int64_t) { ++prepared; }
  void prepare_dense_backward_input(int, int, int, std::int64_t) { ++prepared; }
  void prepare_dense_backward_weights(int, int, int, std::int64_t) { ++prepared; }
  int prepared = 0;

  void conv_forward(const Geometry& g, int n, const A* x, const float* w, const float* b, A* y, bool relu) {
    device().call([=, this] {
      std::vector<float> y_(static_cast<std::size_t>(n * g.out.size()));
      strata::reference::conv_forward(g, n, floats(x, n * g.in.size()).data(), filters(g, w).data(),
                                      b ? floats(weights(b), g.out.channels).data() : nullptr, y_.data());
      if (relu)
        for (float& v : y_) v = v < 0 ? 0 : v;
      store(y_, y);
    });
  }
  void conv_backward_input(const Geometry& g, int n, const A* dy, const float* w, A* dx) {
    device().call([=, this] {
      std::vector<float> dx_(static_cast<std::size_t>(n * g.in.size()));
      strata::reference::conv_backward_input(g, n, floats(dy, n * g.out.size()).data(), filters(g, w).data(), dx_.data());
      store(dx_, dx);
    });
  }
  void conv_backward_weights(const Geometry& g, int n, const A* x, const A* dy, float* dw, float*) {
    device().call([=] {
      std::vector<float> dw_(static_cast<std::size_t>(g.taps() * g.out.channels));
      strata::reference::conv_backward_weights(g, n, floats(x, n * g.in.size()).data(), floats(dy, n * g.out.size()).data(),
                                               dw_.data(), static_cast<float*>(nullptr));
      strata::cuda::transpose(g.taps(), g.out.channels, dw_.data(), dw);
    });
  }
  void dense_forward(int in, int units, int n, const A* x, const float* w, const float* b, A* y, bool relu) {
    device().call([=, this] {
      std::vector<float> y_(static_cast<std::size_t>(std::int64_t{n} * units));
      strata::reference::dense_forward(in, units, n, floats(x, std::int64_t{n} * in).data(),
                                       floats(weights(w), std::int64_t{in} * units).data(),
                                       b ? floats(weights(b), units).data() : nullptr, y_.data());
      if (relu)
        for (float& v : y_) v = v < 0 ? 0 : v;
      store(y_, y);
    });
  }
  void dense_backward_input(int in, int units, int n, const A* dy, const float* w, A* dx) {
    device().call([=, this] {
      std::vector<float> dx_(static_cast<std::size_t>(std::int64_t{n} * in));
      strata::reference::dense_backward_input(in, units, n, floats(dy, std::int64_t{n} * units).data(),
                                              floats(weights(w), std::int64_t{in} * units).data(), dx_.data());
      store(dx_, dx);
    });
  }
  void dense_backward_weights(int in, int units, int n, const A* x, const A* dy, float* dw) {
    device().call([=] {
      strata::reference::dense_backward_weights(in, units, n, floats(x, std::int64_t{n} * in).data(),
                                                floats(dy, std::int64_t{n} * units).data(), dw,
                                                static_cast<float*>(nullptr));
    });
  }

 private:
  static std::vector<float> floats(const A* x, std::int64_t n) {
    std::vector<float> v(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(x[i]);
    return v;
  }
  static void store(const std::vector<float>& v, A* to) {
    for (std::size_t i = 0; i < v.size(); ++i) to[i] = static_cast<A>(v[i]);
  }
  // (F,KH,KW,C/groups) to the reference's order.
  std::vector<float> filters(const Geometry& g, const float* w) const {
    const std::vector<float> turned = floats(weights(w), g.taps() * g.out.channels);
    std::vector<float> out(turned.size());
    strata::cuda::transpose(g.out.channels, g.taps(), turned.data(), out.data());
    return out;
  }
  Memory memory_;
};

template <class Precision = strata::cuda::Float32>
using Gpu = strata::GpuOf<Precision, Engine>;

}  // namespace emulated
