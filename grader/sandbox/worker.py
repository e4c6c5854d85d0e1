"""The untrusted side: loads a student's module and answers requests about it.

Everything here runs in the same process as the student's code, so that all it says
is a claim. The requests are a small vocabulary (`_OPERATIONS`); each gets exactly
one reply. This file runs inside the box and imports nothing of the kit but its
neighbours.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import linecache
import os
import pickle
import random
import socket
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from . import definitions, protocol

MODULE = "lab8"
REQUEST_BYTES = 2**31  # the trusted side may send any batch; memory is bounded anyway
CHUNK = 2**20


class Refusal(Exception):
    """What the student is told instead of a result; `kind` as in StudentFailure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class State:
    """What the worker holds between requests."""

    def __init__(self) -> None:
        self.module: types.ModuleType | None = None
        self.filename = "lab8.py"
        self.device = torch.device("cpu")
        self.checkpoint = Path()
        self.checkpoint_format = ""
        self.models: dict[int, nn.Module] = {}

    def function(self, name: str) -> Callable[..., Any]:
        found = getattr(self.module, name, None)
        if found is None:
            raise Refusal("missing", f"{name} is not defined in {self.filename}")
        if not callable(found):
            raise Refusal(
                "missing", f"{name} in {self.filename} is not a function but of type {_type(found)}"
            )
        return found  # type: ignore[no-any-return]

    def model(self, request: dict[str, Any]) -> nn.Module:
        return self.models[request["model"]]


def serve(connection: socket.socket, limits: dict[str, Any]) -> None:
    """Answer requests until the other end closes."""
    torch.set_num_threads(limits["threads"])
    state = State()

    def read(amount: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < amount:
            piece = connection.recv(min(amount - len(pieces), CHUNK * 4))
            if not piece:
                os._exit(0)
            pieces += piece
        return bytes(pieces)

    while True:
        request, payload = protocol.receive(read, protocol.REQUEST_HEADER_BYTES, REQUEST_BYTES)
        if request["op"] == "checkpoint":
            _store(state, request, payload, read)
            continue  # no reply: a failure to write is told when the weights are asked for
        reply, tensors = _answer(state, request, read(payload))
        reply["n"] = request["n"]
        _flush()
        for piece in protocol.pack(reply, tensors):
            connection.sendall(piece)


def _answer(state: State, request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The reply to a request: `value`, or `failed` with a kind and a line."""
    try:
        _seed(request["seed"])
        value = _OPERATIONS[request["op"]](state, request, payload)
        tree, tensors = protocol.encode_value(value)
        return {"value": tree}, tensors
    except Refusal as refusal:
        return {"failed": refusal.kind, "message": str(refusal)}, b""
    except protocol.UnsupportedValueError as error:
        subject = request.get("function") or request.get("factory") or "the model"
        return {"failed": "bad_value", "message": f"{subject} returned {error}"}, b""
    except BaseException as error:  # SystemExit and KeyboardInterrupt are as much the student's as any
        kind = "out_of_memory" if _is_memory(error) else "raised"
        return {"failed": kind, "message": _describe(error, state.filename)}, b""


def _load(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """Read the module in: only what the contract's functions need runs."""
    state.filename = request["filename"]
    if request["device"] == "cuda":
        if not torch.cuda.is_available():
            return {"cuda": False}
        state.device = torch.device("cuda")
    extracted = definitions.extract(request["cells"], request["names"], state.filename)
    module = types.ModuleType(MODULE)
    module.__file__ = state.filename
    sys.modules[MODULE] = module
    for part in extracted.sources:
        linecache.cache[part.filename] = (len(part.text), None, part.text.splitlines(True), part.filename)
    for part in extracted.sources:
        tree = ast.Module(list(part.body), type_ignores=[])
        exec(compile(tree, part.filename, "exec", extracted.flags, dont_inherit=True), module.__dict__)
    state.module = module
    defined = [name for name in request["names"] if callable(getattr(module, name, None))]
    return {"cuda": True, "defined": defined, "remarks": list(extracted.remarks)}


def _call(state: State, request: dict[str, Any], payload: bytes) -> object:
    function = state.function(request["function"])
    arguments = protocol.decode_value(request["arguments"], payload)
    assert isinstance(arguments, tuple)
    args, kwargs = arguments
    assert isinstance(args, tuple) and isinstance(kwargs, dict)
    args = tuple(_to(state.device, value) for value in args)
    result = function(*args, **kwargs)
    return (result, args) if request["look_back"] else result


def _build(state: State, request: dict[str, Any], payload: bytes) -> int:
    factory = request["factory"]
    model = state.function(factory)()
    if not isinstance(model, nn.Module):
        raise Refusal(
            "bad_value", f"{factory} returned a value of type {_type(model)}, not a torch.nn.Module"
        )
    number = len(state.models) + 1
    state.models[number] = model.to(state.device)
    return number


def _parameters(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Tensor]:
    return dict(state.model(request).named_parameters())


def _forward(state: State, request: dict[str, Any], payload: bytes) -> Tensor:
    images = protocol.unpack_tensors(payload)["images"].to(state.device)
    model = state.model(request)
    with _mode(model, training=request["training"]):
        return _tensor(model(images), "the model")


def _classify(state: State, request: dict[str, Any], payload: bytes) -> Tensor:
    preprocess = state.function("preprocess")
    images = protocol.unpack_tensors(payload)["images"].to(state.device)
    model = state.model(request)
    with _mode(model, training=False):
        prepared = _tensor(preprocess(images), "preprocess")
        return _tensor(model(prepared), "the model")


def _activations(state: State, request: dict[str, Any], payload: bytes) -> list[dict[str, Any]]:
    images = protocol.unpack_tensors(payload)["images"].to(state.device)
    model = state.model(request)
    with _mode(model, training=False), _Recorder() as recorder:
        model(images)
    return recorder.seen


def _gradients(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Tensor | None]:
    tensors = protocol.unpack_tensors(payload)
    images, labels = tensors["images"].to(state.device), tensors["labels"].to(state.device)
    model = state.model(request)
    with _mode(model, training=True):
        model.zero_grad(set_to_none=True)
        logits = _tensor(model(images), "the model")
        nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad for name, p in model.named_parameters()}
        model.zero_grad(set_to_none=True)
    return gradients  # type: ignore[return-value]


def _load_weights(state: State, request: dict[str, Any], payload: bytes) -> dict[str, list[str]]:
    """Load the checkpoint into the model; on any difference in names or shapes the model stays as it was."""
    model = state.model(request)
    weights = _read_checkpoint(state)
    own = model.state_dict()
    missing = [name for name in own if name not in weights]
    unexpected = [name for name in weights if name not in own]
    mismatched = [n for n in own if n in weights and own[n].shape != weights[n].shape]
    if not (missing or unexpected or mismatched):
        model.load_state_dict(weights, strict=True)
    return {"missing": missing, "unexpected": unexpected, "mismatched": mismatched}


def _train(state: State, request: dict[str, Any], payload: bytes) -> object:
    tensors = protocol.unpack_tensors(payload)
    images, labels = tensors["images"], tensors["labels"]
    model = state.model(request)
    train = state.function("train_classifier")
    history = train(
        model,
        images,
        labels,
        device=state.device,
        seconds=request["seconds"],
        seed=request["train_seed"],
    )
    try:
        protocol.encode_value(history)
    except protocol.UnsupportedValueError:
        return None  # the history is for the student; nothing rests on it
    return history


_OPERATIONS: dict[str, Callable[[State, dict[str, Any], bytes], object]] = {
    "load": _load,
    "call": _call,
    "build": _build,
    "parameters": _parameters,
    "forward": _forward,
    "classify": _classify,
    "activations": _activations,
    "gradients": _gradients,
    "load_weights": _load_weights,
    "train": _train,
}


class _Recorder(TorchDispatchMode):
    """Notes every operation on tensors that torch carries out, with the shapes in and out."""

    LIMIT = 2000

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, tuple | list) and result else result
        source = next((a for a in args if isinstance(a, Tensor)), None)
        # torch's addmm takes the bias first.
        name = func.overloadpacket.__name__
        if name == "addmm":
            source = args[1]
        if isinstance(first, Tensor) and source is not None and len(self.seen) < self.LIMIT:
            self.seen.append(
                {"op": _plain_name(name), "inputs": list(source.shape), "output": list(first.shape)}
            )
        return result


def _plain_name(name: str) -> str:
    """torch's internal name of an operation as a person knows it."""
    name = name.strip("_").removesuffix("_with_indices")
    return "linear" if name in ("addmm", "mm") else name


@contextlib.contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Evaluate without gradients, or train; afterwards modes, buffers and gradients' switch are as before."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(b, b.detach().clone()) for b in model.buffers()] if training else []
    enabled = torch.is_grad_enabled()
    try:
        model.train(training)
        with torch.set_grad_enabled(training):
            yield
    finally:
        torch.set_grad_enabled(enabled)
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


def _read_checkpoint(state: State) -> dict[str, Tensor]:
    """The submitted weights as a state dict on the CPU. Raises Refusal with a reason."""
    if not state.checkpoint_format:
        raise Refusal("missing", "no weights were handed in")
    if not state.checkpoint.is_file():
        raise Refusal("bad_value", "the weights are larger than the scratch space")
    name = state.checkpoint.name
    if state.checkpoint_format == "safetensors":
        try:
            return safetensors.torch.load_file(state.checkpoint)
        except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
            raise Refusal("bad_value", f"{name} cannot be read as safetensors: {error}") from None
    try:
        found = torch.load(state.checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" in str(error) or "Unsupported" in str(error):
            reason = "a whole pickled model cannot be opened safely: save model.state_dict()"
        else:
            reason = "not a file that torch.save wrote"
        raise Refusal("bad_value", f"{name}: {reason}") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError) as error:
        if _is_memory(error):
            raise
        raise Refusal("bad_value", f"{name}: not a file that torch.save wrote") from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()
    ):
        raise Refusal("bad_value", f"{name} holds no state dict: save model.state_dict()")
    return dict(found)


def _store(state: State, request: dict[str, Any], payload: int, read: Callable[[int], bytes]) -> None:
    """Write the checkpoint that comes as the payload into the scratch, piece by piece."""
    state.checkpoint_format = request["format"]
    state.checkpoint = Path(request["filename"]).resolve()
    try:
        file = state.checkpoint.open("wb")
    except OSError:
        file = Path(os.devnull).open("wb")
    with contextlib.suppress(OSError), file:
        while payload:
            piece = read(min(payload, CHUNK))
            payload -= len(piece)
            if not file.closed:
                try:
                    file.write(piece)
                except OSError:
                    with contextlib.suppress(OSError):
                        state.checkpoint.unlink()
                    file = Path(os.devnull).open("wb")


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _to(device: torch.device, value: Any) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _tensor(value: object, subject: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise Refusal("bad_value", f"{subject} returned a value of type {_type(value)}, not a tensor")
    return value


def _type(value: object) -> str:
    return type(value).__name__


def _flush() -> None:
    """Hand over what was printed, or a later kill would lose it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    text = str(error) if isinstance(error, RuntimeError) else ""
    return "can't allocate memory" in text or "bad_alloc" in text or "Cannot allocate memory" in text


def _describe(error: BaseException, filename: str) -> str:
    """One line: type, message, and where in the student's code it happened, or last passed through."""
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    if isinstance(error, SyntaxError):
        place = f" ({error.filename or filename}, line {error.lineno})"
        message = error.msg or ""
    else:
        place = ""
        for frame, line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(filename):
                place = f" ({frame.f_code.co_filename}, line {line})"
    return f"{type(error).__name__}: {message[:1000]}{place}"
