"""Lists what every student was given, so that nobody seems to have copied it.

Only hashes are kept, those that `grader.integrity.texts` makes of students' code and answers. `grader build`
writes the lab's file anew where it is out of date, and `grader build --check` says so.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from grader.integrity.texts import code_hashes, pack, word_hashes

_FENCE = re.compile(r"^```(?:python|py)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def listed(assignment: Path, handouts: Path) -> bytes:
    """The file's content: of the assignment's files, and of the tutorial's cells, modules and prose."""
    pages = [*_texts(assignment, "*.md"), *_texts(handouts, "*.md")]
    modules = [*_texts(assignment, "*.py"), *_texts(handouts, "**/*.py")]
    cells = [_FENCE.findall(page) for page in pages]
    # Each page's cells together, too: a student may have joined what stands in two.
    code = [*modules, *("\n".join(some) for some in cells), *(cell for some in cells for cell in some)]
    notebooks = [json.loads(text) for text in _texts(assignment, "*.ipynb")]
    noted = [cell for book in notebooks for cell in book["cells"] if cell["cell_type"] == "markdown"]
    prose = [*pages, *("".join(cell["source"]) for cell in noted)]
    hashes = {
        "code": np.unique(np.concatenate([code_hashes([text]) for text in code])),
        "text": np.unique(word_hashes(prose, ())),
    }
    return (json.dumps({kind: pack(some) for kind, some in hashes.items()}, indent=1) + "\n").encode()


def is_current(file: Path, assignment: Path, handouts: Path) -> bool:
    """Whether the file is what these give; git may have given it other line ends on Windows."""
    return file.is_file() and file.read_bytes().replace(b"\r\n", b"\n") == listed(assignment, handouts)


def _texts(folder: Path, pattern: str) -> list[str]:
    return [path.read_text("utf-8") for path in sorted(folder.glob(pattern))]
