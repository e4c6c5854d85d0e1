"""The test accuracy that a notebook's saved output shows, against what the weights give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from grader.text import ACCURACY
from grader.types import Accuracy, Flag

BEYOND = 0.03  # above the 95 % interval: other epochs, roundings and averaged views stay below

_SET = re.compile(r"(?P<test>test|测试)|train|(?<![a-z])val(?!u)|训练|验证", re.IGNORECASE)
# Of one class, not of all images: "Test accuracy of car: 85 %", "per-class", "class 3".
_ONE_CLASS = re.compile(
    r"(?<![a-z])(?:class(?:es|-?wise)?|(?:air|aero)?planes?|automobiles?|cars?|birds?|cats?|deer|dogs?|frogs?"
    r"|horses?|ships?|trucks?)(?![a-z])|(?<![a-z])of\s+\d\s*[:：(]"
    r"|每类|各类|类别|飞机|汽车|[鸟猫鹿狗蛙马船]|卡车",
    re.IGNORECASE,
)
# A bar or a counter over batches: "Test:  40%|████", "Test: [10/79]", "测试 3/100".
_BAR = re.compile(
    r"(?:test|eval|测试)(?:[^%|]{0,40}?(?P<percent>\d{1,3})\s?%\s?\|"
    r"|\w{0,10}[\s:：]*[\[(]?\s{0,4}(?P<done>\d{1,4})\s?/\s?(?P<all>\d{1,4})(?![\d.]))",
    re.IGNORECASE,
)
_REACH = 60  # characters between the word and its number
_NUMBER = re.compile(
    r"(?<![\w.])(?:(?P<part>\d{1,7})\s?/\s?(?P<whole>\d{1,7})|(?P<percent>\d{1,3}(?:\.\d{1,9})?)\s?[%％]"
    r"|(?P<decimal>\d{1,3}\.\d{1,18})|(?<=[:=：]\s)(?P<bare>[1-9]\d|100)(?![.]))"
    r"(?![\w.]*\d|\s?/)"  # of "train/test 0.99/0.91" the second
)


def compare_claims(claims: Sequence[str], accuracy: Accuracy) -> list[Flag]:
    """A flag where the last test accuracy among a notebook's output lines is clearly above the measured one.

    Only what names the test set counts: accuracies on training images are higher, honestly.
    """
    if accuracy.accuracy is None or accuracy.low is None or accuracy.high is None:
        return []
    last = None
    for line in claims:
        for claimed in claimed_accuracies(line):
            last = line, claimed
    if last is None or last[1] <= accuracy.high + BEYOND:
        return []
    line, claimed = last
    return [
        Flag(
            kind="claim",
            message=f"the notebook's saved output shows {100 * claimed:.1f} % ({line}); the weights give"
            f" {100 * accuracy.accuracy:.1f} %, 95 % interval {100 * accuracy.low:.1f} to"
            f" {100 * accuracy.high:.1f} %",
        )
    ]


def claimed_accuracies(line: str) -> Iterator[float]:
    """The test accuracies in a line, each 0 to 1: "Test accuracy: 91.3 %", "测试集准确率 0.913", "913/1000".

    What is named last before an accuracy's end, the test, training or validation set, is what it is of.
    A share of one class's images, or of the first batches', is none.
    """
    if _is_unfinished(line):
        return
    label_from = 0
    for word in ACCURACY.finditer(line):
        number = _first_share(line, word.end())
        if number is None or word.start() < label_from:
            continue
        value, end = number
        sets = list(_SET.finditer(line, label_from, end))
        one_class = _ONE_CLASS.search(line, label_from, end)
        label_from = end
        if sets and sets[-1]["test"] and not one_class:
            yield value


def _is_unfinished(line: str) -> bool:
    """Whether a line is of a progress bar that has not come to its end."""
    bar = _BAR.search(line)
    if bar is None:
        return False
    return int(bar["percent"]) < 100 if bar["percent"] else int(bar["done"]) < int(bar["all"])


def _first_share(line: str, start: int) -> tuple[float, int] | None:
    """The first number from `start` on that can be an accuracy, and where it ends."""
    for match in _NUMBER.finditer(line, start, start + _REACH):
        if match["part"]:
            whole = int(match["whole"])
            value = int(match["part"]) / whole if whole >= 100 else 2.0  # "3/10" counts epochs
        elif match["decimal"]:
            value = float(match["decimal"])
            value = value / 100 if value > 1 else value
        else:
            value = float(match["percent"] or match["bare"]) / 100
        if 0 <= value <= 1:
            return value, match.end()
    return None
