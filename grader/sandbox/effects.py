"""Which of a module's names a top-level statement binds or changes, and whether it trains or fetches data.

It sees only the syntax tree, so it guesses, and generously: running a harmless statement too many costs
nothing; leaving out the loop that fills a table costs the network that is built from it. Only training runs
are never guessed generously. This file runs inside the sandbox and needs only the standard library.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import dis
import re
import types
from collections.abc import Iterable, Iterator

from . import cells

Function = ast.FunctionDef | ast.AsyncFunctionDef
DEPTH = 20  # how far a function's calls of others are followed
EVERYTHING = "*"  # in a set of names: it cannot be told which

# Methods that change what they are called on, wherever in a statement they stand.
_MUTATORS = re.compile(
    r"append(left)?|extend(left)?|insert|update|setdefault|add|discard|remove|pop(left|item)?|clear|sort"
    r"|reverse|move_to_end|register\w*|add_(module|argument\w*|parser)|set_defaults|load_state_dict"
    r"|__(setitem|setattr|iadd)__"
)
# Functions that change their first argument.
_CHANGE_FIRST = re.compile("setattr|delattr|setitem|delitem|shuffle|heappush|heapify|insort|copyto")
_BASICS = frozenset({"list", "dict", "set", "object"})  # dict.update(CONFIG, ...)
# Calls on an imported module that set how it works from then on, and need no network.
_SETUP = re.compile(
    r"set_(?!trace|grad_enabled)|set(state|defaulttimeout)$|(manual_)?seed|enable_|disable_"
    r"|filterwarnings$|simplefilter$|add_safe_globals$|register_"
)
_FOR_ALL = frozenset({"setrecursionlimit", "makedirs", "mkdir"})  # whoever needs it does not say so
_GROWS = frozenset({"append", "extend", "insert", "update", "setdefault"})  # as in sys.path.append
_OWN_NAMES = frozenset({"globals", "vars", "locals"})
_OWN_MODULE = frozenset(
    {"sys.modules[__name__]", "importlib.import_module(__name__)", "import_module(__name__)"}
    | {"__import__(__name__)", "sys.modules['__main__']"}
)
_TRAINING = frozenset({"backward", "step", "fit"})
_DATA = re.compile(
    r"DataLoader|datasets?|CIFAR10|MNIST|ImageFolder|download\w*|urlretrieve|urlopen|requests|wget|gdown|hub"
    r"|system|subprocess|popen|input|sleep"
)


class Effects:
    """What the statements of one module do, all of its cells together."""

    def __init__(self, statements: Iterable[ast.stmt]) -> None:
        body = list(statements)
        self.imported: set[str] = set()
        self._functions: dict[str, list[Function]] = {}  # by their plain names, methods too
        self._aliases: dict[str, set[str]] = {}  # group = parser.add_argument_group("x"): group's is parser
        self._own_module: set[str] = set()  # this = sys.modules[__name__]
        self._of_functions: dict[str, tuple[dict[int | str, str], set[str]]] = {}
        self._depth = 0
        for node in (node for statement in body for node in ast.walk(statement)):
            if isinstance(node, Function):
                self._functions.setdefault(node.name, []).append(node)
        for statement in _flat(body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                self.imported |= {alias.asname or alias.name.split(".")[0] for alias in statement.names}
            elif isinstance(statement, ast.Assign):
                self._note_alias(statement)
        self._calls = {
            name: set().union(*(_called(part) for function in functions for part in function.body))
            for name, functions in self._functions.items()
        }
        self._training = self._functions_that_call({"backward", "step", "train_classifier"})
        data = {
            n
            for n, fs in self._functions.items()
            if any(map(_mentions_data, (p for f in fs for p in f.body)))
        }
        self._costly = self._functions_that_call(data | self._training)

    def touched(self, statement: ast.stmt) -> set[str]:
        """The names that it binds or whose values it changes; `EVERYTHING` where it may be any."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return bound(statement) or {alias.asname or alias.name for alias in statement.names}
        if isinstance(statement, ast.With | ast.AsyncWith):  # the statements in it are asked themselves
            names = set().union(*(stored_names(i.optional_vars) for i in statement.items if i.optional_vars))
            return names | self._changed(statement) if names & self._changed(statement) else names
        return bound(statement) | self._bound_by_name(statement) | self._changed(statement)

    def trains(self, statement: ast.stmt) -> bool:
        """Whether it calls for training, itself or through the module's functions."""
        return bool(_called(statement) & (_TRAINING | self._training))

    def costs(self, statement: ast.stmt) -> bool:
        """Whether it trains, fetches data or waits."""
        return _mentions_data(statement) or bool(_called(statement) & (_TRAINING | self._costly))

    def links(self, statement: ast.stmt) -> set[str]:
        """The names that a definition is attached to: a base class, a registry, the class it is patched into.

        `@register("small")` changes what `register` changes, `@add_to_class(Net)` changes Net, and a base
        class knows its subclasses.
        """
        if not isinstance(statement, Function | ast.ClassDef):
            return set()
        names: set[str] = set()
        for decorator in statement.decorator_list:
            names |= _loaded(decorator)
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(called, ast.Name) and called.id in self._functions:
                # A wrapper that changes nothing ties to nothing.
                names = (names - {called.id}) | self._effects_of(called.id)[1]
        if isinstance(statement, ast.ClassDef):
            parents = [*statement.bases, *(keyword.value for keyword in statement.keywords)]
            names |= set().union(*map(_loaded, parents))
        elif statement.decorator_list:  # @patch: the class is the annotation of `self`
            first = [*statement.args.posonlyargs, *statement.args.args][:1]
            names |= set().union(*(_loaded(a.annotation) for a in first if a.annotation is not None))
        return names - self.imported

    def is_plain(self, statement: ast.stmt) -> bool:
        """Whether a definition runs nothing of the student's when it is read."""
        if isinstance(statement, Function | ast.ClassDef):
            calls = [node for node in _running(statement) if isinstance(node, ast.Call)]
            known = self.imported | _HARMLESS
            return (
                all((owner := roots(call.func)) and owner <= known for call in calls)
                and all(_loaded(d) <= known for d in statement.decorator_list)
                and not any(isinstance(n, ast.For | ast.While) for n in _running(statement))
                and not self.costs(statement)
            )
        return False

    # --- what a statement changes in place ---

    def _changed(self, statement: ast.stmt) -> set[str]:
        if isinstance(statement, Function | ast.ClassDef | ast.Import | ast.ImportFrom):
            return set()
        found: set[str] = set()
        for node in ast.walk(statement):
            called = node.value if isinstance(node, ast.Expr) else None
            if isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute):
                # A method called for nothing but what it does: builder.freeze(), but not plt.show().
                found |= roots(called.func) - self.imported
            found |= self._changed_here(node)
        return self._with_sources(statement, found)

    def _changed_here(self, node: ast.AST) -> set[str]:
        """What one node of a tree changes, whoever runs it."""
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            return roots(node)
        if isinstance(node, ast.Attribute) and _MUTATORS.fullmatch(node.attr):
            return roots(node) - self.imported  # also map(TABLE.append, ...); but not np.append
        return self._changed_by_call(node) if isinstance(node, ast.Call) else set()

    def _changed_by_call(self, call: ast.Call) -> set[str]:
        function = call.func
        found: set[str] = set()
        first = roots(call.args[0]) if call.args else set()
        if isinstance(function, ast.Name):
            if _CHANGE_FIRST.fullmatch(function.id) or function.id.endswith("_"):
                return first
            by_place, found = self._effects_of(function.id)
            given: dict[int | str, ast.expr] = dict(enumerate(call.args))
            given |= {k.arg: k.value for k in call.keywords if k.arg}
            return found.union(*(roots(given[place]) for place in by_place if place in given))
        if isinstance(function, ast.Attribute):
            name, owner = function.attr, roots(function)
            if name.endswith("_") and not name.startswith("_"):  # torch's: changes in place
                found = first | (owner - self.imported)
            elif _CHANGE_FIRST.fullmatch(name) or (owner & _BASICS and _MUTATORS.fullmatch(name)):
                found = first
            if owner & self.imported and self._sets_up(function, call):
                found |= owner
        return found

    def _sets_up(self, function: ast.Attribute, call: ast.Call) -> bool:
        if function.attr in _GROWS and isinstance(function.value, ast.Attribute):
            return True  # sys.path.append
        on_gpu = "cuda" in ast.unparse(call) and "seed" not in function.attr  # the grader may have none
        return bool(_SETUP.match(function.attr)) and not on_gpu

    def _with_sources(self, statement: ast.stmt, found: set[str]) -> set[str]:
        """Add what stands behind a changed name: `for cls in (A, B): cls.x = 1` changes A and B."""
        if not found:
            return found
        behind: dict[str, set[str]] = {}
        for node in ast.walk(statement):
            if isinstance(node, ast.For | ast.comprehension):
                target, source = node.target, node.iter
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                target, source = node.optional_vars, node.context_expr
            else:
                continue
            for name in stored_names(target):
                behind.setdefault(name, set()).update(_loaded(source))
        waiting = list(found)
        while waiting:
            name = waiting.pop()
            more = behind.get(name, set()) | self._aliases.get(name, set())
            more -= found | self.imported | _BUILTINS
            found |= more
            waiting += more
        return found

    def _bound_by_name(self, statement: ast.stmt) -> set[str]:
        """Names that are bound by their spelling: globals()["K"] = 3, setattr(this_module, "K", 3)."""
        found: set[str] = set()
        if isinstance(statement, Function | ast.ClassDef):
            return found
        for node in _running(statement):
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
                found.add(_text(node.slice))
            elif isinstance(node, ast.Call):
                function = node.func
                if isinstance(function, ast.Attribute) and function.attr in _FOR_ALL:
                    found.add(EVERYTHING)
                elif isinstance(function, ast.Attribute) and _is_own(function.value):
                    if function.attr in ("update", "setdefault"):
                        found |= {k.arg for k in node.keywords if k.arg} or {EVERYTHING}
                elif isinstance(function, ast.Name) and function.id == "setattr" and len(node.args) == 3:
                    target = ast.unparse(node.args[0])
                    if _is_own_module(target) or target in self._own_module:
                        found.add(_text(node.args[1]))
                elif isinstance(function, ast.Name) and function.id == "exec":
                    found.add(EVERYTHING)
        return found

    # --- what the module's functions do when they are called ---

    def _effects_of(self, name: str) -> tuple[dict[int | str, str], set[str]]:
        """Of a function: its parameters that it changes, by place and by keyword, and the module's names."""
        if name not in self._of_functions and self._depth < DEPTH:
            self._of_functions[name] = ({}, set())  # for a function that calls itself
            self._depth += 1
            places: dict[int | str, str] = {}
            changed: set[str] = set()
            for function in self._functions.get(name, [])[:5]:
                found = set().union(*map(self._changed_here, ast.walk(function)))
                found = self._with_sources(function, found)
                names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
                keywords = [*names, *(a.arg for a in function.args.kwonlyargs)]
                places |= {n: a for n, a in enumerate(names) if a in found}
                places |= {a: a for a in keywords if a in found}
                declared = {n for g in ast.walk(function) if isinstance(g, ast.Global) for n in g.names}
                local = stored_names(function) | set(keywords)
                changed |= (found - local) | (declared & (stored_names(function) | found))
            self._of_functions[name] = (places, changed)
            self._depth -= 1
        return self._of_functions.get(name, ({}, set()))

    def _functions_that_call(self, names: set[str]) -> set[str]:
        """These functions, and all that call one of them, directly or not."""
        found = set(names)
        while more := {n for n, called in self._calls.items() if n not in found and called & found}:
            found |= more
        return found

    def _note_alias(self, statement: ast.Assign) -> None:
        names = set().union(*(stored_names(target) for target in statement.targets))
        value = statement.value
        behind = roots(value.func if isinstance(value, ast.Call) else value) - self.imported
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            behind = set()  # a new value: Net(), get_config()
        if _is_own_module(ast.unparse(value)[:100]):
            self._own_module |= names
        for name in names:
            self._aliases.setdefault(name, set()).update(behind | (names - {name}))


_HARMLESS = frozenset({"super", "field", *dir(builtins)}) - {"print", "input", "open", "eval", "exec", "exit"}


def bound(statement: ast.stmt) -> set[str]:
    """The module's names that a statement gives a value, by whatever syntax. The compiler knows."""
    try:
        code = compile(ast.Module([statement], []), "", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if isinstance(statement, Function | ast.ClassDef):
            return {statement.name}
        return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return _stores(code, {"STORE_NAME", "STORE_GLOBAL"}) - _COMPILERS_OWN


def _stores(code: types.CodeType, opcodes: set[str]) -> set[str]:
    names = {str(i.argval) for i in dis.get_instructions(code) if i.opname in opcodes}
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name in _COMPREHENSIONS]
    return names.union(*(_stores(c, {"STORE_GLOBAL"}) for c in inner))  # [K := x for x in y]


_COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_COMPILERS_OWN = frozenset({"__annotations__", "__annotate__", "__conditional_annotations__"})
_BUILTINS = frozenset(dir(builtins))


def code_loads(tree: ast.Module | ast.Expression, flags: int) -> set[str]:
    """The module's names that code refers to, in the functions and classes in it too. The compiler knows."""
    try:
        kind = "eval" if isinstance(tree, ast.Expression) else "exec"
        return _loads(compile(tree, "", kind, flags, dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()  # as `def f(a, a)`, which can be read but not compiled: it fails when it is run


_LOADS = frozenset(n for n in dis.opmap if "GLOBAL" in n or n in ("LOAD_NAME", "DELETE_NAME"))


def _loads(code: types.CodeType) -> set[str]:
    names = {str(i.argval) for i in dis.get_instructions(code) if i.opname in _LOADS}
    return names.union(*(_loads(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def looks_names_up(statement: ast.stmt) -> bool:
    """Whether it looks names up by their spelling: globals()[name], eval(name), Base.__subclasses__()."""
    return any(map(_looks_up, ast.walk(statement)))


def spelt_in(nodes: Iterable[ast.AST]) -> set[str]:
    """The names in strings that are expressions of Python: "SmallNet", "SmallNet(16)"."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                found |= _loaded(ast.parse(node.value.strip(), mode="eval"))
    return found


def _looks_up(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in ("globals", "eval", "exec")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("vars", "locals") and not node.args
    if isinstance(node, ast.Attribute):
        by_sys = isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr == "modules"
        return by_sys or node.attr in ("__subclasses__", "import_module")
    names = [node.module] if isinstance(node, ast.ImportFrom) else []
    names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(name in (cells.module, "__main__") for name in names)


def _is_own_module(text: str) -> bool:
    return text in _OWN_MODULE or text == f"sys.modules[{cells.module!r}]"


def roots(node: ast.expr) -> set[str]:
    """The names at the root of a target or value: of `a, b.c, d[0]` a, b and d."""
    if isinstance(node, ast.Tuple | ast.List):
        return set().union(*map(roots, node.elts))
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _flat(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block, and of the blocks in it, but not those in functions and classes."""
    for statement in body:
        yield statement
        if not isinstance(statement, Function | ast.ClassDef):
            inner = (n for n in ast.walk(statement) if isinstance(n, ast.stmt) and n is not statement)
            yield from inner


def _running(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes that run when the statement does: not the bodies of the functions in it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Function):
            waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _called(statement: ast.stmt) -> set[str]:
    """The plain names of all that is called while a statement runs."""
    calls = [node.func for node in _running(statement) if isinstance(node, ast.Call)]
    names = {f.id for f in calls if isinstance(f, ast.Name)}
    return names | {f.attr for f in calls if isinstance(f, ast.Attribute)}


def _mentions_data(statement: ast.stmt) -> bool:
    words: set[str] = set()
    for node in _running(statement):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            words.add(node.arg)
    return any(map(_DATA.fullmatch, words))


def _loaded(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def stored_names(node: ast.AST) -> set[str]:
    """The plain names in a target, or anywhere in a tree, that are given a value."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _is_own(node: ast.expr) -> bool:
    """Whether an expression is the module's own dictionary: globals()."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _OWN_NAMES


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else EVERYTHING
