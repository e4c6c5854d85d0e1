"""What an export of 1,000 students takes: run by hand.

    python tests/benchmarks/export.py

It makes up a gradebook in which 1,000 students are measured, with answers of 600 characters and prints of
their networks, and a template of each LMS, and takes the CPU time of each export in one process, imports
apart.
"""

from __future__ import annotations

import base64
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from click.testing import CliRunner
from test_gradebook import RULES, found, handed_in

from grader.cli import main
from grader.evidence import attempt_of
from grader.gradebook import Gradebook
from grader.integrity import copies as copies  # with torch, which takes seconds to import
from grader.types import Fingerprint

STUDENTS = 1000
ROUNDS = 5
ANSWER = "An autoencoder learns to compress its input and to restore it. " * 10


def fill(folder: Path) -> None:
    """A gradebook as it is when everybody was graded."""
    rng, chance = np.random.default_rng(0), random.Random(0)
    works = [handed_in(f"pb{number:06}", f"d{number}") for number in range(STUDENTS)]
    with Gradebook.open_to_grade(folder) as book:
        seen = book.begin_run("class.zip", {"images": "mini"}, *RULES, [attempt_of(work) for work in works])
        for at, work in enumerate(works):
            failed = tuple(id for id in RULES[0].checks if chance.random() < 0.2)
            one = found(work, correct=500 + at % 450, failed=failed, log="epoch 1: loss 1.234\n" * 100)
            accuracy, answers = one.accuracy, one.answers
            assert accuracy and answers
            network = Fingerprint(
                weights_sha256=f"{at:064x}",
                ranks="".join(chance.sample("0123456789", 10) * 100),
                errors="".join(chance.choice("0123456789......") for _ in range(1000)),
                answers=base64.b64encode(rng.bytes(2000)).decode(),
                sketch=base64.b64encode(rng.normal(size=512).astype(np.float16).tobytes()).decode(),
            )
            told = tuple(answer.model_copy(update={"text": ANSWER}) for answer in answers.outcomes)
            parts = {
                "accuracy": accuracy.model_copy(update={"fingerprint": network}),
                "answers": answers.model_copy(update={"outcomes": told}),
            }
            book.record(seen[at], one.model_copy(update=parts))


def templates(folder: Path) -> dict[str, tuple[Path, str]]:
    """A class's file of each LMS."""
    people = [f"pb{number:06}" for number in range(STUDENTS)]
    made = {
        "blackboard": '"Last Name","First Name","Username","Lab 8 [Total Pts: 104 Score] |1"\n'
        + "".join(f'"Zhang","San","{id}",""\n' for id in people),
        "canvas": "Student,ID,SIS User ID,SIS Login ID,Section,Lab 8 (1)\nPoints Possible,,,,,104\n"
        + "".join(f'"Zhang, San",{at},{id},{id},A,\n' for at, id in enumerate(people)),
        "moodle": "Identifier,Full name,Email address,ID number,Grade,Maximum grade,Grade can be changed,"
        "Last modified (grade),Feedback comments\n"
        + "".join(
            f"Participant {at + 10**6},张 三,x@y,{id},,104.00,Yes,-,\n" for at, id in enumerate(people)
        ),
        "brightspace": "OrgDefinedId,Username,Lab 8 Points Grade <Numeric MaxPoints:104>,"
        "End-of-Line Indicator\n" + "".join(f"#{at},#{id},,#\n" for at, id in enumerate(people)),
        "gradescope": "Name,SID,Email,Total Score,Max Points\n"
        + "".join(f"张三,{id},x@y,,104.0\n" for id in people),
    }
    found = {}
    for name, text in made.items():
        path = folder / f"{name}.csv"
        path.write_text(text, "utf-8")
        found[name] = (path, text)
    return found


def export(*words: object) -> float:
    began = time.process_time()
    result = CliRunner().invoke(main, ["export", *map(str, words)])
    took = time.process_time() - began
    assert result.exit_code == 0, result.output[-2000:]
    return took


def run() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "results"
        fill(out)
        asked: dict[str, list[object]] = {one: ["--to", one] for one in ("csv", "json", "xlsx")}
        for one, (path, _) in templates(folder).items():
            asked[one] = ["--to", one, "--template", path]
        asked["moodle, comments and feedback files"] = [
            *asked["moodle"],
            *("--comments", "--existing", "overwrite", "--feedback", folder / "f.zip"),
        ]
        asked["canvas, --changed"] = [*asked["canvas"], "--changed"]
        for what, words in asked.items():
            took = sorted(export(out, *words, "--out", folder / "exported") for _ in range(ROUNDS))
            print(f"{what}: median {took[ROUNDS // 2]:.2f} s ({took[0]:.2f} to {took[-1]:.2f}, n = {ROUNDS})")


if __name__ == "__main__":
    run()
