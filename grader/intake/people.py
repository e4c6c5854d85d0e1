"""Tells by names whether files are one person's or several people's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from grader.intake.entries import Entry
from grader.intake.names import (
    is_answers_name,
    is_exact_lab_name,
    is_weights_name,
)
from grader.text import safe_line

_NAME_CHARACTERS = 300  # of a name, at most, that are looked at


@dataclass(frozen=True)
class Shape:
    """What the names in a folder look like: the download that a system writes, and of how many people."""

    kind: str  # "Canvas's download"
    people: int

    def __str__(self) -> str:
        who = "1 person" if self.people == 1 else f"{self.people} people"
        return f"{self.kind} of {who}"


# --- one hand-in -------------------------------------------------------------------------------------

# Words that people name files and folders by after the work and its versions, and after nobody.
_PLAIN_WORDS = """
lab labs hw homework assignment submission submissions submit project solution solutions work works my mine
code codes src source sources file files folder new old orig original final last latest best better good bad
copy copies of backup backups bak draft drafts temp tmp archive version versions ver v rev attempt try test
tests trial run runs exp exps experiment experiments part task exercise ex question q week day step template
handout handouts starter skeleton reference ref notebook notebooks nb script scripts module python py english
chinese en zh cpu gpu cuda colab kaggle local server windows win mac linux with without no and the to for is
this model models net nets network cnn convnet lenet resnet vgg densenet mobilenet mlp dropout augment
augmentation bn adam sgd baseline improved fixed fix done complete completed full mini small big large fast
slow train trained training main tool tools util utils helper helpers common data dataset datasets image
images weight weights classifier checkpoint checkpoints answer answers result results output outputs log logs
doc docs report reports figure figures cifar mnist deep learning ml dl cv ai
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
_PLAIN_CHINESE = re.compile(
    r"实验[一二三四五六七八九十]{0,3}|第[一二三四五六七八九十\d]{1,3}[题次版]"
    r"|作业|代码|源码|新建|文件夹|最终版?|最新版?|旧版?|新版|备份|副本|版本|答案|回答|权重|模型"
)
_DATE = re.compile(r"20\d\d(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))?", re.ASCII)
_BETWEEN = re.compile(r"[^\w]+|_+")
_RUN = re.compile(r"[a-z]+|\d+|[^a-z\d]+")


def owner(name: str) -> str:
    """A name without the words for the work and its versions: perhaps somebody's name or id, or ""."""
    words = _BETWEEN.split(_PLAIN_CHINESE.sub(" ", name[:_NAME_CHARACTERS].casefold()))
    return " ".join(word for word in words if not all(map(_is_plain, _RUN.findall(word))))


def _is_plain(run: str) -> bool:
    """Whether letters or digits in a name are a word for the work, a small number or a date."""
    return run in _PLAIN or (run.isdecimal() and (len(run) <= 3 or _DATE.fullmatch(run) is not None))


ShapeOf = Callable[[set[str]], "Shape | None"]  # of the names in one folder


def several_people(files: Sequence[Entry], whole: Sequence[Entry], shape_of: ShapeOf | None = None) -> str:
    """Why a hand-in's files look like several people's work, and what to do; "" where they do not.

    `whole` are the files that could each be a hand-in's code by themselves.
    """
    shape = _download_within(files, shape_of) if shape_of else None
    if shape:
        return f"it holds what looks like {shape}: give that download to the grader as it is"
    owners = _owners(files, whole)
    if len(owners) < 2:
        return ""
    shown = ", ".join(safe_line(name, 40) for name in owners[:4]) + (", …" if len(owners) > 4 else "")
    return (
        f"it looks like the work of {len(owners)} people ({shown}), each with code of their own: give each"
        " person's in a folder of its own, or leave only what is to be graded"
    )


def _download_within(files: Iterable[Entry], shape_of: ShapeOf) -> Shape | None:
    """What looks like a download of several people among the files, in whatever folder of theirs."""
    folders: dict[str, set[str]] = defaultdict(set)
    for entry in files:
        folder, part = entry.path, ""
        while folder:  # up to where the names are known already
            folder, _, part = folder.rpartition("/")
            if part in folders[folder]:
                break
            folders[folder].add(part)
    shapes = (shape_of({name[:_NAME_CHARACTERS] for name in names}) for names in folders.values())
    return next((shape for shape in shapes if shape and shape.people > 1), None)


def _owners(files: Sequence[Entry], whole: Sequence[Entry]) -> list[str]:
    """The names, of folders or of files, under which several people's work seems to lie; else at most one."""
    if len(whole) < 2:
        return []
    parts = [entry.path.split("/") for entry in whole]
    common = 0
    while all(len(one) > common + 1 for one in parts) and len({one[common] for one in parts}) == 1:
        common += 1
    here = [entry for entry, one in zip(whole, parts, strict=True) if len(one) == common + 1]
    if here:
        return _owners_of_files(files, here, parts[0][:common])
    branches = sorted({one[common] for one in parts})
    owners = _distinct(owner(PurePosixPath(branch).stem) for branch in branches)
    if len(owners) > 1:
        return owners
    answered = {
        one[common]
        for entry in files
        if is_answers_name(entry.path) and len(one := entry.path.split("/")) > common
    }
    # "lab8 (1).zip", "lab8 (2).zip", …: nobody keeps so many versions of the answers too
    return branches if len(answered.intersection(branches)) > 2 else owners


def _distinct(names: Iterable[str]) -> list[str]:
    """Of the names that are not empty those that say more than others: "pb21" is "pb21 li" too."""
    found = sorted(set(names) - {""}, key=lambda name: (-len(name.split()), name))
    kept: list[str] = []
    for name in found:
        if not any(set(name.split()) <= set(other.split()) for other in kept):
            kept.append(name)
    return sorted(kept)


def _owners_of_files(files: Sequence[Entry], here: Sequence[Entry], folder: list[str]) -> list[str]:
    """As `_owners`, where the code lies in one folder: ann_lab8.py beside bob_lab8.py."""
    if any(is_exact_lab_name(entry.path) for entry in here):
        return []
    owners = _distinct(owner(entry.stem) for entry in here)
    beside = {
        owner(entry.stem)
        for entry in files
        if (is_weights_name(entry.path) or is_answers_name(entry.path))
        and entry.path.split("/")[:-1] == folder
    }
    return owners if len(owners) > 2 or len(beside.intersection(owners)) > 1 else []
