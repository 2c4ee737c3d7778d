// SPDX-License-Identifier: BSL-1.0
// strata itself, by its public face: Model, Trainer, predict. Built with -O2 and no other flag.
#include "../alexnet.hpp"
#include "peer.hpp"

namespace {

static_assert(AlexNet::parameters == bench::parameter_count);

// The same without Dropout: for the check alone.
using Plain = strata::Sequential<strata::Input<32, 32, 3>, strata::Conv<5, 96>, strata::ReLU, strata::MaxPool<3, 2>,
                                 strata::Conv<5, 256, strata::Stride<2>>, strata::ReLU, strata::MaxPool<3, 2>,
                                 strata::Conv<3, 384>, strata::ReLU, strata::Conv<3, 384>, strata::ReLU,
                                 strata::Conv<3, 256>, strata::ReLU, strata::MaxPool<3, 2>, strata::Flatten,
                                 strata::Dense<4096>, strata::ReLU, strata::Dense<4096>, strata::ReLU, strata::Dense<10>>;

class Batches {
 public:
  Batches(const bench::Data& data, int batch) : data_(data), batch_(static_cast<std::size_t>(batch)) {}
  [[nodiscard]] std::span<const float> images(int number) const {
    return std::span(data_.images)
        .subspan(static_cast<std::size_t>(number) * batch_ * bench::pixels, batch_ * bench::pixels);
  }
  [[nodiscard]] std::span<const int> labels(int number) const {
    return std::span(data_.labels).subspan(static_cast<std::size_t>(number) * batch_, batch_);
  }

 private:
  const bench::Data& data_;
  std::size_t batch_;
};

template <class Net, class Mode>
class Strata : public bench::Peer {
  static constexpr bool training = std::is_same_v<Mode, strata::Training>;
  using Model = strata::Model<Net, strata::Cpu, Mode>;
  struct None {
    template <class... A>
    explicit None(A&&...) {}
  };
  using Trainer = std::conditional_t<training, strata::Trainer<Model, strata::SoftmaxCrossEntropy, strata::SGD>, None>;

 public:
  Strata(const bench::Setup& setup, const bench::Data& data)
      : batches_(data, setup.batch),
        model_({.batch = setup.batch, .threads = setup.threads, .seed = 1}),
        trainer_(model_, strata::SoftmaxCrossEntropy{},
                 strata::SGD{.learning_rate = bench::learning_rate, .momentum = bench::momentum}) {
    std::copy(data.weights.begin(), data.weights.end(), model_.parameters().begin());
  }
  double step(int number) override {
    if constexpr (training) {
      const strata::StepResult r = trainer_.step(batches_.images(number), batches_.labels(number));
      return r.loss / r.samples;
    } else {
      static_cast<void>(number);
      throw std::logic_error("a model for inference does not train");
    }
  }
  const float* predict(int number) override { return model_.predict(batches_.images(number)).data(); }
  [[nodiscard]] std::size_t parameters() const override { return model_.parameters().size(); }

 private:
  Batches batches_;
  Model model_;
  Trainer trainer_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto make = [](const bench::Setup& setup, const bench::Data& data) -> std::unique_ptr<bench::Peer> {
    if (!setup.training) return std::make_unique<Strata<AlexNet, strata::Inference>>(setup, data);
    if (!setup.dropout) return std::make_unique<Strata<Plain, strata::Training>>(setup, data);
    return std::make_unique<Strata<AlexNet, strata::Training>>(setup, data);
  };
  return bench::run(argc, argv, "strata", strata::cpu::kernel_path(), make);
}
