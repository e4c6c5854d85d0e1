"""Builds the sample class: `python tests/submissions/make_class.py`.

Writes the zip beside this file, as Blackboard gives it to an instructor. Each
submission is the template of solution/lab8.py with the student's own parts in it, and a mistake or
two; what each should get stands in expected.toml. The same sources
give the same zip, byte for byte: time stamps are fixed, members sorted, nothing
is compressed (weights do not shrink, and deflate differs between zlib's versions).
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import answers  # noqa: E402  (these two lie beside this file)
import parts  # noqa: E402

SOLUTION = HERE.parents[1] / "solution"
TARGET = HERE / "gradebook_ML2026_Lab8_2026-11-20-23-59-59.zip"
FIXED_TIME = (2026, 11, 21, 0, 0, 0)  # of every member


class Choice(NamedTuple):
    """Which of the parts a student has written, by their names in parts.py."""

    conv: str
    lenet: str
    train: str
    preprocess: str
    net: str
    widths: tuple[int, int, int]


# Two students have one of the first three in common at most, and no two the same network, but for the two
# copies: 12210010 has the network of 12210006, with its weights, and 12210023 the code of 12210015.
CHOICES = {
    "12210002": Choice("recursive", "class", "shuffled", "half", "norm", (12, 20, 36)),
    "12210003": Choice("recursive", "two parts", "loader", "half", "tutorial", (6, 10, 40)),
    "12210004": Choice("recursive", "padding", "endless", "moments", "strides", (12, 20, 32)),
    "12210005": Choice("recursive", "named", "library", "signed", "config", (10, 16, 20)),
    "12210006": Choice("inner", "sigmoid", "functions", "half", "norm", (10, 24, 32)),
    "12210007": Choice("inner", "class", "loader", "signed", "dropout", (10, 20, 48)),
    "12210008": Choice("inner", "two parts", "endless", "signed", "separable", (12, 24, 40)),
    "12210009": Choice("inner", "list", "library", "moments", "residual", (12, 20, 0)),
    "12210010": Choice("helpers", "named", "shuffled", "moments", "norm", (10, 24, 32)),
    "12210011": Choice("helpers", "class", "endless", "half", "separable", (16, 28, 48)),
    "12210012": Choice("helpers", "two parts", "library", "half", "branches", (8, 24, 0)),
    "12210013": Choice("recursive", "blocks", "functions", "half", "tutorial", (8, 12, 32)),
    "12210014": Choice("helpers", "blocks", "loader", "moments", "config", (12, 20, 24)),
    "12210015": Choice("math", "two parts", "functions", "moments", "dropout", (12, 24, 32)),
    "12210016": Choice("math", "class", "library", "signed", "branches", (10, 20, 0)),
    "12210017": Choice("math", "blocks", "shuffled", "signed", "residual", (8, 24, 0)),
    "pb22000018": Choice("counting", "list", "shuffled", "signed", "strides", (16, 24, 24)),
    "pb22000019": Choice("counting", "named", "loader", "half", "norm", (16, 16, 40)),
    "12210020": Choice("counting", "blocks", "endless", "moments", "branches", (12, 16, 0)),
    "12210023": Choice("math", "two parts", "functions", "moments", "dropout", (12, 24, 32)),
}
OTHER_NETWORK = Choice("inner", "class", "loader", "signed", "config", (8, 12, 20))  # 12210007's weights


# Source code: the solution, the students' own work, and changes to it


def reference() -> str:
    """The solution as a student would hand it in: without the builder's marker lines, the quick network."""
    markers = ("# BEGIN SOLUTION", "# END SOLUTION", "# HINT")
    lines = _solution().splitlines(keepends=True)
    source = "".join(line for line in lines if not line.strip().startswith(markers))
    return changed(source, 'return Classifier("standard")', 'return Classifier("quick")')


def work(chosen: Choice) -> str:
    """All of it right: the template with the parts that a student has chosen."""
    kept, skipping = [], False
    for line in _solution().splitlines(keepends=True):
        if line.strip() == "# BEGIN SOLUTION":  # without a task: the reference's own helpers
            skipping = True
        if not skipping and not line.strip().startswith(("# BEGIN SOLUTION", "# END SOLUTION", "# HINT")):
            kept.append(line)
        if line.strip() == "# END SOLUTION":
            skipping = False
    source = replaced("".join(kept), "conv_parameter_count", "")  # stands with conv_output_size
    for name, text in texts(chosen).items():
        source = replaced(source, name, text)
    return source


def texts(chosen: Choice) -> dict[str, str]:
    """The parts that a student has chosen, by the function of the contract in whose place they stand."""
    return {
        "conv_output_size": parts.CONV[chosen.conv],
        "lenet5": parts.LENET[chosen.lenet],
        "preprocess": parts.PREPROCESS[chosen.preprocess],
        "classifier": parts.NETS[chosen.net].format(*chosen.widths),
        "train_classifier": parts.TRAIN[chosen.train],
    }


def replaced(source: str, name: str, new: str) -> str:
    """The source with the function or class `name` at its top level replaced by other text."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            lines = source.splitlines(keepends=True)
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            return "".join([*lines[:first], new.strip() + "\n", *lines[node.end_lineno :]])
    raise SystemExit(f"solution/lab8.py: no top-level {name} to replace; fix make_class.py")


def changed(source: str, old: str, new: str) -> str:
    """The source with one piece of text replaced, which must be there exactly once."""
    if source.count(old) != 1:
        raise SystemExit(f"{old!r} is there {source.count(old)} times, not once; fix make_class.py")
    return source.replace(old, new)


def floor_forgotten(own: str) -> str:
    """The formula as the tutorial prints it."""
    return replaced(
        own,
        "conv_output_size",
        """
def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    if any(isinstance(v, (tuple, list)) for v in (input_size, kernel_size, stride, padding)):
        pair = lambda v: v if isinstance(v, (tuple, list)) else (v, v)
        args = zip(pair(input_size), pair(kernel_size), pair(stride), pair(padding))
        return tuple(conv_output_size(*a) for a in args)
    if input_size < 1 or kernel_size < 1 or stride < 1 or padding < 0 or kernel_size > input_size + 2 * padding:
        raise ValueError("impossible")
    return (input_size - kernel_size + 2 * padding) / stride + 1
""",
    )


def nan_logits(own: str) -> str:
    """The logarithm of something that is no probability."""
    source = changed(own, "def classifier():", "def backbone():")
    return changed(
        source,
        "def train_classifier(",
        """class LogNet(nn.Sequential):
    def forward(self, x):
        return torch.log(super().forward(x))


def classifier():
    return LogNet(*backbone())


def train_classifier(""",
    )


def softmax_outputs(own: str) -> str:
    """A softmax at the end, which the loss applies once more: it learns slower, and ranks the same."""
    return changed(own, "nn.Linear(32, 10),\n", "nn.Linear(32, 10),\n        nn.Softmax(dim=1),\n")


def nine_classes(own: str) -> str:
    return changed(own, "nn.Linear(4 * 48, 10)", "nn.Linear(4 * 48, 9)")


def syntax_error(own: str) -> str:
    return changed(own, "def preprocess(images):", "def preprocess(images)")


def endless_function(own: str) -> str:
    """Counts the kernel's places one by one, and forgets to move on."""
    return replaced(
        own,
        "conv_output_size",
        """
def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    places = 0
    position = -padding
    while position + kernel_size <= input_size + padding:
        places += 1
    return places
""",
    )


def endless_top_level(own: str) -> str:
    """Trains for ever at the top level, to be stopped by hand."""
    return (
        own
        + """

model = classifier()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
while True:
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    loss = F.cross_entropy(model(preprocess(images)), torch.randint(0, 10, (64,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print("loss", loss.item())
"""
    )


def disguised(own: str) -> str:
    """Somebody else's work under other names, with the tasks in another order and other comments."""
    texts_ = {
        name: ast.unparse(node)
        for node in ast.parse(own).body
        if (name := getattr(node, "name", ""))
    }
    moved = ("LeNet", "lenet5", "conv_output_size", "conv_parameter_count")
    source = own
    for name in moved:
        source = replaced(source, name, "")
    source = changed(source, "# ## Task 3", "# ## And now")
    source += "\n\n# %%\n" + "\n\n\n# my own idea\n".join(texts_[name] for name in reversed(moved)) + "\n"
    for old, new in RENAMED.items():
        source = re.sub(rf"\b{old}\b", new, source)
    return source


RENAMED = {
    "CifarNet": "MyNetwork", "LeNet": "Digits", "c1": "first", "c2": "second", "drop": "regular", "dense": "hidden",
    "image": "x", "out": "h", "params": "numbers", "results": "found", "one_epoch": "run_once", "idx": "chosen",
    "permutation": "shuffle", "total": "accumulated", "t0": "begin", "opt": "adam", "rate": "lr_now", "maps": "z",
}  # fmt: skip

TRAINING_CELLS = (
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nimport torchvision\n!nvidia-smi",
    'train_set = torchvision.datasets.CIFAR10("./datasets/", train=True, download=True)\n'
    "train_images = torch.from_numpy(train_set.data).permute(0, 3, 1, 2)\n"
    "train_labels = torch.tensor(train_set.targets)",
    'device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")\n'
    "model = classifier().to(device)\n"
    "history = train_classifier(model, train_images, train_labels, device=device, seconds=1800, seed=0)",
    'plt.plot(history["train_loss"])\nplt.show()\ntorch.save(model.state_dict(), "classifier.pt")',
    "import time\ntime.sleep(3600)  # keep the kernel alive over night",
)


# Files


def notebook(source: str, *, markdown: str = "", extra: tuple[str, ...] = (), minor: int = 5) -> bytes:
    """A percent-format source as a notebook: its cells, then `extra` code cells, then one of Markdown."""
    cells = []
    for part in ("\n" + source).split("\n# %%")[1:]:
        mark, _, body = part.partition("\n")
        if mark.strip() == "[markdown]":
            body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
        cells.append(("markdown" if mark.strip() else "code", body.strip("\n")))
    cells += [("code", text) for text in extra]
    cells += [("markdown", markdown)] if markdown else []
    written = []
    for number, (kind, body) in enumerate(cells):
        cell: dict[str, object] = {
            "cell_type": kind,
            "metadata": {},
            "source": body.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        if minor >= 5:
            cell["id"] = f"cell-{number}"
        written.append(cell)
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    content = {"cells": written, "metadata": kernel, "nbformat": 4, "nbformat_minor": minor}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def packed(files: dict[str, bytes]) -> bytes:
    """A zip with fixed times, sorted by name as Blackboard's download is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=str.encode):
            member = zipfile.ZipInfo(name, FIXED_TIME)
            member.create_system = 3  # else it tells on which system this ran
            member.external_attr = 0o644 << 16
            archive.writestr(member, files[name])
    return buffer.getvalue()


def weights(name: str) -> bytes:
    return (HERE / "weights" / name).read_bytes()


def _solution() -> str:
    return (SOLUTION / "lab8.py").read_text("utf-8")


# The class


@dataclass(frozen=True)
class Upload:
    """One attempt of one student, as Blackboard stores it."""

    username: str
    name: str
    at: datetime
    files: Callable[[], dict[str, bytes]]  # name -> content
    word: str = "attempt"  # in the language of the student's interface
    comments: str = ""
    ultra: str = ""  # the newer interface writes the student's text into the metadata as HTML

    def members(self) -> dict[str, bytes]:
        """Blackboard's names for the metadata and the files."""
        stem = f"Lab8_{self.username}_{self.word}_{self.at:%Y-%m-%d-%H-%M-%S}"
        files = self.files()
        return {
            f"{stem}.txt": self._metadata(stem, files),
            **{f"{stem}_{name}": files[name] for name in files},
        }

    def _metadata(self, stem: str, files: dict[str, bytes]) -> bytes:
        day = f"{self.at:%A}, {self.at.day} {self.at:%B %Y %H:%M:%S}"
        no_text = "There is no student submission text data for this assignment."
        field_text = f"<br>\n<p>{self.ultra}</p>" if self.ultra else no_text
        lines = [
            f"Name: {self.name} ({self.username})",
            "Assignment: Lab8",
            f"Date Submitted: {day} o'clock CST",
            "Current Grade: Needs Grading",
            "",
            "Submission Field:",
            field_text,
            "",
            "Comments:",
            self.comments or "There are no student comments for this assignment.",
            "",
            "Files:",
        ]
        for name in files:
            lines += [f"\tOriginal filename: {name}", f"\tFilename: {stem}_{name}", ""]
        return ("\n".join(lines) + "\n").encode()


Files = Callable[[], dict[str, bytes]]


def usual(
    student: str, mistake: Callable[[str], str] = str, text: str = "", checkpoint: str = ""
) -> Files:
    """The three files that the assignment asks for, under the names that it asks for."""
    checkpoint = checkpoint or f"{student}.safetensors"
    return lambda: {
        "lab8.py": mistake(work(CHOICES[student])).encode(),
        f"classifier.{checkpoint.rpartition('.')[2]}": weights(checkpoint),
        "answers.md": (text or answers.PAPERS[student]).encode(),
    }


def reference_as_py() -> dict[str, bytes]:
    return {
        "lab8.py": reference().encode(),
        "classifier.safetensors": weights("quick.safetensors"),
        "answers.md": answers.PAPERS["li_wei"].encode(),
    }


def as_notebook(student: str, name: str = "lab8.ipynb", extra: tuple[str, ...] = (), minor: int = 5) -> Files:
    return lambda: {
        name: notebook(
            work(CHOICES[student]), extra=extra, markdown=answers.PAPERS[student], minor=minor
        ),
        "classifier.safetensors": weights(f"{student}.safetensors"),
    }


def without_weights(student: str) -> Files:
    return lambda: {
        "lab8.py": work(CHOICES[student]).encode(),
        "answers.md": answers.PAPERS[student].encode(),
    }


def untouched() -> dict[str, bytes]:
    """The template as it was handed out, and nothing filled in."""
    template = (SOLUTION.parent / "assignment" / "lab8.py").read_text("utf-8")
    return {"lab8.py": template.encode(), "answers.md": answers.TEMPLATE.encode()}


def zipped_folder() -> dict[str, bytes]:
    files = usual("pb22000018")()
    return {"实验八_张伟.zip": packed({f"实验八_张伟/{name}": files[name] for name in files})}


def renamed_files() -> dict[str, bytes]:
    files = usual("pb22000019")()
    return {
        "lab8-1.py": files["lab8.py"],
        "classifier.safetensors": files["classifier.safetensors"],
        "回答.md": files["answers.md"],
    }


def empty_zip() -> dict[str, bytes]:
    return {"lab8.zip": packed({})}


def nothing() -> dict[str, bytes]:
    return {}


def hand_ins() -> list[Upload]:
    """The class, one entry an attempt. expected.toml holds what each should get."""
    first_attempt = datetime(2026, 11, 19, 21, 40, 2)
    training = as_notebook("12210015", "Lab8 (1).ipynb", TRAINING_CELLS, minor=2)
    return [
        Upload("li_wei", "Li Wei (Vivian)", minutes(0), reference_as_py),
        Upload("12210002", "Chen Jie", minutes(3), as_notebook("12210002"), ultra="Notebook and weights."),
        Upload("12210003", "Sara Okafor", minutes(41), usual("12210003", checkpoint="12210003.pt")),
        Upload(
            "12210004", "Zhang San", minutes(44), usual("12210004"), comments="It is the tutorial's network."
        ),
        Upload("12210005", "Wu Fan", minutes(58), usual("12210005", floor_forgotten)),
        Upload("12210006", "Jonas Meyer", minutes(73), usual("12210006")),
        Upload("12210007", "Liu Yang", minutes(90), usual("12210007", checkpoint="other.pt")),
        Upload(
            "12210008",
            "Huang Lei",
            minutes(91),
            without_weights("12210008"),
            comments="The weights are too large, sorry",
        ),
        Upload("12210009", "Amir Haddad", minutes(112), usual("12210009", nan_logits)),
        Upload(
            "12210010",
            "Zhao Min",
            minutes(150),
            usual("12210010", softmax_outputs, checkpoint="12210006.safetensors"),
        ),
        Upload("12210011", "Sun Hao", minutes(163), usual("12210011", nine_classes)),
        Upload("12210012", "Guo Xin", minutes(191), usual("12210012", syntax_error)),
        Upload("12210013", "Ma Long", minutes(240), usual("12210013", endless_function)),
        Upload(
            "12210014",
            "Lin Tao",
            minutes(271),
            usual("12210014", endless_top_level),
            ultra="Just press Ctrl-C.",
        ),
        Upload("12210015", "Elena Petrova", minutes(300), training),
        Upload("12210016", "He Qing", minutes(333), usual("12210016")),
        Upload("12210017", "Tom de Vries", minutes(360), usual("12210017"), word="poging"),
        Upload(
            "pb22000018", "张伟", minutes(402), zipped_folder, word="尝试", comments="老师好,这是我的实验。"
        ),
        Upload("pb22000019", "欧阳娜娜", minutes(431), renamed_files, word="尝试"),
        Upload("12210020", "Wang Fang", first_attempt, usual("12210020", floor_forgotten)),
        Upload("12210020", "Wang Fang", minutes(480), usual("12210020"), comments="Please take this one."),
        Upload("12210021", "Xu Kai", minutes(555), empty_zip),
        Upload("12210022", "Maria Rossi", minutes(600), untouched),
        Upload(
            "12210023",
            "Deng Chao",
            minutes(777),
            usual("12210023", disguised, answers.COPIED, "whole_model.pt"),
        ),
        Upload("12210024", "Ali Yilmaz", minutes(902), nothing, ultra="I will hand in later."),
    ]


def minutes(count: int) -> datetime:
    """A time on the last day."""
    return datetime(2026, 11, 20, 8, 0, 7) + timedelta(minutes=count, seconds=7 * count % 60)


def build() -> bytes:
    """The whole download."""
    members: dict[str, bytes] = {}
    for hand_in in hand_ins():
        members |= hand_in.members()
    return packed(members)


if __name__ == "__main__":
    TARGET.write_bytes(build())
    print(f"{TARGET}: {TARGET.stat().st_size / 1e6:.1f} MB")
