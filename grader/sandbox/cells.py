"""From a cell's or a file's text to its syntax tree, read as IPython reads it.

Magics, prompts and a common indentation come off. A statement that is not Python, or is newer than the
Python that runs here, is lost alone. Lines keep their numbers. This file runs inside the sandbox and needs
only the standard library.
"""

from __future__ import annotations

import ast
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace

KEPT_CELL_MAGICS = frozenset(
    [
        "time",
        "timeit",
        "capture",
        "prun",
        "memit",
        "debug",
        "wandb",
        "scalene",
        "snakeviz",
        "pyinstrument",
        "python",
        "python3",
        "py",
    ]
)
MAGIC_LINES = 500  # in one cell, at most
REPAIR_LENGTHS = 60  # repairing a file may parse so many times the file's length
JOINED = 20  # pieces that an open bracket or string may span

module = ""  # what is handed in is called: the worker sets it, before it reads anything
# The students' self-test may run in a newer Python than the grader: it sets both to speak of the grader's.
python = sys.version_info[:2]
newer_syntax: Callable[[str], SyntaxError | None] = lambda text: None  # noqa: E731


@dataclass(frozen=True)
class Lost:
    """What could not be read: its line (0: not known), why, and the names that it would have bound."""

    line: int
    why: str  # "is not Python and was left out: invalid syntax"
    names: frozenset[str]
    message: str  # Python's own


@dataclass
class Cell:
    """A cell, read."""

    text: str
    tree: ast.Module
    lost: list[Lost] = field(default_factory=list)
    helpers: list[tuple[str, str]] = field(default_factory=list)  # modules that it writes: path and text


def parse_cell(cell: str, filename: str) -> tuple[str, ast.Module]:
    """A cell's text, its magics blanked out line by line, and its tree. Raises SyntaxError, ValueError."""
    text, tree = _parse(_plain_text(cell), filename)
    if isinstance(tree, Exception):
        raise tree
    return text, tree


def read_cell(cell: str, filename: str) -> Cell:
    """As `parse_cell`, but a statement that is not Python costs itself alone."""
    if helper := _written(cell):
        return Cell("", ast.Module([], []), helpers=[helper])
    lost: list[Lost] = []
    text, tree = _parse(_plain_text(cell), filename)
    if isinstance(tree, Exception):
        first, repair = tree, _Repair(text)
        text, tree = _parse("\n".join(repair.lines), filename)
        lost = repair.lost
        if isinstance(tree, Exception) or not lost:
            line = (first.lineno or 0) if isinstance(first, SyntaxError) else 0
            return Cell("", ast.Module([], []), [_lost(first, line, text)])
    found = Cell(text, tree, lost)
    _unwrap_ipython(found, filename)
    _unwrap_marimo(found.tree)
    return found


def _parse(text: str, filename: str) -> tuple[str, ast.Module | SyntaxError | ValueError]:
    """The text without magics, prompts and common indentation, and its tree or why there is none."""
    lines = text.split("\n")
    bare = False
    for _ in range(MAGIC_LINES + 1):
        try:
            tree = ast.parse(text, filename)
            return text, newer_syntax(text) or tree
        except (RecursionError, MemoryError):
            return text, SyntaxError("nested too deeply")
        except ValueError as error:
            return text, error
        except SyntaxError as error:
            # A line is taken for a magic only where Python cannot read it, so a "%" that
            # continues an expression, or a "?" in a string, is left alone.
            failure = error
        if not failure.lineno or not _blank_magic(lines, failure.lineno - 1):
            if bare or not _take_off_margin(lines):
                return text, failure
            bare = True
        text = "\n".join(lines)
    return text, failure


# --- what IPython takes off ------------------------------------------------------------------------

_MAGIC = re.compile(r"(\s*)(?:[%!?]|,|;|/)")
_MAGIC_ASSIGNMENT = re.compile(r"(\s*[^=!%]+=\s*)[!%]")
_HELP = re.compile(r"(\s*)[\w.*%]+\?\??\s*(?:#.*)?$")
_TIMED = re.compile(r"(\s*(?:[^=!%#]+=\s*)?)%(?:time|prun|memit)\s+(?:--?[a-z-]+\s+)*(\S.*)")
_RUN = re.compile(
    r"(\s*)%run\s+(?:-\w\s+)*[\"']?(?:\./)?([^\W\d]\w*(?:/[^\W\d]\w*)*)(?:\.py\b.*|\s*(?:#.*)?$)"
)
_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.|In \[\d*\]:|\.{3,}:)(?: |$)")
_WRITEFILE = re.compile(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?[\"']?(?:\./)?([\w/]+)\.py[\"']?[ \t]*\n")
_COLAB = "# Commented out IPython magic"
_JUPYTEXT = "#   jupytext:"


def _plain_ends(cell: str) -> str:
    """The cell with lines that end as Python's do, and without a byte order mark."""
    return cell.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _plain_text(cell: str) -> str:
    text = _plain_ends(cell)
    if _COLAB in text or _JUPYTEXT in text:
        text = _uncommented(text)
    first, _, rest = text.lstrip().partition("\n")
    if first.startswith("%%"):
        before = text.count("\n") - rest.count("\n")
        text = "\n" * before + rest if _is_kept(first) or _writes_module(text) else ""
    return text


def _is_kept(magic: str) -> bool:
    return magic[2:].split()[:1] != [] and magic[2:].split()[0] in KEPT_CELL_MAGICS


def _writes_module(text: str) -> bool:
    """Whether the cell's magic writes the very module that is handed in."""
    found = _WRITEFILE.match(text)
    return found is not None and _is_own(found[1])


def _is_own(name: str) -> bool:
    return module != "" and name.lower().startswith(module.lower())


def _written(cell: str) -> tuple[str, str] | None:
    """The module that a cell writes for others to import: its name and text, the magic's line blank."""
    text = _plain_ends(cell)
    found = _WRITEFILE.match(text)
    if found is None or _writes_module(text):
        return None
    return f"{found[1]}.py", "\n" * found[0].count("\n") + text[found.end() :]


def _uncommented(text: str) -> str:
    """Undo what a notebook saved as .py has commented out: `# %time x = 1`, a cell below `# %%time`."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        lines[number] = re.sub(r"^([ \t]*)# (%time\s)", r"\1\2", line)
        if not (line.startswith("# %%") and _is_kept(line[2:]) and lines[number - 1].startswith(_COLAB)):
            continue
        lines[number] = ""
        for below in range(number + 1, len(lines)):
            if not re.match("#(?: |$)", lines[below]):
                break
            lines[below] = lines[below][2:]
    return "\n".join(lines)


def _blank_magic(lines: list[str], index: int) -> bool:
    """Replace the magic on this line by the code it runs, or by something harmless. False: no magic."""
    if index >= len(lines):
        return False
    line = lines[index]
    if match := _TIMED.match(line):
        lines[index] = match[1] + match[2]
        return True
    if match := _RUN.match(line):
        name = match[2].replace("/", ".")
        own = _is_own(name) or name.lower().startswith("selftest")
        lines[index] = match[1] + ("pass" if own else f"from {name} import *")
        return True
    if match := _MAGIC_ASSIGNMENT.match(line):
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


def _take_off_margin(lines: list[str]) -> bool:
    """Take off the prompts or the indentation that the first line has. False if it has none."""
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip())]
    if _PROMPT.match(first):
        lines[:] = [_PROMPT.sub("", line, count=1) for line in lines]
    elif margin:
        lines[:] = [line.removeprefix(margin) for line in lines]
    else:
        return False
    return True


def _unwrap_ipython(cell: Cell, filename: str) -> None:
    """Put the code in the place of `get_ipython().run_line_magic("time", "x = 1")`: nbconvert's magics."""
    body: list[ast.stmt] = []
    for statement in cell.tree.body:
        code = _magic_source(statement)
        if code is None:
            body.append(statement)
        elif helper := _written(code):
            cell.helpers.append(helper)
        else:
            _, tree = _parse(_plain_text(code), filename)
            for inner in tree.body if isinstance(tree, ast.Module) else []:
                for node in ast.walk(inner):
                    if hasattr(node, "lineno"):
                        ast.copy_location(node, statement)
                body.append(inner)
    cell.tree.body = body


def _magic_source(statement: ast.stmt) -> str | None:
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return None
    words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if ast.unparse(call.func.value) != "get_ipython()" or len(words) != len(call.args):
        return None
    if call.func.attr == "run_line_magic" and len(words) == 2:
        return f"%{words[0]} {words[1]}"
    if call.func.attr == "run_cell_magic" and len(words) == 3:
        return f"%%{words[0]} {words[1]}\n{words[2]}"
    return None


def _unwrap_marimo(tree: ast.Module) -> None:
    """Put the bodies of a marimo notebook's cells in their place, each below those whose names it takes."""
    if not any(isinstance(s, ast.Import) and s.names[0].name == "marimo" for s in tree.body):
        return
    waiting: list[tuple[set[str], list[ast.stmt]]] = []  # names that a cell takes, and its statements
    for statement in tree.body:
        if isinstance(statement, ast.With) and ast.unparse(statement.items[0].context_expr) == "app.setup":
            waiting.append((set(), statement.body))
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            how = {ast.unparse(d).partition("(")[0] for d in statement.decorator_list}
            if "app.cell" in how and not isinstance(statement, ast.ClassDef):
                body = [s for s in statement.body if not isinstance(s, ast.Return)]
                waiting.append(({a.arg for a in statement.args.args} - {"mo"}, body))
            else:
                if how & {"app.function", "app.class_definition"}:
                    statement.decorator_list = []
                waiting.append((set(), [statement]))
        elif not (isinstance(statement, ast.Import) or "app" in ast.unparse(statement)[:4]):
            waiting.append((set(), [statement]))
    tree.body = []
    bound: set[str] = set()
    while waiting:
        chosen = next((one for one in waiting if one[0] <= bound), waiting[0])
        waiting.remove(chosen)
        tree.body += chosen[1]
        for node in (node for statement in chosen[1] for node in ast.walk(statement)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            elif isinstance(node, ast.alias):
                bound.add(node.asname or node.name.partition(".")[0])


# --- statements that are not Python ----------------------------------------------------------------


class _TooMuchError(Exception):
    """The text is too long to be repaired."""


_CONFLICT = re.compile(r"(<{7}|\|{7}|={7}|>{7})(?: |$)")
_GOES_ON = re.compile(r"[)\]}]|(?:else|elif|except|finally)\b")
_COMPOUND = re.compile(r"@|(?:async|def|class|if|for|while|with|try)\b")
_DEFINITION = re.compile(r"@|(?:async +)?(?:def|class)\b")
_UNCLOSED = ("was never closed", "unterminated triple-quoted", "unexpected EOF", "EOF while scanning")
_NAMED_LINE = re.compile(r"(?<=\bline )\d+")
_BINDS = re.compile(
    r"^(?:(?:async +)?def +|class +|type +)(\w+)|^(\w+(?: *, *\w+)*) *(?::[^=\n]*)?=(?!=)", re.MULTILINE
)


class _Repair:
    """Replaces each statement that Python cannot read, so that the others can be read: the innermost one.

    At the top level it becomes an empty line, in a function a line that raises, so that the function fails
    there and not elsewhere. A print that cannot be read is only left out.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.lost: list[Lost] = []
        self._left = REPAIR_LENGTHS * len(text)
        try:
            self._take_out_conflicts()
            self._repair(0, len(self.lines))
        except (_TooMuchError, RecursionError):
            self.lost = []

    def _repair(self, start: int, end: int) -> None:
        """Repair the statements of the block between two lines."""
        first = next((n for n in range(start, end) if self._is_code(n)), end)
        indent = self._indent(first) if first < end else 0
        at, previous = first, first
        while at < end:
            stop, error = self._statement(at, end, indent)
            if error is not None and not self._repair_inside(at, stop, indent):
                if previous < at and self._is_torn(at, stop, indent):
                    # The function above goes on below a line that does not belong: half of it would lie.
                    self._lose(previous, at, indent, error)
                    above = self.lost.pop().names  # one fault, one note
                    self._lose(at, stop, indent, error)
                    self.lost[-1] = replace(self.lost[-1], names=self.lost[-1].names | above)
                else:
                    self._lose(at, stop, indent, error)
            previous, at = at, next((n for n in range(stop, end) if self._is_code(n)), end)

    def _statement(self, at: int, end: int, indent: int) -> tuple[int, Exception | None]:
        """Where the statement that begins here ends, and why it cannot be read, if so."""
        stop = shortest = self._next(at, end, indent)
        error = first = self._read(at, stop)
        for _ in range(JOINED):  # a bracket or string goes on at the margin
            if error is None or stop >= end or not any(words in str(error) for words in _UNCLOSED):
                break
            stop = self._next(stop, end, indent)
            error = self._read(at, stop)
        if isinstance(error, TabError):  # below a docstring, each line of which would be a fault of its own
            return stop, error
        return (stop, None) if error is None else (shortest, first)

    def _next(self, at: int, end: int, indent: int) -> int:
        """The line at which the next statement seems to begin."""
        decorated = self.lines[at].lstrip().startswith("@")
        for number in range(at + 1, end):
            text = self.lines[number].lstrip()
            if not self._is_code(number) or self._indent(number) > indent or _GOES_ON.match(text):
                continue
            if not decorated:
                return number
            decorated = text.startswith("@")
        return end

    def _repair_inside(self, at: int, stop: int, indent: int) -> bool:
        """Repair the blocks of a compound statement. Whether it can be read then."""
        if not _COMPOUND.match(self.lines[at].lstrip()):
            return False
        head = self._head(at, stop)
        if head is None:
            return False
        lines, lost = list(self.lines), list(self.lost)
        number = head
        while number < stop:
            if self._is_code(number) and self._indent(number) > indent:
                end = number
                while end < stop and (not self._is_code(end) or self._indent(end) > indent):
                    end += 1
                self._repair(number, end)
                number = end
            else:
                number += 1
        if self._read(at, stop) is None:
            return True
        self.lines, self.lost = lines, lost
        return False

    def _head(self, at: int, stop: int) -> int | None:
        """The line below the head of a compound statement: below `def f(` and its parameters to the colon."""
        for number in range(at, min(stop, at + 2 * JOINED)):
            if ":" in self.lines[number]:
                head = [line.strip() for line in self.lines[at : number + 1]]
                closing = "\nfinally:\n pass" if head[0].startswith("try") else ""
                if self._try("\n".join(head) + "\n pass" + closing) is None:
                    return number + 1
        return None

    def _is_torn(self, at: int, stop: int, indent: int) -> bool:
        """Whether an indented block goes on below a line that does not begin one."""
        if _COMPOUND.match(self.lines[at].lstrip()):
            return False  # a head whose colon was forgotten
        head = self.lines[at].partition("#")[0].rstrip()
        deeper = any(self._is_code(n) and self._indent(n) > indent for n in range(at + 1, stop))
        return deeper and not head.endswith((":", ",", "(", "[", "{", "\\"))

    def _lose(self, at: int, stop: int, indent: int, error: Exception) -> None:
        text = "\n".join(self.lines[at:stop])
        line = (error.lineno or 0) if isinstance(error, SyntaxError) else 0
        if line:  # in an f-string the number is the f-string's own
            line = at + 1 if "f-string" in str(error) else min(at + max(1, line - (indent > 0)), stop)
        lost = _lost(error, line, text)
        self.lost.append(lost)
        of_block = [n for n in range(at, stop) if self._is_code(n) and self._indent(n) == indent]
        place = self.lines[of_block[0]] if indent and of_block else ""
        self.lines[at:stop] = [""] * (stop - at)
        if indent:
            margin = place[: len(place) - len(place.lstrip())]
            passed = _DEFINITION.match(text.lstrip()) or text.lstrip().startswith("print(")
            self.lines[at] = margin + ("pass" if passed else f"raise SyntaxError({'it ' + lost.why!r})")

    def _take_out_conflicts(self) -> None:
        """Lose both sides of every merge conflict, for nobody can tell which one is meant."""
        begin = None
        for number, line in enumerate(self.lines):
            if line.startswith("<<<<<<< "):
                begin = number
            elif line.startswith(">>>>>>> ") and begin is not None:
                inner = [n for n in range(begin, number) if self._is_code(n) and not self._is_mark(n)]
                indent = min(map(self._indent, inner), default=0)
                lines = f"lines {begin + 1} to {number + 1} are a merge conflict"
                error = SyntaxError(f"{lines}: keep one side, delete the marks", ("", 1, None, None))
                self._lose(begin, number + 1, indent, error)
                begin = None

    def _is_mark(self, number: int) -> bool:
        return _CONFLICT.match(self.lines[number]) is not None

    def _is_code(self, number: int) -> bool:
        text = self.lines[number].lstrip()
        return bool(text) and not text.startswith("#")

    def _indent(self, number: int) -> int:
        line = self.lines[number].expandtabs()
        return len(line) - len(line.lstrip())

    def _read(self, at: int, stop: int) -> Exception | None:
        text = "\n".join(self.lines[at:stop])
        inner = text[:1].isspace()
        error = self._try(f"if 1:\n{text}" if inner else text)
        if isinstance(error, SyntaxError):  # "… on line 1": of the piece; a student looks there in the file
            error.msg = _NAMED_LINE.sub(lambda line: str(int(line[0]) + at - inner), error.msg)
        return error

    def _try(self, text: str) -> Exception | None:
        self._left -= len(text)
        if self._left < 0:
            raise _TooMuchError
        found = _parse(text, "")[1]
        return found if isinstance(found, Exception) else None


def _lost(error: Exception, line: int, text: str) -> Lost:
    message = _advised(error.msg if isinstance(error, SyntaxError) else str(error))
    running, newer = ".".join(map(str, python)), _newer(text, message)
    what = (
        f"is syntax of Python {newer} or newer, which the grader's Python {running} cannot read,"
        if newer
        else "is not Python"
    )
    names = {name.strip() for match in _BINDS.finditer(text) for name in (match[1] or match[2]).split(",")}
    first = text.lstrip().splitlines()[:1]
    if first and text[:1].isspace():  # within a class: what is missing is the method
        names = {m[1] for m in [re.match(r"(?:async +)?(?:def|class) +(\w+)", first[0])] if m}
    return Lost(line, f"{what} and was left out: {message}", frozenset(names), message)


_FOREIGN = re.compile(r"invalid character '(.)' \(U\+[0-9A-F]+\)")
_SIGNS = dict(zip("、。“”‘’【】《》×÷−–—", ",.\"\"''[]<>*/---", strict=True))  # those that NFKC leaves alone


def _advised(message: str) -> str:
    """Python's message, and for a sign that an input method for Chinese has typed which one is meant."""
    if found := _FOREIGN.fullmatch(message):
        meant = _SIGNS.get(found[1]) or unicodedata.normalize("NFKC", found[1])
        if meant.isascii():
            return f"{message}: switch the keyboard to English and type {meant}"
    return message


# What a text looks like that a newer Python can read: the version, and how to tell.
_NEWER = (
    ((3, 11), re.compile(r"^\s*except\s*\*", re.MULTILINE)),
    ((3, 12), re.compile(r"^\s*(?:type +\w+.*=|(?:async +)?(?:def|class) +\w+ *\[)", re.MULTILINE)),
    ((3, 12), re.compile(r"\b(?:[fF][rR]?|[rR][fF])[\"'].*\{")),
    ((3, 14), re.compile(r"^\s*except +[\w.]+ *,|\b[tT][\"']", re.MULTILINE)),
)


def _newer(text: str, message: str) -> str:
    """The Python that knows this syntax, where that is the likely cause; else empty."""
    if "merge conflict" in message:
        return ""
    for version, sign in _NEWER:
        if python < version and sign.search(text):
            return ".".join(map(str, version))
    return ""
