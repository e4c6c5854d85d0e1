# ruff: noqa: E501 (a line's width says little of Chinese)
"""The pages' words in English and Chinese. The templates have the English; here is its Chinese."""

from __future__ import annotations

from typing import Literal

from grader.selftest.chinese import chinese as message_in_chinese

Language = Literal["en", "zh"]

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

_CLASSES = {
    **{"airplane": "飞机", "automobile": "汽车", "bird": "鸟", "cat": "猫", "deer": "鹿"},
    **{"dog": "狗", "frog": "青蛙", "horse": "马", "ship": "船", "truck": "卡车"},
}

# Hints and reasons of the hidden checks that the self-test words otherwise.
_MESSAGES = {
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
    "nothing was handed in": "没有提交作业",
    "no lab8.py or lab8.ipynb was handed in": "没有提交 lab8.py 或 lab8.ipynb",
    "no answers were handed in": "没有提交回答",
    "the placeholder is still there": "占位文字还在",
    "only the question itself": "只有问题本身",
    "nothing is written there": "什么也没有写",
    "the same words over and over": "翻来覆去都是同样的词",
}

CHINESE = {
    # all pages
    "; ": "；",
    "{points} of {out_of} points": "{points} / {out_of} 分",
    "points": "分数",
    "accuracy": "准确率",
    "accuracy in %": "准确率（%）",
    # the statuses
    "graded": "已评分",
    "absent": "未提交",
    "not gradable": "无法评分",
    "timeout": "超时",
    "out of memory": "内存不足",
    "crashed": "崩溃",
    "quarantined": "待人工处理",
    "grader error": "评分程序出错",
    # feedback
    "Feedback": "作业反馈",
    "attempt {number}": "第 {number} 次提交",
    "handed in {at}": "提交时间 {at}",
    "No mark yet": "暂无成绩",
    "No mark": "没有成绩",
    "Something went wrong on the grader's side. That is not your fault and costs you nothing: your work will be graded again.": "评分程序出了问题。这不是你的错，也不会扣分：你的作业会重新评分。",
    "Your hand-in was set aside, because the program could not tell how to grade it. A person will look at it; until then there is no mark.": "程序无法判断应如何给你的提交评分，所以先放在一边。会有人工查看，在此之前没有成绩。",
    "You are excused: there is no mark, and nothing counts against you.": "你已获准免交：没有成绩，也没有任何扣分。",
    "Your work was excluded by a decision of the course. Ask your instructor about it.": "课程决定不计入你的作业。请向任课教师询问。",
    "Nothing was handed in.": "没有收到你的提交。",
    "Your code was stopped: {reason}": "你的代码被中止：{reason}",
    "What you handed in cannot be graded: {reason}": "你提交的内容无法评分：{reason}",
    "The deduction for lateness is {points} points: it was handed in {hours} hours after your deadline.": "因迟交扣 {points} 分：在你的截止时间之后 {hours} 小时提交。",
    "Handed in {hours} hours after your deadline; that costs nothing.": "在你的截止时间之后 {hours} 小时提交，没有扣分。",
    "A person has decided on points here; the reasons stand below.": "有教师或助教对分数作了决定，理由见下文。",
    "checks": "检查项",
    "written answers": "书面回答",
    "What lost points": "哪里失了分",
    "The most expensive comes first. The hidden checks use numbers of their own; `python selftest.py` checks the same with others, as often as you like.": "失分最多的在前。隐藏检查用它们自己的数；`python selftest.py` 用别的数做同样的检查，想查多少次都可以。",
    "Nothing: every point was earned.": "没有失分：所有的分都拿到了。",
    "expected": "应为",
    "got": "得到",
    "hint": "提示",
    "why": "原因",
    "With it {count} more could not be checked:": "因为它，另有 {count} 项无法检查：",
    "The next point costs {percent} more accuracy: {images} more images right.": "再得 1 分需要准确率提高 {percent}，即多答对 {images} 张。",
    "The points that are left cost {percent} more accuracy: {images} more images right.": "拿到余下的分需要准确率提高 {percent}，即多答对 {images} 张。",
    "decided by a person": "人工决定",
    "Accuracy": "准确率",
    "Your network could not be measured: {reason}": "无法测量你的网络：{reason}",
    "Your network is right on {correct} of {images} test images: {accuracy}, which earns {points} of {out_of} points.": "你的网络在 {images} 张测试图像中答对 {correct} 张：{accuracy}，得 {points} / {out_of} 分。",
    "On other images of the same kind it would probably lie between {low} and {high} (95 % interval).": "换成同类的其他图像，准确率很可能在 {low} 与 {high} 之间（95 % 置信区间）。",
    "You are here; the next point costs {percent} more accuracy: {images} more images right.": "你在这里；再得 1 分需要准确率提高 {percent}，即多答对 {images} 张。",
    "You are here; the points that are left cost {percent} more accuracy: {images} more images right.": "你在这里；拿到余下的分需要准确率提高 {percent}，即多答对 {images} 张。",
    "All points for the accuracy are yours.": "准确率的分你都拿到了。",
    "These images were never published, so nobody can have trained on them. On the public test images it is {accuracy}.": "这些图像从未公开，所以没有人能用它们训练。在公开的测试图像上是 {accuracy}。",
    "The weights are from a training by the grader, with your `train_classifier`.": "权重由评分程序用你的 `train_classifier` 训练得到。",
    "From accuracy to points": "从准确率到分数",
    "The curve from accuracy to points. You are at {accuracy}, which earns {points} points.": "从准确率到分数的曲线。你的准确率是 {accuracy}，得 {points} 分。",
    "The curve from accuracy to points.": "从准确率到分数的曲线。",
    "you are here": "你在这里",
    "What it takes for what": "它把什么认成了什么",
    "Most often confused: {pairs}.": "最常混淆的是：{pairs}。",
    "{label} taken for {answered} ({count} of {of})": "把{label}认成{answered}（{of} 张中 {count} 张）",
    "Rows are what the image shows, columns what the network answered; the diagonal is right.": "行是图像的真实类别，列是网络的回答；对角线是答对的。",
    "Confusion matrix": "混淆矩阵",
    "What it was surest of, and wrong": "最有把握却答错的",
    "Public test images that your network answered wrongly, with the highest probability first.": "你的网络答错的公开测试图像，概率最高的在前。",
    "taken for {answered}": "认成了{answered}",
    "{label}, taken for {answered}: test image {index}": "{label}，被认成{answered}：第 {index} 张测试图像",
    "image {index}": "第 {index} 张",
    "The pictures are not on the machine that made this page.": "生成本页的机器上没有这些图片。",
    "What your network confuses was not measured yet; that comes with the next grading.": "你的网络混淆了什么还没有测量；下次评分时会有。",
    "Training": "训练",
    "Your training, as train_classifier returned its history: {seconds} of {budget} seconds.": "你的训练，按 train_classifier 返回的记录：用了 {seconds} / {budget} 秒。",
    "Your training, as train_classifier returned its history.": "你的训练，按 train_classifier 返回的记录。",
    "It did not come to its own end: {reason}": "它没有自己结束：{reason}",
    "{name}, from {first} to {last}": "{name}，从 {first} 到 {last}",
    "record": "记录",
    "Written answers": "书面回答",
    "Points are for presence only: nobody has judged what you wrote.": "只看是否作答：没有人评判过内容。",
    "presence only": "只看是否作答",
    "answered": "已作答",
    "not answered": "未作答",
    "This answer's text is not kept in the gradebook.": "成绩簿里没有保存这个回答的文字。",
    "The text is as the grader read it, without blank lines and links.": "这是评分程序读到的文字，不含空行和链接。",
    "All points, row by row": "逐行分数",
    "what was looked at": "考察内容",
    "of": "满分",
    "lateness": "迟交",
    "total": "总分",
    "not checked": "未检查",
    "What you handed in": "你提交了什么",
    "taken as the code": "作为代码",
    "taken as the weights": "作为权重",
    "taken as the answers": "作为回答",
    "Which files were taken for what was not kept.": "没有记录哪个文件被当作什么。",
    "remarks": "说明",
    "Attempts": "提交记录",
    "attempt": "次数",
    "handed in": "提交时间",
    "this one counts": "以这一次为准",
    "another one counts": "不以这一次为准",
    "time unknown": "时间未知",
    "Decisions": "人工决定",
    "{row} is {points} points": "{row}：{points} 分",
    "the whole mark is {points} points": "总成绩为 {points} 分",
    "excused": "免交",
    "excluded": "不计入",
    "not counted as late": "不算迟交",
    "extended: {until}": "延期：{until}",
    "this attempt counts: {attempt}": "以这一次提交为准：{attempt}",
    "the reason is for you to ask": "理由请当面询问",
    "What your code printed": "你的代码打印了什么",
    "The end of it: {lines} lines.": "最后 {lines} 行。",
    "Nothing.": "没有打印任何内容。",
    # leaderboard
    "Leaderboard": "排行榜",
    "The final order, on images that were never published.": "最终排名，用从未公开的图像测得。",
    "On the public test images.": "用公开的测试图像测得。",
    "The bars are 95 % intervals. A place is shared by all between whom chance may have decided: before you are only those whose interval lies wholly above yours.": "横条是 95 % 置信区间。可能只由运气分出先后的人名次相同：只有区间完全高于你的人排在你前面。",
    "place": "名次",
    "nickname": "昵称",
    "95 % interval": "95 % 置信区间",
    "on public images": "公开图像上",
    "Nobody's accuracy was measured yet.": "还没有测量任何人的准确率。",
}  # fmt: skip


class Words:
    """Says things in a language: `t("{n} left", n=3)`."""

    def __init__(self, lang: Language) -> None:
        self.lang = lang

    def __call__(self, english: str, **values: object) -> str:
        told = CHINESE[english] if self.lang == "zh" else english
        return told.format(**values) if values else told

    def message(self, text: str) -> str:
        """One of the grader's own messages, with what it quotes; what is not known of it stays in English."""
        if self.lang == "en":
            return text
        return _MESSAGES.get(text) or message_in_chinese(text)

    def title(self, id: str, english: str) -> str:
        """A row's line."""
        return TITLES.get(id, english) if self.lang == "zh" else english

    def label(self, name: str) -> str:
        """A class of images."""
        return _CLASSES.get(name, name) if self.lang == "zh" else name
