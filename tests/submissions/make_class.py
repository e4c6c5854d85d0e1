"""Builds the sample class: `python tests/submissions/make_class.py`.

Writes the zip beside this file, as Blackboard gives it to an instructor. Each
submission is the reference solution with a few named changes, so that it follows
solution/lab8.py; what each should get stands in expected.toml. The same sources
give the same zip, byte for byte: time stamps are fixed, members sorted, nothing
is compressed (weights do not shrink, and deflate differs between zlib's versions).
"""

from __future__ import annotations

import ast
import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import answers  # noqa: E402  (these two lie beside this file)
import nets  # noqa: E402

SOLUTION = HERE.parents[1] / "solution"
TARGET = HERE / "gradebook_ML2026_Lab8_2026-11-20-23-59-59.zip"
FIXED_TIME = (2026, 11, 21, 0, 0, 0)  # of every member


# Source code: the solution, and changes to it


def reference() -> str:
    """The solution as a student would hand it in: without the builder's marker lines, the quick network."""
    markers = ("# BEGIN SOLUTION", "# END SOLUTION", "# HINT")
    lines = _solution().splitlines(keepends=True)
    source = "".join(line for line in lines if not line.strip().startswith(markers))
    return changed(source, 'return Classifier("standard")', 'return Classifier("quick")')


def ordinary() -> str:
    """What most of the class has: the same first two tasks, and the small network for the third."""
    kept, skipping = [], False
    for line in _solution().splitlines(keepends=True):
        if line.strip() == "# BEGIN SOLUTION":  # without a task: the reference's own helpers
            skipping = True
        if not skipping and not line.strip().startswith(("# BEGIN SOLUTION", "# END SOLUTION", "# HINT")):
            kept.append(line)
        if line.strip() == "# END SOLUTION":
            skipping = False
    source = "".join(kept)
    source = replaced(source, "preprocess", nets.PREPROCESS)
    source = replaced(source, "classifier", nets.SMALL_NET)
    return replaced(source, "train_classifier", nets.TRAIN)


def replaced(source: str, name: str, new: str) -> str:
    """The source with the function or class `name` at its top level replaced by other text."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            lines = source.splitlines(keepends=True)
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
            return "".join([*lines[:first], new.strip() + "\n", *lines[node.end_lineno :]])
    raise SystemExit(f"solution/lab8.py: no top-level {name} to replace; mend make_class.py")


def changed(source: str, old: str, new: str) -> str:
    """The source with one piece of text replaced, which must be there exactly once."""
    if source.count(old) != 1:
        raise SystemExit(f"{old!r} is there {source.count(old)} times, not once; mend make_class.py")
    return source.replace(old, new)


def untouched() -> str:
    """The template as it was handed out: six stubs."""
    source = ordinary()
    arguments = {
        "conv_output_size": "input_size, kernel_size, stride=1, padding=0",
        "conv_parameter_count": "in_channels, out_channels, kernel_size, bias=True",
        "lenet5": "",
        "preprocess": "images",
        "classifier": "",
        "train_classifier": "model, images, labels, *, device, seconds, seed",
    }
    for name, inside in arguments.items():
        stub = f'def {name}({inside}):\n    raise NotImplementedError("Task: write {name}")'
        source = replaced(source, name, stub)
    return source


def padding_bug() -> str:
    """The tutorial's functional LeNet-5: `padding=2`, and yet flattened to 5·5·16."""
    return replaced(
        ordinary(),
        "lenet5",
        """
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5, padding=2)
        self.fc1 = nn.Linear(5 * 5 * 16, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.reshape(x.shape[0], 5 * 5 * 16)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def lenet5():
    return LeNet()
""",
    )


def floor_forgotten() -> str:
    """The formula as the tutorial prints it."""
    return replaced(
        ordinary(),
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


def sigmoid_lenet() -> str:
    """LeNet-5 as in 1998, which is not the tutorial's."""
    return replaced(
        ordinary(),
        "lenet5",
        """
def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )
""",
    )


def another_architecture() -> str:
    """The tutorial's network with three input channels."""
    return replaced(ordinary(), "classifier", nets.TUTORIAL_NET)


def nan_logits() -> str:
    """The logarithm of something that is no probability."""
    source = changed(ordinary(), "def classifier() -> nn.Module:", "def backbone() -> nn.Module:")
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


def softmax_outputs() -> str:
    """A softmax at the end, which the loss applies once more: it learns slower, and ranks the same."""
    return changed(ordinary(), "nn.Linear(64, 10),\n", "nn.Linear(64, 10),\n        nn.Softmax(dim=1),\n")


def nine_classes() -> str:
    return changed(ordinary(), "nn.Linear(64, 10),\n", "nn.Linear(64, 9),\n")


def syntax_error() -> str:
    return changed(
        ordinary(), "def preprocess(images: Tensor) -> Tensor:", "def preprocess(images: Tensor) -> Tensor"
    )


def endless_function() -> str:
    """Counts the kernel's places one by one, and forgets to move on."""
    return replaced(
        ordinary(),
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


def endless_top_level() -> str:
    """Trains for ever at the top level, to be stopped by hand."""
    return (
        ordinary()
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
class HandIn:
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
    source: Callable[[], str], text: str = answers.ENGLISH, checkpoint: str = "small_net.safetensors"
) -> Files:
    """The three files that the assignment asks for, under the names that it asks for."""
    return lambda: {
        "lab8.py": source().encode(),
        f"classifier.{checkpoint.rpartition('.')[2]}": weights(checkpoint),
        "answers.md": text.encode(),
    }


def reference_as_py() -> dict[str, bytes]:
    return {
        "lab8.py": reference().encode(),
        "classifier.safetensors": weights("quick.safetensors"),
        "answers.md": answers.ENGLISH.encode(),
    }


def reference_as_notebook() -> dict[str, bytes]:
    return {
        "lab8.ipynb": notebook(reference(), markdown=answers.ENGLISH),
        "classifier.safetensors": weights("quick.safetensors"),
    }


def without_weights() -> dict[str, bytes]:
    return {"lab8.py": ordinary().encode(), "answers.md": answers.ENGLISH.encode()}


def notebook_that_trains() -> dict[str, bytes]:
    return {
        "Lab8 (1).ipynb": notebook(ordinary(), extra=TRAINING_CELLS, markdown=answers.ENGLISH, minor=2),
        "classifier.safetensors": weights("small_net.safetensors"),
    }


def zipped_folder() -> dict[str, bytes]:
    files = usual(ordinary, text=answers.CHINESE)()
    return {"实验八_张伟.zip": packed({f"实验八_张伟/{name}": files[name] for name in files})}


def renamed_files() -> dict[str, bytes]:
    return {
        "lab8-1.py": ordinary().encode(),
        "classifier.safetensors": weights("small_net.safetensors"),
        "回答.md": answers.CHINESE.encode(),
    }


def empty_zip() -> dict[str, bytes]:
    return {"lab8.zip": packed({})}


def nothing() -> dict[str, bytes]:
    return {}


def hand_ins() -> list[HandIn]:
    """The class, one entry an attempt. expected.toml holds what each should get."""
    first_attempt = datetime(2026, 11, 19, 21, 40, 2)
    return [
        HandIn("li_wei", "Li Wei (Vivian)", minutes(0), reference_as_py),
        HandIn("12210002", "Chen Jie", minutes(3), reference_as_notebook, ultra="Notebook and weights."),
        HandIn(
            "12210003", "Sara Okafor", minutes(41), usual(another_architecture, checkpoint="tutorial_net.pt")
        ),
        HandIn(
            "12210004", "Zhang San", minutes(44), usual(padding_bug), comments="It is the tutorial's network."
        ),
        HandIn("12210005", "Wu Fan", minutes(58), usual(floor_forgotten)),
        HandIn("12210006", "Jonas Meyer", minutes(73), usual(sigmoid_lenet)),
        HandIn("12210007", "Liu Yang", minutes(90), usual(ordinary, checkpoint="tutorial_net.pt")),
        HandIn(
            "12210008", "Huang Lei", minutes(91), without_weights, comments="The weights are too large, sorry"
        ),
        HandIn("12210009", "Amir Haddad", minutes(112), usual(nan_logits)),
        HandIn("12210010", "Zhao Min", minutes(150), usual(softmax_outputs)),
        HandIn(
            "12210011", "Sun Hao", minutes(163), usual(nine_classes, checkpoint="nine_classes.safetensors")
        ),
        HandIn("12210012", "Guo Xin", minutes(191), usual(syntax_error)),
        HandIn("12210013", "Ma Long", minutes(240), usual(endless_function)),
        HandIn("12210014", "Lin Tao", minutes(271), usual(endless_top_level), ultra="Just press Ctrl-C."),
        HandIn("12210015", "Elena Petrova", minutes(300), notebook_that_trains),
        HandIn("12210016", "He Qing", minutes(333), usual(ordinary, text=answers.CHINESE)),
        HandIn(
            "12210017", "Tom de Vries", minutes(360), usual(ordinary, text=answers.TWO_OF_FOUR), word="poging"
        ),
        HandIn(
            "pb22000018", "张伟", minutes(402), zipped_folder, word="尝试", comments="老师好,这是我的实验。"
        ),
        HandIn("pb22000019", "欧阳娜娜", minutes(431), renamed_files, word="尝试"),
        HandIn("12210020", "Wang Fang", first_attempt, usual(floor_forgotten)),
        HandIn("12210020", "Wang Fang", minutes(480), usual(ordinary), comments="Please take this one."),
        HandIn("12210021", "Xu Kai", minutes(555), empty_zip),
        HandIn("12210022", "Maria Rossi", minutes(600), usual(untouched, text=answers.TEMPLATE)),
        HandIn(
            "12210023", "Deng Chao", minutes(777), usual(another_architecture, checkpoint="whole_model.pt")
        ),
        HandIn("12210024", "Ali Yilmaz", minutes(902), nothing, ultra="I will hand in later."),
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
