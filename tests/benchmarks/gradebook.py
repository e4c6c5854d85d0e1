"""What a class of 1,000 costs that nobody has to measure again: run by hand.

    python tests/benchmarks/gradebook.py

It makes up a download of 1,000 students and a gradebook in which all of it is measured, and times in one
process, imports apart: scoring everybody under another rubric, and `grader grade` on the same download.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zipfile
from decimal import Decimal
from pathlib import Path

import torch
from safetensors.torch import save

sys.path.insert(0, str(Path(__file__).parents[1]))

from click.testing import CliRunner
from test_gradebook import found

from grader import marks
from grader.cli import main
from grader.cli_marks import rules_for
from grader.evidence import attempt_of, rests_on
from grader.gradebook import Gradebook
from grader.intake import read_submissions
from grader.integrity import copies as copies
from grader.rubric import load_rubric
from grader.setup import Setup

STUDENTS = 1000
LAB8 = (Path(__file__).parents[2] / "solution" / "lab8.py").read_text("utf-8")
LOG = "epoch 1: loss 1.234\n" * 100


def download(path: Path) -> None:
    answers = "\n\n".join(f"## Question {n}\n\n{'Because of the kernels. ' * 8}" for n in range(1, 5))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(STUDENTS):
            folder = f"pb{number:06}"
            archive.writestr(f"{folder}/lab8.py", f"{LAB8}\n# {number}\n")
            archive.writestr(f"{folder}/answers.md", answers)
            weights = torch.randn(1000, generator=torch.Generator().manual_seed(number))
            archive.writestr(f"{folder}/classifier.safetensors", save({"weight": weights}))


def fill(source: Path, out: Path, workdir: Path) -> None:
    """The gradebook as it is when everybody was graded."""
    setup = Setup(rubric=load_rubric(), images="mini")
    works = read_submissions(source, workdir)
    with Gradebook.open_to_grade(out) as book:
        rules = rules_for(None, None, None, None)
        seen = book.begin_run(str(source), {}, *rules[1:4], [attempt_of(work) for work in works])
        for at, work in enumerate(works):
            evidence, basis = found(work, correct=500 + at % 450, log=LOG), rests_on(work, setup)
            parts = {
                name: part.model_copy(update={"rests_on": getattr(basis, name)})
                for name, part in evidence.parts.items()
            }
            book.record(seen[at], evidence.model_copy(update=parts))


def timed(what: str, action: object, rounds: int = 5) -> None:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()  # type: ignore[operator]
        took.append(time.perf_counter() - began)
    print(
        f"{what}: median {sorted(took)[rounds // 2]:.2f} s ({min(took):.2f} to {max(took):.2f}, n = {rounds})"
    )


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "class.zip"), Path(folder, "out")
        download(source)
        fill(source, out, Path(folder, "work"))
        rubric = load_rubric()
        knots = {"knots": ((Decimal(10), Decimal(0)), (Decimal(95), Decimal(70)))}
        other = rubric.model_copy(update={"accuracy": rubric.accuracy.model_copy(update=knots)})
        with Gradebook.open(out) as book:
            last = book.runs()[-1]._replace(rubric=other)
            attempts, decisions = book.attempts(), book.decisions()
            timed("scoring 1,000 students", lambda: marks.class_marks(last, attempts, decisions))
            timed(
                "reading the gradebook and scoring",
                lambda: marks.class_marks(last, book.attempts(), decisions),
            )

        def again() -> None:
            result = CliRunner().invoke(main, ["grade", str(source), "--out", str(out), "--images", "mini"])
            assert result.exit_code == 0 and "1000 unchanged" in result.output, result.output[-500:]

        timed("`grader grade` with nothing changed", again)


if __name__ == "__main__":
    run()
