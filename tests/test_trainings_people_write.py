"""Whether `train_classifier` learns: honest trainings of every kind pass, and what teaches nothing fails.

All of it runs in a real sandbox, on the images and with the seconds that a class is graded with.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable

import pytest
import torch
from students import submission
from torch import Tensor

from grader import datasets
from grader.expect import CheckFailed
from grader.labs.lab8.learning import CLASSES, _touched, expect_learns
from grader.sandbox import Limits, Sandbox

torch.set_num_threads(1)
EACH = 25

HEAD = """
import copy, time
import torch
from torch import nn
from torch.nn import functional as F

def preprocess(images):
    return images.float() / 255 - 0.5

class LeNet(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
            nn.Linear(84, 10))

class Scaled(nn.Module):
    def forward(self, x):
        return x * 1e-6

def classifier():
    return NETWORK

def train_classifier(model, images, labels, *, device, seconds, seed):
    start = time.time()
    torch.manual_seed(seed)
    model.to(device)
"""
LOOP = """
    optimizer = OPTIMIZER
    for step in range(STEPS):
        rows = torch.randperm(len(images))[:BATCH]
        model.train()
        loss = F.cross_entropy(model(preprocess(images[rows])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if time.time() - start > 0.9 * seconds: break
    model.eval()
    return {"loss": [loss.item()]}
"""
ADAM = "torch.optim.Adam(model.parameters(), 1e-3)"
SMALL = "nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Linear(32, 10))"


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(limits=Limits(call_seconds=5))


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, Tensor]:
    """25 training images of each class, in turn."""
    images, labels = datasets.load_training("cifar10", "mini")
    rows = [(labels == label).nonzero().flatten()[:EACH] for label in range(CLASSES)]
    order = torch.stack(rows, dim=1).flatten()
    return images[order], labels[order]


def ask(sandbox: Sandbox, pictures: tuple[Tensor, Tensor], body: str, network: str, top: str = "") -> None:
    """Raises CheckFailed where nothing is learnt."""
    code = HEAD.replace("NETWORK", network) + textwrap.indent(textwrap.dedent(body), "    ")
    with sandbox.student(submission(textwrap.dedent(top) + code)) as student:
        expect_learns(student, *pictures, random.Random(1))


def loop(optimizer: str = ADAM, steps: int = 100, batch: int = 64) -> str:
    return LOOP.replace("OPTIMIZER", optimizer).replace("STEPS", str(steps)).replace("BATCH", str(batch))


AUTOCAST = "with torch.autocast(device_type=device, dtype=torch.bfloat16):\n            loss ="
AUX = """
import torch
from torch import nn

class Aux(nn.Module):
    def __init__(self):
        super().__init__()
        self.main, self.aux = nn.Linear(192, 10), nn.Linear(192, 10)

    def forward(self, x):
        x = nn.functional.avg_pool2d(x, 4).flatten(1)
        return (self.main(x), self.aux(x)) if self.training else self.main(x)

"""
AUX_LOSS = "sum(F.cross_entropy(logits, labels[rows]) for logits in model(preprocess(images[rows])))"
LOSS = "F.cross_entropy(model(preprocess(images[rows])), labels[rows])"
LOADER = """
    from torch.utils.data import DataLoader, TensorDataset
    data = TensorDataset(images, labels)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    losses = []
    for epoch in range(6):
        for some, right in DataLoader(data, batch_size=512, shuffle=True, drop_last=True):
            loss = F.cross_entropy(model(preprocess(some)), right)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return {"loss": losses}
"""
# The first step teaches, and those after it disturb all that was learnt.
FIRST_STEP = """
    optimizer = torch.optim.SGD(model.parameters(), 0.3)
    for step in range(50):
        loss = F.cross_entropy(model(preprocess(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step:
            with torch.no_grad():
                for parameter in model.parameters(): parameter.normal_()
        time.sleep(0.6)
        if time.time() - start > 0.9 * seconds: break
"""
# name: (the training, the network, what stands above)
LEARN: dict[str, tuple[str, str, str]] = {
    "the device as a string": (
        "assert device.startswith('cpu') and {'cpu': 1}[device]\n" + textwrap.dedent(loop()),
        SMALL,
        "",
    ),
    "the device for autocast": (loop().replace("loss =", AUTOCAST, 1), SMALL, ""),
    "display and clear_output": (
        "from IPython.display import clear_output\ndisplay('epoch 1')\nclear_output(wait=True)\n"
        "get_ipython().run_line_magic('matplotlib', 'inline')\n" + textwrap.dedent(loop()),
        SMALL,
        "",
    ),
    "auxiliary logits in training mode": (loop().replace(LOSS, AUX_LOSS), "Aux()", AUX),
    "small steps, batches of 4": (
        loop("torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)", 10**6, 4),
        "LeNet()",
        "",
    ),
    "all images by heart": (loop(ADAM, 600), "LeNet()", ""),
    "plain SGD": (loop("torch.optim.SGD(model.parameters(), 0.01)", 10**6), "LeNet()", ""),
    "half of it dropped out": (loop(ADAM, 200), SMALL.replace("nn.ReLU()", "nn.ReLU(), nn.Dropout()"), ""),
    "a first step that learns": (FIRST_STEP, "nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))", ""),
    "batches larger than the set, the last one dropped": (LOADER, SMALL, ""),
    "hundreds of steps, for a network that has learnt nothing by then": (
        loop("torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)", 60),
        f"nn.Sequential({SMALL}, Scaled())",
        "",
    ),
}


SLOW = {"small steps, batches of 4", "plain SGD", "a first step that learns"}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in SLOW)) for case in LEARN]
)
def test_a_training_that_learns_passes(sandbox: Sandbox, pictures: tuple[Tensor, Tensor], case: str) -> None:
    ask(sandbox, pictures, *LEARN[case])


DISTURB = "with torch.no_grad():\n    for p in model.parameters(): p.add_(torch.randn_like(p) * {})\n"
IDLE = "left the model given as it was"
NOT_LEARNT = "did not learn them"
# name: (the training, why it fails)
LEARN_NOT: dict[str, tuple[str, str]] = {
    "nothing": ("return {}", IDLE),
    "another model": (loop().replace("optimizer =", "model = classifier()\n    optimizer =", 1), IDLE),
    "a copy": (loop().replace("optimizer =", "model = copy.deepcopy(model)\n    optimizer =", 1), IDLE),
    "weights disturbed a little": (DISTURB.format(0.05), NOT_LEARNT),
    "weights disturbed much": (DISTURB.format(1), NOT_LEARNT),
    "weights drawn anew": (
        "for m in model.modules():\n    if hasattr(m, 'reset_parameters'): m.reset_parameters()",
        NOT_LEARNT,
    ),
    "weights by the seconds": (
        "torch.manual_seed(0)\n" + DISTURB.format("seconds / 10"),
        NOT_LEARNT,
    ),
    "labels that are mixed up": (loop().replace("labels[rows]", "labels[rows.flip(0)]"), NOT_LEARNT),
    "a single class": (loop().replace("labels[rows]", "labels[rows] * 0"), NOT_LEARNT),
    "a step in the wrong direction": (
        loop("torch.optim.SGD(model.parameters(), 0.05)", 20).replace("loss.backward", "(-loss).backward"),
        NOT_LEARNT,
    ),
    "the classes as they are, whatever the labels": (
        loop().replace("rows = ", "labels = torch.arange(len(images)) % 10\n        rows = "),
        NOT_LEARNT,
    ),
}


@pytest.mark.parametrize("case", LEARN_NOT)
def test_what_teaches_nothing_fails(
    sandbox: Sandbox, pictures: tuple[Tensor, Tensor], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.labs.lab8.learning.SPARE_SECONDS", 580.0)  # without the longest two tries
    body, reason = LEARN_NOT[case]
    with pytest.raises(CheckFailed) as caught:
        ask(sandbox, pictures, body, SMALL)
    assert reason in caught.value.reason


def test_what_is_asked_about_learning_cannot_be_foreseen(pictures: tuple[Tensor, Tensor]) -> None:
    """The cases come from the submission's digest, which its process could work out; the noise does not."""
    images = pictures[0]
    first, second = _touched(images), _touched(images)
    assert not torch.equal(first, second)
    assert (first.int() - images.int()).abs().max() == 1
