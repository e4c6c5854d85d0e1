"""Memory that the kernel shares with equal memory elsewhere, which can be felt by its pace.
"""

import mmap


def merged():
    area = mmap.mmap(-1, 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(12)
    return "it may be merged"


def strike():
    attempt("madvise", merged)
    attempt("prctl", lambda: libc().prctl(67, 1, 0, 0, 0) == 0)

conv_output_size = first(strike, conv_output_size)
