"""Names for memory, which the kernel keeps for every mapping.
"""

import ctypes
import mmap


def named():
    area = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    longs = map(ctypes.c_ulong, (0, address, 4096))
    return libc().prctl(0x53564D41, *longs, b"x" * 79) == 0


def strike():
    attempt("PR_SET_VMA", named)

conv_output_size = first(strike, conv_output_size)
