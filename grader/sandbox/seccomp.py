"""Compiles the seccomp filter that the sandbox loads: `python -m grader.sandbox.seccomp`.

The compiled programs, one an architecture, are part of the package, so that grading needs
neither libseccomp nor pyseccomp; these only know the calls' numbers. The filter is a list of
what is allowed: what Python, torch, its data loader, CUDA's driver and the zygote call. All
else is refused, calls that Linux gains tomorrow included.

What is refused fails as it does on a Linux that has no such thing, since libraries then take
another way: a call with ENOSYS, an option with what its call gives for unknown ones. EPERM is
for calls that every Linux has, and that libraries go on without where they are forbidden them.
A call by another convention (32-bit, x32) ends its process: no library makes one.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import socket
import struct
import sys
import termios
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # by the kernel's AUDIT_ARCH_*
X32 = 0x40000000  # from here on, numbers are those of x86-64's other convention

ALLOWED_FOR = {
    "memory": "brk mmap munmap mprotect mremap madvise msync",
    "files": """
        open openat openat2 creat close close_range read write pread64 pwrite64 readv writev preadv pwritev
        preadv2 pwritev2 lseek stat fstat lstat newfstatat statx access faccessat faccessat2 readlink
        readlinkat getdents getdents64 getcwd chdir fchdir dup dup2 dup3 fcntl flock ioctl truncate
        ftruncate fallocate rename renameat renameat2 link linkat symlink symlinkat unlink
        unlinkat mkdir mkdirat rmdir mknod mknodat chmod fchmod fchmodat chown fchown lchown fchownat utime
        utimes utimensat futimesat umask statfs fstatfs sendfile copy_file_range pipe pipe2 getxattr lgetxattr
        fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
    """,
    # No epoll: it may take a gigabyte of the kernel's memory, which nobody counts. Python's `selectors` poll
    # where there is none, CUDA's driver always.
    "waiting": "poll ppoll select pselect6 eventfd eventfd2 timerfd_create timerfd_settime timerfd_gettime",
    "processes and threads": """
        clone fork vfork execve exit exit_group wait4 waitid futex set_robust_list set_tid_address rseq
        gettid getpid getppid getpgid getpgrp getsid setpgid pidfd_open pidfd_send_signal kill tkill tgkill
        sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_getattr sched_get_priority_max
        sched_get_priority_min sched_rr_get_interval sched_setaffinity sched_setscheduler sched_setparam
        sched_setattr getpriority setpriority getrlimit setrlimit prlimit64 getrusage prctl arch_prctl getcpu
        get_mempolicy restart_syscall
    """,
    "signals": """
        rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack pause
        alarm getitimer setitimer
    """,
    "the clock and the machine's size": """
        clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times uname sysinfo getrandom
    """,
    "who it is, and the zygote's way to be nobody": """
        getuid geteuid getgid getegid getgroups getresuid getresgid setgroups setresuid setresgid
        capget capset
    """,
    "local sockets": """
        socket socketpair bind connect listen accept accept4 getsockname getpeername sendto recvfrom sendmsg
        recvmsg sendmmsg recvmmsg shutdown getsockopt setsockopt
    """,
}
ALLOWED = [name for names in ALLOWED_FOR.values() for name in names.split()]
FORBIDDEN_FOR = {
    "memory beside the scratch's size; copying a file's attributes goes on": "setxattr lsetxattr fsetxattr",
    "where memory lies, which libnuma and CUDA's driver ask for": "mbind set_mempolicy move_pages",
    "memory that is not to be swapped out, of which users may have little": "mlock mlock2 mlockall",
    "other processes, and namespaces": "ptrace process_vm_readv process_vm_writev unshare setns chroot mount",
}
FORBIDDEN = [name for names in FORBIDDEN_FOR.values() for name in names.split()]
# Do nothing, and say that they did. Linux shares the processors out between sessions, of which a sandbox is
# one: with thirty it would get thirty shares. The others are for disks, and the sandbox can write to none: on
# files that can be read they would keep the machine's disks busy, or have it read libraries again.
PRETENDED = ("setsid", "sync", "syncfs", "fsync", "fdatasync", "fadvise64")


class Condition(NamedTuple):
    """Whether the lower half of an argument, under a mask, is one of these values; or, negated, none of them.

    The upper half is nothing to the kernel: each of these arguments is an int to it, or has its flags below.
    """

    argument: int  # from 0
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    negated: bool = False


class Check(NamedTuple):
    """A call is allowed where all conditions of one of these ways hold; else it fails with this error."""

    error: int
    ways: list[list[Condition]]


NAMESPACES = 0x7E020000  # CLONE_NEW*
THREAD, FILES = 0x10000, 0x400  # CLONE_*
HUGE_PAGES = 0x40000  # MAP_HUGETLB
# No datagram sockets: many messages may wait in one, from senders that are closed by now.
LOCAL_SOCKET = Check(
    errno.EPERM,
    [[Condition(0, (socket.AF_UNIX,)), Condition(1, (socket.SOCK_STREAM, socket.SOCK_SEQPACKET), mask=0xF)]],
)
NOT_THE_ZYGOTE = Check(errno.EPERM, [[Condition(0, (1,), negated=True)]])
OPTIONS = (
    *(socket.SO_REUSEADDR, socket.SO_KEEPALIVE, socket.SO_LINGER, socket.SO_PASSCRED),
    *(socket.SO_RCVTIMEO, socket.SO_SNDTIMEO, 66, 67),  # and both once more, for a wider time
)
COMMANDS = (
    *(fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_SETFL),
    *(fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_GETOWN, fcntl.F_SETOWN, fcntl.F_GETPIPE_SZ),
)
ADVICE = (
    *(mmap.MADV_NORMAL, mmap.MADV_RANDOM, mmap.MADV_SEQUENTIAL, mmap.MADV_WILLNEED, mmap.MADV_DONTNEED),
    *(mmap.MADV_FREE, mmap.MADV_REMOVE, mmap.MADV_DONTFORK, mmap.MADV_DOFORK, mmap.MADV_HUGEPAGE),
    *(mmap.MADV_NOHUGEPAGE, mmap.MADV_DONTDUMP, mmap.MADV_DODUMP),
    *(18, 19, 22, 23, 25),  # WIPEONFORK, KEEPONFORK, POPULATE_READ, POPULATE_WRITE, COLLAPSE
    *(102, 103),  # GUARD_INSTALL and GUARD_REMOVE, by which newer C libraries guard their stacks
)
REQUESTS = (
    *(termios.TCGETS, termios.TIOCGPGRP, termios.TIOCGWINSZ),  # is it a terminal, and how wide?
    *(termios.FIONREAD, termios.FIONBIO, termios.FIOCLEX, termios.FIONCLEX),
)
PROCESS_OPTIONS = (
    *(1, 2, 3, 4, 15, 16),  # death signal, whether it is dumpable, name: to set and to get
    *(21, 39, 29, 30, 41, 42),  # to get: filters, new privileges; either: the timers' slack, huge pages
    *(51, 64),  # the length of ARM's vectors
)
# The place of the thread's own data, and the wider registers that oneDNN asks for.
PROCESSOR_OPTIONS = (*range(0x1001, 0x1005), *range(0x1021, 0x1024))
CHECKED = {
    # A thread with descriptors of its own would have them where its process's count does not show them.
    "clone": Check(
        errno.EPERM,
        [[Condition(0, (0,), mask=NAMESPACES | THREAD)], [Condition(0, (FILES,), mask=NAMESPACES | FILES)]],
    ),
    # Huge pages are the machine's, and in no count of a process's memory.
    "mmap": Check(errno.ENOMEM, [[Condition(3, (0,), mask=HUGE_PAGES)]]),
    # None that shares memory with equal memory in other sandboxes, or has it swapped out.
    "madvise": Check(errno.EINVAL, [[Condition(2, ADVICE)]]),
    "socket": LOCAL_SOCKET,
    "socketpair": LOCAL_SOCKET,
    # None that takes memory: no larger buffers, no filters.
    "setsockopt": Check(errno.ENOPROTOOPT, [[Condition(1, (socket.SOL_SOCKET,)), Condition(2, OPTIONS)]]),
    # No larger pipes, no leases, no notices. The locks of a process are counted, those of an open file could
    # not be while that is on its way to another process.
    "fcntl": Check(errno.EINVAL, [[Condition(1, COMMANDS)]]),
    "ioctl": Check(
        errno.ENOTTY,
        [
            [Condition(1, REQUESTS)],
            # NVIDIA's: by the letter of /dev/nvidiactl and /dev/nvidia0, or of WSL's /dev/dxg;
            # /dev/nvidia-uvm has plain small numbers, and two large ones.
            [Condition(1, (ord("F") << 8, ord("G") << 8), mask=0xFF00)],
            [Condition(1, (0,), mask=0xFFFFFF00)],
            [Condition(1, (0x30000001, 0x30000002))],
        ],
    ),
    # No further filters, which take memory; no sharing of equal memory; no core scheduling.
    "prctl": Check(errno.EINVAL, [[Condition(0, PROCESS_OPTIONS)]]),
    "arch_prctl": Check(errno.EINVAL, [[Condition(0, PROCESSOR_OPTIONS)]]),
    # A process may set its own limits and priority, but not those of pid 1, the zygote.
    "prlimit64": Check(errno.EPERM, [[Condition(0, (0,))]]),
    "setpriority": Check(errno.EPERM, [[Condition(0, (0,)), Condition(1, (0,))]]),
    "sched_setaffinity": NOT_THE_ZYGOTE,
    "sched_setscheduler": NOT_THE_ZYGOTE,
    "sched_setparam": NOT_THE_ZYGOTE,
    "sched_setattr": NOT_THE_ZYGOTE,
}

Code = list[tuple[int, int, int, int]]  # struct sock_filter: what, how far to jump if true, if false; value
LOAD, AND, RETURN, JUMP, EQUAL, AT_LEAST = 0x20, 0x54, 0x06, 0x05, 0x15, 0x35
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # in struct seccomp_data
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_*


def program(machine: str) -> bytes:
    """The filter for one architecture as the array of instructions that the kernel loads."""
    leaves: dict[int, Code] = {}
    for names, error in ((FORBIDDEN, errno.EPERM), (PRETENDED, 0)):
        leaves |= {number: [(RETURN, 0, 0, ERROR | error)] for number in numbers(machine, names).values()}
    for name, number in numbers(machine, ALLOWED).items():
        leaves[number] = _checked(CHECKED[name]) if name in CHECKED else [(RETURN, 0, 0, ALLOW)]
    code: Code = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 1, 0, MACHINES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
        *_search(_ranges(leaves)),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def numbers(machine: str, names: Iterable[str]) -> dict[str, int]:
    """The numbers of these calls, without those that this architecture lacks.

    Raises ValueError for a name that is no call's.
    """
    import pyseccomp

    arch = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}[machine]
    found = {name: pyseccomp.resolve_syscall(arch, name) for name in names}
    if unknown := [name for name, number in found.items() if number == -1]:
        raise ValueError(f"libseccomp knows no system call {' '.join(unknown)}")
    return {name: number for name, number in found.items() if number >= 0}


def _ranges(leaves: dict[int, Code]) -> list[tuple[int, Code]]:
    """From which number on what is done, for all numbers."""
    unknown: Code = [(RETURN, 0, 0, ERROR | errno.ENOSYS)]
    ranges: list[tuple[int, Code]] = []
    for number in sorted({0, *leaves, *(number + 1 for number in leaves)}):
        code = leaves.get(number, unknown)
        if not ranges or ranges[-1][1] != code:
            ranges.append((number, code))
    return [*ranges, (X32, [(RETURN, 0, 0, KILL)])]


def _search(ranges: list[tuple[int, Code]]) -> Code:
    """Find the number's range by halving; it takes as long for the last call as for the first."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower = _search(ranges[:middle])
    return [
        (AT_LEAST, 0, 1, ranges[middle][0]),
        (JUMP, 0, 0, len(lower)),
        *lower,
        *_search(ranges[middle:]),
    ]


def _checked(check: Check) -> Code:
    """Go from way to way until one holds."""
    code: Code = []
    for way in check.ways:
        allowed: Code = [(RETURN, 0, 0, ALLOW)]
        for condition in reversed(way):
            allowed = [*_condition(condition, len(allowed)), *allowed]
        code += allowed
    return [*code, (RETURN, 0, 0, ERROR | check.error)]


def _condition(condition: Condition, rest: int) -> Code:
    """Go on behind it where it holds; else pass over the rest of its way, so many instructions."""
    code: Code = [(LOAD, 0, 0, ARGUMENTS_AT + 8 * condition.argument)]  # the lower half comes first on both
    if condition.mask != 0xFFFFFFFF:
        code.append((AND, 0, 0, condition.mask))
    for left, value in zip(reversed(range(len(condition.values))), condition.values, strict=True):
        if condition.negated:
            code.append((EQUAL, left + rest, 0, value))
        else:
            code.append((EQUAL, left, 0 if left else rest, value))
    return code


def main() -> None:
    """Write the programs of all architectures beside this file."""
    for machine in MACHINES:
        (Path(__file__).parent / f"{machine}.bpf").write_bytes(program(machine))
    print(f"wrote {', '.join(f'{m}.bpf' for m in MACHINES)}", file=sys.stderr)


if __name__ == "__main__":
    main()
