# SPDX-License-Identifier: BSL-1.0
"""PyTorch of today, channels last; --variant compiled: for inference, through torch.compile."""
import peer

o = peer.options()

import torch  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(o.threads)


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


class PyTorch:
    def __init__(self, data, batch, training, dropout):
        self.net = network(data, dropout)
        images = torch.from_numpy(data.images_nchw()).contiguous(memory_format=torch.channels_last)
        self.images = [x.contiguous(memory_format=torch.channels_last) for x in images.split(batch)]
        self.labels = torch.from_numpy(data.labels).long().split(batch)
        self.loss = nn.CrossEntropyLoss()
        if training:
            self.net.train()
            parameters = self.net.parameters()
            try:  # one pass over the memory, where this version has it for processors
                self.optimizer = torch.optim.SGD(parameters, peer.LEARNING_RATE, peer.MOMENTUM, fused=True)
            except (RuntimeError, TypeError):
                self.optimizer = torch.optim.SGD(self.net.parameters(), peer.LEARNING_RATE, peer.MOMENTUM)
        else:
            self.net.eval()
            self.call = torch.compile(self.net) if o.variant == "compiled" else self.net

    def parameters(self):
        return sum(p.numel() for p in self.net.parameters())

    def step(self, i):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.net(self.images[i]), self.labels[i])
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def predict(self, i):
        with torch.inference_mode():
            return self.call(self.images[i])


if o.variant == "compiled":
    del PyTorch.step  # inference alone
name = "pytorch-compiled" if o.variant == "compiled" else "pytorch"
peer.main(name, torch.__version__, PyTorch, o)
