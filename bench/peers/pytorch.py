# SPDX-License-Identifier: BSL-1.0
"""PyTorch of today, channels last; --variant compiled: for inference, through torch.compile."""
import peer

o = peer.options()

import torch  # noqa: E402
from pytorch_network import network  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(o.threads)


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
