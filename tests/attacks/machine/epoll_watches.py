"""Watches on files in the kernel: as many as descriptors of both kinds multiplied.
"""

import select


def watch():
    files = [os.eventfd(0) for _ in range(90)]
    made = [select.epoll() for _ in range(90)]
    for one in made:
        for file in files:
            one.register(file)
    return f"{len(files) * len(made)} watches"


def strike():
    attempt("epoll", watch)

conv_output_size = first(strike, conv_output_size)
