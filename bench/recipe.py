# SPDX-License-Identifier: BSL-1.0
"""bench_recipe's steps in PyTorch: recipe.py THREADS STEPS [bf16]. Eager, channels last, fused SGD where there is one."""
import sys
import time

import torch
from torch import nn

threads, steps, bf16 = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["bf16"]
torch.set_num_threads(threads)
torch.manual_seed(1)


def norm(channels):
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


def group(channels, filters):
    return [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.MaxPool2d(2), norm(filters), nn.GELU(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False), norm(filters), nn.GELU()]


class Scale(nn.Module):
    def forward(self, x):
        return x / 9


net = nn.Sequential(nn.Conv2d(3, 24, 2), nn.GELU(), *group(24, 64), *group(64, 256), *group(256, 256), nn.MaxPool2d(3),
                    nn.Flatten(), nn.Linear(256, 10, bias=False), Scale()).to(memory_format=torch.channels_last)
# BatchNorm's scale is frozen at 1 and not counted.
print("parameters", sum(p.numel() for m in net.modules() for n, p in m.named_parameters(recurse=False)
                        if not (isinstance(m, nn.BatchNorm2d) and n == "weight")))
net[0].weight.requires_grad = False
shifts = [m.bias for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
others = [p for p in net.parameters() if p.requires_grad and not any(p is s for s in shifts)]
groups = [{"params": others, "weight_decay": 0.0013}, {"params": shifts, "lr": 0.3 * 64, "weight_decay": 0.0013 / 64}]
try:
    optimizer = torch.optim.SGD(groups, lr=0.3, momentum=0.85, nesterov=True, fused=True)
except (RuntimeError, TypeError):
    optimizer = torch.optim.SGD(groups, lr=0.3, momentum=0.85, nesterov=True)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.2)
images = (4 * torch.rand(1024, 3, 32, 32) - 2).contiguous(memory_format=torch.channels_last)
labels = torch.arange(1024) % 10

net.train()
for i in range(steps + 1):
    begin = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = loss_of(net(images), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    if i > 0:
        print(f"step {time.perf_counter() - begin:.4f}", flush=True)
