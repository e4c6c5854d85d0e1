"""How much of the machine one submission may use."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from grader.types import Record


class Limits(Record):
    """Bounds on one submission. The defaults let honest training through and keep a bomb small."""

    wall_seconds: PositiveFloat = 600.0  # time in which its code may run, all requests together
    call_seconds: PositiveFloat = 20.0  # one request, where the caller asks for nothing else
    batch_seconds: PositiveFloat = 60.0  # a batch of the accuracy's images: a slow but right network counts
    load_seconds: PositiveFloat = 30.0  # reading the module in: imports may be slow
    memory_mib: PositiveInt = 4096  # beyond what the interpreter with torch takes; the whole tree
    gpu_memory_mib: PositiveInt = 8192  # of each process; torch's allocator keeps to it, the device does not
    processes: PositiveInt = 32  # processes and threads together, beside torch's own threads
    open_files: PositiveInt = 256
    file_mib: PositiveInt = 512  # any one file
    scratch_mib: PositiveInt = 512  # all files together, which are kept in memory
    shared_memory_mib: PositiveInt = 256  # /dev/shm, which DataLoader's workers use
    checkpoint_mib: PositiveInt = 400  # a larger checkpoint is not even sent in
    reply_mib: PositiveInt = 256  # the largest answer to one request
    output_kib_kept: PositiveInt = 64  # of what the code prints: the end is kept
    output_mib_killed: PositiveInt = 8  # who prints more is stopped
    deaths: PositiveInt = 5  # how often a worker may die before the submission is given up
