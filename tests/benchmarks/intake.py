"""What each hostile hand-in costs the grader's own process: memory and CPU time, intake and answers.

    python tests/benchmarks/intake.py [names]
    python tests/benchmarks/intake.py --batch 1000
    python tests/benchmarks/intake.py --layouts 1000 [kinds]

The first reads each hand-in of `tests/hostile_uploads.py` beside an honest one, in a process of its own, and
looks for its answers. Memory is the peak of the resident set over what the process held before. The second
lays so many of them, the kinds in turn, beside one honest hand-in, grades nothing, reads all in one go, and
says whether the honest one came out as it does alone. The third reads so many honest students' downloads of
every kind, as a zip and as a folder: user and system CPU time, unpacking included,
the best of three.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
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


def downloads(count: int) -> dict[str, dict[str, bytes]]:
    """The same honest work of so many students, as each LMS gives it out."""
    code = (TESTS / "attacks" / "honest.py").read_bytes()
    parts = {
        "classifier.safetensors": b"\x02" + bytes(7) + b"{}",
        "answers.md": answers.PAPERS["li_wei"].encode(),
    }
    found: dict[str, dict[str, bytes]] = {}
    records = []
    for n in range(count):
        stem = f"Lab 8_new_pb{n:06}_attempt_2026-11-20-12-00-00"
        names = {
            "blackboard": f"{stem}_",
            "moodle": f"张 三{n}_{40000 + n}_assignsubmission_file/",
            "moodle, flat": f"张 三{n}_{40000 + n}_assignsubmission_file_",
            "canvas": f"zhangsan{n}_{'LATE_' * (n % 9 == 0)}{5000 + n}_",
            "gradescope": f"assignment_1_export/submission_{900000 + n}/",
            "brightspace": f"{30000 + n}-6406 - San{n} Zhang - Oct 10, 2025 1022 AM/",
            "folders": f"pb{n:06}/",
            "flat": f"pb{n:06}_",
        }
        for kind, before in names.items():
            files = found.setdefault(kind, {})
            for at, (name, content) in enumerate({"lab8.py": code + b"# %d\n" % n, **parts}.items()):
                number = f"{880000 + 10 * n + at}_" if kind == "canvas" else ""
                files[before + number + name] = content
        found["blackboard"][f"{stem}.txt"] = f"Name: San (pb{n:06})\n\nFiles:\n".encode()
        tests = "".join(f"    - :name: t{k}\n      :score: 1\n      :output: {'x' * 80}\n" for k in range(10))
        records.append(
            f"submission_{900000 + n}:\n  :submitters:\n  - :name: 张三\n    :sid: '{n:08}'\n"
            f"    :email: s{n}@x.edu\n  :created_at: 2024-03-05 23:59:07.1 Z\n"
            f"  :results:\n    :tests:\n{tests}"
        )
    found["gradescope"]["assignment_1_export/submission_metadata.yml"] = "".join(records).encode()
    return found


def layouts(count: int, *kinds: str) -> None:
    from grader.intake import read_source

    print(f"{'download':14} {'as':7} {'user s':>7} {'system':>7}  what it was taken for")
    for kind, files in downloads(count).items():
        if kinds and kind not in kinds:
            continue
        for form in ("zip", "folder"):
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / ("source" + ".zip" * (form == "zip"))
                if form == "zip":
                    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
                        for name, content in files.items():
                            archive.writestr(name, content)
                else:
                    for name, content in files.items():
                        (source / name).parent.mkdir(parents=True, exist_ok=True)
                        (source / name).write_bytes(content)
                best = (1e9, 1e9)
                for n in range(3):
                    began = os.times()
                    intake = read_source(source, Path(folder) / f"work{n}")
                    ended = os.times()
                    best = min(best, (ended.user - began.user, ended.system - began.system), key=sum)
                assert len(intake.submissions) == count, intake.lines
                assert not any(one.problem for one in intake.submissions)
                print(f"{kind:14} {form:7} {best[0]:7.2f} {best[1]:7.2f}  {intake.layout}", flush=True)


def main(words: list[str]) -> None:
    if words[:1] == ["--measure"]:
        measure(words[1])
    elif words[:1] == ["--layouts"]:
        layouts(int(words[1]), *words[2:])
    elif words[:1] == ["--batch"]:
        batch(int(words[1]))
    else:
        one_by_one(words or list(UPLOADS))


if __name__ == "__main__":
    main(sys.argv[1:])
