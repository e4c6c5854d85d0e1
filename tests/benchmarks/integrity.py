"""How often honest networks are flagged, and dishonest ones caught: run by hand.

    python tests/benchmarks/integrity.py train FOLDER     an hour of one core, once
    python tests/benchmarks/integrity.py rates FOLDER     minutes
    python tests/benchmarks/integrity.py cost             what the looks add to the accuracy's time
    python tests/benchmarks/integrity.py again SUBMISSION SEED [mini|full]   a flag's seed, repeated

`train` needs the complete CIFAR-10. It trains the networks of zoo.py and keeps their weights in FOLDER.
`rates` asks each for images as they are and changed (results kept in FOLDER too), and tables that find the
nearest stored image likewise; then it draws students: a draw resamples the images, as many of each kind
as the grader asks for, and is judged by the grader's own thresholds.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
import zoo
from safetensors.torch import load_file
from torch import Tensor, nn

from grader import datasets
from grader.integrity import network
from grader.integrity.changes import changed, changed_strongly
from grader.integrity.network import Counts, Gap, Loss, judge

ROOT = Path(__file__).parents[2]
DRAWS = 20_000
MOST = 10_000  # images of each kind that a network is asked for
KINDS = ("small", "strong", "as they are", "changed")
Answer = Callable[[Tensor], Tensor]  # images uint8 (N, 3, 32, 32) to classes (N,)
Bits = npt.NDArray[np.bool_]
Sets = dict[str, tuple[Tensor, Tensor]]  # "mini_test" and so on, to images and labels


def of_network(model: nn.Module, prepare: Callable[[Tensor], Tensor]) -> Answer:
    return lambda images: model(prepare(images)).argmax(1)


def features(images: Tensor) -> Tensor:
    """Thumbnails without their brightness and contrast."""
    small = F.avg_pool2d(images.float(), 4).flatten(1)
    return F.normalize(small - small.mean(1, keepdim=True))


def nearest(images: Tensor, labels: Tensor, *, otherwise: Answer | None = None, near: float = 0.0) -> Answer:
    """A table: the label of the nearest stored image, mirrored or not; `otherwise` where none is near."""
    stored = torch.cat([features(images), features(images.flip(3))])
    doubled = torch.cat([labels, labels])

    def answer(asked: Tensor) -> Tensor:
        alike, which = (features(asked) @ stored.T).max(1)
        found = doubled[which]
        return found if otherwise is None else torch.where(alike > near, found, otherwise(asked))

    return answer


def answers(folder: Path) -> Iterator[tuple[str, Answer]]:
    """All that is asked: the reference, the sample class's two, the trained ones, and tables."""
    sys.path[:0] = [str(ROOT / "solution"), str(ROOT / "tests" / "submissions")]
    import lab8
    import nets

    reference = lab8.classifier().eval()
    reference.load_state_dict(load_file(ROOT / "solution" / "classifier.safetensors"))
    yield "reference", of_network(reference, lab8.preprocess)
    weights = ROOT / "tests" / "submissions" / "weights"
    for name, source, state in (
        ("small", nets.SMALL_NET, load_file(weights / "small_net.safetensors")),
        ("tutorial", nets.TUTORIAL_NET, torch.load(weights / "tutorial_net.pt")),
    ):
        names: dict[str, object] = {"torch": torch, "nn": nn, "F": F}
        exec(source, names)
        net = names["classifier"]()  # type: ignore[operator]
        net.load_state_dict(state)
        yield name, of_network(net.eval(), zoo.scaled)
    honest = None
    for name in zoo.ZOO:
        if (folder / f"{name}.pt").exists():
            yield name, of_network(zoo.load(folder, name), zoo.scaled)
            honest = honest or of_network(zoo.load(folder, name), zoo.scaled)
    training, test = datasets.load("cifar10", "train", "full"), datasets.load("cifar10", "test", "full")
    both = torch.cat([training[0], test[0]]), torch.cat([training[1], test[1]])
    yield "nearest of 50,000", nearest(*training)
    yield "x_nearest of 10,000", nearest(*test)
    yield "x_nearest of 60,000", nearest(*both)
    mixed = of_network(zoo.load(folder, "vgg_aug"), zoo.scaled)
    yield "x_nearest, else vgg", nearest(*both, otherwise=mixed, near=0.9)
    yield "x_a third, else vgg", nearest(both[0][::3], both[1][::3], otherwise=mixed, near=0.95)


def asked_of_all() -> Sets:
    """The images of each kind and size, drawn once."""
    g = torch.Generator().manual_seed(0)
    found: Sets = {}
    for size in ("mini", "full"):
        for split in ("test", "train"):
            images, labels = datasets.load("cifar10", split, size)
            rows = torch.randperm(len(labels), generator=g)[:MOST]
            images, labels = images[rows], labels[rows]
            found[f"{size}_{split}"] = images, labels
            found[f"{size}_{split}_small"] = changed(images, g), labels
            if split == "test":
                found[f"{size}_{split}_strong"] = changed_strongly(images, g), labels
    return found


def results(answer: Answer, folder: Path, name: str, sets: Sets) -> dict[str, Bits]:
    """Per image of each set, whether it is answered rightly."""
    path = folder / f"{name}.npz"
    if not path.exists():
        with torch.no_grad():
            found = {
                key: torch.cat([answer(part) for part in images.split(250)]) == labels
                for key, (images, labels) in sets.items()
            }
        np.savez_compressed(path, **{key: bits.numpy() for key, bits in found.items()})  # type: ignore[arg-type]
    return dict(np.load(path))


def flagged(bits: dict[str, Bits], size: str, images: int, draws: int) -> Counter[str]:
    """In how many of the draws there is a flag, and of which kind."""
    random = np.random.default_rng(0)
    test, small, strong = (bits[f"{size}_test{kind}"] for kind in ("", "_small", "_strong"))
    control, control_changed = bits[f"{size}_train"].mean(), bits[f"{size}_train_small"].mean()
    few, strongly, controls, of_changed = (
        max(round(share * images), least)
        for share, least in (network.SMALL, network.STRONG, network.CONTROL, network.CONTROL_CHANGED)
    )

    def loss(pairs: npt.NDArray[np.float64], count: int) -> Loss:
        both, lost, won, _ = random.multinomial(count, pairs)
        return Loss(count, both + lost, lost, won)

    found: Counter[str] = Counter()
    for _ in range(draws):
        mild = loss(shares(test, small), few)
        counts = Counts(
            mild,
            loss(shares(test, strong), strongly),
            Gap(images, random.binomial(images, test.mean()), controls, random.binomial(controls, control)),
            Gap(few, mild.after, of_changed, random.binomial(of_changed, control_changed)),
        )
        one_by_one = (
            Counts(counts.small, NO_LOSS, NO_GAP, NO_GAP),
            Counts(NO_LOSS, counts.strong, NO_GAP, NO_GAP),
            Counts(NO_LOSS, NO_LOSS, counts.as_they_are, NO_GAP),
            Counts(NO_LOSS, NO_LOSS, NO_GAP, counts.changed),
        )
        kinds = [kind for kind, alone in zip(KINDS, one_by_one, strict=True) if judge(alone, 0)]
        found.update([*kinds, *(["any"] if kinds else [])])
    return found


NO_LOSS, NO_GAP = Loss(0, 0, 0, 0), Gap(0, 0, 0, 0)


def shares(before: Bits, after: Bits) -> npt.NDArray[np.float64]:
    """Of images right as they are and changed, only as they are, only changed, never."""
    kinds = (before & after, before & ~after, ~before & after, ~before & ~after)
    return np.array([kind.mean() for kind in kinds])


def rates(folder: Path) -> None:
    """Print how often each would be flagged. The dishonest ones begin with x."""
    torch.set_num_threads(1)
    columns = "".join(f"{kind:>12}" for kind in (*KINDS, "any"))
    print(f"{'':28}{'test':>6}{'small':>7}{'strong':>7}{'train':>7}{'small':>7} {columns} (%)")
    sets = asked_of_all()
    for name, answer in answers(folder):
        bits = results(answer, folder, name, sets)
        for size, images in (("mini", 1000), ("full", 10_000)):
            keys = ("test", "test_small", "test_strong", "train", "train_small")
            line = "".join(f"{100 * bits[f'{size}_{key}'].mean():7.1f}" for key in keys)
            draws = DRAWS // 10 if name.startswith("x_") else DRAWS
            found = flagged(bits, size, images, draws)
            told = "".join(f"{100 * found[kind] / draws:12.3f}" for kind in (*KINDS, "any"))
            print(f"{f'{name} ({size})':27}{line} {told}", flush=True)


def cost() -> None:
    """Print what asking for other images in between adds to the time that the reference's accuracy takes."""
    from grader.accuracy import measure
    from grader.sandbox import Sandbox
    from grader.types import Code, Submission, Weights

    torch.set_num_threads(1)
    path = ROOT / "solution" / "classifier.safetensors"
    source = (ROOT / "solution" / "lab8.py").read_text("utf-8")
    submission = Submission(
        student_id="benchmark",
        code=Code(filename="lab8.py", cells=(source,)),
        weights=Weights(filename=path.name, path=path, format="safetensors"),
    )
    with Sandbox(threads=1) as sandbox:
        for size in ("mini", "full"):
            test = datasets.load("cifar10", "test", size)
            control = datasets.load("cifar10", "train", size)
            for seed in range(3):
                drawn = network.draw(test, control, seed)
                took = []
                for between in (drawn.images[:0], drawn.images):
                    with sandbox.student(submission, accuracy_seconds=1e5) as student:
                        student.load()
                        began = student.seconds_used
                        measure(student, *test, between=between)
                        took.append(student.seconds_used - began)
                share = f"{took[1] / took[0]:.2f} times the accuracy's {took[0]:.2f} s"
                print(f"{size}: {len(drawn.labels):,} images more: {share}", flush=True)


def again(source: Path, seed: int, images: str) -> None:
    """Ask once more for the images that a flag's seed stands for, and print the flags."""
    from grader.accuracy import measure
    from grader.intake import read_submissions
    from grader.integrity.examine import control_images
    from grader.sandbox import Sandbox

    test, control = datasets.load_labelled("cifar10", images), control_images("cifar10", images)
    with tempfile.TemporaryDirectory() as workdir, Sandbox() as sandbox:
        for submission in read_submissions(source, Path(workdir)):
            drawn = network.draw(test, control, seed)
            with sandbox.student(submission, accuracy_seconds=1e5) as student:
                accuracy, found = measure(student, *test, between=drawn.images)
                flags = network.judge_network(found, accuracy, test[1], drawn) if found else []
                for flag in flags:
                    print(f"{submission.student_id}: {flag.kind}: {flag.message}")
                print(f"{submission.student_id}: {len(flags)} flags {accuracy.reason}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", folder]:
            zoo.train_all(Path(folder))
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
