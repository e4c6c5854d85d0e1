"""The same weights, handed in by two students: found by the file, or by what the network answers.

The answers are compared as orders: for each of some test images, the ten classes from the
likeliest to the least. That needs no label and none of the student's word. It stays the same when
weights are written to another kind of file, in another order or half as exactly, under other
names or scaled; a little noise changes little. Two networks trained apart agree on
the first class and hardly on the other nine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grader.text import safe_line
from grader.types import Fingerprint, Flag, Verdict

if TYPE_CHECKING:
    from torch import Tensor

PROBES = 100  # images, the first that accuracy is measured on
CLASSES = 10
SAME = 0.75  # of the places in the orders; two networks trained apart shared 0.62 at most, see the benchmark
NAMED = 5  # students named in a message


def fingerprint(weights: Path | None, logits: Tensor | None) -> Fingerprint:
    """What to keep of a submission: of its checkpoint's file, and of its logits (N, 10) for the images."""
    digest = hashlib.sha256()
    if weights is not None:
        with weights.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return Fingerprint(
        weights_sha256=digest.hexdigest() if weights is not None else "",
        ranks=_ranks(logits[:PROBES]) if logits is not None else "",
    )


def _ranks(logits: Tensor) -> str:
    """The orders as digits; empty where many logits are equal, for then they say nothing."""
    ordered, order = logits.sort(dim=1, descending=True, stable=True)
    distinct = (ordered.diff(dim=1) != 0).all(dim=1)
    if len(logits) < PROBES or distinct.double().mean() < 0.9:
        return ""
    return "".join(map(str, order.flatten().tolist()))


def flag_copies(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts of a class, those flagged whose weights somebody else handed in too.

    Only the newest verdicts of all students together can say so: they carry what to compare,
    so a student graded again or in a later batch is compared with all, and no flag is stored.
    """
    alike = _alike([verdict.fingerprint.ranks for verdict in verdicts])
    files: dict[str, set[int]] = {}
    for at, verdict in enumerate(verdicts):
        files.setdefault(verdict.fingerprint.weights_sha256, set()).add(at)
    files.pop("", None)
    flagged = []
    for me, verdict in enumerate(verdicts):
        flags = [flag for flag in verdict.flags if flag.kind != "copy"]
        same_file = files.get(verdict.fingerprint.weights_sha256, set()) - {me}
        if same_file:
            flags.append(_flag("the very file of weights", same_file, verdicts))
        others = alike[me].keys() - same_file
        if others:
            least = min(alike[me][at] for at in others)
            what = f"other weights that answer alike (at least {least:.1%} of their orders of classes)"
            flags.append(_flag(what, others, verdicts))
        flagged.append(verdict.model_copy(update={"flags": tuple(flags)}))
    return flagged


def _flag(what: str, twins: Set[int], verdicts: Sequence[Verdict]) -> Flag:
    """Neutral, for the weights may be the course's own."""
    names = [safe_line(verdicts[at].student_id, 60) for at in sorted(twins)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    people = f"{len(names)} other student{'s' if len(names) > 1 else ''}"
    return Flag(kind="copy", message=f"{what} as {people} handed in: {', '.join(names[:NAMED])}{more}")


def _alike(ranks: Sequence[str]) -> list[dict[int, float]]:
    """For each order, which others have the same class in at least SAME of the places, and how many."""
    found: list[dict[int, float]] = [{} for _ in ranks]
    known = [at for at, text in enumerate(ranks) if len(text) == PROBES * CLASSES and text.isascii()]
    if not known:
        return found
    table = np.stack([np.frombuffer(ranks[at].encode(), np.uint8) for at in known])
    for number, at in enumerate(known):
        shares = (table == table[number]).mean(axis=1)
        found[at] = {known[i]: float(shares[i]) for i in np.flatnonzero(shares >= SAME) if i != number}
    return found
