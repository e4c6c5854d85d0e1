"""The self-test's messages in Chinese."""

from __future__ import annotations


def chinese(text: str) -> str:
    return text
