"""The device that `train_classifier` is given: a string that is also asked what a torch.device is asked.

This file runs inside the sandbox and imports nothing of the kit.
"""

from __future__ import annotations

import torch


class Device(str):
    """ "cpu" or "cuda", perhaps with a number, wherever code expects a string or a torch.device.

    >>> device = Device("cuda:1")
    >>> device.startswith("cuda"), {"cuda:1": "found"}[device], torch.device(device) == device
    (True, 'found', True)
    >>> device.type, device.index
    ('cuda', 1)
    """

    __slots__ = ()
    __hash__ = str.__hash__  # as a key it is the string

    @property
    def type(self) -> str:
        return torch.device(str(self)).type

    @property
    def index(self) -> int | None:  # type: ignore[override]  # a string's own `index` finds a part of it
        return torch.device(str(self)).index

    def __eq__(self, other: object) -> bool:
        return (
            torch.device(str(self)) == other if isinstance(other, torch.device) else str.__eq__(self, other)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other
