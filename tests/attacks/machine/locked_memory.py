"""Memory that is never swapped out, of which a process has some megabytes free.
"""

import ctypes
import mmap


def strike():
    area = mmap.mmap(-1, 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    attempt("mlock", lambda: libc().mlock(ctypes.c_void_p(address), ctypes.c_size_t(2**20)) == 0)
    attempt("mlockall", lambda: libc().mlockall(2) == 0)

conv_output_size = first(strike, conv_output_size)
