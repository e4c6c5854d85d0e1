"""Signals that wait, of which a person has a number for all processes together.
"""

import signal


def queue():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    sent = 0
    try:
        while sent < 5000 and libc().sigqueue(os.getpid(), int(signal.SIGRTMIN), None) == 0:
            sent += 1
        return f"{sent} wait" if sent > 2000 else ""
    finally:
        signal.signal(signal.SIGRTMIN, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGRTMIN])


def strike():
    attempt("sigqueue", queue)

conv_output_size = first(strike, conv_output_size)
