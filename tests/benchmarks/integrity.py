"""How often honest networks are flagged, and dishonest ones caught: run by hand.

    python tests/benchmarks/integrity.py train FOLDER     some hours of one core, once
    python tests/benchmarks/integrity.py rates FOLDER     minutes
    python tests/benchmarks/integrity.py cost             what the looks add to the accuracy's time
    python tests/benchmarks/integrity.py again SUBMISSION SEED [mini|full]   a flag's seed, repeated

`train` needs the complete CIFAR-10. It trains small networks, honest ones with and without
augmentation, overfitted ones, ones that never saw the first training images, and dishonest ones that
saw the test images, and keeps their weights in FOLDER. `rates` measures each on all images as they are and
changed (results kept in FOLDER too), then draws students: a draw resamples the images, takes the first
look and, where that is out of the ordinary, the second, with the grader's own bounds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from grader import datasets
from grader.integrity.changes import changed
from grader.integrity.network import (
    FIRST_LEAST,
    FIRST_SHARE,
    SECOND_LEAST,
    SECOND_SHARE,
    Look,
    is_out_of_the_ordinary,
    judge,
)

ROOT = Path(__file__).parents[2]
DRAWS = 20_000
Net = tuple[nn.Module, Callable[[Tensor], Tensor]]
Bits = npt.NDArray[np.bool_]


def scaled(images: Tensor) -> Tensor:
    return (images.float() / 255 - 0.5) / 0.25


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 256), nn.ReLU(), nn.Linear(256, 10))


def lenet() -> nn.Module:
    first = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
    last = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*first, nn.Flatten(), *last)


def normed() -> nn.Module:
    """Three convolutions with batch norm, 43 thousand parameters."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(3, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Linear(1024, 10))


# name: (network, training images, test images trained on as well, epochs, learning rate, augmented)
ZOO: dict[str, tuple[Callable[[], nn.Module], slice, slice, int, float, bool]] = {
    "linear": (linear, slice(None), slice(0), 3, 2e-3, False),
    "mlp": (mlp, slice(None), slice(0), 6, 1e-3, False),
    "mlp_overfit": (mlp, slice(10_000), slice(0), 20, 1e-3, False),
    "lenet_overfit": (lenet, slice(8_000), slice(0), 40, 3e-3, False),
    "lenet_tail": (lenet, slice(30_000, None), slice(0), 8, 3e-3, False),  # no embedded training image
    "normed_aug": (normed, slice(None), slice(0), 5, 1e-2, True),
    "normed_overfit": (normed, slice(10_000), slice(0), 8, 1e-2, False),
    "normed_tail": (normed, slice(40_000, None), slice(0), 8, 1e-2, True),
    "cheat_test": (normed, slice(0), slice(None), 8, 1e-2, False),
    "cheat_both": (normed, slice(6_000), slice(6_000), 10, 1e-2, False),
}


def train(folder: Path) -> None:
    """Train what is not there yet."""
    torch.set_num_threads(1)
    images, labels = datasets.load("cifar10", "train", "full")
    test_images, test_labels = datasets.load("cifar10", "test", "full")
    for name, (make, some, tests, epochs, rate, augmented) in ZOO.items():
        if (folder / f"{name}.pt").exists():
            continue
        x, y = torch.cat([images[some], test_images[tests]]), torch.cat([labels[some], test_labels[tests]])
        torch.manual_seed(0)
        net = make().train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
        steps = len(x) // 128
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps * epochs + 1)
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(128)[:steps]:
                batch = x[rows]
                if augmented:
                    batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)
                    down, right = torch.randint(0, 5, (2,)).tolist()
                    padded = F.pad(batch.float(), (2, 2, 2, 2), mode="reflect")
                    batch = padded[:, :, down : down + 32, right : right + 32]
                loss = F.cross_entropy(net(scaled(batch)), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        torch.save(net.state_dict(), folder / f"{name}.pt")
        print(f"{name}: trained on {len(x):,} images", flush=True)


def networks(folder: Path) -> dict[str, Net]:
    """The trained ones, the reference and the sample class's two."""
    sys.path[:0] = [str(ROOT / "solution"), str(ROOT / "tests" / "submissions")]
    import lab8
    import nets

    reference = lab8.classifier()
    reference.load_state_dict(load_file(ROOT / "solution" / "classifier.safetensors"))
    found: dict[str, Net] = {"reference": (reference, lab8.preprocess)}
    weights = ROOT / "tests" / "submissions" / "weights"
    for name, source, state in (
        ("small", nets.SMALL_NET, load_file(weights / "small_net.safetensors")),
        ("tutorial", nets.TUTORIAL_NET, torch.load(weights / "tutorial_net.pt")),
    ):
        names: dict[str, object] = {"torch": torch, "nn": nn, "F": F}
        exec(source, names)
        net = names["classifier"]()  # type: ignore[operator]
        net.load_state_dict(state)
        found[name] = net, scaled
    for name, (make, *_) in ZOO.items():
        if (folder / f"{name}.pt").exists():
            net = make()
            net.load_state_dict(torch.load(folder / f"{name}.pt"))
            found[name] = net, scaled
    return found


def results(net: Net, folder: Path, name: str) -> dict[str, Bits]:
    """Per image, whether it is answered rightly: `test`, `control`, each `_changed`, of both sizes."""
    path = folder / f"{name}.npz"
    if path.exists():
        return dict(np.load(path))
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Bits] = {}
    model, prepare = net
    model.eval()
    for size in ("mini", "full"):
        for split in ("test", "train"):
            images, labels = datasets.load("cifar10", split, size)
            rows = torch.randperm(len(labels), generator=generator)[:10_000]
            for key, batch in (("", images[rows]), ("_changed", changed(images[rows], generator))):
                with torch.no_grad():
                    logits = torch.cat([model(prepare(part)) for part in batch.split(250)])
                found[f"{size}_{split}{key}"] = (logits.argmax(1) == labels[rows]).numpy()
    np.savez_compressed(path, **found)  # type: ignore[arg-type]
    return found


def flagged(pairs: npt.NDArray[np.float64], control: float, images: int, draws: int = DRAWS) -> list[float]:
    """The shares of draws that get a second look, a flag for the drop, one for the test images, any flag.

    `pairs` are the shares of test images that are right as they are and changed, only as they
    are, only changed, never; `control` the share of changed training images that are right.
    """
    random = np.random.default_rng(0)
    counts = np.zeros(4)

    def look(count: int) -> Look:
        both, lost, won, _ = random.multinomial(count, pairs)
        return Look(count, both + lost, lost, won, count, random.binomial(count, control))

    for _ in range(draws):
        if is_out_of_the_ordinary(look(max(FIRST_LEAST, round(FIRST_SHARE * images)))):
            kinds = {flag.kind for flag in judge(look(max(SECOND_LEAST, round(SECOND_SHARE * images))), 0)}
            counts += (True, "changed_images" in kinds, "test_above_training" in kinds, bool(kinds))
    found: list[float] = (counts / draws).tolist()
    return found


def shares(before: Bits, after: Bits) -> npt.NDArray[np.float64]:
    kinds = (before & after, before & ~after, ~before & after, ~before & ~after)
    return np.array([kind.mean() for kind in kinds])


HEAD = f"{'':26}{'clean':>7}{'changed':>8}{'train':>7}{'train ch.':>10}  second look, drop, above, any (%)"


def rates(folder: Path) -> None:
    """Print, for each network and for made-up ones, how often it would be flagged."""
    print(HEAD)
    for name, net in networks(folder).items():
        found = results(net, folder, name)
        for size, images in (("mini", 1000), ("full", 10_000)):
            before, after = found[f"{size}_test"], found[f"{size}_test_changed"]
            train_after = found[f"{size}_train_changed"].mean()
            row = flagged(shares(before, after), train_after, images)
            cells = [before.mean(), after.mean(), found[f"{size}_train"].mean(), train_after]
            show(f"{name} ({size})", cells, row)
    print("honest at the edge: loses 2 points, knows its training images no better than the test images")
    for share in (0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95):
        flips = 0.12 * (1 - share) / 0.6  # what was seen: fewer answers change where fewer are wrong
        pairs = np.array([share - 0.02 - flips, 0.02 + flips, flips, 0.0])
        pairs[3] = max(0.0, 1 - pairs.sum())
        for size, images in (("mini", 1000), ("full", 10_000)):
            cells = [share, share - 0.02, share, share - 0.02]
            show(f"{share:.0%} ({size})", cells, flagged(pairs, share - 0.02, images))
    print("a table that mends an honest network's errors, or knows test images whatever the change")
    for honest, lifted in ((0.66, 0.70), (0.66, 0.75), (0.66, 0.85), (0.90, 0.95), (0.90, 1.0)):
        for size, images in (("mini", 1000), ("full", 10_000)):
            won = min(0.04, 0.4 * (1 - lifted))
            for kind, changed_too in (("exact", honest - 0.01), ("robust", lifted - 0.01)):
                pairs = np.array([changed_too - won, lifted - changed_too + won, won, 0.0])
                pairs[3] = max(0.0, 1 - pairs.sum())
                row = flagged(pairs, honest - 0.01, images, DRAWS // 10)
                show(f"{kind} table ({size})", [lifted, changed_too, honest, honest - 0.01], row)


def show(name: str, cells: list[float], row: list[float]) -> None:
    before, after, trained, trained_after = (f"{100 * cell:.1f}" for cell in cells)
    print(f"{name:26}{before:>7}{after:>8}{trained:>7}{trained_after:>10}  ", end="")
    print("  ".join(f"{100 * share:6.3f}" for share in row), flush=True)


def cost() -> None:
    """Print what the looks add to the time that the reference's accuracy takes."""
    from grader.accuracy import measure
    from grader.integrity.network import examine_network
    from grader.sandbox import Slot
    from grader.types import Code, Submission, Weights

    torch.set_num_threads(1)
    path = ROOT / "solution" / "classifier.safetensors"
    source = (ROOT / "solution" / "lab8.py").read_text("utf-8")
    submission = Submission(
        student_id="benchmark",
        code=Code(filename="lab8.py", cells=(source,)),
        weights=Weights(filename=path.name, path=path, format="safetensors"),
    )
    with Slot(threads=1) as slot:
        for size in ("mini", "full"):
            test = datasets.load("cifar10", "test", size)
            control = datasets.load("cifar10", "train", size)
            with slot.student(submission) as student:
                accuracy, network = measure(student, *test)
                if network is None:
                    sys.exit(accuracy.reason)
                for seed in range(3):
                    began = time.monotonic()
                    flags = examine_network(network, accuracy, test, control, seed=seed)
                    looked = time.monotonic() - began
                    share = f"{looked / network.elapsed:.1%} of the accuracy's {network.elapsed:.2f} s"
                    print(f"{size}: {looked:.2f} s, {share}, {len(flags)} flags", flush=True)


def again(source: Path, seed: int, images: str) -> None:
    """Take the looks that a flag's seed stands for once more, and print the flags."""
    from grader.accuracy import measure
    from grader.intake import read_submissions
    from grader.integrity.examine import control_images
    from grader.integrity.network import examine_network
    from grader.sandbox import Slot

    test, control = datasets.load_labelled(images), control_images(images)
    with tempfile.TemporaryDirectory() as workdir, Slot() as slot:
        for submission in read_submissions(source, Path(workdir)):
            with slot.student(submission) as student:
                accuracy, network = measure(student, *test)
                flags = examine_network(network, accuracy, test, control, seed=seed) if network else []
                for flag in flags:
                    print(f"{submission.student_id}: {flag.kind}: {flag.message}")
                print(f"{submission.student_id}: {len(flags)} flags {accuracy.reason}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", folder]:
            train(Path(folder))
        case ["rates", folder]:
            rates(Path(folder))
        case ["cost"]:
            cost()
        case ["again", source, seed]:
            again(Path(source), int(seed), "full")
        case ["again", source, seed, images]:
            again(Path(source), int(seed), images)
        case _:
            sys.exit(__doc__)
