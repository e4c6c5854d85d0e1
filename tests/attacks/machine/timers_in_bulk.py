"""Timers in the kernel, each with a signal set aside for it.
"""

import ctypes


def many():
    made = [ctypes.c_void_p() for _ in range(3000)]
    count = sum(libc().timer_create(1, None, ctypes.byref(timer)) == 0 for timer in made)
    return f"{count} timers" if count > 2000 else ""


def strike():
    attempt("timer_create", many)

conv_output_size = first(strike, conv_output_size)
