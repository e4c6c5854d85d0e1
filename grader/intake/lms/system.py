"""What a module for a learning management system (LMS) has to have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from grader.intake.entries import Entry
from grader.intake.upload import Upload


class System(Protocol):
    """One LMS's download. A new one is a module with such an object, listed in `grader.intake.lms`."""

    @property
    def word(self) -> str:
        """What `--layout` calls it."""

    @property
    def kind(self) -> str:
        """What people call it: "Canvas's download"."""

    @property
    def basis(self) -> str:
        """By what it is recognised."""

    @property
    def fewest(self) -> int:
        """The number of people whose names are needed to recognise it; more than 1 where names say little."""

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        """Of the names in one folder those that this LMS wrote, each with the person or group in it.

        A file of the LMS's own, such as its list of the submissions, is nobody's: "". `entries` is what lies
        in the folder, where that is known; `sure`: a person has said that it is this LMS's. Names are
        hostile, and any number of any length takes linear time.
        """

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        """The hand-ins in what was claimed, and in the folders so called; `box` is what all that lies in.

        Whose a hand-in is stands in it, or in its `unclear` why nobody can tell. Raises `SourceReadError`.
        """
