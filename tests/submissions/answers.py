"""The written answers of the sample class: everybody's own, but for those that are copied on purpose."""

from grader.rubric import load_rubric

_TITLES = [question.text for question in load_rubric(None).questions]  # as answers.md asks them


def _paper(*texts: str) -> str:
    parts = ["# Lab 8: answers"]
    for number, (title, text) in enumerate(zip(_TITLES, texts, strict=True), start=1):
        parts.append(f"## Question {number}\n\n{title}\n\n{text}")
    return "\n\n".join(parts) + "\n"


TEMPLATE = _paper(*["Write your answer here."] * 4)

PAPERS = {
    "li_wei": _paper(
        "Yes. An autoencoder is trained to give back its own input through a narrow middle layer; no label is "
        "needed, and what the middle layer says is a code of few dimensions, in which similar inputs lie close "
        "together and can be clustered.",
        "They approximate very general functions, learn their features from raw data instead of having them "
        "designed, and keep improving with more examples. They do well on images, sound and text.",
        "They need many examples and much computation, say little about why they decide as they do, and are "
        "easily overfitted. On small tables a tree or a linear model is often better and always quicker.",
        "If the structure of the data is known, it can be built into the network: convolution for neighbourhoods "
        "in an image, recurrence for order in time. The last layer and the loss then make it a classifier or a "
        "regressor.",
    ),
    "12210002": _paper(
        "It is possible, since gradient descent only asks for some loss, for instance how badly a compressed "
        "picture can be restored. The compressed picture then serves as the reduced representation.",
        "Perception, mostly: recognising things in photographs or speech. The condition is a big labelled "
        "collection that looks like what will be met later.",
        "Extrapolation. Outside of the region where training points lie nothing restrains the function, and the "
        "softmax still shouts a confident class.",
        "Knowing the data tells you which invariances hold, and choosing layers with exactly those invariances "
        "saves samples in both kinds of task.",
    ),
    "12210003": _paper(
        "Yes they can: Kohonen's maps arrange samples on a sheet without anybody naming classes, because "
        "neighbouring units compete for every sample and only the winner moves.",
        "Good when there is a lot of data and the relation is smooth but complicated, as with handwriting, "
        "translation or the games of chess and Go.",
        "Bad for rules that need exact logic, for small surveys with thirty rows, and wherever a law demands an "
        "explanation for every refusal.",
        "Then I can scale each column sensibly and pick the number of outputs; universal approximation promises "
        "that some weights fit either a boundary or a curve.",
    ),
    "12210004": _paper(
        "Unsupervised training works through pretext tasks, e.g. guessing a rotation or a hidden patch; the "
        "features learnt on the way group the images surprisingly well.",
        "Neural nets shine at turning pixels into concepts. They want GPUs, patience and a distribution that "
        "stays put after deployment.",
        "Weak points: adversarial noise, forgetting older tasks, endless tuning of learning rates. Scarce or "
        "mislabelled examples make all of it worse.",
        "With prior knowledge we restrict the hypothesis space by architecture, so variance shrinks while bias "
        "remains low; targets merely change the output unit.",
    ),
    "12210005": _paper(
        "I would say yes, because a bottleneck of two neurons forces a net to keep only the main directions, "
        "much like PCA but curved, and one may plot these two numbers.",
        "Many parameters make them flexible; backpropagation makes them trainable at scale. Ideal conditions are "
        "plentiful independent samples with little noise.",
        "Data hunger is their main fault. Another is that hyperparameters interact, so a beginner rarely knows "
        "whether the idea or the step size was wrong.",
        "Because one can generate more data by transformations known to be harmless, and the net absorbs them; "
        "kernel machines would choke on that quantity.",
    ),
    "12210006": _paper(
        "Of course: take the penultimate activations of any pretrained net, run k-means on those vectors, and "
        "clusters of meaning appear that raw pixels never show.",
        "Tasks that humans do in a glance but cannot describe by formulas. Best if mistakes are cheap and "
        "feedback is quick.",
        "Counting, arithmetic on long numbers, causal questions. Conditions that hurt are shifts between the "
        "clinic where one trained and the clinic where one works.",
        "Suppose the noise is known to be Gaussian: squared error is then maximum likelihood, and the network "
        "estimates the conditional mean. For classes, cross-entropy does the same job.",
    ),
    "12210007": _paper(
        "Yes, with energy based models such as Boltzmann machines, whose hidden units explain the visible ones; "
        "labels never enter the likelihood being maximised.",
        "Compositional signals: edges form parts and parts form objects, so depth pays off. Requires large "
        "batches of varied examples.",
        "When features are already meaningful columns, gradient boosting beats them in my experience, with a "
        "hundredth of the effort.",
        "Enough knowledge means I know what to augment, how deep the receptive field must reach, and which "
        "errors cost most, and I can weight the loss accordingly.",
    ),
    "12210008": _paper(
        "A network may be trained to pull two crops of one photograph together and push foreign crops apart, "
        "which is contrastive learning and uses no annotation whatsoever.",
        "Speech recognition, vision, protein folding. A common condition: the signal is local and repeats itself "
        "across positions.",
        "They fail silently on unfamiliar input. Also energy use is high, and reproducing somebody's result "
        "depends on seeds.",
        "Both problems reduce to estimating a function, and a net of suitable size estimates it once inputs are "
        "normalised according to what we know about ranges.",
    ),
    "12210009": _paper(
        "Possible. Variational autoencoders describe each input by a small Gaussian in latent space, and "
        "sampling shows that neighbours there resemble each other.",
        "They are good at interpolation in high dimension, provided that the training set covers the region "
        "densely.",
        "Poor calibration, poor sample efficiency. With heavy class imbalance they happily answer the majority "
        "all the time.",
        "If one knows symmetries, weight sharing encodes them and fewer free numbers must be estimated from the "
        "same amount of measurements.",
    ),
    "12210010": _paper(
        "Labels are only one source of supervision; predicting the next frame of a video is another, and its "
        "inner state summarises the scene in few coordinates.",
        "Anything with abundant recordings, from radar to music. They work if someone validates on held out "
        "data and stops in time.",
        "Hard constraints are difficult to guarantee. Under tiny budgets or on microcontrollers, simpler "
        "filters remain preferable.",
        "Good knowledge suggests the right loss, for example quantiles instead of means, and layers can be "
        "trained end to end against precisely that.",
    ),
    "12210011": _paper(
        "Yes, deep clustering alternates: assign every embedding to its nearest centre, then update the "
        "backbone so that assignments become sharper.",
        "High dimensional input with redundancy. Transfer from bigger tasks lets even a modest data set "
        "succeed.",
        "Long tails, rare diseases for example, since gradients come mainly from frequent cases. Debugging is "
        "guesswork too.",
        "The designer can pick features, depth and regularisation on purpose rather than by search, so the "
        "optimum found is probably a sensible one.",
    ),
    "12210012": _paper(
        "Think of word2vec: nobody labelled the corpus, yet words with similar company end up near each other "
        "in a hundred dimensions.",
        "Sequences and grids. It helps if the cost of collecting examples is low, as with clicks or sensor "
        "readings.",
        "Whenever an auditor must trace the reasoning they disappoint; so they do if the world changes faster "
        "than one can retrain.",
        "Having understood the data, I would choose convolution or attention to match its geometry and let the "
        "optimiser settle the remaining constants.",
    ),
    "12210013": _paper(
        "Reconstruction error is a label free objective. Minimising it through a thin layer yields coordinates "
        "for dimension reduction.",
        "They are strong where handcrafted descriptors used to saturate. One needs augmentation, normalisation "
        "layers and enough epochs.",
        "Sensitive to initial weights and scaling; costly inference; unclear uncertainty. Tabular data sets of "
        "a few hundred rows are not their field.",
        "A net can mix inputs of different kinds, picture plus age plus sex say, and expert knowledge decides "
        "where these streams should join.",
    ),
    "12210014": _paper(
        "Yes: generative adversarial training learns a map from few random numbers to images, and inverting it "
        "gives each photograph a short description.",
        "Flexible decision boundaries, online updates, natural parallelism. Works whenever i.i.d. sampling is "
        "at least roughly true.",
        "Local minima and plateaus cost time. They also memorise private records, which is a legal problem in "
        "medicine.",
        "We can choose activation and loss so that outputs obey physics, nonnegative or summing to one, which "
        "trees cannot promise.",
    ),
    "12210015": _paper(
        "It works without labels, because the network can be its own teacher: hide a part of each picture and "
        "let it be filled in, and the layer in the middle becomes a summary that can be grouped.",
        "They are best when the input is raw and large, the target depends on many small hints at once, and "
        "thousands of solved examples exist to learn those hints from.",
        "They do badly if examples are few or expensive, if a wrong answer may not go unnoticed, or if someone "
        "asks which of the inputs was responsible for it.",
        "Then the shape of the network can follow the shape of the problem: I know what may be shared, what "
        "must be kept apart, and whether a number or a class has to come out at the end.",
    ),
    "12210016": _paper(
        "可以。自编码器不需要标签:它让网络通过一个很窄的中间层重建自己的输入,中间层的输出就是低维表示,相似的样本在其中彼此靠近,因此也可以再做聚类。",
        "神经网络能够逼近非常一般的函数,特征由数据学得而不必人工设计,数据越多效果越好。在图像、语音、文本这类数据量大、结构复杂的任务上表现突出。",
        "它需要大量样本和算力,容易过拟合,而且很难解释某个判断的理由。样本很少的表格数据上,决策树或线性模型往往更快也更准确。",
        "如果了解数据的结构,就可以把它写进网络:图像用卷积表达局部性,序列用循环或注意力表达顺序。再换上合适的输出层和损失函数,就能做分类或者回归。",
    ),
    "12210017": _paper(
        "Yes, with autoencoders: the network has to rebuild its input from a small code in the middle, so it finds "
        "a representation of lower dimension without being told any label.",
        "They learn features by themselves and fit complicated functions, so with many labelled examples, as in "
        "image recognition, nothing else comes close at the moment.",
        "TODO",
        "no idea",
    ),
    "pb22000018": _paper(
        "能。比如自组织映射,每个神经元代表一类原型,训练时只更新获胜者及其邻居,全程没有人工标注,最后得到的网格既是聚类也是降维。",
        "擅长感知类问题,人一眼能看懂却说不清规则的事情。前提是训练集足够大,而且与将来遇到的情况同分布。",
        "不擅长需要严格推理和可解释性的场合,例如贷款审批。样本不平衡、噪声标签多、分布漂移时,效果会明显下降。",
        "知道数据有哪些对称性,就能通过共享参数减少自由度;知道噪声的类型,就能选对损失函数。这样同一种模型既能输出类别也能输出连续数值。",
    ),
    "pb22000019": _paper(
        "我认为可以,对比学习就是例子:同一张照片裁出的两块应当接近,不同照片的应当远离,学到的向量用k均值一分就成簇。",
        "优点是端到端,不用手工提特征,还能迁移到别的任务。条件是有显卡、有耐心、有海量而多样的数据。",
        "缺点是调参麻烦,训练贵,对抗扰动下很脆弱。几百行的小表格用提升树更合适,结果也更稳定。",
        "因为可以针对性地做数据增强和归一化,网络容量也能按照数据规模来定,不会太大或者太小,分类与回归只差最后一层。",
    ),
    "12210020": _paper(
        "One can minimise the mutual distance of noisy versions of a sample; representations that ignore noise "
        "tend to separate natural groups.",
        "Where patterns are hierarchical and data is cheap. Batch normalisation and residual links removed most "
        "obstacles to depth.",
        "Little data, strict latency, changing sensors. A single wrong pixel pattern can flip the output "
        "entirely.",
        "Prior insight chooses the inductive bias, and stochastic gradients do the rest regardless of whether "
        "labels are discrete or real.",
    ),
}

# Those of 12210015 in the main: a few words are others, one answer is new.
COPIED = _paper(
    "Works without labels, because a network can be its own teacher: hide a part of each picture and let it be "
    "filled in, and the layer in the middle becomes a summary which can be grouped.",
    "They are best when the input is raw and large, the target depends on many small hints at once, and "
    "thousands of solved examples are there to learn those hints from.",
    "Doing badly means here: few or expensive examples, or nobody may be hurt. Explaining a decision afterwards "
    "is close to impossible.",
    "Then the shape of the network can follow the shape of the problem: I know what may be shared, what must be "
    "kept apart, and if a number or a class has to come out at the end.",
)
