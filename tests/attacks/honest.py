"""The honest part of every attack: a small, complete lab8.py that earns full marks on the checks.

Each attack's own text is appended to it, so that what an attack does not replace is worth what it is here.
"""

import torch
import torch.nn.functional as F
from torch import nn


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    arguments = (input_size, kernel_size, stride, padding)
    sizes = []
    for size, kernel, step, pad in zip(*map(pair, arguments), strict=True):
        if min(size, kernel, step) < 1 or pad < 0 or kernel > size + 2 * pad:
            raise ValueError("no such convolution")
        sizes.append((size + 2 * pad - kernel) // step + 1)
    return tuple(sizes) if any(isinstance(argument, tuple) for argument in arguments) else sizes[0]


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    height, width = pair(kernel_size)
    return out_channels * (in_channels * height * width + bool(bias))


def lenet5():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def preprocess(images):
    return (images.float() / 255 - 0.5) / 0.25


def classifier():
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 10))


def train_classifier(model, images, labels, *, device, seconds, seed):
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    model.to(device).train()
    for rows in torch.randperm(len(images)).split(32):
        optimizer.zero_grad()
        F.cross_entropy(model(preprocess(images[rows].to(device))), labels[rows].to(device)).backward()
        optimizer.step()
    model.eval()
    return {}
