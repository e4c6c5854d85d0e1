"""How long a submission may train, where the grader trains it."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from grader.types import Record


class Budget(Record):
    """`[training]` of the rubric."""

    seconds: PositiveFloat = 600.0  # of training, on a machine of `images_per_second`
    images_per_second: PositiveFloat = 1000.0  # the pace that `seconds` are meant for, see `measure_pace`
    least_seconds: PositiveFloat = 60.0  # however fast the machine: starting up takes its time
    most_seconds: PositiveFloat = 2400.0  # however slow
    seed: int = Field(default=8, ge=0, lt=2**32)  # `train_classifier` gets it
    noise_points: NonNegativeFloat = 2.0  # by how many points of accuracy two trainings of one code differ

    @model_validator(mode="after")
    def _ordered(self) -> Budget:
        if self.least_seconds > self.most_seconds:
            raise ValueError(
                f"least_seconds: {self.least_seconds:g} is more than most_seconds, {self.most_seconds:g}"
            )
        return self
