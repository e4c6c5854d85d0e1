"""Pseudo-terminals, of which the whole machine has only so many.
"""


def strike():
    attempt("a pseudo-terminal", lambda: os.open("/dev/ptmx", os.O_RDWR) >= 0)

conv_output_size = first(strike, conv_output_size)
