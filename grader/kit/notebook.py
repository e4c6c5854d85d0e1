"""A module in jupytext's percent format as a notebook, the same to the byte every time."""

from __future__ import annotations

import ast
import json
import textwrap

import jupytext
import nbformat

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def to_notebook(source: str) -> str:
    """Return the notebook, nbformat 4.5 and without outputs, that `source` describes.

    A cell that is one `if __name__ == "__main__":` block holds the block's body
    instead: in a notebook, running a cell is asking for it.
    """
    cells = []
    for number, cell in enumerate(jupytext.reads(source, fmt="py:percent").cells, start=1):
        is_code = cell.cell_type == "code"
        text = _unwrapped(cell.source) if is_code else cell.source
        new: dict[str, object] = {
            "cell_type": cell.cell_type,
            "id": f"cell-{number}",  # nbformat's own are random
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        cells.append(new | {"execution_count": None, "outputs": []} if is_code else new)
    notebook = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    nbformat.validate(json.loads(text))
    return text


def _unwrapped(code: str) -> str:
    body = ast.parse(code).body
    if (
        len(body) == 1
        and isinstance(body[0], ast.If)
        and ast.unparse(body[0].test) == "__name__ == '__main__'"
    ):
        return textwrap.dedent("\n".join(code.splitlines()[1:])).strip("\n")
    return code
