"""Memory that is sent to the swap, where it is nobody's resident memory.
"""

import mmap


def swapped():
    area = mmap.mmap(-1, 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.write(b"x" * 2**20)
    area.madvise(21)
    return "it is on its way"


def strike():
    attempt("MADV_PAGEOUT", swapped)

conv_output_size = first(strike, conv_output_size)
