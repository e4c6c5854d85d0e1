"""Runs a notebook top to bottom in a kernel of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from grader import datasets
from grader.errors import UserError


def execute(notebook: Any, folder: Path, size: datasets.Size, cell_seconds: int) -> tuple[float, str]:
    """Run all cells with `folder` as the working directory; the outputs go into `notebook`.

    Returns the seconds it took and what went wrong: "" or one line. The person's own Jupyter and IPython
    settings are left aside.
    """
    try:
        from jupyter_client.kernelspec import KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        raise UserError(f"no {error.name} here: pip install 'convnet-lab-grader[handouts]'") from None

    environment = {
        **{name: value for name, value in os.environ.items() if name != datasets.FOLDER_VARIABLE},
        "IPYTHONDIR": str(folder / ".ipython"),
        "OMP_NUM_THREADS": "1",  # small nets lose by more, and the notebooks run side by side
        "MPLBACKEND": "agg",
        "PYTHONHASHSEED": "0",
    }
    if size == "full":
        environment[datasets.FOLDER_VARIABLE] = str(datasets.cache_dir())
    manager = AsyncKernelManager(
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),  # this Python's own kernel, no other
        **({"transport": "ipc", "ip": str(folder / "k")} if os.name == "posix" else {}),  # not by the network
    )
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=cell_seconds,
        coalesce_streams=True,  # of a progress bar, its last state
        resources={"metadata": {"path": str(folder)}},
    )
    began = time.perf_counter()
    problem = ""
    try:
        asyncio.run(client.async_execute(env=environment, cleanup_kc=True, stderr=subprocess.DEVNULL))
    except CellTimeoutError:
        problem = f"cell {_last_started(notebook)} runs longer than {cell_seconds} s"
    except CellExecutionError as error:
        problem = f"cell {_last_started(notebook)} fails with {error.ename}: {_first_line(error.evalue)}"
    except DeadKernelError:
        problem = f"cell {_last_started(notebook)} ended the kernel"
    return time.perf_counter() - began, problem


def _last_started(notebook: Any) -> str:
    """The cell that ran last: its number among the code cells, and its first line."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    started = [place for place, cell in enumerate(cells) if "iopub.status.busy" in _times(cell)]
    place = started[-1] if started else 0
    return f"{place + 1} ({_first_line(cells[place].source)})" if cells else "0"


def _times(cell: Any) -> Any:
    return cell.metadata.get("execution", {})


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:100] if lines else ""
