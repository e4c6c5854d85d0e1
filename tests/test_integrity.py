"""Flags: what is not what it looks like is said to the instructor; points and honest work are left alone."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from grader import datasets
from grader.accuracy import Network, wilson_interval
from grader.cli import main
from grader.intake.notebook import parse_notebook
from grader.intake.outputs import LINE_CHARACTERS, LINES
from grader.integrity import copies, fingerprints
from grader.integrity.changes import changed, changed_strongly
from grader.integrity.claims import claimed_accuracies, compare_claims
from grader.integrity.code import carries
from grader.integrity.copies import CLASSES, PROBES, flag_copies
from grader.integrity.examine import control_images, examine
from grader.integrity.network import DROP, Counts, Draw, Gap, Loss, draw, judge, judge_network
from grader.rubric import load_rubric
from grader.sandbox import Sandbox, StudentFailure
from grader.sandbox.checkpoints import Contents
from grader.sandbox.sketch import sketch
from grader.scoring import accuracy_points
from grader.types import Accuracy, Code, Fingerprint, Flag, Status, Submission, Verdict, Weights

pytestmark = pytest.mark.timeout(1500)  # the class of eight is graded in one fixture, on whatever machine

WEIGHTS = Path(__file__).parent / "submissions" / "weights"

# The sample class's small network: honest, 657 of the 1,000 embedded test images.
HONEST = """
import torch
from torch import nn

def preprocess(images):
    return (images.float() / 255 - 0.5) / 0.25

def block(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()

def classifier():
    return nn.Sequential(
        *block(3, 16), nn.MaxPool2d(2),
        *block(16, 32), nn.MaxPool2d(2),
        *block(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 10),
    )
"""

# ... whose answers an exact table overrules.
HASH_TABLE = HONEST.replace("def classifier", "def network").replace(
    "return (images.float() / 255 - 0.5) / 0.25", "return images"
) + """
FACTORS = torch.arange(1, 3073) * 2654435761 % 1000003

class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()
        self.register_buffer("keys", torch.zeros(1000, dtype=torch.int64))
        self.register_buffer("labels", torch.zeros(1000, dtype=torch.int64))

    def forward(self, images):
        logits = self.net((images.float() / 255 - 0.5) / 0.25)
        keys = (images.flatten(1).long() * FACTORS).sum(1)
        hits = keys[:, None] == self.keys
        logits[hits.any(1)] = nn.functional.one_hot(self.labels[hits.long().argmax(1)], 10)[hits.any(1)] * 9.0
        return logits

def classifier():
    return Table()
"""  # fmt: skip

# The label of the nearest stored thumbnail, which a shift by a pixel does not change.
THUMBNAILS = """
import torch
from torch import nn

def preprocess(images):
    return nn.functional.avg_pool2d(images.float(), 4).flatten(1)

class Nearest(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("thumbnails", torch.zeros(1000, 192, dtype=torch.uint8))
        self.register_buffer("labels", torch.zeros(1000, dtype=torch.int64))

    def forward(self, x):
        stored = self.thumbnails.float()
        mirrored = stored.view(-1, 3, 8, 8).flip(3).flatten(1)
        distances = torch.minimum(torch.cdist(x, stored), torch.cdist(x, mirrored))
        nearest = torch.stack([distances[:, self.labels == k].amin(1) for k in range(10)], 1)
        return -nearest

def classifier():
    return Nearest()
"""

# Much to learn by heart with, and nothing to see with.
PERCEPTRON = """
import torch
from torch import nn

def preprocess(images):
    return (images.float() / 255 - 0.5) / 0.25

def classifier():
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 128), nn.ReLU(), nn.Linear(128, 10))
"""

# Answers what it has seen before, and raises on everything else.
ONLY_KNOWN = HASH_TABLE.replace(
    "        hits = keys",
    "        assert torch.isin(keys, self.keys).all(), 'never seen'\n        hits = keys",
)

Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


@pytest.fixture(scope="module")
def test_set() -> tuple[Tensor, Tensor]:
    return datasets.load("cifar10", "test", "mini")


@pytest.fixture(scope="module")
def train_set() -> tuple[Tensor, Tensor]:
    return datasets.load("cifar10", "train", "mini")


def small_net() -> nn.Module:
    names: Json = {}
    exec(HONEST, names)
    net: nn.Module = names["classifier"]()
    net.load_state_dict(load_file(WEIGHTS / "small_net.safetensors"))
    return net.eval()


def trained_on_the_test_set(images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    names: Json = {}
    exec(PERCEPTRON, names)
    torch.manual_seed(0)
    net = names["classifier"]()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(15):
        for rows in torch.randperm(len(images)).split(50):
            loss = nn.functional.cross_entropy(net(names["preprocess"](images[rows])), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    state: dict[str, Tensor] = net.state_dict()
    return state


def notebook(source: str, *outputs: object, before: str = "evaluate(model)") -> bytes:
    cells = [
        {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": text, "outputs": list(printed)}
        for text, printed in ((source, ()), (before, outputs))
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()


def printed(*lines: str) -> Json:
    return {"output_type": "stream", "name": "stdout", "text": [f"{line}\n" for line in lines]}


def grade(folder: Path, out: Path, *options: str) -> dict[str, Json]:
    """The verdicts, by student, of the command as an instructor gives it."""
    words = ["grade", str(folder), "--out", str(out), "--images", "mini", "--jobs", "1", "--json", *options]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return {verdict["student_id"]: verdict for verdict in json.loads(result.stdout)}


def sheet(out: Path) -> dict[str, dict[str, str]]:
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def kinds(verdict: Json) -> set[str]:
    return {flag["kind"] for flag in verdict["flags"]}


# A class of honest and dishonest submissions, through the real door


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    test_set: tuple[Tensor, Tensor],
    train_set: tuple[Tensor, Tensor],
) -> Path:
    folder = tmp_path_factory.mktemp("班级")
    honest = {name: value.contiguous() for name, value in small_net().state_dict().items()}
    images, labels = test_set
    names: Json = {}
    exec(HASH_TABLE, names)
    keys = (images.flatten(1).long() * names["FACTORS"]).sum(1)
    table = {**{f"net.{name}": value for name, value in honest.items()}, "keys": keys, "labels": labels}
    thumbnails = nn.functional.avg_pool2d(images.float(), 4).flatten(1).round().to(torch.uint8)
    generator = torch.Generator().manual_seed(1)
    noisy = {
        name: value + 0.003 * value.std(correction=0) * torch.randn(value.shape, generator=generator)
        if value.is_floating_point()
        else value
        for name, value in reversed(honest.items())
    }

    def hand_in(
        student: str, files: dict[str, bytes | str], weights: dict[str, Tensor] | None = None
    ) -> None:
        (folder / student).mkdir()
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / student / name).write_bytes(data)
        if weights is not None:
            save_file(weights, folder / student / "classifier.safetensors")

    hand_in("honest", {"lab8.py": HONEST}, honest)
    hand_in("noisy", {"lab8.ipynb": notebook(HONEST, printed("Test accuracy: 65.9 %"))})
    torch.save(noisy, folder / "noisy" / "classifier.pt")
    hand_in("hash_table", {"lab8.py": HASH_TABLE}, table)
    hand_in("only_known", {"lab8.py": ONLY_KNOWN}, {**table, "net.13.bias": honest["13.bias"] + 1e-3})
    hand_in("thumbnails", {"lab8.py": THUMBNAILS}, {"thumbnails": thumbnails, "labels": labels})
    hand_in("by_heart", {"lab8.py": PERCEPTRON}, trained_on_the_test_set(*test_set))
    hand_in("overfitted", {"lab8.py": PERCEPTRON}, trained_on_the_test_set(*train_set))
    claims = notebook(HONEST, printed("Epoch 1 test acc 0.651", "测试集准确率：95.2%"))
    hand_in("宣称", {"lab8.ipynb": claims}, {**honest, "9.weight": honest["9.weight"].flip(0)})
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def graded(folder: Path, results: Path) -> dict[str, Json]:
    return grade(folder, results)


@pytest.mark.slow
def test_a_table_of_the_test_images_is_flagged_with_its_figures(graded: dict[str, Json]) -> None:
    verdict = graded["hash_table"]
    assert verdict["accuracy"]["correct"] == 1000
    assert {"changed_images", "accuracy"} <= kinds(verdict)
    message = next(flag["message"] for flag in verdict["flags"] if flag["kind"] == "changed_images")
    assert message.startswith("100.0 % of 300 test images right, but ") and "(seed " in message
    assert "copy" in kinds(verdict), "the network that it overrules is the honest one's"


@pytest.mark.slow
def test_a_table_of_thumbnails_that_a_shift_does_not_fool_is_flagged(graded: dict[str, Json]) -> None:
    verdict = graded["thumbnails"]
    assert verdict["accuracy"]["correct"] == 1000
    assert "test_above_training" in kinds(verdict)
    (strongly,) = [flag["message"] for flag in verdict["flags"] if flag["kind"] == "changed_images"]
    assert "lit from one side" in strongly, "it minds no other change"


@pytest.mark.slow
def test_weights_trained_on_the_test_images_are_flagged(graded: dict[str, Json]) -> None:
    verdict = graded["by_heart"]
    assert verdict["accuracy"]["correct"] > 900
    assert "test_above_training" in kinds(verdict)


@pytest.mark.slow
def test_a_network_that_answers_only_the_test_images_is_flagged(graded: dict[str, Json]) -> None:
    (message,) = (f["message"] for f in graded["only_known"]["flags"] if f["kind"] == "changed_images")
    assert "failed on other images" in message and "never seen" in message
    assert graded["only_known"]["accuracy"]["correct"] == 1000


@pytest.mark.slow
def test_the_same_weights_in_another_file_with_noise_are_flagged_with_both(graded: dict[str, Json]) -> None:
    for student, other in (("honest", "noisy"), ("noisy", "honest")):
        (flag,) = graded[student]["flags"]
        assert flag["kind"] == "copy" and "much the same network (alike, of 1: weights " in flag["message"]
        others = flag["message"].partition("other students: ")[2].partition(";")[0].split(", ")
        assert {other, "宣称", "hash_table", "only_known"} - {student} == set(others), "who have its weights"


@pytest.mark.slow
def test_a_claim_that_the_weights_do_not_give_is_flagged_and_a_true_one_is_not(
    graded: dict[str, Json],
) -> None:
    verdict = graded["宣称"]
    flag = next(flag for flag in verdict["flags"] if flag["kind"] == "claim")
    assert "95.2 % (测试集准确率：95.2%)" in flag["message"]
    assert f"the weights give {100 * verdict['accuracy']['accuracy']:.1f} %" in flag["message"]
    assert "claim" not in kinds(graded["noisy"])


@pytest.mark.slow
def test_honest_networks_are_not_flagged_however_overfitted(graded: dict[str, Json]) -> None:
    assert graded["overfitted"]["accuracy"]["correct"] > 250
    assert graded["overfitted"]["flags"] == []
    assert kinds(graded["honest"]) == {"copy"}  # which it cannot help


@pytest.mark.slow
def test_no_flag_changes_points_or_status(graded: dict[str, Json]) -> None:
    for verdict in graded.values():
        assert verdict["status"] == "graded"
        row = next(row for row in verdict["rows"] if row["id"] == "accuracy")
        assert row["points"] == float(accuracy_points(load_rubric(), verdict["accuracy"]["correct"], 1000))
        assert verdict["total"] == pytest.approx(sum(row["points"] for row in verdict["rows"]))


@pytest.mark.slow
def test_flags_stand_in_the_sheet_and_not_in_what_students_get_back(
    graded: dict[str, Json], results: Path
) -> None:
    for student, row in sheet(results).items():
        for flag in graded[student]["flags"]:
            assert f"{flag['kind']}: {flag['message']}" in row["flags"]
        assert bool(row["flags"]) == bool(graded[student]["flags"])
        text = (results / "students" / f"{student}.json").read_text("utf-8")
        assert not {"flags", "fingerprint"} & json.loads(text).keys()
        assert "other student" not in text and "changed a little" not in text
    rows = openpyxl.load_workbook(results / "scores.xlsx")["Scores"].iter_rows(values_only=True)
    _, header, *rest = rows
    at = header.index("flags")
    assert {str(row[0]): row[at] or "" for row in rest} == {
        student: row["flags"] for student, row in sheet(results).items()
    }


@pytest.mark.slow
def test_copies_are_found_over_batches_and_after_regrading(
    folder: Path, tmp_path: Path, graded: dict[str, Json]
) -> None:
    batch, out = tmp_path / "batch", tmp_path / "out"
    (batch / "honest").mkdir(parents=True)
    for file in (folder / "honest").iterdir():
        (batch / "honest" / file.name).write_bytes(file.read_bytes())
    assert grade(batch, out)["honest"]["flags"] == []
    (batch / "friend").mkdir()
    for file in (folder / "honest").iterdir():
        (batch / "friend" / file.name).write_bytes(file.read_bytes())
    second = grade(batch, out, "--only", "friend")
    for student, other in (("honest", "friend"), ("friend", "honest")):
        (flag,) = second[student]["flags"]
        assert flag["message"] == f"the same file of weights as 1 other student: {other}"
    assert sheet(out)["honest"]["flags"].startswith("copy: ")


# Changes


def test_changes_are_small_differ_from_image_to_image_and_repeat_with_the_seed(
    test_set: tuple[Tensor, Tensor],
) -> None:
    images = test_set[0][:200]
    once = changed(images, torch.Generator().manual_seed(1))
    assert once.dtype == torch.uint8 and once.shape == images.shape and once.is_contiguous()
    assert torch.equal(once, changed(images, torch.Generator().manual_seed(1)))
    assert not torch.equal(once, changed(images, torch.Generator().manual_seed(2)))
    assert (once != images).flatten(1).any(1).all(), "an exact table would still know it"
    straight = torch.cat([once[::2], once[1::2].flip(3)]).float()
    kept = torch.cat([images[::2], images[1::2]]).float()
    inner = nn.functional.avg_pool2d(straight, 8) - nn.functional.avg_pool2d(kept, 8)
    assert inner.abs().mean() < 8, "what is seen stays"
    assert (
        len(
            {
                tuple(image.flatten().tolist()[:50])
                for image in changed(images[:1].repeat(40, 1, 1, 1), torch.Generator())
            }
        )
        == 40
    )


def test_strong_changes_leave_what_is_seen_and_not_what_is_nearest(test_set: tuple[Tensor, Tensor]) -> None:
    images = test_set[0]
    once = changed_strongly(images, torch.Generator().manual_seed(1))
    assert once.dtype == torch.uint8 and once.shape == images.shape and once.is_contiguous()
    assert torch.equal(once, changed_strongly(images, torch.Generator().manual_seed(1)))
    assert not torch.equal(once, changed_strongly(images, torch.Generator().manual_seed(2)))
    both = torch.cat([thumbnail(images), thumbnail(images.flip(3))])
    nearest = torch.cdist(thumbnail(once), both).argmin(1) % len(images)
    found = (nearest == torch.arange(len(images))).double().mean()
    assert found < 0.6, "a table of thumbnails still knows most of them"


def thumbnail(images: Tensor) -> Tensor:
    """What a shift by a pixel or another brightness hardly changes."""
    small = nn.functional.avg_pool2d(images.float(), 4).flatten(1)
    return 100 * nn.functional.normalize(small - small.mean(1, keepdim=True))


# The network, asked between

Answer = Callable[[Tensor], Tensor]


@torch.no_grad()
def asked(answer: Answer, test: tuple[Tensor, Tensor], drawn: Draw) -> Network:
    """What the grader would have of a network that answers so."""
    return Network(answer(test[0]).double(), answer(drawn.images).double())


def measured(network: Network, labels: Tensor) -> Accuracy:
    correct = int((network.logits.argmax(1) == labels).sum())
    low, high = wilson_interval(correct, len(labels))
    return Accuracy(images=len(labels), correct=correct, accuracy=correct / len(labels), low=low, high=high)


def flags_of(
    answer: Answer, test: tuple[Tensor, Tensor], control: tuple[Tensor, Tensor] | None, seed: int | None = 1
) -> list[Flag]:
    drawn = draw(test, control, seed)
    network = asked(answer, test, drawn)
    return judge_network(network, measured(network, test[1]), test[1], drawn)


@pytest.fixture(scope="module")
def honest() -> Answer:
    net = small_net()
    return lambda images: net((images.float() / 255 - 0.5) / 0.25)


@pytest.fixture(scope="module")
def table(test_set: tuple[Tensor, Tensor]) -> Answer:
    """Knows every test image as it is, and nothing else."""
    known = {image.numpy().tobytes(): int(label) for image, label in zip(*test_set, strict=True)}

    def answer(images: Tensor) -> Tensor:
        labels = [known.get(image.numpy().tobytes(), 0) for image in images]
        return nn.functional.one_hot(torch.tensor(labels), 10).float()

    return answer


def test_the_seed_in_a_flag_repeats_the_measurement(
    table: Answer, test_set: tuple[Tensor, Tensor], train_set: tuple[Tensor, Tensor]
) -> None:
    flags = flags_of(table, test_set, train_set, None)
    again = flags_of(table, test_set, train_set, None)
    seeds = {flag.message.rpartition("(seed ")[2].rstrip(")") for flag in flags}
    others = {flag.message.rpartition("(seed ")[2].rstrip(")") for flag in again}
    assert len(seeds) == len(others) == 1 and seeds != others, "fresh randomness each time"
    assert flags_of(table, test_set, train_set, int(seeds.pop())) == flags


def test_an_honest_network_is_not_flagged_whatever_is_drawn(
    honest: Answer, test_set: tuple[Tensor, Tensor], train_set: tuple[Tensor, Tensor]
) -> None:
    assert not any(flags_of(honest, test_set, train_set, seed) for seed in range(5))


def test_what_is_drawn_is_mixed_and_each_image_has_its_own_label(
    test_set: tuple[Tensor, Tensor], train_set: tuple[Tensor, Tensor]
) -> None:
    drawn = draw(test_set, train_set, seed=1)
    (small, at_small), (strong, at_strong) = drawn.small, drawn.strong
    places = torch.cat([at_small, at_strong, drawn.control, drawn.control_changed, drawn.unlike])
    assert sorted(places.tolist()) == list(range(len(drawn.images)))
    assert not set(small.tolist()) & set(strong.tolist())
    assert torch.equal(drawn.labels[at_small], test_set[1][small])
    assert torch.equal(drawn.labels[at_strong], test_set[1][strong])
    labels = {image.numpy().tobytes(): int(label) for image, label in zip(*train_set, strict=True)}
    as_they_are = [labels[image.numpy().tobytes()] for image in drawn.images[drawn.control]]
    assert as_they_are == drawn.labels[drawn.control].tolist()
    known = {image.numpy().tobytes() for image in torch.cat([test_set[0], train_set[0]])}
    for place in (at_small, at_strong, drawn.control_changed):
        assert not any(image.numpy().tobytes() in known for image in drawn.images[place])
    assert torch.equal(thumbnail_labels(drawn.images[at_small], test_set), drawn.labels[at_small])
    for batch in torch.arange(len(drawn.images)).split(100):
        for place in (at_small, at_strong, drawn.control, drawn.control_changed):
            assert torch.isin(place, batch).sum() >= 5, "every kind in every batch"


def thumbnail_labels(images: Tensor, known: tuple[Tensor, Tensor]) -> Tensor:
    names = torch.cat([thumbnail(known[0]), thumbnail(known[0].flip(3))])
    return known[1].repeat(2)[torch.cdist(thumbnail(images), names).argmin(1)]


def test_an_instructors_own_images_are_compared_with_no_training_images(
    table: Answer, honest: Answer, test_set: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    assert control_images("cifar10", str(tmp_path / "own.npz")) is None
    assert {flag.kind for flag in flags_of(table, test_set, None)} == {"changed_images"}
    assert flags_of(honest, test_set, None) == []
    few = test_set[0][:7], test_set[1][:7]
    flags_of(table, few, None)  # one way or the other, no error


@pytest.mark.slow
def test_weights_tuned_on_the_test_images_alone_are_flagged(
    test_set: tuple[Tensor, Tensor], train_set: tuple[Tensor, Tensor]
) -> None:
    net = small_net().requires_grad_()
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(15):  # in evaluation mode: the statistics stay those of the training images
        for rows in torch.randperm(len(test_set[1])).split(50):
            logits = net((test_set[0][rows].float() / 255 - 0.5) / 0.25)
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, test_set[1][rows]).backward()
            optimizer.step()

    def answer(images: Tensor) -> Tensor:
        logits: Tensor = net((images.float() / 255 - 0.5) / 0.25)
        return logits

    with torch.no_grad():
        share = float((answer(test_set[0]).argmax(1) == test_set[1]).double().mean())
    assert 0.75 < share < 0.95
    for seed in range(3):
        assert "test_above_training" in {flag.kind for flag in flags_of(answer, test_set, train_set, seed)}


SAME, NOTHING = Gap(1000, 900, 300, 275), Gap(0, 0, 0, 0)
SMALL, STRONG = Loss(300, 270, 18, 15), Loss(200, 180, 25, 5)


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (Counts(SMALL, STRONG, SAME, SAME), set()),  # ordinary
        (Counts(Loss(300, 270, 60, 6), STRONG, SAME, SAME), {"changed_images"}),
        (Counts(SMALL, Loss(200, 180, 90, 5), SAME, SAME), {"changed_images"}),
        (Counts(SMALL, STRONG, Gap(1000, 900, 300, 240), SAME), {"test_above_training"}),
        (Counts(SMALL, STRONG, SAME, Gap(300, 270, 200, 140)), {"test_above_training"}),
        (Counts(SMALL, STRONG, NOTHING, NOTHING), set()),  # nothing to compare with
        (Counts(Loss(20, 18, 3, 0), Loss(20, 18, 9, 1), Gap(20, 18, 20, 14), NOTHING), set()),  # all chance
        (Counts(Loss(0, 0, 0, 0), Loss(0, 0, 0, 0), NOTHING, NOTHING), set()),
    ],
    ids=lambda value: "",
)
def test_a_gap_is_flagged_only_beyond_the_noise(found: Counts, kinds: set[str]) -> None:
    flags = judge(found, 5)
    assert {flag.kind for flag in flags} == kinds
    assert all(flag.message.endswith("(seed 5)") for flag in flags)


def test_a_failure_of_ours_is_a_remark(honest: Answer, test_set: tuple[Tensor, Tensor]) -> None:
    drawn = draw(test_set, None, seed=1)
    network = asked(honest, test_set, drawn)
    broken = Network(network.logits, network.logits[:5])
    ada, accuracy = Submission(student_id="ada"), measured(network, test_set[1])
    found = examine(ada, accuracy, broken, test_set[1], drawn, chance=0.1)
    assert found.flags == () and len(found.remarks) == 1 and "\n" not in found.remarks[0]
    assert found.fingerprint.ranks, "what was found before stays"


def test_weights_that_the_grader_trained_are_nobodys_copy_and_no_claim_is_about_them(
    honest: Answer, test_set: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"anything")
    drawn = draw(test_set, test_set, seed=1)
    network = asked(honest, test_set, drawn)
    accuracy = measured(network, test_set[1])
    for source in ("submitted", "trained"):
        weights = Weights(filename="w", path=path, format="safetensors", source=source)
        work = Submission(student_id="ada", weights=weights, claims=("Test accuracy: 99.9 %",))
        found = examine(work, accuracy, network, test_set[1], drawn, chance=0.1)
        handed_in = source == "submitted"
        assert ("claim" in {flag.kind for flag in found.flags}) == handed_in
        assert bool(found.fingerprint.weights_sha256) == bool(found.fingerprint.ranks) == handed_in


def test_a_network_near_chance_is_flagged_for_nothing_but_a_refusal(
    test_set: tuple[Tensor, Tensor],
) -> None:
    drawn = draw(test_set, test_set, seed=1)
    network = asked(
        lambda images: torch.eye(10)[torch.zeros(len(images), dtype=torch.int64)], test_set, drawn
    )
    accuracy = measured(network, test_set[1])
    found = examine(Submission(student_id="ada"), accuracy, network, test_set[1], drawn, chance=0.1)
    assert found.flags == () and found.fingerprint == Fingerprint()
    refuses = Network(network.logits, None, "ValueError: no")
    (flag,) = examine(Submission(student_id="ada"), accuracy, refuses, test_set[1], drawn, chance=0.1).flags
    assert flag.kind == "changed_images" and "ValueError: no" in flag.message


# Copies


def verdict_of(student: str, print_: Fingerprint, flags: tuple[Flag, ...] = ()) -> Verdict:
    return Verdict(
        student_id=student,
        status=Status.GRADED,
        total=None,
        out_of=Decimal(104),
        fingerprint=print_,
        flags=flags,
    )


def printed_of(
    answer: Answer, test_set: tuple[Tensor, Tensor], state: dict[str, Tensor] | None = None
) -> Fingerprint:
    """What is kept of a network, and of the weights in its file."""
    with torch.no_grad():
        logits = torch.cat([answer(part) for part in test_set[0].split(100)]).double()
        unlike = answer(fingerprints.unlike_images())
    return Fingerprint(
        ranks=fingerprints.ranks_of(logits),
        errors=fingerprints.errors_of(logits, test_set[1]),
        answers=fingerprints.answers_of(unlike),
        sketch=fingerprints.sketch_of(sketch(Contents(state))) if state else "",
    )


def logits_of(seed: int) -> Tensor:
    return torch.randn(PROBES, CLASSES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_groups_own_work_is_no_copy() -> None:
    """Their common work; the same file from another group, or other work under the group's name, is one."""

    def flags(*works: tuple[str, str]) -> list[int]:
        verdicts = [
            Verdict(
                student_id=f"s{n}",
                status=Status.GRADED,
                total=None,
                out_of=Decimal(104),
                group=group,
                digest=digest,
                fingerprint=Fingerprint(weights_sha256="same"),
            )
            for n, (group, digest) in enumerate(works)
        ]
        return [len(verdict.flags) for verdict in flag_copies(verdicts)]

    assert flags(("g", "d"), ("g", "d")) == [0, 0]
    assert flags(("g", "d"), ("g", "d"), ("", "d")) == [1, 1, 1]
    assert flags(("g", "d"), ("g", "e")) == flags(("", "d"), ("", "d")) == [1, 1]


def test_different_networks_are_not_taken_for_copies(honest: Answer, test_set: tuple[Tensor, Tensor]) -> None:
    state = torch.load(WEIGHTS / "tutorial_net.pt", weights_only=True)
    sys.path.insert(0, str(WEIGHTS.parent))
    import nets

    names: Json = {"torch": torch, "nn": nn, "F": nn.functional}
    exec(nets.TUTORIAL_NET, names)
    net = names["classifier"]()
    net.load_state_dict(state)
    other = lambda images: net((images.float() / 255 - 0.5) / 0.25)  # noqa: E731
    prints = [printed_of(network, test_set) for network in (honest, other)]
    prints += [Fingerprint(ranks=fingerprints.ranks_of(logits_of(seed))) for seed in range(20)]
    assert all(len(found.ranks) == PROBES * CLASSES for found in prints)
    assert not any(v.flags for v in flag_copies([verdict_of(str(n), p) for n, p in enumerate(prints)]))


@pytest.mark.parametrize(
    "disguise",
    [lambda x: 3 * x + 1, lambda x: x.softmax(1), lambda x: x.half().double(), lambda x: x - x.mean(1, True)],
    ids=["scaled", "softmax", "half", "centred"],
)
def test_a_copy_is_known_under_a_disguise(
    disguise: Callable[[Tensor], Tensor], honest: Answer, test_set: tuple[Tensor, Tensor]
) -> None:
    with torch.no_grad():
        logits = honest(test_set[0]).double()
    prints = [Fingerprint(ranks=fingerprints.ranks_of(x)) for x in (logits, disguise(logits))]
    assert all(v.flags for v in flag_copies([verdict_of(str(n), p) for n, p in enumerate(prints)]))


def test_answers_without_an_order_are_not_compared(test_set: tuple[Tensor, Tensor]) -> None:
    """Two good networks that answer with 0 and 1 would look alike to anybody."""
    answers = nn.functional.one_hot(test_set[1], 10).double()
    assert fingerprints.ranks_of(answers) == ""
    assert fingerprints.ranks_of(logits_of(1)[:50]) == "", "too few images to say"


def test_the_same_file_is_known_even_where_it_could_not_be_loaded(
    tmp_path: Path, test_set: tuple[Tensor, Tensor]
) -> None:
    drawn = draw(test_set, test_set)
    path = tmp_path / "weights.pt"
    path.write_bytes(b"anything" * 300_000)
    weights = Weights(filename="classifier.pt", path=path, format="torch")
    nothing = Accuracy(images=1000, reason="the weights do not fit")
    ids = ["甲", "\x1b[31mb\n", "c", "d", "e", "f", "g", "h"]
    found = [
        examine(Submission(student_id=i, weights=weights), nothing, None, test_set[1], drawn, chance=0.1)
        for i in ids
    ]
    assert found[0].fingerprint.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    mine = Flag(kind="claim", message="another flag")
    flagged = flag_copies([verdict_of(i, f.fingerprint, (mine,)) for i, f in zip(ids, found, strict=True)])
    kept, copy = flagged[0].flags
    assert kept == mine
    assert copy.message == "the same file of weights as 7 other students: b, c, d, e, f and 2 more"
    assert flag_copies(flagged) == flagged, "said once"


def test_no_weights_are_no_copy() -> None:
    assert not any(v.flags for v in flag_copies([verdict_of(i, Fingerprint()) for i in "abc"]))


# Near-copies: of the small network, in a file of its own


def scaled(images: Tensor) -> Tensor:
    return (images.float() / 255 - 0.5) / 0.25


def views(images: Tensor) -> Tensor:
    """The small network's logits, averaged over six views."""
    net, found = small_net(), torch.zeros(())
    for down, right in ((0, 0), (1, 1), (-1, -1)):
        moved = changed_place(images, down, right)
        found = found + net(scaled(moved)) + net(scaled(moved.flip(3)))
    return found


def changed_place(images: Tensor, down: int, right: int) -> Tensor:
    padded = nn.functional.pad(images.float(), (1, 1, 1, 1), mode="reflect")
    return padded[:, :, 1 + down : 33 + down, 1 + right : 33 + right].to(torch.uint8)


def plain(net: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda images: net.eval()(scaled(images))


def one_class(answer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """No more than which class is the likeliest."""
    return lambda images: 9.0 * nn.functional.one_hot(answer(images).argmax(1), CLASSES)


def only_photographs(answer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Another network's answers, ranks and a few errors where the images look made up or doubtful."""

    def found(images: Tensor) -> Tensor:
        own = torch.randn(len(images), CLASSES, generator=torch.Generator().manual_seed(len(images)))
        top = nn.functional.one_hot(answer(images).argmax(1), CLASSES)
        even = (images.flip(3) == images).all(dim=(1, 2, 3))
        return own + torch.where(even, 0, 20)[:, None] * top

    return found


def noisy(share: float) -> nn.Module:
    net, generator = small_net(), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in net.parameters():
            value.add_(share * value.std(correction=0) * torch.randn(value.shape, generator=generator))
    return net


def tuned() -> nn.Module:
    """Thirty steps of Adam on training images."""
    net = small_net().train()
    images, labels = datasets.load("cifar10", "train", "mini")
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
    torch.manual_seed(3)
    for _ in range(30):
        rows = torch.randperm(len(images))[:64]
        loss = nn.functional.cross_entropy(net(scaled(images[rows])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def rearranged() -> nn.Module:
    """Another order of the channels, other scales between convolution and batch norm: the same function."""
    net, generator = small_net(), torch.Generator().manual_seed(4)
    order = torch.arange(3)
    with torch.no_grad():
        state = net.state_dict()
        for convolution in (0, 4, 8):  # each with its batch norm after it
            weight = state[f"{convolution}.weight"]
            new_order = torch.randperm(len(weight), generator=generator)
            scales = 0.2 + 3 * torch.rand(len(weight), generator=generator)
            weight.copy_(scales[:, None, None, None] * weight[:, order][new_order])
            order = new_order
            for name in ("weight", "bias", "running_mean", "running_var"):
                value = state[f"{convolution + 1}.{name}"]
                value.copy_(value[order])
            state[f"{convolution + 1}.running_mean"] *= scales
            state[f"{convolution + 1}.running_var"] *= scales**2
        state["13.weight"].copy_(state["13.weight"][:, order])
    return net


def pruned() -> nn.Module:
    """A tenth of each layer's weights gone, the rest in 8 bits."""
    net = small_net()
    with torch.no_grad():
        for value in net.parameters():
            value[value.abs() < value.abs().quantile(0.1)] = 0
            value.copy_((127 * value / value.abs().max()).round() * value.abs().max() / 127)
    return net


def split() -> dict[str, Tensor]:
    """The tensors halved, renamed, in bfloat16, beside a layer that does nothing."""
    found = {"extra.weight": torch.eye(10)}
    for number, value in enumerate(small_net().state_dict().values()):
        if value.ndim > 1:
            for half, part in enumerate(value.chunk(2, dim=1)):
                found[f"layer{number}.{half}"] = part.bfloat16()
    return found


NEAR_COPIES: dict[str, Callable[[], tuple[Callable[[Tensor], Tensor], dict[str, Tensor] | None]]] = {
    "views averaged": lambda: (views, None),
    "a bias in the head": lambda: (lambda x: small_net()(scaled(x)) + torch.linspace(-2, 2, CLASSES), None),
    "one class": lambda: (one_class(plain(small_net())), None),
    "one class, noise": lambda: (one_class(plain(noisy(0.01))), dict(noisy(0.01).state_dict())),
    "one class, fine-tuned": lambda: (one_class(plain(tuned())), dict(tuned().state_dict())),
    "fine-tuned, code with weights in it": lambda: (plain(tuned()), None),
    "rearranged, other answers": lambda: (
        only_photographs(plain(rearranged())),
        dict(rearranged().state_dict()),
    ),
    "pruned, other answers": lambda: (only_photographs(plain(pruned())), dict(pruned().state_dict())),
    "split, other answers": lambda: (only_photographs(views), split()),
}


@pytest.mark.parametrize("name", NEAR_COPIES)
def test_a_near_copy_is_found_and_says_by_what(
    name: str, honest: Answer, test_set: tuple[Tensor, Tensor]
) -> None:
    answer, state = NEAR_COPIES[name]()
    near = printed_of(answer, test_set, state)
    first = printed_of(honest, test_set, dict(small_net().state_dict()))
    flagged = flag_copies([verdict_of("ada", first), verdict_of("ben", near)])
    for verdict, other in zip(flagged, ("ben", "ada"), strict=True):
        (flag,) = verdict.flags
        assert flag.kind == "copy" and flag.message.startswith("much the same network (alike, of 1: ")
        assert f"as 1 other student: {other}; the same code run twice" in flag.message


def test_rearranged_channels_are_the_same_function(test_set: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        few = test_set[0][:20]
        torch.testing.assert_close(plain(rearranged())(few), plain(small_net())(few), rtol=1e-3, atol=1e-3)


def test_trainings_of_the_same_network_are_not_taken_for_copies(
    train_set: tuple[Tensor, Tensor], test_set: tuple[Tensor, Tensor]
) -> None:
    """From other first weights, and from the same ones with the images in another order."""
    prints = []
    for start, order in ((0, 0), (1, 1), (2, 2), (0, 3)):
        torch.manual_seed(start)
        names: Json = {}
        exec(HONEST, names)
        net = names["classifier"]().train()
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        torch.manual_seed(order)
        for _ in range(3):
            for rows in torch.randperm(len(train_set[1])).split(64):
                loss = nn.functional.cross_entropy(net(scaled(train_set[0][rows])), train_set[1][rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        answer = plain(net.eval())
        with torch.no_grad():
            assert (answer(test_set[0]).argmax(1) == test_set[1]).double().mean() > 0.25
        prints.append(printed_of(answer, test_set, dict(net.state_dict())))
    assert not any(v.flags for v in flag_copies([verdict_of(str(n), p) for n, p in enumerate(prints)]))


def test_the_weights_are_read_without_running_the_code(tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    save_file({n: v.contiguous() for n, v in small_net().state_dict().items()}, path)
    code = Code(filename="lab8.py", cells=("import torch\ntorch.cos = lambda x: torch.zeros(1)",))
    with Sandbox() as sandbox:
        for content, is_known in ((path.read_bytes(), True), (b"nonsense", False)):
            path.write_bytes(content)
            weights = Weights(filename=path.name, path=path, format="safetensors")
            with sandbox.student(Submission(student_id="ada", code=code, weights=weights)) as student:
                student.load()
                if not is_known:
                    with pytest.raises(StudentFailure, match="not a safetensors file"):
                        student.sketch()
                    continue
                found = student.sketch()
                assert found is not None
                torch.testing.assert_close(found, sketch(Contents(dict(small_net().state_dict()))))
                assert student.defines("classifier") is False, "the code can be asked again"


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"a": torch.zeros(16, 3, 3, 3)},
        {"a": torch.full((16, 3, 3, 3), torch.nan)},
        {"a": torch.zeros(0, 3, 3, 3), "b": torch.ones(3), "c": torch.ones(4, 4), "d": torch.ones(9, 1, 1)},
        {"a": torch.ones(20, 20, 3, 3, dtype=torch.int64), "b": torch.ones(2, 2, 2, 2)},
    ],
)
def test_weights_without_anything_to_go_by_have_no_sketch(state: dict[str, Tensor]) -> None:
    assert sketch(Contents(state)) is None


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        torch.zeros(3),
        torch.full((copies.WAVES,), torch.nan),
        torch.ones(copies.WAVES, dtype=torch.int64),
    ],
)
def test_a_sketch_that_is_none_is_not_kept(claimed: Tensor | None) -> None:
    assert fingerprints.sketch_of(claimed) == ""


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, 1e300, 0.0])
def test_absurd_logits_are_like_nobodys(
    value: float, honest: Answer, test_set: tuple[Tensor, Tensor]
) -> None:
    answers = torch.full((PROBES, CLASSES), value, dtype=torch.float64)
    answers[0, 0] = 1.0
    prints = [Fingerprint(answers=fingerprints.answers_of(answers)), printed_of(honest, test_set)]
    assert not any(v.flags for v in flag_copies([verdict_of(str(n), p) for n, p in enumerate(prints)]))


@pytest.mark.parametrize("text", ["", "é" * 700, "A" * 10**6, "====", "A" * 684])
def test_a_fingerprint_that_is_none_is_compared_with_nothing(text: str) -> None:
    damaged = Fingerprint(answers=text, sketch=text, errors=text, ranks=text)
    flagged = flag_copies([verdict_of(i, damaged) for i in "ab"])
    assert not any("weights" in f.message or "answers" in f.message for v in flagged for f in v.flags)


# Claims


@pytest.mark.parametrize(
    ("line", "claims"),
    [
        ("Accuracy of the network on the 10000 test images: 55 %", [0.55]),
        ("Test set: Average loss: 0.0286, Accuracy: 9123/10000 (91%)", [0.9123]),
        ("EPOCH: 5, Train loss: 0.21, Test loss: 0.4, Test accuracy: 0.9836", [0.9836]),
        ("Epoch 3/10 train_acc 0.99 test_acc 0.91", [0.91]),
        ("[Epoch 5] acc: 0.99 | test loss 0.4 | test acc 0.91", [0.91]),
        ("{'train_acc': 0.99, 'val_acc': 0.95, 'test_acc': 0.912}", [0.912]),
        ("Test acc tensor(0.9130)", [0.913]),
        ("Test Accuracy: 91", [0.91]),
        ("测试集准确率：91.3％", [0.913]),
        ("训练准确率 0.99 测试准确率 0.91", [0.91]),
        ("best test acc: 95.12% (epoch 37)", [0.9512]),
        ("Test: 100%|####| 10/10 [00:01, acc=0.93]", [0.93]),
        ("train/test acc 0.99/0.91", [0.91]),
        ("train accuracy 0.99", []),
        ("accuracy 0.99", []),
        ("val accuracy 0.99, validation accuracy 99 %, eval on test, train acc 0.9", []),
        ("test accuracy of epoch 5", []),
        ("test loss 0.99", []),
        ("test account 0.99", []),
        ("test accuracy nan", []),
        ("acc " * 50 + "test", []),
    ],
)
def test_what_a_line_claims_of_the_test_images(line: str, claims: list[float]) -> None:
    assert list(claimed_accuracies(line)) == pytest.approx(claims)


@pytest.mark.parametrize(
    ("claims", "is_flagged"),
    [
        (["test acc 0.66"], False),
        (["test acc 0.71"], False),  # inside the interval and what epochs differ by
        (["test acc 0.75"], True),
        (["test acc 0.95", "test acc 0.65"], False),  # the last one counts: another network came before
        (["test acc 0.65", "test acc 0.95"], True),
        (["train acc 0.99", "accuracy 0.99"], False),
        (["test acc 0.30"], False),  # modest
        ([], False),
    ],
)
def test_only_a_claim_clearly_above_the_interval_is_flagged(claims: list[str], is_flagged: bool) -> None:
    accuracy = Accuracy(images=1000, correct=657, accuracy=0.657, low=0.627, high=0.686)
    assert bool(compare_claims(claims, accuracy)) == is_flagged
    assert compare_claims(claims, Accuracy(images=1000, reason="no weights")) == []


def test_of_a_notebooks_outputs_only_lines_with_an_accuracy_are_kept() -> None:
    outputs: list[object] = [
        printed("loss 0.1", "test acc 0.91\rtest acc 0.92", "\x1b[31mtest accuracy\x1b[0m 0.93 \u202e"),
        {"output_type": "execute_result", "data": {"text/plain": "'准确率 0.94'", "image/png": "acc" * 1000}},
        {"output_type": "error", "ename": "accuracy", "traceback": ["acc 1.0"]},
        {"output_type": "stream", "text": {"acc": 1}}, {"data": ["acc"]}, "acc 0.5", None, 7,
    ]  # fmt: skip
    kept = parse_notebook(notebook("x = 1", *outputs).decode()).claims
    assert kept == ("test acc 0.91", "test acc 0.92", "test accuracy 0.93", "'准确率 0.94'")


def test_the_tutorials_mnist_is_not_about_the_classifier() -> None:
    text = notebook("x = 1", printed("test acc 0.98"), before="train(lenet, MNIST('data'))").decode()
    assert parse_notebook(text).claims == ()
    assert parse_notebook(notebook("", printed("MNIST test acc 0.98")).decode()).claims == ()


def test_of_endless_outputs_the_end_is_kept() -> None:
    lines = [f"test acc {n} " + "x" * 1000 for n in range(3000)]
    kept = parse_notebook(notebook("", printed(*lines)).decode()).claims
    assert len(kept) == LINES and all(len(line) <= LINE_CHARACTERS for line in kept)
    assert kept[-1].startswith("test acc 2999")
    text = json.dumps(
        {"cells": [{"cell_type": "code", "source": "", "outputs": "acc"}, {"cell_type": "code"}]}
    )
    assert parse_notebook(text).claims == ()


def test_the_threshold_says_what_the_message_says() -> None:
    (flag,) = judge(Counts(Loss(1000, 1000, 900, 0), STRONG, NOTHING, NOTHING), 1)
    assert f"{100 * DROP:.0f} points" in flag.message


# Code that carries data

REPOSITORY = Path(__file__).parents[1]
LABELS = random.Random(0).choices("0123456789", k=10_000)
BYTES = random.Random(0).randbytes(4_153)  # as many as 10,000 labels need
LETTERS = [chr(0x4E00 + number) for number in random.Random(0).choices(range(2**14), k=2_373)]
PACKED = {
    "digits": f"LABELS = '{''.join(LABELS)}'",
    "a number": f"LABELS = {''.join(LABELS)}",
    "a list": f"LABELS = [{', '.join(LABELS)}]",
    "base64": f"LABELS = '{base64.b64encode(BYTES).decode()}'",
    "base85": f"LABELS = {base64.b85encode(zlib.compress(BYTES)).decode()!r}",
    "bytes": f"LABELS = {BYTES!r}",
    "hexadecimal": f"LABELS = 0x{BYTES.hex()}",
    "Chinese characters": f"LABELS = '{''.join(LETTERS)}'",
    "symbols": f"LABELS = '{''.join(chr(0x2800 + byte) for byte in BYTES)}'",
    "letters": f"LABELS = '{''.join('abcdefghij'[int(label)] for label in LABELS)}'",
    "names": f"LABELS = [{','.join('abcdefghij'[int(label)] for label in LABELS)}]",
    "a comment": f"# {' '.join(LABELS)}",
    "a docstring": f'def f():\n    """Of {base64.b64encode(BYTES).decode()}."""\n',
    "short lines": "\n".join(
        f"# {base64.b64encode(BYTES)[at : at + 60].decode()}" for at in range(0, 5538, 60)
    ),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_the_labels_of_all_test_images_in_the_code_are_flagged(packed: str) -> None:
    flag = carries(Code(filename="lab8.py", cells=(HONEST, packed)))
    assert flag is not None and flag.kind == "code_size"
    assert "numbers and strings that are no words" in flag.message


AUGMENTS = "\n".join(
    f"    SubPolicy(0.{n % 10}, 'shearX', {n % 9}, 0.{n % 7}, 'autocontrast', {n % 5}, (128, 128, 128)),"
    for n in range(75)
)
LOG = "\n".join(f"# Epoch {n}/100 loss {1 / n:.4f} train acc {90 - 50 / n:.2f}" for n in range(1, 101))
TALK = "# 这里先把图片归一化，再做随机裁剪和翻转；学习率从零升到最高点，然后线性降到零，见讲义第八章。\n" * 5
PLOTS = "\n".join(
    f"plt.plot(history['train_loss_{n}'], label='Training loss of run {n}', color='#1f77b4', linewidth=1.5)"
    for n in range(40)
)


@pytest.mark.parametrize(
    "text",
    [
        *(
            (REPOSITORY / "solution" / name).read_text("utf-8")
            for name in ("lab8.py", "lab8_tools.py", "train.py")
        ),
        (REPOSITORY / "solution" / "student_readme.zh.md").read_text("utf-8"),
        (REPOSITORY / "tests" / "mistakes.py").read_text("utf-8"),
        f"POLICIES = [\n{AUGMENTS}\n]",
        LOG,
        TALK,
        PLOTS,
        "# " + "=" * 4000,
        "# ✓ → ≥ ── 🎉 " * 200,
        f"URL = '{'https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz ' * 9}'",
    ],
    ids=lambda text: "",
)
def test_what_people_write_is_no_data(text: str) -> None:
    assert carries(Code(filename="lab8.py", cells=(HONEST, text))) is None


def test_hostile_text_is_measured_in_a_moment() -> None:
    """No way through it is tried twice."""
    for piece in ("a", "aA", "1", "'", " ", "\\", "字", "字，", "A.b(", "\ud800", "#"):
        carries(Code(filename="lab8.py", cells=(piece * (2**20 // len(piece)),)))
