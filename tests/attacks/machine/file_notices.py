"""Notices, leases and locks that the kernel keeps with open files.
"""

import fcntl
import struct


def strike():
    folder, file = os.open(".", os.O_RDONLY), open("file", "w+")
    attempt("F_NOTIFY", lambda: fcntl.fcntl(folder, fcntl.F_NOTIFY, fcntl.DN_CREATE) == 0)
    attempt("F_SETLEASE", lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK) == 0)
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 1, 0)
    attempt("F_OFD_SETLK", lambda: fcntl.fcntl(file, 37, lock) and "locked")

conv_output_size = first(strike, conv_output_size)
