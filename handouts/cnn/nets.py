"""The networks of the handouts, as their papers describe them, for reading.

Where the paper and today's usual implementation differ, the comment says which it is.
The number of parameters stands beside each; the tests hold them to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LeNet5(nn.Module):
    """(N, 1, 32, 32) -> logits (N, 10); 61,706 parameters. After LeCun, Bottou, Bengio and Haffner, 1998."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(self.conv1(images).relu())  # (N, 6, 14, 14)
        maps = self.pool(self.conv2(maps).relu())  # (N, 16, 5, 5)
        hidden = self.fc1(maps.flatten(start_dim=1)).relu()  # (N, 120)
        hidden = self.fc2(hidden).relu()  # (N, 84)
        return self.fc3(hidden)


class AlexNet(nn.Sequential):
    """(N, 3, 227, 227) -> logits (N, 1000); 62,378,344 parameters.

    Krizhevsky, Sutskever and Hinton, 2012, in one piece. Their two halves, each on a GPU of its own,
    connect conv2, conv4 and conv5 only within a half: `groups=2` builds that, 60,965,224 parameters.
    """

    def __init__(self, groups: int = 1) -> None:
        def norm() -> nn.LocalResponseNorm:
            return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)

        layers: dict[str, nn.Module] = {
            "conv1": nn.Conv2d(3, 96, 11, stride=4), "relu1": nn.ReLU(), "norm1": norm(),
            "pool1": nn.MaxPool2d(3, stride=2),  # (N, 96, 27, 27)
            "conv2": nn.Conv2d(96, 256, 5, padding=2, groups=groups), "relu2": nn.ReLU(), "norm2": norm(),
            "pool2": nn.MaxPool2d(3, stride=2),  # (N, 256, 13, 13)
            "conv3": nn.Conv2d(256, 384, 3, padding=1), "relu3": nn.ReLU(),
            "conv4": nn.Conv2d(384, 384, 3, padding=1, groups=groups), "relu4": nn.ReLU(),
            "conv5": nn.Conv2d(384, 256, 3, padding=1, groups=groups), "relu5": nn.ReLU(),
            "pool5": nn.MaxPool2d(3, stride=2),  # (N, 256, 6, 6)
            "flatten": nn.Flatten(),
            "drop6": nn.Dropout(), "fc6": nn.Linear(256 * 6 * 6, 4096), "relu6": nn.ReLU(),
            "drop7": nn.Dropout(), "fc7": nn.Linear(4096, 4096), "relu7": nn.ReLU(),
            "fc8": nn.Linear(4096, 1000),
        }  # fmt: skip
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


class VGG16(nn.Sequential):
    """(N, 3, 224, 224) -> logits (N, 1000); 138,357,544 parameters. Simonyan and Zisserman, 2014."""

    def __init__(self) -> None:
        super().__init__()
        inputs = 3
        for stage, (width, depth) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1):
            for step in range(1, depth + 1):
                self.add_module(f"conv{stage}_{step}", nn.Conv2d(inputs, width, 3, padding=1))
                self.add_module(f"relu{stage}_{step}", nn.ReLU())
                inputs = width
            self.add_module(f"pool{stage}", nn.MaxPool2d(2))  # 112, 56, 28, 14, 7 pixels wide
        self.add_module("flatten", nn.Flatten())
        for number, (wide, narrow) in enumerate([(512 * 7 * 7, 4096), (4096, 4096)], start=6):
            self.add_module(f"fc{number}", nn.Linear(wide, narrow))
            self.add_module(f"relu{number}", nn.ReLU())
            self.add_module(f"drop{number}", nn.Dropout())
        self.add_module("fc8", nn.Linear(4096, 1000))


class ConvNorm(nn.Sequential):
    """A convolution without bias, for the batch norm behind it has one, and a ReLU unless told otherwise."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, eps: float = 1e-3, relu: bool = True
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=eps),
        )
        if relu:
            self.append(nn.ReLU())


class Inception(nn.Module):
    """Four ways side by side on the same input, their channels put together; height and width stay.

    `middle` and `wide` are (channels after the 1x1 that makes it cheap, channels of the way).
    """

    def __init__(
        self, inputs: int, one: int, middle: tuple[int, int], wide: tuple[int, int], pooled: int, kernel: int
    ) -> None:
        super().__init__()
        self.one = ConvNorm(inputs, one, 1)
        self.middle = nn.Sequential(ConvNorm(inputs, middle[0], 1), ConvNorm(*middle, 3))
        self.wide = nn.Sequential(ConvNorm(inputs, wide[0], 1), ConvNorm(*wide, kernel))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvNorm(inputs, pooled, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.one(maps), self.middle(maps), self.wide(maps), self.pooled(maps)], dim=1)


class AuxiliaryHead(nn.Module):
    """A small classifier in the middle of the net: (N, inputs, 14, 14) -> logits (N, 1000)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = ConvNorm(inputs, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, 1000)
        self.drop = nn.Dropout(0.7)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv(nn.functional.adaptive_avg_pool2d(maps, 4))
        return self.fc2(self.drop(self.fc1(maps.flatten(start_dim=1)).relu()))


class GoogLeNet(nn.Module):
    """(N, 3, 224, 224) -> logits (N, 1000); 6,624,904 parameters, with both auxiliary heads 13,004,888.

    Szegedy et al., 2014, as it is built today: with batch norm, and with a 3x3 kernel where the paper's
    inception modules have 5x5; `kernel=5` is the paper's. In training, with `heads`, a call returns
    the logits of the net, of the later and of the earlier head.
    """

    def __init__(self, heads: bool = False, kernel: int = 3) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 64, 7, stride=2)
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvNorm(64, 64, 1)
        self.conv3 = ConvNorm(64, 192, 3)
        self.pool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32, kernel)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64, kernel)
        self.pool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64, kernel)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64, kernel)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64, kernel)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64, kernel)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128, kernel)
        self.pool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128, kernel)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128, kernel)
        self.head1 = AuxiliaryHead(512) if heads else None  # after inception4a
        self.head2 = AuxiliaryHead(528) if heads else None  # after inception4d
        self.average = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        maps = self.pool1(self.conv1(images))  # (N, 64, 56, 56)
        maps = self.pool2(self.conv3(self.conv2(maps)))  # (N, 192, 28, 28)
        maps = self.pool3(self.inception3b(self.inception3a(maps)))  # (N, 480, 14, 14)
        early = self.inception4a(maps)
        late = self.inception4d(self.inception4c(self.inception4b(early)))
        maps = self.pool4(self.inception4e(late))  # (N, 832, 7, 7)
        maps = self.inception5b(self.inception5a(maps))  # (N, 1024, 7, 7)
        logits = self.fc(self.drop(self.average(maps).flatten(start_dim=1)))
        if self.training and self.head1 is not None and self.head2 is not None:
            return logits, self.head2(late), self.head1(early)
        return logits


class Residual(nn.Module):
    """Two 3x3 convolutions, or a 1x1, 3x3, 1x1 bottleneck, whose result is added to their input.

    Where the shapes differ, a 1x1 convolution with the same stride, the projection, fits the input.
    """

    def __init__(self, inputs: int, width: int, outputs: int, stride: int, bottleneck: bool) -> None:
        super().__init__()

        def conv(wide: int, narrow: int, kernel: int, step: int = 1, relu: bool = False) -> ConvNorm:
            return ConvNorm(wide, narrow, kernel, step, eps=1e-5, relu=relu)

        if bottleneck:
            first = [conv(inputs, width, 1, relu=True), conv(width, width, 3, stride, relu=True)]
            self.body = nn.Sequential(*first, conv(width, outputs, 1))
        else:
            self.body = nn.Sequential(conv(inputs, width, 3, stride, relu=True), conv(width, outputs, 3))
        same = stride == 1 and inputs == outputs
        self.projection = nn.Identity() if same else conv(inputs, outputs, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.body(maps) + self.projection(maps))


class ResNet(nn.Module):
    """(N, 3, 224, 224) -> logits (N, 1000). He et al., 2015; build it with `resnet`.

    As it is built today: the stride of a bottleneck sits in its 3x3 convolution. With `small_images` the
    stem is one 3x3 convolution that keeps the size, as is usual for 32x32 pixels.
    """

    def __init__(self, depths: Sequence[int], bottleneck: bool, small_images: bool = False) -> None:
        super().__init__()
        kernel, stride = (3, 1) if small_images else (7, 2)
        self.conv1 = ConvNorm(3, 64, kernel, stride, eps=1e-5)
        self.pool = nn.Identity() if small_images else nn.MaxPool2d(3, stride=2, padding=1)
        inputs = 64
        for stage, depth in enumerate(depths):
            width = 64 * 2**stage
            outputs = width * 4 if bottleneck else width
            blocks = []
            for step in range(depth):
                stride = 2 if stage > 0 and step == 0 else 1
                blocks.append(Residual(inputs, width, outputs, stride, bottleneck))
                inputs = outputs
            self.add_module(f"stage{stage + 2}", nn.Sequential(*blocks))  # the paper counts from conv2_x
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(inputs, 1000)

    def forward(self, images: Tensor) -> Tensor:
        for layer in self.children():
            images = layer(images)
        return images


# Layers -> residual blocks of the four stages, and whether they are bottlenecks.
RESNETS = {
    18: ((2, 2, 2, 2), False),  # 11,689,512 parameters
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),  # 60,192,808 parameters
}


def resnet(layers: int = 18, small_images: bool = False) -> ResNet:
    """One of the paper's five ResNets, by its number of convolutions and linear layers."""
    depths, bottleneck = RESNETS[layers]
    return ResNet(depths, bottleneck, small_images)


def count_parameters(net: nn.Module) -> int:
    """How many numbers the net learns."""
    return sum(parameter.numel() for parameter in net.parameters())
