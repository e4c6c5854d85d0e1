# ruff: noqa: E501 (a line's width says little of Chinese)
"""The self-test's messages in Chinese, each by its English wording; Python's own stay as they are."""

from __future__ import annotations

import re

_EXACT = {
    # kinds of lines
    "ok": "通过",
    "FAIL": "失败",
    "open": "未完成",
    "note": "注意",
    "look": "查看",
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
    "look for a loop that never ends": "找一找永不结束的循环",
    "return the result": "请用 return 返回结果",
    "return an object of the class: call it": "请返回这个类的对象：要调用它",
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
    # the rules of the grader
    "there is no network while the grader runs this: nothing can be downloaded": "评分时没有网络：什么也下载不了",
    "the grader has no such device here: use the `device` that train_classifier is given, and no .cuda()": (
        "评分时没有这样的设备：请使用传给 train_classifier 的 device，不要用 .cuda()"
    ),
    "a gradient has to reach every parameter: no torch.no_grad(), no .detach(), .item(), .data or numpy in forward, and no requires_grad=False": (
        "梯度要能到达每一个参数：forward 中不要用 torch.no_grad()、.detach()、.item()、.data 或 numpy，也不要设 requires_grad=False"
    ),
    "look at the clock in every step": "每一步都要看时间",
    "nobody is at the keyboard while the grader runs this": "评分时没有人在键盘前",
    "of what was handed in only the code and the weights are there while the grader runs this": (
        "评分时，提交的文件中只有代码和权重"
    ),
    "only the working folder and tempfile's can be written while the grader runs this": (
        "评分时只能写入工作目录和 tempfile 的目录"
    ),
    # the course of the self-test
    "stopped": "已停止",
    "the code cannot be run": "代码无法运行",
    "nothing that can be graded": "没有可以评分的文件",
    "the code could not be loaded": "代码无法载入",
    "nothing is written there": "还没有写任何内容",
    "the placeholder is still there": "还没有作答，占位文字还在",
    "only the question itself": "只有题目本身",
    "the same words over and over": "同样的词反复出现",
    "no weights were handed in": "没有权重：请训练，然后 save_weights(model)",
    "accuracy": "准确率",
    "the speed of classifier": "classifier 的速度",
    "a smaller network, or smaller images": "请用更小的网络，或者更小的图像",
    "no accuracy": "无法测量准确率",
    "hand it in": "可以提交了",
    "Accuracy on CIFAR-10 test images": "在 CIFAR-10 测试图像上的准确率",
    "accuracy on the test images in data/": "在 data/ 中测试图像上的准确率",
}

# With what varies in it: `*` stands for any text, which is told in Chinese, too, where it is one of these.
_PATTERNS = {
    "waiting for: *": "请先通过“*”",
    "question *": "问题 *",
    "Question *": "问题 *",
    "Task *: write * (*)": "还没写：任务 *，*（*）",
    "*: it returned None": "*：返回了 None",
    "*: expected *, got *": "*：应为 *，得到 *",
    "the shape for a batch of *": "一批 * 张图像时的形状",
    "the number of tensors and of numbers in them": "（张量个数，参数总数）",
    "the shapes": "形状",
    "the feature maps' sizes": "特征图的尺寸",
    "the shape of *": "* 的形状",
    "the logits of * images": "* 张图像的 logits",
    "train_classifier was given * seconds, and was stopped long after": "给了 train_classifier * 秒，它远远超时，被停止了",
    "train_classifier, given * images and * seconds, did not learn them": "train_classifier 用 * 张图像和 * 秒没有学会它们",
    "there is *: is it meant?": "有一个 *：是想写它吗？",
    "train_classifier has a `yield`, so calling it trains nothing: use return": "train_classifier 中有 yield，调用它并不会训练：请用 return",
    "no layer gives * numbers an image": "没有一层为每张图像给出 * 个数",
    "no gradient for *": "* 没有梯度",
    "the gradient of *": "* 的梯度",
    "*: off by up to *, where * is rounding": "*：最多相差 *，而舍入误差不超过 *",
    "the outputs with weights that the self-test sets": "用自测设定的权重计算，输出与 LeNet-5 相比",
    "an image alone and in a batch": "同一张图像单独处理和成批处理的结果",
    "the logits of an image in two batches": "同一张图像在两批中的 logits",
    "the loss went from * to *": "损失从 * 变为 *",
    "beside the parameters *": "除参数以外：*",
    "* gave numbers that are not finite": "* 给出了非有限的数",
    "* gave a tensor without numbers": "* 给出了空张量",
    "* is zero throughout": "* 全为零",
    "* gave *": "* 给出了 *",
    "not done after * seconds on this machine": "在这台机器上 * 秒之后仍未完成",
    "its code used up all of its * seconds": "代码用完了全部 * 秒",
    "the code printed more than * MiB": "代码打印的内容超过 * MiB",
    "the code ended its own process, with exit status *": "代码结束了自己的进程，退出状态为 *",
    "the code took its process down (*)": "代码使进程崩溃（*）",
    "* is not defined in * (*)": "* 没有在 * 中定义（*）",
    "* is not defined in *": "* 没有在 * 中定义",
    "NotImplementedError: Task *: write * (*)": "还没写：任务 *，*（*）",
    "*; because its definition failed: *": "*；因为它的定义在运行时出错：*",
    "*, because its definition failed: *": "*，因为它的定义在运行时出错：*",
    '* stands under `if __name__ == "__main__"`, which is not run': '* 在 `if __name__ == "__main__"` 下面，不会运行',
    "*: a statement at the top level that changes * was not run": "*：顶层有一条改变 * 的语句没有运行",
    "* word": "* 个英文单词",
    "* words and * Chinese characters": "* 个英文单词和 * 个汉字",
    "* words": "* 个英文单词",
    "* Chinese characters": "* 个汉字",
    "at least * words or * Chinese characters are needed": "至少需要 * 个英文单词或 * 个汉字",
    "*: a whole pickled model cannot be opened safely: *": "*：用 pickle 保存的整个模型不能安全打开：请用 save_weights(model) 保存",
    "* is neither a safetensors nor a torch file": "* 既不是 safetensors 文件，也不是 torch 文件",
    "* is not a notebook that can be read (*)": "* 不是可以读取的笔记本（*）",
    "* is empty": "* 是空的",
    "* returned a value of type *, not a torch.nn.Module": "* 返回了 * 类型的值，而不是 torch.nn.Module",
    "* returned a value of type *, not a tensor": "* 返回了 * 类型的值，而不是张量",
    "* returned a value of type *": "* 返回了 * 类型的值",
    "a tensor of floats": "浮点张量",
    "tensor of shape (*), *": "形状为 (*) 的 * 张量",
    "the model": "模型",
    "* returned a value of type *, not *": "* 返回了 * 类型的值，而不是 *",
    "* tensors missing (first: *)": "缺少 * 个张量（第一个：*）",
    "* tensors unexpected (first: *)": "多出 * 个张量（第一个：*）",
    "* tensors of another shape (first: *)": "* 个张量形状不符（第一个：*）",
    "of packages only * and * are sure to be there while the grader runs this, and of modules of your own those "
    "handed in beside the code": "评分时的软件包只有 * 和 *，你自己的模块只有随代码一起提交的那些",
    "* was taken as the code (* of * functions filled in); left aside: *": (
        "以 * 作为代码（* / * 个函数已编写）；不使用：*"
    ),
    "* was taken as the code": "以 * 作为代码",
    "* was taken as the weights; left aside: *": "以 * 作为权重；不使用：*",
    "* was taken as the weights": "以 * 作为权重",
    "taken as the answers: *; left aside: *": "作为回答的是：*；不使用：*",
    "taken as the answers: *": "作为回答的是：*",
    "read with *: *": "与 * 一起读取：*",
    "* cannot be read: answers belong in answers.md or the notebook": "* 无法读取：请把回答写进 answers.md 或笔记本",
    "no code can be graded: *": "没有可以评分的代码：*",
    "no lab8.py or lab8.ipynb was found *": "没有找到 lab8.py 或 lab8.ipynb *",
    "no lab8.py or lab8.ipynb was found": "没有找到 lab8.py 或 lab8.ipynb",
    "a definition failed: *": "有一处定义在运行时出错：*",
    "* is syntax of Python * or newer, which the grader's Python * cannot read, and was left out: *": (
        "* 用了 Python * 或更新版本的语法，评分所用的 Python * 无法读取，已跳过：*"
    ),
    "* is not Python and was left out: *": "* 有语法错误，已跳过：*",
    "*; at least * words or * Chinese characters are needed": "*；至少需要 * 个英文单词或 * 个汉字",
    "the same text as the answer to question *": "与问题 * 的回答相同",
    "no heading for question * was found": "没有找到问题 * 的标题",
    "* of * checks ok, * failed, * open": "检查：通过 * / *，失败 *，未完成 *",
    "* of * questions answered": "问题：已回答 * / *",
    "*, probably between * and *": "*，很可能在 * 与 * 之间",
    "* of * points, if the grader's own inputs say the same": "共 * / * 分，前提是评分程序用自己的输入得到同样的结果",
    "10,000 images take some * minutes on one core here, and may take *": "10,000 张图像在这台机器的一个核上大约需要 * 分钟，最多允许 * 分钟",
    "accuracy on only * test images: for all, put them into data/": (
        "准确率（粗略：只用了 * 张测试图像；要用全部图像，请把数据放进 data/）"
    ),
    "* of * images, * seconds left": "* / * 张图像，还需 * 秒",
    "*, *, *: go on, or hand it in as it is": "*，*，*：请继续完成，或者就这样提交",
    "*, *: go on, or hand it in as it is": "*，*：请继续完成，或者就这样提交",
    "*: go on, or hand it in as it is": "*：请继续完成，或者就这样提交",
    "* of * checks failed": "检查失败 * / *",
    "* of * checks open": "检查未完成 * / *",
    "* of * questions open": "问题未回答 * / *",
    "* is not read, because * is called *: rename it": "未读取 *，因为 * 也叫 *：请改名",
    "lab8.zip holds *": "lab8.zip 中有 *",
    "this Python is newer than the grader's: *": "你的 Python 比评分所用的新：*",
    "pip install ruff, so that what only newer versions read is found": "请 pip install ruff，以便找出只有新版本才能读取的语法",
}


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("((?:(?!; ).)*?)".join(map(re.escape, pattern.split("*"))), re.DOTALL)


_COMPILED = [(_compiled(english), told.split("*")) for english, told in _PATTERNS.items()]
_CELL = re.compile(r"(?:, )?cell (\d+), line (\d+)")
_LINE = re.compile(r"(?<=\.py), line (\d+)")


def chinese(text: str) -> str:
    """The message in Chinese; what is not known of it stays in English."""
    told = _CELL.sub(r" 第 \1 个代码单元第 \2 行", _translated(text))
    return _LINE.sub(r" 第 \1 行", told)


def _translated(text: str) -> str:
    if text in _EXACT:
        return _EXACT[text]
    for pattern, parts in _COMPILED:
        if match := pattern.fullmatch(text):
            values = [*map(_translated, match.groups()), ""]
            return "".join(part + value for part, value in zip(parts, values, strict=True))
    first, found, rest = text.partition("; ")
    return f"{_translated(first)}；{_translated(rest)}" if found else text
