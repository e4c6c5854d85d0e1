"""What students type into an LMS instead of handing in a file: HTML, of which the text is read."""

from __future__ import annotations

import html
import io
import re

from grader.intake.decode import decode_text
from grader.intake.entries import Entry, UnreadableError
from grader.intake.limits import METADATA_BYTES
from grader.intake.pick import answer_heads

# What begins a new line, and all other tags. Bounded, so that no text is slow.
_BREAKS = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|h[1-6])(?:\s[^<>]{0,300})?/?>", re.IGNORECASE)
_TAGS = re.compile(r"</?[a-z][^<>]{0,1000}>", re.IGNORECASE)
_HUGE = re.compile(r"&#[0-9]{10,};?")  # names no character, and is no number that Python would read


def text_of(markup: str) -> str:
    """The text without its HTML."""
    text = _TAGS.sub("", _BREAKS.sub("\n", markup))
    return html.unescape(_HUGE.sub("\ufffd", text)).replace("\xa0", " ").strip()


def typed(text: str, lms: str) -> list[Entry]:
    """A file with what was typed, or none where there are no answers in it."""
    if not answer_heads(text):
        return []
    raw = text.encode("utf-8", "replace")
    return [Entry(f"answers typed into {lms}.txt", len(raw), len(raw), opener=lambda: io.BytesIO(raw))]


def typed_in(entry: Entry, lms: str, remarks: list[str]) -> list[Entry]:
    """`typed` of what is in an HTML file of the LMS's. Raises `SourceReadError`."""
    try:
        return typed(text_of(decode_text(entry.read(METADATA_BYTES))), lms)
    except UnreadableError as error:
        remarks.append(f"the text that was typed into {lms} {error}")
        return []
