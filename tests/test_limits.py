"""The limits on one submission, each exceeded in a real sandbox: how it ends, and the student's line."""

from __future__ import annotations

import fcntl
import mmap
import os
import platform
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from students import answer, first_process, function

from grader.sandbox import Limits, Sandbox, StudentFailure, zygote
from grader.types import Code, Submission

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")

LIMITS = Limits(
    wall_seconds=120,
    call_seconds=30,
    memory_mib=400,
    processes=12,
    open_files=64,
    scratch_mib=16,
    shared_memory_mib=8,
    file_mib=8,
    output_mib_killed=1,
    deaths=3,
)
MEMORY = ("out_of_memory", "the code used more than 400 MiB of memory")


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(limits=LIMITS)


def end(sandbox: Sandbox, body: str) -> tuple[str, str]:
    """Kind and line of a failure; the submission itself can be asked again, and so can the next."""
    with sandbox.student(function(body)) as student:
        with pytest.raises(StudentFailure) as caught:
            student.call("conv_output_size")
        assert student.call("conv_output_size", "well") == "well"
    assert answer(sandbox, "return [os.listdir('/scratch'), os.listdir('/dev/shm')]") == [[], []]
    return caught.value.kind, caught.value.message


def test_processor_time_is_told_from_a_crash(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both limits were the same once: the kernel then skips the signal that tells, and just kills."""
    real = sandbox._worker_limits
    monkeypatch.setattr(sandbox, "_worker_limits", lambda limits: real(limits) | {"cpu_seconds": 1})
    expected = ("timeout", "the code used more than 1 seconds of CPU time")
    assert end(sandbox, "while True: pass") == expected


def children(sandbox: Sandbox) -> list[str]:
    """What runs in the sandbox beside its first process, as seen from outside."""
    fields = Path(f"/proc/self/fdinfo/{first_process(sandbox)}").read_text().split()
    pid1 = fields[fields.index("Pid:") + 1]
    return Path(f"/proc/{pid1}/task/{pid1}/children").read_text().split()


def test_what_outlives_the_worker_is_still_watched(sandbox: Sandbox) -> None:
    """A worker that had ended was watched no more, while what it had started went on taking memory."""
    body = """
    import threading
    if os.fork() == 0:
        for _ in range(4):
            if os.fork() == 0:
                time.sleep(1)
                hog = os.urandom(1) * (200 << 20)
                time.sleep(100)
        os._exit(0)
    threading.Timer(0.2, os._exit, (0,)).start()
    return 1
    """
    with sandbox.student(function(body)) as student:
        assert student.call("conv_output_size") == 1
        deadline = time.monotonic() + 30
        while children(sandbox) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert children(sandbox) == []


def test_memory_in_sockets_counts(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in a socket is the kernel's memory and in no process's."""
    limits = LIMITS.model_copy(update={"memory_mib": 250, "open_files": 200})
    monkeypatch.setattr(sandbox, "limits", limits)
    body = """
    kept = []
    for _ in range(8):
        if os.fork() == 0:
            try:
                while True:
                    kept.append(socket.socketpair())
                    for one in kept[-1]:
                        one.setblocking(False)
                        try:
                            while True:
                                one.send(bytes(65536))
                        except BlockingIOError:
                            pass
            except OSError:
                time.sleep(60)
    time.sleep(20)
    return 1
    """
    assert end(sandbox, body) == ("out_of_memory", "the code used more than 250 MiB of memory")


def test_mappings_count_with_what_the_kernel_keeps_for_each(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousands of them in each of many processes are gigabytes that are in no process's memory."""
    monkeypatch.setattr(sandbox, "limits", LIMITS.model_copy(update={"memory_mib": 500, "processes": 30}))
    body = """
    import ctypes
    libc = ctypes.CDLL(None)
    libc.mmap.restype, pages = ctypes.c_void_p, 60_000
    start = libc.mmap(None, ctypes.c_size_t(4096 * pages), 3, 0x22, -1, ctypes.c_long(0))
    for page in range(0, pages, 2):
        libc.mprotect(ctypes.c_void_p(start + 4096 * page), ctypes.c_size_t(4096), 1)
        ctypes.memset(start + 4096 * (page + 1), 1, 1)
    for _ in range(20):  # in each generation a mapping's pages have one ancestor more
        if os.fork():
            break
    time.sleep(25)
    return 1
    """
    assert end(sandbox, body) == ("out_of_memory", "the code used more than 500 MiB of memory")


def test_locks_on_parts_of_files_count(tmp_path: Path) -> None:
    before = zygote._lock_bytes(str(os.getpid()))
    with (tmp_path / "file").open("w") as file:
        for start in range(100):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 2 * start)
        assert zygote._lock_bytes(str(os.getpid())) == before + 100 * zygote.LOCK_BYTES


def test_page_tables_and_descriptors_count() -> None:
    """Pages that were only read are not resident, and what finds them is the kernel's memory."""
    pid = str(os.getpid())
    before = zygote._resident_bytes(pid)[1]
    with mmap.mmap(-1, 2 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        area.madvise(mmap.MADV_NOHUGEPAGE)
        for start in range(0, len(area), 2 << 20):
            assert area[start] == 0
        assert zygote._resident_bytes(pid)[1] > before + 3 * 2**20
    read, write = os.pipe()
    high = fcntl.fcntl(read, fcntl.F_DUPFD, 900)
    assert zygote._resident_bytes(pid)[1] > before + 600 * zygote.DESCRIPTOR_BYTES
    for descriptor in (read, write, high):
        os.close(descriptor)


def test_signals_that_wait_are_few(sandbox: Sandbox) -> None:
    """They are a person's: with all of them taken, nobody's else's would come."""
    body = "import resource\nreturn list(resource.getrlimit(resource.RLIMIT_SIGPENDING))"
    assert answer(sandbox, body) == [zygote.SIGNALS] * 2


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("time.sleep(60)", "timeout", "longer than 2 seconds"),
        ("x = [bytearray(1 << 20) for _ in range(10 ** 6)]", "out_of_memory", "400 MiB of memory"),
        (
            "import threading\nfor _ in range(99): threading.Thread(target=time.sleep, args=(50,)).start()",
            "raised",
            "processes and threads",
        ),
        ("for _ in range(99):\n    if os.fork() == 0: time.sleep(50)", "raised", "processes and threads"),
        ("x = [open('/dev/null') for _ in range(99)]", "raised", "64 files"),
        ("for i in range(99): open(str(i), 'wb').write(bytes(1 << 20))", "raised", "16 MiB"),
        ("for i in range(99): open(f'/dev/shm/{i}', 'wb').write(bytes(1 << 20))", "raised", "8 MiB"),
        ("open('one', 'wb').truncate(9 << 20)", "raised", "8 MiB"),
        (
            "import mmap\nf = open('/dev/shm/x', 'wb+')\nfor i in range(2):\n"
            "    f = open(f'/dev/shm/{i}', 'wb+')\n    f.truncate(7 << 20)\n"
            "    mmap.mmap(f.fileno(), 7 << 20).write(bytes(7 << 20))",
            "crashed",
            "8 MiB to shared memory",
        ),
        ("print('x' * (2 << 20))", "output_flood", "the code printed more than 1 MiB"),
        ("os.write(2, b'x' * (2 << 20))", "output_flood", "the code printed more than 1 MiB"),
    ],
    ids=[
        *(
            "wall time",
            "memory",
            "threads",
            "processes",
            "open files",
            "scratch",
            "shared memory",
            "one file",
        ),
        *("mapped shared memory", "output", "output beneath Python"),
    ],
)
def test_who_exceeds_a_limit_is_told_which(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, body: str, kind: str, words: str
) -> None:
    if kind == "timeout":
        monkeypatch.setattr(sandbox, "limits", LIMITS.model_copy(update={"call_seconds": 2.0}))
    told = end(sandbox, body)
    assert told[0] == kind and words in told[1]


def test_a_function_that_prints_too_much_costs_no_other_function(sandbox: Sandbox) -> None:
    code = """
    def conv_output_size():
        while True: print("flood" * 1000)

    def conv_parameter_count():
        print("a line")
        return 7
    """
    submission = Submission(student_id="s1", code=Code(filename="lab8.py", cells=(textwrap.dedent(code),)))
    with sandbox.student(submission) as student:
        with pytest.raises(StudentFailure, match="printed more than"):
            student.call("conv_output_size")
        assert student.call("conv_parameter_count") == 7


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux without shares a session")
def test_a_sandbox_is_one_session_with_one_share_of_the_processors(sandbox: Sandbox) -> None:
    """Linux gives each session a share: with one for each of thirty processes, neighbours got a thirtieth."""
    body = """
    shares = set()
    for _ in range(4):
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            os.write(write, open('/proc/self/autogroup', 'rb').read())
            os._exit(0)
        shares.add(os.read(read, 100))
    return [len(shares), os.nice(0)]
    """
    shares, nice = answer(sandbox, body)
    assert shares == 1 and nice > 0  # the grader itself, and the watching process, come first


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux without shares a session")
def test_a_share_that_a_submission_gave_away_is_not_the_next_ones_loss(sandbox: Sandbox) -> None:
    look = "return open('/proc/self/autogroup').read().split()[-1]"
    assert answer(sandbox, "return open('/proc/self/autogroup', 'w').write('19')") == 2
    assert answer(sandbox, look) == "0"


def test_nothing_of_a_submission_is_there_for_the_next(sandbox: Sandbox) -> None:
    """Daemons by two forks, sockets by name and without a file, files everywhere, locks, a changed mask."""
    look = """
    import fcntl
    left = [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]
    left += open('/proc/net/unix').read().splitlines()[1:] and ['a socket']
    for folder in ('/scratch', '/dev/shm', '/tmp', '/var/tmp', '/dev/mqueue'):
        names = os.listdir(folder) if os.path.isdir(folder) else []
        left += [n for n in names if not any(p.startswith(f'{folder}/{n}/') for p in sys.path)]  # the runtime
    mask = os.umask(0o22)
    return [left, mask, open('/proc/self/mounts').read(), os.getcwd(), os.getpriority(os.PRIO_PROCESS, 0)]
    """
    leave = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            kept = [socket.socket(socket.AF_UNIX) for _ in range(2)]
            kept[0].bind('\\0left for the next')
            kept[1].bind('/scratch/socket')
            for one in kept: one.listen()
            time.sleep(600)
        os._exit(0)
    os.wait()
    os.umask(0)
    for folder in ('/scratch', '/dev/shm', '/tmp'):
        if not os.access(folder, os.W_OK): continue  # /tmp, where the runtime lies below it
        os.makedirs(folder + '/a/b', exist_ok=True); open(folder + '/a/b/note', 'w').write('x')
        os.mkfifo(folder + '/pipe' + str(len(folder)))
    import multiprocessing.shared_memory
    multiprocessing.shared_memory.SharedMemory('left', create=True, size=4096)
    os.chdir('/dev/shm')
    return 1
    """
    before = answer(sandbox, look)
    pid1 = first_process(sandbox)
    # What waits to be accepted at the worker's own connection has no name; nothing else is there.
    assert before[0] in ([], ["a socket"])
    assert answer(sandbox, leave) == 1
    assert answer(sandbox, look) == before and first_process(sandbox) == pid1  # cleaned, not replaced
