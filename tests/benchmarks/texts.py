"""How alike are the code and the answers of works written apart, and of copies? Run by hand; takes seconds.

python tests/benchmarks/texts.py
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import numpy as np

from grader.integrity import texts
from grader.lab import load_lab
from grader.rubric import load_rubric
from grader.types import Code, Fingerprint, Verdict

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "submissions")]
import answers  # noqa: E402
import make_class  # noqa: E402
import mistakes  # noqa: E402

LAB = load_lab()

TASKS = ("conv", "lenet", "train", "net")
COPIES = {"12210015", "12210023"}


def kept(code: str, text: str) -> Fingerprint:
    questions = [(question.text, question.text_zh) for question in load_rubric().questions]
    cells = Code(filename="lab8.py", cells=(code,))
    return Fingerprint(
        code=texts.printed_code(cells.texts, LAB.handed_out).text,
        text=texts.printed_answers((text,), questions, LAB.handed_out).text,
    )


def works() -> dict[str, Fingerprint]:
    """The sample class, and three whole works from elsewhere in this kit."""
    found = {}
    for student, choice in make_class.CHOICES.items():
        code = make_class.work(choice)
        if student == "12210023":
            found[student] = kept(make_class.disguised(code), answers.COPIED)
        elif student in answers.PAPERS:
            found[student] = kept(code, answers.PAPERS[student])
    model = (ROOT / "solution" / "answers.md").read_text("utf-8")
    found["the reference"] = kept(make_class.reference(), model)
    found["mistakes.py"] = kept(mistakes.LAB8, "")
    found["attacks/honest.py"] = kept((ROOT / "tests" / "attacks" / "honest.py").read_text("utf-8"), "")
    return found


def kind_of(one: str, other: str) -> str:
    if {one, other} == COPIES:
        return "copied"
    pair = [make_class.CHOICES[name] for name in (one, other) if name in make_class.CHOICES]
    same = [task for task in TASKS if len(pair) == 2 and getattr(pair[0], task) == getattr(pair[1], task)]
    return f"with {len(same)} of {len(TASKS)} tasks from one source" if same else "apart"


def share(one: str, other: str) -> float:
    mine, yours = texts.unpack(one), texts.unpack(other)
    return len(np.intersect1d(mine, yours)) / max(1, min(len(mine), len(yours)))


def likeness() -> None:
    found = works()
    sizes = [len(texts.unpack(one.code)) for one in found.values()]
    print(f"{len(found)} works, {min(sizes)} to {max(sizes)} hashes of code")
    code: dict[str, list[float]] = {}
    words: dict[str, list[float]] = {}
    for one, other in itertools.combinations(found, 2):
        code.setdefault(kind_of(one, other), []).append(share(found[one].code, found[other].code))
        if found[one].text and found[other].text:
            kind = "copied" if {one, other} == COPIES else "apart"
            words.setdefault(kind, []).append(share(found[one].text, found[other].text))
    for what, table in (("code", code), ("answers", words)):
        for kind, shares in table.items():
            print(
                f"{what} written {kind}: {len(shares)} pairs, shares {min(shares):.2f} to {max(shares):.2f}"
            )


def cost() -> None:
    """Compare 1,000 made-up students, with a third of their code in common."""
    some = np.random.default_rng(0)
    common = some.integers(0, 2**32, 200)

    def made_up(number: int) -> Verdict:
        hashes = np.unique(np.concatenate([common, some.integers(0, 2**32, 400)]).astype(np.uint32))
        fingerprint = Fingerprint(code=texts.pack(hashes), text=texts.pack(hashes[::3]))
        known = {"student_id": str(number), "status": "graded", "total": None, "out_of": 104}
        return Verdict(**known, fingerprint=fingerprint)  # type: ignore[arg-type]

    verdicts = [made_up(number) for number in range(1000)]
    began = time.process_time()
    flagged = sum(map(bool, texts.flags_of(verdicts)))
    size = len(verdicts[0].fingerprint.code)
    print(
        f"1,000 students: {time.process_time() - began:.1f} s, {flagged} flagged, {size:,} bytes of code each"
    )


if __name__ == "__main__":
    likeness()
    cost()
