"""Styles of honest work that an extractor or a grader can lose, each with the value that is right.

Through `extract` where it is about what is taken from the file; through a real box where it is about grading.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.intake.notebook import parse_notebook
from grader.sandbox import Slot, Student, StudentFailure
from grader.sandbox.cells import read_cell
from grader.sandbox.definitions import Extracted, extract
from grader.types import Code, Submission

torch.set_num_threads(1)


def load(*cells: str, filename: str = "lab8.py") -> dict[str, Any]:
    """The module's names after its kept statements have run, each by itself, as the worker runs them."""
    extracted = extract([textwrap.dedent(cell) for cell in cells], ["f"], filename)
    module = types.ModuleType("lab8")
    sys.modules["lab8"] = module
    for source in extracted.sources:
        for statement in source.body:
            tree = ast.Module([statement], type_ignores=[])
            try:
                exec(compile(tree, source.filename, "exec", extracted.flags, dont_inherit=True), module.__dict__)
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
def test_a_style_of_honest_work_is_kept_whole(style: str) -> None:
    assert load(STYLES[style])["f"]() == 7
