"""What a whole batch is graded with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from grader import __version__
from grader.digests import file_digest
from grader.errors import UserError
from grader.lab import Lab, load_lab
from grader.rubric import Rubric
from grader.sandbox.backends import BACKENDS, DEFAULT
from grader.types import Record


class Setup(Record):
    """The same for every submission of a batch; small enough to send to each job."""

    rubric: Rubric
    lab: Lab = Field(default_factory=load_lab)
    images: str  # "mini", "full", or a file of the instructor's own
    private: str = ""  # a file of images that no student has seen: then these decide the points
    sandbox: str = DEFAULT  # one of BACKENDS
    device: Literal["cpu", "cuda"] = "cpu"
    weights: Literal["submitted", "train", "verify"] = "submitted"
    threads: int = 1  # a submission's

    @field_validator("sandbox")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in BACKENDS:
            raise ValueError(f"{name}: no such sandbox: there are {', '.join(BACKENDS)}")
        return name

    @property
    def image_digests(self) -> tuple[str, str]:
        """Of the public images and of the private ones. Raises `UserError` where a file cannot be read."""
        return (
            self.images if self.images in ("mini", "full") else _digest("--images", self.images),
            _digest("--private", self.private) if self.private else "",
        )

    def told(self) -> dict[str, str]:
        """What a run was measured with. Raises `UserError` where a file of images cannot be read."""
        images, private = self.image_digests
        return {
            "images_digest": images,
            "private_digest": private,
            "version": __version__,
            "lab": self.lab.source,
            "images": self.images,
            "private": self.private,
            "weights": self.weights,
            "device": self.device,
            "sandbox": self.sandbox,
        }


def _digest(option: str, file: str) -> str:
    """A file of the instructor's by its content, which may change."""
    try:
        return file_digest(Path(file))
    except OSError as error:
        words = "give" if option == "--private" else "give mini, full, or"
        raise UserError(
            f"{option} {file}: cannot be read ({error.strerror}): {words} a .npz or .safetensors file with "
            "images and labels"
        ) from error
