# SPDX-License-Identifier: BSL-1.0
"""AlexNet for 32x32 images in PyTorch, with the data's weights, channels last."""
import peer
import torch
from torch import nn


def network(data, dropout):
    layers = []
    for i, ((kernel, stride, inputs, outputs), (w, b)) in enumerate(zip(peer.LAYERS, data.weights)):
        if i < peer.CONVOLUTIONS:
            layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
            w = w.transpose(3, 2, 0, 1)
        else:
            layer = nn.Linear(inputs, outputs)
            w = w.T
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w.copy()))
            layer.bias.copy_(torch.from_numpy(b.copy()))
        layers.append(layer)
        if i + 1 < len(peer.LAYERS):
            layers.append(nn.ReLU(inplace=True))
        if i in peer.POOLS:
            layers.append(nn.MaxPool2d(3, 2))
        if i == peer.CONVOLUTIONS - 1:
            layers.append(nn.Flatten())
        if dropout and i in (5, 6):
            layers.append(nn.Dropout(peer.DROPOUT))
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)
