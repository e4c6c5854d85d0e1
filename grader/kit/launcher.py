"""`selftest.py`, as students get it: it starts what lies beside it in `selftest.pyz`."""

from __future__ import annotations

from pathlib import Path

from grader.lab import Lab
from grader.selftest.public import tasks_of

_TEXT = Path(__file__).with_name("launcher.txt")


def launcher(lab: Lab) -> str:
    """The program's text; its docstring names the lab's tasks."""
    *tasks, last = tasks_of(lab.part("selftest").CHECKS)
    words = {
        "TITLE": lab.title,
        "TASK              ": f"{tasks[0] if tasks else last:<18}",
        "TASKS": f"{', '.join(tasks)} or {last}" if tasks else last,
        "MEASURED": lab.measured,
        "MODULE": lab.contract.module,
    }
    text = _TEXT.read_text("utf-8")
    for word, told in words.items():
        text = text.replace(f"{{{word}}}", told)
    return text
