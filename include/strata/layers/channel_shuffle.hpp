// SPDX-License-Identifier: BSL-1.0
// ChannelShuffle: another order of the channels.
#pragma once
#include <array>

#include <strata/core/options.hpp>

namespace strata {

// Takes the channels of Groups groups in turn: the first of each group, then the second of each, and so on. It lets the
// groups of a grouped convolution exchange channels.
// Formula: y[j Groups + i] = x[i C / Groups + j]
// Shapes: (N,H,W,C) or (N,C), which it keeps
// Options: Groups, a divisor of the channels
// Errors: not_positive, groups_do_not_divide_channels
// Example: using Net = Sequential<Input<32, 32, 8>, Conv<1, 16, Groups<4>>, ChannelShuffle<4>, Conv<3, 16, Groups<16>>>;
// Keras: Reshape, Permute and Reshape
// PyTorch: nn.ChannelShuffle(Groups)
// Source: Zhang, Zhou, Lin, Sun 2018
template <int Groups>
struct ChannelShuffle {
  static constexpr const char* name = "ChannelShuffle";
  static constexpr int groups = Groups;
  static constexpr std::array numbers{static_cast<double>(Groups)};
  static constexpr LayerInfo infer(Shape in) {
    LayerInfo s = detail::keep(in, Values::as_before);
    detail::check_groups(s, in.channels, Groups);
    return s;
  }
};

}  // namespace strata
