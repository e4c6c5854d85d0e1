"""What is taken from a student's file: all that the contract needs, and nothing else."""

from __future__ import annotations

import ast
import contextlib
import sys
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.sandbox.definitions import Extracted, extract, parse_cell


def kept(code: str, *names: str) -> str:
    """The source of what is kept of a `.py` file for these names (default: f)."""
    return source(extract([textwrap.dedent(code)], names or ("f",), "lab8.py"))


def source(extracted: Extracted) -> str:
    statements = [s for part in extracted.sources for s in part.body]
    return ast.unparse(ast.fix_missing_locations(ast.Module(statements, type_ignores=[])))


def run(cells: list[str], *names: str, filename: str = "lab8.ipynb") -> dict[str, Any]:
    """The names that exist after the kept statements have run."""
    extracted = extract([textwrap.dedent(cell) for cell in cells], names, filename)
    space: dict[str, Any] = {"__name__": "lab8"}
    for part in extracted.sources:
        tree = ast.Module(list(part.body), type_ignores=[])
        exec(compile(tree, part.filename, "exec", extracted.flags, dont_inherit=True), space)
    return space


class TestWhatIsKept:
    @pytest.mark.parametrize(
        "code",
        [
            "K = 1\ndef f():\n    return K",
            "K: int = 1\ndef f():\n    return K",
            "K = 1\nK += 1\ndef f():\n    return K",
            "A, (B, *K) = (1, (2, 3))\ndef f():\n    return K",
            "K = {}\nK['a'] = 1\ndef f():\n    return K",
            "class K:\n    pass\nK.a.b = 1\ndef f():\n    return K",
            "J = 1\nK = J\ndef g():\n    return K\ndef f():\n    return g()",
            "K = 1\ndef f(x=K):\n    return x",
            "K = int\ndef f(x: K) -> K:\n    return x",
            "def K(g):\n    return g\n@K\ndef f():\n    pass",
            "class K:\n    pass\nclass f(K):\n    pass",
            "class K(type):\n    pass\nclass f(metaclass=K):\n    pass",
            "K = 1\nclass f:\n    a = K",
            "K = 1\nclass f:\n\n    def g(self):\n        return [K for _ in range(3)]",
            "K = 1\ndef f():\n    return lambda: {K: v for v in ()}",
            "J = (K := 3)\ndef f():\n    return K",
            "K = 1\ndef f():\n    global K\n    K = 2",
            "K = 1\ndef f():\n\n    def g():\n        nonlocal_ = K\n        return nonlocal_\n    return g",
            "async def f():\n    pass",
            "import torch.nn.functional\ndef f():\n    return torch",
            "from torch import nn as K\ndef f():\n    return K",
            "from torch.nn import *\ndef f():\n    return Linear",
            "f = lambda: 1",
            "import json\nif json:\n    K = 1\nelse:\n    K = 2\ndef f():\n    return K",
            "try:\n    import fast as K\nexcept ImportError:\n    K = None\ndef f():\n    return K",
            "def f():\n    return 1\nf = staticmethod(f)",
            "K = __import__('json')\ndef f():\n    return K",
        ],
    )
    def test_all_that_is_needed(self, code: str) -> None:
        assert kept(code) == ast.unparse(ast.parse(code))

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="syntax of Python 3.12")
    def test_type_aliases_and_type_parameters(self) -> None:
        code = "type K = list[J]\nJ = int\ndef f[T: K](x: T) -> T:\n    return x"
        assert kept(code) == ast.unparse(ast.parse(code))

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="syntax of Python 3.11")
    def test_exception_groups(self) -> None:
        code = "try:\n    K = 1\nexcept* ValueError:\n    K = 2\ndef f():\n    return K"
        assert kept(code) == ast.unparse(ast.parse(code))

    def test_line_numbers_stay(self) -> None:
        extracted = extract(["x = 1\n\n\nif True:\n    def f():\n        pass\n"], ["f"], "lab8.py")
        assert extracted.sources[0].body[0].body[0].lineno == 5  # type: ignore[attr-defined]


class TestWhatIsDropped:
    @pytest.mark.parametrize(
        "line",
        [
            "while True: pass",
            "for i in range(10 ** 12): K = i",
            "with open('x') as K: pass",
            "train()",
            "print('hello')",
            "model = train()",
            "x = y = train()",
            "import expensive",
            "from expensive import thing",
            "class Other: train()",
            "assert False",
            "raise SystemExit",
            "del f",
            "other: int",
            "'a docstring'",
            "if __name__ == '__main__': f = train()",
            "if '__main__' == __name__:\n    import f",
            "try:\n    import expensive\nexcept ImportError:\n    raise",
            "f.attribute",
            "match 1:\n    case 1: x = 3",
            "(yield_ := 3)",
        ],
    )
    def test_all_else(self, line: str) -> None:
        code = f"{line}\ndef f():\n    return 1"
        assert kept(code) == "def f():\n    return 1"

    def test_a_local_name_does_not_bring_in_a_training_run_of_that_name(self) -> None:
        code = """
        model = train(classifier())
        history = [i for i in train()]
        e = train()
        def f(model):
            history = [model for e in range(3)]
            try:
                import e
            except ValueError as e:
                pass
            return model.history, history
        """
        assert "train" not in kept(code)

    def test_of_an_import_only_what_is_needed(self) -> None:
        code = "import json, expensive\nfrom math import pi, tau as t\ndef f():\n    return json, t"
        assert kept(code) == "import json\nfrom math import tau as t\n\ndef f():\n    return (json, t)"

    def test_the_other_branch_of_the_main_guard_is_kept(self) -> None:
        code = "if __name__ == '__main__':\n    train()\nelse:\n    K = 1\ndef f():\n    return K"
        assert run([code], "f")["f"]() == 1

    def test_a_dropped_statement_that_would_have_mattered_is_told(self) -> None:
        code = """
        import torch
        TABLE = []
        for epoch in range(3):
            loss.backward()
            TABLE.append(loss.item())
        other.append(5)
        def f():
            return TABLE, torch
        """
        extracted = extract([textwrap.dedent(code)], ["f"], "lab8.py")
        assert extracted.remarks == (
            "lab8.py, line 4: a loop at the top level that changes TABLE was not run",
        )
        assert extracted.left_out[0].names >= {"TABLE", "epoch"}


class TestNotebooks:
    def test_cells_share_names_and_a_later_definition_wins(self) -> None:
        assert run(["K = 1", "def f(): return K", "def f(): return K + 1", "K = 5"], "f")["f"]() == 6

    def test_a_broken_cell_costs_only_itself(self) -> None:
        extracted = extract(["K = 1", "def broken(:\n", "a\x00b", "def f(): return K"], ["f"], "作业.ipynb")
        assert source(extracted) == "K = 1\n\ndef f():\n    return K"
        assert [remark.split(" is not Python")[0] for remark in extracted.remarks] == [
            "cell 2, line 1",
            "cell 3, line 1" if sys.version_info >= (3, 12) else "cell 3",
        ]

    def test_a_broken_file_is_an_error_that_names_the_line(self) -> None:
        with pytest.raises(SyntaxError) as caught:
            extract(["K = 1\ndef broken(:\n"], ["f"], "lab8.py")
        assert (caught.value.filename, caught.value.lineno) == ("lab8.py", 2)

    def test_what_can_be_read_but_not_compiled_costs_only_itself(self) -> None:
        extracted = extract(
            ["def g(a, a): return K", "def f(): return g", "-" * 100_000 + "1"], ["f"], "x.ipynb"
        )
        assert source(extracted) == "def g(a, a):\n    return K\n\ndef f():\n    return g"
        assert len(extracted.remarks) == 1

    def test_future_imports_hold_for_all_cells(self) -> None:
        cells = ["from __future__ import annotations", "def f(x: NotThere) -> Nowhere: return x"]
        assert run(cells, "f")["f"](3) == 3

    def test_cells_have_names_for_tracebacks(self) -> None:
        extracted = extract(["", "def f(): pass"], ["f"], "lab8.ipynb")
        assert [part.filename for part in extracted.sources] == ["lab8.ipynb, cell 1", "lab8.ipynb, cell 2"]

    @pytest.mark.parametrize(
        "magic",
        [
            "%matplotlib inline",
            "!pip install torch",
            "!pip install \\\n    torch \\\n    numpy",
            "%load_ext autoreload\n%autoreload 2",
            "files = !ls -l 'a",
            "here = %pwd",
            "f?",
            "??f",
            "torch.nn.Linear??  # what is it?",
            "%timeit f()",
            "!echo it's \"one",
            "!echo {f} (",
            "if True:\n    !pip install torch",
            "%cd /content/drive/My Drive",
            "/f 1",
            ",f a b",
        ],
    )
    @pytest.mark.parametrize("filename", ["lab8.ipynb", "lab8.py"])
    def test_line_magics_do_nothing(self, magic: str, filename: str) -> None:
        space = run([f"K = 2\n{magic}\ndef f():\n    return K\n"], "f", filename=filename)
        assert space["f"]() == 2

    @pytest.mark.parametrize("magic", ["%%time", "%%capture out", "\n\n%%timeit -n 1", "%%time\n"])
    def test_a_cell_magic_that_runs_python_keeps_the_body_and_its_lines(self, magic: str) -> None:
        text, tree = parse_cell(f"{magic}\ndef f():\n    return 1", "x")
        assert isinstance(tree.body[0], ast.FunctionDef)
        assert tree.body[0].lineno == magic.count("\n") + 2
        assert len(text.split("\n")) == magic.count("\n") + 3

    @pytest.mark.parametrize(
        "magic", ["%%bash", "%%html", "%%writefile x.py", "%%javascript", "%%", "%%sh -s"]
    )
    def test_another_cell_magic_drops_the_cell(self, magic: str) -> None:
        assert parse_cell(f"{magic}\ndef f(): return 1", "x")[1].body == []

    def test_percent_signs_and_marks_inside_python_are_left_alone(self) -> None:
        code = "x = (7\n  % 4)\ntext = '''\n%matplotlib inline\n!ls\nwhat?\n'''\ndef f(): return x, text"
        assert run([code], "f")["f"]() == (3, "\n%matplotlib inline\n!ls\nwhat?\n")
        # also in a cell that has a real magic elsewhere
        assert run(["%matplotlib inline\n" + code], "f")["f"]() == (3, "\n%matplotlib inline\n!ls\nwhat?\n")

    def test_line_ends_and_byte_order_marks_of_other_systems(self) -> None:
        assert run(["\ufeffK = 1\r\n\r\ndef f():\r\n    return K\r"], "f")["f"]() == 1


PIECES = [
    "%%time",
    "!x",
    "\n",
    "def f():",
    "=",
    "?",
    "\\",
    "(",
    "'",
    '"""',
    "if x:\n ",
    "import a",
    "f(a, a)",
]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert "def f():" in source(extract([text, "def f(): return 1"], ["f"], "lab8.ipynb"))
    with contextlib.suppress(SyntaxError, ValueError):
        extract([text], ["f"], "lab8.py")
