"""The last four chapters: their figures, and what they say of the rubric, the questions and the contract."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure

from grader.rubric import load_rubric

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "handouts"
sys.path.insert(0, str(SOURCE))  # where the notebooks find it: beside themselves

from cnn import draw, figures_nets  # noqa: E402

LAB = (SOURCE / "10-the-lab.md").read_text(encoding="utf-8")

FIGURES: dict[Callable[..., None], tuple[Any, ...]] = {
    figures_nets.two_memories: (),
    figures_nets.memory_bars: ({"parameters": 0.5, "feature maps": 8.7}, 6, "VGG16", 128),
    figures_nets.speed_ladder: ({"first": 1000.0, "second": 4000.0}, "speeds"),
    figures_nets.time_shares: ({"data": 3.0, "forward": 1.0}, "shares"),
    figures_nets.alexnet: (),
    figures_nets.vgg16: (),
    figures_nets.small_kernels: (),
    figures_nets.inception_module: (),
    figures_nets.googlenet: (),
    figures_nets.residual_blocks: (),
    figures_nets.resnet18: (),
    figures_nets.gradients_by_depth: ([2, 4], {"plain": [0.1, 1e-9], "with shortcuts": [0.1, 1.0]}),
    figures_nets.size_and_work: ({"AlexNet": (62e6, 1.1e9, 84.7), "ResNet-152": (60e6, 11e9, 95.51)},),
    figures_nets.points_curve: (),
}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Figure, str]]:
    matplotlib.use("agg")
    found: list[tuple[Figure, str]] = []
    monkeypatch.setattr(figures_nets, "show", lambda figure, alt: found.append((figure, alt)))
    return found


def test_every_figure_is_tested() -> None:
    functions = inspect.getmembers(figures_nets, inspect.isfunction)
    assert {function for _, function in functions if function.__module__ == "cnn.figures_nets"} == set(
        FIGURES
    )


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.__name__)
def test_a_figure_fits_the_page_and_says_what_it_shows(
    figure: Callable[..., None], shown: list[tuple[Figure, str]]
) -> None:
    figure(*FIGURES[figure])
    ((picture, alt),) = shown
    assert picture.get_figwidth() <= draw.WIDTH
    assert len(alt) > 60 and alt.endswith(".")
    picture.canvas.draw()  # warns, which is an error, where something does not fit
    page = picture.bbox
    for text in (text for axes in picture.axes for text in axes.texts if text.get_text().strip()):
        assert float(text.get_fontsize()) >= 9
        box = text.get_window_extent()
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1, text.get_text()
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1, text.get_text()
    picture.clear()


def test_measured_numbers_are_in_the_alternative_text(shown: list[tuple[Figure, str]]) -> None:
    figures_nets.speed_ladder({"first": 1000.0, "second": 4000.0}, "speeds")
    assert "second 4,000 (4.0 times the first)" in shown[0][1]
    figures_nets.time_shares({"data": 3.0, "forward": 1.0}, "shares")
    assert "data 75 percent" in shown[1][1]


def test_the_points_curve_is_the_rubrics() -> None:
    assert load_rubric().accuracy.knots == tuple((Decimal(x), Decimal(y)) for x, y in figures_nets.KNOTS)


def test_the_lab_chapter_gives_the_rubrics_points() -> None:
    rubric = load_rubric()
    groups = {
        "the arithmetic of a convolution": "conv_",
        "LeNet-5": "lenet_",
        "the classifier's contract": "classifier_",
    }
    wanted = {
        title: sum((points for id, points in rubric.checks.items() if id.startswith(prefix)), Decimal(0))
        for title, prefix in groups.items()
    }
    wanted |= {
        "accuracy on the test images": rubric.accuracy.points,
        "four written answers": rubric.exercise_2,
    }
    rows = re.findall(r"(?m)^\| ([^|]+) \| (\d+) \| .*\|$", LAB)
    assert {title: Decimal(points) for title, points in rows} == wanted
    assert f"Exercise 1 has {rubric.exercise_1:.0f} points, exercise 2 has {rubric.exercise_2:.0f}." in LAB


def test_the_lab_chapter_asks_the_rubrics_questions() -> None:
    section = LAB.split("## The four questions")[1].split("\n## ")[0]
    assert re.findall(r"(?m)^\d\. (.*)$", section) == [question.text for question in load_rubric().questions]


def test_the_lab_chapter_names_the_contract_as_it_is() -> None:
    module = types.ModuleType("lab8")
    exec((ROOT / "assignment" / "lab8.py").read_text(encoding="utf-8"), module.__dict__)
    signatures = re.findall(r"(?m)^\| \d\w? \| `(\w+)\((.*)\)` \|", LAB)
    assert len(signatures) == 6
    for name, arguments in signatures:
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        found = [str(parameter.replace(annotation=inspect.Parameter.empty)) for parameter in parameters]
        assert [part for part in arguments.split(", ") if part not in ("", "*")] == found


def test_no_line_of_the_solutions_training_is_in_a_chapter() -> None:
    template = (ROOT / "assignment" / "lab8.py").read_text(encoding="utf-8")
    solution = (ROOT / "solution" / "lab8.py").read_text(encoding="utf-8")
    secret = {line.strip() for line in solution.splitlines()} - {
        line.strip() for line in template.splitlines()
    }
    secret = {line for line in secret if len(line) > 40}
    assert len(secret) > 50
    for chapter in SOURCE.glob("*.md"):
        lines = {line.strip() for line in chapter.read_text(encoding="utf-8").splitlines()}
        assert not lines & secret, chapter.name
