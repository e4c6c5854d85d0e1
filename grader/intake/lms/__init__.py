"""The downloads of learning management systems (LMS), a module each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from grader.intake.entries import Entry
from grader.intake.lms.blackboard import BLACKBOARD
from grader.intake.lms.brightspace import BRIGHTSPACE
from grader.intake.lms.canvas import CANVAS
from grader.intake.lms.classroom import CLASSROOM
from grader.intake.lms.flat import FLAT
from grader.intake.lms.gradescope import GRADESCOPE
from grader.intake.lms.moodle import MOODLE
from grader.intake.lms.system import System
from grader.intake.people import Shape

# Those whose downloads may lie in a folder among others, the most telling names first.
DOWNLOADS: tuple[System, ...] = (BLACKBOARD, MOODLE, BRIGHTSPACE, GRADESCOPE, CANVAS)
SYSTEMS: tuple[System, ...] = (*DOWNLOADS, CLASSROOM, FLAT)


def recognised(
    entries: Sequence[Entry], systems: Iterable[System] = DOWNLOADS, least: int = 1
) -> tuple[System, dict[str, str]] | None:
    """The system that wrote most of the names here, with what it claims; of at least so many people."""
    names = {entry.top for entry in entries}
    for system in systems:
        claims = system.claims(names, entries)
        if _is_most(claims, names) and _people(claims) >= max(least, system.fewest):
            return system, claims
    return None


def shape_of(names: Collection[str]) -> Shape | None:
    """The shape of most of the names that lie in one folder, or None where most are of no system's."""
    for system in DOWNLOADS:
        claims = system.claims(names)
        if _is_most(claims, names) and (people := _people(claims)) >= system.fewest:
            return Shape(system.kind, people)
    return None


def _is_most(claims: Collection[str], names: Collection[str]) -> bool:
    return bool(claims) and 2 * len(claims) >= len(names)


def _people(claims: dict[str, str]) -> int:
    return len(set(claims.values()) - {""})
