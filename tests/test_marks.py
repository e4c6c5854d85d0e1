"""Marks: which attempt counts, what lateness costs, what people decided, and what changed since."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_gradebook import decision, found, handed_in, keep

from grader.gradebook import Gradebook, Run, Seen
from grader.marks import changes, class_marks, current, history, holding, mark
from grader.policy import Policy
from grader.roster import Roster, RosterEntry
from grader.rubric import load_rubric
from grader.types import Decision, Evidence, Problem, Status, Verdict

DUE = datetime(2026, 11, 20, 18)
POLICY = Policy(
    time_zone="Asia/Shanghai",
    deadline=DUE,
    late={"each": "day", "points": Decimal(10)},  # type: ignore[arg-type]
)
ANN = RosterEntry(student_id="ann", name="Ann Lee", section="B")


def rules(policy: Policy | None = None, *entries: RosterEntry) -> Run:
    return Run(1, "", "", {}, load_rubric(), policy or Policy(), Roster(entries=entries))


def attempt(digest: str, hours: float = -1, **more: Any) -> Evidence:
    at = DUE + timedelta(hours=hours)
    return found(handed_in("ann", digest, submitted_at=at), **more)


def marked(attempts: list[Evidence], *decisions: Decision, run: Run | None = None) -> Verdict:
    numbered = [one.model_copy(update={"number": n}) for n, one in enumerate(decisions, 1)]
    return mark(run or rules(POLICY), attempts, numbered, None, "ann")


def marked_late(**more: Any) -> Evidence:
    """An attempt that the LMS marks late, and does not say when it came."""
    evidence = found(handed_in("ann", "d1"), **more)
    return evidence.model_copy(
        update={"attempt": evidence.attempt.model_copy(update={"late": "LATE", "submitted_at": None})}
    )


def test_a_mark_of_lateness_without_a_time_is_told_and_costs_what_the_policy_says() -> None:
    verdict = marked([marked_late()])
    assert (verdict.total, verdict.late_seconds, verdict.late) == (Decimal(104), 0, "LATE")
    (flag,) = verdict.flags
    assert flag.kind == "late" and "no marked_late_days" in flag.message
    assert flag.message.removesuffix(": look the time up") in verdict.remarks
    policy = POLICY.model_copy(update={"marked_late_days": 2})
    late = marked([marked_late()], run=rules(policy))
    assert (late.total, late.deduction, late.late_seconds) == (Decimal(84), Decimal(20), 2 * 86400)
    assert "counts as 2 days late" in late.flags[0].message
    waived = marked([marked_late()], decision("ann", "waive_late"), run=rules(policy))
    assert waived.total == 104 and not waived.flags
    extended = marked([marked_late()], decision("ann", "extend", until="3"), run=rules(policy))
    assert extended.total == 104 and "extension" in extended.flags[0].message
    assert not any("look the time up" in remark for remark in (*verdict.remarks, *extended.remarks))
    refused = policy.model_copy(update={"accepted_days": 1})
    assert marked([marked_late()], run=rules(refused)).total == 0
    assert not marked([marked_late()], run=rules()).flags  # without a deadline nothing is late


def test_an_attempt_that_is_marked_late_is_not_on_time() -> None:
    policy = POLICY.model_copy(update={"marked_late_days": 1, "attempt": "latest_on_time"})
    first = found(handed_in("ann", "d0"), correct=0)
    verdict = marked([first, marked_late()], run=rules(policy))
    assert verdict.digest == first.attempt.digest


def test_lateness_costs_what_the_policy_says_and_a_person_can_waive_it() -> None:
    late = [attempt("d1", hours=25)]
    verdict = marked(late)
    assert (verdict.total, verdict.machine_total, verdict.deduction) == (
        Decimal(84),
        Decimal(84),
        Decimal(20),
    )
    assert verdict.late_seconds == 25 * 3600
    assert sum(row.points for row in verdict.rows) == 104  # the rows say what the work is worth
    waived = marked(late, decision("ann", "waive_late"))
    assert (waived.total, waived.deduction, waived.late_seconds) == (Decimal(104), Decimal(0), 0)
    for until, total in (("1", 94), ("2", 104), ("2026-11-20", 94), ("2026-11-21", 104)):
        assert marked(late, decision("ann", "extend", until=until)).total == total
    entry = ANN.model_copy(update={"extension": 2})
    assert mark(rules(POLICY, entry), late, [], entry, "ann").total == 104


@pytest.mark.parametrize(
    ("rule", "counts"), [("latest", "d3"), ("latest_on_time", "d2"), ("best", "d1"), ("first", "d1")]
)
def test_the_attempt_that_the_policy_names_counts(rule: str, counts: str) -> None:
    policy = POLICY.model_copy(update={"attempt": rule})
    several = [
        attempt("d1", -9, correct=900),
        attempt("d2", -5, correct=600),
        attempt("d3", 5, correct=900),  # costs ten points
    ]
    for order in (several, several[::-1]):  # an older download that is read later takes nothing back
        assert marked(order, run=rules(policy)).digest == counts
    assert marked(several, decision("ann", "choose_attempt", digest="d2"), run=rules(policy)).digest == "d2"


def test_a_decision_stands_beside_the_graders_value_and_counts() -> None:
    one = marked([attempt("d1")], decision("ann", row="question_1", points=Decimal("0.25")))
    row = next(row for row in one.rows if row.id == "question_1")
    assert (row.points, row.decided, row.counts) == (Decimal(1), Decimal("0.25"), Decimal("0.25"))
    assert (one.total, one.machine_total) == (Decimal("103.25"), Decimal(104))
    assert "想法" in row.why and "question_1 is 0.25 (Ann," in one.decisions[0]
    whole = marked([attempt("d1", 25)], decision("ann", row="total", points=Decimal(50)))
    assert (whole.total, whole.machine_total, whole.deduction) == (Decimal(50), Decimal(84), Decimal(0))


def test_it_survives_that_the_work_is_measured_again() -> None:
    decided = decision("ann", row="question_1", points=Decimal(0))
    assert marked([attempt("d1", correct=100)], decided).total == Decimal("33.00") + Decimal("0.00")
    assert marked([attempt("d1", correct=900)], decided).total == Decimal(103)


def test_an_attempt_that_could_not_be_read_at_first_counts_as_it_was_read_later() -> None:
    problem = Problem(status=Status.GRADER_ERROR, reason="Permission denied")
    unread = attempt("").model_copy(
        update={"attempt": attempt("").attempt.model_copy(update={"problem": problem})}
    )
    for rule in ("first", "latest", "best"):
        policy = POLICY.model_copy(update={"attempt": rule})
        assert marked([unread, attempt("d1")], run=rules(policy)).digest == "d1"


def test_who_is_excused_or_excluded_gets_no_mark_but_what_is_stated() -> None:
    excused = marked([attempt("d1")], decision("ann", "excuse"))
    assert (excused.standing, excused.total, excused.machine_total) == ("excused", None, Decimal(104))
    excluded = marked([attempt("d1")], decision("ann", "exclude"))
    assert (excluded.standing, excluded.total) == ("excluded", None)
    stated = marked([attempt("d1")], decision("ann", "exclude", points=Decimal(0)))
    assert (stated.standing, stated.total) == ("excluded", Decimal(0))


def test_the_newest_decision_on_a_row_holds_until_it_is_undone() -> None:
    first, second = (decision("ann", row="question_1", points=Decimal(n)) for n in (0, 1))
    assert marked([attempt("d1")], first, second).total == 104
    assert marked([attempt("d1")], first, second, decision("ann", "undo", undoes=2)).total == 103
    both = [decision("ann", "undo", undoes=n) for n in (1, 2)]
    assert marked([attempt("d1")], first, second, *both).total == 104


@given(st.lists(st.tuples(st.sampled_from(["adjust", "excuse", "undo"]), st.integers(0, 100)), max_size=8))
def test_what_holds_is_what_is_not_undone(steps: list[tuple[str, int]]) -> None:
    made: list[Decision] = []
    undone: set[int] = set()
    for kind, hundredths in steps:
        number = len(made) + 1
        if kind == "undo":
            if made:
                undone.add(hundredths % len(made) + 1)
                made.append(decision("ann", "undo", undoes=hundredths % len(made) + 1, number=number))
        else:
            more = {"points": Decimal(hundredths) / 100} if kind == "adjust" else {}
            made.append(decision("ann", kind, number=number, **more))
    held = holding(made)
    standing = [one for one in made if one.number not in undone]
    newest = {one.kind: one.number for one in standing if one.kind != "undo"}
    assert {one.number for one in (*held.points.values(), *held.others.values())} == set(newest.values())
    assert len(held.lines) == len(newest)


def test_who_is_on_the_roster_and_handed_in_nothing_is_absent() -> None:
    verdict = mark(rules(POLICY, ANN), [], [], ANN, "ann")
    assert (verdict.status, verdict.total, verdict.name, verdict.section) == (
        Status.ABSENT,
        Decimal(0),
        "Ann Lee",
        "B",
    )


def test_who_is_not_on_the_roster_gets_no_mark_and_the_nearest_ids() -> None:
    entry = ANN.model_copy(update={"student_id": "anne"})
    run, seen = rules(POLICY, entry), {"ann": [Seen(1, attempt("d1"), 1)]}
    verdict, absent = class_marks(run, seen, {})
    assert (absent.student_id, absent.status) == ("anne", Status.ABSENT)
    assert (verdict.status, verdict.total) == (Status.QUARANTINED, None)
    assert "not on the class list" in verdict.reason and "anne" in verdict.reason


def test_changes_say_who_which_row_and_why(tmp_path: Path) -> None:
    work, newer = handed_in("ann"), handed_in("ann", "d2")
    tables: list[list[Verdict]] = []
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, found(work)))
        tables.append(current(book))
        keep(book, (work, found(work, failed=("conv_size_floor",))))
        tables.append(current(book))
        keep(book, (newer, found(newer, correct=500)))
        tables.append(current(book))
        book.decide([decision("ann", row="accuracy", points=Decimal(70))])
        tables.append(current(book))
        rubric = load_rubric()
        curve = {"knots": ((Decimal(10), Decimal(0)), (Decimal(50), Decimal(70)))}
        easier = rubric.model_copy(update={"accuracy": rubric.accuracy.model_copy(update=curve)})
        book.begin_run("", {}, easier, Policy(), Roster(entries=()), [])
        book.decide([decision("ann", "undo", undoes=1)])
        tables.append(current(book))
        told = [[(one.row, one.why) for one in changes(*pair)] for pair in itertools.pairwise(tables)]
        past = history(book, "ann")
    assert told == [
        [("conv_size_floor", "measured again"), ("total", "measured again")],
        [
            ("conv_size_floor", "another attempt counts"),
            ("accuracy", "another attempt counts"),
            ("total", "another attempt counts"),
        ],
        [("accuracy", "decision"), ("total", "decision")],
        [],  # the easier curve gives what had been decided
    ]
    assert [one[1].total for one in past] == [one[0].total for one in tables]
    assert [one[2].partition(":")[0] for one in past] == [
        "run 1",
        "run 2",
        "run 3",
        "decision 1",
        "decision 2",
    ]


def test_the_first_table_has_no_changes() -> None:
    assert changes([], [marked([attempt("d1")])]) == []


def test_a_first_mark_after_absence_is_work_that_was_handed_in() -> None:
    absent = mark(rules(None, ANN), [], (), ANN, "ann")
    handed = mark(rules(None, ANN), [attempt("d1")], (), ANN, "ann")
    assert [one.why for one in changes([absent], [handed])] == ["handed in"]


@pytest.mark.parametrize("until", ["0", "2000-01-01"])
def test_an_extension_that_extends_nothing_leaves_work_late(until: str) -> None:
    policy = POLICY.model_copy(update={"marked_late_days": 2})
    late = marked([marked_late()], decision("ann", "extend", until=until), run=rules(policy))
    assert (late.total, late.late_seconds) == (Decimal(84), 2 * 86400)
    assert "counts as 2 days late" in late.flags[0].message
