"""What each hostile hand-in costs the grader's own process: memory and CPU time, intake and answers.

    python tests/benchmarks/intake.py [names]
    python tests/benchmarks/intake.py --batch 1000

The first reads each hand-in of `tests/hostile_uploads.py` beside an honest one, in a process of its own, and
looks for its answers. Memory is the peak of the resident set over what the process held before. The second
lays so many of them, the kinds in turn, beside one honest hand-in, grades nothing, reads all in one go, and
says whether the honest one came out as it does alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "submissions"), str(TESTS.parent)]

import answers  # noqa: E402
import hostile_uploads  # noqa: E402
from hostile_uploads import UPLOADS  # noqa: E402

from grader.intake import read_submissions  # noqa: E402
from grader.questions import assess_answers  # noqa: E402
from grader.rubric import RUBRIC, load_rubric  # noqa: E402
from grader.types import Submission  # noqa: E402

MIB = 2**20


def lay_honest(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "lab8.py").write_bytes((TESTS / "attacks" / "honest.py").read_bytes())
    (folder / "classifier.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    (folder / "answers.md").write_text(answers.PAPERS["li_wei"], "utf-8")
    return folder


def resident(field: str) -> float:
    """Of this process, in MiB: `VmRSS`, or its peak, `VmHWM`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def read(source: Path) -> tuple[list[Submission], float, float]:
    """The submissions, with their answers looked for; MiB at the peak; seconds of CPU time."""
    rubric = load_rubric(RUBRIC)
    questions = [(question.text, question.text_zh) for question in rubric.questions]
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    began = time.process_time()
    with tempfile.TemporaryDirectory() as work:
        found = read_submissions(source, Path(work))
        for submission in found:
            assess_answers(submission.answer_texts, questions)
    return found, resident("VmHWM") - before, time.process_time() - began


def measure(name: str) -> None:
    """One kind, in this process; printed as a line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "class"
        honest = lay_honest(source / "honest")
        alone, _, usual = read(honest.parent)
        UPLOADS[name].make(lay_honest(source / "hostile"))
        found, peak, seconds = read(source)
    (hostile,) = (one for one in found if one.student_id == "hostile")
    same = next(one for one in found if one.student_id == "honest").digest == alone[0].digest
    status = hostile.problem.status.value if hostile.problem else "to be graded"
    print(json.dumps([peak, seconds - usual, status, same]))


def one_by_one(names: list[str]) -> None:
    print(f"{'hand-in':42} {'MiB':>6} {'CPU s':>6}  status, and whether the honest one is as it is alone")
    for name in names:
        words = [sys.executable, __file__, "--measure", name]
        child = subprocess.run(words, capture_output=True, text=True, env=os.environ)
        if child.returncode:
            print(f"{name:42} {child.stderr.splitlines()[-1][:200]}")
            continue
        peak, seconds, status, same = json.loads(child.stdout)
        print(
            f"{name:42} {peak:6.0f} {seconds:6.2f}  {status}, {'the same' if same else 'ANOTHER'}", flush=True
        )


def batch(count: int) -> None:
    """Kinds whose files are small enough to be there a thousand times."""
    light = hostile_uploads.LIGHT
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "class"
        lay_honest(source / "honest")
        alone, _, _ = read(source)
        models = {name: lay_honest(Path(folder) / "models" / name) for name in light}
        for name, model in models.items():
            UPLOADS[name].make(model)
        for number in range(count):
            target = source / f"hostile{number:04}"
            target.mkdir()
            for file in models[light[number % len(light)]].iterdir():
                os.link(file, target / file.name)
        found, peak, seconds = read(source)
    honest = next(one for one in found if one.student_id == "honest")
    honest, before = (one.model_copy(update={"weights": None}) for one in (honest, alone[0]))  # a path
    print(
        f"{len(found) - 1} hostile hand-ins of {len(light)} kinds beside an honest one: {peak:.0f} MiB, "
        f"{seconds:.0f} s of CPU time; the honest one is {'as alone' if honest == before else 'ANOTHER'}"
    )


def main(words: list[str]) -> None:
    if words[:1] == ["--measure"]:
        measure(words[1])
    elif words[:1] == ["--batch"]:
        batch(int(words[1]))
    else:
        one_by_one(words or list(UPLOADS))


if __name__ == "__main__":
    main(sys.argv[1:])
