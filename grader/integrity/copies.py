"""The same network, handed in by two students: found by its file, its weights, or its answers.

Besides the file's digest four things are kept of each network and compared pair by pair; one that is alike
is enough. None rests on the student's word: the weights come from the file, read by a process that runs none
of the student's code, and the answers are to images that went in without labels.

- weights: a sketch that the order and scale of channels, names and kinds of file do not change, see
  `grader.sandbox.sketch`;
- answers: logits for images unlike the training's, where each network goes its own way. Mirrored, the images
  are the same, and they have no fine lines: averages over views of an image come to the same answers;
- errors: which test images are answered wrongly, and with which class; also of networks that tell no more;
- ranks: for some test images, the ten classes from the likeliest to the least.

The thresholds come from tests/benchmarks/copies.py, which says how alike two students' own networks are.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence, Set

import numpy as np
import numpy.typing as npt

from grader.integrity import texts
from grader.text import counted, safe_line
from grader.types import Fingerprint, Flag, Verdict

PROBES = 100  # images for the ranks, and as many unlike the training's
TESTED = 1000  # images among which the errors are
CLASSES = 10
WAVES = 512  # numbers in a sketch
FEW = 10  # errors: of fewer nothing is concluded
NAMED = 5  # students named in a message
SEED = "; the same code run twice with the same seed gives networks as much alike"
# From which value on two networks are alike, of 1.
THRESHOLDS = {"weights": 0.35, "answers": 0.78, "errors": 0.75, "ranks": 0.75}

Numbers = npt.NDArray[np.number]


def flag_copies(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts of a class, those flagged whose weights, code or answers somebody else handed in too.

    Their code and answers are compared by `grader.integrity.texts`, their weights and networks here.
    Only the newest verdicts of all students together can say so: they carry what to compare,
    so a student graded again or in a later batch is compared with all, and no flag is stored.
    """
    found = alike([verdict.fingerprint for verdict in verdicts])
    files: dict[str, set[int]] = {}
    for at, verdict in enumerate(verdicts):
        files.setdefault(verdict.fingerprint.weights_sha256, set()).add(at)
    files.pop("", None)
    flagged, of_texts, mates = [], texts.flags_of(verdicts), texts.group_mates(verdicts)
    for me, verdict in enumerate(verdicts):
        flags = [flag for flag in verdict.flags if flag.kind not in ("copy", "copied_code", "copied_answers")]
        same_file = files.get(verdict.fingerprint.weights_sha256, set()) - {me} - mates[me]
        if same_file:
            flags.append(_flag("the same file of weights", same_file, verdicts))
        others = {at: values for at, values in found[me].items() if at not in same_file | mates[me]}
        if others:
            flags.append(_flag(f"much the same network ({_figures(others)})", others.keys(), verdicts, SEED))
        flags += of_texts[me]
        flagged.append(verdict.model_copy(update={"flags": tuple(flags)}))
    return flagged


def _figures(others: Mapping[int, Mapping[str, float]]) -> str:
    """In what they are alike, and how much at least."""
    values = {what: [one[what] for one in others.values() if what in one] for what in THRESHOLDS}
    return "alike, of 1: " + ", ".join(f"{what} {min(some):.2f}" for what, some in values.items() if some)


def _flag(what: str, twins: Set[int], verdicts: Sequence[Verdict], note: str = "") -> Flag:
    """Neutral, for the weights may be the course's own."""
    names = [safe_line(verdicts[at].student_id, 60) for at in sorted(twins)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    people = counted(len(names), "other student")
    listed = ", ".join(names[:NAMED]) + more
    return Flag(
        kind="copy",
        message=f"{what} as {people}: {listed}{note}",
        others=tuple(verdicts[at].student_id for at in sorted(twins)[:NAMED]),
    )


def alike(
    prints: Sequence[Fingerprint], thresholds: Mapping[str, float] = THRESHOLDS
) -> list[dict[int, dict[str, float]]]:
    """For each network, which others are alike in something, and how much in that."""
    found: list[dict[int, dict[str, float]]] = [{} for _ in prints]
    sketches = [_unpacked(one.sketch, WAVES) for one in prints]
    answers = [_unpacked(one.answers, PROBES * CLASSES) for one in prints]
    tested = min(TESTED, max((len(one.errors) for one in prints), default=0))
    errors = [_symbols(one.errors, tested) for one in prints]
    ranks = [_symbols(one.ranks, PROBES * CLASSES) for one in prints]
    for what, tables, compare in (
        ("weights", sketches, _cosines),
        ("answers", answers, _cosines),
        ("errors", errors, _shared_errors),
        ("ranks", ranks, _shared_ranks),
    ):
        known = [at for at, table in enumerate(tables) if table is not None]
        table = np.array([tables[at] for at in known])
        for number, at in enumerate(known):
            values = compare(table, number)
            for i in np.flatnonzero(values >= thresholds[what]):
                if i != number:
                    found[at].setdefault(known[i], {})[what] = float(values[i])
    return found


def _unpacked(text: str, count: int) -> Numbers | None:
    """What `fingerprints` has packed, scaled to length 1; None if it is not so many numbers."""
    try:
        numbers = np.frombuffer(base64.b64decode(text, validate=True), np.int8).astype(np.float32)
    except (binascii.Error, ValueError):
        return None
    length = np.linalg.norm(numbers)
    return numbers / length if len(numbers) == count and length > 0 else None


def _symbols(text: str, count: int) -> Numbers | None:
    return np.frombuffer(text.encode(), np.uint8) if len(text) == count > 0 and text.isascii() else None


def _cosines(table: Numbers, number: int) -> Numbers:
    return np.asarray(table @ table[number])


def _shared_errors(table: Numbers, number: int) -> Numbers:
    """Of the images that either answers wrongly, the share that both answer with the same wrong class."""
    wrong = table != ord(".")
    mine = wrong[number]
    either = np.count_nonzero(wrong | mine, axis=1)
    shared = np.count_nonzero(table[:, mine] == table[number, mine], axis=1)
    return np.asarray(shared / (either + FEW))


def _shared_ranks(table: Numbers, number: int) -> Numbers:
    return np.asarray((table == table[number]).mean(axis=1))
