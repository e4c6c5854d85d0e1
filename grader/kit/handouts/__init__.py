"""Makes the handouts: notebooks for students, executed HTML, and one PDF, from `handouts/`.

The sources are jupytext Markdown, one file a chapter. Whatever a reader would stumble over, a
broken link, a figure without alternative text, a cell that fails, is found here and fails the build.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from grader import datasets
from grader.errors import UserError
from grader.kit.handouts.chapters import (
    Chapter,
    read_appendices,
    read_chapters,
    read_title,
    student_notebook,
)
from grader.kit.handouts.execute import execute
from grader.kit.handouts.inspection import inspect_pages
from grader.kit.handouts.pages import index_page, page, print_page, write_style
from grader.kit.handouts.pdf import find_chromium, print_pdf

__all__ = ["build"]

Say = Callable[[str], None]

CELL_SECONDS = 60  # a cell that runs longer fails the build
PDF = "handouts.pdf"


def build(
    source: Path,
    out: Path,
    say: Say,
    only: Sequence[str] = (),
    size: datasets.Size = "mini",
    cell_seconds: int = CELL_SECONDS,
    jobs: int = 1,
) -> None:
    """Write `out`/notebooks, `out`/html, `out`/instructors and, where Chromium is, `out`/handouts.pdf.

    Args:
        source: the folder `handouts/`: README.md with the title, index.md, NN-name.md, appendix-name.md, and
            the package cnn/; beside it `solution/`, for the students' requirements.txt.
        say: gets one line at a time for the person who waits.
        only: numbers or names of chapters, such as "03": only their HTML is made anew, and no PDF.
        size: the images that the cells see: the embedded ones, or all of the cache.
        jobs: notebooks executed at a time.

    Raises UserError, when all is written, where anything is wrong with it; each finding was said before.
    """
    chapters, appendices = read_chapters(source), read_appendices(source)
    chosen = [chapter for chapter in (*chapters, *appendices) if not only or _named(chapter, only)]
    for name in only:
        if not any(_named(chapter, [name]) for chapter in (*chapters, *appendices)):
            raise UserError(f"{source}: no chapter {name}; there are {', '.join(c.number for c in chapters)}")
    title = read_title(source / "README.md")
    _write_notebooks(source, chapters, out / "notebooks")
    problems: list[str] = []
    executed = _execute_all(chosen, out / "notebooks", size, cell_seconds, jobs, say, problems)
    for folder in (out / "html", out / "instructors"):
        write_style(folder)
    built = [out / "html" / "index.html"]
    built[0].write_text(
        index_page(title, (source / "index.md").read_text("utf-8"), chapters), encoding="utf-8"
    )
    for chapter in chosen:
        text = page(title, chapter, executed[chapter.name], chapters)
        built.append(out / ("html" if chapter.number else "instructors") / chapter.page)
        built[-1].write_text(text, encoding="utf-8")
    problems += inspect_pages(built, {chapter.page: chapter.anchors for chapter in chapters})
    if not only:
        _write_pdf(title, chapters, executed, out / PDF, say)
    for problem in problems:
        say(f"problem: {problem}")
    if problems:
        raise UserError(f"{source}: {len(problems)} problems, listed above: fix them and build again")


def _named(chapter: Chapter, names: Sequence[str]) -> bool:
    return any(name in (chapter.number, chapter.name, f"{chapter.name}.md") for name in names)


def _write_notebooks(source: Path, chapters: Sequence[Chapter], folder: Path) -> None:
    """The folder that students receive: notebooks without outputs, what they import, and images."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for chapter in chapters:
        text = nbformat.writes(student_notebook(chapter)) + "\n"
        (folder / f"{chapter.name}.ipynb").write_text(text, encoding="utf-8")
    shutil.copytree(source / "cnn", folder / "cnn", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source.parent / "solution" / "requirements.txt", folder)  # the assignment has the same
    (folder / "data").mkdir()
    names: tuple[datasets.Name, ...] = ("mnist", "cifar10")
    for name in names:
        arrays: dict[str, Any] = {}
        splits: tuple[datasets.Split, ...] = ("train", "test")
        for split in splits:
            images, labels = datasets.load(name, split, "mini")
            arrays |= {f"{split}_images": images.numpy(), f"{split}_labels": labels.numpy().astype(np.uint8)}
        np.savez_compressed(folder / "data" / f"{name}-small.npz", **arrays)


def _execute_all(
    chapters: Sequence[Chapter],
    notebooks: Path,
    size: datasets.Size,
    cell_seconds: int,
    jobs: int,
    say: Say,
    problems: list[str],
) -> dict[str, Any]:
    """Run the chapters top to bottom, each in a copy of the students' folder of its own."""

    def run(chapter: Chapter) -> tuple[Chapter, Any, float, str]:
        with tempfile.TemporaryDirectory(prefix="handouts-") as name:
            work = Path(name) / "notebooks"
            shutil.copytree(notebooks, work)
            notebook = student_notebook(chapter)
            seconds, problem = execute(notebook, work, size, cell_seconds)
            return chapter, notebook, seconds, problem

    executed = {}
    pool = ThreadPoolExecutor(max(1, jobs))
    try:
        for chapter, notebook, seconds, problem in pool.map(run, chapters):
            executed[chapter.name] = notebook
            cells = sum(cell.cell_type == "code" for cell in notebook.cells)
            say(f"{chapter.name}: {cells} cells, {seconds:.1f} s{', ' + problem if problem else ''}")
            if problem:
                problems.append(f"{chapter.name}: {problem}")
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, what has begun ends and no more begins
    return executed


def _write_pdf(
    title: str, chapters: Sequence[Chapter], executed: dict[str, Any], file: Path, say: Say
) -> None:
    file.unlink(missing_ok=True)
    chromium = find_chromium()
    if chromium is None:
        say("no PDF: Chromium is not installed (Debian: apt-get install chromium)")
        return
    pages = print_pdf(chromium, lambda numbers: print_page(title, chapters, executed, numbers), file)
    say(f"{file}: {pages} pages")
