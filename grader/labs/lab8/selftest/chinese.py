# ruff: noqa: E501 (a line's width says little of Chinese)
"""The lab's own messages in Chinese, each by its English wording; a `*` stands for any text."""

from __future__ import annotations

CHINESE = {
    # titles
    "conv_output_size where every step fits": "conv_output_size：步长恰好整除时",
    "conv_output_size where the last step does not fit, always as an int": (
        "conv_output_size：步长不能整除时向下取整，结果总是 int"
    ),
    "conv_output_size of pairs": "conv_output_size：参数是一对数时",
    "conv_output_size of what cannot be": "conv_output_size：不可能存在的尺寸",
    "conv_parameter_count with and without biases": "conv_parameter_count：有偏置和没有偏置时",
    "conv_parameter_count of a kernel that is not square": "conv_parameter_count：卷积核不是正方形时",
    "lenet5 gives ten logits an image": "lenet5 为每张图像给出十个 logits",
    "lenet5 has LeNet-5's parameters": "lenet5 具有 LeNet-5 的参数",
    "lenet5 has LeNet-5's feature maps": "lenet5 具有 LeNet-5 的特征图",
    "lenet5 computes what LeNet-5 computes": "lenet5 的计算结果与 LeNet-5 相同",
    "a backward pass reaches all of lenet5": "反向传播能到达 lenet5 的每一个参数",
    "preprocess gives floats, image by image": "preprocess 逐张给出浮点数",
    "classifier gives ten finite logits an image": "classifier 为每张图像给出十个有限的 logits",
    "train_classifier learns from a few images": "train_classifier 能从少量图像中学习",
    "the weights fit classifier": "权重与 classifier 吻合",
    # hints
    "(input + 2 · padding − kernel) / stride + 1": "(输入 + 2 · 填充 − 卷积核) / 步长 + 1",
    "an int; a step that would reach over the edge is not taken: divide with //": (
        "结果是 int；会越过边缘的那一步不算：请用 // 取整"
    ),
    "(height, width); an int stands for both, and one pair makes the result a pair": (
        "（高，宽）；一个 int 同时代表两者；只要有一个参数是一对数，结果就是一对数"
    ),
    "raise ValueError: sizes, kernels and strides are at least 1, padding 0, and the kernel has to fit": (
        "应抛出 ValueError：尺寸、卷积核和步长至少为 1，填充至少为 0，并且卷积核要放得下"
    ),
    "a kernel as large as the padded input fits once": "卷积核与填充后的输入一样大时，正好放得下一次",
    "the weights of every kernel, and one bias for each output channel": "每个卷积核的权重，再加每个输出通道一个偏置",
    "a kernel of (height, width) has height · width weights a channel": "（高，宽）的卷积核每个输入通道有 高 × 宽 个权重",
    "return the result: print only shows it": "请用 return 返回结果：print 只是把它显示出来",
    "flatten all but the first dimension": "除第一维以外全部展平",
    "two convolutions and three linear layers, all with biases, and no more": (
        "两个卷积层和三个全连接层，都带偏置，再无其他"
    ),
    "5×5 convolutions without padding, a pooling by 2 after each": "5×5 卷积，不填充，每个之后做步长为 2 的池化",
    "ReLU and 2×2 max-pooling after each convolution, ReLU between the linear layers, no more": (
        "每个卷积之后是 ReLU 和 2×2 最大池化，全连接层之间是 ReLU，再无其他"
    ),
    "in forward, stay with tensors: no .detach(), .item(), .data, numpy or new tensors": (
        "forward 中始终使用张量：不要用 .detach()、.item()、.data、numpy，也不要新建张量"
    ),
    "a layer that is defined has to be used": "定义了的层就要用上",
    "train the model given, not a copy or another one, and call optimizer.step()": "请训练传入的模型，而不是副本或别的模型，并调用 optimizer.step()",
    "train_classifier left the model given as it was": "train_classifier 没有改变传入的模型",
    "float64 where networks usually take float32: images.float()": "得到的是 float64，而网络通常使用 float32：images.float()",
    "numbers far from 0: a network learns fastest with a mean about 0 and a spread about 1": "数值离 0 太远：均值约为 0、标准差约为 1 时，网络学得最快",
    "is there a softmax at the end? F.cross_entropy takes logits, and does it itself": "最后是不是有 softmax？F.cross_entropy 接受 logits，它自己会做 softmax",
    "see to them first": "先把它们改对",
    "its parameters are not LeNet-5's": "它的参数不是 LeNet-5 的参数",
    "no layers but LeNet-5's": "除 LeNet-5 的层以外，不要有别的层",
    "preprocess changed the images that it was given": "preprocess 改动了传给它的图像",
    "make a new tensor: images.float()": "请新建一个张量：images.float()",
    "no randomness, and fixed numbers: no mean or maximum of the batch": (
        "不要有随机性，只用固定的数：不要用这一批图像的均值或最大值"
    ),
    "dropout and batch norm have to obey model.eval(); nothing may be computed over the batch": (
        "dropout 和批归一化必须随 model.eval() 切换；不得对整批图像做统计"
    ),
    "train the model given: zero_grad, forward, backward, step; if you do, begin with small steps": (
        "训练传入的那个模型：zero_grad、前向计算、backward、step；如果都做了，请从小的学习率开始"
    ),
    "train again, or change classifier() back to what you trained; then save_weights(model)": (
        "请重新训练，或者把 classifier() 改回训练时的样子；然后 save_weights(model)"
    ),
    "the speed of classifier": "classifier 的速度",
    "a smaller network, or smaller images": "请用更小的网络，或者更小的图像",
    "Accuracy on CIFAR-10 test images": "在 CIFAR-10 测试图像上的准确率",
    "accuracy on the test images in data/": "在 data/ 中测试图像上的准确率",
    "the shape for a batch of *": "一批 * 张图像时的形状",
    "the number of tensors and of numbers in them": "（张量个数，参数总数）",
    "the shapes": "形状",
    "the feature maps' sizes": "特征图的尺寸",
    "the logits of * images": "* 张图像的 logits",
    "train_classifier was given * seconds, and was stopped long after": "给了 train_classifier * 秒，它远远超时，被停止了",
    "train_classifier, given * images and * seconds, did not learn them": "train_classifier 用 * 张图像和 * 秒没有学会它们",
    "no layer gives * numbers an image": "没有一层为每张图像给出 * 个数",
    "no gradient for *": "* 没有梯度",
    "the gradient of *": "* 的梯度",
    "the outputs with weights that the self-test sets": "用自测设定的权重计算，输出与 LeNet-5 相比",
    "an image alone and in a batch": "同一张图像单独处理和成批处理的结果",
    "the logits of an image in two batches": "同一张图像在两批中的 logits",
    "the loss went from * to *": "损失从 * 变为 *",
    "beside the parameters *": "除参数以外：*",
    "10,000 images take some * minutes on one core here, and may take *": "10,000 张图像在这台机器的一个核上大约需要 * 分钟，最多允许 * 分钟",
    "accuracy on only * test images: for all, put them into data/": (
        "准确率（粗略：只用了 * 张测试图像；要用全部图像，请把数据放进 data/）"
    ),
    "return the history, a dict, which may be empty: it was of type *, which costs nothing": (
        "请返回记录训练过程的字典，空字典也行：现在返回的是 * 类型，但不扣分"
    ),
}
