"""Styles of honest work that an extractor or a grader can lose, each with the value that is right.

What is taken from the file is tried through `extract`, grading through a real sandbox.
"""

from __future__ import annotations

import ast
import json
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.intake.entries import UnreadableError
from grader.intake.notebook import parse_notebook
from grader.sandbox import Sandbox, StudentFailure
from grader.sandbox import cells as cells_module
from grader.sandbox.cells import read_cell
from grader.sandbox.definitions import Extracted, extract
from grader.types import Code, Submission

torch.set_num_threads(1)


def load(*cells: str, filename: str = "lab8.py") -> dict[str, Any]:
    """The module's names after its kept statements have run, each by itself, as the worker runs them."""
    extracted = extract(cells, ["f"], filename)
    module = types.ModuleType("lab8")
    sys.modules["lab8"] = module
    for source in extracted.sources:
        for statement in source.body:
            tree = ast.Module([statement], type_ignores=[])
            try:
                exec(
                    compile(tree, source.filename, "exec", extracted.flags, dont_inherit=True),
                    module.__dict__,
                )
            except Exception:
                if id(statement) not in extracted.optional:
                    raise
    return module.__dict__


def text_of(extracted: Extracted) -> str:
    statements = [s for part in extracted.sources for s in part.body]
    return ast.unparse(ast.fix_missing_locations(ast.Module(statements, type_ignores=[])))


# In each, f() has to return 7.
STYLES = {
    "a registry filled by a decorator": """
        REGISTRY = {}
        def register(name):
            def wrap(cls):
                REGISTRY[name] = cls
                return cls
            return wrap
        @register("seven")
        class Seven:
            value = 7
        def f(): return REGISTRY["seven"].value
    """,
    "a registry that is an object": """
        class Registry:
            def __init__(self): self.known = {}
            def register(self, thing):
                self.known[thing.__name__] = thing
                return thing
        MODELS = Registry()
        @MODELS.register
        def seven(): return SEVEN
        SEVEN = 7
        def f(): return MODELS.known["seven"]()
    """,
    "a registry filled by __init_subclass__": """
        class Base:
            known = {}
            def __init_subclass__(cls, **kwargs): Base.known[cls.__name__] = cls
        class Seven(Base):
            value = 7
        def f(): return Base.known["Seven"].value
    """,
    "a registry filled by a metaclass": """
        KNOWN = {}
        class Meta(type):
            def __new__(meta, name, bases, space):
                KNOWN[name] = super().__new__(meta, name, bases, space)
                return KNOWN[name]
        class Base(metaclass=Meta): pass
        class Seven(Base): value = 7
        def f(): return KNOWN["Seven"].value if Base else None
    """,
    "the subclasses of a base": """
        class Base: pass
        class Seven(Base): value = 7
        def f(): return {c.__name__: c for c in Base.__subclasses__()}["Seven"].value
    """,
    "a registry filled by a call": """
        REGISTRY = {}
        def register(cls): REGISTRY[cls.__name__] = cls
        class Seven: value = 7
        register(Seven)
        def f(): return REGISTRY["Seven"].value
    """,
    "a registry filled by a loop over classes": """
        REGISTRY = {}
        class Seven: value = 7
        for cls in [Seven]:
            REGISTRY[cls.__name__] = cls
        def f(): return REGISTRY["Seven"].value
    """,
    "singledispatch": """
        from functools import singledispatch
        @singledispatch
        def of(x): return 0
        @of.register
        def _(x: int): return 7
        def f(): return of(3)
    """,
    "setattr": """
        class Net: pass
        def seven(self): return 7
        setattr(Net, "value", seven)
        def f(): return Net().value()
    """,
    "an assignment to the class": """
        class Net: pass
        def seven(self): return 7
        Net.value = seven
        def f(): return Net().value()
    """,
    "add_to_class": """
        def add_to_class(Class):
            def wrapper(obj): setattr(Class, obj.__name__, obj)
            return wrapper
        class Net: pass
        @add_to_class(Net)
        def value(self): return self.inner()
        @add_to_class(Net)
        def inner(self): return SEVEN
        SEVEN = 7
        def f(): return Net().value()
    """,
    "patch": """
        def patch(function):
            setattr(next(iter(function.__annotations__.values())), function.__name__, function)
        class Net: pass
        @patch
        def value(self: Net): return 7
        def f(): return Net().value()
    """,
    "methods from a loop": """
        class Net: pass
        def make(n):
            return lambda self: n
        for n in (6, 7):
            setattr(Net, f"value{n}", make(n))
        def f(): return Net().value7()
    """,
    "globals": """
        class Seven: value = 7
        NAME = "Seven"
        def f(): return globals()[NAME].value
    """,
    "globals with a name put together": """
        class Net7:
            value = WIDTH = 7
        def f(): return globals()[f"Net{3 + 4}"].value
    """,
    "eval": """
        class Net:
            def __init__(self, n): self.n = n
        ARCH = "Net(SEVEN)"
        SEVEN = 7
        def f(): return eval(ARCH).n
    """,
    "getattr of the module": """
        import sys
        class Seven: value = 7
        def f(): return getattr(sys.modules[__name__], "Seven").value
    """,
    "a name in a string needs a filled table": """
        TABLE = []
        for n in range(8): TABLE.append(n)
        class Net:
            def value(self): return TABLE[-1]
        def f(): return globals()["Net"]().value()
    """,
    "importing oneself": """
        class Seven: value = 7
        def f():
            import lab8
            return lab8.Seven.value
    """,
    "globals() written to": """
        globals()["SEVEN"] = 7
        def f(): return SEVEN
    """,
    "globals().update": """
        globals().update(SEVEN=7)
        def f(): return SEVEN
    """,
    "names of the module from a loop": """
        for n in range(8): globals()[f"value{n}"] = n
        def f(): return value7
    """,
    "setattr of the module": """
        import sys
        this = sys.modules[__name__]
        setattr(this, "SEVEN", 7)
        def f(): return SEVEN
    """,
    "exec": """
        exec("SEVEN = 7")
        def f(): return SEVEN
    """,
    "a loop with append": """
        T = []
        for i in range(7): T.append(i)
        def f(): return len(T)
    """,
    "a while loop": """
        n = 0
        while n < 7: n += 1
        def f(): return n
    """,
    "a loop that assigns": """
        for width in (5, 6, 7): pass
        def f(): return width
    """,
    "nested loops over a dictionary": """
        T = {}
        for a in "xy":
            for b in range(7): T.setdefault(a, []).append(b)
        def f(): return len(T["y"])
    """,
    "update": """
        C = {"lr": 1}
        C.update({"lr": 7})
        def f(): return C["lr"]
    """,
    "update through another name": """
        C = {"model": {"lr": 1}}
        model = C["model"]
        model["lr"] = 7
        def f(): return C["model"]["lr"]
    """,
    "extend in an expression": """
        T = []
        _ = T.extend(range(7))
        def f(): return len(T)
    """,
    "a list comprehension for its effect": """
        T = []
        [T.append(i) for i in range(7)]
        def f(): return len(T)
    """,
    "map for its effect": """
        T = []
        list(map(T.append, range(7)))
        def f(): return len(T)
    """,
    "dict.update": """
        C = {}
        dict.update(C, n=7)
        def f(): return C["n"]
    """,
    "any method of one's own object": """
        class Config:
            n = 1
            def freeze(self, n): self.n = n
        cfg = Config()
        cfg.freeze(7)
        def f(): return cfg.n
    """,
    "a function that fills its argument": """
        def fill(table, n):
            table["n"] = n
        C = {}
        fill(C, n=7)
        def f(): return C["n"]
    """,
    "a function with a global": """
        N = 1
        def setup():
            global N
            N = 7
        setup()
        def f(): return N
    """,
    "a function that calls such a function": """
        C = {}
        def set_n(): C["n"] = 7
        def setup(): set_n()
        setup()
        def f(): return C["n"]
    """,
    "a with": """
        import contextlib
        with contextlib.nullcontext():
            N = 7
            print("no need")
        def f(): return N
    """,
    "what a with gives": """
        import contextlib
        with contextlib.nullcontext(7) as N:
            pass
        def f(): return N
    """,
    "a with that is changed": """
        import contextlib
        C = {}
        with contextlib.nullcontext(C) as c:
            c["n"] = 7
        def f(): return C["n"]
    """,
    "a match": """
        match 3:
            case 3: N = 7
            case _: N = 0
        def f(): return N
    """,
    "a walrus": """
        if (N := 7) > 3: pass
        print(M := 7)
        def f(): return M
    """,
    "try and else": """
        try:
            import not_there_at_all
        except ImportError:
            T = [1]
        else:
            T = [2]
        finally:
            T.append(7)
        def f(): return T[-1]
    """,
    "under a condition": """
        T = []
        if len("x") == 1:
            for i in range(7): T.append(i)
        def f(): return len(T)
    """,
    "del": """
        N = 7
        M = N
        del N
        def f(): return M
    """,
    "argparse": """
        import argparse, sys
        sys.argv = ["lab8.py"]
        parser = argparse.ArgumentParser()
        group = parser.add_argument_group("g")
        group.add_argument("--n", type=int, default=7)
        args = parser.parse_args()
        def f(): return args.n
    """,
    "argparse under main": """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--n", default=7)
        if __name__ == "__main__":
            args = parser.parse_args()
        else:
            args = parser.parse_args([])
        def f(): return args.n
    """,
    "a dataclass made later": """
        from dataclasses import make_dataclass
        C = make_dataclass("C", ["n"])
        C.double = lambda self: self.n * 2
        def f(): return C(3.5).double()
    """,
    "a random table with its seed": """
        import random
        random.seed(3)
        ORDER = list(range(9))
        random.shuffle(ORDER)
        again = random.Random(3)
        def f():
            same = list(range(9))
            again.shuffle(same)
            return 7 if ORDER == same else ORDER
    """,
    "weights changed in place": """
        import torch
        from torch import nn
        W = torch.zeros(2)
        nn.init.constant_(W, 3.5)
        def f(): return float(W.sum())
    """,
    "a method of torch put on": """
        import torch
        def seven(self): return 7
        torch.Tensor.seven_for_test = seven
        def f(): return torch.zeros(1).seven_for_test()
    """,
    "the default dtype": """
        import torch
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        found = torch.zeros(1).dtype
        torch.set_default_dtype(before)
        def f(): return 7 if found == torch.float64 else found
    """,
    "a helper that sets seeds": """
        import torch
        def seed_everything(seed): torch.manual_seed(seed)
        seed_everything(3)
        A = torch.rand(3)
        seed_everything(3)
        B = torch.rand(3)
        def f(): return 7 if torch.equal(A, B) else (A, B)
    """,
    "parameters that are frozen": """
        from torch import nn
        model = nn.Linear(3, 1)
        for parameter in model.parameters():
            parameter.requires_grad = False
        def f(): return 7 if not model.weight.requires_grad else model
    """,
    "a deep recursion": """
        import sys
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(before + 7)
        def f():
            import sys as system
            return system.getrecursionlimit() - LIMIT
        LIMIT = before
    """,
    "an Enum's members": """
        from enum import Enum
        class Kind(Enum):
            SEVEN = 7
        def f(): return Kind["SEVEN"].value
    """,
    "a lambda": """
        add = lambda n: n + OFFSET
        OFFSET = 4
        f = lambda: add(3)
    """,
    "a partial": """
        from functools import partial
        def g(n, m): return n + m
        f = partial(g, 3, m=4)
    """,
}


@pytest.mark.parametrize("style", STYLES)
def test_a_style_of_honest_work_is_kept_whole(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lab8.py"])
    assert load(textwrap.dedent(STYLES[style]))["f"]() == 7


TRAINING = """
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets
import matplotlib.pyplot as plt
train_set = datasets.CIFAR10("data", download=True)
loader = DataLoader(train_set)
model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
best = 0
for epoch in range(10):
    for x, y in loader:
        loss = model(x).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    best = max(best, 3)
    print(epoch)
def evaluate(model, loader):
    model.eval()
    return sum(model(x) for x, _ in loader)
accuracy = evaluate(model, loader)
def train(model, epochs):
    for epoch in range(epochs):
        for x, y in loader:
            model(x).sum().backward()
            optimizer.step()
            losses.append(1)
train(model, 3)
history = train(model, losses.append(2))
model.fit(loader)
with torch.no_grad():
    for x, y in loader:
        print(evaluate(model, x))
print(losses, best)
torch.save(model.state_dict(), "classifier.pt")
plt.plot(losses)
plt.show()
"""


def test_training_downloads_plots_and_prints_do_not_run_whatever_they_touch() -> None:
    extracted = extract([TRAINING + "def f(): return model, losses, best"], ["f"], "lab8.py")
    run = [s for s in extracted.sources[0].body if not isinstance(s, ast.FunctionDef)]
    assert [ast.unparse(statement) for statement in run] == [
        "from torch import nn",
        "model = nn.Linear(3, 2)",
        "losses = []",
        "best = 0",
    ]
    lines = TRAINING.splitlines()
    told = {
        "for epoch in range(10):": "a loop at the top level that changes best, losses",
        "train(model, 3)": "a call at the top level that changes losses",
        "history = train(model, losses.append(2))": "a statement at the top level that changes losses",
        "model.fit(loader)": "a call at the top level that changes model",
    }
    assert extracted.remarks == tuple(
        f"lab8.py, line {lines.index(line) + 1}: {what} was not run" for line, what in told.items()
    )


NOT_NEEDED = {
    "an experiment in a wrapper that f has too": """
        import functools
        def timed(function):
            @functools.wraps(function)
            def inner(*args): return function(*args)
            return inner
        data = download()
        @timed
        def experiment(): return data
        @timed
        def f(): return 1
    """,
    "a model that is looked up by its name": """
        from torchvision import datasets
        data = datasets.CIFAR10("data", download=True)
        def load(): return datasets.MNIST("data")
        digits = load()
        class Net: pass
        class Other(Net):
            def __init__(self): self.data = data, digits
        def train(net): net.loss.backward()
        model = train(Net())
        def f(): return globals()["Net"], "model", "data"
    """,
    "a class that runs something": """
        class Other: history = train()
        def f(): return 1
    """,
    "a main function": """
        def main(): train(download())
        main()
        def f(): return 1
    """,
    "the part below main": """
        import sys
        if __name__ == "__main__" and len(sys.argv) > 1:
            f = train()
        def f(): return 1
    """,
    "a loop whose variable has another one's name": """
        T = []
        for i in range(3): T.append(i)
        for i in range(3): train(i)
        def f(): return T
    """,
    "a switch for looking at results": """
        import torch
        torch.set_grad_enabled(False)
        torch.cuda.set_device("cuda:0")
        def f(): return torch
    """,
    "a folder for what is fetched": """
        import os, urllib.request
        for name in ("a", "b"):
            os.makedirs(name)
            urllib.request.urlretrieve("download", name)
        def f(): return os
    """,
    "a file that is written": """
        with open("config.json") as file: C = 1
        with open("log.txt", "w") as file: file.write(train())
        def f(): return C, open
    """,
}


@pytest.mark.parametrize("code", NOT_NEEDED)
def test_what_is_not_needed_does_not_run(code: str) -> None:
    (source,) = extract([textwrap.dedent(NOT_NEEDED[code])], ["f"], "lab8.py").sources
    run = "\n".join(ast.unparse(s) for s in source.body if not isinstance(s, ast.FunctionDef))
    assert not any(word in run for word in ("train", "download", "load(", "CIFAR10", ".set_"))


# --- cells -----------------------------------------------------------------------------------------

COLAB = "# Commented out IPython magic to ensure Python compatibility.\n"
# In each, f() has to return 7.
CELLS = {
    "%time": ["%time N = 7", "def f(): return N"],
    "%time over lines": ["%time N = (3 +\n    4)", "def f(): return N"],
    "a value of %time": ["N = %time 3 + 4", "def f(): return N"],
    "%%time within a file": ["M = 1\n%%time\nN = 7\n%%capture out\ndef f(): return N"],
    "%%capture": ["%%capture out\n%time N = 7", "def f(): return N"],
    "as nbconvert exports it": [
        "get_ipython().run_line_magic('time', 'N = 7')\n"
        "get_ipython().run_line_magic('matplotlib', 'inline')\n"
        "get_ipython().system('pip install torch')\n"
        "get_ipython().run_cell_magic('capture', 'out', 'def f():\\n    return N\\n')\n"
    ],
    "as Colab exports it": [
        f"{COLAB}# %matplotlib inline\n# %time N = 7\n\n{COLAB}# %%time\n# def f():\n#     return N\n# \n"
    ],
    "as jupytext exports it": [
        "# ---\n# jupyter:\n#   jupytext:\n# ---\n\n# %%\n# %time N = 7\ndef f(): return N"
    ],
    "an indented cell": ["    N = 7", "\n  def f():\n      return N\n"],
    "an indented cell below %%time": ["%%time\n    N = 7\n    def f():\n        return N"],
    "Python's prompts": [">>> N = 7\n>>> def f():\n...     return N\n...\n"],
    "IPython's prompts": ["In [1]: N = 7\n\nIn [12]: def f():\n    ...:     return N\n    ...: \n"],
    "%%writefile of the module": [
        "%%writefile lab8.py\ndef f(): return N",
        "%%writefile -a ./lab8.py\nN = 7",
    ],
    "%run of the module": ["%%writefile lab8.py\ndef f(): return 7", "%run lab8.py", "!python lab8.py"],
    "a marimo notebook": [
        "import marimo\napp = marimo.App()\n\n"
        "with app.setup:\n    import math\n\n"
        "@app.cell\ndef _(N, mo):\n    M = N + 4\n    mo.md('#')\n    return (M,)\n\n"
        "@app.cell(hide_code=True)\ndef _():\n    N = math.floor(3.5)\n    return (N,)\n\n"
        "@app.cell\ndef _(M):\n    def g():\n        return M\n    return (g,)\n\n"
        "@app.function\ndef f():\n    return g()\n\n"
        "if __name__ == '__main__':\n    app.run()\n"
    ],
}


@pytest.mark.parametrize("style", CELLS)
@pytest.mark.parametrize("notebook", [True, False])
def test_a_cell_is_read_as_ipython_reads_it(
    style: str, notebook: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells_module, "module", "lab8")  # as the worker is told
    cells = CELLS[style]
    if notebook:
        assert load(*cells, filename="lab8.ipynb")["f"]() == 7
    elif len(cells) == 1:
        assert load(*cells)["f"]() == 7


def test_what_a_cell_writes_for_others_is_no_code_of_the_module() -> None:
    cell = read_cell("%%writefile models/small.py\nN = 1\n", "lab8.ipynb")
    assert (cell.tree.body, cell.helpers) == ([], [("models/small.py", "\nN = 1\n")])
    exported = read_cell("get_ipython().run_cell_magic('writefile', 'small.py', 'N = 1')", "lab8.py")
    assert (exported.tree.body, exported.helpers) == ([], [("small.py", "\nN = 1")])


# --- statements that are not Python ----------------------------------------------------------------

# In each, the statement in this line is lost, and f() has to return 7.
BROKEN = {
    "a statement between others": ("N = 7\nthis is no Python\ndef f(): return N", 2),
    "a bracket that stays open": ("N = 7\nx = (1,\n\ndef f(): return N", 2),
    "a colon that was forgotten": ("def f():\n    return 7\ndef g()\n    return 1\n", 3),
    "a string that stays open": ("N = 7\nprint('x)\ndef f(): return N", 2),
    "a line in the part below main": (
        "def f(): return 7\nif __name__ == '__main__':\n    print(1)\n    a b\n",
        4,
    ),
    "a print in the function itself": (
        "def f(\n    *,\n    m=2,\n):\n    print(a b)\n    return 7",
        5,
    ),
    "a line that is not reached": ("def f():\n\tif 0:\n\t\ta b\n\telse:\n\t\treturn 7", 3),
    "a line of another method": (
        "class A:\n    def g(self):\n        a b\n    def f(self): return 7\ndef f(): return A().f()",
        3,
    ),
    "the head of a method": (
        "class A:\n    def g(self) b:\n        1\n    n = 7\ndef f(): return A.n",
        2,
    ),
    "below a decorator": ("def d(g): return g\n@d\ndef g(): a b\ndef f(): return 7", 3),
    "below strings and lists at the margin": ('s = """\na b\n"""\nx = [\n7\n]\na b\ndef f(): return x[0]', 7),
    "a tab among spaces": ("def g():\n    x = 1\n    y = 2\n\tz = 3\n    return x\ndef f(): return 7", 4),
    "tabs below a docstring": (
        'def g():\n    """A head.\n\n    And more.\n    """\n\tx = 1\n\treturn x\ndef f(): return 7',
        6,
    ),
    "a merge conflict elsewhere": ("<<<<<<< HEAD\nN = 1\n=======\nN = 2\n>>>>>>> b\ndef f(): return 7", 1),
}


@pytest.mark.parametrize("style", BROKEN)
@pytest.mark.parametrize("filename", ["lab8.py", "lab8.ipynb"])
def test_a_statement_that_is_not_python_costs_itself(style: str, filename: str) -> None:
    code, line = BROKEN[style]
    label = "cell 1" if filename.endswith("ipynb") else filename
    (remark,) = extract([code], ["f"], filename).remarks
    assert remark.startswith(f"{label}, line {line} is not Python and was left out: ")
    assert load(code, filename=filename)["f"]() == 7


@pytest.mark.parametrize(("sign", "meant"), [*zip("：，（）；。“’【＝", ":,();.\"'[=", strict=True)])
def test_chinese_punctuation_is_told_with_what_is_meant(sign: str, meant: str) -> None:
    (remark,) = extract([f"x = 1\ny = x {sign} 2\ndef f(): return 7"], ["f"], "lab8.py").remarks
    assert remark == (
        f"lab8.py, line 2 is not Python and was left out: invalid character '{sign}' "
        f"(U+{ord(sign):04X}): switch the keyboard to English and type {meant}"
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("N = 7\n\ndef g():\nreturn 1\n", "expected an indented block after function definition on line 3"),
        ("N = 7\n\ndef g():\n    print('x)\n", "unterminated string literal (detected at line 4)"),
    ],
)
def test_a_line_that_the_message_names_is_the_file_s(code: str, words: str) -> None:
    """It was counted from where the statement begins."""
    (remark,) = extract([code + "def f(): return N"], ["f"], "lab8.py").remarks
    assert words in remark


def test_half_a_function_is_never_kept() -> None:
    torn = "def f():\n    x = 1\noops, a line\n    return x\ndef g(): return 1"
    assert text_of(extract([torn], ["f", "g"], "lab8.py")) == "def g():\n    return 1"
    inner = "def f():\n    x = 1\n<<<<<<< HEAD\n    return x\n=======\n    return 2\n>>>>>>> other\n"
    with pytest.raises(
        SyntaxError, match="lines 3 to 7 are a merge conflict: keep one side, delete the marks"
    ):
        load(inner)["f"]()


NEWER = {
    'print(f"{h["a"]}")': (3, 12),
    'x = f"{h["a"]}"': (3, 12),
    "type Pair = tuple[int, int]": (3, 12),
    "def g[T](x: T) -> T: return x": (3, 12),
    "class Box[T]: pass": (3, 12),
    "try:\n    pass\nexcept ValueError, TypeError:\n    pass": (3, 14),
    'x = t"{h}"': (3, 14),
}


@pytest.mark.parametrize("statement", NEWER)
def test_syntax_of_a_newer_python_is_called_so(statement: str) -> None:
    version = NEWER[statement]
    if sys.version_info >= version:
        pytest.skip("this Python knows it")
    code = f"h = {{}}\n{statement}\ndef f(): return 7"
    (remark,) = extract([code], ["f"], "lab8.py").remarks
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    newer = f"{version[0]}.{version[1]}"
    assert f"syntax of Python {newer} or newer, which the grader's Python {running} cannot read" in remark
    assert load(code)["f"]() == 7


LINES = st.sampled_from(
    [
        *("def f():", "class A:", "if x:", "else:", "try:", "except E:", "with a as b:", "@d", "match x:"),
        *(
            "    return 1",
            "        y = 2",
            "  z",
            "a b",
            "x = (1,",
            ")",
            "'''",
            "print(a b)",
            "\tq",
            "",
            "# c",
        ),
        *("<<<<<<< HEAD", "=======", ">>>>>>> b", ">>> x = 1", "%time y = 1", "%%time", "\\", "f'{a['b']}'"),
        *("globals()['x'] = 1", "import marimo", "get_ipython().run_line_magic('time', 'x = 1')", "x: int"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=14).map("\n".join))
def test_any_lines_are_repaired_or_left_out(text: str) -> None:
    extracted = extract([text, "def f(): return 7"], ["f"], "lab8.ipynb")
    assert "def f():\n    return 7" in text_of(extracted)
    cell = read_cell(text, "lab8.ipynb")
    assert cell.text == "" or cell.text.count("\n") == text.count("\n")
    assert all(0 <= lost.line <= text.count("\n") + 1 for lost in cell.lost)


# --- notebooks as intake reads them ----------------------------------------------------------------


def test_a_notebook_tells_which_cells_look_like_code_and_are_none() -> None:
    cells = [
        ("markdown", "# Lab\n```python\ndef example(): pass\n```"),
        ("code", "import torch"),
        ("raw", "class Net(nn.Module):\n    pass\nN = 3"),
        ("code", ""),
        ("markdown", "def preprocess(images):\n    return images"),
    ]
    text = json.dumps({"cells": [{"cell_type": kind, "source": text} for kind, text in cells], "nbformat": 4})
    assert parse_notebook(text).elsewhere == (
        ("Net", "a raw cell below cell 1"),
        ("N", "a raw cell below cell 1"),
        ("preprocess", "a Markdown cell below cell 2"),
    )


def test_a_merge_conflict_in_a_notebook_is_called_so() -> None:
    text = '{\n "cells": [\n<<<<<<< HEAD\n  {}\n=======\n  {}\n>>>>>>> other\n ]\n}\n'
    with pytest.raises(UnreadableError, match="a merge conflict begins in line 3: keep one side"):
        parse_notebook(text)


# --- in the sandbox --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return isolated_sandbox(threads=1)


def submission(*cells: str, filename: str = "lab8.py", **more: Any) -> Submission:
    code = Code(filename=filename, cells=tuple(map(textwrap.dedent, cells)), **more)
    return Submission(student_id="s", code=code)


def answer(sandbox: Sandbox, *cells: str, filename: str = "lab8.py", **more: Any) -> object:
    with sandbox.student(submission(*cells, filename=filename, **more)) as student:
        return student.call("conv_output_size")


FUNCTION = "def conv_output_size():\n    return {}\n"

WORKS = {
    "the command line": (
        "import argparse, sys\nparser = argparse.ArgumentParser()\n"
        "parser.add_argument('--n', type=int, default=7)\nargs = parser.parse_args()\n",
        "[args.n, sys.argv, sys.orig_argv[1:]]",
        [7, ["lab8.py"], ["lab8.py"]],
    ),
    "display and get_ipython": (
        "if 'google.colab' in str(get_ipython()): N = 1\nelse: N = 7\nget_ipython().run_line_magic('x', '')\n"
        "def show():\n    display(N, 3)\n    return N\n",
        "show()",
        7,
    ),
    "IPython's display": (
        "from IPython import get_ipython\nfrom IPython.display import clear_output, display, HTML\n"
        "import IPython.display as ipd\n",
        "[clear_output(wait=True), display(HTML('x')), ipd.Image('x'), get_ipython, 7][-1]",
        7,
    ),
    "a definition that is not needed and fails": (
        "class Plot(not_there.Base): pass\n@not_there.patch\ndef g(): pass\n",
        "7",
        7,
    ),
    "a loop that goes on and on": ("T = [0]\nwhile True: T[0] = 7\n", "T", [7]),
}


@pytest.mark.parametrize("style", WORKS)
def test_it_works_in_the_sandbox(sandbox: Sandbox, style: str) -> None:
    top, value, expected = WORKS[style]
    assert answer(sandbox, top + FUNCTION.format(value)) == expected


SAYS = {
    "a training at the top level": (
        ["N = {}\nfor e in range(3):\n    N['x'] = e\n    loss.backward()\n" + FUNCTION.format("N['x']")],
        "KeyError: 'x' (lab8.py, line 6); lab8.py, line 2: a loop at the top level that changes N was not",
    ),
    "a name that is bound below main": (
        [FUNCTION.format("N") + "if __name__ == '__main__':\n    N = 7\n"],
        "NameError: name 'N' is not defined (lab8.py, line 2); "
        'lab8.py, line 4 stands under `if __name__ == "__main__"`, which is not run',
    ),
    "a function that stands below main": (
        ["import torch\nif __name__ == '__main__':\n    def conv_output_size(): return 1\n"],
        "conv_output_size is not defined in lab8.py "
        '(lab8.py, line 3 stands under `if __name__ == "__main__"`, which is not run)',
    ),
    "a name that a statement would bind which is no Python": (
        ["N = a b\n", FUNCTION.format("N")],
        "NameError: name 'N' is not defined (lab8.ipynb, cell 2, line 2); "
        "cell 1, line 1 is not Python and was left out: invalid syntax",
    ),
    "a function that is no Python": (
        ["x = 1\ndef conv_output_size() 1:\n    return 1\ndef lenet5(): return 1\n"],
        "conv_output_size is not defined in lab8.py (lab8.py, line 2 is not Python and was left out: ",
    ),
    "a line of the function that is no Python": (
        ["def conv_output_size():\n    a b\n    return 1\n"],
        "SyntaxError: it is not Python and was left out: invalid syntax (lab8.py, line 2)",
    ),
    "a star import that fails": (
        ["from not_there import *\n" + FUNCTION.format("Net()")],
        "NameError: name 'Net' is not defined (lab8.py, line 3); "
        "ModuleNotFoundError: No module named 'not_there' (lab8.py, line 1)",
    ),
    "a %run that fails": (
        ["%run ./gone/net.py", FUNCTION.format("Net()")],
        "NameError: name 'Net' is not defined (lab8.ipynb, cell 2, line 2); "
        "ModuleNotFoundError: No module named 'gone' (lab8.ipynb, cell 1, line 1)",
    ),
}


@pytest.mark.parametrize("style", SAYS)
def test_a_failure_names_what_was_left_out(sandbox: Sandbox, style: str) -> None:
    cells, message = SAYS[style]
    with pytest.raises(StudentFailure) as caught:
        answer(sandbox, *cells, filename="lab8.py" if len(cells) == 1 else "lab8.ipynb")
    assert caught.value.message.startswith(message)


def test_a_name_in_a_markdown_cell_is_found_there(sandbox: Sandbox) -> None:
    elsewhere = (("conv_output_size", "a Markdown cell below cell 1"), ("N", "a raw cell below cell 1"))
    with pytest.raises(StudentFailure, match=r"\(it stands in a Markdown cell below cell 1: make that"):
        answer(sandbox, "import torch", filename="lab8.ipynb", elsewhere=elsewhere)
    with pytest.raises(StudentFailure, match="it stands in a raw cell below cell 1: make that a code cell"):
        answer(sandbox, FUNCTION.format("N"), filename="lab8.ipynb", elsewhere=elsewhere)


def test_a_module_that_a_cell_writes_is_imported(sandbox: Sandbox) -> None:
    helper = (
        "%%writefile model.py\nT = []\nfor i in range(7): T.append(i)\nprint('no')\nclass Net: n = len(T)\n"
    )
    for importing in ("from model import Net", "from model import *", "%run model.py", "import model as m"):
        value = "m.Net.n" if " m" in importing[-3:] else "Net.n"
        assert answer(sandbox, helper, importing, FUNCTION.format(value), filename="lab8.ipynb") == 7


def test_a_network_in_doubles_gets_doubles(sandbox: Sandbox) -> None:
    code = """
        import torch
        torch.set_default_dtype(torch.float64)
        def lenet5(): return torch.nn.Conv2d(1, 1, 1)
    """
    with sandbox.student(submission(code)) as student:
        assert student.build("lenet5").forward(torch.zeros(1, 1, 2, 2)).dtype == torch.float64


def test_an_exception_that_lies_about_its_name_is_only_described(sandbox: Sandbox) -> None:
    code = """
        class Liar(NameError):
            @property
            def name(self): raise SystemExit
        def conv_output_size(): raise Liar("x")
    """
    with pytest.raises(StudentFailure, match="Liar: x"):
        answer(sandbox, code)
