"""The container as sandbox: the relay close up, a sandbox over it, and a real engine where there is one."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from students import answer, failure, function, grader, submission

from grader.errors import UserError
from grader.sandbox import Limits, Sandbox, StudentFailure, backend, bubblewrap, container, unconfined
from grader.sandbox.relay import (
    BYTES,
    CHUNK,
    END,
    FRAME,
    LINE,
    LINES,
    ROOM,
    WINDOW,
    HungUpError,
    Wire,
    WireError,
)
from grader.sandbox.student import SandboxError

torch.set_num_threads(1)
linux_only = pytest.mark.skipif(platform.system() != "Linux", reason="needs Linux's seccomp filter")

LIMITS = Limits(
    wall_seconds=60,
    call_seconds=40,
    memory_mib=400,
    processes=12,
    scratch_mib=16,
    shared_memory_mib=8,
    file_mib=64,
    checkpoint_mib=4,
    reply_mib=32,
    output_mib_killed=1,
    deaths=2,
)


class Sides:
    """Two wires, one at each end of two pipes, and what is needed to move them on."""

    def __init__(self) -> None:
        here, there = os.pipe(), os.pipe()
        self.outside, self.inside = Wire(here[0], there[1]), Wire(there[0], here[1])

    def channel(self, number: int = 2) -> tuple[socket.socket, socket.socket]:
        """A channel as those who talk over it see it: the end outside, the end inside."""
        ends = []
        for wire in (self.outside, self.inside):
            ours, theirs = socket.socketpair()
            wire.open(number, theirs.detach())
            ours.settimeout(5)
            ends.append(ours)
        return ends[0], ends[1]

    def move(self, rounds: int = 50) -> None:
        for _ in range(rounds):
            self.outside.step(0)
            self.inside.step(0)

    def close(self) -> None:
        self.outside.close()
        self.inside.close()


@pytest.fixture
def sides() -> Iterator[Sides]:
    both = Sides()
    yield both
    both.close()


class TestWire:
    def test_bytes_go_both_ways_and_then_the_end(self, sides: Sides) -> None:
        outer, inner = sides.channel()
        outer.sendall(b"a question")
        inner.sendall(b"an answer")
        sides.move()
        assert inner.recv(100) == b"a question" and outer.recv(100) == b"an answer"
        inner.sendall(b"the last words")
        inner.close()
        sides.move()
        assert outer.recv(100) == b"the last words" and outer.recv(100) == b""
        outer.close()

    def test_who_does_not_read_stops_the_sender_and_nobody_else(self, sides: Sides) -> None:
        deaf, flood = sides.channel(2)
        outer, inner = sides.channel(4)
        flood.setblocking(False)
        sent = 0
        for _ in range(300):
            with contextlib.suppress(BlockingIOError):
                sent += flood.send(bytes(2**17))
            sides.move(1)
        assert sent < WINDOW + 2**20  # the window, and what the sockets themselves hold
        inner.sendall(b"here")
        sides.move(5)
        assert outer.recv(100) == b"here"
        received = 0
        while received < sent:  # and nothing of it is lost
            sides.move(2)
            received += len(deaf.recv(2**20))
        assert received == sent
        for end in (deaf, flood, outer, inner):
            end.close()

    def test_a_line_comes_after_the_bytes_that_were_there_before_it(self, sides: Sides) -> None:
        outer, inner = sides.channel()
        inner.sendall(b"x" * 100_000)
        sides.inside.send_line(b"it has ended\n")
        while not sides.outside.lines:
            sides.inside.step(0)
            sides.outside.step(0.1)
        assert len(outer.recv(200_000)) == 100_000 and sides.outside.settled()
        outer.close()
        inner.close()

    def test_bytes_for_a_channel_that_was_just_closed_are_let_go(self, sides: Sides) -> None:
        outer, inner = sides.channel()
        outer.close()
        inner.sendall(b"too late")
        sides.move()
        assert not sides.outside._channels and not sides.inside._channels
        inner.close()

    def test_a_copy_in_a_fork_keeps_no_descriptor(self, sides: Sides) -> None:
        ends = sides.channel()
        child = os.fork()
        if child == 0:
            before = len(list(Path("/dev/fd").iterdir()))
            sides.inside.close()
            os._exit(before - len(list(Path("/dev/fd").iterdir())))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3  # both streams and the channel
        for end in ends:
            end.close()

    @pytest.mark.parametrize(
        ("frames", "words"),
        [
            (FRAME.pack(BYTES, 2, CHUNK + 1), "more than is accepted"),
            (FRAME.pack(LINE, 0, 2**32 - 1), "more than is accepted"),
            (FRAME.pack(BYTES, 6, 1) + b"x", "nobody opened"),
            (FRAME.pack(END, 2**32 - 1, 0), "nobody opened"),
            (FRAME.pack(LINE, 8, 3) + b"{}\n", "a command"),
            (FRAME.pack(ROOM, 2, 1), "more room"),
            (FRAME.pack(b"?", 2, 0), "unknown kind"),
            ((FRAME.pack(BYTES, 2, CHUNK) + bytes(CHUNK)) * 50, "room"),
            ((FRAME.pack(LINE, 0, 1) + b"\n") * (LINES + 1), "control lines"),
        ],
        ids=["long", "huge line", "no channel", "no end", "command", "room", "kind", "overflow", "lines"],
    )
    def test_forged_frames_end_the_connection(self, sides: Sides, frames: bytes, words: str) -> None:
        outer, inner = sides.channel()
        sandbox = os.dup(sides.inside._writing)
        os.set_blocking(sandbox, False)
        with pytest.raises(WireError, match=words):
            for _ in range(500):
                if frames:
                    with contextlib.suppress(BlockingIOError):
                        frames = frames[os.write(sandbox, frames[:CHUNK]) :]
                sides.outside.step(0)
        for end in (outer, inner):
            end.close()
        os.close(sandbox)

    @given(st.binary(max_size=400))
    def test_whatever_arrives_is_a_frame_or_ends_the_connection(self, noise: bytes) -> None:
        both = Sides()
        os.write(both.inside._writing, noise)
        os.close(both.inside._writing)
        both.inside._writing = os.open(os.devnull, os.O_WRONLY)
        try:
            with pytest.raises(WireError):  # at the latest that the other side has gone
                for _ in range(10):
                    both.outside.step(0)
        finally:
            both.close()

    def test_the_end_of_the_other_side_is_noticed(self, sides: Sides) -> None:
        os.close(sides.inside._writing)
        sides.inside._writing = os.open(os.devnull, os.O_WRONLY)
        with pytest.raises(HungUpError):
            sides.outside.step(1)


@pytest.fixture(scope="class")  # no longer: others are to find the real functions
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with a relay before its zygote, which is a plain process instead of a container."""
    kit, scratch = tmp_path_factory.mktemp("kit"), tmp_path_factory.mktemp("scratch")
    backend.copy_inside_files(kit)
    words = unconfined.command(kit, scratch, "cpu")
    config = json.dumps(json.loads(words[-1]) | {"filter": str(backend.HERE), "relayed": True})
    variables = [f"{name}={value}" for name, value in backend.environment(scratch, "cpu").items()]
    start = ["setpriv", "--no-new-privs", "env", "-i", "-C", str(scratch), *variables, *words[:-1], config]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(container, "find_engine", lambda: container.Engine("no-engine", False))
        patch.setattr(container, "check_image", lambda engine: None)
        patch.setattr(container, "run_words", lambda *_: start)
        with Sandbox(backend="container", limits=LIMITS) as sandbox:
            assert answer(sandbox, "return os.getpid()") > 0
            yield sandbox


@pytest.mark.slow
@linux_only
class TestRelayedSandbox:
    """All that a sandbox does, over the relay."""

    def test_large_questions_and_answers_arrive_whole(self, relayed: Sandbox) -> None:
        images = torch.randint(0, 256, (2000, 3, 32, 32), dtype=torch.uint8)  # thrice the relay's window
        with relayed.student(submission("def preprocess(images):\n    return 255 - images")) as student:
            for _ in range(2):
                assert torch.equal(student.call("preprocess", images), 255 - images)  # type: ignore[arg-type]

    def test_what_is_printed_arrives_and_a_flood_is_stopped(self, relayed: Sandbox) -> None:
        ends = function("print('before', flush=True); os._exit(1)")
        with relayed.student(ends) as student, pytest.raises(StudentFailure, match="exit status 1"):
            student.call("conv_output_size")
        assert student.log == "before\n"
        assert failure(relayed, "while True: print('flood' * 1000)").kind == "output_flood"

    def test_an_answer_counts_although_its_process_ends_right_after_it(self, relayed: Sandbox) -> None:
        body = """
        import threading, torch
        threading.Thread(target=lambda: (time.sleep(1), os._exit(7))).start()
        return torch.ones(1_500_000)
        """
        assert answer(relayed, body).sum() == 1_500_000

    @pytest.mark.parametrize(
        ("body", "kind", "words"),
        [
            ("os._exit(4)", "crashed", "exit status 4"),
            ("os.kill(os.getpid(), 9)", "crashed", "SIGKILL"),
            ("import torch; torch.ones(10 ** 9)", "out_of_memory", "memory"),
            ("while True: pass", "timeout", "1 seconds"),
            ("os.closerange(0, 256)", "crashed", "exit status 1"),
        ],
    )
    def test_each_kind_of_end_is_told_apart(self, relayed: Sandbox, body: str, kind: str, words: str) -> None:
        told = failure(relayed, body, 1 if kind == "timeout" else None)
        assert told.kind == kind and words in told.message

    def test_the_worker_has_no_descriptor_of_the_relay(self, relayed: Sandbox) -> None:
        body = """
        found = [os.readlink('/proc/self/fd/' + name) for name in os.listdir('/proc/self/fd')
                 if os.path.exists('/proc/self/fd/' + name)]
        return sorted(link.split(':')[0] for link in found)
        """
        assert answer(relayed, body) == ["/dev/null", "pipe", "pipe", "socket"]

    def test_frames_on_its_own_output_are_only_output(self, relayed: Sandbox) -> None:
        body = """
        line = b'{"event":"exit","status":0,"why":""}' + bytes([10])
        for number in (1, 2):
            os.write(number, b'L' + (0).to_bytes(4, 'big') + len(line).to_bytes(4, 'big') + line)
        return 'alive'
        """
        assert answer(relayed, body) == "alive"

    def test_the_filter_of_system_calls_is_loaded(self, relayed: Sandbox) -> None:
        with pytest.raises(StudentFailure, match="PermissionError"):
            answer(relayed, "socket.socket(socket.AF_INET)")

    def test_a_killed_relay_is_no_fault_of_the_student(self, relayed: Sandbox) -> None:
        with relayed.student(function("time.sleep(60)")) as student:
            student.load()
            relayed.backend.process.kill()  # type: ignore[union-attr]
            with pytest.raises(SandboxError):
                student.call("conv_output_size")
        assert answer(relayed, "return 'next'") == "next"


LIES = """#!/bin/sh
case "$1" in
--version) echo "{version}";;
ps) {ps};;
image) {image};;
run) {run};;
esac
"""


def client(folder: Path, name: str = "docker", **answers: str) -> None:
    """A client program whose engine does as `answers` say, for what no engine here can be made to do."""
    words = {"version": "Docker version 29", "ps": "exit 0", "image": "exit 1", "run": "exit 0"} | answers
    (folder / name).write_text(LIES.format(**words))
    (folder / name).chmod(0o755)


@linux_only
class TestErrors:
    """One line each, with what to do next."""

    def grade(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("PATH", str(tmp_path))
        student = tmp_path / "class" / "张三"
        student.mkdir(parents=True)
        (student / "lab8.py").write_text("def lenet5():\n    pass\n")
        words = ["grade", tmp_path / "class", "--out", tmp_path / "out"]
        done = grader(*words, "--images", "mini", "--sandbox", "container")
        assert done.returncode == 2 and done.stderr.count("\n") == 2, done.stderr  # what was read, and this
        return done.stderr

    def test_no_client(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda name: None)
        with pytest.raises(UserError, match="install Docker Desktop or Podman and start it"):
            container.find_engine()

    def test_no_engine_answers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        refusal = "echo 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2; exit 1"
        client(tmp_path, ps=refusal)
        monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name) if name == "docker" else None)
        with pytest.raises(
            UserError, match=r"installed but its engine does not answer .*start Docker Desktop"
        ):
            container.find_engine()

    def test_no_right_to_the_engine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        client(tmp_path, ps="echo 'permission denied while trying to connect to the socket' >&2; exit 1")
        monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name) if name == "docker" else None)
        with pytest.raises(UserError, match="the group `docker`"):
            container.find_engine()

    def test_the_one_that_answers_is_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        client(tmp_path, "docker", ps="exit 1")
        client(tmp_path, "podman", version="podman version 5")
        monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name))
        assert container.find_engine() == container.Engine(str(tmp_path / "podman"), is_podman=True)

    def test_no_image(self, tmp_path: Path) -> None:
        client(tmp_path)
        with pytest.raises(UserError, match=r"no image .* `grader container build`"):
            container.check_image(container.Engine(str(tmp_path / "docker"), False))

    @pytest.mark.parametrize("labels", ["null", '{"convnet-lab-grader":"0123456789abcdef"}', "{}"])
    def test_a_stale_image(self, tmp_path: Path, labels: str) -> None:
        client(tmp_path, image=f"echo '{labels}'")
        with pytest.raises(UserError, match=r"another version .* `grader container build` again"):
            container.check_image(container.Engine(str(tmp_path / "docker"), False))

    def test_a_container_that_dies_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        label = json.dumps({container.NAME: container.digest(container.context())})
        told = "echo 'docker: no space left on device' >&2; echo \"Run 'docker run --help' for more\" >&2"
        client(tmp_path, image=f"echo '{label}'", run=f"{told}; exit 125")
        assert "does not start (docker: no space left on device)" in self.grade(tmp_path, monkeypatch)

    def test_without_linux_the_error_names_the_container(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.platform", "darwin")
        bubblewrap.find_bubblewrap.cache_clear()
        with pytest.raises(UserError, match="--sandbox container"):
            bubblewrap.find_bubblewrap()


class TestCommand:
    def test_everything_that_confines_the_container_is_asked_for(self) -> None:
        words = container.run_words(container.Engine("docker", False), LIMITS, "cpu", 3, "name")
        options = " ".join(words[: words.index("--entrypoint")])
        for option in (
            *("--rm", "--interactive", "--init=false", "--pull never", "--log-driver none", "--network none"),
            *("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--ipc private"),
            *("--memory 1448m", "--memory-swap 1448m", "--pids-limit 76", "--shm-size 8m"),
            "--tmpfs /scratch:rw,exec,nosuid,nodev,size=16m,mode=1777",
        ):
            assert f" {option} " in f"{options} ", option
        user = int(words[words.index("--user") + 1].split(":")[0])
        assert 33_000 <= user < 65_000
        assert not {"--volume", "-v", "--mount", "--env", "--privileged", "--gpus"} & set(words)

    def test_podmans_own_additions_are_refused_and_gpus_are_asked_for(self) -> None:
        words = container.run_words(container.Engine("podman", True), LIMITS, "cuda", 0, "name")
        assert {"--read-only-tmpfs=false", "--http-proxy=false", "nvidia.com/gpu=all"} <= set(words)
        assert "--gpus" in container.run_words(container.Engine("docker", False), LIMITS, "cuda", 0, "name")

    def test_the_image_is_made_of_nothing_that_is_secret(self) -> None:
        names = set(container.context())
        inside = {f"boxed/{name}" for name in backend.INSIDE_FILES}
        assert names == inside | {
            *("Containerfile", "requirements.txt", "torchvision_shim.py", "x86_64.bpf", "aarch64.bpf")
        }

    def test_only_containers_of_dead_graders_of_this_machine_are_swept(self, tmp_path: Path) -> None:
        dead = subprocess.Popen(["true"])
        dead.wait()
        prefix = container._own_prefix()
        names = [
            f"{prefix}{dead.pid}-0-aa",
            f"{prefix}{os.getpid()}-0-aa",
            f"convnet-lab-grader-0-{dead.pid}-0-aa",
        ]
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
        program.chmod(0o755)
        container._sweep(str(program), names)
        assert (tmp_path / "asked").read_text() == f"rm --force {names[0]}\n"


@pytest.fixture(scope="module")
def engine() -> container.Engine:
    try:
        found = container.find_engine()
        container.check_image(found)
    except UserError as error:
        pytest.skip(f"no container can be tried here: {error}")
    return found


@pytest.fixture(scope="module")
def sandbox(engine: container.Engine) -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", "http://person:a-secret@proxy.invalid:1")
        started = Sandbox(backend="container", limits=LIMITS)
    with started:
        yield started


@pytest.mark.slow
class TestEngine:
    """A real engine with the real image."""

    def test_honest_work(self, sandbox: Sandbox) -> None:
        code = """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        def lenet5():
            return nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
        def conv_output_size():
            import matplotlib.pyplot, pandas, tempfile, torchvision
            torch.set_num_threads(2)
            loader = DataLoader(TensorDataset(torch.arange(8.)), batch_size=4, num_workers=2)
            with tempfile.NamedTemporaryFile() as file, open('/tmp/by-name', 'w') as named:
                file.write(bytes(1000)), named.write('x')
            return sum(float(batch.sum()) for (batch,) in loader)
        """
        with sandbox.student(submission(code)) as student:
            assert student.call("conv_output_size", seconds=60) == 28.0
            model = student.build("lenet5")
            images = torch.rand(64, 1, 32, 32)
            weights = model.parameters()
            expected = images.flatten(1) @ weights["1.weight"].T + weights["1.bias"]
            torch.testing.assert_close(model.forward(images), expected)

    def test_nothing_of_this_machine_can_be_read(self, sandbox: Sandbox, tmp_path: Path) -> None:
        secret = tmp_path / "labels"
        secret.write_text("the labels")
        rubric = backend.HERE.parent / "labs" / "lab8" / "rubric.toml"
        paths = [str(secret), str(rubric), "/proc/1/environ", "/proc/1/mem"]
        paths += ["/proc/1/fd/0", "/proc/1/fd/1", "/proc/kcore", "/run/secrets", "/var/run/docker.sock"]
        body = f"""
        got = []
        for path in {paths!r}:
            for root in ('', '/proc/1/root'):
                path = root + path
                try: got.append((path, os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(9)))
                except OSError: pass
        return str(got) + str(dict(os.environ)) + open('/proc/self/environ').read()
        """
        told = answer(sandbox, body)
        assert told.startswith("[]") and "a-secret" not in told and "PROXY" not in told.upper()

    def test_nothing_can_be_written_but_the_two_folders(self, sandbox: Sandbox) -> None:
        body = """
        written = []
        for folder, _, _ in os.walk('/', onerror=None):
            if folder.startswith(('/proc', '/sys', '/usr/lib')): continue
            try:
                with open(folder + '/x', 'w') as file: file.write('x')
                written.append(folder)
                os.unlink(folder + '/x')
            except OSError: pass
        return sorted(written)
        """
        assert answer(sandbox, body) == ["/dev/shm", "/scratch"]

    def test_there_is_no_network(self, sandbox: Sandbox) -> None:
        with pytest.raises(StudentFailure, match="PermissionError"):
            answer(sandbox, "socket.create_connection(('1.1.1.1', 53), 2)")
        assert answer(
            sandbox, "return [line.split(':')[0].strip() for line in open('/proc/net/dev')][2:]"
        ) == ["lo"]

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ("while True: pass", "timeout"),
            ("import torch; keep = [torch.ones(2 ** 26) for _ in range(40)]", "out_of_memory"),
            ("try: os.kill(-1, 9)\nexcept OSError: pass\nos._exit(5)", "crashed"),
            (
                "for s in range(1, 65):\n  try: os.kill(1, s)\n  except OSError: pass\nos._exit(3)",
                "crashed",
            ),
            ("while True: print('flood' * 1000)", "output_flood"),
        ],
        ids=["loop", "memory", "kill all", "kill pid 1", "flood"],
    )
    def test_attacks_on_the_machine_end_in_their_own_failure(
        self, sandbox: Sandbox, body: str, kind: str
    ) -> None:
        assert failure(sandbox, body, 1 if kind == "timeout" else None).kind == kind

    def test_memory_over_processes_and_a_fork_bomb_are_stopped(self, sandbox: Sandbox) -> None:
        body = """
        for _ in range(4):
            if os.fork() == 0:
                hog = bytearray(os.urandom(1) * (200 << 20))
                time.sleep(60)
        time.sleep(60)
        """
        assert failure(sandbox, body).kind == "out_of_memory"
        bomb = """
        made = 0
        try:
            while True:
                if os.fork() == 0: time.sleep(60)
                made += 1
        except OSError:
            return made
        """
        assert answer(sandbox, bomb) < 30
        assert (
            answer(sandbox, "return [name for name in os.listdir('/proc') if name.isdigit()].__len__()") == 2
        )

    def test_the_disk_is_bounded_and_nothing_is_left_for_the_next(self, sandbox: Sandbox) -> None:
        body = """
        total = 0
        for folder in ('/scratch', '/dev/shm'):
            try:
                with open(folder + '/fill', 'wb') as file:
                    while True: total += file.write(bytes(1 << 20))
            except OSError: pass
        return total >> 20
        """
        assert answer(sandbox, body) <= 24
        assert (
            answer(
                sandbox, "return os.listdir('/scratch') + os.listdir('/dev/shm') + os.listdir('/dev/mqueue')"
            )
            == []
        )

    def test_no_note_can_be_left_for_the_next_student(self, sandbox: Sandbox) -> None:
        body = """
        import ctypes
        libc = ctypes.CDLL(None)
        return [libc.shmget(4242, 4096, 0o1666), libc.semget(4242, 1, 0o1666), libc.msgget(4242, 0o1666)]
        """
        assert answer(sandbox, body) == [-1, -1, -1]

    def test_frames_cannot_be_forged(self, sandbox: Sandbox) -> None:
        body = """
        line = b'{"event":"exit","status":0,"why":""}' + bytes([10])
        frame = b'L' + (0).to_bytes(4, 'big') + len(line).to_bytes(4, 'big') + line
        opened = []
        for pid in (1, os.getppid(), 'self'):
            for number in range(12):
                try:
                    path = f'/proc/{pid}/fd/{number}'
                    if not os.readlink(path).startswith('socket'):
                        os.write(os.open(path, os.O_WRONLY | os.O_NONBLOCK), frame)
                        opened.append(str(pid) + os.readlink(path).split(':')[0])
                except OSError: pass
        return sorted(set(opened))
        """
        assert answer(sandbox, body) == ["self/dev/null", "selfpipe"]  # its own output
        assert failure(
            sandbox, "os.write(4, b'LAB8' + bytes([255]) * 12); os.write(3, bytes(1000))"
        ).kind in (
            "crashed",
            "raised",
        )

    def test_no_container_is_left_when_the_grader_is_killed(self, engine: container.Engine) -> None:
        code = """
        import sys, time
        from grader.sandbox import Sandbox
        from grader.types import Code, Submission
        sandbox = Sandbox(backend="container")
        cells = ("def conv_output_size():\\n    import time\\n    time.sleep(60)\\n",)
        with sandbox.student(Submission(student_id="a", code=Code(filename="lab8.py", cells=cells))) as one:
            one.load()
            print("loaded", flush=True)
            one.call("conv_output_size")
        """
        grader = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, start_new_session=True
        )
        assert grader.stdout is not None and grader.stdout.readline() == b"loaded\n"
        ours = f"name={container._own_prefix()}{grader.pid}-"
        listing = (engine.program, "ps", "--all", "--quiet", "--filter", ours)
        assert subprocess.check_output(listing).strip()
        os.killpg(grader.pid, signal.SIGKILL)
        grader.wait()
        grader.stdout.close()
        deadline = time.monotonic() + 60
        while subprocess.check_output(listing).strip():
            assert time.monotonic() < deadline, "the container is still there"
            time.sleep(0.5)

    def test_the_same_points_as_in_a_bubblewrap(self, engine: container.Engine, tmp_path: Path) -> None:
        student = tmp_path / "class" / "张三"
        student.mkdir(parents=True)
        solution = Path(__file__).parents[1] / "solution"
        for name in ("lab8.py", "lab8_tools.py", "answers.md", "classifier.safetensors"):
            (student / name).write_bytes((solution / name).read_bytes())
        rows = {}
        for sandbox in ("bubblewrap", "container"):
            words = ["grade", tmp_path / "class", "--out", tmp_path / sandbox, "--images", "mini"]
            done = grader(*words, "--sandbox", sandbox, "--json")
            assert done.returncode == 0, done.stderr
            (verdict,) = json.loads(done.stdout)
            assert verdict["status"] == "graded" and verdict["sandbox"] == sandbox
            rows[sandbox] = [(row["id"], row["points"]) for row in verdict["rows"]]
        assert rows["container"] == rows["bubblewrap"]
