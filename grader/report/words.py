# ruff: noqa: E501 (a line's width says little of Chinese)
"""The pages' words in English and Chinese. The templates have the English; here is its Chinese."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple

from grader.lab import Lab
from grader.selftest.chinese import Translator

Language = Literal["en", "zh"]

# Reasons that the self-test words otherwise.
_MESSAGES = {
    "nothing was handed in": "没有提交作业",
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
    "A decision of the course was applied; it stands below, with its reason.": "这里适用课程的一项决定，内容和理由见下文。",
    "checks": "检查项",
    "written answers": "书面回答",
    "What lost points": "哪里失了分",
    "The most expensive comes first. The hidden checks use numbers of their own; `python selftest.py` checks the same with others, as often as you like.": "失分最多的在前。隐藏检查用它们自己的数；`python selftest.py` 用别的数做同样的检查，想查多少次都可以。",
    "Nothing: every point was earned.": "没有失分：所有的分都拿到了。",
    "expected": "应为",
    "got": "得到",
    "hint": "提示",
    "why": "原因",
    "−{own} for this one, and −{rest} for those that could not be checked because of it:": "本项 −{own} 分，因它而无法检查的各项共 −{rest} 分：",
    "For the next point the network has to be right on {correct} of {images} images: {points} percentage points more.": "再得 1 分需要在 {images} 张图像中答对 {correct} 张，即提高 {points} 个百分点。",
    "For the points that are left the network has to be right on {correct} of {images} images: {points} percentage points more.": "拿到余下的分需要在 {images} 张图像中答对 {correct} 张，即提高 {points} 个百分点。",
    "decided by a person": "人工决定",
    "Accuracy": "准确率",
    "Your network could not be measured: {reason}": "无法测量你的网络：{reason}",
    "Your network is right on {correct} of {images} test images: {accuracy}, which earns {points} of {out_of} points.": "你的网络在 {images} 张测试图像中答对 {correct} 张：{accuracy}，得 {points} / {out_of} 分。",
    "On other images of the same kind it would probably lie between {low} and {high} (95 % interval).": "换成同类的其他图像，准确率很可能在 {low} 与 {high} 之间（95 % 置信区间）。",
    "All points for the accuracy are yours.": "准确率的分你都拿到了。",
    "These images were never published, so nobody can have trained on them. On the public test images it is {accuracy}.": "这些图像从未公开，所以没有人能用它们训练。在公开的测试图像上是 {accuracy}。",
    "The weights are from a training by the grader, with your `train_classifier`.": "权重由评分程序用你的 `train_classifier` 训练得到。",
    "From accuracy to points": "从准确率到分数",
    "The curve from accuracy to points. You are at {accuracy}, which earns {points} points.": "从准确率到分数的曲线。你的准确率是 {accuracy}，得 {points} 分。",
    "The curve from accuracy to points.": "从准确率到分数的曲线。",
    "you are here": "你在这里",
    "What your network confuses": "你的网络混淆了什么",
    "Most often confused: {pairs}.": "最常混淆的是：{pairs}。",
    "{label} taken for {answered} ({count} of {of})": "把{label}认成{answered}（{of} 张中 {count} 张）",
    "Rows are what the image shows, columns what the network answered; the diagonal is right.": "行是图像的真实类别，列是网络的回答；对角线是答对的。",
    "Confusion matrix": "混淆矩阵",
    "Its most confident mistakes": "最有把握却答错的",
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
    "Remarks": "说明",
    "Attempts": "提交记录",
    "attempt": "次数",
    "handed in": "提交时间",
    "counts": "计分",
    "yes": "是",
    "no": "否",
    "time unknown": "时间未知",
    "Decisions": "人工决定",
    "{row} is {points} points": "{row}：{points} 分",
    "the whole mark is {points} points": "总成绩为 {points} 分",
    "excused": "免交",
    "excluded": "不计入",
    "not counted as late": "不算迟交",
    "extended to {until}": "延期至 {until}",
    "extended by 1 day": "延期 1 天",
    "extended by {days} days": "延期 {days} 天",
    "this attempt counts: {attempt}": "以这一次提交为准：{attempt}",
    "the reason is for you to ask": "理由请当面询问",
    "What your code printed": "你的代码打印了什么",
    "The end of it:": "末尾部分：",
    "Nothing.": "没有打印任何内容。",
    # leaderboard
    "Leaderboard": "排行榜",
    "The final order, on images that were never published.": "最终排名，用从未公开的图像测得。",
    "On the public test images.": "用公开的测试图像测得。",
    "The bars are 95 % intervals. A place is shared by all between whom chance may have decided: before you are only those whose interval lies wholly above yours.": "横条是 95 % 置信区间。可能只由运气分出先后的人名次相同：只有区间完全高于你的人排在你前面。",
    "place": "名次",
    "nickname": "昵称",
    "unnamed": "未署名",
    "bars from {low} % to {high} %": "横条从 {low} % 到 {high} %",
    "95 % interval": "95 % 置信区间",
    "on public images": "公开图像上",
    "Nobody's accuracy was measured yet.": "还没有测量任何人的准确率。",
}  # fmt: skip


class OfLab(NamedTuple):
    """A lab's own words in Chinese: from its `pages.py`, where it has one, and its self-test."""

    titles: dict[str, str]  # a row's line, by its id
    classes: dict[str, str]
    messages: dict[str, str]
    translated: Translator


@cache
def _of(lab: Lab) -> OfLab:
    pages: Any = lab.part("pages") if (lab.folder / "pages.py").is_file() else None
    module = lab.contract.module
    messages = {f"no {module}.py or {module}.ipynb was handed in": f"没有提交 {module}.py 或 {module}.ipynb"}
    return OfLab(
        titles=pages.TITLES if pages else {},
        classes=pages.CLASSES if pages else {},
        messages=_MESSAGES | messages | (pages.MESSAGES if pages else {}),
        translated=Translator(lab.part("selftest").CHINESE),
    )


class Words:
    """Says things in a language: `t("{n} left", n=3)`. `lab` is whose rows and messages are told, if any."""

    def __init__(self, lang: Language, lab: Lab | None = None) -> None:
        self.lang = lang
        self._lab = _of(lab) if lab and lang == "zh" else None

    def __call__(self, english: str, **values: object) -> str:
        told = CHINESE[english] if self.lang == "zh" else english
        return told.format(**values) if values else told

    def message(self, text: str) -> str:
        """One of the grader's own messages, with what it quotes; what is not known of it stays in English."""
        return (self._lab.messages.get(text) or self._lab.translated(text)) if self._lab else text

    def title(self, id: str, english: str) -> str:
        """A row's line."""
        return self._lab.titles.get(id, english) if self._lab else english

    def label(self, name: str) -> str:
        """A class of images."""
        return self._lab.classes.get(name, name) if self._lab else name
