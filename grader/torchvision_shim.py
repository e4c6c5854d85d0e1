"""Lets `import torchvision` work beside a CPU build of torch.

torchvision's published Linux wheel is linked against CUDA. Beside a CPU build of
torch its extension cannot be loaded, and the import dies with "operator
torchvision::nms does not exist", although data sets, transforms and models need
no operator of that extension. Declaring the two missing operators is enough for
all of these; a detection operator still fails when it is called, as it should.

Needs nothing but torch and torchvision, so that it can be loaded from its path
alone, without the rest of the package.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

# The operators that `import torchvision` itself looks up; the schemas are those of torchvision's own C++.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# A torch.library.Library takes its declarations back when it is collected, so it has to stay alive.
_kept_alive: list[Any] = []


def prepare_torchvision() -> bool:
    """Make a later `import torchvision` succeed, by whoever does it. Call it again at no cost.

    Returns True where the operators had to be declared, False where torchvision
    works as it is, is imported already, or is not installed.
    """
    if _kept_alive:
        return True
    if "torchvision" in sys.modules or sys.platform != "linux":  # other systems' wheels need no CUDA
        return False
    extension = _extension_file()
    if extension is None:
        return False
    # Imported here and not above: only a caller who wants torchvision pays for torch.
    # Any, because torch's own `library` and `ops` carry no types.
    torch: Any = importlib.import_module("torch")
    if hasattr(torch.ops.torchvision, "nms"):  # someone else has loaded or declared them
        return False
    try:
        torch.ops.load_library(str(extension))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for schema in _SCHEMAS:
            library.define(schema)
        _kept_alive.append(library)
        return True
    return False


def import_torchvision() -> ModuleType:
    """Return the module `torchvision`, with its extension or without.

    Raises ImportError where it is not installed.
    """
    prepare_torchvision()
    return importlib.import_module("torchvision")


def _extension_file() -> Path | None:
    """The compiled part of the installed torchvision, found without importing torchvision."""
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            candidate = Path(folder) / f"_C{suffix}"
            if candidate.is_file():
                return candidate
    return None
