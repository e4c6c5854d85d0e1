"""Weights as people save them, modules handed in beside the code, and what a notebook's output claims."""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import dataclasses
import datetime
import importlib.util
import io
import json
import os
import pathlib
import pickle
import platform
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from grader.intake import read_submissions
from grader.intake.entries import Entry
from grader.intake.notebook import parse_notebook
from grader.intake.pick import find_code
from grader.integrity.claims import claimed_accuracies
from grader.integrity.code import carries
from grader.lab import load_lab
from grader.sandbox import Sandbox, StudentFailure, checkpoints, helpers
from grader.sandbox.checkpoints import Contents, Fit, UnusableError
from grader.sandbox.definitions import extract
from grader.types import Code, Helper, Submission

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parent.parent
State = dict[str, Tensor]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 10)


class Shared(nn.Module):
    """One layer twice over."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.Linear(4, 4)
        self.blocks = nn.ModuleList([block, block])
        self.fc = nn.Linear(4, 10)


class Config(dict[str, int]):
    """As Lightning's and others' own kinds of dict."""


@dataclasses.dataclass
class Settings:
    lr: float = 0.1


def state() -> State:
    return dict(Net().state_dict())


def before(prefix: str, weights: State) -> State:
    return {prefix + name: value for name, value in weights.items()}


def within(module: str, weights: State) -> State:
    return {name.replace("features.", f"features.{module}."): value for name, value in weights.items()}


def averaged() -> State:
    return dict(AveragedModel(Net()).state_dict())


def trained_optimizer() -> torch.optim.Optimizer:
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    return optimizer


def fit(content: object, network: nn.Module | None = None, **options: Any) -> Fit:
    """How what torch.save writes of `content` fits the network."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return fit_bytes(buffer.getvalue(), network or Net())


def fit_bytes(raw: bytes, network: nn.Module, kind: str = "torch") -> Fit:
    path = Path(os.environ["PYTEST_FOLDER"]) / "weights"
    path.write_bytes(raw)
    return checkpoints.fit(checkpoints.read(path, kind), dict(network.state_dict()))


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_FOLDER", str(tmp_path_factory.mktemp("weights")))
        yield


# --- weights: what is taken ------------------------------------------------------------------------

BESIDE: dict[str, tuple[object, str]] = {
    "a numpy number": (np.float64(0.9), ""),
    "numpy's other numbers": ([np.int64(3), np.bool_(True), np.float16(1)], ""),
    "an array": ({"loss": np.arange(3.0), "names": np.array(["cat"])}, ""),
    "numpy's random state": (np.random.get_state(), ""),
    "an optimizer's state": (trained_optimizer().state_dict(), ""),
    "metrics that are tensors": ({"accuracy": torch.tensor(0.9)}, ""),
    "arguments": (argparse.Namespace(lr=np.float32(0.1)), "argparse.Namespace"),
    "a path": (pathlib.PurePosixPath("a"), f"{pathlib.PurePosixPath.__module__}.PurePosixPath"),
    "a path of Windows": (
        pathlib.PureWindowsPath("a"),
        f"{pathlib.PureWindowsPath.__module__}.PureWindowsPath",
    ),
    "a defaultdict": (collections.defaultdict(list, a=[1]), "collections.defaultdict"),
    "a dict of its own kind": (Config(a=1), f"{__name__}.Config"),
    "a dataclass": (Settings(), f"{__name__}.Settings"),
    "a time": (datetime.datetime(2026, 11, 26), "datetime.datetime"),
    "a range": (range(3), "builtins.range"),
    "a function": (fit, f"{__name__}.fit"),
}


@pytest.mark.parametrize(("beside", "unopened"), BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("is_legacy", [False, True], ids=["zip", "legacy"])
def test_what_lies_beside_the_weights_does_not_cost_them(
    beside: object, unopened: str, is_legacy: bool
) -> None:
    weights = state()
    content = {"state_dict": weights, "epoch": 3, "beside": beside}
    found = fit(content, _use_new_zipfile_serialization=not is_legacy)
    assert not found.faults and all(torch.equal(found.weights[n], v) for n, v in weights.items())
    assert found.remark == (f"{unopened} beside the weights was not opened" if unopened else "")


TAKEN: dict[str, tuple[Callable[[State], object], str]] = {
    "plain": (lambda s: s, ""),
    "numpy arrays": (lambda s: {name: value.numpy() for name, value in s.items()}, ""),
    "flat, beside numbers": (lambda s: {**s, "epoch": 3, "best": np.float64(0.9)}, ""),
    "a tuple with the optimizer's state": (lambda s: (s, trained_optimizer().state_dict()), ""),
    "a level deeper": (lambda s: {"checkpoint": {"net": s, "epoch": 1}}, ""),
    "the same twice": (lambda s: {"best": s, "last": dict(s)}, ""),
    "model and ema": (lambda s: {"model": s, "ema": state(), "epoch": 3}, "ema left aside"),
    "timm's two": (lambda s: {"state_dict": s, "state_dict_ema": state()}, "state_dict_ema left aside"),
    "model and an averaged one": (lambda s: {"model": s, "swa": averaged()}, "swa.module.* left aside"),
    "DataParallel's": (lambda s: before("module.", s), 'names were read without "module."'),
    "torch.compile's": (lambda s: before("_orig_mod.", s), 'names were read without "_orig_mod."'),
    "both": (lambda s: before("module._orig_mod.", s), 'names were read without "module._orig_mod."'),
    "an averaged model's": (
        lambda s: {"n_averaged": torch.tensor(3), **before("module.", s)},
        'names were read without "module."',
    ),
    "a part in DataParallel": (
        lambda s: within("module", s),
        "names were read without module. and _orig_mod.",
    ),
    "a part compiled": (lambda s: within("_orig_mod", s), "names were read without module. and _orig_mod."),
    "Lightning's": (
        lambda s: {"epoch": 9, "state_dict": before("model.", s), "hyper_parameters": {"lr": 0.1}},
        'names were read without "model."',
    ),
    "Lightning's with a loss's weights and a config": (
        lambda s: {
            "state_dict": {**before("net.", s), "criterion.weight": torch.ones(10)},
            "hyper_parameters": Config(lr=1),
        },
        'names were read without "net."; criterion.weight left aside; '
        f"{__name__}.Config beside the weights was not opened",
    ),
    "Lightning's with an average": (
        lambda s: {"state_dict": {**before("model.", s), **before("ema_model.", state())}},
        'names were read without "model."; state_dict.ema_model.* left aside',
    ),
}


@pytest.mark.parametrize(("content", "remark"), TAKEN.values(), ids=TAKEN)
def test_what_fits_in_one_way_is_taken(content: Callable[[State], object], remark: str) -> None:
    network, weights = Net(), state()
    found = fit(content(weights), network)
    assert not found.faults and found.remark == remark
    network.load_state_dict(found.weights, strict=True)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_a_network_in_a_wrapper_takes_bare_names_and_another_wrappers() -> None:
    wrapped = nn.Sequential(collections.OrderedDict(module=Net()))
    assert fit(state(), wrapped).remark == 'names were read with "module." before them'
    found = fit(before("_orig_mod.", state()), wrapped)
    assert not found.faults and set(found.weights) == set(wrapped.state_dict())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_tensors_that_save_model_has_dropped_are_those_that_the_network_shares(prefix: str) -> None:
    saved = Shared()
    wrapped = nn.Sequential(collections.OrderedDict(module=saved)) if prefix else saved
    path = Path(os.environ["PYTEST_FOLDER"]) / "shared.safetensors"
    safetensors.torch.save_model(wrapped, str(path))
    network = Shared()
    found = fit_bytes(path.read_bytes(), network, "safetensors")
    assert not found.faults and "filled in, for classifier() shares the tensors with others" in found.remark
    network.load_state_dict(found.weights, strict=True)
    assert torch.equal(network.blocks[1].weight, saved.blocks[0].weight)  # type: ignore[arg-type]
    one_too_few = before(prefix, {n: v for n, v in saved.state_dict().items() if n != "fc.bias"})
    assert fit(one_too_few, Shared()).missing == ("fc.bias",)


def test_save_weights_saves_a_network_that_shares_tensors(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("lab8_tools", ROOT / "solution" / "lab8_tools.py")
    assert spec and spec.loader
    tools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    saved = Shared()
    raw = tools.save_weights(saved, tmp_path).read_bytes()
    assert fit_bytes(raw, Shared(), "safetensors").remark == ""


@given(
    st.lists(st.from_regex(r"[a-d](\.[a-d0]){0,2}", fullmatch=True), min_size=1, max_size=6, unique=True),
    st.from_regex(r"([e-h]{1,3}\.){1,3}", fullmatch=True),
)
def test_any_common_prefix_is_taken_off_or_put_before(names: list[str], prefix: str) -> None:
    own = {name: torch.full((n + 1,), 0.0) for n, name in enumerate(names)}
    stored = {name: torch.full((n + 1,), 1.0) for n, name in enumerate(names)}
    for theirs, ours in ((before(prefix, stored), own), (stored, before(prefix, own))):
        found = checkpoints.fit(Contents(theirs), ours)
        assert not found.faults and list(found.weights) == list(ours)
        assert all(value.eq(1).all() and value.shape == ours[n].shape for n, value in found.weights.items())


VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.text(max_size=3) | st.builds(torch.ones, st.integers(0, 3)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "a.b", "module.a", "", ".", "model", 1]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_whatever_a_file_holds_fits_or_is_refused(value: object) -> None:
    own = {"a": torch.ones(1), "a.b": torch.ones(2)}
    try:
        found = checkpoints.fit(Contents(value), own)
    except UnusableError as error:
        assert "\n" not in str(error)
        return
    assert found.faults or {n: v.shape for n, v in found.weights.items()} == {
        n: v.shape for n, v in own.items()
    }


# --- weights: what is refused ----------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a whole model": (Net, "a whole pickled model cannot be opened safely: save model.state_dict()"),
    "a whole model in a dict": (lambda: {"model": Net()}, f"holds {__name__}.Net, "),
    "a whole model and tensors": (
        lambda: {"model": Net(), "m": {"accuracy": torch.ones(1)}},
        "and no state dict: save model.state_dict()",
    ),
    "a deque": (
        lambda: {"state_dict": state(), "last": collections.deque([1])},
        "holds collections.deque, which is not opened: save model.state_dict() alone",
    ),
    "two that nothing tells apart": (
        lambda: {"best": state(), "last": state()},
        r"holds 2 state dicts that fit classifier() (best, last): save the one that is meant alone",
    ),
    "two under usual names": (lambda: {"model": state(), "net": state()}, "(model, net)"),
    "two prefixes": (lambda: {**before("a.", state()), **before("b.", state())}, "(a.*, b.*)"),
    "an optimizer's state": (
        lambda: trained_optimizer().state_dict(),
        "holds an optimizer's state: save model.state_dict()",
    ),
    "parameters without names": (lambda: [torch.ones(3)], "holds no state dict: save model.state_dict()"),
}


@pytest.mark.parametrize(("content", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_told_with_what_to_do(content: Callable[[], object], why: str) -> None:
    with pytest.raises(UnusableError) as caught:
        fit(content())
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_other_ways_to_save_are_named() -> None:
    with pytest.raises(UnusableError, match="a whole pickled model"):
        fit(Net(), _use_new_zipfile_serialization=False)
    with pytest.raises(UnusableError, match="without pickle_protocol"):
        fit(state(), pickle_protocol=4)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), buffer)
    with pytest.raises(UnusableError, match=r"a TorchScript archive is not opened: save model\.state_dict"):
        fit_bytes(buffer.getvalue(), nn.Linear(2, 2))


def test_what_does_not_fit_is_told_by_the_names_that_fit_best() -> None:
    weights = state()
    last = weights.pop("fc.bias")
    assert fit(weights).missing == ("fc.bias",)
    assert fit(before("module.", weights)).missing == ("fc.bias",)
    renamed = fit({**weights, "head.bias": last})
    assert (renamed.missing, renamed.unexpected) == (("fc.bias",), ("head.bias",))
    assert fit({**weights, "fc.bias": torch.ones(9)}).mismatched == ("fc.bias",)
    assert fit({"model": {**weights, "fc.bias": last, "more": last}, "m": {"x": last}}).unexpected == (
        "more",
    )


class Evil:
    """Whose pickle calls something."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("is_legacy", [False, True], ids=["zip", "legacy"])
def test_no_pickle_runs_anything(is_legacy: bool, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    calls = [Evil(open, str(mark), "w"), Evil(os.mkdir, str(mark)), Evil(pathlib.Path.touch, mark)]
    calls += [Evil(exec, f"open({str(mark)!r}, 'w')"), Evil(pickle.loads, pickle.dumps(calls[0]))]
    for evil in calls:
        for content in (evil, {"state_dict": state(), "x": evil}):
            with contextlib.suppress(UnusableError, pickle.UnpicklingError):
                fit(content, _use_new_zipfile_serialization=not is_legacy)
            assert not mark.exists()


@given(st.data())
def test_a_damaged_file_is_an_exception_at_most(data: st.DataObject) -> None:
    buffer = io.BytesIO()
    legacy = data.draw(st.booleans())
    content = {"model": {"fc.bias": torch.ones(10)}, "x": argparse.Namespace(a=1)}
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Exception):  # the worker says of any that torch did not write the file
        fit_bytes(bytes(raw), Net())


# --- names of files --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["model_best.pth.tar", "checkpoint.tar", "Model.PT.TAR", "weights.gz"])
def test_a_checkpoint_called_an_archive_is_taken_by_its_content(
    name: str, is_legacy: bool, tmp_path: Path
) -> None:
    (tmp_path / "in" / "ada").mkdir(parents=True)
    (tmp_path / "in" / "ada" / "lab8.py").write_text("def lenet5(): pass\n")
    torch.save(state(), tmp_path / "in" / "ada" / name, _use_new_zipfile_serialization=not is_legacy)
    (submission,) = read_submissions(tmp_path / "in", tmp_path / "out")
    assert submission.weights and submission.weights.filename == name
    assert submission.remarks == (f"{name} was taken as the weights",)


def test_a_real_archive_is_still_told_of(tmp_path: Path) -> None:
    (tmp_path / "in" / "ada").mkdir(parents=True)
    (tmp_path / "in" / "ada" / "lab8.py").write_text("def lenet5(): pass\n")
    for name, raw in {"a.tar": b"ustar" * 200, "b.pth.tar": b"PK\x03\x04 no", "c.tar": b""}.items():
        (tmp_path / "in" / "ada" / name).write_bytes(raw)
    (submission,) = read_submissions(tmp_path / "in", tmp_path / "out")
    assert submission.weights is None
    assert [r for r in submission.remarks if "is an archive of a kind that is not opened" in r] == [
        f"{name} is an archive of a kind that is not opened: hand in a zip"
        for name in ("a.tar", "b.pth.tar", "c.tar")
    ]


# --- modules handed in beside the code: which ------------------------------------------------------

CONTRACT = load_lab().contract.functions
WORK = "".join(f"def {name}(x):\n    return x\n\n" for name in CONTRACT)
TEMPLATE = "".join(f"def {name}(x):\n    raise NotImplementedError('{name}')\n\n" for name in CONTRACT)


def entries(contents: dict[str, str]) -> list[Entry]:
    def entry(path: str, raw: bytes) -> Entry:
        return Entry(path, len(raw), len(raw), opener=lambda: io.BytesIO(raw))

    return [entry(path, text.encode()) for path, text in sorted(contents.items())]


def notebook(*sources: str, outputs: dict[int, list[str]] | None = None, kinds: str = "") -> str:
    """A notebook of these cells; `kinds` has an m for a Markdown cell, `outputs` the lines below a cell."""
    cells: list[dict[str, object]] = []
    for place, source in enumerate(sources):
        if kinds[place : place + 1] == "m":
            cells.append({"cell_type": "markdown", "source": source})
        else:
            text = [line + "\n" for line in (outputs or {}).get(place, [])]
            printed = [{"output_type": "stream", "text": text}] if text else []
            cells.append({"cell_type": "code", "source": source, "outputs": printed})
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


HELPERS: dict[str, tuple[dict[str, str], str, list[str]]] = {
    "from model import": (
        {"lab8.py": WORK + "from model import Net\n", "model.py": "Net = 1\n"},
        "lab8.py",
        ["model.py"],
    ),
    "import as": ({"lab8.py": WORK + "import utils as u\n", "utils.py": "x = 1\n"}, "lab8.py", ["utils.py"]),
    "in a function": (
        {"lab8.py": WORK.replace("return", "from model import Net\n    return"), "model.py": "x = 1\n"},
        "lab8.py",
        ["model.py"],
    ),
    "a helper's helper": (
        {"lab8.py": WORK + "import a\n", "a.py": "from b import *\n", "b.py": "x = 1\n", "c.py": "x = 1\n"},
        "lab8.py",
        ["a.py", "b.py"],
    ),
    "a package": (
        {
            "lab8.py": WORK + "from models import *\nfrom utils import bar\n",
            "models/__init__.py": "from .small import *\n",
            "models/small.py": "class Net: pass\n",
            "models/deep/er.py": "x = 1\n",
            "utils.py": "def bar(): pass\n",
            "other/small.py": "x = 1\n",
        },
        "lab8.py",
        ["models/__init__.py", "models/deep/er.py", "models/small.py", "utils.py"],
    ),
    "a folder without __init__": (
        {
            "lab8.py": WORK + "from nets.small import Net\n",
            "nets/small.py": "Net = 1\n",
            "nets/__init__.py": "",
        },
        "lab8.py",
        ["nets/small.py"],
    ),
    "all of it in a folder": (
        {"work/lab8.py": WORK + "import model\n", "work/model.py": "x = 1\n", "old/model.py": "x = 2\n"},
        "lab8.py",
        ["model.py"],
    ),
    "in another folder, by sys.path": (
        {"lab8.py": WORK + "import sys\nsys.path.append('src')\nimport model\n", "src/model.py": "x = 1\n"},
        "lab8.py",
        ["model.py"],
    ),
    "in two other folders": (
        {"lab8.py": WORK + "import model\n", "a/model.py": "x = 1\n", "b/model.py": "x = 2\n"},
        "lab8.py",
        [],
    ),
    "a notebook": (
        {"lab8.ipynb": notebook("%run model.py", WORK), "model.py": "x = 1\n", "lab8.py": TEMPLATE},
        "lab8.ipynb",
        ["model.py"],
    ),
    "the work lies in the helpers": (
        {
            "lab8.py": f"from conv import ({CONTRACT[0]},\n    {CONTRACT[1]})\nfrom nets import *\n",
            "conv.py": WORK,
            "nets.py": WORK,
        },
        "lab8.py",
        ["conv.py", "nets.py"],
    ),
    "a script that imports the work": (
        {"mylab.py": WORK, "a_train.py": "from mylab import *\n"},
        "mylab.py",
        [],
    ),
    "never imported": ({"lab8.py": WORK + "model = 1\n", "model.py": "x = 1\n"}, "lab8.py", []),
    "no name of a module": ({"lab8.py": WORK + "import model\n", "model (1).py": "x = 1\n"}, "lab8.py", []),
    "the kit's own": (
        {
            "lab8.py": WORK + "import lab8_tools, selftest\n",
            "lab8_tools.py": "x = 1\n",
            "selftest.py": "x = 1\n",
        },
        "lab8.py",
        ["lab8_tools.py"],
    ),
}


@pytest.mark.parametrize(("contents", "name", "paths"), HELPERS.values(), ids=HELPERS)
def test_the_modules_that_the_code_imports_are_found(
    contents: dict[str, str], name: str, paths: list[str]
) -> None:
    found = find_code(entries(contents))
    assert found.code and found.code.filename == name
    assert [helper.path for helper in found.code.helpers] == paths
    told = [remark for remark in found.remarks if remark.startswith("read with ")]
    assert bool(told) == bool(paths) and all(Path(path).name in told[0] for path in paths)
    assert not any("is empty" in remark for remark in found.remarks)


def test_what_is_read_with_the_code_is_part_of_the_digest_and_of_its_size(tmp_path: Path) -> None:
    digests = []
    for number, (other, helper) in enumerate((("x", "y = 1"), ("x", "y = 2"), ("z", "y = 1"))):
        folder = tmp_path / str(number) / "ada"
        folder.mkdir(parents=True)
        for name, text in {"lab8.py": WORK + "import model\n", "model.py": helper, "other.py": other}.items():
            (folder / name).write_text(text)
        (submission,) = read_submissions(folder.parent, tmp_path / "out")
        digests.append(submission.digest)
    assert digests[0] != digests[1] and digests[0] == digests[2]
    stash = "".join(map(chr, np.random.default_rng(0).integers(0x4E00, 0x9FFF, 20_000).tolist()))
    code = Code(filename="lab8.py", cells=("",), helpers=(Helper(path="a.py", text=f"S = {stash!r}"),))
    assert (flag := carries(code)) and flag.kind == "code_size"


def test_helpers_count_against_the_limit_on_the_code() -> None:
    half = "#" * (1100 * 1024)
    contents = {"lab8.py": WORK + "import a, b\n", "a.py": half, "b.py": half}
    found = find_code(entries(contents))
    assert found.code and [helper.path for helper in found.code.helpers] == ["a.py"]
    assert any("b.py" in remark for remark in found.remarks)


NAMES = st.sampled_from(["a", "b", "c", "lab8", "x.y", ".a", "*", "torch"])
LINES = st.builds("from {} import {}".format, NAMES, NAMES) | st.builds("import {}".format, NAMES) | st.text()
PATHS = st.sampled_from(["lab8.py", "a.py", "b.py", "a/b.py", "a/c.py", "b/a.py", "c/__init__.py", "d e.py"])


@given(st.dictionaries(PATHS, st.lists(LINES, max_size=4).map("\n".join), min_size=1))
def test_whatever_imports_whatever_a_choice_is_made(contents: dict[str, str]) -> None:
    found = find_code(entries(contents))
    if found.code:
        paths = [helper.path for helper in found.code.helpers]
        assert len(set(paths)) == len(paths)
        assert all(part.isidentifier() for path in paths for part in path.removesuffix(".py").split("/"))
        assert found == find_code(entries(contents)[::-1])


# --- modules handed in beside the code: run --------------------------------------------------------

NET = """\
import torch.nn as nn
from torch.utils.data import DataLoader

print("run")
loader = DataLoader(no_such_data)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(WIDTH, 10)

WIDTH = 3

if __name__ == "__main__":
    raise SystemExit
"""
MAKES = "import model\ndef make():\n    return model.Net()\n"
USES = (
    "def classifier():\n    return Net()\n\ndef conv_output_size():\n    return classifier().fc.in_features\n"
)


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    if platform.system() != "Linux":
        pytest.skip("bubblewrap is Linux's")
    return isolated_sandbox()


def answer(sandbox: Sandbox, cell: str | tuple[str, ...], files: dict[str, str]) -> tuple[object, list[str]]:
    """What conv_output_size() returns, and the remarks, with these files beside the code."""
    cells = (cell,) if isinstance(cell, str) else cell
    filename = "lab8.py" if isinstance(cell, str) else "lab8.ipynb"
    beside = tuple(Helper(path=path, text=text) for path, text in files.items())
    code = Code(filename=filename, cells=cells, helpers=beside)
    with sandbox.student(Submission(student_id="s", code=code)) as student:
        value = student.call("conv_output_size")
        assert "run" not in student.log, "nothing runs that nothing needs"
        return value, student.remarks


RUNS: dict[str, tuple[str | tuple[str, ...], dict[str, str]]] = {
    "from model import": ("from model import Net\n" + USES, {"model.py": NET}),
    "import model": (
        USES.replace("Net()", "model.Net()").replace("def c", "import model\ndef c", 1),
        {"model.py": NET},
    ),
    "in a function": (
        USES.replace("return Net", "from model import Net as N\n    return N"),
        {"model.py": NET},
    ),
    "by a string": ("import model\n" + USES.replace("Net()", "getattr(model, 'Net')()"), {"model.py": NET}),
    "a package and star imports": (
        "from models import *\n" + USES,
        {"models/__init__.py": "from .small import *\n", "models/small.py": "__all__ = ['Net']\n" + NET},
    ),
    "a folder without __init__": ("from nets.small import Net\n" + USES, {"nets/small.py": NET}),
    "a submodule": (
        "import models.small\n" + USES.replace("Net", "models.small.Net"),
        {"models/small.py": NET},
    ),
    "the contract's functions themselves": (
        "from work import *\n",
        {"work.py": "from model import Net\n" + USES, "model.py": NET},
    ),
    "packages in packages": (
        "from a.b.c import Net\n" + USES,
        {"a/b/c.py": "from ..d import Net\n", "a/d.py": NET, "a/__init__.py": "from .no import x\n"},
    ),
    "a helper's helper": (
        "from a import make\n" + USES.replace("Net()", "make()"),
        {"a.py": MAKES, "model.py": NET},
    ),
    "%run": (("%run ./model.py", USES), {"model.py": NET}),
    "%writefile": (("%%writefile model.py\n" + NET, "from model import Net", USES), {}),
    "a process started afresh": (
        "import multiprocessing\nfrom model import Net\n"
        + USES.replace(
            "return classifier().fc.in_features",
            "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            "        return pool.apply(width)\n\ndef width():\n    return classifier().fc.in_features",
        ),
        {"model.py": NET},
    ),
}


@pytest.mark.parametrize(("cell", "files"), RUNS.values(), ids=RUNS)
def test_modules_beside_the_code_are_imported(
    sandbox: Sandbox, cell: str | tuple[str, ...], files: dict[str, str]
) -> None:
    assert answer(sandbox, cell, files)[0] == 3


def test_what_a_helper_lacks_is_said_with_its_file_and_line(sandbox: Sandbox) -> None:
    lacking = "from model import Net\n" + USES
    for text, why in {
        "import no_such_thing\n" + NET.replace("nn.Module", "no_such_thing.Base"): "model.py, line 1",
        "class Net(:\n": "SyntaxError: .*model.py, line 1",
        "x = 1\n": r"cannot import name 'Net' from 'model' \(model.py\)",
    }.items():
        with pytest.raises(StudentFailure, match=why):
            answer(sandbox, lacking, {"model.py": text})
    with pytest.raises(StudentFailure, match="and of modules of your own those handed in beside the code"):
        answer(sandbox, lacking, {})


def test_a_helpers_failure_while_it_runs_names_its_line(sandbox: Sandbox) -> None:
    with pytest.raises(StudentFailure, match=r"ZeroDivisionError: .* \(model\.py, line 2\)"):
        answer(
            sandbox,
            "from model import f\ndef conv_output_size():\n    return f()\n",
            {"model.py": "def f():\n    return 1 / 0\n"},
        )


@pytest.mark.parametrize(
    "name", ["random.py", "torch.py", "numpy/__init__.py", "lab8.py", "typing_extensions.py"]
)
def test_no_helper_takes_a_librarys_place(sandbox: Sandbox, name: str) -> None:
    top = name.partition("/")[0].removesuffix(".py")
    cell = f"def conv_output_size():\n    import {top}\n    return hasattr({top}, 'MINE')\n"
    value, remarks = answer(sandbox, cell, {name: "MINE = 1\n"})
    assert value is False
    whose = "the module that is handed in" if top == "lab8" else "a library"
    assert remarks == [f"{name} is not read, because {whose} is called {top}: rename it"]


def test_a_refused_helper_is_the_reason_of_what_it_lacks(sandbox: Sandbox) -> None:
    with pytest.raises(StudentFailure, match=r"cannot import name 'Net' .*code\.py is not read"):
        answer(sandbox, "from code import Net\n" + USES, {"code.py": NET})


def test_a_submission_sees_no_other_ones_helpers(sandbox: Sandbox) -> None:
    assert answer(sandbox, "from model import Net\n" + USES, {"model.py": NET})[0] == 3
    with pytest.raises(StudentFailure, match="No module named 'model'"):
        answer(sandbox, "from model import Net\n" + USES, {})


@given(st.lists(st.text() | LINES, max_size=3), st.lists(st.text(), max_size=2))
def test_whatever_stands_in_helpers_they_are_set_up(texts: list[str], cells: list[str]) -> None:
    files = {f"h{n}.py": text for n, text in enumerate(texts)}
    found = helpers.Helpers(files, ["%%writefile w.py\n" + cell for cell in cells], lambda *_: None, "lab8")
    assert set(found.files) == {*files, *(["w.py"] if cells else [])} and not found.refused


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("%run model.py", "from model import *"),
        ("%run -i ./nets/small.py --fast", "from nets.small import *"),
        ("%run 'model.py'", "from model import *"),
        ("%run other.ipynb", ""),
        ("%run 01_model.py", ""),
    ],
)
def test_a_notebook_runs_a_module_by_its_magic(line: str, kept: str) -> None:
    (source,) = extract([line + "\n"], ["Net"], "lab8.ipynb").sources
    assert "\n".join(map(ast.unparse, source.body)) == kept


# --- from the files to the weights in the network --------------------------------------------------


def test_weights_of_a_wrapper_are_loaded_with_a_remark(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    (folder / "lab8.py").write_text("from model import Net\n" + USES)
    (folder / "model.py").write_text(NET)
    weights = nn.Sequential(collections.OrderedDict(fc=nn.Linear(3, 10))).state_dict()
    torch.save({"net": before("module.", dict(weights)), "args": argparse.Namespace()}, folder / "m.pth.tar")
    (submission,) = read_submissions(folder.parent, tmp_path / "out")
    with sandbox.student(submission) as student:
        model = student.build("classifier")
        assert model.load_weights().loaded and model.load_weights().loaded
        assert torch.equal(model.parameters()["fc.bias"], weights["fc.bias"])
        told = 'names were read without "module."; argparse.Namespace beside the weights was not opened'
        assert student.remarks == [f"m.pth.tar: {told}"]


# --- what a notebook's output claims ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "claims"),
    [
        ("Test class accuracy: car 85.3%, ship 88.1%", []),
        ("Test Accuracy of airplane: 70% (705/1000)", []),
        ("Test Accuracy of     0: 99% (970/980)", []),
        ("per-class test acc: 0.91 0.88", []),
        ("测试集 汽车 准确率 85%", []),
        ("Test Accuracy (Overall): 77% (7777/10000)", [0.77]),
        ("test accuracy of the classifier 0.9", [0.9]),
        ("Test: [10/79]\tTime 0.1\tAcc@1 96.09 ( 95.80)", []),
        ("Test:  40%|####      | 4/10 [00:01, acc=0.98]", []),
        ("Testing 3/100 acc 0.98", []),
        ("测试 3/100 准确率 98%", []),
        ("Testing 100/100 acc 0.91", [0.91]),
        ("Test: 100%|####| 10/10 [00:01, acc=0.93]", [0.93]),
        ("Epoch:  40%|####      | 4/10 [00:03, test_acc=0.91]", [0.91]),
        ("Epoch [3/10] test acc 0.91", [0.91]),
    ],
)
def test_a_share_of_a_class_or_of_the_first_batches_is_no_claim(line: str, claims: list[float]) -> None:
    assert list(claimed_accuracies(line)) == pytest.approx(claims)


LENET = ["Test Accuracy: 98.93%"]
OWN = ["Test Accuracy: 66.1%"]


@pytest.mark.parametrize(
    ("sources", "kinds", "outputs", "claims"),
    [
        (["net = classifier()", "test(net)", "test(lenet5())"], "", {1: OWN, 2: LENET}, OWN),
        (["net = classifier()", "test(net)", "net = LeNet()", "test(net)"], "", {1: OWN, 3: LENET}, OWN),
        (["net = classifier()", "test(net)", "## LeNet", "test(net)"], "ccm", {1: OWN, 3: LENET}, OWN),
        (["net = classifier()", "test(net, digits_loader)"], "", {1: LENET}, []),
        (["lenet5()", "## CIFAR-10", "test(net)"], "cm", {2: OWN}, OWN),
        (["def lenet5(): ...\ndef classifier(): ...", "test(model)"], "", {1: OWN}, OWN),
        (["GoogLeNet()", "round(acc, 4)  # 4 digits"], "", {0: OWN, 1: OWN}, OWN * 2),
        (["test(a)"], "", {0: ["LeNet test acc 0.98", "test acc 0.66"]}, ["test acc 0.66"]),
    ],
)
def test_what_is_about_the_tutorials_network_is_no_claim(
    sources: list[str], kinds: str, outputs: dict[int, list[str]], claims: list[str]
) -> None:
    assert parse_notebook(notebook(*sources, kinds=kinds, outputs=outputs)).claims == tuple(claims)
