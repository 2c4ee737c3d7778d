// SPDX-License-Identifier: BSL-1.0
// What all peers written in C++ share: the network's numbers, the data, the command line, the clock, the lines they print.
// A peer is a class with a constructor and two calls; run() does the rest. peer.py is the same in Python.
//
// One line a measurement, as key=value: peer, version, mode, batch, threads, and
//   mode=train|infer   state=warm|cold  ms=... (each step, in order)
//   mode=check         parameters=... logits=... losses=... learn=first,last
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

// A convolution or a dense layer (kernel 1 on a 1x1 map). All five convolutions are padded by kernel / 2, which is Same
// here.
struct Layer {
  int kernel, stride, in_channels, out_channels, in_size, out_size;
  [[nodiscard]] std::size_t weights() const {
    return static_cast<std::size_t>(std::int64_t{kernel} * kernel * in_channels * out_channels);
  }
  [[nodiscard]] std::size_t parameters() const { return weights() + static_cast<std::size_t>(out_channels); }
};
constexpr int convolutions = 5;
constexpr Layer layers[] = {
    {5, 1, 3, 96, 32, 32},  {5, 2, 96, 256, 15, 8},  {3, 1, 256, 384, 3, 3},   {3, 1, 384, 384, 3, 3},
    {3, 1, 384, 256, 3, 3}, {1, 1, 256, 4096, 1, 1}, {1, 1, 4096, 4096, 1, 1}, {1, 1, 4096, 10, 1, 1},
};
constexpr int layer_count = 8;
constexpr int image_size = 32, image_channels = 3, classes = 10;
constexpr std::size_t pixels = 32 * 32 * 3;
constexpr std::size_t parameter_count = 21594506;

constexpr double learning_rate = 0.002, momentum = 0.9, dropout_rate = 0.5;

template <class T>
std::vector<T> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<T> values(static_cast<std::size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

// What make_data wrote: images (N,H,W,C), labels, and the weights all peers begin with, each layer's kernel (H,W,in,out)
// and then its bias.
struct Data {
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  std::vector<float> weights;

  static Data read(const std::string& folder) {
    Data d;
    d.images = read_file<float>(folder + "/images.f32");
    d.labels = read_file<std::int32_t>(folder + "/labels.i32");
    d.weights = read_file<float>(folder + "/weights.f32");
    if (d.images.size() != d.labels.size() * pixels || d.weights.size() != parameter_count)
      throw std::runtime_error(folder + ": not what make_data writes");
    return d;
  }
  [[nodiscard]] const float* kernel(int layer) const {
    std::size_t offset = 0;
    for (int l = 0; l < layer; ++l) offset += layers[l].parameters();
    return weights.data() + offset;
  }
  [[nodiscard]] const float* bias(int layer) const { return kernel(layer) + layers[layer].weights(); }
};

struct Setup {
  int batch = 128, threads = 1;
  bool training = true;  // false: for inference alone
  bool dropout = true;
};

// A model with the data's weights, and the data's images, cut into batches, in whatever layout it likes best.
class Peer {
 public:
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual ~Peer() = default;
  virtual double step(int batch_number) = 0;                 // forward, backward, update; the mean loss
  virtual const float* predict(int batch_number) = 0;        // logits (N,10), valid until the next call
  [[nodiscard]] virtual std::size_t parameters() const = 0;  // as this library counts them
};

// (H,W,in,out) to (out,in,H,W), (N,H,W,C) to (N,C,H,W).
inline std::vector<float> kernel_oihw(const Data& data, int layer) {
  const Layer& l = layers[layer];
  const float* from = data.kernel(layer);
  std::vector<float> to(l.weights());
  const auto taps = static_cast<std::size_t>(l.kernel) * static_cast<std::size_t>(l.kernel);
  const auto in = static_cast<std::size_t>(l.in_channels), out = static_cast<std::size_t>(l.out_channels);
  for (std::size_t t = 0; t < taps; ++t)
    for (std::size_t i = 0; i < in; ++i)
      for (std::size_t o = 0; o < out; ++o) to[(o * in + i) * taps + t] = from[(t * in + i) * out + o];
  return to;
}
inline std::vector<float> images_nchw(const Data& data) {
  std::vector<float> to(data.images.size());
  constexpr std::size_t area = 32 * 32;
  for (std::size_t n = 0; n < data.labels.size(); ++n)
    for (std::size_t p = 0; p < area; ++p)
      for (std::size_t c = 0; c < 3; ++c) to[n * pixels + c * area + p] = data.images[n * pixels + p * 3 + c];
  return to;
}

// Writes one number a cache line of a buffer twice as large as the last cache, so that nothing of a model is left in it.
class Evictor {
 public:
  Evictor() {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
    std::size_t kib = 0;
    file >> kib;
    const std::size_t bytes = std::min<std::size_t>(std::max<std::size_t>(2 * kib * 1024, 128 << 20), 1 << 30);
    lines_.assign(bytes / 64, Line{});
  }
  void operator()() {
    for (Line& line : lines_) line.number = line.number + 1;
  }

 private:
  struct alignas(64) Line {
    volatile int number = 0;
  };
  std::vector<Line> lines_;
};

struct Options {
  std::string mode = "train", data;
  std::vector<int> batches{128};
  int threads = 1;
  double seconds = 2;
  int least = 5;  // steps, however long they take
  bool cold = false;
};

inline Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--cold") {
      o.cold = true;
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(key + " needs a value");
    const std::string value = argv[++i];
    if (key == "--mode") {
      o.mode = value;
    } else if (key == "--data") {
      o.data = value;
    } else if (key == "--threads") {
      o.threads = std::stoi(value);
    } else if (key == "--seconds") {
      o.seconds = std::stod(value);
    } else if (key == "--least") {
      o.least = std::stoi(value);
    } else if (key == "--batches") {
      o.batches.clear();
      for (std::size_t at = 0; at < value.size();) {
        const std::size_t comma = std::min(value.find(',', at), value.size());
        o.batches.push_back(std::stoi(value.substr(at, comma - at)));
        at = comma + 1;
      }
    } else {
      throw std::runtime_error(key + " is not an option");
    }
  }
  return o;
}

// Milliseconds of each call of f(i), after `warm_up` calls: at least `least`, then until the time is up.
template <class F, class Between>
std::vector<double> measure(double seconds, int warm_up, F&& f, Between&& between, int least = 5) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> ms;
  int i = 0;
  for (; i < warm_up; ++i) f(i);
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (ms.size() < static_cast<std::size_t>(least) || (Clock::now() < until && ms.size() < 4000)) {
    between();
    const auto begin = Clock::now();
    f(i++);
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  return ms;
}

inline void print_list(const char* key, const std::vector<double>& values) {
  std::printf(" %s=", key);
  for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.6g", i == 0 ? "" : ",", values[i]);
}

// The whole program. `make(setup, data)` gives a std::unique_ptr<Peer>.
template <class Make>
int run(int argc, char** argv, const std::string& name, const std::string& version, Make make) try {
  const Options o = parse(argc, argv);
  const Data data = Data::read(o.data);
  const int images = static_cast<int>(data.labels.size());
  const auto begin_line = [&](const char* mode, int batch) {
    std::printf("peer=%s version=%s mode=%s batch=%d threads=%d", name.c_str(), version.c_str(), mode, batch, o.threads);
  };
  const auto setup = [&](int batch, bool training, bool dropout) {
    Setup s;
    s.batch = batch, s.threads = o.threads, s.training = training, s.dropout = dropout;
    return s;
  };
  if (o.mode == "check") {
    const int batch = 64, batches = images / batch;
    begin_line("check", batch);
    {
      const std::unique_ptr<Peer> peer = make(setup(batch, false, false), data);
      const float* y = peer->predict(1);
      std::vector<double> logits(y, y + 10);
      logits.insert(logits.end(), y + 63 * 10, y + 64 * 10);
      std::printf(" parameters=%zu", peer->parameters());
      print_list("logits", logits);
    }
    {
      const std::unique_ptr<Peer> peer = make(setup(batch, true, false), data);
      std::vector<double> losses;
      for (int i = 0; i < 4; ++i) losses.push_back(peer->step(i));
      print_list("losses", losses);
    }
    const std::unique_ptr<Peer> peer = make(setup(batch, true, true), data);
    std::vector<double> losses;
    for (int i = 0; i < 30; ++i) losses.push_back(peer->step(i % batches));
    print_list("learn", {(losses[0] + losses[1] + losses[2]) / 3, (losses[27] + losses[28] + losses[29]) / 3});
    std::printf("\n");
    return 0;
  }
  const auto nothing = [] {};
  for (const int batch : o.batches) {
    const int batches = std::max(images / batch, 1);
    if (o.mode == "train") {
      const std::unique_ptr<Peer> peer = make(setup(batch, true, true), data);
      const std::vector<double> ms =
          measure(o.seconds, 2, [&](int i) { static_cast<void>(peer->step(i % batches)); }, nothing);
      begin_line("train", batch);
      std::printf(" state=warm");
      print_list("ms", ms);
      std::printf("\n");
    } else if (o.mode == "infer") {
      const std::unique_ptr<Peer> peer = make(setup(batch, false, false), data);
      const auto predict = [&](int i) { static_cast<void>(peer->predict(i % batches)); };
      const std::vector<double> ms = measure(o.seconds, 3, predict, nothing);
      begin_line("infer", batch);
      std::printf(" state=warm");
      print_list("ms", ms);
      std::printf("\n");
      if (batch == 1 && o.cold) {
        Evictor evict;
        const std::vector<double> cold = measure(o.seconds, 1, predict, evict);
        begin_line("infer", batch);
        std::printf(" state=cold");
        print_list("ms", cold);
        std::printf("\n");
      }
    } else {
      throw std::runtime_error("--mode is check, train or infer");
    }
    std::fflush(stdout);
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s: %s\n", name.c_str(), e.what());
  return 1;
}

}  // namespace bench
