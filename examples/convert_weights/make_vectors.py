#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""make_vectors.py FOLDER: writes the data for tests/unit/exchange_test.cpp and tests/examples/convert_weights_test.py.

It makes a network with random weights in PyTorch and in Keras, and writes its weights as the framework stores them (PyTorch
only) and converted, the inputs, and the framework's outputs, computed in double precision and rounded. It also converts the
weights back into a new network of the framework, which must give the same outputs. requirements.txt pins the versions.
"""
import os
import sys
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="2")
import keras
import numpy
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import convert_weights as convert

MAP = (3, 3, 6)  # before Flatten


def torch_net():
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 6, (2, 3), padding="same", bias=False), nn.BatchNorm2d(6, eps=1e-5), nn.ReLU(),
        nn.Flatten(), nn.Linear(54, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5))


def keras_net():
    layers = keras.layers
    return keras.Sequential([
        keras.Input((11, 12, 4)),
        layers.Conv2D(8, 3, strides=2, padding="same"), layers.BatchNormalization(), layers.ReLU(),
        layers.Conv2D(12, 3, padding="same", groups=2), layers.ReLU(), layers.MaxPooling2D(2),
        layers.Conv2D(6, (2, 3), padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.Flatten(), layers.Dense(16), layers.BatchNormalization(), layers.ReLU(), layers.Dense(5)])


def drawn(draw, name, shape):
    """Random weights without a symmetry that would hide an exchange."""
    if "var" in name:
        return draw.uniform(0.2, 3, shape)
    return draw.normal(0, 0.4, shape) + (1 if "gamma" in name else 0)


def vectors(inputs, outputs):
    return {"inputs": numpy.ascontiguousarray(inputs, numpy.float32), "outputs": outputs.astype(numpy.float32)}


def make_pytorch(folder, inputs):
    draw = numpy.random.default_rng(1)
    net = torch_net().eval()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.from_numpy(drawn(draw, name, tensor.shape)))

    def compute(module):
        with torch.no_grad():
            return module.double()(torch.from_numpy(inputs).permute(0, 3, 1, 2).double()).numpy()

    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()}
    save_file(state, folder / "pytorch_state.safetensors")
    outputs = compute(net)
    net_file = folder / "pytorch_net.safetensors"
    (folder / "pytorch_state.safetensors").chmod(0o644)
    arrays = {name: tensor.numpy() for name, tensor in load_file(folder / "pytorch_state.safetensors").items()}
    convert.write(net_file, convert.from_pytorch(arrays, flatten=MAP, epsilon=1e-5))
    convert.write(folder / "pytorch_vectors.safetensors", vectors(inputs, outputs))
    # Back into a new network.
    back = torch_net().eval()
    modules = [name for name, module in back.named_modules() if list(module.parameters(recurse=False))]
    state = convert.to_pytorch(net_file, MAP, modules, 1e-5)
    back.load_state_dict({name: torch.from_numpy(numpy.array(array)) for name, array in state.items()})
    close(outputs, compute(back))


def make_keras(folder, inputs):
    draw = numpy.random.default_rng(2)
    keras.backend.set_floatx("float64")
    net = keras_net()
    net.set_weights([drawn(draw, weight.path, weight.shape).astype(numpy.float32) for weight in net.weights])
    outputs = net.predict(inputs.astype(numpy.float64), verbose=0)
    net_file = folder / "keras_net.safetensors"
    tensors = {name: array.astype(numpy.float32) for name, array in convert.from_keras(net).items()}
    convert.write(net_file, tensors)
    convert.write(folder / "keras_vectors.safetensors", vectors(inputs, outputs))
    back = keras_net()
    convert.to_keras(net_file, back)
    close(outputs, back.predict(inputs.astype(numpy.float64), verbose=0))


def close(expected, found):
    worst = numpy.abs(expected - found).max() / numpy.abs(expected).max()
    if not worst <= 1e-6:
        sys.exit(f"the weights that were converted back give other outputs: {worst}")
    print(f"largest difference after a round trip: {worst:.1e} of the largest output")


def main():
    folder = Path(sys.argv[1])
    inputs = numpy.random.default_rng(0).normal(0, 1, (6, 11, 12, 4)).astype(numpy.float32)
    make_pytorch(folder, inputs)
    make_keras(folder, inputs)


if __name__ == "__main__":
    main()
