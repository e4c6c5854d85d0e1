"""Finds the code, the checkpoint and the answers among a student's files, by name and by content.

Nothing is parsed as Python here: the trusted side only searches texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from grader.intake.decode import decode_text
from grader.intake.entries import Allowance, Entry, UnreadableError, megabytes
from grader.intake.limits import (
    ANSWER_BYTES,
    ANSWER_SEARCH_BYTES,
    ANSWER_SEARCH_FILES,
    CODE_BYTES,
    CODE_SEARCH_BYTES,
    CODE_SEARCH_KEPT_BYTES,
    MIB,
    NOTEBOOK_BYTES,
    NOTEBOOK_TEXT_BYTES,
    WEIGHT_BYTES,
)
from grader.intake.names import (
    OTHER_ARCHIVES,
    WEIGHTS_SUFFIXES,
    expected,
    is_answers_name,
    is_code_name,
    is_exact_lab_name,
    is_lab_name,
    is_weights_name,
)
from grader.intake.notebook import parse_notebook
from grader.intake.unpack import LEGACY_TORCH, is_torch_zip
from grader.questions import BREAK
from grader.text import safe_line
from grader.types import Code, Helper, Weights

_FUNCTION = re.compile(r"^def[ \t]+(\w{1,40})[ \t]*\(", re.MULTILINE)
_FUNCTIONS = 500  # of one file, at most, whose names are compared
# Lines that may import a module of the student's own, and the names in them; `.x` is within a package.
_IMPORT_LINE = re.compile(r"^[ \t]*from\b.*$|^.*(?:import|%run).*$", re.MULTILINE)
_MODULE_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
_MOST_IMPORTS = 10_000  # names in a file's import lines, that are looked at
_FROM = re.compile(r"^[ \t]*from[ \t]+[\w.]+[ \t]+import[ \t]*(\([^)]{0,2000}\)|.*)", re.MULTILINE)
_STUB = re.compile(r"^[ \t]*raise[ \t]+NotImplementedError", re.MULTILINE)
_NEXT = re.compile(r"\n(?=[^\s)#])")  # where a function ends; its arguments' bracket may close at the margin
_SAYS_NOTHING = re.compile(r'""".*?"""|\'\'\'.*?\'\'\'|#[^\n]*', re.DOTALL)  # docstrings and comments
_STUB_CHARACTERS = 10_000  # of a function, at most, in which its stub is looked for
_MOST_OF_IT = 4  # of the contract's functions
_TRIES = 30  # files that are opened in search of code or weights

# A notebook's pictures, in base64: most of its bytes, and nothing that anybody reads here. Within a string of
# JSON the quotes would have backslashes before them.
_PICTURE = re.compile(
    rb'(?<!\\)"(?:image/)?(?:png|jpe?g|gif|webp)"[ \t\r\n]{0,9}:[ \t\r\n]{0,9}"[A-Za-z0-9+/=\\]{1000,}"'
)

# Extensions that say: neither code nor weights nor text.
_DOCUMENTS = (".doc", ".docx", ".odt", ".rtf", ".pages", ".pdf")
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".svg")
_DATA = (".csv", ".xls", ".xlsx", ".npy", ".npz", ".h5", ".onnx", ".gz", ".tar", ".rar", ".7z", ".log")
_OTHER_SUFFIXES = frozenset((*_DOCUMENTS, *_IMAGES, *_DATA))
_NEVER_CODE = _OTHER_SUFFIXES | {*WEIGHTS_SUFFIXES, ".py", ".ipynb"}  # the last two were tried by then


# --- code ------------------------------------------------------------------------------------------


class _Wanted(NamedTuple):
    """The contract's functions, as a text is searched for them."""

    functions: tuple[str, ...]
    defined: re.Pattern[str]  # where one is defined
    named: re.Pattern[str]  # where one is named


@cache
def _wanted_for(functions: tuple[str, ...]) -> _Wanted:
    names = "|".join(map(re.escape, functions))
    defined = (
        rf"^(?:(?:async[ \t]+)?def[ \t]+({names})[ \t]*\(|class[ \t]+({names})[ \t]*[(:]"
        rf"|({names})[ \t]*(?::[^=\n]*)?=(?!=))"
    )
    named = rf"(?<![\w.])(?:{names})(?!\w)"
    return _Wanted(functions, re.compile(defined, re.MULTILINE), re.compile(named))


def _wanted() -> _Wanted:
    return _wanted_for(expected().contract.functions)


def _is_tools(entry: Entry) -> bool:
    """Whether it is the course's own module, which is handed out with the template."""
    return entry.name == expected().tools


@dataclass(frozen=True)
class Candidate:
    """A file that may be the module, read."""

    entry: Entry
    cells: tuple[str, ...]
    markdown: tuple[str, ...]
    claims: tuple[str, ...]
    elsewhere: tuple[tuple[str, str], ...]
    is_notebook: bool
    defined: frozenset[str]  # contract names that it defines
    filled: int  # ... of which no stub is left
    alike: int  # functions that seem to be meant for those that it does not define
    imports: frozenset[str]  # names in its import lines
    helpers: dict[str, Candidate] = field(default_factory=dict)  # its own modules, by path from their root

    @property
    def in_all(self) -> int:
        """The contract's functions that are filled in, those that it takes from its helpers included."""
        taken = (
            " ".join(names for cell in self.cells for names in _FROM.findall(cell)) if self.helpers else ""
        )
        functions, _, named = _wanted()
        wanted = set(functions if "*" in taken else named.findall(taken))
        gained = sum(min(h.filled, len(h.defined & wanted)) for h in self.helpers.values())
        return min(self.filled + gained, len(functions))

    @property
    def rank(self) -> tuple[object, ...]:
        """Smallest first: most functions filled in, then the right name, then the plainest place."""
        return (
            -self.in_all,
            _name_rank(self.entry),
            -self.filled,
            -self.alike,
            -len(self.defined),
            self.entry.depth,
            self.is_notebook,
            self.entry.path,
        )


@dataclass(frozen=True)
class CodeFound:
    code: Code | None
    markdown: tuple[str, ...]  # the best notebook's, whichever file the code came from
    remarks: tuple[str, ...]
    missing: str = ""  # why the file that should be the code is none
    claims: tuple[str, ...] = ()  # of the notebook that the Markdown is of
    # The code's, its helpers', and the notebook's that the Markdown is of, where there are answers in it.
    entries: tuple[Entry, ...] = field(default=(), compare=False)
    # Each could be a hand-in's code by itself, and they differ.
    whole: tuple[Entry, ...] = field(default=(), compare=False)


def find_code(files: Sequence[Entry]) -> CodeFound:
    """The file that best keeps the contract, and why it was chosen.

    Of several, the one with the most contract functions filled in counts, so
    that an untouched template beside the work costs nothing; then the name.
    """
    named = [entry for entry in files if is_code_name(entry.path)]
    named.sort(key=lambda entry: (_name_rank(entry), entry.depth, entry.path))
    candidates, remarks = _read_candidates(named[:_TRIES])
    missing = remarks[0] if remarks else ""  # of the file whose name fits best
    if len(named) > _TRIES:
        remarks.append(f"there are {len(named)} code files: only {_TRIES} of them were looked at")
    if not candidates:  # renamed beyond recognition, or with another extension
        hidden = sorted(filter(_may_hide_code, files), key=lambda entry: not is_lab_name(entry.path))
        least = min(2, len(_wanted().functions))
        candidates = [found for found in _read_candidates(hidden[:_TRIES])[0] if len(found.defined) >= least]
    candidates = [replace(found, helpers=_find_helpers(found, candidates)) for found in candidates]
    candidates.sort(key=lambda candidate: candidate.rank)
    if not candidates:
        return CodeFound(None, (), tuple(remarks), missing)
    # The course's own file may be read with the code, and is not the code.
    may_be = (c for c in candidates if not _is_tools(c.entry) and any(map(str.strip, c.cells)))
    best = next(may_be, None)
    notebook = best if best and best.is_notebook else next((c for c in candidates if c.is_notebook), None)
    if best:
        beside = [helper.entry for helper in best.helpers.values()]
        if beside:
            remarks.append(f"read with {best.entry.label}: {_listed([entry.label for entry in beside])}")
        rest = [c.entry for c in candidates if c is not best and c.entry not in beside]
        others = [entry.label for entry in rest if not _is_tools(entry)]
        if others:
            why = f"{best.in_all} of {len(_wanted().functions)} functions filled in"
            remarks.append(f"{best.entry.label} was taken as the code ({why}); left aside: {_listed(others)}")
        elif not is_exact_lab_name(best.entry.path):
            remarks.append(f"{best.entry.label} was taken as the code")
    code = _code(best) if best else None
    if not code:
        empty = next((c.entry.label for c in candidates if not _is_tools(c.entry)), "")
        missing = missing or (f"{empty} holds no code" if empty else "")
    markdown, claims = (notebook.markdown, notebook.claims) if notebook else ((), ())
    taken = [best, *best.helpers.values()] if best else []
    if notebook and notebook is not best and answer_heads("\n".join(markdown)):
        taken.append(notebook)
    entries = tuple(candidate.entry for candidate in taken)
    whole = _whole(candidates)
    return CodeFound(code, markdown, tuple(remarks), "" if code else missing, claims, entries, whole)


def _whole(candidates: Iterable[Candidate]) -> tuple[Entry, ...]:
    """The files that seem to be somebody's whole code: no part of another, no untouched template, no copy."""
    found: dict[tuple[str, ...], Entry] = {}
    for one in candidates:
        is_named = is_lab_name(one.entry.path)
        filled = one.in_all if is_named else one.filled
        least = 1 if is_named else min(_MOST_OF_IT, len(_wanted().functions))
        if filled >= least and not _is_tools(one.entry):
            found.setdefault(one.cells, one.entry)
    return tuple(found.values())


def _code(candidate: Candidate) -> Code:
    helpers = tuple(Helper(path=path, text=c.cells[0]) for path, c in sorted(candidate.helpers.items()))
    return Code(
        filename=_module_name(candidate),
        cells=candidate.cells,
        elsewhere=candidate.elsewhere,
        helpers=helpers,
    )


def _find_helpers(code: Candidate, candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """The modules that the code may import, and those that these may, by their paths from a folder.

    That is the code's own; or another, where it is the only one with a module of the name.
    """
    modules = [c for c in candidates if c is not code and not c.is_notebook and c.entry.suffix == ".py"]
    there = {part for m in modules for part in _parts(m)} - {expected().contract.module}
    home = code.entry.path.rpartition("/")[0]
    found: dict[str, Candidate] = {}
    waiting = [code]
    room = CODE_BYTES - _size(code)
    for one in waiting:  # grows while it is walked
        for name in sorted(one.imports & there):
            roots = _roots(name, [module for module in modules if module not in waiting])
            root = roots.get(home) or (next(iter(roots.values())) if len(roots) == 1 else {})
            for path, module in root.items():
                if _size(module) <= room:
                    room -= _size(module)
                    found[path] = module
                    waiting.append(module)
    return found


def _roots(name: str, modules: Iterable[Candidate]) -> dict[str, dict[str, Candidate]]:
    """The folders that hold a module or package of this name: its files, by their paths from there."""
    roots: dict[str, dict[str, Candidate]] = {}
    for module in modules:
        parts = _parts(module)
        if name in parts and all(part.isidentifier() for part in parts[parts.index(name) :]):
            at = parts.index(name)
            path = "/".join(parts[at:]) + ".py"
            roots.setdefault("/".join(parts[:at]), {})[path] = module
    return roots


def _parts(module: Candidate) -> list[str]:
    return module.entry.path[: -len(".py")].split("/")


def _size(candidate: Candidate) -> int:
    return sum(len(cell.encode()) for cell in candidate.cells)


def _name_rank(entry: Entry) -> int:
    return 0 if is_exact_lab_name(entry.path) else 1 if is_lab_name(entry.path) else 2


def _module_name(candidate: Candidate) -> str:
    """The file's name with the extension of what it holds, by which later steps tell a notebook."""
    name = safe_line(candidate.entry.name, 200)
    stem = re.sub(r"\.(?:py|ipynb)$", "", name, flags=re.IGNORECASE)
    return stem + (".ipynb" if candidate.is_notebook else ".py")


def _may_hide_code(entry: Entry) -> bool:
    """A text of an unexpected extension: `lab8.py.txt`, `lab8.ipynb.json`, `lab8`."""
    return 0 < entry.size <= NOTEBOOK_BYTES and entry.suffix not in _NEVER_CODE


def _read_candidates(entries: Iterable[Entry]) -> tuple[list[Candidate], list[str]]:
    candidates, remarks = [], []
    room, kept = CODE_SEARCH_BYTES, CODE_SEARCH_KEPT_BYTES
    for entry in entries:
        try:
            is_json = _is_json(entry)
            size = min(entry.size, NOTEBOOK_BYTES if is_json else CODE_BYTES)
            if size > room:
                raise UnreadableError("was not looked at: there is too much code beside it")
            room -= size
            candidate = _read_candidate(entry, is_json)
            kept -= _size(candidate)
            if kept < 0:
                raise UnreadableError("was left aside: there is too much code beside it")
            candidates.append(candidate)
        except UnreadableError as error:
            if entry.name != "__init__.py":  # a package's may be empty
                remarks.append(f"{entry.label} {error}")
    return candidates, remarks


def _is_json(entry: Entry) -> bool:
    return decode_text(entry.head(256)).lstrip("\ufeff\0 \t\n").startswith("{")


def _read_candidate(entry: Entry, looks_like_json: bool) -> Candidate:
    """Read a Python file or a notebook, whatever its extension says it is."""
    if looks_like_json and entry.size > NOTEBOOK_BYTES:
        raise UnreadableError(f"is larger than {megabytes(NOTEBOOK_BYTES)}: clear its outputs")
    text = _notebook_text(entry) if looks_like_json else decode_text(entry.read(CODE_BYTES))
    if not text.strip():
        raise UnreadableError("is empty")
    if looks_like_json:
        notebook = parse_notebook(text)
        cells, markdown, claims = notebook.code, notebook.markdown, notebook.claims
        elsewhere = notebook.elsewhere
        if not markdown and not any(map(str.strip, cells)):
            raise UnreadableError("is a notebook without cells")
    elif entry.suffix == ".ipynb" and not _wanted().defined.search(text):
        raise UnreadableError("is not a notebook that can be read")
    else:
        cells, markdown, claims, elsewhere = (text,), (), (), ()
    if sum(len(cell.encode()) for cell in cells) > CODE_BYTES:
        raise UnreadableError(f"holds more than {CODE_BYTES // MIB} MiB of code")
    source = "\n".join(cells)
    wanted = _wanted()
    written = {m[m.lastindex or 0]: not _is_stub(source, m.end()) for m in wanted.defined.finditer(source)}
    defined, filled = frozenset(written), sum(written.values())
    functions = islice(_FUNCTION.finditer(source), _FUNCTIONS)
    others = {m[1] for m in functions if not _is_stub(source, m.end())} - defined
    alike = sum(bool(get_close_matches(name, others, 1, 0.8)) for name in {*wanted.functions} - defined)
    lines = "\n".join(_IMPORT_LINE.findall(source))
    names = (match[0] for match in _MODULE_NAME.finditer(lines))
    imports = frozenset(islice(names, _MOST_IMPORTS))
    return Candidate(
        entry, cells, markdown, claims, elsewhere, looks_like_json, defined, filled, alike, imports
    )


def _notebook_text(entry: Entry) -> str:
    """A notebook's JSON without its pictures."""
    raw = _PICTURE.sub(b'"":0', entry.read(NOTEBOOK_BYTES))
    if len(raw) > NOTEBOOK_TEXT_BYTES:
        most = megabytes(NOTEBOOK_TEXT_BYTES)
        raise UnreadableError(f"is larger than {most} without its pictures: clear its outputs")
    return decode_text(raw)


def _is_stub(source: str, start: int) -> bool:
    """Whether the function whose head is at `start` begins by raising NotImplementedError.

    One that does so below the work is written: the line was left there.
    """
    end = _NEXT.search(source, start, start + _STUB_CHARACTERS)
    body = source[start : end.start() + 1 if end else start + _STUB_CHARACTERS]
    stub = _STUB.search(body)
    if not stub:
        return False
    _, _, before = _SAYS_NOTHING.sub("", body[: stub.start()]).partition(":\n")
    return not before.strip()


# --- weights ---------------------------------------------------------------------------------------

_NEVER_WEIGHTS = (_OTHER_SUFFIXES - {*OTHER_ARCHIVES}) | {*WEIGHTS_SUFFIXES, ".py", ".ipynb", ".md"}
_OTHER_WEIGHTS = (".pkl", ".pickle", ".joblib", ".npz", ".npy", ".h5", ".keras", ".onnx")
_LFS = b"version https://git-lfs"
_MAX_SAFETENSORS_HEADER = 100_000_000  # the format's own limit


def find_weights(
    files: Sequence[Entry], folder: Path, allowance: Allowance, copy: str = "weights"
) -> tuple[Weights | None, list[str], Entry | None]:
    """Copy the checkpoint into `folder`, which exists: the copy, remarks, and which file it was.

    There is none where the lab asks for no weights. `copy` is what the copy is called, but for its extension.
    A checkpoint is told by its content; of several, names decide, then size.
    """
    stem = expected().contract.weights
    if not stem:
        return None, [], None
    named = sorted((e for e in files if is_weights_name(e.path)), key=lambda e: _weights_rank(e, stem))
    remarks: list[str] = []
    for entry in named[:_TRIES]:
        weights = _take_weights(entry, folder / copy, allowance, remarks)
        if weights:
            others = [other.label for other in named if other is not entry]
            if others:
                remarks.append(f"{entry.label} was taken as the weights; left aside: {_listed(others)}")
            elif entry.stem.lower() != stem:
                remarks.append(f"{entry.label} was taken as the weights")
            return weights, remarks, entry
    hidden = [entry for entry in files if entry.suffix not in _NEVER_WEIGHTS]
    for entry in sorted(hidden, key=lambda entry: (-entry.size, entry.path))[:_TRIES]:
        try:
            start = entry.head(16)
        except UnreadableError:
            continue
        if _format_by_head(start, entry.size) and (
            weights := _take_weights(entry, folder / copy, allowance, [])
        ):
            remarks.append(f"{entry.label} was taken as the weights")
            return weights, remarks, entry
    others = [e.label for e in files if e.suffix in _OTHER_WEIGHTS and stem in e.stem.lower()]
    if others:
        remarks.append(
            f"{_listed(others)} cannot be read as weights: save model.state_dict() with torch.save"
        )
    return None, remarks, None


def _weights_rank(entry: Entry, wanted: str) -> tuple[object, ...]:
    stem = entry.stem.lower()
    named = 0 if stem == wanted else 1 if wanted in stem else 2
    kind = WEIGHTS_SUFFIXES.index(entry.suffix)
    return (named, -entry.size if named == 2 else 0, kind, entry.depth, entry.path)


def _take_weights(entry: Entry, target: Path, allowance: Allowance, remarks: list[str]) -> Weights | None:
    """Copy a file and look at its content; a remark says why it is no checkpoint."""
    part = target.with_name(f"{target.name}.part")
    try:
        start = entry.head(16)
        kind = _format_by_head(start, WEIGHT_BYTES)
        if kind:  # by its first bytes: what cannot be a checkpoint is not copied
            with part.open("w+b") as file:
                kind = _format_by_head(start, entry.copy(file, WEIGHT_BYTES))
                if kind == "zip":
                    kind = "torch" if is_torch_zip(file, allowance) else ""
        if not kind:
            if not start:
                raise UnreadableError("is empty")
            if start.startswith(_LFS[:16]):
                raise UnreadableError("is a Git LFS pointer, not the weights: hand in the file itself")
            if entry.suffix == ".bin":  # data sets carry this extension too
                return None
            raise UnreadableError("is neither a safetensors nor a torch file")
        path = target.with_name(f"{target.name}.{'safetensors' if kind == 'safetensors' else 'pt'}")
        part.replace(path)
        filename = safe_line(entry.name, 200)
        return Weights(
            filename=filename, path=path, format="safetensors" if kind == "safetensors" else "torch"
        )
    except UnreadableError as error:
        remarks.append(f"{entry.label} {error}")
        return None
    finally:
        part.unlink(missing_ok=True)


def _format_by_head(start: bytes, size: int) -> str:
    """ "safetensors", "torch", "zip" (to be looked into), or "" for anything else."""
    if start.startswith(b"PK\x03\x04"):
        return "zip"
    if start.startswith(LEGACY_TORCH):
        return "torch"
    header = int.from_bytes(start[:8], "little")
    if len(start) > 8 and start[8:9] == b"{" and 2 <= header <= min(size - 8, _MAX_SAFETENSORS_HEADER):
        return "safetensors"
    return ""


# --- answers ---------------------------------------------------------------------------------------

_TEXT_SUFFIXES = (".md", ".markdown", ".txt", "")
_SHEETS = ("answers", "answers.zh")  # the course's own, which need no remark
_MOST_FILES = 4  # of one student's files called answers
_NOT_ANSWERS = re.compile(r"read[\s_-]*me|requirements|licen[sc]e|contributing|changelog|说明", re.IGNORECASE)
# The head of an answer: "## Question 1", "Q2:", "第四题", or a bare number as in "**3.**" or "4、".
_NUMBER = "([1-4１-４一二三四])"
_ANSWER_HEAD = re.compile(
    rf"^[ \t#*>_-]{{0,12}}(?:(?:question|answer|q|问题|题|第)[ \t]{{0,3}}{_NUMBER}"
    rf"|{_NUMBER}[ \t]{{0,3}}[.:：、．)）])",
    re.IGNORECASE | re.MULTILINE,
)


def answer_heads(text: str) -> int:
    """How many of the first four questions stand as headings in a text."""
    return len({first or second for first, second in _ANSWER_HEAD.findall(text)})


def find_answers(
    files: Sequence[Entry], markdown: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str], list[Entry]]:
    """The answers' texts first, then the notebook's Markdown cells, with `BREAK` between; remarks; the files.

    All files count that are called answers, for the course hands out one in each language and most
    students fill in one; of files with other names the longest that looks like answers.
    """
    texts: list[tuple[int, Entry, str]] = []
    remarks: list[str] = []
    left = ANSWER_SEARCH_BYTES
    for named, entry in _may_be_answers(files):
        if len(texts) >= _TRIES or left <= 0:
            break
        try:
            left -= min(entry.size, ANSWER_BYTES)
            text = decode_text(entry.read(ANSWER_BYTES))
        except UnreadableError as error:
            if named:
                remarks.append(f"{entry.label} {error}")
            continue
        if text.strip() and "\0" not in text and (named or answer_heads(text) >= 2):
            texts.append((0 if named else 1, entry, text))
    texts.sort(key=lambda found: (found[0], -len(found[2].strip()), found[1].path))
    room = ANSWER_BYTES
    answers: list[str] = []
    chosen: list[Entry] = []
    for unnamed, entry, text in texts[:_MOST_FILES]:
        size = len(text.encode("utf-8", "replace"))
        if chosen and (unnamed or size > room):
            break
        answers += [BREAK, text] if answers else [text]
        chosen.append(entry)
        room -= size
    if answers and markdown:  # a heading, so that the file's last answer ends with the file
        answers.append(BREAK)
    if texts:
        labels = " and ".join(entry.label for entry in chosen)
        others = [entry.label for _, entry, _ in texts[len(chosen) :]]
        if others:
            remarks.append(f"taken as the answers: {labels}; left aside: {_listed(others)}")
        elif any(entry.stem.lower() not in _SHEETS for entry in chosen):
            remarks.append(f"taken as the answers: {labels}")
    else:
        documents = [entry.label for entry in files if entry.suffix in _DOCUMENTS]
        if documents:
            remarks.append(
                f"{_listed(documents)} cannot be read: answers belong in answers.md or the notebook"
            )
    for cell in markdown:
        room -= len(cell.encode("utf-8", "replace"))
        if room < 0:
            remarks.append("the notebook's Markdown cells are longer than 1 MiB: the rest was not read")
            break
        answers.append(cell)
    return tuple(answers), remarks, chosen


def _may_be_answers(files: Iterable[Entry]) -> list[tuple[bool, Entry]]:
    """The texts among the files, those that are called answers first, and whether they are."""
    found = []
    for entry in files:
        named = is_answers_name(entry.path)
        fits = entry.suffix in _TEXT_SUFFIXES and not _NOT_ANSWERS.search(entry.stem)
        if fits and (named or 0 < entry.size <= ANSWER_BYTES):
            found.append((named, entry))
    found.sort(key=lambda pair: not pair[0])
    return found[:ANSWER_SEARCH_FILES]


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
