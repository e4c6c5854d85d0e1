"""Text that a student wrote, made fit to be printed."""

from __future__ import annotations

import unicodedata

# Control characters, format characters (bidirectional controls and zero-width ones among them),
# lone surrogates, private use, and the two separators that break a line.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def safe_text(text: str, characters: int) -> str:
    """`text` without what could steer a terminal or reorder a page, at most so many characters.

    Line feeds and tabs stay; any other control or invisible character becomes "?".
    A text that is too long keeps its end, after "… ".
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > characters:
        text = "… " + text[len(text) - max(characters - 2, 0) :]
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _UNSAFE else "?" for c in text)


def safe_line(text: str, characters: int = 300) -> str:
    """`text` as one safe line of at most so many characters; a text that is too long keeps its beginning."""
    text = " ".join(text[: 4 * characters].split())
    text = safe_text(text, len(text)).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= characters else text[: characters - 1] + "…"
