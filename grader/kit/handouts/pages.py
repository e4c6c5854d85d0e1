"""Executed notebooks as HTML pages that need nothing but themselves and one style sheet."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from nbconvert.filters import strip_ansi
from pygments.formatters import HtmlFormatter

from grader.kit.handouts.chapters import Chapter
from grader.kit.handouts.markdown import color, plain_text, to_html

STYLE_FILE = "style.css"


def style_sheet() -> str:
    """The style of all pages, on screens and on paper, with the colors of code."""
    own = resources.files("grader.kit.handouts").joinpath(STYLE_FILE).read_text(encoding="utf-8")
    # Pygments' bw prints well; friendly's colors have little contrast
    return own + str(HtmlFormatter(style="default", cssclass="code").get_style_defs(".code"))


def page(book: str, chapter: Chapter, notebook: Any, before: Chapter | None, after: Chapter | None) -> str:
    """One chapter as a page of its own, with ways to its neighbors and to the contents."""
    ways = [f'<a href="{before.page}" rel="prev">← {before.title}</a>' if before else "<span></span>"]
    ways.append('<a href="index.html">Contents</a>')
    ways.append(f'<a href="{after.page}" rel="next">{after.title} →</a>' if after else "<span></span>")
    way = "".join(ways)
    body = "\n".join(_cell(cell, prefix="", printed=False) for cell in notebook.cells)
    body = f"{_number(chapter)}\n{body}"
    return _document(
        f"{plain_text(chapter.title)} · {book}",
        f'<nav aria-label="chapters">{way}</nav>\n<main>\n{body}\n</main>\n'
        f'<nav aria-label="chapters, again">{way}</nav>',
    )


def index_page(book: str, chapters: Sequence[Chapter]) -> str:
    """The contents: each chapter with its sections."""
    items = []
    for chapter in chapters:
        sections = "".join(
            f'<li><a href="{chapter.page}#{anchor}">{text}</a></li>' for text, anchor in chapter.sections
        )
        inner = f"<ul>{sections}</ul>" if sections else ""
        items.append(f'<li><a href="{chapter.page}">{chapter.title}</a>{inner}</li>')
    return _document(
        book, f'<main class="contents">\n<h1>{html.escape(book)}</h1>\n<ol>{"".join(items)}</ol>\n</main>'
    )


def print_page(
    book: str, chapters: Sequence[Chapter], notebooks: Mapping[str, Any], page_numbers: Mapping[str, int]
) -> str:
    """All chapters as one page for printing: cover, contents, everything unfolded.

    `page_numbers` of the anchors stand in the contents where they are known.
    """
    lines = []
    for chapter in chapters:
        entries = [
            (chapter.name, f"{int(chapter.number)} {chapter.title}"),
            *((f"{chapter.name}--{anchor}", text) for text, anchor in chapter.sections),
        ]
        for place, (anchor, text) in enumerate(entries):
            level = "chapter" if place == 0 else "section"
            number = page_numbers.get(anchor, "")
            lines.append(
                f'<li class="{level}"><a href="#{anchor}">{text}</a><span class="number">{number}</span></li>'
            )
    parts = [f'<section class="cover"><h1>{html.escape(book)}</h1></section>']
    parts.append(f'<section class="listing"><h1>Contents</h1><ul>{"".join(lines)}</ul></section>')
    for chapter in chapters:
        cells = notebooks[chapter.name].cells
        body = "\n".join(_cell(cell, prefix=f"{chapter.name}--", printed=True) for cell in cells)
        parts.append(f'<section class="chapter" id="{chapter.name}">\n{_number(chapter)}\n{body}\n</section>')
    return _document(book, "\n".join(parts), style=style_sheet())


def _number(chapter: Chapter) -> str:
    return f'<p class="number">Chapter {int(chapter.number)}</p>'


def _document(title: str, body: str, style: str = "") -> str:
    sheet = f"<style>{style}</style>" if style else f'<link rel="stylesheet" href="{STYLE_FILE}">'
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n{sheet}\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _cell(cell: Any, prefix: str, printed: bool) -> str:
    if cell.cell_type == "markdown":
        text = to_html(cell.source, prefix)
        return text.replace("<details>", "<details open>") if printed else text
    code = color(cell.source, "python")
    if "hide-input" in cell.metadata.get("tags", []):  # it only draws: nothing that a reader on paper misses
        folded = f"<details class=drawing><summary>Code of this figure</summary>{code}</details>"
        code = "" if printed else folded
    outputs = "\n".join(_output(output) for output in cell.outputs)
    return f'<div class="cell">{code}{f"<div class=outputs>{outputs}</div>" if outputs else ""}</div>'


def _output(output: Any) -> str:
    if output.output_type == "stream":
        return f'<pre class="{output.name}">{html.escape(strip_ansi(output.text))}</pre>'
    if output.output_type == "error":
        return f'<pre class="error">{html.escape(strip_ansi(chr(10).join(output.traceback)))}</pre>'
    if "text/html" in output.data:
        return str(output.data["text/html"])
    for kind in ("image/svg+xml", "image/png", "image/jpeg"):  # shown, and found to have no alternative text
        if kind in output.data:
            picture = str(output.data[kind]).strip()
            return picture if kind.endswith("xml") else f'<img src="data:{kind};base64,{picture}">'
    return f'<pre class="result">{html.escape(output.data.get("text/plain", ""))}</pre>'
