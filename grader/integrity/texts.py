"""Code and written answers that two students have in common, apart from what the course gave to all.

Of each submission two sets of hashes are kept, small enough to compare a class from its gradebook alone:

- code: of every TOKENS tokens in a row, thinned out by winnowing (Schleimer, Wilkerson and Aiken, 2003): of
  every WINDOW hashes in a row the least is kept, so what two texts share leaves the same hashes in both,
  wherever it stands, if it has TOKENS + WINDOW - 1 tokens. Names that a student can choose are all the same
  token, and so are numbers and strings; comments, docstrings, imports and layout are none.
- answers: of every WORDS words in a row; two Chinese characters are a word.

What the template, its tools and the handouts hold is left out at once (`grader.kit.handed_out` lists it), and
in a class of CLASS or more what more than FEW students have, from the lecture or the web, is not compared: it
says nothing about two of them. Two works that are the same nearly as a whole are flagged all the same.

tests/benchmarks/texts.py measures how alike works are, by the share of the smaller one's hashes, among the
sample class and three more works. Code written apart: 0.19 at most (157 pairs); with one of four parts
(arithmetic, LeNet, training, network) word for word from one source 0.47, with two of them 0.54; a copy with
other names, layout and comments and the tasks in another order 0.88. Answers written apart 0.00 (209 pairs),
three of four copied with some words changed 0.58. These works are few and by one hand, so the thresholds keep
well away from them, and whoever copies less than most of the code is not flagged.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import keyword
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from grader.questions import Wordings, own_units
from grader.text import counted, safe_line
from grader.types import Flag, Verdict

TOKENS = 16
WINDOW = 6
WORDS = 6
MOST_CHARACTERS = 500_000  # of all code together, and of all answers; the reference has 20,000
MOST = 4_000  # hashes in a set, the least ones; the reference has 500
FEW = 5  # students who may have a part in common for it to say something about them
CLASS = 20  # from so many students on
NAMED = 5  # in a message

Hashes = npt.NDArray[np.uint32]  # sorted, each once
_NONE = np.empty(0, np.uint32)
_NOBODY = np.empty(0, np.int64)


class Threshold(NamedTuple):
    """From where on two students' texts are alike."""

    share: float  # of the hashes that few students have, of whoever has fewer
    least: int  # such hashes in common


CODE = Threshold(share=0.6, least=30)  # 30 hashes: some 100 tokens
ANSWERS = Threshold(share=0.2, least=20)  # 20 hashes: 25 words in a row
WHOLE = Threshold(share=0.95, least=100)  # of all hashes, of whoever has more

_MEANT = {
    "code": "much the same code (whatever its names, numbers, comments, layout and order)",
    "answers": "much the same wording in the written answers",
}

# What torch and Python call it, so that nobody can rename it. All other names are alike.
_KNOWN = frozenset(
    re.findall(
        r"\w+",
        """
        Adam AdamW AdaptiveAvgPool2d AvgPool2d BatchNorm2d Compose Conv2d CrossEntropyLoss DataLoader
        Dropout Flatten GELU Linear MaxPool2d Module ModuleList Normalize OneCycleLR Parameter ReLU SGD
        Sequential Sigmoid Softmax Tanh Tensor TensorDataset ToTensor abs adaptive_avg_pool2d add_ all any
        append arange argmax autocast avg_pool2d backward batch_norm bool cat clamp clone contiguous
        conv2d copy cpu cross_entropy cuda detach device dict dropout empty enumerate eval expand flatten
        flip float forward full gather gelu int isinstance item items kaiming_normal_ len linear list
        load_state_dict log_softmax long map max max_pool2d mean min modules mul_ next nll_loss ones pad
        parameters perf_counter permute print rand randint randn randperm range relu repeat reshape roll
        round set_grad_enabled shape sigmoid size softmax split squeeze stack state_dict std step sum
        super time to train transpose tuple unfold uniform_ unsqueeze values view where zero_grad zeros
        zip
        """,
    )
)
_KEYWORDS = frozenset(keyword.kwlist)
_NAME, _NUMBER, _STRING = "n", "0", "'"
_TOKEN = re.compile(
    r"(?P<skip>[^\S\n]+|\\\n|#[^\n]*|;)"
    # What is never closed ends with the text, or with its line: no pattern fails far from where it began.
    r"|(?P<string>(?:\b[rbuftRBUFT]{1,2})?(?:'''(?:[^'\\]+|\\.|'(?!''))*(?:'''|\Z)"
    r'|"""(?:[^"\\]+|\\.|"(?!""))*(?:"""|\Z)'
    r"|'(?:[^'\\\n]+|\\.)*'?"
    r'|"(?:[^"\\\n]+|\\.)*"?))'
    r"|(?P<number>\.?\d(?:[eE][+-]?\d|[\w.])*)"
    r"|(?P<name>\w+)"
    r"|(?P<line>\n)"
    r"|(?P<sign>->|:=|\*\*=?|//=?|<<=?|>>=?|[-+*/%@&|^=<>!]=|.)",
    re.DOTALL,
)
# A notebook's magics, and imports, which all have alike.
_NO_CODE = re.compile(
    r"^[ \t]*(?:%{1,2}[A-Za-z]|![A-Za-z])[^\n]*|^[ \t]*(?:import|from)\b[^\n(;#]*(?:\([^()]*\)?)?",
    re.MULTILINE,
)


class Printed(NamedTuple):
    """A set as a `Fingerprint` has it; empty, with a remark, where it could not be made."""

    text: str = ""
    remarks: tuple[str, ...] = ()


def printed_code(texts: Sequence[str], given: Path) -> Printed:
    """The code's set, without what the file `given` lists. A failure of ours costs a remark, and no mark."""
    return _printed(lambda: _without(winnowed(code_hashes(texts)), handed_out(given)["code"]))


def printed_answers(texts: Sequence[str], questions: Sequence[Wordings], given: Path) -> Printed:
    """The written answers' set, likewise."""
    return _printed(lambda: _without(np.unique(word_hashes(texts, questions)), handed_out(given)["text"]))


def _printed(hashes: Callable[[], Hashes]) -> Printed:
    try:
        return Printed(pack(hashes()))
    except Exception as error:
        return Printed("", (safe_line(f"what others have of this text was not found out: {error!r}", 500),))


@functools.cache
def handed_out(file: Path) -> Mapping[str, Hashes]:
    """What all students were given, as `grader.kit.handed_out` wrote it into the lab's folder; or nothing."""
    if not file.is_file():
        return {"code": _NONE, "text": _NONE}
    content = json.loads(file.read_text("utf-8"))
    return {kind: unpack(content[kind]) for kind in ("code", "text")}


# Hashes


def code_hashes(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """One hash for each TOKENS tokens in a row, in the order of the text."""
    return _runs([token for text in _bounded(texts) for token in tokens(text)], TOKENS)


def word_hashes(texts: Sequence[str], questions: Sequence[Wordings]) -> npt.NDArray[np.uint32]:
    """One hash for each run of WORDS words within a text, wherever it begins; see `own_units`."""
    runs = [run for words in own_units(_bounded(texts), questions) for run in _word_runs(words)]
    return np.array([zlib.crc32(run.encode("utf-8", "replace")) for run in runs], np.uint32)


def _word_runs(words: Sequence[str]) -> Iterator[str]:
    sizes = [0.5 if len(word) == 1 and word >= "\u3040" else 1.0 for word in words]  # Chinese characters
    end, size_of_run = 0, 0.0
    for begin, size in enumerate(sizes):
        while size_of_run < WORDS:
            if end == len(words):
                return
            size_of_run += sizes[end]
            end += 1
        yield " ".join(words[begin:end])
        size_of_run -= size


def winnowed(hashes: npt.NDArray[np.uint32]) -> Hashes:
    """The least of each WINDOW hashes in a row."""
    if len(hashes) <= WINDOW:
        return np.unique(hashes)[:1]
    return np.unique(np.lib.stride_tricks.sliding_window_view(hashes, WINDOW).min(axis=1))


def _runs(words: Sequence[str], length: int) -> npt.NDArray[np.uint32]:
    """A polynomial hash of each `length` words in a row."""
    count = len(words) - length + 1
    if count < 1:
        return np.empty(0, np.uint32)
    known = {word: zlib.crc32(word.encode("utf-8", "replace")) for word in set(words)}
    values = np.array([known[word] for word in words], np.uint64)
    sums = np.zeros(count, np.uint64)
    for at in range(length):
        sums = sums * np.uint64(0x9E3779B97F4A7C15) + values[at : at + count]
    sums ^= sums >> np.uint64(29)
    sums *= np.uint64(0xBF58476D1CE4E5B9)
    hashes: npt.NDArray[np.uint32] = (sums >> np.uint64(32)).astype(np.uint32)
    return hashes


def _without(hashes: Hashes, given: Hashes) -> Hashes:
    return np.setdiff1d(hashes, given, assume_unique=True)[:MOST]


def pack(hashes: Hashes) -> str:
    """Sorted hashes as text: four bytes each, in base64."""
    return base64.b64encode(hashes.astype("<u4").tobytes()).decode()


def unpack(text: str) -> Hashes:
    """What `pack` was given; nothing where the text is something else."""
    try:
        return np.unique(np.frombuffer(base64.b64decode(text, validate=True), "<u4").astype(np.uint32))
    except (binascii.Error, ValueError):
        return _NONE


def _bounded(texts: Sequence[str]) -> Iterator[str]:
    left = MOST_CHARACTERS
    for text in texts:
        yield text[:left]
        left -= len(text[:left])


def tokens(text: str) -> list[str]:
    """The text's tokens, as far as renaming, layout and comments leave them as they are. Any text has some.

    Of `a.b.c` the last name counts. Not counted are strings that are a line, as docstrings are, and commas
    before a closing bracket.
    """
    code = _NO_CODE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")) + "\n"
    found = [""]
    depth, is_new_line, is_docstring, after_dot = 0, True, False, False
    for match in _TOKEN.finditer(code):
        kind, token = match.lastgroup, match[0]
        if kind == "skip":
            continue
        if kind == "line":
            if is_docstring:
                found.pop()
            is_new_line, is_docstring = True, False
            continue
        is_docstring = kind == "string" and is_new_line and depth == 0
        is_new_line = False
        if kind == "string":
            if found[-1] != _STRING or is_docstring:
                found.append(_STRING)
        elif kind == "number":
            found.append(_NUMBER)
        elif kind == "name":
            called = after_dot or code.startswith("(", match.end())
            is_known = token in _KEYWORDS or (called and token in _KNOWN)
            found.append(token if is_known else _NAME)
        elif token == ".":
            if found[-1] == _NAME or found[-1] in _KNOWN:
                found.pop()
        else:
            if token in ")]}" and found[-1] == ",":
                found.pop()
            depth = max(0, depth + (token in "([{") - (token in ")]}"))
            found.append(token)
        after_dot = token == "."
    return found[1:]


# Comparison


def alike(prints: Sequence[str], threshold: Threshold) -> list[dict[int, float]]:
    """For each text which others are alike, and the share in common, whatever the order of students."""
    sets = [unpack(text) for text in prints]
    sizes = np.array([len(hashes) for hashes in sets], np.int64)
    _, numbers, owners = np.unique(np.concatenate([*sets, _NONE]), return_inverse=True, return_counts=True)
    rows = np.split(numbers, np.cumsum(sizes))[:-1]  # each text's hashes, numbered through the class
    holders = np.repeat(np.arange(len(sets)), sizes)[np.argsort(numbers, kind="stable")]
    begins = np.concatenate([[0], np.cumsum(owners)])  # of a hash's holders among all of them

    def in_common(row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """How many of these hashes each student has."""
        found = [holders[begins[number] : begins[number + 1]] for number in row]
        return np.bincount(np.concatenate([*found, _NOBODY]), minlength=len(sets))

    is_rare = (owners <= FEW) | (np.count_nonzero(sizes) < CLASS)
    rare = [row[is_rare[row]] for row in rows]
    rare_sizes = np.array([len(row) for row in rare], np.int64)
    found: list[dict[int, float]] = []
    for me, (row, some) in enumerate(zip(rows, rare, strict=True)):
        whole, part = in_common(row), in_common(some)
        share_of_whole = whole / np.maximum(sizes, max(sizes[me], 1))
        share_of_part = part / np.maximum(np.minimum(rare_sizes, rare_sizes[me]), 1)
        is_whole = (whole >= WHOLE.least) & (share_of_whole >= WHOLE.share)
        is_part = (part >= threshold.least) & (share_of_part >= threshold.share)
        share = np.maximum(share_of_whole * is_whole, share_of_part * is_part)
        found.append({int(at): float(share[at]) for at in np.flatnonzero(share) if at != me})
    return found


def flags_of(verdicts: Sequence[Verdict]) -> list[list[Flag]]:
    """For each student of a class, the flags on code and answers that others handed in, too."""
    found: list[list[Flag]] = [[] for _ in verdicts]
    ids = [verdict.student_id for verdict in verdicts]
    code = alike([verdict.fingerprint.code for verdict in verdicts], CODE)
    text = alike([verdict.fingerprint.text for verdict in verdicts], ANSWERS)
    for flags, in_code, in_text, mates in zip(found, code, text, group_mates(verdicts), strict=True):
        if others := {at: share for at, share in in_code.items() if at not in mates}:
            flags.append(_flag("copied_code", "code", others, ids))
        if others := {at: share for at, share in in_text.items() if at not in mates}:
            flags.append(_flag("copied_answers", "answers", others, ids))
    return found


def group_mates(verdicts: Sequence[Verdict]) -> list[set[int]]:
    """For each student, who handed the very same work in with them as a group."""
    groups: dict[tuple[str, str], set[int]] = {}
    for at, verdict in enumerate(verdicts):
        groups.setdefault((verdict.group, verdict.digest), set()).add(at)
    return [
        groups[verdict.group, verdict.digest] - {at} if verdict.group and verdict.digest else set()
        for at, verdict in enumerate(verdicts)
    ]


def _flag(
    kind: Literal["copied_code", "copied_answers"], what: str, others: Mapping[int, float], ids: Sequence[str]
) -> Flag:
    nearest = sorted(others, key=lambda at: (-others[at], ids[at]))[:NAMED]
    return Flag(kind=kind, message=_message(what, others, ids), others=tuple(ids[at] for at in nearest))


def _message(what: str, others: Mapping[int, float], ids: Sequence[str]) -> str:
    """Neutral: who wrote it first is for a person to find out."""
    named = sorted((-share, safe_line(ids[at], 60)) for at, share in others.items())
    listed = ", ".join(f"{name} ({-share:.0%})" for share, name in named[:NAMED])
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    people = counted(len(named), "other student")
    return f"{_MEANT[what]} as {people}: {listed}{more}; what the course gave out is not counted"
