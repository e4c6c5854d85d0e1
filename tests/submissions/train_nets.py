"""Trains the sample class's small networks: `python tests/submissions/train_nets.py [STUDENT …]`, by hand.

Needs the complete CIFAR-10 (`grader data fetch`). Each network is trained by its student's own
train_classifier, on 10,000 images, with a seed of its own. The files that it writes into weights/ are named
after the students; `other.pt` is for a network that 12210007 does not hand in, whole_model.pt a pickled module
instead of a state dict. `small` and `tutorial`, which tests use, are trained on all images; all of it takes
a quarter of an hour.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType

import make_class
import nets
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from grader.datasets import Size, load

WEIGHTS = Path(__file__).parent / "weights"
IMAGES = 10_000
NO_WEIGHTS = ("12210008", "12210010")  # 12210010 has those of 12210006
HEAD = "import time\nimport torch\nimport torch.nn.functional as F\nfrom torch import Tensor, nn\n"


def trained(source: str, seed: int, count: int | None = IMAGES) -> nn.Module:
    """Train the network of that source text, and print how many test images it gets right."""
    lab8 = ModuleType("lab8")
    sys.modules["lab8"] = lab8  # where a pickled network will look for its class
    exec(source, vars(lab8))
    images, labels = load("cifar10", "train", "full")
    torch.manual_seed(seed)
    model: nn.Module = lab8.classifier()
    began = time.perf_counter()
    lab8.train_classifier(model, images[:count], labels[:count], device="cpu", seconds=3600, seed=seed)
    model.eval()
    numbers = sum(parameter.numel() for parameter in model.parameters())
    print(f"{numbers:,} parameters, {time.perf_counter() - began:.0f} s", end="", flush=True)
    sizes: tuple[Size, ...] = ("full", "mini")
    for size in sizes:
        test_images, test_labels = load("cifar10", "test", size)
        with torch.no_grad():
            logits = torch.cat([model(lab8.preprocess(batch)) for batch in test_images.split(500)])
        print(f", {int((logits.argmax(1) == test_labels).sum())} of {len(test_labels)} right", end="")
    print(flush=True)
    return model


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


def train_student(student: str, number: int) -> None:
    """Write what the student hands in."""
    choice = make_class.OTHER_NETWORK if student == "other" else make_class.CHOICES[student]
    model = trained(make_class.work(choice), seed=number)
    state = state_of(model)
    if student == "12210023":
        torch.save(model, WEIGHTS / "whole_model.pt")
    elif student in ("12210003", "other"):
        torch.save(state, WEIGHTS / f"{student}.pt")
    else:
        if student == "12210011":  # one class too few
            state |= {name: state[name][:9].clone() for name in list(state)[-2:]}
        save_file(state, WEIGHTS / f"{student}.safetensors")


def main(names: list[str]) -> None:
    """Train those, or all."""
    torch.set_num_threads(1)
    students = [student for student in make_class.CHOICES if student not in NO_WEIGHTS]
    for number, student in enumerate([*students, "other"]):
        if not names or student in names:
            print(student, end=": ")
            train_student(student, number)
    if not names or "small" in names:
        save_file(
            state_of(trained(HEAD + nets.PREPROCESS + nets.SMALL_NET + nets.TRAIN, 0, None)),
            WEIGHTS / "small_net.safetensors",
        )
    if not names or "tutorial" in names:
        tutorial = trained(HEAD + nets.PREPROCESS + nets.TUTORIAL_NET + nets.TRAIN, 0, None)
        torch.save(tutorial.state_dict(), WEIGHTS / "tutorial_net.pt")


if __name__ == "__main__":
    main(sys.argv[1:])
