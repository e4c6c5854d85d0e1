"""Executed notebooks as HTML pages that need nothing but themselves and one style sheet."""

from __future__ import annotations

import base64
import html
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbconvert.filters import strip_ansi
from pygments.formatters import HtmlFormatter

from grader.kit.handouts.chapters import Chapter
from grader.kit.handouts.markdown import color, plain_text, to_html

_HERE = Path(__file__).parent
_STYLE = "style.css"
_FONT = _HERE / "fonts" / "latinmodern-math.otf"  # of the GUST e-foundry, unchanged; its license is beside it
_ANSWER = re.compile(r"<details(?: open)?><summary>Answer</summary>(.*?)</details>", re.DOTALL)
_EXERCISE = re.compile(r"<h3[^>]*>Exercise: (.*?)</h3>")
_UNANSWERED = "Not answered yet"  # what cnn.quiz prints of an exercise as it came


def style_sheet(font: str = _FONT.name) -> str:
    """The style of all pages, on screens and on paper, with the colors of code; `font` is a URL."""
    own = (_HERE / _STYLE).read_text(encoding="utf-8").replace("MATH-FONT", font)
    light, dark = (
        str(HtmlFormatter(style=style, cssclass="code").get_style_defs(".code"))
        for style in ("default", "github-dark")
    )
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"


def write_style(folder: Path) -> None:
    """Put what all pages of a folder need into it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _STYLE).write_text(style_sheet(), encoding="utf-8")
    for file in _FONT.parent.iterdir():
        shutil.copy(file, folder)


def page(book: str, chapter: Chapter, notebook: Any, chapters: Sequence[Chapter]) -> str:
    """One chapter as a page of its own, with links to those before and after it, and to the contents."""
    body = "\n".join(_cell(cell, prefix="", printed=False) for cell in notebook.cells)
    body = f"<main>\n{_number(chapter)}\n{body}\n</main>"
    title = f"{plain_text(chapter.title)} · {book}"
    if chapter not in chapters:  # an appendix
        return _document(title, body)
    place = chapters.index(chapter)
    before = chapters[place - 1] if place else None
    after = chapters[place + 1] if place + 1 < len(chapters) else None
    ways = [f'<a href="{before.page}" rel="prev">← {before.title}</a>' if before else "<span></span>"]
    listed = "".join(f'<li><a href="{one.page}">{one.title}</a></li>' for one in chapters)
    ways.append(
        f'<details class=contents><summary>Contents</summary><a href="index.html">{html.escape(book)}</a>'
        f"<ol>{listed}</ol></details>"
    )
    ways.append(f'<a href="{after.page}" rel="next">{after.title} →</a>' if after else "<span></span>")
    way = "".join(ways)
    again = f'<nav aria-label="chapters, again">{way}</nav>'
    return _document(title, f'<nav aria-label="chapters">{way}</nav>\n{body}\n{again}')


def index_page(book: str, about: str, chapters: Sequence[Chapter]) -> str:
    """What the book is `about` (Markdown), and the contents: each chapter with its time and sections."""
    items = []
    for chapter in chapters:
        sections = "".join(
            f'<li><a href="{chapter.page}#{anchor}">{text}</a></li>' for text, anchor in chapter.sections
        )
        inner = f"<ul>{sections}</ul>" if sections else ""
        time = f'<span class="time">about {chapter.minutes} minutes</span>'
        items.append(f'<li><a href="{chapter.page}">{chapter.title}</a> {time}{inner}</li>')
    body = f"<h1>{html.escape(book)}</h1>\n{to_html(about)}\n<h2>Contents</h2>\n<ol>{''.join(items)}</ol>"
    note = "<p>The times are estimates, from the lengths of the chapters.</p>"
    return _document(book, f'<main class="contents">\n{body}\n{note}\n</main>')


def print_page(
    book: str, chapters: Sequence[Chapter], notebooks: Mapping[str, Any], page_numbers: Mapping[str, int]
) -> str:
    """All chapters as one page for printing: cover, contents, everything unfolded, the answers at the end.

    `page_numbers` of the anchors stand in the contents where they are known.
    """
    entries = []
    for chapter in chapters:
        entries.append((chapter.name, f"{int(chapter.number)} {chapter.title}", "chapter"))
        entries += [(f"{chapter.name}--{anchor}", text, "section") for text, anchor in chapter.sections]
    entries.append(("answers", "Answers", "chapter"))
    lines = [
        f'<li class="{level}"><a href="#{anchor}">{text}</a>'
        f'<span class="number">{page_numbers.get(anchor, "")}</span></li>'
        for anchor, text, level in entries
    ]
    parts = [f'<section class="cover"><h1>{html.escape(book)}</h1></section>']
    parts.append(f'<section class="listing"><h1>Contents</h1><ul>{"".join(lines)}</ul></section>')
    answers = []
    for chapter in chapters:
        cells = notebooks[chapter.name].cells
        body = "\n".join(_cell(cell, prefix=f"{chapter.name}--", printed=True) for cell in cells)
        body, found = _without_answers(chapter, body, page_numbers)
        answers += found
        parts.append(f'<section class="chapter" id="{chapter.name}">\n{_number(chapter)}\n{body}\n</section>')
    listed = "\n".join(answers)
    parts.append(f'<section class="chapter" id="answers">\n<h1>Answers</h1>\n{listed}\n</section>')
    font = base64.b64encode(_FONT.read_bytes()).decode("ascii")
    return _document(book, "\n".join(parts), style=style_sheet(f"data:font/otf;base64,{font}"))


def _without_answers(chapter: Chapter, body: str, page_numbers: Mapping[str, int]) -> tuple[str, list[str]]:
    """A chapter for printing, with a reference in each answer's place; and its answers."""
    answers = [f"<h2>{int(chapter.number)} {chapter.title}</h2>"]

    def refer(found: re.Match[str]) -> str:
        anchor = f"answer-{chapter.number}-{len(answers)}"
        titles = _EXERCISE.findall(body, 0, found.start())
        title = titles[-1][:1].upper() + titles[-1][1:] if titles else "Exercise"
        answers.append(f'<div class="answer" id="{anchor}"><h3>{title}</h3>{found[1]}</div>')
        return f'<p class="refer"><a href="#{anchor}">Answer: page {page_numbers.get(anchor, "")}</a></p>'

    body = _ANSWER.sub(refer, body)
    return body, answers if len(answers) > 1 else []


def _number(chapter: Chapter) -> str:
    return (
        f'<p class="number">{f"Chapter {int(chapter.number)}" if chapter.number else "For instructors"}</p>'
    )


def _document(title: str, body: str, style: str = "") -> str:
    sheet = f"<style>{style}</style>" if style else f'<link rel="stylesheet" href="{_STYLE}">'
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
    outputs = "\n".join(_output(output) for output in cell.outputs if not _is_unanswered(output))
    return f'<div class="cell">{code}{f"<div class=outputs>{outputs}</div>" if outputs else ""}</div>'


def _is_unanswered(output: Any) -> bool:
    """Whether it only says that an exercise is not answered, which no reader of a page can do."""
    return output.output_type == "stream" and str(output.text).startswith(_UNANSWERED)


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
