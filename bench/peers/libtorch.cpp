// SPDX-License-Identifier: BSL-1.0
// libtorch, eager, channels last: its faster layout on a processor.
#include <torch/torch.h>

#include "peer.hpp"

namespace {

namespace F = torch::nn::functional;

class LibTorch : public bench::Peer {
 public:
  LibTorch(const bench::Setup& setup, const bench::Data& data) : setup_(setup), images_(bench::images_nchw(data)) {
    torch::set_num_threads(setup.threads);
    std::vector<torch::Tensor> parameters;
    for (int i = 0; i < bench::layer_count; ++i) {
      const bench::Layer& l = bench::layers[i];
      std::vector<float> kernel = bench::kernel_oihw(data, i);
      torch::Tensor w = torch::from_blob(kernel.data(), {l.out_channels, l.in_channels, l.kernel, l.kernel}).clone();
      torch::Tensor b = torch::from_blob(const_cast<float*>(data.bias(i)), {l.out_channels}).clone();
      if (i < bench::convolutions) {
        torch::nn::Conv2d conv(
            torch::nn::Conv2dOptions(l.in_channels, l.out_channels, l.kernel).stride(l.stride).padding(l.kernel / 2));
        conv->weight.set_data(w.to(torch::MemoryFormat::ChannelsLast));
        conv->bias.set_data(b);
        convs_.push_back(conv);
        parameters.insert(parameters.end(), {conv->weight, conv->bias});
      } else {
        torch::nn::Linear dense(l.in_channels, l.out_channels);
        dense->weight.set_data(w.reshape({l.out_channels, l.in_channels}));
        dense->bias.set_data(b);
        denses_.push_back(dense);
        parameters.insert(parameters.end(), {dense->weight, dense->bias});
      }
    }
    for (const torch::Tensor& p : parameters) count_ += static_cast<std::size_t>(p.numel());
    if (setup.training)
      optimizer_ = std::make_unique<torch::optim::SGD>(
          parameters, torch::optim::SGDOptions(bench::learning_rate).momentum(bench::momentum));
    const auto size = static_cast<std::size_t>(setup.batch);
    for (std::size_t first = 0; first + size <= data.labels.size(); first += size) {
      batches_.push_back(torch::from_blob(images_.data() + first * bench::pixels, {setup.batch, 3, 32, 32})
                             .clone()
                             .to(torch::MemoryFormat::ChannelsLast));
      labels_.push_back(
          torch::from_blob(const_cast<std::int32_t*>(data.labels.data() + first), {setup.batch}, torch::kInt32)
              .to(torch::kInt64));
    }
  }
  double step(int number) override {
    const auto i = static_cast<std::size_t>(number);
    optimizer_->zero_grad();
    torch::Tensor loss = F::cross_entropy(forward(batches_[i], setup_.dropout), labels_[i]);
    loss.backward();
    optimizer_->step();
    return loss.item<double>();
  }
  const float* predict(int number) override {
    const torch::InferenceMode guard;
    logits_ = forward(batches_[static_cast<std::size_t>(number)], false).contiguous();
    return logits_.data_ptr<float>();
  }
  [[nodiscard]] std::size_t parameters() const override { return count_; }

 private:
  torch::Tensor forward(torch::Tensor x, bool drop) {
    const auto pool = F::MaxPool2dFuncOptions(3).stride(2);
    for (std::size_t i = 0; i < convs_.size(); ++i) {
      x = convs_[i]->forward(x).relu_();
      if (i == 0 || i == 1 || i == 4) x = F::max_pool2d(x, pool);
    }
    x = x.flatten(1);
    for (std::size_t i = 0; i < 2; ++i) {
      x = denses_[i]->forward(x).relu_();
      if (drop) x = torch::dropout(x, bench::dropout_rate, true);
    }
    return denses_[2]->forward(x);
  }

  bench::Setup setup_;
  std::vector<float> images_;
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<torch::nn::Linear> denses_;
  std::unique_ptr<torch::optim::SGD> optimizer_;
  std::vector<torch::Tensor> batches_, labels_;
  torch::Tensor logits_;
  std::size_t count_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run(argc, argv, "libtorch", TORCH_VERSION, [](const bench::Setup& setup, const bench::Data& data) {
    return std::unique_ptr<bench::Peer>(std::make_unique<LibTorch>(setup, data));
  });
}
