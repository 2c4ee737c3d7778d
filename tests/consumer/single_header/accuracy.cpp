// SPDX-License-Identifier: BSL-1.0
#include "network.hpp"

double accuracy(strata::Model<Net>& model, const strata::ArrayDataset<strata::Shape{4, 4, 1}, 2>& data) {
  return strata::evaluate(model, data).accuracy;
}
