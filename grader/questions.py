"""Are the written questions answered? Presence only: nobody judges what an answer says.

An answer is present when it has enough words of its own: 15, or 30 Chinese
characters, or a mix to the same effect. Not its own are the question's words,
the placeholder, what it said before, and what an earlier answer said: of one
text pasted four times, the first counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import islice
from typing import TypeAlias

from grader.text import safe_text
from grader.types import AnswerOutcome

ENOUGH_WORDS = 15
ENOUGH_CHARACTERS = 30  # two Chinese characters say about what a word says
RUN = 5  # so many words or characters in a row, met again, are a copy and not chance
MOST_CHARACTERS = 400_000  # of all texts together; four answers have some thousands
MOST_MARKS = 30  # combining marks on one letter; Unicode's own limit for streams, far above any language's
TEXT_CHARACTERS = 8000  # of an answer, that are kept to be read
MOST_LINES = 20_000  # that say something
BREAK = "# Next text\n"  # stands between two files' texts, and before a notebook's Markdown cells

Run = tuple[str, ...]
Wordings = tuple[str, ...]  # of one question, one a language; "" where there is none
_HeadingOf: TypeAlias = Callable[[str, int], "tuple[int, str] | None"]  # (line, last number) → number, rest

_SIGN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters, Japanese kana
# What takes no room or shows nothing: Unicode's default-ignorable characters, and the fillers and blanks that
# are letters. It neither makes a word nor parts one.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U00013441\U00013442\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_UNIT = re.compile(rf"[{_SIGN}]|[^\W_{_SIGN}]+(?:['’][^\W_{_SIGN}]+)*")

_VALUES = {sign: value for value, sign in enumerate("一二三四五六七八九十", start=1)}
_VALUES |= {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
# A number, whole: not the one of "Q1a", "Question 12" for 1, "Questions 1-4" or "Q 1.5".
_NUMBER = rf"(\d{{1,2}}|{'|'.join(_VALUES)})(?![^\W_])(?!\s?[-–—~至到.]\s?\d)"
# All repetitions are bounded, so that no text, however hostile, takes more than linear time.
_NAMED = re.compile(
    rf"\b(?:questions?|answer)[ \t]{{0,3}}(?:no\b|number)?[ \t.:#]{{0,3}}{_NUMBER}|\b(?:q[ \t.]?|a){_NUMBER}"
    rf"|(?:问题|题目|题|答案|回答|问|答)[ \t]{{0,3}}{_NUMBER}"
    rf"|第[ \t]?(\d{{1,2}}|[一二三四五六七八九十])[ \t]?(?:个问题|道题|小题|问题|题|问)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rf"\(?{_NUMBER}[ \t]?[.:、)]", re.IGNORECASE)  # "1.", "(1)", "一、"
_HEADING_ENDS = re.compile(r"[ \t]*(?:$|[.:,;、)(\]*_—–-])")

_PLACEHOLDER = re.compile(
    r"(?:write|type|put|enter|insert) (?:your |the |an )?answers? (?:here|below)|your answers? here"
    r"|answers? goes here|double[- ]?click.{0,40}(?:edit|answer)|\bto ?do\b|\btbd\b|待填|待完成"
    r"|(?:在此处?|在这里|此处)(?:写下|写|填写|填入|输入|作答|回答)(?:你的|您的)?(?:答案|回答)?",
    re.IGNORECASE,
)
_NOISE = re.compile(r"\bdata:[\w/+.;=-]*,[^\s)]*|https?://\S+|</?[a-z][^<>\n]{0,300}>", re.IGNORECASE)


def assess_answers(texts: Sequence[str], questions: Sequence[Wordings]) -> tuple[AnswerOutcome, ...]:
    """Look for the answer to each of `questions` in `texts`: files, or a notebook's Markdown cells in order.

    A question is the tuple of its wordings, one a language. An answer stands under its heading
    ("## Question 1", "Q1:", "1.", "问题 1", "第一题", or the question itself) up to the next one, across
    cells. What `BREAK` separates is looked at together and apart, and the best of each answer counts: a
    template left untouched in one text hides nothing in another. `reason` says why one does not count.
    """
    parts = [texts, *_apart(texts)] if BREAK in texts else [texts]
    sections = [_sections(_lines(part), questions) for part in parts]
    asked = {run for wordings in questions for text in wordings for run in _runs(_units(text))}
    outcomes: list[AnswerOutcome] = []
    said: dict[Run, int] = {}  # by which answer first
    for number in range(1, len(questions) + 1):
        found = [
            (*_answer(section[number], asked, said), _written(section[number]))
            for section in sections
            if number in section
        ]
        found.append(([], f"no heading for question {number} was found", []))
        own, reason, lines = max(
            found, key=lambda answer: (not answer[1], _weight(answer[0]))
        )  # the first of equals
        outcomes.append(
            AnswerOutcome(
                number=number,
                present=not reason,
                amount=_amount(own),
                reason=reason,
                text=_readable(lines, asked),
            )
        )
        said = dict.fromkeys(_runs(own), number) | said
    return tuple(outcomes)


def own_units(texts: Iterable[str], questions: Sequence[Wordings]) -> list[list[str]]:
    """Each text's words in order, less the questions' and placeholders; Chinese characters one by one."""
    asked = {run for wordings in questions for text in wordings for run in _runs(_units(text))}
    written = ("\n".join(line for line in _lines([text]) if not _is_placeholder(line)) for text in texts)
    return [_without(_units(text), asked) for text in written]


def _answer(lines: Sequence[str], asked: Container[Run], said: dict[Run, int]) -> tuple[list[str], str]:
    """The answer's own words, and why it does not count; empty where it does."""
    written = _written(lines)
    units = _units("\n".join(written))
    own = _without(units, asked)
    if own:
        return own, _objection(own, said)
    copied = any(_units(line) for line in written if not line.lstrip().startswith(">"))
    if len(written) < len(lines) and not copied:
        return own, "the placeholder is still there"
    return own, "only the question itself" if units else "nothing is written there"


def _written(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not _is_placeholder(line)]


def _readable(lines: Sequence[str], asked: Container[Run]) -> str:
    """The answer for people: without lines that only repeat the question, and what is left of its heading."""
    own = [line for line in lines if _without(units := _units(line), asked) or not units]
    return safe_text("\n".join(own).lstrip(" \t\n:.,)]*_#").rstrip(), TEXT_CHARACTERS)


def _objection(own: list[str], said: dict[Run, int]) -> str:
    """Why an answer with these words of its own does not count; empty where it does."""
    if _weight(own) < 1:
        enough = f"{ENOUGH_WORDS} words or {ENOUGH_CHARACTERS} Chinese characters"
        return f"{_told(own)}; at least {enough} are needed"
    if not _is_enough(_once(own)):
        return "the same words over and over"
    if not _is_enough(_once(_without(own, said))):
        return (
            f"the same text as the answer to question {min(said[run] for run in _runs(own) if run in said)}"
        )
    return ""


# Where the answers stand


def _apart(texts: Sequence[str]) -> list[list[str]]:
    """The texts between one BREAK and the next."""
    parts: list[list[str]] = [[]]
    for text in texts:
        if text == BREAK:
            parts.append([])
        else:
            parts[-1].append(text)
    return parts


def _lines(texts: Sequence[str]) -> list[str]:
    """All lines, in plain forms of digits and punctuation (NFKC), without comments, tags and links."""
    whole = "\n\n".join(texts)[:MOST_CHARACTERS]
    whole = normalise(whole)[:MOST_CHARACTERS]
    first, *rest = whole.replace("\r\n", "\n").replace("\r", "\n").split("<!--")
    kept = [first]
    for part in rest:
        _, closed, after = part.partition("-->")
        kept.append(after if closed else part)  # what is never closed hides nothing
    lines = _NOISE.sub(" ", "".join(kept)).split("\n")
    return list(islice(filter(str.strip, lines), MOST_LINES))


def normalise(text: str) -> str:
    """`text` in NFKC without what is invisible; of the combining marks on one letter, `MOST_MARKS` stay.

    To bring a run of marks into order takes the square of its length. The two Japanese sound marks in
    half width become combining marks in NFKC.
    """
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", text)
    kept = []
    marks = 0
    for character in text:
        is_mark = unicodedata.category(character)[0] == "M" or character in "\uff9e\uff9f"
        marks = marks + 1 if is_mark else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", "".join(kept)))


def _sections(lines: Sequence[str], questions: Sequence[Wordings]) -> dict[int, list[str]]:
    """The lines under each question's heading.

    A bare "1." is a heading only where no question is named in another way: it may begin a list.
    """
    asked = [[_units(text) for text in wordings] for wordings in questions]
    named = _collect(lines, lambda line, last: _named(line) or _repeated(line, asked))
    return named or _collect(lines, _next_numbered)


def _collect(lines: Sequence[str], heading_of: _HeadingOf) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    current = depth = last = 0
    for line in lines:
        level = len(line) - len(line.lstrip("#"))  # "## …" is 2, a line of text 0
        number, rest = heading_of(line, last) or (0, line)
        if number and number != current:
            current, depth, last = number, level, max(last, number)
        elif not number and 0 < level <= depth:
            current = 0  # another chapter
        if current:
            found.setdefault(current, []).append(rest)
    return found


def _named(line: str) -> tuple[int, str] | None:
    """The question's number and the rest of the line: "### Question 2: …", "**Q2** …", "第二题"."""
    title = line.startswith("#")
    text = line.lstrip(" \t#>*_-[(")
    match = _NAMED.search(text) if title else _NAMED.match(text)
    if not match or not (title or _HEADING_ENDS.match(text, match.end())):
        return None  # "Question 2 shows that …" is a sentence
    return _value(match), text[match.end() :]


def _repeated(line: str, questions: Sequence[Sequence[list[str]]]) -> tuple[int, str] | None:
    """The question that the line begins with, word for word or nearly; the line stays whole."""
    units = _units(line)
    best, alike = 0, 0.8  # two questions may differ in two characters: the nearest one counts
    for number, wordings in enumerate(questions, start=1):
        for asked in wordings:
            some, all_ = set(units[: len(asked) + 1]), set(asked)
            if len(asked) >= RUN and len(some & all_) > alike * len(some | all_):
                best, alike = number, len(some & all_) / len(some | all_)
    return (best, line) if best else None


def _next_numbered(line: str, last: int) -> tuple[int, str] | None:
    """ "2. …", where the last heading was 1."""
    text = line.lstrip(" \t#>*_")
    match = _NUMBERED.match(text)
    return (last + 1, text[match.end() :]) if match and _value(match) == last + 1 else None


def _value(match: re.Match[str]) -> int:
    number = next(group for group in match.groups() if group)
    number = number.replace("ı", "i").replace("İ", "i").lower()  # an i to `re` where case is ignored
    return _VALUES.get(number) or int(number)


# What counts


def _is_placeholder(line: str) -> bool:
    """A line that says little beside "write your answer here"."""
    match = _PLACEHOLDER.search(line)
    return match is not None and len(_units(line[: match.start()] + " " + line[match.end() :])) <= 4


def _units(text: str) -> list[str]:
    """Words in small letters, Chinese characters one by one; figures and signs count for nothing."""
    found = _UNIT.findall(normalise(text).lower())
    return [unit for unit in found if not unit.isdecimal()]


def _characters(units: Iterable[str]) -> int:
    return sum(len(unit) == 1 and unit >= "\u3040" and not "\uac00" <= unit <= "\ud7a3" for unit in units)


def _is_enough(units: Sequence[str]) -> bool:
    """Enough words, half as many of them different: shuffled filler is no text."""
    return _weight(units) >= 1 and _weight(set(units)) >= 0.5


def _weight(units: Sequence[str] | set[str]) -> float:
    characters = _characters(units)
    return characters / ENOUGH_CHARACTERS + (len(units) - characters) / ENOUGH_WORDS


def _amount(units: Sequence[str]) -> int:
    """Characters where most of the text is Chinese, else words."""
    return max(_characters(units), len(units) - _characters(units))


def _told(units: Sequence[str]) -> str:
    characters = _characters(units)
    counts = [(len(units) - characters, "word"), (characters, "Chinese character")]
    return " and ".join(f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts if n)


def _runs(units: Sequence[str]) -> list[Run]:
    return [tuple(units[at : at + RUN]) for at in range(len(units) - RUN + 1)]


def _without(units: Sequence[str], known: Container[Run]) -> list[str]:
    """`units` less all that stands in a run that is known."""
    copied = [False] * len(units)
    for at, run in enumerate(_runs(units)):
        if run in known:
            copied[at : at + RUN] = [True] * RUN
    return [unit for unit, gone in zip(units, copied, strict=True) if not gone]


def _once(units: Sequence[str]) -> list[str]:
    """`units`, each run of them only where it stands first."""
    seen: set[Run] = set()
    kept = [True] * len(units)
    for at, run in enumerate(_runs(units)):
        kept[at + RUN - 1] = run not in seen
        seen.add(run)
    return [unit for unit, keep in zip(units, kept, strict=True) if keep]
