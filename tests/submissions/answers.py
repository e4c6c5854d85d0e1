"""The written answers of the sample class."""

from grader.rubric import load_rubric

_TITLES = [question.text for question in load_rubric(None).questions]  # as answers.md asks them


def _paper(*texts: str) -> str:
    parts = ["# Lab 8: answers"]
    for number, (title, text) in enumerate(zip(_TITLES, texts, strict=True), start=1):
        parts.append(f"## Question {number}\n\n{title}\n\n{text}")
    return "\n\n".join(parts) + "\n"


ENGLISH = _paper(
    "Yes. An autoencoder is trained to give back its own input through a narrow middle layer; no label is needed, "
    "and what the middle layer says is a code of few dimensions, in which similar inputs lie close together and "
    "can be clustered.",
    "They approximate very general functions, learn their features from raw data instead of having them designed, "
    "and keep improving with more examples. They do well on images, sound and text, where there is much data.",
    "They need many examples and much computation, say little about why they decide as they do, and are easily "
    "overfitted. On small tables a tree or a linear model is often better and always quicker.",
    "If the structure of the data is known, it can be built into the network: convolution for neighbourhoods in "
    "an image, recurrence for order in time. The last layer and the loss then make it a classifier or a regressor.",
)

CHINESE = _paper(
    "可以。自编码器不需要标签:它让网络通过一个很窄的中间层重建自己的输入,中间层的输出就是低维表示,相似的样本在其中彼此靠近,因此也可以再做聚类。",
    "神经网络能够逼近非常一般的函数,特征由数据学得而不必人工设计,数据越多效果越好。在图像、语音、文本这类数据量大、结构复杂的任务上表现突出。",
    "它需要大量样本和算力,容易过拟合,而且很难解释某个判断的理由。样本很少的表格数据上,决策树或线性模型往往更快也更准确。",
    "如果了解数据的结构,就可以把它写进网络:图像用卷积表达局部性,序列用循环或注意力表达顺序。再换上合适的输出层和损失函数,就能做分类或者回归。",
)

TWO_OF_FOUR = _paper(
    "Yes, with autoencoders: the network has to rebuild its input from a small code in the middle, so it finds a "
    "representation of lower dimension without being told any label.",
    "They learn features by themselves and fit complicated functions, so with many labelled examples, as in image "
    "recognition, nothing else comes close at the moment.",
    "TODO",
    "no idea",
)

TEMPLATE = _paper(*["Write your answer here."] * 4)
