// SPDX-License-Identifier: BSL-1.0
// ChannelShuffle: another order of the channels.
#pragma once
#include <array>

#include <strata/core/options.hpp>

namespace strata {

// Takes the channels of Groups groups in turn, the first of each, then the second of each, ... (Zhang, Zhou, Lin, Sun
// 2018): output channel j Groups + i is input channel i C / Groups + j. (N,H,W,C) or (N,C), which it keeps. PyTorch's
// nn.ChannelShuffle(Groups); in Keras two Reshapes and a Permute. Errors: not_positive, groups_do_not_divide_channels.
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
