"""What honest students write works in the sandbox, or fails with a line that names the rule.

All of it runs in one real sandbox with the limits that a class is graded with.
"""

from __future__ import annotations

import platform
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from students import answer, function

from grader.sandbox import Sandbox, Student, StudentFailure
from grader.types import Code, Submission, Weights

torch.set_num_threads(1)
pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")

HEAD = "import torch\nfrom torch import nn\n"


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(threads=2)  # as on two cores: training and DataLoader then meet real threads


WORKS = {
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(16) as pool: return sum(pool.map(abs, range(-9, 0)))",
        45,
    ),
    "a pool": (
        "import multiprocessing\n"
        "if __name__ == 'lab8':\n    with multiprocessing.Pool(2) as pool: return pool.map(abs, [-1, -2])",
        [1, 2],
    ),
    "a queue, a lock and a manager": (
        "import multiprocessing as mp\nqueue, lock = mp.Queue(), mp.Lock()\n"
        "with lock: mp.Process(target=queue.put, args=(7,)).start()\n"
        "with mp.Manager() as manager: return [queue.get(timeout=9), len(manager.dict())]",
        [7, 0],
    ),
    "temporary files": (
        "import tempfile\n"
        "with tempfile.NamedTemporaryFile('w+') as file, tempfile.TemporaryDirectory() as d:\n"
        "    print('x', file=file, flush=True)\n    return [open(file.name).read(), os.path.isdir(d)]",
        ["x\n", True],
    ),
    "relative paths": (
        "os.makedirs('runs/1')\nopen('runs/1/log.txt', 'w').write('y')\n"
        "return open('./runs/1/log.txt').read()",
        "y",
    ),
    "the file's own place": (
        "from pathlib import Path\nreturn str(Path(__file__).resolve().parent) == os.getcwd()",
        True,
    ),
    "its own checkpoint": (
        "net = nn.Linear(2, 2)\ntorch.save({'net': net.state_dict()}, 'best.pt')\n"
        "net.load_state_dict(torch.load('best.pt', map_location='cpu')['net'])\nreturn 1",
        1,
    ),
    "asyncio, with a program and a thread": (
        "import asyncio\n"
        "async def work():\n"
        "    program = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)\n"
        "    said, _ = await program.communicate(b'hello')\n"
        "    server = await asyncio.start_unix_server(lambda r, w: w.close(), 'socket')\n"
        "    reader, writer = await asyncio.open_unix_connection('socket')\n"
        "    end = await reader.read()\n    writer.close(); server.close()\n"
        "    await asyncio.sleep(0.01)\n"
        "    return [said.decode(), end.decode(), await asyncio.to_thread(abs, -3)]\n"
        "return asyncio.run(work())",
        ["hello", "", 3],
    ),
    "a database": (
        "import sqlite3\n"
        "with sqlite3.connect('runs.db') as base:\n"
        "    base.execute('PRAGMA journal_mode=WAL'); base.execute('CREATE TABLE t (x)')\n"
        "    base.execute('INSERT INTO t VALUES (7)')\n"
        "return sqlite3.connect('runs.db').execute('SELECT x FROM t').fetchone()[0]",
        7,
    ),
    "copies and locks of files": (
        "import fcntl, shutil\n"
        "os.mkdir('a'); open('a/b', 'w').write('x' * 100_000); os.utime('a/b', (9, 9))\n"
        "shutil.copytree('a', 'c'); shutil.copy2('a/b', 'd'); os.sync()\n"
        "with open('d', 'r+') as file:\n"
        "    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB); fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "    os.fsync(file.fileno())\n"
        "return [os.path.getsize('c/b'), os.stat('d').st_mtime, shutil.disk_usage('.').total > 0]",
        [100_000, 9.0, True],
    ),
    "programs in a pipe, with a limit in time": (
        "import subprocess\n"
        "said = subprocess.run('ls -l / | wc -l; timeout 9 sort --version | head -1', shell=True,\n"
        "                      capture_output=True, text=True, check=True, timeout=9)\n"
        "return [said.stderr, len(said.stdout.splitlines())]",
        ["", 2],
    ),
    "signals, timers and affinity": (
        "import faulthandler, signal\nfaulthandler.enable(); os.nice(1); came = []\n"
        "for pid in (0, os.getpid()): os.sched_setaffinity(pid, os.sched_getaffinity(0))\n"
        "signal.signal(signal.SIGALRM, lambda *_: came.append(1))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.1); signal.pause()\nreturn came",
        [1],
    ),
    "tensors for other processes, each way": (
        "import torch.multiprocessing as mp\ngot = []\n"
        "for way in ('file_descriptor', 'file_system'):\n"
        "    mp.set_sharing_strategy(way)\n    queue, back = mp.Queue(), mp.Queue()\n"
        "    work = mp.get_context('fork').Process(target=lambda: back.put(float(queue.get().sum())))\n"
        "    work.start(); queue.put(torch.ones(3)); got.append(back.get(timeout=9)); work.join()\n"
        "return got",
        [3.0, 3.0],
    ),
    "memory with a name, and a file in memory": (
        "import mmap\nfrom multiprocessing import shared_memory\n"
        "one = shared_memory.SharedMemory(create=True, size=9); one.buf[0] = 5\n"
        "two = shared_memory.SharedMemory(one.name); got = two.buf[0]\n"
        "two.close(); one.close(); one.unlink()\n"
        "with open('m', 'wb+') as file:\n    file.truncate(8192)\n"
        "    with mmap.mmap(file.fileno(), 8192) as m:\n"
        "        m.madvise(mmap.MADV_SEQUENTIAL); m[0] = 3; m.flush(); return [got, m[0]]",
        [5, 3],
    ),
    "warnings and stderr": (
        "import warnings, logging\nwarnings.warn('old'); print('epoch 1', file=sys.stderr)\n"
        "logging.basicConfig(level='INFO', force=True); logging.info('损失 %s', 0.1)\nreturn 1",
        1,
    ),
    "a deep recursion": (
        "sys.setrecursionlimit(20_000)\ndef f(n): return n and 1 + f(n - 1)\nreturn f(9_000)",
        9000,
    ),
    "500 MB": ("return float(torch.ones(125_000_000)[::1000].sum())", 125_000.0),
    "four threads of torch": (
        "torch.set_num_threads(4); torch.set_num_interop_threads(2)\n"
        "x = torch.ones(300, 300)\nreturn float((x @ x)[0, 0])",
        300.0,
    ),
    "as many workers as cores": ("return os.cpu_count() <= 4", True),
    "seeds and determinism": (
        "import random\nimport numpy as np\nrandom.seed(1); np.random.seed(1); torch.manual_seed(1)\n"
        "torch.cuda.manual_seed_all(1); torch.use_deterministic_algorithms(True)\n"
        "torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False\n"
        "x = torch.ones(1, 1, 4, 4, requires_grad=True)\n"
        "nn.functional.interpolate(x, scale_factor=2).sum().backward()\nreturn float(x.grad.sum())",
        64.0,
    ),
    "a device by asking": ("return 'cuda' if torch.cuda.is_available() else 'cpu'", "cpu"),
    "channels last, half, bfloat16": (
        "x, net = torch.zeros(2, 3, 8, 8), nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)\n"
        "with torch.autocast('cpu', dtype=torch.bfloat16): a = net(x)\n"
        "b = nn.Conv2d(3, 4, 3).half()(x.half())\nreturn [str(a.dtype), str(b.dtype)]",
        ["torch.bfloat16", "torch.float16"],
    ),
    "a lazy module": ("return list(nn.LazyLinear(4)(torch.zeros(1, 3)).shape)", [1, 4]),
    "compiled": (
        "net = torch.compile(nn.Linear(3, 2))\nreturn [list(net(torch.ones(1, 3)).shape), float(twice(2))]",
        [[1, 2], 4.0],
    ),
    "scripted": ("return list(torch.jit.script(nn.Linear(3, 2))(torch.ones(1, 3)).shape)", [1, 2]),
    "types, dataclasses, named tuples": (
        "return [Config(lr=0.5).lr, Pair(1, 2).b, Kind.A.value]",
        [0.5, 2, 1],
    ),
    "tables and pictures": (
        "import pandas\nimport numpy as np\nfrom PIL import Image\n"
        "picture = Image.fromarray(np.zeros((4, 4, 3), 'uint8')).resize((2, 2))\n"
        "return [len(pandas.DataFrame({'a': [1]})), *picture.size]",
        [1, 2, 2],
    ),
    "a plot": (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('准确率'); plt.savefig('a.png')\n"
        "plt.show()\nreturn os.path.getsize('a.png') > 0",
        True,
    ),
}
TOPS = {
    "compiled": "import torch\n@torch.compile\ndef twice(x): return 2 * x",
    "types, dataclasses, named tuples": """
        from __future__ import annotations
        from collections import namedtuple
        from dataclasses import dataclass, field
        from enum import Enum
        Pair = namedtuple("Pair", "a b")
        class Kind(Enum):
            A = 1
        @dataclass(frozen=True)
        class Config:
            lr: float | None = 0.1
            sizes: list[int] = field(default_factory=list)
        """,
}


@pytest.mark.parametrize("case", WORKS)
def test_it_works(sandbox: Sandbox, case: str) -> None:
    body, expected = WORKS[case]
    assert answer(sandbox, body, f"{textwrap.dedent(TOPS.get(case, ''))}\n{HEAD}") == expected


@pytest.mark.parametrize("way", ["spawn", "forkserver"])
def test_a_process_that_is_started_afresh_finds_the_module(sandbox: Sandbox, way: str) -> None:
    """It imports what it is to run by the module's name, and hung when there was none."""
    top = "import multiprocessing\ndef square(x): return x * x\nraise SystemExit('of no use to the contract')"
    body = f"with multiprocessing.get_context('{way}').Pool(1) as pool: return pool.map(square, [2, 3])"
    assert answer(sandbox, body, f"{top}\n{HEAD}") == [4, 9]


TRAINS = """
import copy
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, at):
        return preprocess(self.images[at]), self.labels[at]


def preprocess(images):
    return images.float() / 255


def classifier():
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                         nn.Linear(900, 10))


def train_classifier(model, images, labels, *, device, seconds, seed):
    loader = DataLoader(Images(images, labels), batch_size=32, shuffle=True, num_workers=2, drop_last=True,
                        pin_memory=True, persistent_workers={persistent})
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    losses, best = [], None
    for epoch in range(3):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x.to(device, non_blocking=True)), y.to(device))
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        losses.append(loss.item())
        if best is None or losses[-1] <= min(losses):
            best = copy.deepcopy(model.state_dict())
            torch.save(best, "best.pt")
    model.load_state_dict(torch.load("best.pt"))
    return {{"loss": losses}}
"""


@pytest.mark.parametrize("persistent", [False, True])
def test_training_with_workers_and_checkpoints(sandbox: Sandbox, persistent: bool) -> None:
    code = Code(filename="lab8.py", cells=(TRAINS.format(persistent=persistent),))
    labels = torch.arange(96) % 2
    images = (labels * 200).to(torch.uint8)[:, None, None, None].expand(96, 3, 32, 32).contiguous()
    with sandbox.student(Submission(student_id="s", code=code)) as student:
        model = student.build("classifier")
        trained = model.train_until(images, labels, seconds=30, seed=0)
        assert not trained.stopped and len(trained.history["loss"]) == 3, trained
        logits = model.classify(images)
        assert torch.equal(logits.argmax(1), labels), student.log


def with_weights(sandbox: Sandbox, folder: Path, code: str) -> Student:
    save_file({"weight": torch.full((1, 2), 3.0), "bias": torch.zeros(1)}, folder / "w")
    weights = Weights(filename="classifier.safetensors", path=folder / "w", format="safetensors")
    cell = HEAD + textwrap.dedent(code)
    return Student(
        sandbox,
        Submission(student_id="s", code=Code(filename="lab8.py", cells=(cell,)), weights=weights),
        ("classifier",),
        0,
        sandbox.limits,
    )


def test_a_classifier_that_reads_its_own_weights_finds_them(sandbox: Sandbox, tmp_path: Path) -> None:
    code = """
    from safetensors.torch import load_file
    def classifier():
        net = nn.Linear(2, 1)
        net.load_state_dict(load_file("classifier.safetensors"))
        return net
    """
    student = with_weights(sandbox, tmp_path, code)
    try:
        model = student.build("classifier")
        assert model.forward(torch.ones(1, 2)).item() == 6
        assert model.load_weights().loaded
    finally:
        student.close()


FAILS = {
    "network": (
        "import urllib.request\nurllib.request.urlopen('https://example.com')",
        "there is no network",
    ),
    "a socket": ("import socket\nsocket.create_connection(('192.0.2.1', 80))", "there is no network"),
    "torch.hub": ("torch.hub.load('pytorch/vision', 'resnet18')", "there is no network"),
    "pretrained": (
        "from torchvision.models import resnet18\nresnet18(weights='DEFAULT')",
        "there is no network",
    ),
    "a data set": (
        "from torchvision.datasets import CIFAR10\nCIFAR10('data', download=True)",
        "there is no network",
    ),
    "cuda": ("nn.Linear(2, 2).cuda()", "no such device here: use the `device`"),
    "to cuda": ("torch.zeros(2).to('cuda:0')", "no such device here: use the `device`"),
    "pinned": ("torch.zeros(2).pin_memory()", "no such device here"),
    "input": ("input('which epoch? ')", "nobody is at the keyboard"),
    "a package": ("import sklearn_of_no_kind", "pandas and safetensors are sure"),
    "another file": ("open('cifar/data_batch_1', 'rb')", "only the code and the weights are there"),
    "a folder elsewhere": ("os.makedirs('/content/drive')", "only the working folder"),
    "a large file": ("open('x', 'wb').truncate(1 << 30)", "a file may have 512 MiB"),
    "many open files": ("files = [open(os.devnull) for _ in range(300)]", "256 files may be open at a time"),
    "many processes": (
        "import time\nfor _ in range(99):\n    if os.fork() == 0: time.sleep(9); os._exit(0)",
        "processes and threads may run at a time",
    ),
    "much memory": ("torch.ones(2_000_000_000)", "4096 MiB of memory"),
    "one image in training": (
        "nn.BatchNorm1d(4).train()(torch.zeros(1, 4))",
        "more than 1 value per channel",
    ),
    "exit": ("exit()", "SystemExit"),
    "an error of its own": ("raise ValueError('no such size')", "ValueError: no such size (lab8.py, line 7)"),
}


@pytest.mark.parametrize("case", FAILS)
def test_it_fails_with_the_rule(sandbox: Sandbox, case: str) -> None:
    body, words = FAILS[case]
    with sandbox.student(function(body, HEAD)) as student, pytest.raises(StudentFailure) as caught:
        student.call("conv_output_size")
    message = caught.value.message
    assert words in message and "(lab8.py, line " in message and not message.endswith("…"), message
    assert case != "an error of its own" or message == words


def test_the_rule_behind_an_import_at_the_top_reaches_what_uses_it(sandbox: Sandbox) -> None:
    top = "from tqdm_of_no_kind import tqdm\ndef lenet5(): return 1"
    with sandbox.student(function("return tqdm", top)) as student:
        assert student.call("lenet5") == 1
        with pytest.raises(
            StudentFailure, match=r"tqdm_of_no_kind.*pandas and safetensors are sure to be there"
        ):
            student.call("conv_output_size")
