"""Hostile lab8.py files, one idea each, graded for real: none gains a point or harms anyone.

An attack is a file in `points/`, `machine/` or `batch/`, named after the promise that it is aimed at.
Its text is appended to `tools.py` and `honest.py` and handed in as one lab8.py, so that it keeps what it
does not replace. Its docstring says the idea in a line and then, as TOML, what must come of it:

status    the verdict's status; "graded" where it is not said
lost      the rows that earn nothing, by pattern: all others earn what the honest part alone earns
gains     the rows that earn more than that, which nothing can hinder: then it has to be flagged
flags     the kinds of all its flags; none where it is not said
reason    words that the verdict's reasons must hold, so that it failed at what it was meant to fail at
says      words that must be in the log beside "attempted", which every attack prints when it strikes
silent    true where its print cannot be kept, because it ends the process or the output at once
control   true where the same file succeeds without the sandbox, which is then tried as well
again     true where it is handed in twice in a row, to find what the first left for the second

In every case no canary is touched, nothing survives, and an honest submission that the same sandbox grades
next gets the very verdict that it gets alone.
"""

from __future__ import annotations

import fnmatch
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from students import verdicts_of

from grader.grade import Pipeline
from grader.types import Outcome, Verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
TOOLS, HONEST = ((HERE / name).read_text("utf-8") for name in ("tools.py", "honest.py"))
PROMISES = ("points", "machine", "batch")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is Linux's"),
    pytest.mark.timeout(120),
]


@dataclass(frozen=True)
class Attack:
    path: Path
    idea: str
    status: str = "graded"
    lost: tuple[str, ...] = ()
    gains: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    reason: str = ""
    says: tuple[str, ...] = ()
    silent: bool = False
    control: bool = False
    again: bool = False

    @property
    def id(self) -> str:
        return f"{self.path.parent.name}-{self.path.stem}"

    def code(self, told: dict[str, Any]) -> str:
        """The lab8.py that is handed in."""
        return f"CANARY = {told!r}\n{TOOLS}\n{HONEST}\n{self.path.read_text('utf-8')}"


def read_attack(path: Path) -> Attack:
    text = path.read_text("utf-8").split('"""')[1]
    idea, _, facts = text.partition("\n")
    stated: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in tomllib.loads(facts).items()
    }
    return Attack(path, idea, **stated)


ATTACKS = [read_attack(path) for promise in PROMISES for path in sorted((HERE / promise).glob("*.py"))]


# Tried by `make test` too, a few for each promise; all others by `make test-all`.
FIRST = {
    *(
        "forges_frames",
        "reads_the_labels",
        "remembers_labels_by_image",
        "searches_memory",
        "tensor_that_lies",
    ),
    *("daemon_stays_behind", "fills_the_disk", "kills_everything", "memory_heap", "network"),
    *("writes_outside", "note_in_the_scratch", "says_grader_error", "speaks_for_the_box"),
}


def _of(attacks: list[Attack]) -> list[Any]:
    """The attacks as parameters."""
    marks = {attack.id: () if attack.path.stem in FIRST else pytest.mark.slow for attack in attacks}
    return [pytest.param(attack, id=attack.id, marks=marks[attack.id]) for attack in attacks]


@pytest.mark.parametrize("attack", _of(ATTACKS))
def test_a_hostile_submission_is_contained(attack: Attack, lane: Any) -> None:
    source = lane.hand_in(attack.code(lane.canaries.told()))
    submission = lane.read(source)
    if attack.again:
        _expect(attack, lane.grade_read(submission), lane.alone)
    verdict = lane.grade_read(submission)
    _expect(attack, verdict, lane.alone)
    lane.expect_contained(verdict)


def _expect(attack: Attack, verdict: Verdict, alone: Verdict) -> None:
    """The outcome is the one that the attack's header states."""
    assert verdict.status.value == attack.status, f"{verdict.reason}\n{verdict.log}"
    for row, honest in zip(verdict.rows, alone.rows, strict=True):
        lost = any(fnmatch.fnmatchcase(row.id, pattern) for pattern in attack.lost)
        said = f"{row.id} earned {row.points} of {honest.points}: {row.reason}\n{verdict.log}"
        if row.id in attack.gains:
            assert row.points > honest.points, said
        else:
            assert row.points == (0 if lost else honest.points), said
        assert row.outcome is not Outcome.ERROR, said
    assert {flag.kind for flag in verdict.flags} == set(attack.flags), verdict.flags
    reasons = " ".join([verdict.reason, *(row.reason for row in verdict.rows)])
    assert attack.reason in reasons, reasons
    for words in ("attempted",) * (not attack.silent) + attack.says:
        assert words in verdict.log, verdict.log


def test_an_honest_submission_earns_the_full_points(lane: Any) -> None:
    lost = [row for row in lane.alone.rows if row.points < row.out_of and row.id != "accuracy"]
    assert not lost and lane.alone.status.value == "graded" and not lane.alone.log
    assert lane.alone.accuracy.accuracy > 0.25


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_in_a_batch_the_honest_get_what_they_earn_alone(lane: Any, jobs: int) -> None:
    """One sandbox, and two side by side: hostile submissions of every kind between honest ones."""
    honest = lane.read(lane.hand_in(HONEST))
    kinds = [attack for attack in ATTACKS if attack.path.stem in BATCH]
    assert len(kinds) == len(BATCH)
    batch = []
    for number, attack in enumerate(kinds):
        submission = lane.read(lane.hand_in(attack.code(lane.canaries.told())))
        batch += [submission, honest.model_copy(update={"student_id": f"honest{number}"})]
    found = {v.student_id: v for v in verdicts_of(batch, lane.pipeline.setup, jobs=jobs)}
    assert len(found) == len(batch)
    for student, verdict in found.items():
        if student.startswith("honest"):
            timeless = verdict.model_copy(update={"seconds": None})
            assert timeless == lane.alone.model_copy(update={"student_id": student})
    assert not lane.canaries.touched()


BATCH = (
    "kills_everything",
    "fork_bomb",
    "memory_heap",
    "daemon_stays_behind",
    "deep_folders",
    "fills_the_disk",
    "floods_the_output",
    "ends_at_import",
)


def test_there_are_enough_attacks_for_each_promise() -> None:
    count = {promise: sum(a.path.parent.name == promise for a in ATTACKS) for promise in PROMISES}
    assert count["points"] >= 25 and count["machine"] >= 25 and count["batch"] >= 8
    assert len({attack.idea for attack in ATTACKS}) == len(ATTACKS)
    assert {attack.path.stem for attack in ATTACKS} >= FIRST


# Last, for what gets through here may touch the canaries of the tests before it.
@pytest.fixture(scope="module")
def open_range(attack_range: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same without a sandbox, with canaries of its own."""
    canaries = type(attack_range.canaries)(tmp_path_factory.mktemp("open"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_SECRET", canaries.token)
        setup = attack_range.pipeline.setup.model_copy(update={"sandbox": "none"})
        try:
            with Pipeline(setup) as pipeline:
                yield type(attack_range)(canaries, pipeline)
        finally:
            canaries.close()


@pytest.mark.parametrize("attack", _of([attack for attack in ATTACKS if attack.control]))
def test_without_the_sandbox_the_same_file_gets_through(attack: Attack, open_range: Any) -> None:
    verdict = open_range.grade(open_range.hand_in(attack.code(open_range.canaries.told())))
    assert "ESCAPED" in verdict.log or open_range.canaries.touched(), verdict.log
