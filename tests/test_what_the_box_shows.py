"""What a submission finds in its sandbox: all that Python needs, and no trace of the one before."""

from __future__ import annotations

import itertools
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from students import answer

from grader.errors import UserError
from grader.sandbox import Sandbox, runtime

torch.set_num_threads(1)
pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox()


@pytest.fixture(scope="module")
def own(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox of this module's alone."""
    with Sandbox() as own:
        yield own


class TestRuntime:
    def test_every_compiled_module_of_the_standard_library_can_be_imported(self, sandbox: Sandbox) -> None:
        folder = sysconfig.get_config_var("DESTSHARED")
        names = {path.name.partition(".")[0] for path in Path(folder).glob("*.so")}
        names -= {name for name in names if "test" in name}
        tried = f"""
        import importlib
        failed = []
        for name in {sorted(names)!r}:
            try: importlib.import_module(name)
            except ImportError: failed.append(name)
        """
        program = "\n".join(line[8:] for line in tried.splitlines()) + "\nprint(failed)"
        ours = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert str(answer(sandbox, f"{tried}\n        return failed")) == ours.stdout.strip()

    def test_plain_programs_run(self, sandbox: Sandbox) -> None:
        body = (
            "import subprocess\nreturn subprocess.getoutput('mkdir a; echo one > a/b; ls a | sort; cat a/b')"
        )
        assert answer(sandbox, body) == "b\none"

    def test_a_library_is_found_by_its_name(self, sandbox: Sandbox) -> None:
        assert (
            answer(sandbox, "from ctypes.util import find_library\nreturn find_library('m')") == "libm.so.6"
        )

    def test_of_the_systems_folders_only_what_is_needed_comes_in(self) -> None:
        shown = runtime.paths("cpu")
        assert not {"/usr", "/usr/bin", "/usr/lib", "/usr/local", "/etc"} & set(map(str, shown))
        assert any(path.name == "libc.so.6" for path in shown)
        assert not [path for path in shown for other in shown if other in path.parents]

    @pytest.mark.parametrize(
        "content", [b"", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 200, b"#!/bin/sh"]
    )
    def test_a_damaged_library_needs_nothing(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "libx.so"
        path.write_bytes(content)
        assert runtime._read_elf(path) == (0, []) or runtime._read_elf(path)[1] == []

    def test_a_system_that_does_not_say_where_its_libraries_lie_is_told_so(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(runtime, "LDCONFIG", (str(tmp_path / "ldconfig"),))
        with pytest.raises(UserError, match="no `ldconfig` here"):
            runtime.paths.__wrapped__("cpu")
        (tmp_path / "ldconfig").write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / "ldconfig").chmod(0o755)
        with pytest.raises(UserError, match=r"`ldconfig -p` does not say .* exit status 3"):
            runtime.paths.__wrapped__("cpu")


class TestCounters:
    """The numbers of processes, files and names that a submission sees."""

    SEEN = """
    import ctypes
    libc = ctypes.CDLL(None)
    libc.opendir.restype, libc.telldir.restype = ctypes.c_void_p, ctypes.c_long
    def seen():
        found = [os.getpid()]
        for folder in ('/scratch', '/dev/shm'):
            open(folder + '/new', 'w').close()
            stream = ctypes.c_void_p(libc.opendir(folder.encode()))
            libc.readdir(stream), libc.readdir(stream)
            found += [os.stat(folder + '/new').st_ino, libc.telldir(stream)]
        return found
    """

    def seen(self, sandbox: Sandbox) -> list[int]:
        found = answer(sandbox, "return seen()", self.SEEN)
        assert isinstance(found, list)
        return found

    def test_they_do_not_tell_what_the_submission_before_did(self, sandbox: Sandbox, own: Sandbox) -> None:
        busy = """
        import threading
        for i in range(30):
            for folder in ('/scratch', '/dev/shm'):
                open(f'{folder}/{i}', 'w').close()
            threading.Thread(target=int).start()
        """
        at = [self.seen(own)]
        for body in ("return 1", busy, "os.mkdir('/scratch/a'); open('/scratch/a/b', 'w').close()"):
            answer(own, body)
            at.append(self.seen(own))
        steps = [[b - a for a, b in zip(old, new, strict=True)] for old, new in itertools.pairwise(at)]
        assert steps[1:] == steps[:-1] and all(steps[0])

    @pytest.mark.parametrize(
        "far",
        [
            "for i in range(100): open('/scratch/x', 'w').close(); os.unlink('/scratch/x')",
            "import threading\nfor i in range(100): t = threading.Thread(target=int); t.start(); t.join()",
        ],
        ids=["files", "threads"],
    )
    def test_after_a_submission_that_moved_them_far_the_sandbox_is_a_new_one(
        self, own: Sandbox, far: str
    ) -> None:
        answer(own, far)
        first = self.seen(own)
        self.seen(own)
        answer(own, far)
        assert self.seen(own) == first
