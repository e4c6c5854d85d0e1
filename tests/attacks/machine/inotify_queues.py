"""Queues of notices about files, each with room for thousands.
"""


def strike():
    attempt("inotify_init1", lambda: libc().inotify_init1(0) >= 0)
    attempt("inotify_init", lambda: libc().inotify_init() >= 0)
    attempt("fanotify_init", lambda: libc().fanotify_init(0, 0) >= 0)

conv_output_size = first(strike, conv_output_size)
