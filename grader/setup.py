"""What a whole batch is graded with."""

from __future__ import annotations

from typing import Literal

from grader import __version__
from grader.rubric import Rubric
from grader.types import Record


class Setup(Record):
    """The same for every submission of a batch; small enough to send to each job."""

    rubric: Rubric
    images: str  # "mini", "full", or a file of the instructor's own
    sandbox: Literal["bubblewrap", "none"] = "bubblewrap"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1  # a submission's

    def settings(self) -> dict[str, str]:
        """What two verdicts must have in common to stand in one gradebook."""
        return {
            "version": __version__,
            "rubric": self.rubric.digest,
            "images": self.images,
            "sandbox": self.sandbox,
        }
