"""Makes text that students supplied harmless before it reaches a terminal, a log or a file name."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

# Terminal escape sequences: CSI (7 bit and 8 bit), then OSC, DCS, SOS, PM and APC up to their
# terminator, then the two- and three-character ones. What is left of a torn one is a control
# character and a few letters; the control character goes with the rest below. No body runs on into the
# next sequence, so that no text, however torn, is read more than once.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x80-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
)
# What people call it in English and Chinese.
ACCURACY = re.compile(r"acc(?![a-z])|accuracy|准确[率度]|正确率|精度|识别率", re.IGNORECASE)
_JOINERS = "\u200c\u200d"  # format characters that scripts and emoji need
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def safe_text(text: str, limit: int) -> str:
    """Text of at most `limit` characters, newlines and tabs kept, with nothing left that acts.

    Escape sequences, control characters (C0 and C1), bidirectional and other
    invisible format characters are removed; lone surrogates become U+FFFD, so
    that the result can always be written as UTF-8. What is cut ends in "…".
    """
    if len(text) <= limit and text.replace("\n", "").replace("\t", "").isprintable():
        return text  # as most are; what prints has none of all that
    # Four times the limit is read at most, so that the work is bounded too.
    window = text[: 4 * limit + 4096]
    cleaned = _ESCAPES.sub("", _NEWLINES.sub("\n", window))
    kept = "".join(_harmless(character) for character in cleaned)
    if len(kept) > limit or (len(window) < len(text) and kept):
        return kept[: max(limit - 1, 0)] + "…" if limit > 0 else ""
    return kept


def safe_line(text: str, limit: int) -> str:
    """`safe_text` on one line: runs of white space become one space, the ends are trimmed."""
    line = " ".join(safe_text(text, 4 * limit + 4096).split())
    return line if len(line) <= limit else line[: max(limit - 1, 0)].rstrip() + "…" if limit > 0 else ""


def _harmless(character: str) -> str:
    if character in "\n\t" or character in _JOINERS or " " <= character <= "~":
        return character
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    return "" if category in ("Cc", "Cf") else character


# What JSON would let through as it is though it does not show, or moves what does: controls, line
# separators, format characters; and lone surrogates, which UTF-8 has no bytes for.
_INVISIBLE = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def visible_json(value: Any, indent: int | None = None) -> str:
    """JSON in which all that does not show is escaped, and everything else reads as it is."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _INVISIBLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


_MAX_STEM_BYTES = 120  # leaves room for a folder and an extension on every file system
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9])(?:\.|$)", re.IGNORECASE)


def file_stem(student_id: str) -> str:
    """A file name without extension for a student: safe on Linux, macOS and Windows.

    Letters and digits of any script, `_`, `-` and inner dots stay; everything
    else is percent-encoded as UTF-8, so different ids give different names
    (ids that differ only in case do too, but meet again on file systems that
    ignore case). A name over 120 bytes is cut and ends in `~` and a hash.
    """
    text = unicodedata.normalize("NFC", student_id)
    stem = "".join(
        character if _fit_for_a_name(character, at, len(text)) else _percent(character)
        for at, character in enumerate(text)
    )
    if not stem:
        return "%"
    if _RESERVED.match(stem):
        stem = _percent(stem[0]) + stem[1:]
    encoded = stem.encode()
    if len(encoded) > _MAX_STEM_BYTES:
        head = encoded[: _MAX_STEM_BYTES - 17].decode(errors="ignore")
        fingerprint = hashlib.sha256(encoded).hexdigest()[:16]
        stem = f"{head}~{fingerprint}"
    return stem


def _fit_for_a_name(character: str, at: int, length: int) -> bool:
    if character in ".-":
        return 0 < at < length - 1  # no hidden file, no option, no dot that Windows drops
    category = unicodedata.category(character)
    return character == "_" or category[0] == "L" or category == "Nd" or (category[0] == "M" and at > 0)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def counted(number: int, noun: str) -> str:
    """A number of things whose plural has an s: "1 page", "2 pages"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
