"""What the pages cost: feedback for 300 students, the class page of 1,000, in time and in size: run by hand.

    python tests/benchmarks/pages.py

The marks are made up, with confusion, pictures, answers and logs as after grading. It times in one process,
imports apart, what the commands do; then a headless Chromium opens the class page, sorts and filters it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from click.testing import CliRunner
from marked import LAB, RUBRIC, a_class, evidence, keep
from playwright.sync_api import sync_playwright

from grader.cli import main
from grader.integrity import copies as copies  # with torch, which takes seconds to import
from grader.kit.handouts.pdf import find_chromium
from grader.report import course_of, feedback_page, write_class_page

LOG = "epoch 1: loss 1.234\n" * 100
ROUNDS = 5


def timed(what: str, action: Callable[[], object], rounds: int = ROUNDS) -> None:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    middle = sorted(took)[rounds // 2]
    print(f"{what}: median {middle:.2f} s ({min(took):.2f} to {max(took):.2f}, n = {rounds})")


def feedback(folder: Path) -> None:
    found = [
        evidence(f"pb{n:05}", f"Student {n}", number=n, wrong=["conv_size_formula"], log=LOG)
        for n in range(300)
    ]
    results = keep(folder / "feedback", found)

    def command() -> None:
        done = CliRunner().invoke(main, ["feedback", str(results)])
        assert done.exit_code == 0, done.output

    timed("`grader feedback` of 300 students, pages that are not there yet", command, 1)
    timed("`grader feedback` of 300 students, again", command, 3)
    sizes = sorted(file.stat().st_size for file in (results / "feedback").iterdir())
    print(
        f"a page of feedback: {sizes[len(sizes) // 2] / 1000:.0f} kB, the largest {sizes[-1] / 1000:.0f} kB"
    )


def the_class(folder: Path) -> Path:
    students = [v.model_copy(update={"log": LOG}) for v in a_class(1000)]
    course = course_of(LAB, RUBRIC, students)
    timed("one page of feedback in a class of 1,000", lambda: feedback_page(students[0], course), 50)
    numbers = iter(range(1000))
    timed(
        "class page of 1,000, written", lambda: write_class_page(students, RUBRIC, folder, str(next(numbers)))
    )
    timed(
        "class page of 1,000, unchanged", lambda: write_class_page(students, RUBRIC, folder, str(ROUNDS - 1))
    )
    page = folder / "class.html"
    print(f"class page of 1,000: {page.stat().st_size / 1e6:.2f} MB")
    return page


def in_a_browser(page: Path) -> None:
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=find_chromium(), args=arguments)
        window = browser.new_page(viewport={"width": 1280, "height": 900})

        def opened() -> None:
            window.goto(page.as_uri(), wait_until="load")
            window.locator("th button").first.wait_for()

        painted = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"

        def sorted_() -> None:
            window.evaluate("document.querySelectorAll('th button')[7].click()")
            window.evaluate(painted)

        def filtered() -> None:
            for words in ("pb0012", ""):
                window.locator("#find").fill(words)
                window.evaluate(painted)

        timed("Chromium: opened until it can be used", opened)
        timed("Chromium: sorted by total", sorted_)
        timed("Chromium: filtered to 10 students and back", filtered)
        browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        feedback(Path(name))
        in_a_browser(the_class(Path(name)))
