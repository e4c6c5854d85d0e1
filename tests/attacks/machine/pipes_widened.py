"""Pipes with more room, out of what one person may have in all pipes together.
"""

import fcntl


def strike():
    attempt("F_SETPIPE_SZ", lambda: fcntl.fcntl(os.pipe()[1], 1031, 2**20))

conv_output_size = first(strike, conv_output_size)
