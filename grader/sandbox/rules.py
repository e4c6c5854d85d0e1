"""Which rule of the sandbox causes an error: told beside it, so that a student knows what to change.

Honest code that works at home may exceed a limit here. The errors that Python and torch raise then
name only the symptom ("Temporary failure in name resolution"). This file runs inside the sandbox.
"""

from __future__ import annotations

import errno
import socket
import traceback
from typing import Any

NETWORK = "there is no network while the grader runs this: nothing can be downloaded"
GPU = "the grader has no such device here: use the `device` that train_classifier is given, and no .cuda()"
PACKAGES = ("torch", "torchvision", "numpy", "PIL", "matplotlib", "tqdm", "pandas", "safetensors")
PACKAGE = (
    f"of packages only {', '.join(PACKAGES[:-1])} and {PACKAGES[-1]} are sure to be there while the grader "
    "runs this, and of modules of your own those handed in beside the code"
)
GRADIENTS = (
    "a gradient has to reach every parameter: no torch.no_grad(), no .detach(), .item(), .data or numpy in "
    "forward, and no requires_grad=False"
)
KEYBOARD = "nobody is at the keyboard while the grader runs this"
FILES = "of what was handed in only the code and the weights are there while the grader runs this"
WRITING = "only the working folder and tempfile's can be written while the grader runs this"

_NO_NETWORK = ("name resolution", "internet connection", "Network is unreachable", "Failed to resolve")
_NO_GPU = (
    *("not compiled with CUDA", "No CUDA GPUs", "no NVIDIA driver", "No NVIDIA driver", "CUDA driver"),
    *(
        "Invalid device string: 'cuda",
        "invalid device ordinal",
        "accelerator device when none",
        "mps devices",
    ),
    "torch.cuda.is_available() is False",
)
_NO_ROOM = ("No space left on device", "out of shared memory", "insufficient shared memory")


def rule_behind(error: BaseException, limits: dict[str, Any]) -> str:
    """A clause that names the rule, or "" where the error is the code's own.

    `limits` are the worker's: `processes`, `open_files`, and others in MiB.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 10:
        chain.append(current)
        current = current.__cause__ or current.__context__
    for one in chain:
        if rule := _rule(one, limits):
            return rule
    return ""


def _rule(error: BaseException, limits: dict[str, Any]) -> str:
    text = str(error)[:10_000]
    if isinstance(error, socket.gaierror) or any(words in text for words in _NO_NETWORK):
        return NETWORK
    if any(words in text for words in _NO_GPU):
        return GPU
    if isinstance(error, ModuleNotFoundError):
        return PACKAGE
    if isinstance(error, EOFError) and "EOF when reading a line" in text:
        return KEYBOARD
    if any(words in text for words in _NO_ROOM):
        return _room(limits)
    if "does not require grad" in text:
        return GRADIENTS
    if "can't start new thread" in text:
        return _processes(limits)
    if "CUDA out of memory" in text:
        return f"it may take {limits['gpu_memory_mib']} MiB of the GPU's memory"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return f"it may take {limits['memory_mib']} MiB of memory"
    return _of_system(error, limits) if isinstance(error, OSError) else ""


def _of_system(error: OSError, limits: dict[str, Any]) -> str:
    """The rule behind an error of the operating system, by its number."""
    if error.errno == errno.EPERM:
        last = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)][-1:]
        return NETWORK if last == [socket.__file__] else ""
    if error.errno == errno.ENOENT:
        return FILES
    return {
        errno.EROFS: WRITING,
        errno.EACCES: WRITING,
        errno.ENOSPC: _room(limits),
        errno.EFBIG: f"a file may have {limits['file_mib']} MiB",
        errno.EMFILE: f"{limits['open_files']} files may be open at a time",
        errno.EAGAIN: _processes(limits),
    }.get(error.errno or 0, "")


def _room(limits: dict[str, Any]) -> str:
    scratch, shared = limits["scratch_mib"], limits["shared_memory_mib"]
    return f"files may take {scratch} MiB in the working folder, and {shared} MiB in shared memory"


def _processes(limits: dict[str, Any]) -> str:
    most = limits["processes"]
    return f"{most} processes and threads may run at a time, all together" if most else ""
