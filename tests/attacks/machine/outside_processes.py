"""End, stop and slow the process outside whose number is known.
control = true
"""

import signal


def strike():
    pid = CANARY["victim"]
    attempt("signal 0", lambda: os.kill(pid, 0) is None)
    attempt("its memory", lambda: open(f"/proc/{pid}/maps").read(60))
    attempt("stop and go on", lambda: (os.kill(pid, signal.SIGSTOP), os.kill(pid, signal.SIGCONT)))
    attempt("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGCONT) is None)


conv_output_size = first(strike, conv_output_size)
