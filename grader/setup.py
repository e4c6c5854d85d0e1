"""What a whole batch is graded with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from grader import __version__
from grader.errors import KitError
from grader.rubric import Rubric
from grader.types import Record


class Setup(Record):
    """The same for every submission of a batch; small enough to send to each job."""

    rubric: Rubric
    images: str  # "mini", "full", or a file of the instructor's own
    sandbox: Literal["bubblewrap", "container", "none"] = "bubblewrap"
    device: Literal["cpu", "cuda"] = "cpu"
    weights: Literal["submitted", "train", "verify"] = "submitted"
    threads: int = 1  # a submission's

    def _images_digest(self) -> str:
        """The name of a set of ours; a file of the instructor's by its content, which may change."""
        if self.images in ("mini", "full"):
            return self.images
        try:
            return hashlib.sha256(Path(self.images).read_bytes()).hexdigest()
        except OSError as error:
            raise KitError(
                f"--images {self.images}: cannot be read ({error.strerror}): give mini, full, or a .npz or "
                ".safetensors file with images and labels"
            ) from error

    def settings(self) -> dict[str, str]:
        """What two verdicts must have in common to stand in one gradebook."""
        return {
            "version": __version__,
            "rubric": self.rubric.digest,
            "images": self._images_digest(),
            "weights": self.weights if self.weights == "submitted" else f"{self.weights} on {self.device}",
            "sandbox": self.sandbox,
        }
