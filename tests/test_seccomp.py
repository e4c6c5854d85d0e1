"""The compiled seccomp filters, interpreted here as the kernel does, and tried in a real sandbox."""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from students import answer

from grader.sandbox import Sandbox, backend

ALLOW, KILL, ERROR = "allow", "kill", "error"
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386, ARM = 0x40000003, 0x40000028
# Numbers of some calls, from the kernel's own tables: x86-64's, then those of 64-bit ARM.
CALLS = {
    **{"read": (0, 63), "openat": (257, 56), "futex": (202, 98), "execve": (59, 221), "ppoll": (271, 73)},
    **{"exit_group": (231, 94), "getrandom": (318, 278), "rt_sigreturn": (15, 139), "statx": (332, 291)},
    **{"restart_syscall": (219, 128), "rseq": (334, 293), "close_range": (436, 436), "sendmsg": (46, 211)},
}
CHECKED = {
    **{"clone": (56, 220), "mmap": (9, 222), "madvise": (28, 233), "socket": (41, 198)},
    **{"socketpair": (53, 199), "setsockopt": (54, 208), "fcntl": (72, 25), "ioctl": (16, 29)},
    **{"prctl": (157, 167), "prlimit64": (302, 261), "setpriority": (141, 140)},
    **{"sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274)},
}
REFUSED = {
    **{
        "ptrace": (101, 117),
        "bpf": (321, 280),
        "seccomp": (317, 277),
        "unshare": (272, 97),
        "setns": (308, 268),
    },
    **{"mount": (165, 40), "epoll_create1": (291, 20), "inotify_init1": (294, 26), "io_setup": (206, 0)},
    **{"splice": (275, 76), "tee": (276, 77), "vmsplice": (278, 75), "fanotify_init": (300, 262)},
    **{"io_uring_setup": (425, 425), "landlock_create_ruleset": (444, 444), "memfd_create": (319, 279)},
    **{
        "memfd_secret": (447, 447),
        "clone3": (435, 435),
        "pidfd_getfd": (438, 438),
        "userfaultfd": (323, 282),
    },
    **{"keyctl": (250, 219), "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190)},
    **{"mq_open": (240, 180), "perf_event_open": (298, 241), "setxattr": (188, 5), "setxattrat": (463, 463)},
    **{"timer_create": (222, 107), "mlock": (149, 228), "mbind": (237, 235), "open_tree_attr": (467, 467)},
    **{"personality": (135, 92), "rt_sigqueueinfo": (129, 138), "process_madvise": (440, 440)},
    **{"remap_file_pages": (216, 234), "kexec_load": (246, 104), "name_to_handle_at": (303, 264)},
}


def load(machine: str) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("=HBBI", (backend.HERE / f"{machine}.bpf").read_bytes()))


PROGRAMS = {machine: load(machine) for machine in MACHINES}


def run(machine: str, number: int, arguments: tuple[int, ...] = (0,) * 6, arch: int = 0) -> tuple[str, int]:
    """What the kernel does with a call: "allow", "kill", or "error" with a number."""
    data = struct.pack("<IIQ6Q", number, arch or MACHINES[machine], 0, *arguments)
    at, accumulator = 0, 0
    while True:
        what, if_true, if_false, value = PROGRAMS[machine][at]
        at += 1
        if what == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif what == 0x54:
            accumulator &= value
        elif what == 0x05:
            at += value
        elif what == 0x15:
            at += if_true if accumulator == value else if_false
        elif what == 0x35:
            at += if_true if accumulator >= value else if_false
        else:
            assert what == 0x06
            break
    if value >> 16 == 5:
        return ERROR, value & 0xFFFF
    return {0x7FFF0000: ALLOW, 0x80000000: KILL}[value], 0


def number_of(numbers: tuple[int, int], machine: str) -> int:
    return numbers[list(MACHINES).index(machine)]


@pytest.mark.parametrize("machine", MACHINES)
class TestPrograms:
    def test_calls_that_everything_needs_are_allowed(self, machine: str) -> None:
        for name, numbers in CALLS.items():
            assert run(machine, number_of(numbers, machine)) == (ALLOW, 0), name

    def test_calls_that_attacks_begin_with_are_refused(self, machine: str) -> None:
        for name, numbers in REFUSED.items():
            got = run(machine, number_of(numbers, machine))
            assert got in ((ERROR, errno.EPERM), (ERROR, errno.ENOSYS)), name

    def test_what_no_list_names_is_refused_as_by_a_linux_without_it(self, machine: str) -> None:
        """A call that Linux gained after the list was made was open."""
        names = pytest.importorskip("grader.sandbox.seccomp")
        try:
            named = names.numbers(machine, [*names.ALLOWED, *names.FORBIDDEN, *names.PRETENDED])
        except (ImportError, OSError, RuntimeError):
            pytest.skip("libseccomp is not here")
        assert len(named) > 150
        for number in {*range(4096), *(2**bit for bit in range(30)), 0x3FFFFFFF} - set(named.values()):
            for arguments in ((0,) * 6, (1,) * 6, (2**64 - 1,) * 6):
                assert run(machine, number, arguments) == (ERROR, errno.ENOSYS), number
        assert not set(names.CHECKED) - set(names.ALLOWED)

    def test_calls_newer_than_all_lists_are_refused(self, machine: str) -> None:
        for number in (*range(440, 4096), 2**20, 2**30 - 1):
            assert run(machine, number) == (ERROR, errno.ENOSYS), number

    def test_another_calling_convention_ends_the_process(self, machine: str) -> None:
        for number in range(600):
            for arch in (I386, ARM, MACHINES["x86_64" if machine == "aarch64" else "aarch64"], 1):
                assert run(machine, number, arch=arch)[0] == KILL
            assert run(machine, 0x40000000 + number)[0] == KILL
        assert run(machine, 0xFFFFFFFF)[0] == KILL

    def test_it_is_short_enough_to_load(self, machine: str) -> None:
        assert len(PROGRAMS[machine]) <= 4096


LOCAL, STREAM, PACKETS = 1, 1, 5
INTERESTING = {
    **{"clone": [0x7D0F00, 0x1200011, 0x4111, 0x10000, 0x10400, 0x400, 0x10000000, 0x20000, 0x50F00, 0x80]},
    **{"mmap": [0x22, 0x40022, 2, 0x40000, 0x1FFFF], "madvise": [*range(30), 100, 101, 102, 103]},
    **{"socket": [1, 2, 5, 16, 0x80001, 0x80005, 0x80802, 3], "setsockopt": [*range(80), 6, 41]},
    **{"fcntl": [*range(12), 36, 37, 38, *range(1020, 1042)], "prctl": [*range(80), 0x53564D41, 0x59616D61]},
    **{"ioctl": [0x5401, 0x5412, 0x541C, 0x5413, 0x5421, 0xC020462A, 0x30000001, 75, 0x5431, 0x5760, 0xFF01]},
    **{"prlimit64": [0, 1, 2], "setpriority": [0, 1, 2, 3], "sched": [0, 1, 2, 3, 4, 4194305]},
}


def allowed(name: str, a: tuple[int, ...]) -> bool:
    """What is allowed of the calls whose arguments count, said once more."""
    if name == "clone":
        return not a[0] & 0x7E020000 and (not a[0] & 0x10000 or bool(a[0] & 0x400))
    if name == "mmap":
        return not a[3] & 0x40000
    if name == "madvise":
        return a[2] in {0, 1, 2, 3, 4, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23, 25, 102, 103}
    if name in ("socket", "socketpair"):
        return a[0] == LOCAL and a[1] & 15 in (STREAM, PACKETS)
    if name == "setsockopt":
        return a[1] == 1 and a[2] in {2, 9, 13, 16, 20, 21, 66, 67}
    if name == "fcntl":
        return a[1] in {0, 1030, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1032}
    if name == "ioctl":
        terminal = a[1] in {0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451}
        return terminal or a[1] >> 8 & 255 in b"FG" or a[1] < 256 or a[1] in (0x30000001, 0x30000002)
    if name == "prctl":
        return a[0] in {1, 2, 3, 4, 15, 16, 21, 29, 30, 39, 41, 42, 51, 64}
    if name == "prlimit64":
        return a[0] == 0
    if name == "setpriority":
        return a[0] == a[1] == 0
    return a[0] != 1


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, tuple[int, ...]]:
    """A call, with arguments near to what counts, and anything in their upper halves."""
    name = draw(st.sampled_from(sorted(CHECKED)))
    likely = INTERESTING.get(name.partition("_")[0], INTERESTING["socket"])
    low = st.sampled_from(likely) | st.integers(0, 2**32 - 1)
    high = st.sampled_from([0, 1, 2**32 - 1]) | st.integers(0, 2**32 - 1)
    return name, tuple(draw(high) << 32 | draw(low) for _ in range(6))


@given(calls(), st.sampled_from(sorted(MACHINES)))
def test_arguments_are_judged_by_what_the_kernel_takes_of_them(
    call: tuple[str, tuple[int, ...]], machine: str
) -> None:
    name, arguments = call
    got, number = run(machine, number_of(CHECKED[name], machine), arguments)
    assert (got == ALLOW) == allowed(name, tuple(value & 0xFFFFFFFF for value in arguments))
    assert got == ALLOW or number > 0


SANDBOX = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox()


def in_the_sandbox(sandbox: Sandbox, body: str) -> Any:
    top = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *map(ctypes.c_long, arguments))
    return 0 if result >= 0 else ctypes.get_errno()
"""
    return answer(sandbox, body, top)


@SANDBOX
def test_the_kernel_refuses_what_the_program_says(sandbox: Sandbox) -> None:
    machine = platform.machine()
    traps = (335, 336) if machine == "x86_64" else ()  # uretprobe and uprobe: Linux does not ask filters
    refused = [
        n
        for n in range(600)
        if n not in traps and run(machine, n) in ((ERROR, errno.ENOSYS), (ERROR, errno.EPERM))
    ]
    assert len(refused) > 250
    body = f"return [n for n in {refused} if call(n, -1, -1, -1, -1, -1, -1) not in (1, 38)]"
    assert in_the_sandbox(sandbox, body) == []


@SANDBOX
def test_options_are_refused_as_by_a_linux_without_them(sandbox: Sandbox) -> None:
    body = """
    import fcntl, mmap
    got = {}
    def attempt(name, action):
        try: got[name] = action()
        except OSError as error: got[name] = error.errno
    local, other = socket.socketpair()
    attempt('buffer', lambda: local.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30))
    attempt('filter', lambda: local.setsockopt(socket.SOL_SOCKET, 26, bytes(16)))
    attempt('datagrams', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    attempt('pipe', lambda: fcntl.fcntl(os.pipe()[0], 1031, 1 << 20))
    attempt('type', lambda: fcntl.ioctl(0, 0x5412, b'x'))
    attempt('huge', lambda: mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))
    attempt('merge', lambda: mmap.mmap(-1, 4096).madvise(12))
    attempt('sync', os.sync)
    return got
    """
    assert in_the_sandbox(sandbox, body) == {
        **{"buffer": errno.ENOPROTOOPT, "filter": errno.ENOPROTOOPT, "datagrams": errno.EPERM},
        **{"pipe": errno.EINVAL, "type": errno.ENOTTY, "huge": errno.ENOMEM, "merge": errno.EINVAL},
        "sync": None,
    }
