"""Where memory is to lie, of which the kernel keeps a record for every mapping.
"""

import platform


def strike():
    arm = platform.machine() != "x86_64"
    attempt("set_mempolicy", lambda: syscall(237 if arm else 238, 0, 0, 0))
    attempt("mbind", lambda: syscall(235 if arm else 237, 0, 0, 0, 0, 0, 0))

conv_output_size = first(strike, conv_output_size)
