"""How long a submission may train, where the grader trains it."""

from __future__ import annotations

from pydantic import Field, model_validator

from grader.types import Record, Seconds


class Budget(Record):
    """`[training]` of the rubric."""

    seconds: Seconds = 600.0  # of training, on a machine of `images_per_second`
    # The pace that `seconds` are meant for, see `measure_pace`.
    images_per_second: float = Field(default=1000.0, gt=0, le=1e9, strict=True)
    least_seconds: Seconds = 60.0  # however fast the machine: starting up takes its time
    most_seconds: Seconds = 2400.0  # however slow
    seed: int = Field(default=8, ge=0, lt=2**32, strict=True)  # `train_classifier` gets it
    # By how many points of accuracy two trainings of one code differ.
    noise_points: float = Field(default=2.0, ge=0, le=100, strict=True)

    @model_validator(mode="after")
    def _ordered(self) -> Budget:
        if self.least_seconds > self.most_seconds:
            raise ValueError(
                f"least_seconds: {self.least_seconds:g} is more than most_seconds, {self.most_seconds:g}"
            )
        return self
