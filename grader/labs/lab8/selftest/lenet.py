"""What LeNet-5 makes of weights and images that are always the same, in numbers.

The numbers were computed by a right LeNet-5 (`tests/test_selftest.py` does it again), so that a student's can
be compared with it here without the code for it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from grader.expect import CheckFailed
from grader.labs.lab8.lenet import INPUT, SHAPES, Shape, parameters_of
from grader.sandbox.student import Model, Student
from grader.types import Weights

IMAGES = 3


def weight(shape: Shape) -> Tensor:
    """The parameter of this shape: as large as PyTorch's own first weights, or somewhat larger."""
    fan_in = math.prod(shape[1:])
    return _scattered(shape, SHAPES.index(shape)) * (0.1 if len(shape) == 1 else 2.5 / math.sqrt(fan_in))


def images() -> Tensor:
    """Float (3, 1, 32, 32), from -1 to 1."""
    return _scattered((IMAGES, *INPUT), len(SHAPES))


def _scattered(shape: Shape, number: int) -> Tensor:
    """Numbers from -1 to 1 that look random and are the same everywhere, unlike torch's random ones."""
    places = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64) + 1000 * number
    return (torch.frac(torch.sin(12.9898 * places) * 43758.5453) % 1 * 2 - 1).reshape(shape).float()


@contextmanager
def with_weights(student: Student) -> Iterator[Model]:
    """The student's lenet5 with these weights, each put where its shape belongs."""
    model = student.build("lenet5")
    names = {tuple(value.shape): name for name, value in parameters_of(model).items()}
    if sorted(names) != sorted(SHAPES):
        raise CheckFailed("its parameters are not LeNet-5's", hint="see to them first")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lenet.safetensors"
        save_file({name: weight(shape) for shape, name in names.items()}, path)
        report = model.load_weights(Weights(filename=path.name, path=path, format="safetensors"))
    if not report.loaded:
        raise CheckFailed(
            f"beside the parameters {'; '.join(report.differences)}", hint="no layers but LeNet-5's"
        )
    yield model


# By the scale of the images: the logits (3, 10).
OUTPUTS: dict[float, tuple[tuple[float, ...], ...]] = {
    1.0: (
        (1.65974, -2.14825, -0.4888, -1.26186, -2.20174, -2.24622, -2.17294, 1.39471, 0.35677, -1.76076),
        (2.05552, -3.22993, -0.34567, -2.21008, -3.51228, -1.77275, -3.29594, 1.50779, -1.12535, -2.45743),
        (1.07851, -3.29432, -0.83099, -1.06459, -2.89169, -1.3317, -2.93172, 1.69814, -0.67244, -1.50867),
    ),
    30.0: (
        (52.8257, -64.6333, -12.943, -43.9603, -69.1553, -69.0824, -74.1152, 42.6012, 14.1607, -55.5747),
        (62.5695, -94.9112, -7.0002, -71.2843, -102.0749, -50.6342, -106.1706, 42.9538, -24.6519, -79.844),
        (32.7793, -98.2665, -15.2891, -36.1528, -86.8046, -42.6357, -90.8475, 46.2284, -11.8906, -44.9524),
    ),
}
# By the parameter's shape: the sum of the magnitudes of the loss's gradient, for the labels 0, 1, 2.
GRADIENTS: dict[Shape, float] = {
    (6, 1, 5, 5): 29.166125,
    (6,): 2.731771,
    (16, 6, 5, 5): 349.148634,
    (16,): 2.415307,
    (120, 400): 1518.186369,
    (120,): 4.388647,
    (84, 120): 333.673436,
    (84,): 4.083019,
    (10, 84): 74.224382,
    (10,): 1.227018,
}
