"""Bytes of a text file to text: students save in many encodings."""

from __future__ import annotations

import codecs


def decode_text(raw: bytes) -> str:
    """UTF-8 or UTF-16 by their marks, then UTF-8, UTF-16 by its NULs, GB18030; never fails.

    Line ends become "\\n"; what no encoding explains becomes U+FFFD.
    """
    return _decode(raw).replace("\r\n", "\n").replace("\r", "\n")


def _decode(raw: bytes) -> str:
    if raw.startswith(codecs.BOM_UTF8):
        return raw[3:].decode("utf-8", "replace")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    # English in UTF-16 without a mark has a NUL in every pair of bytes; no text in another encoding has any.
    pairs = len(raw) // 2
    if pairs and raw.count(b"\0") > pairs // 2:
        little = raw[1::2].count(b"\0") >= raw[0::2].count(b"\0")
        return raw.decode("utf-16-le" if little else "utf-16-be", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")
