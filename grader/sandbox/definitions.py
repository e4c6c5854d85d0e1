"""Takes from a module only what its contract's functions need.

A student's file or notebook holds far more than definitions: training cells,
downloads, plots, a loop that was left in. None of that should cost the student
anything, so none of it runs. Starting from the contract's names, every statement
that binds or changes a name they refer to is kept, by whatever syntax it does so,
and what those refer to, and so on. Definitions run nothing, so they are kept
anyway: they may be looked up by name. The rest is dropped, and so is a training
run whatever it changes. Line numbers stay those of the file.

This file runs inside the sandbox, because reading hostile source can take an
interpreter down; it and its neighbours need only the standard library.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .cells import Cell, parse_cell, read_cell
from .effects import EVERYTHING, Effects, bound, code_loads, looks_names_up, roots, spelt_in, stored_names

__all__ = ["Extracted", "LeftOut", "Source", "extract", "names_bound", "parse_cell"]


@dataclass(frozen=True)
class Source:
    """One file or cell: its name for tracebacks, its text, and the statements to run, in order."""

    filename: str
    text: str
    body: tuple[ast.stmt, ...]


@dataclass(frozen=True)
class LeftOut:
    """A statement that does not run, and what a failure that may come from it is told."""

    why: str
    names: frozenset[str]  # that it would have bound or changed
    needed: bool  # some of them are names that the contract's functions need


@dataclass(frozen=True)
class Extracted:
    sources: tuple[Source, ...]
    flags: int  # of the compiler: `from __future__` in one cell holds for all
    remarks: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    optional: frozenset[int] = frozenset()  # ids of statements that nothing is known to need


@dataclass
class _Part:
    filename: str
    label: str  # how a remark names it
    cell: Cell


@dataclass
class _Candidate:
    """A statement that may be kept, and the conditions that it stands under."""

    part: _Part
    statement: ast.stmt
    conditions: tuple[ast.expr, ...] = ()
    given: frozenset[str] = frozenset()  # names that a `with` around it binds
    in_main: bool = False  # under `if __name__ == "__main__"`, which is false here
    touches: frozenset[str] = field(default=frozenset())
    links: frozenset[str] = field(default=frozenset())
    targets: frozenset[str] = field(default=frozenset())  # of an assignment
    costs: bool = False


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_TRY: tuple[type[ast.Try], ...] = (ast.Try,) + ((ast.TryStar,) if hasattr(ast, "TryStar") else ())  # 3.11
_WITH = (ast.With, ast.AsyncWith)


def extract(cells: Iterable[str], names: Iterable[str], filename: str) -> Extracted:
    """The statements of a `.py` file (one cell) or of a notebook's cells that `names` need.

    A statement that is not Python costs itself and becomes a remark. A `.py` file that has
    such statements and binds none of `names` raises SyntaxError. Magics are tolerated in both.
    """
    notebook = filename.endswith(".ipynb")
    wanted = set(names)
    parts: list[_Part] = []
    for number, cell in enumerate(cells, start=1):
        name = f"{filename}, cell {number}" if notebook else filename
        parts.append(_Part(name, f"cell {number}" if notebook else filename, read_cell(cell, name)))
    flags = 0
    for part in parts:
        flags |= _future_flags(part.cell.tree)
    search = _Search(parts, wanted, flags)
    lost = [(part, one) for part in parts for one in part.cell.lost]
    if lost and not notebook and not any(c.touches & wanted and not c.in_main for c in search.candidates):
        part, one = lost[0]
        raise SyntaxError(one.message, (part.filename, one.line or None, None, None))
    left_out = [LeftOut(f"{_place(part, one.line)} {one.why}", one.names, True) for part, one in lost]
    left_out += search.left_out()
    remarks = [one.why for one in left_out if one.needed]
    sources = tuple(
        Source(p.filename, p.cell.text, tuple(_filter(p.cell.tree.body, search.kept))) for p in parts
    )
    return Extracted(sources, flags, tuple(remarks), tuple(left_out), frozenset(search.optional))


class _Search:
    """Which statements to keep: the closure of the needed names under reference, binding and change.

    First what the contract's functions refer to, which is needed. Then what they may reach in ways that
    cannot be followed (a registry, a name in a string): that is guessed, and a statement that costs
    something, as a training or a data set does, is not worth a guess.
    """

    def __init__(self, parts: list[_Part], wanted: set[str], flags: int) -> None:
        self._flags = flags
        self._effects = effects = Effects(s for part in parts for s in part.cell.tree.body)
        self.candidates = [c for part in parts for c in _candidates(part, part.cell.tree.body)]
        for candidate in self.candidates:
            candidate.touches = frozenset(effects.touched(candidate.statement))
            candidate.links = frozenset(effects.links(candidate.statement))
            candidate.targets = frozenset(_targets(candidate.statement))
            candidate.costs = effects.costs(candidate.statement)
        self.needed = set(wanted)
        self._guessed: set[str] = set()
        self.kept: set[int] = set()
        self.optional: set[int] = set()
        self._close(self._is_needed, self.needed)
        if any(looks_names_up(c.statement) for c in self.candidates if id(c.statement) in self.kept):
            self._guess_names()
        self._close(self._is_guessed, self._guessed)
        for part in parts:
            for statement in part.cell.tree.body:  # what runs nothing may as well be there
                if id(statement) not in self.kept and effects.is_plain(statement):
                    self.kept.add(id(statement))
                    self.optional.add(id(statement))
            _trim_imports(part.cell.tree.body, self.needed | self._guessed)

    def left_out(self) -> Iterator[LeftOut]:
        """The statements that are not kept, definitions and imports apart."""
        for candidate in self.candidates:
            statement, touched = candidate.statement, candidate.touches & self.needed
            place = _place(candidate.part, statement.lineno)
            if id(statement) in self.kept or not candidate.touches or self._is_around_kept(statement):
                continue
            if candidate.in_main:
                why = f'{place} stands under `if __name__ == "__main__"`, which is not run'
                yield LeftOut(why, candidate.touches, needed=False)
            elif not isinstance(statement, _Definition | ast.Import | ast.ImportFrom):
                changes = f" that changes {', '.join(sorted(touched))}" if touched else ""
                why = f"{place}: {_kind(statement)} at the top level{changes} was not run"
                # Of a training only the module's own names may be missed: it may call torch.manual_seed.
                missed = touched - self._effects.imported if self._effects.trains(statement) else touched
                yield LeftOut(why, candidate.touches, needed=bool(missed))

    def _close(self, verdict: Callable[[_Candidate], bool], names: set[str]) -> None:
        """Keep what the verdict says is to be kept, and add what it refers to to the names."""
        waiting = [c for c in self.candidates if not c.in_main and id(c.statement) not in self.kept]
        while chosen := [c for c in waiting if verdict(c)]:
            taken = set(map(id, chosen))
            waiting = [c for c in waiting if id(c) not in taken]
            for candidate in chosen:
                self.kept.add(id(candidate.statement))
                if names is self._guessed:
                    self.optional.add(id(candidate.statement))
                names |= self._references(candidate)

    def _is_needed(self, candidate: _Candidate) -> bool:
        statement, touches = candidate.statement, candidate.touches
        if isinstance(statement, ast.ImportFrom) and "*" in _aliases(statement):
            return not candidate.conditions
        if isinstance(statement, ast.Import | ast.ImportFrom | _Definition):
            return bool(touches & self.needed)
        if candidate.targets & self.needed:
            return True  # an assignment, whatever its value costs
        if touches & self.needed:
            return not self._effects.trains(statement)
        return EVERYTHING in touches and not candidate.costs

    def _is_guessed(self, candidate: _Candidate) -> bool:
        reached = candidate.touches & self._guessed or candidate.links & (self.needed | self._guessed)
        return bool(reached) and not candidate.costs

    def _guess_names(self) -> None:
        """The code looks names up by their spelling: it may mean any definition, or a name in a string."""
        for candidate in self.candidates:
            if isinstance(candidate.statement, _Definition) and not candidate.in_main:
                self._guessed |= {candidate.statement.name, *self._references(candidate)}
            if id(candidate.statement) in self.kept:
                self._guessed |= spelt_in(ast.walk(candidate.statement))

    def _is_around_kept(self, statement: ast.stmt) -> bool:
        inner = ast.walk(statement) if isinstance(statement, _WITH) else ()
        return any(id(node) in self.kept for node in inner)

    def _references(self, candidate: _Candidate) -> set[str]:
        """The module's names that a statement refers to, in the functions in it too.

        The compiler knows which of a function's names are its own, so it is asked: a local
        variable `model` must not bring in a training run that happens to be called `model`.
        """
        statement = candidate.statement
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found: set[str] = set()
        else:
            found = code_loads(ast.Module([statement], []), self._flags) | candidate.targets
        for condition in candidate.conditions:
            found |= code_loads(ast.Expression(condition), self._flags)
        own = {n for node in ast.walk(statement) for n in _own_names(node)}
        return found - own - candidate.given


def _own_names(node: ast.AST) -> set[str]:
    """The names that a loop or a with block brings along."""
    if isinstance(node, ast.For | ast.AsyncFor):
        return stored_names(node.target)
    return (
        stored_names(node.optional_vars) if isinstance(node, ast.withitem) and node.optional_vars else set()
    )


def _candidates(
    part: _Part,
    body: list[ast.stmt],
    conditions: tuple[ast.expr, ...] = (),
    given: frozenset[str] = frozenset(),
    in_main: bool = False,
) -> Iterator[_Candidate]:
    """The statements of a block that may be kept each by itself; loops are kept as a whole."""
    for statement in body:
        if isinstance(statement, ast.If):
            within = (*conditions, statement.test)
            main = in_main or _is_main(statement.test)
            yield from _candidates(part, statement.body, within, given, main)
            yield from _candidates(part, statement.orelse, within, given, in_main)
        elif isinstance(statement, _TRY):
            caught = tuple(h.type for h in statement.handlers if h.type is not None)
            within = (*conditions, *caught)
            handled = [h.body for h in statement.handlers]
            for block in (statement.body, *handled, statement.orelse, statement.finalbody):
                yield from _candidates(part, block, within, given, in_main)
        elif isinstance(statement, _WITH):
            yield _Candidate(part, statement, conditions, given, in_main)
            within = (*conditions, *(item.context_expr for item in statement.items))
            bound_here = given.union(*map(_own_names, statement.items))
            yield from _candidates(part, statement.body, within, bound_here, in_main)
        elif not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            yield _Candidate(part, statement, conditions, given, in_main)  # those are the compiler's flags


def _filter(body: list[ast.stmt], kept: set[int]) -> list[ast.stmt]:
    """The kept statements of a block, inside their conditions."""
    found: list[ast.stmt] = []
    for statement in body:
        if id(statement) in kept:
            found.append(statement)
        elif isinstance(statement, ast.If):
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
        elif isinstance(statement, _WITH) and (inner := _filter(statement.body, kept)):
            found.append(ast.copy_location(type(statement)(statement.items, inner), statement))
    return found


def _nothing(place: ast.stmt | ast.ExceptHandler) -> list[ast.stmt]:
    return [ast.copy_location(ast.Pass(), place)]


def _trim_imports(body: list[ast.stmt], names: set[str]) -> None:
    """Of `import a, b` keep what is needed: what is not may be slow, or not installed."""
    for node in body:
        for child in ast.walk(node) if isinstance(node, (ast.If, *_TRY, *_WITH)) else [node]:
            if isinstance(child, ast.Import | ast.ImportFrom):
                wanted = [a for a in child.names if _alias_name(a) in names or a.name == "*"]
                child.names = wanted or child.names


def names_bound(statement: ast.stmt) -> set[str]:
    """All names that a statement, or any within its blocks, would have given a value."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return _aliases(statement)
    return bound(statement)


def _targets(statement: ast.stmt) -> set[str]:
    """The names at the roots of an assignment's targets, and what else it binds; empty for all but these."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = list(statement.targets)
    elif isinstance(statement, ast.AugAssign) or (
        isinstance(statement, ast.AnnAssign) and statement.value is not None
    ):
        targets = [statement.target]
    elif type(statement).__name__ == "TypeAlias":  # 3.12
        return bound(statement)
    else:
        return set()
    return bound(statement).union(*map(roots, targets))


def _place(part: _Part, line: int) -> str:
    return f"{part.label}, line {line}" if line else part.label


def _kind(statement: ast.stmt) -> str:
    kinds = {"For": "a loop", "While": "a loop", "With": "a with block", "Expr": "a call"}
    return kinds.get(type(statement).__name__, "a statement")


def _aliases(statement: ast.Import | ast.ImportFrom) -> set[str]:
    return {_alias_name(alias) for alias in statement.names}


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
    """Whether a condition is `__name__ == "__main__"`, perhaps and something else."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(map(_is_main, test.values))
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    return any(isinstance(s, ast.Name) and s.id == "__name__" for s in sides) and any(
        isinstance(s, ast.Constant) and s.value == "__main__" for s in sides
    )
