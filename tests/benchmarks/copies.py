"""How often two students' own networks are flagged as copies, and near-copies found: run by hand.

python tests/benchmarks/copies.py train FOLDER [NET …]    an hour or two of one core, once
"""

from __future__ import annotations

import copy
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader import datasets
from grader.integrity import copies, fingerprints
from grader.sandbox.checkpoints import Contents
from grader.sandbox.sketch import sketch
from grader.types import Fingerprint, Verdict

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "solution"), str(ROOT / "tests" / "submissions")]
import lab8  # noqa: E402
import nets  # noqa: E402
from zoo import lenet, linear, scaled  # noqa: E402


def lab_net(source: str) -> nn.Module:
    names: dict[str, object] = {"torch": torch, "nn": nn, "F": F}
    exec(source, names)
    net: nn.Module = names["classifier"]()  # type: ignore[operator]
    return net


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.skip(x))


def residual() -> nn.Module:
    stem = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
    blocks = Residual(16, 32), Residual(32, 64), Residual(64, 64)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Recipe(NamedTuple):
    make: Callable[[], nn.Module]
    images: int
    epochs: int
    rate: float  # 0: the reference's own training
    trainings: int


RECIPES = {
    "linear": Recipe(linear, 20_000, 4, 1e-3, 40),
    "lenet": Recipe(lenet, 30_000, 5, 3e-3, 40),
    "small": Recipe(lambda: lab_net(nets.SMALL_NET), 20_000, 4, 1e-2, 30),
    "residual": Recipe(residual, 10_000, 4, 1e-2, 30),
    "reference": Recipe(lambda: lab8.Classifier("quick"), 10_000, 3, 0.0, 12),
}


class Run(NamedTuple):
    """Of a training: the seed of the first weights, of the images' order, a factor to the rate, a jolt."""

    start: int
    order: int
    rate: float = 1.0
    jolt: float = 0.0  # to the first weights, as large as roundings


def runs(recipe: Recipe) -> dict[str, Run]:
    """Own trainings; then those that begin with the same weights; then other roundings of the first."""
    own = {f"own{seed}": Run(seed, seed) for seed in range(recipe.trainings)}
    start = {f"start{n}": Run(0, 100 + n, rate) for n, rate in enumerate((1.0, 0.5))}
    twins = {"twin0": Run(0, 0, 1.0, 1e-6)}
    return {**own, **start, **twins}


def trained(recipe: Recipe, run: Run, images: Tensor, labels: Tensor) -> nn.Module:
    torch.manual_seed(run.start)
    net = recipe.make()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1 + run.jolt)
    if not recipe.rate:
        lab8.PRESETS["quick"] = net.preset = net.preset._replace(epochs=recipe.epochs)  # type: ignore
        lab8.train_classifier(net, images, labels, device="cpu", seconds=1e6, seed=run.order)
        return net
    torch.manual_seed(run.order)
    fit(net, images, labels, recipe.rate * run.rate, recipe.epochs * (len(images) // 128))
    return net


def fit(net: nn.Module, images: Tensor, labels: Tensor, rate: float, steps: int) -> None:
    """`steps` of Adam with a rate that rises and falls, on shifted and mirrored images."""
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    rows: Tensor = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(rows) < 128:
            rows = torch.randperm(len(images))
        batch, labelled, rows = images[rows[:128]], labels[rows[:128]], rows[128:]
        batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)
        down, right = torch.randint(-2, 3, (2,)).tolist()
        batch = batch.roll((down, right), (2, 3)).contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(net(scaled(batch)), labelled)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()


def train(folder: Path, names: list[str]) -> None:
    """Train what is not there yet."""
    torch.set_num_threads(1)
    images, labels = datasets.load("cifar10", "train", "full")
    test_images, test_labels = datasets.load("cifar10", "test", "full")
    jobs = [(name, *run) for name in names or RECIPES for run in enumerate(runs(RECIPES[name]).items())]
    for name, _, (key, run) in sorted(jobs, key=lambda job: job[1]):
        recipe, path = RECIPES[name], folder / f"{name}-{key}.pt"
        if path.exists():
            continue
        began = time.monotonic()
        net = trained(recipe, run, images[: recipe.images], labels[: recipe.images])
        with torch.no_grad():
            logits = torch.cat([net.eval()(scaled(part)) for part in test_images[:2000].split(250)])
        share = (logits.argmax(1) == test_labels[:2000]).double().mean()
        torch.save(net.state_dict(), path)
        print(f"{path.name}: {share:.1%} right, {time.monotonic() - began:.0f} s", flush=True)


Answer = Callable[[Tensor], Tensor]
State = dict[str, Tensor]


def changed(net: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy whose kernels and matrices are changed so."""
    found = copy.deepcopy(net)
    with torch.no_grad():
        for value in found.parameters():
            if value.ndim > 1:
                value.copy_(change(value))
    return found


def tuned(net: nn.Module, rate: float, images: Tensor, labels: Tensor) -> nn.Module:
    found = copy.deepcopy(net)
    torch.manual_seed(1)
    fit(found, images, labels, rate, 30)
    return found


def views(answer: Answer) -> Answer:
    def found(images: Tensor) -> Tensor:
        padded = F.pad(images.float(), (1, 1, 1, 1), mode="reflect").to(torch.uint8)
        moved = (images, padded[:, :, :32, :32], padded[:, :, 2:, 2:])
        return torch.stack([answer(some) + answer(some.flip(3)) for some in moved]).mean(0)

    return found


def one_class(answer: Answer) -> Answer:
    return lambda images: F.one_hot(answer(images).argmax(1), 10).float()


def near_copies(net: nn.Module, other: nn.Module, prepare: Answer) -> dict[str, tuple[Answer, State]]:
    """What may be made of `net`: a network, and its file. `other` is the copyist's own of the same kind."""
    images, labels = datasets.load("cifar10", "train", "mini")
    generator = torch.Generator().manual_seed(0)

    def noise(share: float) -> nn.Module:
        return changed(net, lambda x: x + share * x.std() * torch.randn(x.shape, generator=generator))

    def of(some: nn.Module) -> Answer:
        return lambda images: some.eval()(prepare(images))

    plain, no_file = of(net), State()
    eighth = changed(net, lambda x: (127 * x / x.abs().max()).round() * x.abs().max() / 127)
    pruned = changed(net, lambda x: torch.where(x.abs() < x.abs().flatten()[:100_000].quantile(0.1), 0, x))
    fine, coarse = (tuned(net, rate, images, labels) for rate in (5e-4, 2e-3))
    own = dict(other.named_parameters())
    mixed = copy.deepcopy(net)
    with torch.no_grad():
        for name, value in mixed.named_parameters():
            value.mul_(0.9).add_(0.1 * own[name])
    found = {
        "six views averaged": (views(plain), no_file),
        "a bias in the head": (lambda images: plain(images) + torch.linspace(-1.5, 1.5, 10), no_file),
        "one class": (one_class(plain), no_file),
        "one class, six views": (one_class(views(plain)), no_file),
        "averaged with an own network's logits": (lambda images: plain(images) + of(other)(images), no_file),
        "noise 1 %": (of(noise(0.01)), noise(0.01).state_dict()),
        "noise 5 %": (of(noise(0.05)), noise(0.05).state_dict()),
        "8 bits": (of(eighth), eighth.state_dict()),
        "pruned 10 %": (of(pruned), pruned.state_dict()),
        "30 steps at a low rate": (of(fine), fine.state_dict()),
        "30 steps at a high rate": (of(coarse), coarse.state_dict()),
        "0.9 of it, 0.1 of an own": (of(mixed), mixed.state_dict()),
    }
    return found


def printed(answer: Answer, state: State, test: tuple[Tensor, Tensor]) -> Fingerprint:
    with torch.no_grad():
        logits = torch.cat([answer(part) for part in test[0].split(100)]).double()
        unlike = answer(fingerprints.unlike_images()).double()
    return Fingerprint(
        ranks=fingerprints.ranks_of(logits),
        errors=fingerprints.errors_of(logits, test[1]),
        answers=fingerprints.answers_of(unlike),
        sketch=fingerprints.sketch_of(sketch(Contents(state))) if state else "",
    )


def likeness(one: Fingerprint, other: Fingerprint) -> dict[str, float]:
    return copies.alike([one, other], dict.fromkeys(copies.THRESHOLDS, -2.0))[0].get(1, {})


def rates(folder: Path) -> None:
    """Print how alike independent networks are, with the tail of a normal distribution beyond, and copies."""
    torch.set_num_threads(1)
    test = datasets.load("cifar10", "test", "mini")
    networks: dict[str, nn.Module] = {}
    for path in sorted(folder.glob("*-*.pt")):
        networks[path.stem] = RECIPES[path.stem.split("-")[0]].make().eval()
        networks[path.stem].load_state_dict(torch.load(path))
    prepares = {name: scaled if RECIPES[name].rate else lab8.preprocess for name in RECIPES}
    prints = {}
    for key, net in networks.items():
        prepare = prepares[key.split("-")[0]]
        prints[key] = printed(lambda x, net=net, prepare=prepare: net(prepare(x)), net.state_dict(), test)  # type: ignore[misc]
    pairs: dict[str, list[dict[str, float]]] = {}
    for one, other in itertools.combinations(networks, 2):
        (kind, run), (other_kind, other_run) = one.split("-"), other.split("-")
        runs_ = {run.rstrip("0123456789"), other_run.rstrip("0123456789")}
        if kind != other_kind:
            group = "different networks"
        elif runs_ == {"own"}:
            group = f"{kind}, trained apart"
        elif "own0" in (run, other_run):
            group = f"{kind}, " + ("same first weights" if "start" in runs_ else "same seed, other roundings")
        else:
            continue
        pairs.setdefault(group, []).append(likeness(prints[one], prints[other]))
    for group, found in pairs.items():
        show(group, found)
        for what, threshold in copies.THRESHOLDS.items():
            values = [one[what] for one in found if what in one]
            if len(values) > 2:
                beyond = statistics.NormalDist(statistics.mean(values), statistics.stdev(values) + 1e-9)
                print(f"{'':45}{what}: {1 - beyond.cdf(threshold):.1e} of pairs, by a normal distribution")
    table: dict[str, list[dict[str, float]]] = {}
    for kind in RECIPES:
        if {f"{kind}-own0", f"{kind}-own1"} <= networks.keys():
            net, other_net = networks[f"{kind}-own0"], networks[f"{kind}-own1"]
            for name, (answer, state) in near_copies(net, other_net, prepares[kind]).items():
                near = printed(answer, state, test)
                table.setdefault(name, []).append(likeness(prints[f"{kind}-own0"], near))
    for name, found in table.items():
        show(name, found)


def show(group: str, found: list[dict[str, float]]) -> None:
    flagged = sum(any(one[what] >= copies.THRESHOLDS[what] for what in one) for one in found)
    print(f"{group:39} {flagged:3} of {len(found):3} flagged; least to most:", end="")
    for what in copies.THRESHOLDS:
        if values := [one[what] for one in found if what in one]:
            print(f" {what} {min(values):.2f}-{max(values):.2f}", end="")
    print(flush=True)


def cost() -> None:
    """Compare 1,000 made-up students with each other, as an export does."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)

    def made_up(number: int) -> Verdict:
        logits = torch.randn(1000, 10, generator=generator, dtype=torch.float64)
        print_ = Fingerprint(
            ranks=fingerprints.ranks_of(logits),
            errors=fingerprints.errors_of(logits, torch.randint(10, (1000,), generator=generator)),
            answers=fingerprints.answers_of(logits[: copies.PROBES]),
            sketch=fingerprints.sketch_of(torch.randn(copies.WAVES, generator=generator)),
        )
        some = {"student_id": str(number), "status": "graded", "total": None, "out_of": 104}
        return Verdict(**some, fingerprint=print_)  # type: ignore[arg-type]

    verdicts = [made_up(number) for number in range(1000)]
    size = len(verdicts[0].fingerprint.model_dump_json())
    began = time.process_time()
    flagged = sum(bool(verdict.flags) for verdict in copies.flag_copies(verdicts))
    seconds = time.process_time() - began
    print(f"{seconds:.1f} s of CPU time, {flagged} flagged, {size:,} bytes a fingerprint")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", folder, *names]:
            train(Path(folder), names)
        case ["rates", folder]:
            rates(Path(folder))
        case ["cost"]:
            cost()
        case _:
            sys.exit(__doc__)
