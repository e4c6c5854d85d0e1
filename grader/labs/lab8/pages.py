# ruff: noqa: E501 (a line's width says little of Chinese)
"""What the students' pages say of this lab in Chinese, see `grader.report.words`."""

from __future__ import annotations

# The checks' lines, as the students' README has them.
TITLES = {
    "conv_size_formula": "步长恰好整除时，`conv_output_size` 给出正确的尺寸。",
    "conv_size_floor": "步长不能整除时向下取整，并且尺寸总是 int。",
    "conv_size_pairs": "任何参数都可以是一对数（高，宽），可与 int 混用，此时结果也是一对数。",
    "conv_size_impossible": "遇到不可能存在的尺寸时抛出 ValueError。",
    "conv_params_bias": "`conv_parameter_count` 计入权重和偏置；没有偏置时不计偏置。",
    "conv_params_nonsquare": "`conv_parameter_count` 对非正方形的卷积核也计算正确。",
    "lenet_output_shape": "对任何批大小 N，`lenet5()` 都把 (N, 1, 32, 32) 映射为 (N, 10)。",
    "lenet_parameter_shapes": "`lenet5()` 具有 LeNet-5 的十个参数张量，共 61,706 个数。",
    "lenet_feature_maps": "`lenet5()` 内部的特征图依次为 6×28×28、6×14×14、16×10×10 和 16×5×5。",
    "lenet_same_function": "权重相同时，`lenet5()` 的计算结果与 LeNet-5 相同：ReLU、最大池化，别无其他。",
    "lenet_gradients": "对 `lenet5()` 做一次反向传播，梯度能到达每一个参数。",
    "classifier_preprocess": "`preprocess` 把 uint8 图像逐张变为有限的浮点数，并且不改动输入。",
    "classifier_logits": "`classifier()` 给出有限的 logits (N, 10)；在评估模式下，结果与同批的其他图像无关。",
    "classifier_weights_load": "提交的权重与 `classifier()` 完全吻合：每个张量都在，没有多余的。",
    "classifier_trains": "`train_classifier` 在 3 秒内学会 250 张真实图像；不够时，最多给 40 秒，或换一个小网络。",
    "accuracy": "在 CIFAR-10 测试图像上的准确率",
}

CLASSES = {
    **{"airplane": "飞机", "automobile": "汽车", "bird": "鸟", "cat": "猫", "deer": "鹿"},
    **{"dog": "狗", "frog": "青蛙", "horse": "马", "ship": "船", "truck": "卡车"},
}

# Hints and reasons of the hidden checks that the self-test words otherwise.
MESSAGES = {
    "(input + 2 · padding − kernel) / stride + 1; stride is 1 and padding 0 where not given": "(输入 + 2 · 填充 − 卷积核) / 步长 + 1；没有给出时，步长为 1，填充为 0",
    "the last partial step is dropped: divide with //": "最后不完整的一步不算：请用 // 取整",
    "an int stands for both height and width; one pair among the arguments makes the result a pair": "一个 int 同时代表高和宽；只要有一个参数是一对数，结果就是一对数",
    "look for sizes, kernels and strides below 1, padding below 0, kernels that do not fit": "检查小于 1 的尺寸、卷积核和步长，小于 0 的填充，以及放不下的卷积核",
    "out · in · kernel · kernel weights, and one bias for each output channel: an int": "权重有 输出 · 输入 · 核 · 核 个，每个输出通道再加一个偏置；结果是 int",
    "convolutions 1→6 and 6→16 of 5×5, then linear layers 400→120→84→10, all with a bias": "1→6 和 6→16 的 5×5 卷积，然后是 400→120→84→10 的全连接层，都带偏置",
    "ReLU and 2×2 max-pooling after each convolution, ReLU between linear layers, no more": "每个卷积之后是 ReLU 和 2×2 最大池化，全连接层之间是 ReLU，再无其他",
    "a layer that is defined has to be used, and what goes into it has to come from the images": "定义了的层就要用上，输入它的数也要来自图像",
    "leave the layers as PyTorch initialises them": "请保留 PyTorch 的初始化",
    "no randomness, and no mean or maximum taken over the batch": "不要有随机性，也不要对整批求平均或最大值",
    "dropout and batch norm have to obey model.eval(); nothing may be computed over the batch": "dropout 和 batch norm 要服从 model.eval()；不能对整批做计算",
    "save model.state_dict() of the very network that classifier() builds": "请保存 classifier() 所构建的那个网络的 model.state_dict()",
}
