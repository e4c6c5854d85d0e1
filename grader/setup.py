"""What a whole batch is graded with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from grader import __version__
from grader.errors import UserError
from grader.rubric import Rubric
from grader.types import Record


class Setup(Record):
    """The same for every submission of a batch; small enough to send to each job."""

    rubric: Rubric
    images: str  # "mini", "full", or a file of the instructor's own
    private: str = ""  # a file of images that no student has seen: then these decide the points
    sandbox: Literal["bubblewrap", "container", "none"] = "bubblewrap"
    device: Literal["cpu", "cuda"] = "cpu"
    weights: Literal["submitted", "train", "verify"] = "submitted"
    threads: int = 1  # a submission's

    @property
    def image_digests(self) -> tuple[str, str]:
        """Of the public images and of the private ones. Raises `UserError` where a file cannot be read."""
        return (
            self.images if self.images in ("mini", "full") else file_digest("--images", self.images),
            file_digest("--private", self.private) if self.private else "",
        )

    def told(self) -> dict[str, str]:
        """What a run was measured with. Raises `UserError` where a file of images cannot be read."""
        images, private = self.image_digests
        return {
            "images_digest": images,
            "private_digest": private,
            "version": __version__,
            "images": self.images,
            "private": self.private,
            "weights": self.weights,
            "device": self.device,
            "sandbox": self.sandbox,
        }


def file_digest(option: str, file: str) -> str:
    """A file of the instructor's by its content, which may change."""
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        words = "give" if option == "--private" else "give mini, full, or"
        raise UserError(
            f"{option} {file}: cannot be read ({error.strerror}): {words} a .npz or .safetensors file with "
            "images and labels"
        ) from error
