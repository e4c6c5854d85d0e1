"""`grader export`: hand the marks back, to an LMS by its own file, or as a spreadsheet or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import click

from grader.errors import UserError
from grader.text import counted, safe_line
from grader.types import Fingerprint, Verdict

if TYPE_CHECKING:
    from grader.export.lms import Plan
    from grader.gradebook import Gradebook, Published, Run

SYSTEMS = ("blackboard", "canvas", "moodle", "brightspace", "gradescope")
FILES = ("csv", "xlsx", "json")
PROGRAMS = ("gradescope-autograder", "github-action")
PAGES = "feedback"  # as what the students' pages are published
LEAVE_OUT = ("not-in-template", "not-in-results", "ambiguous", "locked", "unsafe-id")


class _Asked(NamedTuple):
    """What the command was told, for an LMS."""

    to: str
    template: Path
    item: str | None
    out: Path
    changed: bool
    comments: bool
    feedback: Path | None
    download: Path | None
    source: str  # of the last run, for people
    existing: Literal["keep", "overwrite"] | None
    maximum: Literal["as-is", "scale", "cap"] | None
    leave_out: tuple[str, ...]


@click.command()
@click.argument("results", required=False, type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Choice([*SYSTEMS, *FILES, *PROGRAMS]), help="For whom.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option("--template", type=click.Path(path_type=Path), help="The LMS's fresh download of its marks.")
@click.option("--item", metavar="COLUMN", help="The column for the marks, where there are several.")
@click.option("--changed", is_flag=True, help="Only marks that are not as in the last export to the same.")
@click.option("--comments", is_flag=True, help="Fill the template's column of feedback, too.")
@click.option(
    "--feedback",
    metavar="ZIP",
    type=click.Path(path_type=Path),
    help="Write the students' feedback files, too, under the names that the LMS takes.",
)
@click.option(
    "--download",
    type=click.Path(path_type=Path),
    help="The submissions' download, for the names in --feedback.  [default: the last run's]",
)
@click.option(
    "--existing",
    type=click.Choice(["keep", "overwrite"]),
    help="Other grades and comments that the template has.",
)
@click.option(
    "--maximum",
    type=click.Choice(["as-is", "scale", "cap"]),
    help="Where the column's maximum is another: the points as they are, in proportion, or cut off there.",
)
@click.option(
    "--leave-out",
    type=click.Choice(LEAVE_OUT),
    multiple=True,
    help="Whom to leave out, of those who are listed so; may be repeated.",
)
def export(
    results: Path | None,
    to: str,
    out: Path,
    template: Path | None,
    item: str | None,
    changed: bool,
    comments: bool,
    feedback: Path | None,
    download: Path | None,
    existing: Literal["keep", "overwrite"] | None,
    maximum: Literal["as-is", "scale", "cap"] | None,
    leave_out: tuple[str, ...],
) -> None:
    """Hand the marks in RESULTS back.

    For an LMS, --template is the file that it gives you: only the marks in one column are changed in it, and
    whoever has no mark keeps what stands there. What only you can decide is listed first, and nothing is
    written before you have. csv, xlsx and json need no template. Every export is kept in the gradebook.

    gradescope-autograder makes the zip by which Gradescope grades with the same checks, github-action a
    workflow that runs the self-test in students' repositories; both by the rubric of RESULTS, if given.
    """
    of_lms = (template, item, comments, feedback, download, existing, maximum, leave_out)
    if to not in SYSTEMS and any(of_lms):
        raise UserError(f"--to {to}: takes no option of an LMS's: leave out all but --changed")
    if to in PROGRAMS:
        _program(to, results, out)
        return
    if results is None:
        raise UserError(f"--to {to}: name the folder with the results, too")
    from grader.gradebook import FILE_NAME, Gradebook
    from grader.marks import current

    with Gradebook.open(results) as book:
        runs = book.runs()
        if not runs:
            raise UserError(f"{results}: nothing was graded into it yet: see `grader grade`")
        verdicts = current(book)
        if to in FILES:
            _file(book, runs[-1], verdicts, to, out, changed)
            return
        if template is None:
            from grader.export.lms import SYSTEMS as KNOWN

            raise UserError(f"--to {to}: needs --template: {KNOWN[to].title}")
        if out.resolve() == template.resolve():
            raise UserError(f"{out}: is the template: write to another file, and keep what the LMS gave you")
        # A rescore has no source, and a merge has another gradebook.
        sources = [run.source for run in runs if run.source and not run.source.endswith(FILE_NAME)]
        source = Path(sources[-1]).absolute() if sources else None
        download = download or (source if source and source.exists() else None)
        options = (changed, comments, feedback, download, str(source or ""), existing, maximum, leave_out)
        _lms(book, runs[-1], verdicts, _Asked(to, template, item, out, *options))


def _lms(book: Gradebook, run: Run, verdicts: Sequence[Verdict], asked: _Asked) -> None:
    from grader.export.feedback import feedback_line, feedback_zip, pages_or_texts, prefixes_for
    from grader.export.files import replace_file
    from grader.export.lms import SYSTEMS as KNOWN
    from grader.export.lms import Choices, make_plan, read_template
    from grader.marks import removed

    lms = KNOWN[asked.to]
    template = read_template(lms, asked.template, asked.item)
    if asked.comments and template.feedback is None:
        column = lms.feedback_column
        raise UserError(
            f"{asked.template}: has no column {column}: download it with comments"
            if column
            else f"--comments: {lms.name}'s file has no column for them: use --feedback"
        )
    what = safe_line(f"{asked.to}: {template.item.header}", 300)
    known, decided = book.last_published(what), book.decisions()
    told = asked.comments or asked.feedback is not None
    plan = make_plan(
        lms,
        template,
        verdicts,
        Choices(asked.existing, asked.maximum, asked.leave_out),
        emails={entry.student_id: entry.email for entry in run.roster.entries},
        comments={one.student_id: feedback_line(one, decided.get(one.student_id, ())) for one in verdicts}
        if asked.comments
        else None,
        published={student: one.verdict for student, one in known.items()},
        only={one.student_id for one in verdicts if _differs(one, known.get(one.student_id), told)}
        if asked.changed
        else None,
        removed=removed(decided),
    )
    _show(plan, asked.template)
    given = [one.verdict for one in plan.given]
    files = {asked.out: plan.content()}
    lines = []
    if asked.feedback:
        people = {one.verdict.student_id: one.person for one in plan.given}
        called = {one.student_id: one.name for one in verdicts}
        prefixes = prefixes_for(asked.to, people, asked.download, called, asked.source)
        pages = pages_or_texts(book.path.parent, verdicts, book.last_published(PAGES), decided)
        files[asked.feedback] = feedback_zip(pages, prefixes)
        lines += [f"{one}: no feedback file: not in the download" for one in people if one not in prefixes]
        texts = [one for one in prefixes if not pages[one][0].endswith(".html")]
        says = f"{counted(len(prefixes) - len(texts), 'page')}, {counted(len(texts), 'plain text')}"
        if texts:
            says += (
                f", such as {texts[0]}'s: they have no page that shows this mark. For pages run `grader"
                f" feedback {book.path.parent}` first, and this once more"
            )
        lines.append(f"{asked.feedback}: {says}")
    for path, content in files.items():
        replace_file(path, content)
    _publish(book, what, given)
    for line in lines:
        click.echo(safe_line(line, 400))
    cells = sum((one.person.row, template.item.column) in plan.cells for one in plan.given)
    click.echo(
        f"{asked.out}: {counted(cells, 'grade')} written, {len(given) - cells} stood there already, for the"
        f" column {safe_line(template.item.title, 100)}"
    )


def _show(plan: Plan, path: Path) -> None:
    """Tell what is worth knowing, and stop where something is undecided."""
    for note in plan.notes:
        click.echo(safe_line(note, 400))
    if not plan.problems:
        return
    for problem in plan.problems:
        click.echo(safe_line(f"{problem.kind}: {problem.who}: {problem.told}", 400))
    kinds = [kind for kind in LEAVE_OUT if any(problem.kind == kind for problem in plan.problems)]
    hint = f"; leave these out: {' '.join(f'--leave-out {kind}' for kind in kinds)}" if kinds else ""
    are = "1 thing is" if len(plan.problems) == 1 else f"{len(plan.problems)} things are"
    raise UserError(
        f"{path}: {are} for you to decide, and nothing was written: correct the"
        f" class list or the marks, or say what is to be done{hint}"
    )


def _file(book: Gradebook, run: Run, verdicts: Sequence[Verdict], to: str, out: Path, changed: bool) -> None:
    from grader.export.files import replace_file
    from grader.export.scores import as_csv, as_json
    from grader.export.workbook import workbook
    from grader.integrity.copies import flag_copies

    flagged = flag_copies(verdicts)
    if changed:
        known = book.last_published(to)
        flagged = [one for one in flagged if _differs(one, known.get(one.student_id), True)]
        if known and not flagged:
            raise UserError(f"--changed: nothing is new since the last export to {to}: {out} was not written")
    if to == "csv":
        content = as_csv(flagged, run.rubric)
    elif to == "json":
        content = as_json(flagged)
    else:
        decisions = [one for several in book.decisions().values() for one in several]
        content = workbook(flagged, run.rubric, decisions, book.last_published())
    replace_file(out, content)
    _publish(book, to, flagged)
    click.echo(f"{out}: {counted(len(flagged), 'student')}")


def _differs(verdict: Verdict, known: Published | None, comments: bool) -> bool:
    """Whether a mark is not as it was given out last."""
    from grader.export.feedback import feedback_text

    if known is None:
        return True
    old = known.verdict
    if (old.total, old.out_of, old.standing) != (verdict.total, verdict.out_of, verdict.standing):
        return True
    return comments and feedback_text(old) != feedback_text(verdict)


def _publish(book: Gradebook, what: str, verdicts: Sequence[Verdict]) -> None:
    # What nobody was shown is not kept once more.
    kept = {"fingerprint": Fingerprint(), "log": "", "flags": ()}
    book.publish(what, [verdict.model_copy(update=kept) for verdict in verdicts])


def _program(to: str, results: Path | None, out: Path) -> None:
    """The grader for another system to run, by the rubric of the last run in `results`, or the usual one."""
    from grader.export.autograder import gradescope_zip, workflow
    from grader.export.files import replace_file
    from grader.gradebook import lab_of, last_run
    from grader.lab import DEFAULT
    from grader.rubric import load_rubric

    if to == "github-action":
        replace_file(out, workflow())
        click.echo(f"{out}: put it into .github/workflows/ of the repository that holds the assignment")
        return
    run = last_run(results) if results else None
    if results and not run:
        raise UserError(f"{results}: nothing was graded into it yet: leave it out for the usual rubric")
    if run and lab_of(run.settings) != DEFAULT:
        raise UserError(f"{results}: holds another lab's marks: --to {to} is for {DEFAULT} alone")
    replace_file(out, gradescope_zip(run.rubric if run else load_rubric()))
    click.echo(f"{out}: upload it under Configure Autograder; it measures on the images that the kit embeds")
