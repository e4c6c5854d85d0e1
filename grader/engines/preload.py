"""What a process needs to measure submissions, torch included, imported as fast as it can be."""

from __future__ import annotations

import gc

gc.disable()  # or it looks again and again for garbage that imports do not leave: a fifth of their time

from grader.grade import Pipeline as Pipeline  # noqa: E402

gc.enable()
gc.freeze()  # what is here now is never collected, so that the pages stay shared after a fork
