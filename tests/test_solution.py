"""The reference solution: right, reproducible, and what its weights were made by."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from grader import datasets
from grader.errors import UserError
from grader.questions import assess_answers
from grader.rubric import load_rubric

SOLUTION = Path(__file__).parents[1] / "solution"


def load_module(name: str) -> ModuleType:
    """A module of solution/, without leaving it among the imported ones."""
    spec = importlib.util.spec_from_file_location(name, SOLUTION / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def lab8() -> ModuleType:
    torch.set_num_threads(1)
    return load_module("lab8")


@pytest.fixture(scope="module")
def tools() -> ModuleType:
    return load_module("lab8_tools")


@pytest.fixture
def small_set() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = datasets.load("cifar10", "train", "mini")
    return images[::20], labels[::20]


def test_every_function_has_a_worked_example_that_holds(lab8: ModuleType) -> None:
    tests = [test for test in doctest.DocTestFinder().find(lab8, "lab8") if test.examples]
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert runner.failures == 0
    assert {test.name.removeprefix("lab8.") for test in tests} == {
        "conv_output_size",
        "conv_parameter_count",
        "lenet5",
        "preprocess",
        "classifier",
        "train_classifier",
    }


def test_the_source_stays_short() -> None:
    """Without blank lines, the notebook's cell marks, and the marks and hints for the template."""
    lines = (SOLUTION / "lab8.py").read_text(encoding="utf-8").splitlines()
    marks = ("# BEGIN SOLUTION", "# END SOLUTION", "# HINT", "# %%")
    assert len([line for line in map(str.strip, lines) if line and not line.startswith(marks)]) <= 300


@pytest.mark.parametrize("preset", ["quick", "standard", "best"])
def test_augmented_images_are_what_padding_cropping_mirroring_and_a_grey_square_give(
    lab8: ModuleType, preset: str
) -> None:
    shift, cutout = lab8.PRESETS[preset].shift, lab8.PRESETS[preset].cutout
    images = torch.randint(0, 256, (200, 3, 32, 32), dtype=torch.uint8)
    mirrored = torch.arange(200) % 2 == 0
    found = lab8.augment(images, mirrored, torch.Generator().manual_seed(3), lab8.PRESETS[preset])
    generator = torch.Generator().manual_seed(3)
    shifts = torch.randint(-shift, shift + 1, (2, 200), generator=generator)
    centres = torch.randint(32, (2, 200), generator=generator)
    padded = F.pad(images.float(), (shift,) * 4, mode="reflect").to(torch.uint8)
    for image, mirror, result, (dy, dx), (y, x) in zip(
        padded, mirrored, found, shifts.T.tolist(), centres.T.tolist(), strict=True
    ):
        wanted = image[:, shift + dy :, shift + dx :][:, :32, :32]
        wanted = wanted.flip(2) if mirror else wanted.clone()
        half = cutout // 2  # of it is on either side of the centre, which may be at the edge
        if cutout:
            wanted[:, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1] = 120
        assert torch.equal(result, wanted)
    assert {value for pair in shifts.tolist() for value in pair} == set(range(-shift, shift + 1))


def test_orthogonal_steps_have_equal_strength_in_all_directions(lab8: ModuleType) -> None:
    matrix = torch.randn(16, 90, generator=torch.Generator().manual_seed(0))
    matrix[0] *= 30  # one strong direction
    found = lab8.orthogonal(matrix)
    strengths = torch.linalg.svdvals(found)
    assert strengths.min() > 0.6 and strengths.max() < 1.3
    exact_u, _, exact_v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.linalg.matrix_norm(found - exact_u @ exact_v, 2) < 0.4


def test_every_rung_is_one_argument(lab8: ModuleType) -> None:
    images = lab8.preprocess(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    sizes = {}
    for preset in ("quick", "standard", "best"):
        net = lab8.Classifier(preset)
        assert net(images).shape == (2, 10)
        sizes[preset] = sum(parameter.numel() for parameter in net.parameters())
    assert sizes["quick"] < sizes["standard"] < sizes["best"]
    assert sum(parameter.numel() for parameter in lab8.classifier().parameters()) == sizes["standard"]


def test_the_precision_is_the_one_that_a_convolution_is_faster_in(lab8: ModuleType) -> None:
    def seconds(dtype: torch.dtype) -> float:
        conv = torch.nn.Conv2d(64, 64, 3).to(dtype)
        images, times = torch.zeros(20, 64, 15, 15, dtype=dtype), []
        for _ in range(7):
            began = time.perf_counter()
            conv(images).sum().backward()
            times.append(time.perf_counter() - began)
        return sorted(times)[3]

    ratio = seconds(torch.bfloat16) / seconds(torch.float32)
    if not 0.5 < ratio < 2:  # else either is right
        found = lab8.fastest_dtype(torch.device("cpu"))
        assert found == (torch.float32 if ratio > 1 else torch.bfloat16)


def test_each_image_is_seen_from_its_other_side_in_the_next_epoch(lab8: ModuleType) -> None:
    batches = lab8.endless_batches(10, 5, torch.Generator().manual_seed(0))
    epochs = []
    for _ in range(2):
        rows, mirrored = (torch.cat(parts) for parts in zip(next(batches), next(batches), strict=True))
        assert sorted(rows.tolist()) == list(range(10))
        epochs.append(mirrored[rows.argsort()])
    assert torch.equal(epochs[0], ~epochs[1])


def test_whitening_leaves_patches_uncorrelated(
    lab8: ModuleType, small_set: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images = lab8.preprocess(small_set[0])
    responses = F.conv2d(images, lab8.whitening_filters(images)[:12]).transpose(0, 1).reshape(12, -1)
    covariance = responses @ responses.T / responses.shape[1]
    off = covariance - torch.diag(covariance.diag())
    assert off.abs().max() < 0.02
    assert ((covariance.diag() > 0.3) & (covariance.diag() < 1.02)).all()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    lab8: ModuleType, small_set: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lab8.PRESETS, "standard", lab8.PRESETS["quick"]._replace(epochs=1))
    images, labels = small_set

    def train(seed: int) -> torch.Tensor:
        torch.manual_seed(1)
        net = lab8.classifier()
        lab8.train_classifier(net, images, labels, device="cpu", seconds=1e6, seed=seed)
        return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

    assert torch.equal(train(5), train(5))
    assert not torch.equal(train(5), train(6))


def test_it_learns_even_when_the_time_is_over_before_it_begins(
    lab8: ModuleType, small_set: tuple[torch.Tensor, torch.Tensor]
) -> None:
    images, labels = small_set
    torch.manual_seed(0)
    net = lab8.classifier()
    before, _ = lab8.evaluate(net, images, labels)
    history = lab8.train_classifier(net, images, labels, device="cpu", seconds=0, seed=0)
    after, _ = lab8.evaluate(net, images, labels)
    assert after < 0.98 * before
    assert not net.training
    assert all(len(values) == len(history["seconds"]) >= 1 for values in history.values())


def test_a_training_is_repeatable_on_a_gpu_without_giving_up_cudnn(lab8: ModuleType) -> None:
    """torch.backends.cudnn.flags() turns cuDNN off unless told otherwise."""
    net, found = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), set()
    net.register_forward_hook(
        lambda *_: found.add((torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic))
    )
    images = torch.zeros(40, 3, 32, 32, dtype=torch.uint8)
    lab8.train_classifier(net, images, torch.arange(40) % 10, device="cpu", seconds=0, seed=0)
    assert found == {(True, True)}


class Steps:
    """Batches for `train_loop` that take `busy` seconds of CPU time each."""

    def __init__(self, busy: float = 0.0) -> None:
        self.busy, self.taken = busy, 0
        self.net = nn.Linear(2, 2)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.01)

    def __call__(self) -> torch.Tensor:
        self.taken += 1
        until = time.process_time() + self.busy
        while time.process_time() < until:
            pass
        outputs: torch.Tensor = self.net(torch.ones(1, 2))
        return outputs.square().sum()

    def train(self, lab8: ModuleType, **asked: object) -> dict[str, list[float]]:
        asked = {"validate": lambda: (0.0, 0.0), "epochs": 1, "steps_per_epoch": 10**9} | asked
        history: dict[str, list[float]] = lab8.train_loop(self.net, self.optimizer, self, **asked)
        return history


def test_the_clock_ends_a_training_that_does_not_fit_and_says_so(
    lab8: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    steps, shares = Steps(), list[float]()

    def schedule(progress: float) -> float:
        shares.append(progress)
        return 1 - progress

    steps.train(lab8, seconds=0.3, schedule=schedule)
    assert 8 <= steps.taken < 10**6
    assert shares == sorted(shares) and 0.5 < shares[-1] < 1
    *_, last = capsys.readouterr().err.splitlines()
    assert last == "stopped after 0.00 of 1 epochs: the 0.3 seconds were over"


def test_a_training_that_fits_takes_its_steps_and_says_nothing_of_the_clock(
    lab8: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = list[float]()

    def schedule(progress: float) -> float:
        shares.append(progress)
        return 1.0

    Steps().train(lab8, epochs=2, steps_per_epoch=5, seconds=1e6, schedule=schedule)
    assert shares == [step / 10 for step in range(10)]
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "epoch 1.00 of 2",
        "epoch 2.00 of 2",
    ]


@pytest.mark.parametrize(("busy", "taken"), [(0.05, {8}), (1.2, {2, 3}), (2.0, {2})])
def test_with_no_time_left_a_few_large_steps_are_taken_and_of_small_ones_eight(
    lab8: ModuleType, busy: float, taken: set[int]
) -> None:
    """Eight steps of a ResNet-18 took four times the three seconds that the grader gives."""
    steps = Steps(busy)
    history = steps.train(lab8, seconds=0)
    assert steps.taken in taken
    assert all(len(values) == 1 for values in history.values())


def test_the_time_that_validating_takes_is_kept_for_it(lab8: ModuleType) -> None:
    steps = Steps()

    def validate() -> tuple[float, float]:
        time.sleep(0.4)
        return 0.0, 0.0

    began = time.perf_counter()
    history = steps.train(lab8, validate=validate, epochs=10**6, steps_per_epoch=10, seconds=1.5)
    assert len(history["seconds"]) <= 4
    assert history["seconds"][-1] < 1.2 and time.perf_counter() - began < 1.9


def test_a_batch_larger_than_the_set_is_an_epoch(lab8: ModuleType) -> None:
    steps = Steps()
    steps.train(lab8, epochs=3, steps_per_epoch=225 // 256, seconds=60)
    assert steps.taken == 3


def test_a_terminal_shows_where_an_epoch_is_and_a_log_is_not_flooded(
    lab8: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Steps(0.02).train(lab8, steps_per_epoch=130, seconds=60)
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Steps(0.02).train(lab8, steps_per_epoch=130, seconds=60)
    told = capsys.readouterr().err
    assert re.match(r"epoch 0\.\d\d of 1, loss \d\.\d{3}, \d\.\d minutes left +\repoch", told)
    assert told.count("\n") == 1 and told.endswith("0.0 minutes left\n")


@pytest.mark.parametrize("case", [(4, 5), (0, 1), (3, 3, 0), (3, 0), (3, 3, 1, -1), ((8, 2), 3)], ids=str)
def test_impossible_convolutions_are_refused(lab8: ModuleType, case: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        lab8.conv_output_size(*case)


def test_lenet_has_the_tutorials_size(lab8: ModuleType) -> None:
    assert [p.numel() for p in lab8.lenet5().parameters()] == [
        150,
        6,
        2400,
        16,
        48000,
        120,
        10080,
        84,
        840,
        10,
    ]


def test_all_four_questions_are_answered() -> None:
    questions = [(question.text, question.text_zh) for question in load_rubric().questions]
    text = (SOLUTION / "answers.md").read_text(encoding="utf-8")
    assert all(f"> {english}\n" in text for english, _ in questions)
    assert [outcome.present for outcome in assess_answers([text], questions)] == [True] * 4


# The weights


@pytest.mark.slow
def test_the_weights_are_as_good_as_their_record_says(lab8: ModuleType) -> None:
    record = json.loads((SOLUTION / "classifier.json").read_text(encoding="utf-8"))
    assert record["test_accuracy"] >= 0.94
    assert record["test_images"] == 10_000
    file = SOLUTION / "classifier.safetensors"
    assert file.stat().st_size <= 10_000_000
    net = lab8.classifier()
    net.load_state_dict(load_file(file), strict=True)
    try:
        images, labels = datasets.load("cifar10", "test", "full")
        allowed = 0.0005  # another machine rounds otherwise
    except UserError:  # nobody fetched the complete set here
        images, labels = datasets.load("cifar10", "test", "mini")
        allowed = 0.03  # three standard errors of 1,000 images
    _, accuracy = lab8.evaluate(net, images, labels)
    assert accuracy == pytest.approx(record["test_accuracy"], abs=allowed)


# The tools


def test_cifar10_is_read_from_files_that_an_instructor_hands_out(
    tools: ModuleType, tmp_path: Path, small_set: tuple[torch.Tensor, torch.Tensor]
) -> None:
    import numpy as np

    np.save(tmp_path / "cifar10-test-images.npy", small_set[0].numpy())
    np.save(tmp_path / "cifar10-test-labels.npy", small_set[1].numpy().astype("uint8"))
    images, labels = tools.load_cifar10(tmp_path, train=False)
    assert torch.equal(images, small_set[0])
    assert torch.equal(labels, small_set[1]) and labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("images", "told"),
    [(b"cut short", "cannot be read .*: copy both"), (None, r"float64 \(2, 3\) for 2 labels, .*: copy both")],
    ids=["damaged", "other"],
)
def test_files_that_are_not_what_they_should_be_are_named(
    tools: ModuleType, tmp_path: Path, images: bytes | None, told: str
) -> None:
    import numpy as np

    np.save(tmp_path / "cifar10-train-labels.npy", np.zeros(2, np.uint8))
    np.save(tmp_path / "cifar10-train-images.npy", np.zeros((2, 3)))
    if images:
        (tmp_path / "cifar10-train-images.npy").write_bytes(images)
    with pytest.raises(RuntimeError, match=rf"cifar10-train-images\.npy .*{told}"):
        tools.load_cifar10(tmp_path, train=True)


def test_a_host_that_stays_silent_is_given_up(
    tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are accepted and nothing is ever said, as behind some firewalls."""
    monkeypatch.setattr(tools, "SILENCE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(RuntimeError, match=r"timed out.*look at the connection"):
            tools.load_cifar10(tmp_path, train=True)
    assert socket.getdefaulttimeout() is None


def test_without_data_and_connection_one_line_says_what_to_do(
    tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        RuntimeError, match=r"cifar10-train-images\.npy and .* your instructor can give you"
    ) as caught:
        tools.load_cifar10(tmp_path, train=True)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_importing_defines_and_no_more_and_torchvision_can_be_had_after_it_has_failed() -> None:
    """In a process of its own, where nothing was imported or declared before."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import lab8, lab8_tools\n"
        "assert 'matplotlib' not in sys.modules and not hasattr(lab8, 'model')\n"
        "assert lab8_tools._torchvision_datasets().CIFAR10\n"
        "import torchvision.transforms"
    )
    subprocess.run([sys.executable, "-c", code, str(SOLUTION)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other C libraries are left as they are")
def test_freed_memory_is_kept_for_the_next_tensor() -> None:
    """In a process of its own; pages that the system had to give anew are counted."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1]); import lab8_tools, torch\n"
        "def pages():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(10): torch.ones(20_000_000)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "plain = pages(); lab8_tools.keep_freed_memory(); pages(); print(plain, pages())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SOLUTION)], check=True, capture_output=True, text=True
    )
    plain, kept = map(int, done.stdout.split())
    assert kept < plain / 100


def test_weights_are_saved_for_handing_in(
    tools: ModuleType, lab8: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = lab8.classifier().to(memory_format=torch.channels_last)
    file = tools.save_weights(net, tmp_path)
    assert file.name == "classifier.safetensors"
    lab8.classifier().load_state_dict(load_file(file), strict=True)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    file = tools.save_weights(net, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["classifier.pt"]
    lab8.classifier().load_state_dict(torch.load(file, weights_only=True), strict=True)


def test_an_interrupted_saving_leaves_the_older_weights(
    tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(weights: dict[str, torch.Tensor], path: Path) -> None:
        path.write_bytes(b"half of ")
        raise KeyboardInterrupt

    net = nn.Linear(2, 2)
    file = tools.save_weights(net, tmp_path)
    old = file.read_bytes()
    monkeypatch.setattr("safetensors.torch.save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tools.save_weights(net, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [file.name] and file.read_bytes() == old


def test_pictures_are_drawn(tools: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    images, labels = datasets.load("cifar10", "test", "mini")
    logits = F.one_hot(labels.roll(1), 10).float()
    history = {"train_loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "val_accuracy": [0.2, 0.5]}
    figures = [
        tools.plot_history(history),
        tools.plot_predictions(images, labels, logits),
        tools.plot_confusion(labels, logits),
    ]
    for figure in figures:
        figure.savefig(tmp_path / "picture.png")
        pyplot.close(figure)
    assert [len(axes.lines) for axes in figures[0].axes] == [2, 1]
    matrix = tools.confusion_matrix(labels, logits)
    assert matrix.sum() == 1000 and matrix[labels[0], labels[999]] >= 1


def test_confusion_counts_rows_as_the_truth(tools: ModuleType) -> None:
    matrix = tools.confusion_matrix(torch.tensor([3, 3, 5]), F.one_hot(torch.tensor([5, 3, 5]), 10).float())
    assert (matrix[3, 5], matrix[3, 3], matrix[5, 5], matrix.sum()) == (1, 1, 1, 3)


# What measures it


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_from_parts_without_the_grader(tmp_path: Path) -> None:
    import numpy as np

    for split in ("train", "test"):
        images, labels = datasets.load("cifar10", split, "mini")
        np.save(tmp_path / f"{split}-labels.npy", labels.numpy().astype(np.uint8))
        for number, part in enumerate(images.split(700)):
            np.save(tmp_path / f"{split}-images-{number}.npy", part.numpy())
    script = SOLUTION.parent / "tests" / "benchmarks" / "gpu.py"
    words = [sys.executable, str(script), "measure", str(tmp_path), "--small"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "| `quick` | 2 |" in done.stdout and "200 images classified by `quick`" in done.stdout
    (tmp_path / "train-images-1.npy").unlink()
    done = subprocess.run(words, capture_output=True, text=True, timeout=250)
    assert done.returncode != 0 and "a part is missing" in done.stderr


@pytest.mark.slow
def test_every_row_of_the_ladder_runs_and_stands_in_the_readme() -> None:
    root = SOLUTION.parent
    small = (
        "import ladder; real = ladder.load\n"
        "ladder.load = lambda *words: tuple(t[:500] for t in real(*words[:2], 'mini'))\n"
        "ladder.main()"
    )
    words = [sys.executable, "-c", small, "--epochs", "1"]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=250, cwd=root / "tests" / "benchmarks"
    )
    assert done.returncode == 0, done.stderr
    row = re.compile(r"^\| ([^|]+) \| [\d.]+ \| [\d.]+ ?% \|$", re.MULTILINE)
    rows = row.findall(done.stdout)
    assert len(rows) == 10
    page = root / "tests" / "benchmarks" / "README.md"
    assert row.findall(page.read_text(encoding="utf-8")) == rows
