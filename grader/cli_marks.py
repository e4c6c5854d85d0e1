"""The commands that need no student's files: look at marks, decide on them, take in another gradebook."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.cli_export import export
from grader.errors import UserError
from grader.text import safe_line, visible_json
from grader.types import Decision, Verdict

if TYPE_CHECKING:
    from grader.gradebook import Run
    from grader.lab import Lab
    from grader.marks import Change, Standing
    from grader.policy import Policy
    from grader.roster import Roster
    from grader.rubric import Rubric


class Rules(NamedTuple):
    """What marks are computed by, and where it was read from."""

    lab: Lab
    rubric: Rubric
    policy: Policy
    roster: Roster
    told: dict[str, str]  # the last run's settings, with the files that are read now


def rules_for(
    last: Run | None, rubric: Path | None, policy: Path | None, roster: Path | None, lab: str | None = None
) -> Rules:
    """The rubric, policy and roster in these files; what is not named stays as the last run had it.

    So does the lab. Raises `UserError` where the results are another lab's.
    """
    from grader.gradebook import RUBRIC_DIGEST, lab_of
    from grader.lab import DEFAULT, load_lab
    from grader.policy import load_policy
    from grader.roster import Roster, read_roster
    from grader.rubric import load_rubric, same_checks

    before = last.settings if last else {}
    of_last = lab_of(before) if last else ""
    chosen_lab = load_lab(lab or of_last or DEFAULT)
    if of_last and Path(of_last).name != chosen_lab.name:
        raise UserError(
            f"these are results of {Path(of_last).name}, not of {chosen_lab.name}: choose another --out"
        )
    files = {"rubric": rubric, "policy": policy, "roster": roster}
    told = {name: value for name, value in before.items() if name != RUBRIC_DIGEST}
    told |= {name: str(path) if path else before.get(name, "") for name, path in files.items()}
    if rubric is None and last and told["rubric"]:
        chosen = last.rubric
        same_checks(Path(told["rubric"]), chosen, chosen_lab.check_places())  # the lab may be another since
    else:
        chosen = load_rubric(rubric or chosen_lab.rubric, chosen_lab.check_places())
        known = before.get(RUBRIC_DIGEST)
        if rubric is None and known and known != chosen.digest:
            raise UserError(
                "these results were graded by a rubric that is not kept in them: give it with --rubric"
            )
    return Rules(
        chosen_lab,
        chosen,
        load_policy(policy) if policy or not last else last.policy,
        read_roster(roster) if roster else last.roster if last else Roster(entries=()),
        told,
    )


def write_results(
    verdicts: Sequence[Verdict], rubric: Rubric, out: Path, as_json: bool, only: Collection[str] = ()
) -> None:
    """Write the files and show the table, of `only` these students where some are named."""
    from grader.export import score_table

    verdicts = write_files(verdicts, rubric, out)
    if as_json:
        content = [verdict.model_dump(mode="json", exclude={"fingerprint"}) for verdict in verdicts]
        click.echo(visible_json(content))
        return
    shown = [verdict for verdict in verdicts if not only or verdict.student_id in only]
    Console().print(score_table(shown, rubric))
    if flagged := sum(bool(verdict.open_flags) for verdict in shown):
        click.echo(f"{flagged} with flags (!), which change no points: read the column `flags`, and judge")
    for label, name in (
        ("spreadsheet", "scores.xlsx"),
        ("the same as text", "scores.csv"),
        ("one file a student", "students"),
        ("gradebook", "gradebook.sqlite"),
        ("class page", "class.html"),
    ):
        click.echo(f"{label + ':':<20}{out / name}")


def write_files(verdicts: Sequence[Verdict], rubric: Rubric, out: Path) -> list[Verdict]:
    """Write all files of the results; the verdicts with what only the class can tell."""
    from grader.export import write_scores
    from grader.gradebook import Gradebook
    from grader.integrity.copies import flag_copies
    from grader.report import write_class_page

    flagged = flag_copies(verdicts)
    with Gradebook.open(out) as book:
        decisions = [one for several in book.decisions().values() for one in several]
        published = book.last_published()
    try:
        digest = write_scores(flagged, rubric, out, decisions, published)
        write_class_page(flagged, rubric, out, digest)
    except OSError as error:
        raise UserError(
            f"{error.filename or out}: cannot be written ({error.strerror}): free space or close it, then "
            "run the same command again; the marks are safe in the gradebook"
        ) from error
    return flagged


def show_changes(found: Sequence[Change]) -> None:
    """What is different from before, on the error stream, which leaves JSON alone."""
    if not found:
        return
    table = Table(title="changed since the last run", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("student", "row", "before", "after", "why"):
        table.add_column(name)
    for change in found:
        table.add_row(*(Text(safe_line(cell, 200)) for cell in change))
    Console(stderr=True).print(table)


def warn_of_class_list(before: Standing, after: Standing) -> None:
    """Say where most of those who handed in are not on the class list, or no longer."""
    from grader.roster import doubts

    if after.run is None:
        return
    handed_in = [one.student_id for one in after.marks if one.student_id in after.attempts]
    for line in doubts(after.run.roster, before.run and before.run.roster, handed_in):
        click.secho(safe_line(f"warning: {line}", 600), err=True, fg="yellow", bold=True)


def results_argument(command: Any) -> Any:
    return click.argument("results", type=click.Path(path_type=Path))(command)


def lab_option(command: Any) -> Any:
    told = "The lab, by its name or its folder.  [default: that of the results, or lab8]"
    return click.option("--lab", metavar="NAME|FOLDER", help=told)(command)


def decision_options(command: Any) -> Any:
    command = click.option("--by", metavar="NAME", help="Who decides.  [default: your login name]")(command)
    told = "For the record; the student may read it."
    return click.option("--why", required=True, metavar="TEXT", help=told)(command)


@click.command()
@results_argument
@click.argument("student", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the marks as JSON.")
def show(results: Path, student: str | None, as_json: bool) -> None:
    """Show the marks in RESULTS, or STUDENT's row by row. Needs no submission and runs no code."""
    from grader.export import score_table
    from grader.gradebook import Gradebook
    from grader.integrity.copies import flag_copies
    from grader.marks import current, removed

    with Gradebook.open(results) as book:
        verdicts = flag_copies(current(book))
        runs = book.runs()
        gone = removed(book.decisions())
    if student in gone:
        raise UserError(
            f"{student}: was removed by decision {gone[student]}: `grader undo {results} {gone[student]}`"
            " brings them back"
        )
    if student is not None:
        verdicts = [one_of(verdicts, student)]
    if as_json:
        content = [verdict.model_dump(mode="json", exclude={"fingerprint"}) for verdict in verdicts]
        click.echo(visible_json(content))
    elif student is None:
        if runs:
            Console().print(score_table(verdicts, runs[-1].rubric))
    else:
        _show_rows(verdicts[0])


_NEXT = {
    "quarantined": "next: correct the class list and run `grader rescore RESULTS --roster FILE`, or look at"
    " the work and run `grader adjust RESULTS STUDENT total=POINTS`",
    "grader_error": "next: run the same `grader grade` again",
    "not_gradable": "next: ask the student, or run `grader adjust RESULTS STUDENT total=POINTS`",
}


def _show_rows(verdict: Verdict) -> None:
    from grader.export.cells import flag_lines

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name, justify in (("row", "left"), ("points", "right"), ("of", "right"), ("why", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in verdict.rows:
        points = f"{row.points}" if row.decided is None else f"{row.points} → {row.decided}"
        why = " · ".join(filter(None, [row.why, row.reason]))
        table.add_row(*(Text(safe_line(cell, 300)) for cell in (row.id, points, f"{row.out_of}", why)))
    if verdict.deduction:
        table.add_row("late", f"−{verdict.deduction}", "", f"{verdict.late_seconds / 3600:.1f} hours")
    console = Console()
    title = f"{verdict.student_id} {verdict.name}: {verdict.status.value}, {_total(verdict)}"
    console.print(Text(safe_line(title, 300), style="bold"))
    if verdict.reason:
        console.print(Text(safe_line(f"reason: {verdict.reason}", 1000)))
    if verdict.status.value in _NEXT and verdict.standing == "counts":
        console.print(Text(_NEXT[verdict.status.value]))
    console.print(table)
    for label, lines in (("decision", verdict.decisions), ("remark", verdict.remarks)):
        for line in lines:
            console.print(Text(safe_line(f"{label}: {line}", 500)))
    for line in flag_lines(verdict):
        console.print(Text(safe_line(f"flag {line}", 1000)))


def _total(verdict: Verdict) -> str:
    told = "no mark" if verdict.total is None else f"{verdict.total} of {verdict.out_of}"
    return told if verdict.standing == "counts" else f"{verdict.standing}, {told}"


@click.command()
@results_argument
@click.argument("student", required=False)
def history(results: Path, student: str | None) -> None:
    """Show every mark that STUDENT had in RESULTS, since when (in UTC), and what made it change.

    Without STUDENT, all decisions by number.
    """
    from grader.gradebook import Gradebook
    from grader.marks import history as history_of

    if student is None:
        _show_decisions(results)
        return
    with Gradebook.open(results) as book:
        found = history_of(book, student)
        given = book.published(student)
    if not found:
        raise UserError(f"{student}: no such student in {results}: see `grader show {results}`")
    lines = [(at, _total(verdict), what) for at, verdict, what in found]
    lines += [(at, _total(verdict), f"given out as {what}") for at, what, verdict in given]
    for at, total, what in sorted(lines):
        click.echo(safe_line(f"{at[:19].replace('T', ' ')}  {total:<20}  {what}", 400))


def _show_decisions(results: Path) -> None:
    """All that were made, the oldest first."""
    from grader.gradebook import Gradebook
    from grader.marks import holding

    with Gradebook.open(results) as book:
        made = book.decisions()
    held = {number for several in made.values() for number in holding(several).numbers}
    for one in sorted((one for several in made.values() for one in several), key=lambda one: one.number):
        ended = "" if one.number in held or one.kind == "undo" else " [no longer holds]"
        click.echo(safe_line(f"decision {one.number} on {one.student_id}{ended}: {one.line}", 400))
    if not made:
        click.echo("no decisions were made")


def _made(student: str, kind: str, by: str | None, why: str, **more: Any) -> Decision:
    from grader.decisions import decision

    return decision(student, kind, by=by or getpass.getuser(), why=why, **more)


def one_of(verdicts: Sequence[Verdict], student: str) -> Verdict:
    for verdict in verdicts:
        if verdict.student_id == student:
            return verdict
    from grader.decisions import no_such_student

    raise no_such_student(student, [verdict.student_id for verdict in verdicts])


def make(results: Path, decisions: Sequence[Decision]) -> None:
    """Check decisions, keep them, write the files anew, and show what they change."""
    from grader.decisions import check, without_effect
    from grader.gradebook import Gradebook
    from grader.marks import changes, current

    with Gradebook.open(results) as book:
        before = current(book)
        check(book, before, decisions)
        kept = book.decide(decisions)
        after = current(book)
        run, all_decisions = book.runs()[-1], book.decisions()
    write_files(after, run.rubric, results)
    was, now = ({verdict.student_id: verdict for verdict in verdicts} for verdicts in (before, after))
    for one in kept:
        student = one.student_id
        click.echo(safe_line(f"decision {one.number} on {student}: {one.line}", 400))
        if student in was and student in now:
            made = all_decisions[student]
            if why := without_effect(one, was[student], now[student], made, run.policy):
                click.echo(safe_line(f"decision {one.number} changes no mark: {why}", 400))
    show_changes(changes(before, after))


@click.command()
@results_argument
@click.argument("student")
@click.argument("points", nargs=-1, required=True, metavar="ROW=POINTS...")
@decision_options
def adjust(results: Path, student: str, points: tuple[str, ...], why: str, by: str | None) -> None:
    """Give STUDENT other points for a row, or for the row `total`: the whole mark."""
    from grader.decisions import number_of_points

    made = []
    for one in points:
        row, equals, number = one.partition("=")
        if not equals:
            raise UserError(f"{one}: write it as ROW=POINTS, like question_2=1")
        made.append(_made(student, "adjust", by, why, row=row, points=number_of_points(number)))
    make(results, made)


@click.command()
@results_argument
@click.argument("student")
@decision_options
def excuse(results: Path, student: str, why: str, by: str | None) -> None:
    """STUDENT gets no mark, and nothing counts against them."""
    make(results, [_made(student, "excuse", by, why)])


@click.command("waive-late")
@results_argument
@click.argument("student")
@decision_options
def waive_late(results: Path, student: str, why: str, by: str | None) -> None:
    """STUDENT's lateness costs nothing."""
    make(results, [_made(student, "waive_late", by, why)])


@click.command()
@results_argument
@click.argument("student")
@click.argument("until")
@decision_options
def extend(results: Path, student: str, until: str, why: str, by: str | None) -> None:
    """STUDENT may hand in UNTIL a date, like 2026-11-27, or for so many days after the deadline, like 3."""
    make(results, [_made(student, "extend", by, why, until=until)])


@click.command()
@results_argument
@click.argument("student")
@click.option("--mark", metavar="POINTS", help="A mark that is given all the same.")
@decision_options
def exclude(results: Path, student: str, mark: str | None, why: str, by: str | None) -> None:
    """STUDENT's work gets no mark, for plagiarism say. What was measured is kept."""
    from grader.decisions import number_of_points

    points = None if mark is None else number_of_points(mark)
    make(results, [_made(student, "exclude", by, why, points=points)])


@click.command("choose-attempt")
@results_argument
@click.argument("student")
@click.argument("attempt")
@decision_options
def choose_attempt(results: Path, student: str, attempt: str, why: str, by: str | None) -> None:
    """STUDENT's ATTEMPT counts: its number, or the beginning of its digest."""
    from grader.decisions import find_attempt
    from grader.gradebook import Gradebook

    with Gradebook.open(results) as book:
        digest = find_attempt(book, student, attempt)
    make(results, [_made(student, "choose_attempt", by, why, digest=digest)])


@click.command()
@results_argument
@click.argument("student")
@decision_options
def remove(results: Path, student: str, why: str, by: str | None) -> None:
    """Take STUDENT out of all tables. `grader undo` brings them back."""
    make(results, [_made(student, "remove", by, why)])


@click.command()
@results_argument
@click.argument("decision", type=int)
@decision_options
def undo(results: Path, decision: int, why: str, by: str | None) -> None:
    """DECISION, by its number in `grader history`, no longer holds."""
    from grader.gradebook import Gradebook

    with Gradebook.open(results) as book:
        known = book.decision(decision)
    if known is None:
        raise UserError(
            f"there is no decision {decision} in {results}: `grader history {results}` lists them all"
        )
    if known.kind == "undo":
        raise UserError(f"decision {decision} took back another one: make that decision again instead")
    make(results, [_made(known.student_id, "undo", by, why, undoes=decision)])


@click.command()
@results_argument
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--why", metavar="TEXT", default="", help="For lines without a reason; students may read it.")
@click.option("--by", metavar="NAME", help="Who decides.  [default: your login name]")
@click.option("--yes", is_flag=True, help="Do not ask before they are kept.")
def decide(results: Path, file: Path, why: str, by: str | None, yes: bool) -> None:
    """Make the decisions in FILE, a CSV or XLSX: all of them, or none where one is wrong.

    FILE has the columns `student`, `decision` (adjust, excuse, waive-late, extend, exclude, remove), `row`,
    `value` and `why`. Or it is the spreadsheet that was written here, in which points were changed.
    """
    from grader.decisions import check, read_decisions
    from grader.gradebook import Gradebook
    from grader.marks import current

    with Gradebook.open(results) as book:
        verdicts = current(book)
        made, ignored = read_decisions(file, verdicts, by=by or getpass.getuser(), why=why)
        check(book, verdicts, made)
    for told in ignored:
        click.echo(safe_line(f"{file}: {told}", 400))
    if not made:
        click.echo(f"{file}: changes nothing")
        return
    before = {verdict.student_id: verdict for verdict in verdicts}
    for one in made:
        click.echo(safe_line(f"{one.student_id}: {_with_before(one, before[one.student_id])}", 400))
    if not yes and not click.confirm(
        f"keep {'this decision' if len(made) == 1 else f'these {len(made)} decisions'}?"
    ):
        raise UserError("nothing was kept")
    make(results, made)


def _with_before(decision: Decision, verdict: Verdict) -> str:
    """A decision with the points that hold until then."""
    if decision.kind != "adjust":
        return f"{decision.line}, now {_total(verdict)}"
    points = next((str(row.counts) for row in verdict.rows if row.id == decision.row), _total(verdict))
    return f"{decision.line}, now {points}"


@click.command()
@results_argument
@click.option("--rubric", type=click.Path(path_type=Path), help="Another rubric.toml.")
@click.option("--policy", type=click.Path(path_type=Path), help="Deadline, late work, attempts.")
@click.option("--roster", type=click.Path(path_type=Path), help="The class: CSV or XLSX.")
@lab_option
@click.option("--json", "as_json", is_flag=True, help="Print the marks as JSON instead of a table.")
def rescore(
    results: Path,
    rubric: Path | None,
    policy: Path | None,
    roster: Path | None,
    lab: str | None,
    as_json: bool,
) -> None:
    """Compute the marks in RESULTS anew by another rubric, policy or roster; nothing is measured."""
    from grader.gradebook import Gradebook
    from grader.marks import changes, standing

    with Gradebook.open_to_grade(results) as book:
        if not (runs := book.runs()):
            raise UserError(f"{results}: nothing was graded into it yet: see `grader grade`")
        rules = rules_for(runs[-1], rubric, policy, roster, lab)
        before = standing(book)
        book.begin_run("", rules.told, rules.rubric, rules.policy, rules.roster, [])
        after = standing(book)
    verdicts = after.marks
    write_results(verdicts, rules.rubric, results, as_json)
    show_changes(changes(before.marks, verdicts))
    warn_of_class_list(before, after)


@click.command()
@results_argument
@click.argument("others", nargs=-1, required=True, type=click.Path(path_type=Path))
def merge(results: Path, others: tuple[Path, ...]) -> None:
    """Take what is in the gradebooks of OTHERS, sections or other machines, into RESULTS.

    Where two of them say different things of the same work, or of the same row of a mark, that is listed
    and nothing is taken.
    """
    from grader.gradebook import Gradebook
    from grader.marks import changes, current
    from grader.merge import take_in

    with Gradebook.open_to_grade(results) as book:
        before = current(book)
        for other in others:
            with Gradebook.open(other) as theirs:
                click.echo(f"{other}: {take_in(book, theirs)}")
        after = current(book)
        rubric = book.runs()[-1].rubric
    write_results(after, rubric, results, as_json=False)
    show_changes(changes(before, after))


COMMANDS = (
    *(show, history, adjust, excuse, waive_late, extend, exclude, choose_attempt, remove, undo, decide),
    *(rescore, merge, export),
)
