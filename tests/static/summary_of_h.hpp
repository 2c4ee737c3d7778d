// SPDX-License-Identifier: BSL-1.0
// What Keras 2 printed of row h of the notes, in July 2021.
#pragma once
#include <strata/network.hpp>

inline constexpr strata::FixedString summary_of_h = R"(
Model: "sequential"
_________________________________________________________________
Layer (type)                 Output Shape              Param #   
=================================================================
conv2d (Conv2D)              (None, 32, 32, 96)        7296      
max_pooling2d (MaxPooling2D) (None, 15, 15, 96)        0         
conv2d_1 (Conv2D)            (None, 8, 8, 256)         614656    
max_pooling2d_1 (MaxPooling2 (None, 3, 3, 256)         0         
conv2d_2 (Conv2D)            (None, 3, 3, 384)         885120    
conv2d_3 (Conv2D)            (None, 3, 3, 384)         1327488   
conv2d_4 (Conv2D)            (None, 3, 3, 256)         884992    
max_pooling2d_2 (MaxPooling2 (None, 1, 1, 256)         0         
flatten (Flatten)            (None, 256)               0         
dense (Dense)                (None, 4096)              1052672   
dropout (Dropout)            (None, 4096)              0         
dense_1 (Dense)              (None, 4096)              16781312  
dropout_1 (Dropout)          (None, 4096)              0         
dense_2 (Dense)              (None, 100)               409700    
=================================================================
)";
