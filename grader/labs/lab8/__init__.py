"""Lab 8: convolution arithmetic, LeNet-5, a classifier for CIFAR-10, and written questions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from grader.lab import Lab
from grader.types import Contract

INPUT_SHAPE = (3, 32, 32)  # of an image
DATA: Literal["cifar10"] = "cifar10"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

LAB = Lab(
    folder=Path(__file__).parent,
    title="lab 8",
    title_zh="实验 8",
    contract=Contract(
        module="lab8",
        functions=(
            *("conv_output_size", "conv_parameter_count", "lenet5"),
            *("preprocess", "classifier", "train_classifier"),
        ),
        weights="classifier",
        network="classifier",
        preprocess="preprocess",
        train="train_classifier",
        outputs=len(CLASSES),
    ),
    checks=("checks/conv.py", "checks/lenet.py", "checks/classifier.py"),
    named=r"(?:lab|实验)[\s_-]*(?:0*8(?!\d)|八)",  # `Lab8 (1).ipynb`, `pb21_lab_08.py`, `实验八.py`
    tools="lab8_tools.py",
    public=("selftest", "lenet", "learning"),
    public_files=("selftest/images.webp", "selftest/labels.txt"),
    data=DATA,
    classes=CLASSES,
    input_shape=INPUT_SHAPE,
    chance=1 / len(CLASSES),
    measure_minutes=(
        "{minutes:g} minutes for 10,000 test images on one core of a usual computer, far more than most "
        "networks need: the self-test says so if yours needs more than half",
        "在普通电脑的一个核上，10,000 张测试图像 {minutes:g} 分钟，"
        "远多于大多数网络所需：如果你的网络用掉一半以上，自测会告诉你",
    ),
)
