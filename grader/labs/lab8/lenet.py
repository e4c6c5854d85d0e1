"""LeNet-5's sizes, as the tutorial gives them: the hidden checks and the students' self-test ask for them."""

from __future__ import annotations

import torch
from torch import Tensor

from grader.sandbox.student import Model, StudentFailure

Shape = tuple[int, ...]

# Weight and bias of each layer. All ten shapes differ, so a tensor's shape tells its place,
# whatever its name and wherever it stands.
SHAPES: tuple[Shape, ...] = (
    *((6, 1, 5, 5), (6,)),
    *((16, 6, 5, 5), (16,)),
    *((120, 400), (120,)),
    *((84, 120), (84,)),
    *((10, 84), (10,)),
)
INPUT = (1, 32, 32)  # channels, height, width
MAPS = ((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5))


def parameters_of(model: Model) -> dict[str, Tensor]:
    """The model's parameters, after a look at one grey image of 32×32 where its lazy layers need one."""
    try:
        return model.parameters()
    except StudentFailure as failure:
        if failure.kind not in ("raised", "bad_value"):
            raise
    model.forward(torch.zeros(1, *INPUT))
    return model.parameters()
