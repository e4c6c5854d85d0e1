"""Prints a page to PDF with headless Chromium."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grader.errors import UserError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PRINT_SECONDS = 180
_FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--no-pdf-header-footer"),
    *("--disable-dev-shm-usage", "--generate-pdf-document-outline"),
)


def find_chromium() -> str | None:
    """The Chromium of this machine, or None."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def print_pdf(chromium: str, make_page: Callable[[Mapping[str, int]], str], file: Path) -> int:
    """Print what `make_page` returns, and return the number of pages.

    `make_page` gets the page numbers of its anchors: none the first time, for only the printed pages
    tell them, and the right ones the second time.
    """
    try:
        import pypdf
    except ImportError:
        raise UserError("the PDF needs pypdf: pip install 'convnet-lab-grader[handouts]'") from None

    numbers: dict[str, int] = {}
    for _ in range(2):
        print_page(chromium, make_page(numbers), file)
        with pypdf.PdfReader(file) as reader:
            pages = len(reader.pages)
            numbers = {
                name.removeprefix("/"): (reader.get_destination_page_number(place) or 0) + 1
                for name, place in reader.named_destinations.items()
            }
    _shrink(file)
    return pages


def _shrink(file: Path) -> None:
    """Store once what Chromium stores for every hatched box: a picture of the whole figure."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # else it says that Chromium miscounts the objects
    writer = pypdf.PdfWriter(clone_from=file)
    writer.compress_identical_objects()
    writer.write(file)


def print_page(chromium: str, page: str, file: Path) -> None:
    """Print a page in HTML to `file`. Raises UserError where Chromium cannot."""
    with tempfile.TemporaryDirectory(prefix="handouts-pdf-") as name:
        work = Path(name)
        (work / "page.html").write_text(page, encoding="utf-8")
        command: list[Any] = [chromium, *_FLAGS, f"--user-data-dir={work / 'profile'}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox refuses to work for root
            command.append("--no-sandbox")
        command += [f"--print-to-pdf={work / 'page.pdf'}", (work / "page.html").as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PRINT_SECONDS)
        except subprocess.TimeoutExpired:
            raise UserError(f"{chromium} printed nothing in {_PRINT_SECONDS} s: try again") from None
        if done.returncode or not (work / "page.pdf").is_file():
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise UserError(f"{chromium} cannot print {file.name}: {last[:200]}")
        shutil.copy(work / "page.pdf", file)
