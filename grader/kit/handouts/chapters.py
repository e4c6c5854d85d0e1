"""The chapters' sources, and the notebooks they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from grader.errors import UserError
from grader.kit.handouts.markdown import headings
from grader.types import Record

_CHAPTER = re.compile(r"\d\d-[a-z0-9-]+\.md")
_APPENDIX = re.compile(r"appendix-[a-z0-9-]+\.md")
_LINK = re.compile(r"(\]\()(\d\d-[a-z0-9-]+)\.md(?=[#)])")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class Chapter(Record):
    """One chapter, or an appendix for instructors: its source and what the pages need to know of it."""

    name: str  # the file's name without its ending: 02-convolution
    title: str
    source: str
    sections: tuple[tuple[str, str], ...]  # headings of level two, with their anchors
    anchors: frozenset[str]

    @property
    def number(self) -> str:
        """Such as 02; "" of an appendix."""
        return self.name[:2] if self.name[:2].isdigit() else ""

    @property
    def minutes(self) -> int:
        """How long to work through it, estimated: 100 words, a cell, or a quarter of an exercise a minute."""
        cells = _cells(self.source)
        words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        exercises = sum("check(" in source for source in code)
        return max(10, round((words / 100 + len(code) + 4 * exercises) / 10) * 10)

    @property
    def page(self) -> str:
        return f"{self.name}.html"


def read_chapters(folder: Path) -> list[Chapter]:
    """Read the chapters in their order. Raises UserError where there are none, or one has no title."""
    files = sorted(file for file in folder.glob("*.md") if _CHAPTER.fullmatch(file.name))
    if not files:
        raise UserError(f"{folder}: no chapters (NN-name.md) in it: run this beside handouts/")
    return [_read(file) for file in files]


def read_appendices(folder: Path) -> list[Chapter]:
    """Read what is for instructors alone: it goes into no student's folder, page or PDF."""
    return [_read(file) for file in sorted(folder.glob("*.md")) if _APPENDIX.fullmatch(file.name)]


def read_title(readme: Path) -> str:
    """The first heading of a README."""
    for line in readme.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line.removeprefix("# ").strip()
    raise UserError(f"{readme}: has no heading of level one, which is the handouts' title: add it")


def student_notebook(chapter: Chapter) -> Any:
    """The chapter as a notebook without outputs, the same for the same source."""
    cells = []
    for number, cell in enumerate(_cells(chapter.source), start=1):
        tags = list(cell.metadata.get("tags", []))
        metadata: dict[str, Any] = {"tags": tags} if tags else {}
        if "hide-input" in tags:  # JupyterLab folds the code that only draws
            metadata["jupyter"] = {"source_hidden": True}
        if cell.cell_type == "code":
            new = nbformat.v4.new_code_cell(cell.source, metadata=metadata)
        else:
            new = nbformat.v4.new_markdown_cell(_LINK.sub(r"\1\2.ipynb", cell.source), metadata=metadata)
        new.id = f"cell-{number}"  # nbformat's own are random
        cells.append(new)
    return nbformat.v4.new_notebook(cells=cells, metadata=_METADATA)


def _read(file: Path) -> Chapter:
    source = file.read_text(encoding="utf-8")
    text = "\n\n".join(cell.source for cell in _cells(source) if cell.cell_type == "markdown")
    found = headings(text)
    titles = [heading for heading in found if heading.level == 1]
    if len(titles) != 1:
        raise UserError(f"{file}: has {len(titles)} headings of level one, its title: it needs one")
    return Chapter(
        name=file.stem,
        title=titles[0].text,
        source=source,
        sections=tuple((heading.text, heading.anchor) for heading in found if heading.level == 2),
        anchors=frozenset(heading.anchor for heading in found),
    )


def _cells(source: str) -> list[Any]:
    """The cells of a source; its header, if it has one, is none."""
    return [cell for cell in jupytext.reads(source, fmt="md").cells if cell.cell_type != "raw"]
