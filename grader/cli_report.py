"""The commands that make pages: feedback for students, a leaderboard. They need no student's files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.console import Console
from rich.progress import track

from grader.cli_marks import one_of, results_argument, write_files
from grader.errors import UserError
from grader.text import counted, safe_line

if TYPE_CHECKING:
    from grader.gradebook import Gradebook
    from grader.types import Verdict

FEEDBACK = "feedback"  # the folder of the pages, and as what they are known to have been given out


@click.command()
@results_argument
@click.argument("students", nargs=-1, metavar="[STUDENT]...")
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="The language."
)
@click.option("--pdf", is_flag=True, help="Print each page to a PDF as well. It needs Chromium.")
def feedback(results: Path, students: tuple[str, ...], lang: Literal["en", "zh"], pdf: bool) -> None:
    """Write each student's page, or those of some: RESULTS/feedback/ID.html.

    A page holds all that is the student's to know: points row by row, what lost most, the accuracy with
    what the network confuses, the written answers. It never holds flags, hidden inputs, or anything about
    another student. Where nobody can be given a mark yet, it says so.
    """
    from grader.export.files import replace_file
    from grader.export.scores import by_stem
    from grader.gradebook import Gradebook, lab_of
    from grader.kit.handouts.pdf import find_chromium, print_page
    from grader.lab import load_lab
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
        run = book.runs()[-1]
        course = course_of(load_lab(lab_of(run.settings)), run.rubric, verdicts, lang)
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
    _delete_others(folder, by_stem(verdicts))
    write_files(verdicts, course.rubric, results)  # the class page gets links to these
    click.echo(f"{counted(len(chosen), 'page')} of feedback: {folder}")


def _delete_others(folder: Path, stems: Iterable[str]) -> None:
    """Delete the pages of people who are no longer among the students: those of nobody's file name."""
    kept = {_folded(stem) for stem in stems}
    for file in folder.iterdir():
        if file.suffix in (".html", ".pdf") and _folded(file.stem) not in kept:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise UserError(
                    f"{file}: cannot be deleted ({error.strerror}), and is nobody's page: delete it"
                ) from None


def _folded(name: str) -> str:
    """A name as the coarsest file system compares it."""
    return unicodedata.normalize("NFC", name).casefold()


def _note(book: Gradebook, verdicts: Sequence[Verdict]) -> None:
    """Keep in the book which marks were given out, as far as they are other ones than before."""
    told = {
        verdict.student_id: (verdict.total, verdict.rows)
        for _, what, verdict in book.published()
        if what == FEEDBACK
    }
    book.publish(FEEDBACK, [v for v in verdicts if told.get(v.student_id) != (v.total, v.rows)])


@click.command()
@results_argument
@click.option(
    "--nicknames", type=click.Path(path_type=Path), help="A CSV: student,nickname. Others stay unnamed."
)
@click.option(
    "--images", type=click.Path(path_type=Path), metavar="FILE", help="The held-out images that decide."
)
@click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="The language."
)
def leaderboard(
    results: Path, nicknames: Path | None, images: Path | None, lang: Literal["en", "zh"]
) -> None:
    """Write RESULTS/leaderboard.html: nicknames or none, accuracies with their intervals, shared places.

    The order is by the public test images. With --images it is by images that no student has seen: the same
    FILE that the last run graded with, as --private.
    """
    from grader.export.files import replace_file
    from grader.gradebook import Gradebook
    from grader.marks import current, removed
    from grader.report import leaderboard_page, read_nicknames
    from grader.setup import option_digest

    with Gradebook.open(results) as book:
        verdicts, runs = current(book), book.runs()
        gone = removed(book.decisions())
    if not verdicts:
        raise UserError(f"{results}: nothing was graded into it yet: see `grader grade`")
    if images:
        if runs[-1].settings.get("private_digest") != option_digest("--images", str(images)):
            raise UserError(
                f"--images {images}: the last run did not measure on it: "
                f"first run `grader grade DOWNLOAD --out {results} --private {images}`"
            )
        older = [v.student_id for v in verdicts if v.accuracy and v.accuracy.low is not None and not v.public]
        if older:
            raise UserError(
                f"not measured on {images}: {counted(len(older), 'student')}, such as"
                f" {safe_line(older[0], 60)}: run `grader grade` on a download with everybody"
            )
    known = [*(v.student_id for v in verdicts), *gone]
    names = read_nicknames(nicknames, known) if nicknames else {}
    if left := sorted(gone.keys() & names.keys()):
        click.echo(safe_line(f"without place, for they were removed from the class: {', '.join(left)}", 400))
    page = leaderboard_page(verdicts, runs[-1].rubric, names, lang, held_out=images is not None)
    replace_file(results / "leaderboard.html", page.encode())
    click.echo(f"leaderboard: {results / 'leaderboard.html'}")


COMMANDS = (feedback, leaderboard)
