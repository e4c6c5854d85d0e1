"""The kinds of sandboxes by the names that --sandbox has for them. Imports nothing slow."""

from __future__ import annotations

from grader.sandbox.backend import Backend
from grader.sandbox.bubblewrap import Bubblewrap
from grader.sandbox.container import Container
from grader.sandbox.unconfined import Unconfined

BACKENDS: dict[str, type[Backend]] = {kind.name: kind for kind in (Bubblewrap, Container, Unconfined)}
ISOLATING = tuple(name for name, kind in BACKENDS.items() if kind.isolates)
DEFAULT = Bubblewrap.name
