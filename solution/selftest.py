"""Looks at your lab 8 as a student may: `python selftest.py`, and `python selftest.py --pack` to hand in.

Needs torch and pytest. One line a check: `ok`, `FAIL` with what was expected and a hint, or
`open` for a task that is not written yet. `pytest selftest.py -k lenet5` runs one task alone.
These are not the grader's checks, which try more, and with other numbers. Like the grader,
this takes from lab8.py or lab8.ipynb only what the six functions need: no training cell runs.
"""

from __future__ import annotations
import __future__

import _thread
import argparse
import ast
import dis
import inspect
import io
import json
import linecache
import os
import pickle
import re
import signal
import sys
import threading
import time
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
FUNCTIONS = (
    "conv_output_size",
    "conv_parameter_count",
    "lenet5",
    "preprocess",
    "classifier",
    "train_classifier",
)
CODE_FILES = ("lab8.py", "lab8.ipynb")
WEIGHT_FILES = ("classifier.safetensors", "classifier.pt")
ANSWER_FILES = ("answers.md", "answers.zh.md")
MIB = 2**20
LARGEST = {
    ".py": 2 * MIB,
    ".ipynb": 64 * MIB,
    ".safetensors": 256 * MIB,
    ".pt": 256 * MIB,
    ".md": MIB,
}  # bytes
QUESTIONS = 4
PLACEHOLDERS = ("Write your answer here.", "请在此处写下你的答案。")
TRAIN_SECONDS = 5.0  # two of them may go into importing the optimizer
CALL_SECONDS = 20.0  # a check that takes longer is stopped; for training its seconds are added
PACKAGES = {"torch", "torchvision", "numpy", "PIL", "typing_extensions"}  # the grader has these

CELL_HINT = "the grader leaves out this cell, and what it defines is missing"
LEFT_OUT: list[str] = []  # a notebook's cells that are not Python: to be told once, not at each reading


class RefusedError(Exception):
    """The grader could do nothing with this; the message says why."""


class WrongError(AssertionError):
    """A function does not do what it should; the message is one line."""

    def __init__(self, what: str, *, expected: object, actual: object, hint: str) -> None:
        super().__init__(f"{what}: expected {expected}, got {actual}; hint: {hint}")


# Reading the code


def find_code() -> Path:
    """The file to look at: of two, the one with fewer tasks open, as the grader chooses."""
    found = [HERE / name for name in CODE_FILES if (HERE / name).is_file()]
    if not found:
        raise RefusedError(
            f"there is no {CODE_FILES[0]} and no {CODE_FILES[1]} in {HERE}: put your work there, so named"
        )
    return min(found, key=lambda file: file.read_bytes().count(b"raise NotImplementedError("))


def read_cells(file: Path) -> list[str]:
    """The code, a cell each; notebook commands like %matplotlib, !pip and max? are blanked out."""
    check_size(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".py":
            return [text]
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            f"{file.name} cannot be read ({type(error).__name__}: {error}): save it again, as UTF-8"
        ) from None
    return [re.sub(r"(?m)^([ \t]*)(?:[%!?].*|[\w.]+\?\??[ \t]*)$", r"\1pass", source) for source in sources]


def check_size(file: Path) -> None:
    """Raise Refused where a file is larger than the grader takes."""
    size, largest = file.stat().st_size, LARGEST[file.suffix]
    if size > largest:
        raise RefusedError(f"{file.name} has {size / MIB:.0f} MiB and may have {largest // MIB}")


def load_lab(file: Path) -> types.ModuleType:
    """The module with what the six functions need, and nothing else run."""
    statements = [statement for cell in parse(file) for statement in cell]
    flags = (
        __future__.annotations.compiler_flag
        if any(is_future(statement) for _, statement in statements)
        else 0
    )
    kept: dict[int, types.CodeType] = {}
    needed, grows = set(FUNCTIONS), True
    while grows:  # a function needs a class, the class a constant, …
        grows = False
        for place, (filename, statement) in enumerate(statements):
            if place not in kept and bound(statement) & needed:
                try:
                    module = ast.Module([statement], [])
                    kept[place] = compile(module, filename, "exec", flags, dont_inherit=True)
                except SyntaxError as error:
                    raise RefusedError(
                        f"{filename}, line {error.lineno}: {error.msg}; mend it first"
                    ) from None
                needed |= names_used(kept[place])
                grows = True
    for place in sorted(kept):
        refuse_missing_modules(statements[place][1], needed)
    lab = types.ModuleType("lab8")
    sys.modules["lab8"] = lab
    for place, code in sorted(kept.items()):
        filename, statement = statements[place]
        try:
            exec(code, lab.__dict__)
        except Exception as error:
            where = f"{filename}, line {statement.lineno}"
            raise RefusedError(f"{where}: {describe(error)}; mend it first") from None
    missing = [name for name in FUNCTIONS if not callable(getattr(lab, name, None))]
    if missing:
        raise RefusedError(f"{file.name} does not define {', '.join(missing)}: keep the template's names")
    return lab


def names_used(code: types.CodeType) -> set[str]:
    """The module's names that a statement refers to, also from inside of functions; no local ones."""
    loads = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
    names = {step.argval for step in dis.get_instructions(code) if step.opname in loads}
    inner = [names_used(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return names.union(*inner)


def parse(file: Path) -> list[list[tuple[str, ast.stmt]]]:
    """The statements of each cell, with the name under which errors report them."""
    cells = []
    for number, source in enumerate(read_cells(file), start=1):
        filename = file.name if file.suffix == ".py" else f"{file.name}, code cell {number}"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        try:
            cells.append([(filename, statement) for statement in ast.parse(source).body])
        except (SyntaxError, ValueError) as error:
            told = f"{filename}, line {getattr(error, 'lineno', '?')}: {getattr(error, 'msg', error)}"
            if file.suffix == ".py":
                raise RefusedError(f"{told}; mend it first") from None
            LEFT_OUT.append(told)
    return cells


def is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement defines; a loop, a call or a script's main part defines none."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        if any(alias.name == "*" for alias in statement.names):
            return set(FUNCTIONS)  # may define anything
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
        return set()
    if isinstance(statement, ast.If | ast.Try):
        return {name for child in ast.iter_child_nodes(statement) for name in bound_inside(child)}
    return set()


def bound_inside(node: ast.AST) -> set[str]:
    if isinstance(node, ast.ExceptHandler):
        return {name for child in node.body for name in bound(child)}
    return bound(node) if isinstance(node, ast.stmt) else set()


def refuse_missing_modules(statement: ast.stmt, needed: set[str]) -> None:
    """The grader gets one code file and has few packages: all else that is imported will be missing there."""
    if isinstance(statement, ast.Import):  # of "import torch, tqdm" only what is used
        names = [alias for alias in statement.names if (alias.asname or alias.name.split(".")[0]) in needed]
        statement = ast.copy_location(ast.Import(names), statement)
    for module, line in imported(statement):
        name = module.split(".")[0]
        neighbour = not name or (HERE / f"{name}.py").exists() or (HERE / name / "__init__.py").exists()
        if neighbour or name not in PACKAGES | sys.stdlib_module_names:
            raise RefusedError(
                f"the six functions need {module or 'a module beside them'} (line {line}), which the grader "
                "does not have: take it out, or write what you need of it into this file"
            )


def imported(node: ast.AST) -> list[tuple[str, int]]:
    """The modules that a statement imports, also inside of functions; in a `try` one may be missing."""
    if isinstance(node, ast.Import):
        return [(alias.name, node.lineno) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [("" if node.level else node.module or "", node.lineno)]
    if isinstance(node, ast.Try):
        return []
    return [found for child in ast.iter_child_nodes(node) for found in imported(child)]


def describe(error: BaseException, where: str = "") -> str:
    """An exception on one line, with a hint where its own words lead astray."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300] + where
    if isinstance(error, NameError):
        text += "; hint: of the top level only imports, functions, classes and assignments are taken over"
    elif "stdin" in text:
        text += "; hint: nobody is there to answer input()"
    elif "CUDA" in text:
        text += "; hint: the grader may have no GPU, and tells train_classifier which device to use"
    return text


# The checks


@pytest.fixture(scope="session")
def lab() -> types.ModuleType:
    hide_gpu()
    return load_lab(find_code())


def expect_equal(what: str, actual: object, expected: object, hint: str) -> None:
    if actual != expected or type(actual) is not type(expected):
        raise WrongError(what, expected=repr(expected), actual=repr(actual)[:120], hint=hint)


def test_conv_output_size(lab: types.ModuleType) -> None:
    """conv_output_size where every step fits"""
    hint = "padding counts twice; the first place of the kernel is one more than the steps"
    expect_equal("conv_output_size(32, 5)", lab.conv_output_size(32, 5), 28, hint)
    expect_equal("conv_output_size(28, 3, 1, 1)", lab.conv_output_size(28, 3, 1, 1), 28, hint)
    expect_equal("conv_output_size(227, 11, stride=4)", lab.conv_output_size(227, 11, stride=4), 55, hint)


def test_conv_output_size_drops_the_rest(lab: types.ModuleType) -> None:
    """conv_output_size where the last step does not fit"""
    hint = "an int; a step that would reach over the edge is not taken"
    expect_equal("conv_output_size(10, 3, stride=2)", lab.conv_output_size(10, 3, stride=2), 4, hint)


def test_conv_output_size_of_pairs(lab: types.ModuleType) -> None:
    """conv_output_size of pairs"""
    found = lab.conv_output_size((32, 48), 5, 1, (0, 2))
    found = tuple(found) if isinstance(found, list) else found
    hint = "(height, width); an int counts for both"
    expect_equal("conv_output_size((32, 48), 5, 1, (0, 2))", found, (28, 48), hint)


def test_conv_output_size_refuses(lab: types.ModuleType) -> None:
    """conv_output_size of what cannot be"""
    hint = "raise ValueError before computing"
    for arguments in ((4, 7), (8, 3, 0)):
        try:
            found = lab.conv_output_size(*arguments)
        except ValueError:
            continue
        raise WrongError(
            f"conv_output_size{arguments}", expected="a ValueError", actual=repr(found)[:120], hint=hint
        )


def test_conv_parameter_count(lab: types.ModuleType) -> None:
    """conv_parameter_count with and without biases"""
    hint = "weights of every kernel, and a bias for each output channel"
    expect_equal("conv_parameter_count(1, 6, 5)", lab.conv_parameter_count(1, 6, 5), 156, hint)
    without = lab.conv_parameter_count(6, 16, 5, bias=False)
    expect_equal("conv_parameter_count(6, 16, 5, bias=False)", without, 2400, hint)


def test_conv_parameter_count_of_a_pair(lab: types.ModuleType) -> None:
    """conv_parameter_count of a kernel that is not square"""
    found = lab.conv_parameter_count(3, 8, (1, 7))
    expect_equal("conv_parameter_count(3, 8, (1, 7))", found, 176, "height times width, not a square")


def test_lenet5_gives_logits(lab: types.ModuleType) -> None:
    """lenet5 gives ten logits an image"""
    net = lab.lenet5()
    for count in (1, 4):
        found = tuple(net(torch.rand(count, 1, 32, 32)).shape)
        expect_equal(
            f"the shape for {count} images", found, (count, 10), "flatten all but the first dimension"
        )


def test_lenet5_has_its_size(lab: types.ModuleType) -> None:
    """lenet5 has LeNet-5's parameters"""
    sizes = [parameter.numel() for parameter in lab.lenet5().parameters()]
    hint = "two convolutions and three linear layers, with biases, and no more"
    expect_equal("the number of tensors and of numbers", (len(sizes), sum(sizes)), (10, 61706), hint)


def test_preprocess(lab: types.ModuleType) -> None:
    """preprocess gives floats, image by image"""
    images = made_up(6)[0]
    before = images.clone()
    ready = lab.preprocess(images)
    expect_equal(
        "whether the result is of floats", ready.is_floating_point(), True, "begin with images.float()"
    )
    expect_equal("the number of images", len(ready), len(images), "the first dimension stays")
    expect_equal(
        "whether the argument stayed as it was", torch.equal(images, before), True, "make a new tensor"
    )
    alike = torch.allclose(lab.preprocess(images[2:3]), ready[2:3], atol=1e-4)
    expect_equal("whether an image alone gives the same", alike, True, "use fixed numbers, not the batch's")


def test_classifier_gives_logits(lab: types.ModuleType) -> None:
    """classifier gives ten finite logits an image"""
    net = lab.classifier().eval()
    with torch.no_grad():
        for count in (1, 7):
            logits = net(lab.preprocess(made_up(count)[0]))
            expect_equal(f"the shape for {count} images", tuple(logits.shape), (count, 10), "ten classes")
            expect_equal(
                "whether all are finite", bool(logits.isfinite().all()), True, "look for a division by 0"
            )


def test_train_classifier_learns(lab: types.ModuleType) -> None:
    """train_classifier learns in a few seconds"""
    images, labels = made_up(200)
    torch.manual_seed(0)
    net = lab.classifier()
    before = losses(lab, net, images, labels)
    lab.train_classifier(net, images, labels, device="cpu", seconds=TRAIN_SECONDS, seed=0)
    after = losses(lab, net.cpu(), images, labels)
    if not any(new < 0.98 * old for old, new in zip(before, after, strict=True)):
        told = " and ".join(f"{old:.3f} -> {new:.3f}" for old, new in zip(before, after, strict=True))
        hint = "train the model that is given; with few images and little time, take small batches"
        raise WrongError(f"the loss in {TRAIN_SECONDS:g} s", expected="a lower one", actual=told, hint=hint)


def test_weights_fit_classifier(lab: types.ModuleType) -> None:
    """the weights fit classifier"""
    file = find_weights()
    if file is None:
        pytest.skip(f"there is {no_weights()}: train, then save_weights(model)")
    problem = weights_problem(lab, file)
    if problem:
        actual, hint = problem
        raise WrongError(file.name, expected="the state dict of classifier()", actual=actual, hint=hint)


def made_up(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of ten classes, each of its own colour, with noise; and their labels."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.arange(count) % 10
    colours = torch.randint(40, 216, (10, 3, 1, 1), generator=generator)
    noise = torch.randint(-40, 40, (count, 3, 32, 32), generator=generator)
    return (colours[labels] + noise).to(torch.uint8), labels


@torch.no_grad()
def losses(
    lab: types.ModuleType, net: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> tuple[float, float]:
    """The loss in evaluation and in training mode: after a few steps batch norm's averages lag behind."""
    ready = lab.preprocess(images)
    evaluating = F.cross_entropy(net.eval()(ready), labels).item()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    training = F.cross_entropy(net.train()(ready), labels).item()
    net.load_state_dict(state)
    return evaluating, training


# The weights


def no_weights() -> str:
    """What is missing, and which file may be meant to be it."""
    missing = f"neither {WEIGHT_FILES[0]} nor {WEIGHT_FILES[1]}"
    others = sorted(file.name for file in HERE.iterdir() if file.suffix in (".safetensors", ".pt", ".pth"))
    return missing + (f" ({', '.join(others)} is not looked at: rename it if it is meant)" if others else "")


def find_weights() -> Path | None:
    found = [HERE / name for name in WEIGHT_FILES if (HERE / name).is_file()]
    if len(found) > 1:
        raise RefusedError(f"there are {' and '.join(WEIGHT_FILES)}: delete the one that you do not mean")
    return found[0] if found else None


def weights_problem(lab: types.ModuleType, file: Path) -> tuple[str, str] | None:
    """Why these weights cannot be graded with this classifier, and what to do; or nothing."""
    save = "save_weights(model)"
    try:
        if file.suffix == ".pt":
            weights = torch.load(file, map_location="cpu", weights_only=True)
        else:
            from safetensors.torch import load_file

            weights = load_file(file)
    except ImportError:
        return "what only safetensors can read", "pip install safetensors"
    except pickle.UnpicklingError:
        return "a whole pickled model, or damage", f"open it where you trained, then {save}"
    except Exception as error:  # the readers raise a dozen kinds on a damaged file
        return f"a file that cannot be read ({describe(error)})", save
    if not isinstance(weights, dict):
        return f"no state dict but a {type(weights).__name__}", save
    if not all(isinstance(value, torch.Tensor) for value in weights.values()):
        return f"no state dict but a dict of {', '.join(map(str, weights))[:100]}", save
    try:
        net = lab.classifier()
    except Exception as error:
        return f"classifier() fails: {describe(error)}", "mend classifier() first"
    try:
        net.load_state_dict(weights, strict=True)
    except Exception as error:  # also whatever a network's own hooks raise
        wrapped = wrapping(weights)
        told = misfit(weights, net.state_dict()) or describe(error)
        return wrapped or (told, "train again, or change classifier() back to what you trained")
    return None


def wrapping(found: dict[str, torch.Tensor]) -> tuple[str, str] | None:
    """Whether the state dict is that of a wrapper around the network."""
    for wrapper, inner in (("DataParallel", "module"), ("torch.compile", "_orig_mod")):
        if found and all(str(name).startswith(f"{inner}.") for name in found):
            return (
                f'names that begin with "{inner}.", as {wrapper} makes them',
                f"save_weights(model.{inner})",
            )
    return None


def misfit(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> str:
    """In which tensors a file and a network differ."""
    parts = [
        f"{len(names)} tensors {what} (first: {names[0]})"
        for names, what in (
            ([name for name in wanted if name not in found], "missing"),
            ([name for name in found if name not in wanted], "unexpected"),
        )
        if names
    ]
    for name in wanted:
        if name in found and (there := tuple(found[name].shape)) != (here := tuple(wanted[name].shape)):
            parts.append(f"{name} of shape {there} and not {here}")
            break
    return ", ".join(parts)


# Running and packing


class Reporter:
    """Prints a line a check, as soon as it is known."""

    def __init__(self) -> None:
        self.failed = 0

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            say("FAIL", "this selftest", str(report.longrepr))
            self.failed += 1

    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        """Call the check, but not for ever."""
        trains = pyfuncitem.name == test_train_classifier_learns.__name__
        seconds, began = CALL_SECONDS + TRAIN_SECONDS * trains, time.monotonic()
        timer = threading.Timer(seconds, _thread.interrupt_main)
        timer.start()
        try:
            pyfuncitem.obj(lab=pyfuncitem.funcargs["lab"])
        except KeyboardInterrupt:
            if time.monotonic() - began < seconds:
                raise  # somebody pressed Ctrl-C
            hint = "stop when `seconds` are over" if trains else "look for a loop that never ends"
            raise WrongError(
                "the time", expected=f"at most {seconds:g} s", actual="no end", hint=hint
            ) from None
        finally:
            timer.cancel()
        return True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Function, call: pytest.CallInfo[None]) -> Iterator[None]:
        yield
        title = inspect.getdoc(item.function) or item.name
        if call.excinfo is None:
            if call.when == "call":
                say("ok", title)
            return
        error = call.excinfo.value
        if isinstance(error, pytest.skip.Exception):
            say("open", title, str(error))
        else:
            self.failed += 1
            if isinstance(error, NotImplementedError):
                say("open", title, str(error))
            elif type(error).__name__ == "WrongError":
                say("FAIL", title, str(error))
            else:
                say("FAIL", title, describe(error, place(call.excinfo)))


def place(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Where in the student's code an error came from."""
    own = [entry for entry in excinfo.traceback if str(entry.path).split(",")[0].endswith(CODE_FILES)]
    return f" ({Path(own[-1].path).name}, line {own[-1].lineno + 1})" if own else ""


def say(word: str, title: str, text: str = "") -> None:
    line = f"{word:<5} {title}" + (f": {text}" if text else "")
    print(" ".join(line.split()) if "\n" in line else line, file=sys.__stdout__, flush=True)


def run_checks() -> int:
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other packages' plugins would print
    code = find_code()
    load_lab(code)
    say("look", code.name)
    for told in LEFT_OUT:
        say("note", told, CELL_HINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    reporter = Reporter()
    quiet = ["terminal", "cacheprovider", "warnings", "faulthandler"]
    arguments = ["-c", os.devnull, "--rootdir", str(HERE), "--capture=sys", str(HERE / Path(__file__).name)]
    arguments += [word for name in quiet for word in ("-p", f"no:{name}")]
    status = pytest.main(arguments, plugins=[reporter])
    return 1 if reporter.failed or status != pytest.ExitCode.OK else 0


def hide_gpu() -> None:
    """The grader may have none, so what works only with one must not seem to work."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pack() -> int:
    """Write lab8.zip, or raise RefusedError where the grader could not use it."""
    notes = 0

    def note(title: str, text: str) -> None:
        nonlocal notes
        notes += 1
        say("note", title, text)

    code, weights = find_code(), find_weights()
    lab = load_lab(code)
    files = [code]
    for told in LEFT_OUT:
        note(told, CELL_HINT)
    for name in FUNCTIONS:
        written = getattr(getattr(lab, name), "__code__", None)
        if written and "NotImplementedError" in written.co_names:
            note(name, "not written yet, so it earns nothing")
    if weights is None:
        note(no_weights(), "without weights your accuracy cannot be measured")
    else:
        check_size(weights)
        problem = weights_problem(lab, weights)
        if problem:
            actual, hint = problem
            raise RefusedError(f"{weights.name} does not fit classifier(): {actual}; hint: {hint}")
        files.append(weights)
    answers = {name: unanswered_in(HERE / name) for name in ANSWER_FILES if (HERE / name).is_file()}
    if answers:
        name = min(answers, key=lambda name: len(answers[name]))  # of the two languages the one with more
        files.append(HERE / name)
        for number in answers[name]:
            note(f"question {number}", f"{name} does not answer it yet in 15 words or 30 Chinese characters")
    else:
        note("answers.md", "is not there, so the written questions earn nothing")
    target = HERE / "lab8.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    todo = "hand it in" + (" as it is, or see to the notes first and pack again" if notes else "")
    say("ok", f"{target.name} holds {', '.join(file.name for file in files)}: {todo}")
    return 0


def unanswered_in(file: Path) -> list[int]:
    """The questions that a file does not answer."""
    check_size(file)
    return unanswered(file.read_text(encoding="utf-8-sig", errors="replace"))


def unanswered(text: str) -> list[int]:
    """The numbers of the questions whose section is missing, too short, or still the placeholder."""
    parts = re.split(r"(?m)^#+\s*(?:Question|问题) ?(\d+)\b.*$", text)
    sections = {int(number): body for number, body in zip(parts[1::2], parts[2::2], strict=True)}
    return [number for number in range(1, QUESTIONS + 1) if not is_enough(sections.get(number, ""))]


def is_enough(section: str) -> bool:
    """Whether it has 15 words, 30 Chinese characters, or a mix; the question and the placeholder aside."""
    lines = [line for line in section.splitlines() if not line.startswith(">")]
    text = "\n".join(lines)
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, "")
    rest, characters = re.subn(r"[\u3400-\u9fff]", " ", text)
    return characters / 30 + len(re.findall(r"[^\W\d_]+", rest)) / 15 >= 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Looks at your lab 8.")
    parser.add_argument("--pack", action="store_true", help="make lab8.zip, the file to hand in")
    packs = parser.parse_args().pack
    hide_gpu()
    if isinstance(sys.__stdout__, io.TextIOWrapper):
        sys.__stdout__.reconfigure(errors="replace")  # a console may lack what an error's text holds
    try:
        return pack() if packs else run_checks()
    except RefusedError as refusal:
        say("REFUSED", str(refusal))
        return 1


if __name__ == "__main__":
    sys.exit(main())
