"""Does the code carry data: weights that its training only unpacks, or the labels of the test images?

What people write, words, names and operators, is told from what they do not: numbers, and runs of
characters that are no words. All that was written counts, comments and docstrings too, for code can read
its own text. Nothing is parsed: the text is hostile.
"""

from __future__ import annotations

import re
import zlib

from grader.types import Code, Flag

CODE_BYTES = 32 * 1024  # of code, compressed; the reference has 6,000
# Of what are no words, compressed. The labels of 10,000 images take 4,150 at least, torchvision's longest
# tables of a network's sizes (regnet.py) 1,580, the reference 500.
DATA_BYTES = 3 * 1024

LONG = 20  # characters: from here on a word has to look like one
_WORD = re.compile(r"[^\s'\"]+")
_NATURAL = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{3,}|[(),.\[\]=_:/*+<>{}#-]")
_NUMBER = re.compile(r"\d[\w.]*", re.ASCII)
_UNBROKEN = re.compile(r"[A-Za-z]{40,}")  # no language that is written so has such words
# Other scripts have a mark now and then, Chinese, too; what is neither letter nor mark is a symbol.
_OTHER = re.compile(r"[^\W\d_a-zA-Z\u00aa-\u024f]{40,}|[^\x00-\x7f\w，。！？、；：“”‘’（）《》【】—…·　]+")


def carries(code: Code) -> Flag | None:
    """A flag where there is more in the code than people write."""
    text = "\n".join(code.texts)
    if (size := _compressed(text)) > CODE_BYTES:
        message = f"the code has {size // 1024:,} KiB even when compressed, more than people write"
    elif (size := _compressed("\n".join(_data(text)))) > DATA_BYTES:
        message = (
            f"{size / 1024:.1f} KiB of the code, compressed, are numbers and strings that are no words, where"
            f" less than {DATA_BYTES // 1024} are usual"
        )
    else:
        return None
    return Flag(kind="code_size", message=f"{message}: it may carry weights or labels, and only unpack them")


def _data(text: str) -> list[str]:
    """What in a text is not made of words."""
    found = []
    for word in _WORD.findall(text):
        if _UNBROKEN.search(word) or (len(word) >= LONG and not _is_natural(word)):
            found.append(word)
        else:
            found += _NUMBER.findall(word) + _OTHER.findall(word)
    return found


def _is_natural(word: str) -> bool:
    """Whether most of a long word are words and marks, as in `torch.nn.functional.max_pool2d(x,`."""
    is_latin = max(word) < "\u0250"
    return not is_latin or sum(map(len, _NATURAL.findall(word))) >= 0.6 * len(word)


def _compressed(text: str) -> int:
    return len(zlib.compress(text.encode("utf-8", "replace")))
