"""The handouts: what the notebooks import, and a build that finds what readers would stumble over."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.text import Text
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from grader import datasets, torchvision_shim
from grader.errors import UserError
from grader.kit import handouts
from grader.kit.handouts.chapters import read_appendices, read_chapters, student_notebook
from grader.kit.handouts.inspection import inspect_pages
from grader.kit.handouts.markdown import headings, to_html
from grader.kit.handouts.pages import index_page, page, print_page, write_style
from grader.kit.handouts.pdf import find_chromium

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "handouts"
sys.path.insert(0, str(SOURCE))  # where the notebooks find it: beside themselves

from cnn import data, draw, nets, quiz, tables  # noqa: E402
from cnn.questions import QUESTIONS  # noqa: E402

# Networks

NETS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "LeNet-5": (nets.LeNet5, 32, 61_706),
    "AlexNet": (nets.AlexNet, 227, 62_378_344),
    "AlexNet in two halves": (lambda: nets.AlexNet(groups=2), 227, 60_965_224),
    "VGG16": (nets.VGG16, 224, 138_357_544),
    "GoogLeNet": (nets.GoogLeNet, 224, 6_624_904),
    "GoogLeNet with heads": (lambda: nets.GoogLeNet(heads=True), 224, 13_004_888),
    "ResNet-18": (nets.resnet, 224, 11_689_512),
    "ResNet-34": (lambda: nets.resnet(34), 224, 21_797_672),
    "ResNet-50": (lambda: nets.resnet(50), 224, 25_557_032),
    "ResNet-101": (lambda: nets.resnet(101), 224, 44_549_160),
    "ResNet-152": (lambda: nets.resnet(152), 224, 60_192_808),
}


def _on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


def _shape(build: Callable[[], nn.Module], pixels: int) -> tuple[int, int, int]:
    return (1 if build is nets.LeNet5 else 3, pixels, pixels)


@pytest.mark.parametrize("name", NETS)
def test_each_net_has_as_many_parameters_as_it_should(name: str) -> None:
    build, _, parameters = NETS[name]
    assert nets.count_parameters(_on_meta(build)) == parameters


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("VGG16", "vgg16"), ("GoogLeNet", "googlenet"), ("ResNet-18", "resnet18"), ("ResNet-152", "resnet152")],
)
def test_each_net_computes_what_torchvision_does(name: str, theirs: str) -> None:
    """With the same weights, and thinner images where that goes, the same logits."""
    models: Any = torchvision_shim.import_torchvision().models
    options = {"aux_logits": False, "init_weights": False} if theirs == "googlenet" else {}
    with torch.device("meta"):
        other = getattr(models, theirs)(weights=None, **options).eval()
        ours = NETS[name][0]().eval()
    pairs = list(zip(other.state_dict().items(), ours.state_dict().items(), strict=True))
    assert [a.shape for (_, a), _ in pairs] == [b.shape for _, (_, b) in pairs]
    generator = torch.Generator().manual_seed(0)
    left, right = {}, {}
    for (their_name, value), (our_name, _) in pairs:
        weights: torch.Tensor = torch.zeros(value.shape, dtype=value.dtype)
        if value.ndim > 1:
            weights.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)
        elif their_name.endswith(("running_var", "weight")):
            weights += 1
        left[their_name] = right[our_name] = weights
    other.load_state_dict(left, assign=True)
    ours.load_state_dict(right, assign=True)
    pixels = 224 if theirs == "vgg16" else 64  # those with a global average take any size
    images = torch.randn(1, 3, pixels, pixels, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), other(images), rtol=1e-3, atol=1e-3)


def test_googlenets_heads_speak_in_training_only() -> None:
    with torch.device("meta"):
        net, images = nets.GoogLeNet(heads=True), torch.empty(2, 3, 224, 224)
    assert [tuple(logits.shape) for logits in net.train()(images)] == [(2, 1000)] * 3
    assert tuple(net.eval()(images).shape) == (2, 1000)


# Layer tables


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("as_one", [(), (nets.Inception, nets.Residual)], ids=["layers", "blocks"])
def test_a_layer_table_adds_up(name: str, as_one: tuple[type[nn.Module], ...]) -> None:
    build, pixels, parameters = NETS[name]
    shape = _shape(build, pixels)
    frame = tables.layer_table(build, shape, as_one)
    assert frame.iloc[-1]["layer"] == "total"
    assert frame.iloc[-1]["parameters"] == frame["parameters"][:-1].sum() == parameters
    assert frame.iloc[-1]["MACs"] == frame["MACs"][:-1].sum()
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build().eval()(torch.empty(1, *shape))
    assert counter.get_total_flops() == 2 * frame.iloc[-1]["MACs"]


def test_a_layer_takes_what_the_one_before_gives() -> None:
    frame = tables.layer_table(nets.resnet, (3, 224, 224), as_one=(nets.ConvNorm,)).set_index("layer")[:-1]
    stem = frame.loc["conv1"]
    assert (stem["kernel"], stem["stride"], stem["padding"]) == ("7", "2", "3")
    assert (stem["input"], stem["output"]) == ("3×224×224", "64×112×112")
    body = frame[~frame.index.str.contains("projection")]
    pairs = zip(body["output"][:-2], body["input"][1:-1], strict=True)
    assert all(output == after for output, after in pairs)
    small = tables.layer_table(lambda: nets.resnet(18, small_images=True), (3, 32, 32))
    assert small.set_index("layer").loc["stage2.0.body.0.0", "input"] == "64×32×32"


def test_a_layer_that_is_called_twice_has_its_parameters_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            twice: torch.Tensor = self.layer(self.layer(values))
            return twice

    frame = tables.layer_table(Twice(), (3,))
    assert frame["parameters"].tolist() == [12, 0, 12]
    assert frame["MACs"].tolist() == [9, 9, 18]


def test_a_table_of_a_students_own_net_leaves_it_alone() -> None:
    net = nets.LeNet5().train()
    tables.layer_table(net, (1, 32, 32))
    assert net.training and net.conv1.weight.device.type == "cpu"
    assert not net.conv1._forward_hooks


def test_tables_are_escaped_and_separate_thousands() -> None:
    frame = pd.DataFrame({"what": ["<b>", "total"], "how many": [1234567, 0.25]})
    shown = tables.Table(frame, "A & B")._repr_html_()
    assert "&lt;b&gt;" in shown and "1,234,567" in shown and "0.25" in shown and "A &amp; B" in shown
    with pytest.raises(ValueError, match="caption"):
        tables.Table(frame, " ")


# Figures


def test_a_figure_needs_an_alternative_text() -> None:
    figure, _ = draw.canvas()
    with pytest.raises(ValueError, match="alt"):
        draw.Picture(figure, "  ")
    shown = draw.Picture(figure, 'a "quoted"\n text')._repr_mimebundle_()
    plt.close(figure)
    assert 'alt="a &quot;quoted&quot; text"' in shown["text/html"]
    assert shown["text/plain"] == 'a "quoted" text'


def test_a_figure_turns_dark_with_the_page_but_not_the_pictures_in_it() -> None:
    figure, axes = draw.canvas()
    axes.imshow(np.eye(3))
    axes.text(1, 1, "5", gid=draw.ON_IMAGE)
    svg = draw.Picture(figure, "a picture with a number on it").svg.decode()
    plt.close(figure)
    (rule,) = re.findall(r"<style>@media screen and \(prefers-color-scheme:dark\)(.*?)</style>", svg)
    assert "image,g[id^=on-image]" in rule and '<g id="on-image"' in svg and "<image" in svg


def test_the_same_figure_gives_the_same_file() -> None:
    def drawn() -> bytes:
        figure, axes = draw.canvas()
        draw.grid(axes, np.eye(3), padding=1, windows=[(0, 0, 2, 2)])
        picture = draw.Picture(figure, "three ones").svg
        plt.close(figure)
        return picture

    assert drawn() == drawn()


def test_text_in_figures_can_be_read_in_print() -> None:
    figure, axes = draw.canvas(rows=1, columns=4)
    draw.grid(axes[0], [["", 1.5], [-2, 3]], "title", padding=0, shade=True, windows=[(0, 0, 1, 1)])
    draw.note(axes[0], 3, 1, "=")
    draw.sheets(axes[1], [("in", 1, 32, 32), ("out", 10, 1, 1)], ["linear"])
    draw.chain(axes[2], [("conv", "conv"), ("add", "join"), ("pool", "pool")], columns=2)
    draw.arrow(axes[2], (0, 0), (1, 1), "label", bend=0.3)
    draw.bars(axes[3], {"a": 1, "b": 2}, "units")
    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    plt.close(figure)
    assert {"1.50", "−2", "title", "=", "linear", "label"} <= {text.get_text() for text in texts}
    assert min(float(text.get_fontsize()) for text in texts) >= 9


@pytest.mark.parametrize(
    "shape", [(3, 8, 8), (3, 1, 8, 8), (3, 3, 8, 8)], ids=["gray", "one channel", "color"]
)
def test_pictures_are_laid_side_by_side(shape: tuple[int, ...]) -> None:
    figure = draw.images(torch.rand(shape), ["a", "b", "c"], columns=2)
    shown = [axes for axes in figure.axes if axes.images]
    plt.close(figure)
    assert [axes.get_title() for axes in shown] == ["a", "b", "c"]


# Images


def test_the_small_sets_are_said_to_be_small(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    monkeypatch.delenv(data.FOLDER_VARIABLE, raising=False)
    images, labels = data.load_mnist(train=False)
    expected_images, expected_labels = datasets.load("mnist", "test")
    assert torch.equal(images, expected_images) and torch.equal(labels, expected_labels)
    assert "1,000, a small set" in capsys.readouterr().out
    images, labels = data.load_cifar10()
    assert (images.shape, images.dtype, labels.dtype) == ((2000, 3, 32, 32), torch.uint8, torch.int64)


def test_complete_sets_are_taken_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(data.FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "elsewhere" / "mnist-train-images.npy", np.zeros((5, 1, 28, 28), np.uint8))
    np.save(tmp_path / "elsewhere" / "mnist-train-labels.npy", np.arange(5, dtype=np.uint8))
    images, labels = data.load_mnist()
    assert (len(images), labels.tolist()) == (5, [0, 1, 2, 3, 4])
    assert "all 5" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="run this in the notebooks' folder"):
        data.load_mnist(train=False)


# Questions


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, entry in {
        "shape": ((6, 14, 14), "Halve it.", {(6, 28, 28): "That is before pooling."}),
        "share": (0.28, "18 of 25.", {}),
        "speedup": (1 / 0.28, "Add up the times.", {10: "That is the data part."}),
        "word": ("ReLU", "An activation.", {}),
        "yes": (True, "No.", {}),
        "count": (400, "16 maps.", {}),
    }.items():
        monkeypatch.setitem(QUESTIONS, name, entry)


@pytest.mark.usefixtures("questions")
@pytest.mark.parametrize(
    ("name", "answer", "right", "message"),
    [
        ("shape", ..., None, "Not answered yet"),
        ("shape", None, None, "Not answered yet"),
        ("shape", (6, ..., ...), None, "three dots left"),
        ("shape", (6, 14, 14), True, "Right"),
        ("shape", [6, 14, 14], True, "Right"),
        ("shape", torch.Size([6, 14, 14]), True, "Right"),
        ("shape", torch.tensor([6, 14, 14]), True, "Right"),
        ("shape", (6, 28, 28), False, "before pooling"),
        ("shape", (6, 7, 7), False, "Halve it"),
        ("shape", (14, 14), False, "has 3 parts, yours has 2"),
        ("shape", 1176, False, "3 numbers in parentheses"),
        ("shape", "6x14x14", False, "numbers, not a text"),
        ("share", 7 / 25, True, "Right"),
        ("share", 0.281, False, "18 of 25"),
        ("share", 28, False, "18 of 25"),
        ("share", 0.3, False, "18 of 25"),
        ("speedup", 3.6, True, "Right"),
        ("speedup", 3.57, True, "Right"),
        ("speedup", 3.5714, True, "Right"),
        ("speedup", torch.tensor(1 / 0.28), True, "Right"),
        ("speedup", 4, False, "Add up"),
        ("speedup", 3.5, False, "Add up"),
        ("speedup", 3.58, False, "Add up"),
        ("speedup", 10.0, False, "data part"),
        ("speedup", float("inf"), False, "Add up"),
        ("word", " relu ", True, "Right"),
        ("word", "tanh", False, "activation"),
        ("word", 3, False, "a text, in quotes"),
        ("yes", True, True, "Right"),
        ("yes", 1, False, "No"),
        ("count", 400.0, True, "Right"),
        ("count", torch.tensor(400), True, "Right"),
        ("count", 401, False, "16 maps"),
        ("count", float("nan"), False, "16 maps"),
    ],
)
def test_answers_are_judged(name: str, answer: Any, right: bool | None, message: str) -> None:
    result = quiz.judge(name, answer)
    assert result.right is right
    assert message in result.message


def test_an_unknown_question_is_an_error() -> None:
    with pytest.raises(KeyError, match="no question"):
        quiz.check("none", 1)


def test_every_question_is_asked_and_every_asked_question_is_there() -> None:
    text = "".join(chapter.source for chapter in read_chapters(SOURCE))
    assert set(re.findall(r'check\("([^"]+)"', text)) == set(QUESTIONS)


def test_no_hint_stands_for_the_right_answer() -> None:
    for name, (right, hint, mistakes) in QUESTIONS.items():
        assert quiz.judge(name, right).right and hint.strip() and mistakes, name
        for mistake, why in mistakes.items():
            assert quiz.judge(name, mistake) == (False, f"Not yet. {why}"), (name, mistake)


def test_no_hint_is_the_arithmetic() -> None:
    for name, (_, hint, mistakes) in QUESTIONS.items():
        for told in (hint, *mistakes.values()):
            assert not re.search(r"\d\s*[·*/+]\s*\d|=", told), (name, told)


def test_each_exercise_has_a_title_and_its_answer_below_and_nowhere_above() -> None:
    for chapter in read_chapters(SOURCE):
        for part in re.split(r"(?m)^(?=### Exercise: )", chapter.source)[1:]:
            if "check(" in part:
                asked, answer = part.index("check("), part.index("<details><summary>Answer</summary>")
                assert asked < answer, part.splitlines()[0]
        assert "**Exercise" not in chapter.source, chapter.name


# Markdown


def test_formulas_need_no_script() -> None:
    shown = to_html(r"A $2^k$ and $$\left\lfloor\frac{a}{b}\right\rfloor$$, but `$HOME` stays.")
    assert shown.count("<math") == 2 and "$HOME" in shown and "script" not in shown


def test_headings_get_the_anchors_that_github_gives() -> None:
    text = "# A `b`, c: d!\n\n## Same\n\n## Same\n\n## Größe & 大小\n"
    assert [heading.anchor for heading in headings(text)] == ["a-b-c-d", "same", "same-1", "größe--大小"]


def test_links_between_chapters_lead_to_pages_or_in_print_to_places() -> None:
    text = "[x](02-second.md#part) [y](02-second.md) [z](#here)\n\n## Here\n"
    assert re.findall('href="([^"]+)"', to_html(text)) == ["02-second.html#part", "02-second.html", "#here"]
    printed = to_html(text, "01-first--")
    assert re.findall('href="([^"]+)"', printed) == ["#02-second--part", "#02-second", "#01-first--here"]
    assert 'id="01-first--here"' in printed


# The build

FIRST = """\
# First

See [the part](02-second.md#part) and $1 < 2$.

```python tags=["hide-input"]
from cnn.draw import canvas, show
figure, axes = canvas(3, 1)
axes.plot([1, 2])
show(figure, alt="A line that rises.")
```

```python
from cnn.data import load_mnist
images, labels = load_mnist()
len(images)
```

### Exercise: where

```python
from cnn.quiz import check
check("01_linear_parameters", ...)
```

<details><summary>Answer</summary>

It is **here**.

</details>
"""
SECOND = """\
# Second

## Part

[Back](01-first.md), <https://example.org/paper>.
"""


def _course(folder: Path, first: str = FIRST, second: str = SECOND) -> Path:
    """A folder like handouts/, with two small chapters."""
    source = folder / "handouts"
    shutil.copytree(SOURCE / "cnn", source / "cnn", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "README.md").write_text("# The book\n", encoding="utf-8")
    (source / "index.md").write_text("It is *about* nothing.\n", encoding="utf-8")
    (folder / "solution").mkdir()
    shutil.copy(ROOT / "solution" / "requirements.txt", folder / "solution")
    (source / "01-first.md").write_text(first, encoding="utf-8")
    (source / "02-second.md").write_text(second, encoding="utf-8")
    return source


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The students' folder of two small chapters."""
    from grader.kit.handouts import _write_notebooks

    folder = tmp_path_factory.mktemp("small")
    source = _course(folder)
    _write_notebooks(source, read_chapters(source), folder / "notebooks")
    return folder / "notebooks"


def test_students_get_notebooks_without_outputs_and_all_they_import(small: Path) -> None:
    notebook = nbformat.read(small / "01-first.ipynb", as_version=4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code", "code", "markdown", "code", "markdown"]
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")
    assert "(02-second.ipynb#part)" in notebook.cells[0].source
    assert notebook.cells[1].metadata["jupyter"] == {"source_hidden": True}
    files = [file for file in small.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 10_000_000
    assert "grader" not in "".join(file.read_text(encoding="utf-8") for file in files if file.suffix == ".py")
    assert (small / "requirements.txt").read_bytes() == (
        ROOT / "assignment" / "requirements.txt"
    ).read_bytes()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("built")
    lines: list[str] = []
    handouts.build(_course(folder), folder / "out", lines.append, jobs=1)
    return folder / "out", lines


def test_a_build_makes_pages_that_stand_on_their_own(built: tuple[Path, list[str]]) -> None:
    out, lines = built
    first = (out / "html" / "01-first.html").read_text(encoding="utf-8")
    assert 'alt="A line that rises."' in first and "2,000, a small set" in first and "<math" in first
    assert "<strong>here</strong>" in first and 'href="02-second.html#part"' in first
    assert 'href="02-second.html" rel="next"' in first and "Code of this figure" in first
    assert "<script" not in first and "http" not in re.sub('xmlns="[^"]*"', "", first)
    assert "Not answered" not in first
    style = (out / "html" / "style.css").read_text(encoding="utf-8")
    for font in re.findall(r"url\(([^)]*)\)", style):
        assert (out / "html" / font).is_file()
    assert (out / "html" / "GUST-FONT-LICENSE.txt").is_file()
    index = (out / "html" / "index.html").read_text(encoding="utf-8")
    assert "It is <em>about</em> nothing." in index and 'href="02-second.html#part"' in index
    assert re.search(r">First</a> <span[^>]*>about 10 minutes<", index)
    assert any(re.fullmatch(r"01-first: 3 cells, [\d.]+ s", line) for line in lines)


@pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")
def test_the_pdf_has_a_cover_contents_with_page_numbers_and_the_answers_at_the_end(
    built: tuple[Path, list[str]],
) -> None:
    import pypdf

    out, _ = built
    with pypdf.PdfReader(out / "handouts.pdf") as reader:
        texts = [sheet.extract_text() for sheet in reader.pages]
        size = reader.pages[0].mediabox
    assert len(texts) == 5  # cover, contents, two chapters, answers
    assert (round(float(size.width)), round(float(size.height))) == (595, 842)  # points: A4
    assert "The book" in texts[0]
    assert re.search(r"1 First\s*3\s*2 Second\s*4\s*Part\s*4\s*Answers\s*5", texts[1])
    assert "It is here" not in texts[2] and "Answer: page 5" in texts[2]
    assert "Code of this figure" not in texts[2] and "Not answered" not in texts[2]
    assert re.search(r"1 First\s*Where\s*It is here", texts[4])
    assert re.match(r"3\s+Chapter 1\s+First", texts[2])  # its foot comes first in the file


FAULTS = {
    "a cell that fails": ("```python\n1 / 0\n```", r"cell 1 \(1 / 0\) fails with ZeroDivisionError"),
    "a cell over its time": ("```python\nwhile True: pass\n```", r"cell 1 .* longer than 5 s"),
    "a kernel that dies": ("```python\nimport os; os._exit(1)\n```", "cell 1 .* ended the kernel"),
    "a figure without text": (
        "```python\nimport matplotlib.pyplot as plt\n%matplotlib inline\nplt.plot([1]);\n```",
        r"a picture has no alternative text; a figure gets it from show\(",
    ),
    "an image without text": ("![](data:image/png;base64,AA==)", "a picture has no alternative text"),
    "a drawing without text": ("<svg></svg>", "has no aria-label"),
    "a broken link": ("[x](none.html)", "link to none.html leads to a file that is not there"),
    "no such heading there": ("[x](01-first.md#none)", "01-first.html#none leads to no heading of that"),
    "no such heading here": ("[x](#none)", "link to #none leads to no heading of this page"),
    "an address without encryption": ("[x](http://example.org/x)", "is not of the form https://"),
    "an address with a port": ("[x](https://example.org:80/x)", "is not of the form https://"),
    "no such chapter": ("[x](03-third.md)", "link to 03-third.html leads to a file"),
    "an image from elsewhere": ('<img alt="x" src="https://example.org/x.png">', "takes https://example.org"),
    "a file that is not there": ("![x](x.png)", "takes x.png from elsewhere, or it is not there"),
    "a script": ("<script>1</script>", "has a script"),
    "a style from elsewhere": ("<style>@import 'x.css';</style>", "the style takes something"),
    "a picture in a style": ('<p style="background: url(//x)">x</p>', "the style takes something"),
    "an anchor twice": ('<p id="part">x</p>', "two anchors are called part"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_build_finds(fault: str, tmp_path: Path) -> None:
    addition, expected = FAULTS[fault]
    source = _course(tmp_path, first="# First\n", second=f"{SECOND}\n{addition}\n")
    lines: list[str] = []
    if "```" in addition:  # what only running it tells
        with pytest.raises(UserError, match=r"1 problems, listed above"):
            handouts.build(source, tmp_path / "out", lines.append, only=["02"], cell_seconds=5)
    else:
        lines = _inspected(source, tmp_path / "html")
    (problem,) = [line for line in lines if line.startswith("problem: ") or line.startswith("02-second.html")]
    assert re.search(expected, problem)


def _inspected(source: Path, out: Path) -> list[str]:
    """What is wrong with the pages of chapters that were not executed."""
    chapters = read_chapters(source)
    write_style(out)
    (out / "index.html").write_text(index_page("The book", "About it.", chapters), encoding="utf-8")
    for chapter in chapters:
        text = page("The book", chapter, student_notebook(chapter), chapters)
        (out / chapter.page).write_text(text, encoding="utf-8")
    notebooks = {chapter.name: student_notebook(chapter) for chapter in chapters}
    (out / "all.html").write_text(print_page("The book", chapters, notebooks, {}), encoding="utf-8")
    found = inspect_pages(sorted(out.glob("*.html")), {chapter.page: chapter.anchors for chapter in chapters})
    return [problem for problem in found if not problem.startswith("all.html")]


@pytest.mark.slow
def test_a_cell_that_is_meant_to_fail_may(tmp_path: Path) -> None:
    shown = '# Second\n\n## Part\n\n```python tags=["raises-exception"]\n1 / 0\n```\n'
    handouts.build(_course(tmp_path, second=shown), tmp_path / "out", lambda line: None, only=["02"])
    assert "ZeroDivisionError" in (tmp_path / "out" / "html" / "02-second.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_appendix_is_run_and_is_for_instructors_alone(tmp_path: Path) -> None:
    source, out = _course(tmp_path), tmp_path / "out"
    text = "# Old errors\n\n```python\nprint(6 * 7)\n```\n"
    (source / "appendix-errors.md").write_text(text, encoding="utf-8")
    lines: list[str] = []
    handouts.build(source, out, lines.append, only=["appendix-errors"])
    (page,) = [file for file in out.rglob("*") if "errors" in file.name]
    assert page == out / "instructors" / "appendix-errors.html" and "42" in page.read_text(encoding="utf-8")
    assert "Old errors" not in (out / "html" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"02-second.md": "no title\n"}, "02-second.md: has 0 headings of level one"),
        ({"02-second.md": "# One\n\n# Two\n"}, "02-second.md: has 2 headings of level one"),
        ({"README.md": "nothing\n"}, "README.md: has no heading"),
    ],
)
def test_sources_that_cannot_be_a_book(changes: dict[str, str], expected: str, tmp_path: Path) -> None:
    source = _course(tmp_path)
    for name, text in changes.items():
        (source / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=expected):
        handouts.build(source, tmp_path / "out", lambda line: None)


def test_an_unknown_chapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no chapter 07; there are 01, 02"):
        handouts.build(_course(tmp_path), tmp_path / "out", lambda line: None, only=["07"])


# What stands in the repository


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    folder = tmp_path_factory.mktemp("pages") / "html"
    yield folder, _inspected(SOURCE, folder)


def test_the_chapters_links_and_pictures_are_in_order(pages: tuple[Path, list[str]]) -> None:
    assert pages[1] == []


def test_in_print_every_link_has_its_place(pages: tuple[Path, list[str]]) -> None:
    printed = (pages[0] / "all.html").read_text(encoding="utf-8")
    anchors = re.findall(r'\bid="([^"]+)"', printed)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"]+)"', printed)) <= set(anchors)


def test_every_figure_is_shown_with_its_text() -> None:
    """Nothing puts a figure out but `show`, which asks for the text."""
    for chapter in read_chapters(SOURCE):
        for cell in student_notebook(chapter).cells:
            if cell.cell_type == "code":
                assert "plt.show" not in cell.source, chapter.name


def test_the_readme_lists_every_chapter() -> None:
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((\d\d-[^)]+\.md)\)", text)
    assert links == [f"{chapter.name}.md" for chapter in read_chapters(SOURCE)]
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (SOURCE / link).exists(), link


def test_external_links_are_listed_and_are_plain_addresses() -> None:
    chapters = [*read_chapters(SOURCE), *read_appendices(SOURCE)]
    used = {link for one in chapters for link in re.findall(r"https?://[^\s)>\"`]+", one.source)}
    listed = re.findall(r"(?m)^\| (\S+) \| \S.* \|$", (SOURCE / "links.md").read_text(encoding="utf-8"))
    assert listed[0] == "address" and listed[1:] == sorted(used)
    for link in listed[1:]:
        assert re.fullmatch(r"https://([a-z0-9-]+\.)+[a-z]+/[A-Za-z0-9_./%-]+", link), link


def test_spelling_is_american() -> None:
    british = r"\w*(colour|behaviour|neighbour|optimis|normalis|initialis|recognis|generalis|regularis)\w*"
    words = rf"(?i)\b({british}|grey|centre|learnt|misspelt|labelled|per cent|maths)\b"
    files = [*SOURCE.glob("*.md"), *(SOURCE / "cnn").glob("*.py")]
    for file in files:
        found = re.search(words, file.read_text(encoding="utf-8"))
        assert found is None, f"{file.name}: {found and found.group()}"


def test_notebooks_and_template_import_nothing_that_requirements_txt_lacks() -> None:
    text = (ROOT / "assignment" / "requirements.txt").read_text(encoding="utf-8")
    listed = {re.split(r"[<>=; ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    assert "" not in listed
    packages = {"PIL": "pillow", "IPython": "notebook"}
    own = {"cnn", *(file.stem for file in (ROOT / "assignment").glob("*.py"))}
    own.add("grader")  # what selftest.py imports of it is in selftest.pyz
    sources = {
        chapter.name: "\n".join(c.source for c in student_notebook(chapter).cells if c.cell_type == "code")
        for chapter in read_chapters(SOURCE)
    }
    for file in (*(SOURCE / "cnn").glob("*.py"), *(ROOT / "assignment").glob("*.py")):
        sources[file.name] = file.read_text(encoding="utf-8")
    assert len(sources) > 20
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [str(node.module)]
            for module in {one.partition(".")[0] for one in imported} - sys.stdlib_module_names - own:
                assert packages.get(module, module) in listed, f"{name} imports {module}"


def test_notebooks_are_the_same_every_time() -> None:
    for chapter in read_chapters(SOURCE):
        assert json.dumps(student_notebook(chapter)) == json.dumps(student_notebook(chapter))
