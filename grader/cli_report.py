"""The commands that make pages: feedback for students, a leaderboard. They need no student's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.console import Console
from rich.progress import track

from grader.cli_marks import one_of, results_argument
from grader.errors import UserError
from grader.text import safe_line

if TYPE_CHECKING:
    from grader.gradebook import Gradebook
    from grader.types import Verdict

FEEDBACK = "feedback"  # the folder of the pages, and as what they are known to have been given out


@click.command()
@results_argument
@click.argument("students", nargs=-1, metavar="[STUDENT]...")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="The language.")
@click.option("--pdf", is_flag=True, help="Print each page to a PDF as well. It needs Chromium.")
def feedback(results: Path, students: tuple[str, ...], lang: Literal["en", "zh"], pdf: bool) -> None:
    """Write each student's page, or those of some: RESULTS/feedback/ID.html.

    A page holds all that is the student's to know: points row by row, what lost most, the accuracy with
    what the network confuses, the written answers. It never holds flags, hidden inputs, or anything about
    another student. Where nobody can be given a mark yet, it says so.
    """
    from grader.export.files import replace_file
    from grader.export.scores import by_stem
    from grader.gradebook import Gradebook
    from grader.kit.handouts.pdf import find_chromium, print_page
    from grader.marks import current
    from grader.report import course_of, feedback_page

    chromium = find_chromium() if pdf else None
    if pdf and chromium is None:
        raise UserError("--pdf: Chromium is not installed (Debian: apt-get install chromium)")
    folder = results / FEEDBACK
    with Gradebook.open(results) as book:
        verdicts = current(book)
        if not verdicts:
            raise UserError(f"{results}: nothing was graded into it yet: see `grader grade`")
        for student in students:
            one_of(verdicts, student)
        attempts, decisions = book.attempts(), book.decisions()
        course = course_of(book.runs()[-1].rubric, verdicts, lang)
        chosen = [(s, v) for s, v in by_stem(verdicts).items() if not students or v.student_id in students]
        console = Console(stderr=True)
        for stem, verdict in track(chosen, "writing", console=console, disable=not console.is_terminal):
            id = verdict.student_id
            tried = [one.evidence.attempt for one in attempts.get(id, ())]
            page = feedback_page(verdict, course, tried, decisions.get(id, ()))
            replace_file(folder / f"{stem}.html", page.encode())
            if chromium:
                print_page(chromium, page, folder / f"{stem}.pdf")
        _note(book, [verdict for _, verdict in chosen])
    count = f"{len(chosen)} page{'s' if len(chosen) > 1 else ''}"
    click.echo(f"{count} of feedback: {folder}")


def _note(book: Gradebook, verdicts: Sequence[Verdict]) -> None:
    """Keep in the book which marks were given out, as far as they are other ones than before."""
    told = {verdict.student_id: (verdict.total, verdict.rows) for _, what, verdict in book.published() if what == FEEDBACK}
    book.publish(FEEDBACK, [v for v in verdicts if told.get(v.student_id) != (v.total, v.rows)])


COMMANDS = (feedback,)
