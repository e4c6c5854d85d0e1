"""Finds what readers of the handouts would stumble over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a page fetches by itself, and the attribute that says from where; links are followed by people.
_FETCHED = {
    "img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src",
    "audio": "src", "embed": "src", "object": "data", "image": "href",
}  # fmt: skip
_CSS_URL = re.compile(r"url\(\s*['\"]?(?!data:|['\"]?#)([^)'\"]+)|@import")


def inspect_pages(files: Sequence[Path], anchors: Mapping[str, frozenset[str]]) -> list[str]:
    """What is wrong with finished pages: links, pictures, anything from elsewhere.

    `anchors` holds the chapters' pages and the anchors that their sources promise, also of chapters that were
    not built this time.
    """
    problems = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        page = _Page()
        page.feed(text)
        problems += [f"{file.name}: {problem}" for problem in page.problems]
        problems += [
            f"{file.name}: two anchors are called {name}"
            for name in sorted(page.names)
            if page.names[name] > 1
        ]
        problems += [
            f"{file.name}: the style takes something from elsewhere ({found.group()})"
            for style in page.styles
            if (found := _CSS_URL.search(style))
        ]
        for link in page.links:
            wrong = _broken(link, file, page, anchors)
            if wrong:
                problems.append(f"{file.name}: the link to {link} {wrong}")
        for source in page.sources:
            if not source.startswith("data:") and (
                urlsplit(source).scheme or source.startswith("//") or not (file.parent / source).is_file()
            ):
                problems.append(f"{file.name}: takes {source[:100]} from elsewhere, or it is not there")
    return problems


def _broken(link: str, file: Path, page: _Page, anchors: Mapping[str, frozenset[str]]) -> str:
    parts = urlsplit(link)
    if parts.scheme == "https" and re.fullmatch(r"([a-z0-9-]+\.)+[a-z]+", parts.netloc):
        return ""  # a paper, for those who want to read on; nothing needs it
    if parts.scheme in ("http", "https"):
        return "is not of the form https://host.domain/…"
    if parts.scheme or link.startswith("//"):
        return "leads to no page"
    name, anchor = unquote(parts.path), unquote(parts.fragment)
    if not name:
        return "" if anchor in page.names else "leads to no heading of this page"
    if name in anchors:
        return "" if not anchor or anchor in anchors[name] else "leads to no heading of that chapter"
    return "" if (file.parent / name).is_file() else "leads to a file that is not there"


class _Page(HTMLParser):
    """Collects a page's anchors, links and sources, and what is wrong with single elements."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, int] = {}
        self.links: list[str] = []
        self.sources: list[str] = []
        self.styles: list[str] = []
        self.problems: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.names[values["id"]] = self.names.get(values["id"], 0) + 1
        if "style" in values:
            self.styles.append(values["style"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "img" and not values.get("alt", "").strip():
            self.problems.append(
                "a picture has no alternative text; a figure gets it from show(figure, alt=…)"
            )
        if tag == "svg" and not values.get("aria-label", "").strip():
            self.problems.append("a drawing (svg) has no aria-label, which is its alternative text")
        if tag == "script":
            self.problems.append("has a script: pages must be readable without")
        if tag in _FETCHED and values.get(_FETCHED[tag]):
            self.sources.append(values[_FETCHED[tag]])
        if values.get("srcset"):
            self.problems.append("has a srcset: give one picture")
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles.append(data)
