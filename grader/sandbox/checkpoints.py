"""Opens the weights that a student handed in, and finds the network's own among what a file holds.

A file may hold more than a state dict, or one under other names: a training's checkpoint, a second set of
averaged weights, the names of a wrapper around the network. What fits the network in one way alone is
taken, with a remark; where several things fit, or nothing does, the student is told what stands in the way.

This file runs inside the sandbox. Nothing that a pickle names is ever looked up or run: see `_Unopened`.
"""

from __future__ import annotations

import pickle
import re
from collections import Counter, OrderedDict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, _weights_only_unpickler
from torch.nn.parameter import is_lazy

SAVE = "save model.state_dict()"
WHOLE = f"a whole pickled model cannot be opened safely: {SAVE}"
DEPTH = 3  # of dicts and lists within each other, in which state dicts are looked for
PREFIXES = 20  # tried, of what names have before a name of the network
NAMED = 3  # of several things, in a message


class UnusableError(Exception):
    """Why there are no weights in a file, and what to do, in one line."""


# --- opening ---------------------------------------------------------------------------------------


class _Unopened:
    """Stands for every class and function that a pickle names and torch does not load by itself.

    What a pickle makes by it is an empty OrderedDict, a type that torch's unpickler lets a pickle fill.
    """

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        made: Any = OrderedDict()
        made.is_unopened = True
        return made


def _numpy_globals() -> list[tuple[Any, str] | type]:
    """What numpy's numbers and arrays are made by, under its names of today and of before numpy 2."""
    reconstruct, scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
    named: list[tuple[Any, str] | type] = [(np.dtype, "numpy.dtype"), (np.ndarray, "numpy.ndarray")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        named += [(reconstruct, f"{module}._reconstruct"), (scalar, f"{module}.scalar")]
    return [*named, *{type(np.dtype(code)) for code in np.typecodes["All"]}]


_NUMPY = _numpy_globals()
_LOADED = frozenset(entry[1] for entry in _NUMPY if isinstance(entry, tuple))


@dataclass(frozen=True)
class Contents:
    """What a file holds, and by what names something in it was not opened."""

    value: object
    unopened: tuple[str, ...] = ()


def read(path: Path, kind: str) -> Contents:
    """Open a file of this kind, "safetensors" or "torch". Raises UnusableError and what the readers raise."""
    if kind == "safetensors":
        return Contents(safetensors.torch.load_file(path))
    unopened: tuple[str, ...] = ()
    try:
        unopened = _unopened_names(path)
        stand_ins: list[Any] = [(_Unopened, name) for name in unopened]
        with torch.serialization.safe_globals([*_NUMPY, *stand_ins]):
            return Contents(torch.load(path, map_location="cpu", weights_only=True), unopened)
    except (pickle.UnpicklingError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        text = str(error)
        if "torchscript" in text.lower():
            raise UnusableError(f"a TorchScript archive is not opened: {SAVE}") from None
        if f"Unsupported operand {pickle.FRAME[0]}" in text:  # which begins a pickle of protocol 4 and later
            advice = "torch.save(model.state_dict(), …) without pickle_protocol"
            raise UnusableError(f"pickled in a way that is not opened: save it by {advice}") from None
        if "persistent_load of storage" in text:  # torch's old format keeps classes' source so
            raise UnusableError(WHOLE) from None
        if unopened and not isinstance(error, RuntimeError):
            raise UnusableError(f"holds {_shown(unopened)}, which is not opened: {SAVE} alone") from None
        raise


def _unopened_names(path: Path) -> tuple[str, ...]:
    """The classes and functions that a torch file names and that are not loaded; it is only read through."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            names = set(torch.serialization.get_unsafe_globals_in_checkpoint(path))
        else:  # torch's old format: its magic number, its version, about the machine, then the object
            file.seek(0)
            named = (_weights_only_unpickler.get_globals_in_pkl(file) for _ in range(4))
            names = set().union(*named) - {*_weights_only_unpickler._get_allowed_globals()}
    return tuple(sorted(names - _LOADED))


# --- finding ---------------------------------------------------------------------------------------

# What people call the weights of the training itself; other names say more: "ema", "best", "teacher".
_USUAL = frozenset(
    (
        *("checkpoint", "classifier", "model", "model_state", "model_state_dict", "module", "_orig_mod"),
        *("net", "net_state_dict", "network", "params", "state_dict", "weights"),
    )
)
_WRAPPER = re.compile(r"(?:(?<=\.)|^)(?:module|_orig_mod)\.")  # what DataParallel and torch.compile add
_COUNTER = "n_averaged"  # AveragedModel's, beside the weights


@dataclass(frozen=True)
class Fit:
    """One way to read a file's tensors as the network's, and where the two differ."""

    key: tuple[str, ...]  # under which the state dict stands in the file
    prefix: str  # that its names have and the network's have not
    how: str  # it was read, where the names are not the network's
    weights: dict[str, Tensor]  # by the network's names
    others: tuple[str, ...] = ()  # names that are not looked at
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    remark: str = ""

    @property
    def faults(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.mismatched)

    @property
    def label(self) -> str:
        return ".".join([*self.key, self.prefix + "*"] if self.prefix else self.key)

    @property
    def is_usual(self) -> bool:
        return all(word in _USUAL for word in (*self.key, *filter(None, self.prefix.split("."))))


def fit(contents: Contents, own: dict[str, Tensor]) -> Fit:
    """The weights for a network whose state dict is `own`; or, without any fit, the nearest and its faults.

    Raises UnusableError where the file holds no state dict, or several that fit.
    """
    found = list(state_dicts(contents.value))
    readings = [reading for key, stored in found for reading in _readings(key, stored, own)]
    fits = _different(reading for reading in readings if not reading.faults)
    if not fits:
        if not any(reading.weights for reading in readings) and (contents.unopened or not readings):
            raise UnusableError(_no_state_dict(contents))
        # Names as they stand in the file say most, unless others fit far better.
        return min(readings, key=lambda r: (4 if r.how else 1) * r.faults + len(r.others))
    usual = [one for one in fits if one.is_usual]
    if len(fits) > 1 and len(usual) != 1:
        labels = _listed([one.label or "itself" for one in fits])
        what = f"{len(fits)} state dicts that fit classifier() ({labels})"
        raise UnusableError(f"holds {what}: save the one that is meant alone")
    taken = usual[0] if len(fits) > 1 else fits[0]
    notes = [taken.remark] if taken.remark else []
    aside = [one.label for one in fits if one is not taken] or taken.others
    if aside:
        notes.append(f"{_listed(aside)} left aside")
    if contents.unopened:
        notes.append(f"{_shown(contents.unopened)} beside the weights was not opened")
    return replace(taken, remark="; ".join(notes))


def _no_state_dict(contents: Contents) -> str:
    value = contents.value
    if hasattr(value, "is_unopened"):
        return WHOLE
    if contents.unopened:
        return f"holds {_shown(contents.unopened)} and no state dict: {SAVE}"
    if isinstance(value, dict) and "param_groups" in value:
        return f"holds an optimizer's state: {SAVE}"
    return f"holds no state dict: {SAVE}"


def state_dicts(
    value: object, key: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """The dicts of tensors by name in what a file holds, with the keys that lead there."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict) and "param_groups" not in value:  # else an optimizer's state
        arrays = {k: _tensor(v) for k, v in value.items() if isinstance(k, str)}
        if tensors := {name: tensor for name, tensor in arrays.items() if tensor is not None}:
            yield key, tensors
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value, 1)
    for name, inner in items:
        if isinstance(inner, dict | list | tuple) and len(key) < DEPTH:
            yield from state_dicts(inner, (*key, str(name)))


def _tensor(value: object) -> Tensor | None:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(value.copy())
    return value if isinstance(value, Tensor) else None


def _readings(key: tuple[str, ...], stored: dict[str, Tensor], own: dict[str, Tensor]) -> Iterator[Fit]:
    """The ways to read a state dict's names as the network's: as they are, without a prefix, with one."""
    if _COUNTER not in own:
        stored = {name: value for name, value in stored.items() if name != _COUNTER}
    twins = _twins(own)
    for plain, how in ((str, ""), (_unwrapped, "names were read without module. and _orig_mod.")):
        theirs, ours = {plain(name): name for name in stored}, {plain(name): name for name in own}
        if len(theirs) < len(stored) or len(ours) < len(own):
            continue  # two names became one

        def reading(names: dict[str, str], prefix: str, how: str) -> Fit:
            found = {ours.get(name, name): stored[theirs[there]] for name, there in names.items()}  # noqa: B023
            others = tuple(name for name in theirs if not name.startswith(prefix))  # noqa: B023
            return _compare(Fit(key, prefix, how, found, others), own, twins)

        yield reading({name: name for name in theirs}, "", how)
        for prefix in _prefixes(theirs, ours):  # what does not begin with it is another network's
            names = {name[len(prefix) :]: name for name in theirs if name.startswith(prefix)}
            yield reading(names, prefix, f'names were read without "{prefix}"')
        for prefix in _prefixes(ours, theirs):
            yield reading({prefix + n: n for n in theirs}, "", f'names were read with "{prefix}" before them')


def _compare(reading: Fit, own: dict[str, Tensor], twins: dict[str, list[str]]) -> Fit:
    """The reading with its tensors that are the network's, and where these differ from the network's own."""
    weights = {name: value for name, value in reading.weights.items() if name in own}
    # A tensor under two names is stored under one of them by safetensors' save_model.
    tied = {n: weights[t] for n in own if n not in weights for t in twins.get(n, ()) if t in weights}
    weights |= tied
    # A lazy layer has no shape yet, and takes the file's.
    wrong = [n for n, v in weights.items() if not is_lazy(own[n]) and own[n].shape != v.shape]
    notes = [reading.how] if reading.how else []
    if tied:
        notes.append(f"{_listed([*tied])} filled in, for classifier() shares the tensors with others")
    return replace(
        reading,
        weights=weights,
        missing=tuple(name for name in own if name not in weights),
        unexpected=tuple(name for name in reading.weights if name not in own),
        mismatched=tuple(wrong),
        remark="; ".join(notes),
    )


def _unwrapped(name: str) -> str:
    return _WRAPPER.sub("", name)


def _prefixes(longer: Iterable[str], shorter: Container[str]) -> list[str]:
    """What stands before one of the shorter names in the longer ones, the most frequent first."""
    counts: Counter[str] = Counter()
    for name in longer:
        dots = [dot.end() for dot in re.finditer(r"\.", name)]
        counts.update(name[:dot] for dot in dots if name[dot:] in shorter)
    return [prefix for prefix, _ in counts.most_common(PREFIXES)]


def _twins(own: dict[str, Tensor]) -> dict[str, list[str]]:
    """The names under which the network has the very same tensor, for each name that has such."""
    places: dict[object, list[str]] = {}
    for name, value in own.items():
        if not is_lazy(value) and value.numel():
            place = (value.data_ptr(), value.shape, value.stride(), value.dtype)
            places.setdefault(place, []).append(name)
    return {name: names for names in places.values() if len(names) > 1 for name in names}


def _different(fits: Iterable[Fit]) -> list[Fit]:
    """Of fits with the same values the first, which has the plainest names."""
    kept: list[Fit] = []
    for one in fits:
        if not any(all(_same(one.weights[n], k.weights[n]) for n in k.weights) for k in kept):
            kept.append(one)
    return kept


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def _shown(unopened: Sequence[str]) -> str:
    """What was not opened, by the names that say something to whoever saved it."""
    own = [name for name in unopened if not name.startswith(("builtins.", "__builtin__.", "_codecs."))]
    return _listed(own or unopened)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
