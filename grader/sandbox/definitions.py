"""Takes from a module only what its contract's functions need.

A student's file or notebook holds far more than definitions: training cells,
downloads, plots, a loop that was left in. None of that should cost the student
anything, so none of it runs. Starting from the contract's names, every import,
function, class and assignment that they refer to is kept, and what those refer to,
and so on; the rest is dropped. Line numbers stay those of the file.

This file runs inside the box, because reading hostile source can take an
interpreter down; it needs the standard library alone.
"""

from __future__ import annotations
import __future__

import ast
import dis
import re
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

KEPT_CELL_MAGICS = frozenset({"time", "timeit", "capture", "prun", "memit", "python", "python3", "py"})
MAGIC_LINES = 500  # in one cell, at most
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """One file or cell: its name for tracebacks, its text, and the statements to run, in order."""

    filename: str
    text: str
    body: tuple[ast.stmt, ...]


@dataclass(frozen=True)
class Extracted:
    sources: tuple[Source, ...]
    flags: int  # of the compiler: `from __future__` in one cell holds for all
    remarks: tuple[str, ...]


@dataclass
class _Part:
    filename: str
    label: str  # how a remark names it
    text: str
    tree: ast.Module


@dataclass
class _Candidate:
    """A statement that may be kept, and the conditions that it stands under."""

    statement: ast.stmt
    binds: frozenset[str]
    conditions: tuple[ast.expr, ...] = ()
    always: bool = False
    refers: frozenset[str] | None = field(default=None)


def extract(cells: Iterable[str], names: Iterable[str], filename: str) -> Extracted:
    """The statements of a `.py` file (one cell) or of a notebook's cells that `names` need.

    A notebook's cell that is not Python becomes a remark; in a `.py` file that raises
    SyntaxError. Magics are tolerated in both.
    """
    notebook = filename.endswith(".ipynb")
    remarks: list[str] = []
    parts: list[_Part] = []
    for number, cell in enumerate(cells, start=1):
        name = f"{filename}, cell {number}" if notebook else filename
        label = f"cell {number}" if notebook else filename
        try:
            text, tree = parse_cell(cell, name)
        except (SyntaxError, ValueError) as error:
            if not notebook:
                raise
            line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            remarks.append(f"{label}{line} is not Python and was left out: {message}")
            continue
        parts.append(_Part(name, label, text, tree))
    flags = 0
    for part in parts:
        flags |= _future_flags(part.tree)
    kept = _needed(parts, set(names), flags, remarks)
    sources = tuple(Source(p.filename, p.text, tuple(_filter(p.tree.body, kept))) for p in parts)
    return Extracted(sources, flags, tuple(remarks))


def parse_cell(cell: str, filename: str) -> tuple[str, ast.Module]:
    """A cell's text, its magics blanked out line by line, and its tree. Raises SyntaxError, ValueError."""
    text = cell.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    first, _, rest = text.lstrip().partition("\n")
    if first.startswith("%%"):
        magic = first[2:].split()[0] if first[2:].split() else ""
        before = text.count("\n") - rest.count("\n")
        text = "\n" * before + rest if magic in KEPT_CELL_MAGICS else ""
    lines = text.split("\n")
    for _ in range(MAGIC_LINES):
        try:
            return text, ast.parse(text, filename)
        except (RecursionError, MemoryError):
            raise SyntaxError("nested too deeply") from None
        except SyntaxError as error:
            # A line is taken for a magic only where Python cannot read it, so a "%" that
            # continues an expression, or a "?" in a string, is left alone.
            if not error.lineno or not _blank_magic(lines, error.lineno - 1):
                raise
            text = "\n".join(lines)
    return text, ast.parse(text, filename)


_MAGIC = re.compile(r"(\s*)(?:[%!?]|,|;|/)")
_MAGIC_ASSIGNMENT = re.compile(r"(\s*[^=!%]+=\s*)[!%]")
_RUN = re.compile(r"%run[ \t]+(?:-\w+[ \t]+)*[\"']?(?:\./)?((?:[^\W\d]\w*/)*[^\W\d]\w*)\.py\b")
_HELP = re.compile(r"(\s*)[\w.*%]+\?\??\s*(?:#.*)?$")


def _blank_magic(lines: list[str], index: int) -> bool:
    """Replace the magic on this line by something harmless. False if there is none."""
    if index >= len(lines):
        return False
    line = lines[index]
    if match := _RUN.match(line):
        lines[index] = f"from {match[1].replace('/', '.')} import *"
    elif match := _MAGIC_ASSIGNMENT.match(line):
        lines[index] = f"{match[1]}None"
    elif match := _MAGIC.match(line) or _HELP.match(line):
        lines[index] = f"{match[1]}pass"
    else:
        return False
    while line.endswith("\\") and index + 1 < len(lines):
        index += 1
        line = lines[index]
        lines[index] = ""
    return True


def _needed(parts: list[_Part], needed: set[str], flags: int, remarks: list[str]) -> set[int]:
    """Ids of the statements and aliases to keep: the closure of `needed` under reference."""
    candidates = [c for part in parts for c in _candidates(part.tree.body, ())]
    kept: set[int] = set()
    names = set(needed)
    waiting = candidates
    while True:
        chosen = [c for c in waiting if c.always or c.binds & names]
        if not chosen:
            break
        waiting = [c for c in waiting if not (c.always or c.binds & names)]
        for candidate in chosen:
            kept.add(id(candidate.statement))
            if not isinstance(candidate.statement, ast.Import | ast.ImportFrom):
                names |= _references(candidate.statement, flags)
            for condition in candidate.conditions:
                names |= _references(condition, flags)
    for part in parts:
        _trim_imports(part.tree.body, names)
        remarks += _dropped(part, names)
    return kept


def _candidates(body: list[ast.stmt], conditions: tuple[ast.expr, ...]) -> Iterator[_Candidate]:
    for statement in body:
        if isinstance(statement, ast.If):
            within = (*conditions, statement.test)
            if not _is_main(statement.test):
                yield from _candidates(statement.body, within)
            yield from _candidates(statement.orelse, within)
        elif isinstance(statement, _TRY):
            caught = tuple(h.type for h in statement.handlers if h.type is not None)
            within = (*conditions, *caught)
            for block in (statement.body, *(h.body for h in statement.handlers)):
                yield from _candidates(block, within)
            for block in (statement.orelse, statement.finalbody):
                yield from _candidates(block, within)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            binds = frozenset(_alias_name(alias) for alias in statement.names)
            always = "*" in binds and not conditions
            future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            if not future:  # these are the compiler's flags
                yield _Candidate(statement, binds, conditions, always=always)
        else:
            binds = _binds(statement)
            if binds:
                yield _Candidate(statement, binds, conditions)


_TRY: tuple[type[ast.Try], ...] = (ast.Try,) + ((ast.TryStar,) if hasattr(ast, "TryStar") else ())  # 3.11


def _filter(body: list[ast.stmt], kept: set[int]) -> list[ast.stmt]:
    """The kept statements of a block, inside their conditions."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.If):
            then, otherwise = _filter(statement.body, kept), _filter(statement.orelse, kept)
            if then or otherwise:
                filtered = ast.If(statement.test, then or _nothing(statement), otherwise)
                found.append(ast.copy_location(filtered, statement))
        elif isinstance(statement, _TRY):
            blocks = [statement.body, statement.orelse, statement.finalbody]
            tried, otherwise, finally_ = (_filter(block, kept) for block in blocks)
            handlers = [
                ast.copy_location(ast.ExceptHandler(h.type, h.name, _filter(h.body, kept) or _nothing(h)), h)
                for h in statement.handlers
            ]
            if tried or otherwise or finally_ or any(_filter(h.body, kept) for h in statement.handlers):
                new = type(statement)(tried or _nothing(statement), handlers, otherwise, finally_)
                found.append(ast.copy_location(new, statement))
        elif id(statement) in kept:
            found.append(statement)
    return found


def _nothing(place: ast.stmt | ast.ExceptHandler) -> list[ast.stmt]:
    return [ast.copy_location(ast.Pass(), place)]


def _trim_imports(body: list[ast.stmt], names: set[str]) -> None:
    """Of `import a, b` keep what is needed: what is not may be slow, or not installed."""
    for node in body:
        for child in ast.walk(node) if isinstance(node, (ast.If, *_TRY)) else [node]:
            if isinstance(child, ast.Import | ast.ImportFrom):
                wanted = [a for a in child.names if _alias_name(a) in names or a.name == "*"]
                child.names = wanted or child.names


def _binds(statement: ast.stmt) -> frozenset[str]:
    """The module's names that a statement gives or changes a value; empty for what is never kept."""
    if isinstance(statement, _Definition):
        return frozenset({statement.name})
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = list(statement.targets)
    elif isinstance(statement, ast.AugAssign) or (
        isinstance(statement, ast.AnnAssign) and statement.value is not None
    ):
        targets = [statement.target]
    elif type(statement).__name__ == "TypeAlias":  # 3.12
        targets = [statement.name]  # type: ignore[attr-defined]
    else:
        return frozenset()
    walrus = {n.target.id for n in ast.walk(statement) if isinstance(n, ast.NamedExpr)}
    return frozenset(walrus.union(*(_roots(target) for target in targets)))


def names_bound(statement: ast.stmt) -> set[str]:
    """All names that a statement, or any within its blocks, would have given a value."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {_alias_name(alias) for alias in statement.names}
    if isinstance(statement, (ast.If, *_TRY)):
        return set().union(
            *(names_bound(s) for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt))
        )
    return set(_binds(statement))


def _roots(target: ast.expr) -> set[str]:
    """The names at the root of an assignment's target: of `a, b.c, d[0]` a, b and d."""
    if isinstance(target, ast.Tuple | ast.List):
        return set().union(*(_roots(item) for item in target.elts))
    while isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        target = target.value
    return {target.id} if isinstance(target, ast.Name) else set()


def _references(node: ast.stmt | ast.expr, flags: int) -> set[str]:
    """The module's names that a statement or expression refers to, in nested functions too.

    The compiler knows which of a function's names are its own, so it is asked: a local
    variable `model` must not bring in a training run that happens to be called `model`.
    """
    try:
        if isinstance(node, ast.expr):
            return _code_names(compile(ast.Expression(node), "", "eval", flags, dont_inherit=True))
        return _code_names(compile(ast.Module([node], []), "", "exec", flags, dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()  # as `def f(a, a)`, which can be read but not compiled: it fails when it is run


_NAME_OPCODES = frozenset(
    code
    for name, code in dis.opmap.items()
    if "GLOBAL" in name or (name.endswith("_NAME") and name != "IMPORT_NAME")
)


def _code_names(code: types.CodeType) -> set[str]:
    names = {str(i.argval) for i in dis.get_instructions(code) if i.opcode in _NAME_OPCODES}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _code_names(constant)
    return names


def _dropped(part: _Part, names: set[str]) -> Iterator[str]:
    """Remarks on statements that were not run although they give a needed name its value."""
    for statement in part.tree.body:
        touched: set[str] = set()
        if isinstance(statement, ast.For | ast.While | ast.With):
            for child in ast.walk(statement):
                if isinstance(child, ast.stmt):
                    touched |= _binds(child)
            what = {"For": "a loop", "While": "a loop", "With": "a with block"}[type(statement).__name__]
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            called = statement.value.func
            touched = _roots(called) if isinstance(called, ast.Attribute) else set()
            what = "a call"
            if touched & _imported(part.tree):
                continue  # torch.manual_seed(0) and the like
        for name in sorted(touched & names):
            place = f"{part.label}, line {statement.lineno}"
            yield f"{place}: {what} at the top level that changes {name} was not run"


def _imported(tree: ast.Module) -> set[str]:
    imports = (s for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom))
    return {_alias_name(alias) for statement in imports for alias in statement.names}


def _alias_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _future_flags(tree: ast.Module) -> int:
    flags = 0
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for alias in statement.names:
                feature = getattr(__future__, alias.name, None)
                flags |= getattr(feature, "compiler_flag", 0)
    return flags


def _is_main(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    return any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides) and any(
        isinstance(s, ast.Constant) and s.value == "__main__" for s in sides
    )
