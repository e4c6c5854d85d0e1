"""How much of the machine one submission may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from grader.types import Record, Seconds

Whole = Annotated[int, Field(gt=0, le=10**7, strict=True)]


class Limits(Record):
    """Limits on one submission. The defaults let honest training through and keep a bomb small.

    Seconds are the submission's own: the clock stands still while its threads wait for a processor
    that others have. In wall time the same thing may take ten times as long and half a minute; only then
    the machine counts as too busy.
    """

    wall_seconds: Seconds = 600.0  # all requests together, beside the accuracy's images
    call_seconds: Seconds = 20.0  # one request, where the caller asks for nothing else
    batch_seconds: Seconds = 60.0  # a batch of the accuracy's images: a slow but right network counts
    accuracy_seconds: Seconds = 1200.0  # 10,000 images, on a machine of the pace in sandbox/pace.py
    load_seconds: Seconds = 30.0  # reading the module in: imports may be slow
    memory_mib: Whole = 4096  # beyond what the interpreter with torch takes; the whole tree
    gpu_memory_mib: Whole = 8192  # of each process; torch's allocator keeps to it, the device does not
    processes: Whole = 32  # processes and threads together, beside torch's own threads
    open_files: Whole = 256
    file_mib: Whole = 512  # any one file
    scratch_mib: Whole = 512  # all files together, which are kept in memory
    shared_memory_mib: Whole = 256  # /dev/shm, which DataLoader's workers use
    checkpoint_mib: Whole = 400  # a larger checkpoint is not even sent in
    reply_mib: Whole = 256  # the largest answer to one request
    output_kib_kept: Whole = 64  # of what the code prints: the end is kept
    output_mib_killed: Whole = 8  # who prints more is stopped
    deaths: Whole = 5  # how often a worker may die before the submission is given up
