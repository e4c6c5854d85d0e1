"""The chapters' Markdown as HTML: formulas as MathML, anchors as GitHub makes them, code in colors."""

from __future__ import annotations

import html
import re
from typing import Any, NamedTuple

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

_SHORT_LINES = 12  # of code that is not cut at the end of a printed page
_PLAIN_TOKEN = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')  # names, punctuation, spaces: no color
_TAGS = re.compile(r"<[^>]+>")
_CHAPTER_LINK = re.compile(r"(\d\d-[a-z0-9-]+)\.(?:md|ipynb)(#.*)?")


class Heading(NamedTuple):
    level: int
    text: str  # HTML
    anchor: str


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown, with what it leaves to scripts done here."""

    def __init__(self, prefix: str) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.prefix = prefix
        self.found: list[Heading] = []

    def heading(self, text: str, level: int, **_: Any) -> str:
        base = _slug(text)
        taken = {heading.anchor for heading in self.found}
        anchor, count = base, 0
        while anchor in taken:  # as GitHub tells equal headings apart
            count += 1
            anchor = f"{base}-{count}"
        self.found.append(Heading(level, text, anchor))
        return f'<h{level} id="{self.prefix}{anchor}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        chapter = _CHAPTER_LINK.fullmatch(url)
        if chapter and self.prefix:  # all chapters are one page
            name, anchor = chapter.groups()
            url = f"#{name}{'--' + anchor[1:] if anchor else ''}"
        elif chapter:
            url = f"{chapter[1]}.html{chapter[2] or ''}"
        elif url.startswith("#"):
            url = f"#{self.prefix}{url[1:]}"
        rendered: str = super().link(text, url, title)
        return rendered

    def block_code(self, code: str, info: str | None = None) -> str:
        return color(code, (info or "text").split()[0])

    def table(self, text: str) -> str:
        return f'<div class="table"><table>{text}</table></div>\n'

    def inline_math(self, body: str) -> str:
        return str(convert(html.unescape(body)))

    def block_math(self, body: str) -> str:
        return f'<div class="formula">{convert(html.unescape(body).strip(), display="block")}</div>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


def to_html(text: str, prefix: str = "") -> str:
    """Markdown as HTML.

    Without a `prefix`, links to chapters lead to their pages. With one, all chapters stand in one page:
    anchors begin with it, and links lead to anchors.
    """
    return str(MarkdownWithMath(renderer=_Renderer(prefix)).render(text))


def headings(text: str) -> list[Heading]:
    """The headings of a Markdown text, in their order."""
    renderer = _Renderer("")
    MarkdownWithMath(renderer=renderer).render(text)
    return renderer.found


def color(code: str, language: str) -> str:
    """Code with its syntax colored, where the language is known."""
    try:
        lexer = get_lexer_by_name({"py": "python"}.get(language, language))
    except ValueError:  # pygments' ClassNotFound is one
        lexer = get_lexer_by_name("text")
    short = language == "text" or code.count("\n") < _SHORT_LINES  # a screen of a terminal is kept whole, too
    colored = str(highlight(code, lexer, HtmlFormatter(cssclass="code short" if short else "code")))
    return _PLAIN_TOKEN.sub(r"\1", colored)


def plain_text(text: str) -> str:
    """HTML, such as a heading's, without its tags."""
    return html.unescape(_TAGS.sub("", text)).strip()


def _slug(text: str) -> str:
    return re.sub(r"[^\w\- ]", "", plain_text(text).lower()).replace(" ", "-")
