"""Compiles the filter of system calls that the box loads: `python -m grader.sandbox.seccomp`.

The compiled programs, one an architecture, are part of the package, so that grading
needs neither libseccomp nor pyseccomp. The filter forbids what code that trains a
network has no use for and that an attack on the kernel, the zygote or the network
starts with; it allows the rest, since torch, numpy and the C library use many calls.
"""

from __future__ import annotations

import errno
import struct
import sys
from pathlib import Path
from typing import Any

MACHINES = ("x86_64", "aarch64")

# Refused with EPERM.
FORBIDDEN_FOR = {
    "file systems and namespaces": """
        mount umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick
        mount_setattr unshare setns quotactl quotactl_fd swapon swapoff name_to_handle_at
        open_by_handle_at fanotify_init
    """,
    "other processes": """
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp
        migrate_pages move_pages ioprio_set
    """,
    "the kernel's large surfaces": """
        bpf perf_event_open io_uring_setup io_uring_enter io_uring_register userfaultfd kexec_load
        kexec_file_load init_module finit_module delete_module add_key request_key keyctl lookup_dcookie
        nfsservctl vmsplice
    """,
    "the machine": """
        reboot acct syslog sethostname setdomainname settimeofday clock_settime clock_adjtime adjtimex
        iopl ioperm modify_ldt vm86 vm86old
    """,
    "what would outlive a submission": """
        shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open
        mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    """,
    "memory beside the scratch's size": "setxattr lsetxattr fsetxattr",
}
FORBIDDEN = [name for names in FORBIDDEN_FOR.values() for name in names.split()]
# Refused with ENOSYS, upon which libraries take another way.
UNKNOWN = ("clone3", "memfd_create", "memfd_secret")

# Refused with EPERM too, by number, which is the same on all architectures: libseccomp is older than it.
SETXATTRAT = 463

NAMESPACE_FLAGS = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
AF_UNIX = 1
TERMINAL_REQUESTS = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into a terminal


def compile_filter(machine: str, path: Path) -> None:
    """Write the filter for one architecture as the array of instructions that the kernel loads."""
    import pyseccomp as seccomp

    arch = {"x86_64": seccomp.Arch.X86_64, "aarch64": seccomp.Arch.AARCH64}[machine]
    filter_: Any = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    if not filter_.exist_arch(arch):
        filter_.add_arch(arch)
        filter_.remove_arch(seccomp.Arch.NATIVE)
    refuse, unknown = seccomp.ERRNO(errno.EPERM), seccomp.ERRNO(errno.ENOSYS)

    def rule(action: Any, name: str, *arguments: Any) -> None:
        number = seccomp.resolve_syscall(arch, name)
        if number >= 0:  # else this architecture has no such call
            filter_.add_rule(action, name, *arguments)

    for name in FORBIDDEN:
        rule(refuse, name)
    for name in UNKNOWN:
        rule(unknown, name)
    bit = 1
    while bit <= NAMESPACE_FLAGS:
        if bit & NAMESPACE_FLAGS:
            rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, bit, bit))
        bit <<= 1
    rule(refuse, "socket", seccomp.Arg(0, seccomp.NE, AF_UNIX))
    # Does nothing and says that it did: Linux shares the processors out between sessions, of which a
    # box is one; with thirty it would get thirty shares.
    rule(seccomp.ERRNO(0), "setsid")
    for request in TERMINAL_REQUESTS:
        rule(refuse, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, request))
    # A process may set its own limits and priority, but not those of pid 1, the zygote.
    rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    rule(refuse, "setpriority", seccomp.Arg(0, seccomp.NE, 0))
    rule(refuse, "setpriority", seccomp.Arg(1, seccomp.NE, 0))
    for name in ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        rule(refuse, name, seccomp.Arg(0, seccomp.MASKED_EQ, 0xFFFFFFFF, 1))
    with path.open("wb") as file:
        # The kernel's struct sock_filter: load the call's number; unless it is this one, skip; refuse.
        for instruction in ((0x20, 0, 0, 0), (0x15, 0, 1, SETXATTRAT), (0x06, 0, 0, 0x50000 | errno.EPERM)):
            file.write(struct.pack("=HBBI", *instruction))
        file.flush()
        filter_.export_bpf(file)


def main() -> None:
    """Write the programs of all architectures beside this file."""
    for machine in MACHINES:
        compile_filter(machine, Path(__file__).parent / f"{machine}.bpf")
    print(f"wrote {', '.join(f'{m}.bpf' for m in MACHINES)}", file=sys.stderr)


if __name__ == "__main__":
    main()
