"""The untrusted side: loads a student's module and answers requests about it.

Everything here runs in the same process as the student's code, so all it says is only
a claim. The requests are a small vocabulary (`_OPERATIONS`); each gets exactly
one reply. This file runs inside the sandbox and imports nothing of the kit but its
neighbours.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import errno
import inspect
import json
import linecache
import math
import os
import random
import re
import signal
import socket
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from . import cells, checkpoints, definitions, helpers, notebook, pace, protocol
from .device import Device
from .rules import rule_behind

REQUEST_BYTES = 2**31  # the trusted side may send any batch; memory is bounded anyway
CHUNK = 2**20
LINE_CHARACTERS = 2000
COLUMNS, ROWS = 20, 1000  # of a history: of a longer one every second row counts, or third
REMARKS = 50
STATEMENT_SECONDS = 8  # of CPU time, for a loop at the top level
CHECKPOINT = Path("checkpoint")  # in the scratch, which is the working folder


class RefusalError(Exception):
    """What the student is told instead of a result; `kind` as in StudentFailure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class State:
    """What the worker holds between requests."""

    def __init__(self) -> None:
        self.module: types.ModuleType | None = None
        self.filename = ""
        self.files: tuple[str, ...] = ()  # the names of all that is the student's code
        self.refused: dict[str, str] = {}  # modules handed in that are not read, and why
        self.remarks: list[str] = []
        self.broken: dict[str, str] = {}  # names whose definition failed, and how
        self.left_out: list[definitions.LeftOut] = []  # what did not run and may be missed
        self.elsewhere: dict[str, str] = {}  # names that stand in a Markdown cell, and where
        self.device = torch.device("cpu")
        self.checkpoint_name = ""
        self.checkpoint_format = ""
        self.checkpoint_fault = ""
        self.models: dict[int, nn.Module] = {}
        self.reply_bytes = 2**20
        self.limits: dict[str, Any] = {}
        self.reply: Reply

    def function(self, name: str) -> Callable[..., Any]:
        found = getattr(self.module, name, None)
        if found is None:
            why = self.why_missing(name) or "; ".join(self.remarks[:REMARKS])
            message = f"{name} is not defined in {self.filename}" + (f" ({why})" if why else "")
            raise RefusalError("missing", message)
        if not callable(found):
            raise RefusalError(
                "missing", f"{name} in {self.filename} is of type {_type(found)}, not a function"
            )
        return found  # type: ignore[no-any-return]

    def why_missing(self, name: str) -> str:
        """Why the module lacks a name that its author may believe to have given it; else empty."""
        if name in self.broken:
            return self.broken[name]
        whys = [one.why for one in self.left_out if name in one.names]
        if name in self.elsewhere:
            whys.append(f"it stands in {self.elsewhere[name]}: make that a code cell")
        if whys:
            return whys[-1]
        there = [other for other, value in vars(self.module).items() if isinstance(value, types.FunctionType)]
        alike = difflib.get_close_matches(name, there, 1, 0.8)
        return f"there is {alike[0]}: is it meant?" if alike and alike[0] != name else ""

    def model(self, request: dict[str, Any]) -> nn.Module:
        return self.models[request["model"]]


def rehearse() -> None:
    """Do once, in the zygote, what is slow the first time. No backward pass: that may start threads."""
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    with torch.no_grad():
        logits = network.eval()(torch.zeros(2, 1, 8, 8))
    protocol.decode_value(*protocol.encode_value([logits]))
    torch.manual_seed(0)
    definitions.extract(["import torch\ndef f():\n    return torch\n"], ["f"], "rehearsal.py")


def serve(connection: socket.socket, limits: dict[str, Any]) -> None:
    """Answer requests until the other end closes."""
    if limits["threads"] > 1:
        torch.set_num_threads(limits["threads"])
    process = os.getpid()
    # A right network on a GPU must not be told from ours by its roundings.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if limits["device"] == "cuda":
        _limit_gpu(limits["gpu_memory_mib"])
    state = State()
    state.reply_bytes = limits["reply_mib"] * 2**20
    state.limits = limits
    # So that code which starts a process a core keeps within its share.
    os.cpu_count = lambda: max(limits["threads"], 1)
    # This can be set once a process, and the zygote has.
    torch.set_num_interop_threads = lambda nthreads: None

    def read(amount: int) -> bytes:
        whole = memoryview(bytearray(amount))
        filled = 0
        while filled < amount:
            received = connection.recv_into(whole[filled:])
            if received == 0:
                os._exit(0)
            filled += received
        return bytes(whole)

    while True:
        request, length = protocol.receive(read, protocol.REQUEST_HEADER_BYTES, REQUEST_BYTES)
        if request["op"] == "checkpoint":
            _store(state, request, length, read)
            continue  # no reply: a failure to write is told when the weights are asked for
        state.reply = Reply(connection, request["n"])
        header, payload = _answer(state, request, read(length))
        if os.getpid() != process:  # the code forked, and this is the copy: one answer is enough
            os._exit(0)
        state.reply.send(header, payload)


class Reply:
    """To one request. Who comes first sends it: the request's own thread, or a clock beside it."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self._connection = connection
        self._number = number
        self._once = threading.Lock()  # never given back

    def send(self, header: dict[str, Any], payload: bytes) -> None:
        if self._once.acquire(blocking=False):
            _flush()
            for piece in protocol.pack({**header, "n": self._number}, payload):
                self._connection.sendall(piece)


def _limit_gpu(mib: int) -> None:
    """Have torch's allocator refuse more than this of each GPU's memory. Code that wants to can undo it."""
    with contextlib.suppress(RuntimeError):  # a GPU that fails now fails the first thing that needs it
        for number in range(torch.cuda.device_count()):
            total = torch.cuda.get_device_properties(number).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, mib * 2**20 / total), number)


def _answer(state: State, request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The reply to a request: `value`, or `failed` with a kind and a line."""

    def operation() -> object:
        _seed(state, request["seed"])
        return _OPERATIONS[request["op"]](state, request, payload)

    return _outcome(state, request, operation)


def _outcome(
    state: State, request: dict[str, Any], operation: Callable[[], object]
) -> tuple[dict[str, Any], bytes]:
    """What `operation` returns, or how it fails, as the reply to `request`."""
    try:
        value = operation()
        tree, tensors = protocol.encode_value(value)
        if len(tensors) > state.reply_bytes or len(json.dumps(tree)) > protocol.REPLY_HEADER_BYTES // 2:
            raise protocol.UnsupportedValueError("more data than is accepted")
        return {"value": tree}, tensors
    except RefusalError as refusal:
        return {"failed": refusal.kind, "message": str(refusal)[:LINE_CHARACTERS]}, b""
    except protocol.UnsupportedValueError as error:
        subject = request.get("function") or request.get("factory") or "the model"
        return {"failed": "bad_value", "message": f"{subject} returned {error}"[:LINE_CHARACTERS]}, b""
    except BaseException as error:  # SystemExit and KeyboardInterrupt are as much the student's as any
        kind = "out_of_memory" if _is_memory(error) else "raised"
        types = [base.__name__ for base in type(error).__mro__[:20]]
        message = _describe(error, state)[:LINE_CHARACTERS]
        return {"failed": kind, "message": message, "types": types}, b""


def _load(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """Read the module in: only what the contract's functions need runs.

    A statement that fails takes its own names with it and no others, so that an
    import that is not there costs the functions that use it. Where nothing of the
    contract is left, the first failure is the module's.
    """
    state.filename = filename = request["filename"]
    state.device = torch.device(request["device"])
    state.elsewhere = request["elsewhere"]
    lay = any("multiprocessing" in text or "num_workers" in text for text in _texts(request))
    name = cells.module = request["module"]
    module = types.ModuleType(name)
    module.__file__ = filename
    module.__dict__.update(display=notebook.display, get_ipython=notebook.get_ipython)
    sys.modules[name] = module
    sys.argv = [f"{name}.py"]  # as when the file is run: argparse reads it
    sys.orig_argv = [sys.executable, *sys.argv]

    def run(text: str, path: str, names: Iterable[str], helper: types.ModuleType) -> None:
        extracted = definitions.extract([text], {*names, *request["names"]}, path)
        state.remarks += extracted.remarks
        state.left_out += extracted.left_out
        if lay:
            _lay(Path(path), extracted)
        _run(state, extracted, helper)

    found = helpers.Helpers(request["helpers"], request["cells"], run, name)
    sys.meta_path[:] = [found, *sys.meta_path, notebook.IPythonFinder()]
    state.files, state.refused = (filename, *found.files), found.refused
    extracted = definitions.extract(request["cells"], request["names"], filename)
    state.remarks = [*found.refused.values(), *extracted.remarks]
    state.left_out = list(extracted.left_out)
    state.module = module
    if lay:
        _lay(Path(f"{name}.py"), extracted)
        sys.path.append(str(Path.cwd()))
    first = _run(state, extracted, module)
    defined = [name for name in request["names"] if callable(getattr(module, name, None))]
    if first and not defined:
        raise first
    remarks = [remark[:LINE_CHARACTERS] for remark in state.remarks[:REMARKS]]
    return {"defined": defined, "remarks": remarks}


def _texts(request: dict[str, Any]) -> list[str]:
    return [*request["cells"], *request["helpers"].values()]


def _run(state: State, extracted: definitions.Extracted, module: types.ModuleType) -> Exception | None:
    """Run in `module` what was extracted for it; the first failure, where there is one."""
    first: Exception | None = None
    for source in extracted.sources:
        lines = source.text.splitlines(keepends=True)
        linecache.cache[source.filename] = (len(source.text), None, lines, source.filename)
        for statement in source.body:
            try:
                tree = ast.Module([statement], type_ignores=[])
                code = compile(tree, source.filename, "exec", extracted.flags, dont_inherit=True)
                with _bounded(statement):
                    exec(code, module.__dict__)
            except MemoryError:
                raise
            except (Exception, SystemExit) as error:
                what = _describe(error, state)
                names = definitions.names_bound(statement)
                state.broken.update(dict.fromkeys(names, what))
                if "*" in names:  # whatever is missing may have been meant to come from there
                    state.left_out.append(definitions.LeftOut(what, frozenset({"*"}), needed=True))
                if id(statement) not in extracted.optional:
                    state.remarks.append(f"a definition failed: {what}")
                    first = first or (error if isinstance(error, Exception) else RuntimeError(what))
    return first


@contextlib.contextmanager
def _bounded(statement: ast.stmt) -> Iterator[None]:
    """Stop a loop or a call at the top level that goes on and on, so that it costs itself and not the module.

    Definitions and assignments have all the time that reading the module in has.
    """
    by_itself = not isinstance(statement, ast.For | ast.While | ast.With | ast.Expr)
    by_itself = by_itself or not hasattr(signal, "setitimer")  # the self-test runs on Windows, too
    if by_itself or threading.current_thread() is not threading.main_thread():  # signals need that one
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"stopped after {STATEMENT_SECONDS} s of CPU time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, STATEMENT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _lay(path: Path, extracted: definitions.Extracted) -> None:
    """Write what is loaded where a process that is started afresh, not forked, finds it to import."""
    lines = ["from __future__ import annotations"] if extracted.flags else []
    with contextlib.suppress(Exception):  # without it the code is as well off as before
        lines += [ast.unparse(statement) for source in extracted.sources for statement in source.body]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines), encoding="utf-8")


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
        raise RefusalError(
            "bad_value", f"{factory} returned a value of type {_type(model)}, not a torch.nn.Module"
        )
    number = len(state.models) + 1
    state.models[number] = model.to(state.device)
    return number


def _build_small(state: State, request: dict[str, Any], payload: bytes) -> int:
    """A network of ours for what `preprocess` makes of images; a training step of it takes milliseconds."""
    images = protocol.unpack_tensors(payload)["images"].to(state.device)
    prepared = _tensor(state.function(request["preprocess"])(images), request["preprocess"])
    layers: list[nn.Module] = []
    outputs = request["outputs"]
    if prepared.dim() == 4:
        channels = prepared.shape[1]
        layers += [nn.AdaptiveAvgPool2d(16)]
        for before, after in ((channels, 16), (16, 32)):
            convolution = nn.Conv2d(before, after, 3, padding=1)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(512, outputs)]
    else:
        layers += [nn.Flatten(), nn.Linear(prepared[0].numel(), 64)]
        layers += [nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, outputs)]
    number = len(state.models) + 1
    state.models[number] = nn.Sequential(*layers).to(prepared)
    return number


def _parameters(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Tensor]:
    parameters: dict[str, Tensor] = dict(state.model(request).named_parameters())
    if any(is_lazy(parameter) for parameter in parameters.values()):
        message = "the model's lazy layers have no sizes yet: give them sizes, or call the model once"
        raise RefusalError("bad_value", message)
    return parameters


def _forward(state: State, request: dict[str, Any], payload: bytes) -> Tensor:
    images = _images(state, protocol.unpack_tensors(payload))
    model = state.model(request)
    with _mode(model, training=request["training"]):
        return _tensor(model(images), "the model")


def _classify(state: State, request: dict[str, Any], payload: bytes) -> Tensor:
    preprocess = state.function(request["preprocess"])
    images = protocol.unpack_tensors(payload)["images"].to(state.device)
    model = state.model(request)
    with _mode(model, training=False):
        prepared = _tensor(preprocess(images), request["preprocess"])
        return _tensor(model(prepared), "the model")


def _activations(state: State, request: dict[str, Any], payload: bytes) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = _recorded(state, request, payload).seen
    return seen


def _outputs(state: State, request: dict[str, Any], payload: bytes) -> list[Tensor]:
    outputs: list[Tensor] = _recorded(state, request, payload).outputs
    return outputs


def _recorded(state: State, request: dict[str, Any], payload: bytes) -> Any:
    images = _images(state, protocol.unpack_tensors(payload))
    model = state.model(request)
    with _mode(model, training=False):
        if any(map(is_lazy, [*model.parameters(), *model.buffers()])):
            model(images)  # so that lazy layers' finding of their sizes is not among the operations
        with _Recorder() as recorder:
            model(images)
    return recorder


def _gradients(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Tensor | None]:
    tensors = protocol.unpack_tensors(payload)
    images, labels = _images(state, tensors), tensors["labels"].to(state.device)
    model = state.model(request)
    with _mode(model, training=True):
        model.zero_grad(set_to_none=True)
        logits = _tensor(model(images), "the model")
        nn.functional.cross_entropy(logits, labels).backward()
        gradients = {name: p.grad for name, p in model.named_parameters()}
        model.zero_grad(set_to_none=True)
    return gradients


def _load_weights(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """Load the checkpoint into the model; on any difference in names or shapes the model stays as it was."""
    model = state.model(request)
    try:
        found = checkpoints.fit(_read_checkpoint(state), model.state_dict())
    except checkpoints.UnusableError as error:
        raise RefusalError("bad_value", f"{state.checkpoint_name}: {error}") from None
    if not found.faults:
        model.load_state_dict(found.weights, strict=True)
    remark = f"{state.checkpoint_name}: {found.remark}" if found.remark and not found.faults else ""
    faults = {key: list(getattr(found, key)) for key in ("missing", "unexpected", "mismatched")}
    return {**faults, "remark": remark[:LINE_CHARACTERS]}


def _sketch(state: State, request: dict[str, Any], payload: bytes) -> Tensor | None:
    """Of the checkpoint's weights, without the student's code."""
    from .sketch import sketch  # which the self-test goes without

    try:
        return sketch(_read_checkpoint(state))
    except checkpoints.UnusableError as error:
        raise RefusalError("bad_value", f"{state.checkpoint_name}: {error}") from None


def _train(state: State, request: dict[str, Any], payload: bytes) -> str:
    """Train, and tell the type of the history: no points rest on it."""
    history = _history(state, request, payload)
    return "dict" if isinstance(history, dict) else _type(history)


def _history(state: State, request: dict[str, Any], payload: bytes) -> object:
    """What the student's function that trains returns."""
    tensors = protocol.unpack_tensors(payload)
    images, labels = tensors["images"], tensors["labels"]
    model = state.model(request)
    train = state.function(request["trainer"])
    history = train(
        model,
        images,
        labels,
        device=Device(state.device),
        seconds=request["seconds"],
        seed=request["train_seed"],
    )
    if inspect.isgenerator(history):
        raise RefusalError(
            "bad_value", f"{request['trainer']} has a `yield`, so calling it trains nothing: use return"
        )
    return history


def _columns(history: object) -> dict[str, list[float]]:
    """A history's numbers, be they tensors of one element: short enough to leave the weights their room."""
    columns: dict[str, list[float]] = {}
    if isinstance(history, dict):
        for name, column in list(history.items())[:COLUMNS]:
            if isinstance(name, str) and isinstance(column, list | tuple) and column:
                some = column[:: math.ceil(len(column) / ROWS)]
                with contextlib.suppress(TypeError, ValueError, RuntimeError):  # no numbers
                    columns[name[:100]] = [float(f"{float(value):.6g}") for value in some]
    return columns


def _train_until(state: State, request: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """Train for `seconds`, and answer with what the model then holds.

    A training that raises leaves what it has learnt. One that overruns has some grace to come to its own
    end, for what it does after its last step; if it does not, a clock in a thread beside it answers, with
    the model as it was when the time was over. The training has the main thread: signals need it.
    """
    model = state.model(request)
    state.function(request["trainer"])
    reply, over, began = state.reply, threading.Event(), time.monotonic()

    def told(weights: dict[str, Tensor], stopped: str, history: object) -> dict[str, Any]:
        seconds = time.monotonic() - began
        return {"seconds": seconds, "weights": weights, "stopped": stopped, "history": history}

    def watch() -> None:
        weights: dict[str, Tensor] = {}
        if over.wait(request["seconds"]):
            return
        with contextlib.suppress(Exception):  # the training may replace what is being read
            weights = _copy_of(model)
        if not over.wait(request["grace_seconds"]):
            late = "it was still training when its time was over"
            reply.send(*_outcome(state, request, lambda: told(weights or _copy_of(model), late, None)))

    threading.Thread(target=watch, daemon=True).start()
    stopped, history = "", None
    try:
        found = _history(state, request, payload)
        with contextlib.suppress(Exception):  # the history is for the student; nothing rests on it
            history = _columns(found)
    except BaseException as error:
        stopped = _describe(error, state)[:LINE_CHARACTERS]
    over.set()
    try:
        return told(_copy_of(model), stopped, history)
    except Exception as error:
        if not stopped:
            raise
        raise RefusalError("raised", f"{stopped}; its weights: {_describe(error, state)}") from None


def _copy_of(model: nn.Module) -> dict[str, Tensor]:
    weights = model.state_dict()
    if any(map(is_lazy, weights.values())):
        raise RefusalError("bad_value", "the model's lazy layers have no sizes yet: nothing was learnt")
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # whatever stream the code has trained on
    return {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}


def _pace(state: State, request: dict[str, Any], payload: bytes) -> float:
    """Images a second that a small network of fixed size trains on here, by the median step."""
    torch.manual_seed(0)
    network = pace.network().to(state.device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    images = torch.rand(request["batch"], 3, 32, 32, device=state.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(len(images), device=state.device) % 10
    seconds: list[float] = []
    while len(seconds) < 5 or sum(seconds) < request["least_seconds"]:
        began = time.monotonic()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()  # waits for a GPU to be done with all that it was told
        seconds.append(time.monotonic() - began)
    return len(images) / sorted(seconds[2:])[len(seconds[2:]) // 2]


_OPERATIONS: dict[str, Callable[[State, dict[str, Any], bytes], object]] = {
    "load": _load,
    "call": _call,
    "build": _build,
    "build_small": _build_small,
    "parameters": _parameters,
    "forward": _forward,
    "classify": _classify,
    "activations": _activations,
    "outputs": _outputs,
    "gradients": _gradients,
    "load_weights": _load_weights,
    "sketch": _sketch,
    "train": _train,
    "train_until": _train_until,
    "pace": _pace,
}


class _Recorder(TorchDispatchMode):
    """Notes every operation on tensors that torch carries out: the shapes in and out, and what came out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[dict[str, Any]] = []
        self.outputs: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, tuple | list) and result else result
        source = next((a for a in args if isinstance(a, Tensor)), None)
        # torch's addmm takes the bias first.
        name = func.overloadpacket.__name__
        if name == "addmm":
            source = args[1]
        if isinstance(first, Tensor) and source is not None and len(self.seen) < protocol.MAX_STEPS:
            self.seen.append(
                {"op": _plain_name(name), "inputs": list(source.shape), "output": list(first.shape)}
            )
            if (
                first.is_floating_point()
                and first.numel() <= protocol.MAX_NUMBERS  # as of a few small images
                and len(self.outputs) < protocol.MAX_OUTPUTS
            ):
                self.outputs.append(first.detach().clone())  # a later operation may write into it
        return result


def _plain_name(name: str) -> str:
    """torch's internal name of an operation as a person knows it."""
    name = name.strip("_").removesuffix("_with_indices")
    return "linear" if name in ("addmm", "mm") else name


@contextlib.contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Evaluate without gradients, or train; afterwards modes, buffers and gradients' switch are as before."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(b, b.detach().clone()) for b in model.buffers() if training and not is_lazy(b)]
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


def _read_checkpoint(state: State) -> checkpoints.Contents:
    """What the submitted file of weights holds, on the CPU. Raises RefusalError with a reason."""
    name = state.checkpoint_name
    if state.checkpoint_fault:
        raise RefusalError("bad_value", f"{name}: {state.checkpoint_fault}")
    try:
        return checkpoints.read(CHECKPOINT, state.checkpoint_format)
    except checkpoints.UnusableError:
        raise
    except Exception as error:  # the readers raise a dozen kinds on a damaged file
        if _is_memory(error):
            raise
        if state.checkpoint_format == "safetensors":
            reason = f"not a safetensors file ({error})"
        else:
            reason = "not a file that torch.save wrote"
        raise RefusalError("bad_value", f"{name}: {reason}") from None


def _store(state: State, request: dict[str, Any], length: int, read: Callable[[int], bytes]) -> None:
    """Write the checkpoint that comes as the payload into the scratch, piece by piece."""
    state.checkpoint_name = request["filename"]
    state.checkpoint_format = request["format"]
    state.checkpoint_fault = request["fault"]
    CHECKPOINT.unlink(missing_ok=True)  # an earlier one keeps its own name
    with CHECKPOINT.open("wb", buffering=0) as file:
        while length:
            piece = memoryview(read(min(length, CHUNK)))
            length -= len(piece)
            try:
                while piece and not state.checkpoint_fault:
                    piece = piece[file.write(piece) :]
            except OSError as error:
                state.checkpoint_fault = f"it does not fit into the scratch space ({error.strerror})"
    with contextlib.suppress(
        OSError, ValueError
    ):  # under its own name as well, for code that opens it itself
        os.link(CHECKPOINT, Path(state.checkpoint_name).name)


def _seed(state: State, seed: int) -> None:
    # Not torch.manual_seed: it looks for every kind of device and notes a stack trace, 30 ms a process.
    torch.default_generator.manual_seed(seed)
    if state.device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _to(device: torch.device, value: Any) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _images(state: State, tensors: dict[str, Tensor]) -> Tensor:
    """The images as they would be had the code made them: floats of the type that it has made the default."""
    images = tensors["images"].to(state.device)
    return images.to(torch.get_default_dtype()) if images.is_floating_point() else images


def _tensor(value: object, subject: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise RefusalError("bad_value", f"{subject} returned a value of type {_type(value)}, not a tensor")
    return value


def _type(value: object) -> str:
    return type(value).__name__


def _flush() -> None:
    """Hand over what was printed, or a later kill would lose it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error) if isinstance(error, RuntimeError) else ""
    return any(words in text for words in ("can't allocate memory", "bad_alloc", "Cannot allocate memory"))


def _describe(error: BaseException, state: State) -> str:
    """One line: type, message, and the deepest place in the student's code that it passed through."""
    try:
        message = str(error)[:1000]
    except Exception:
        message = "(its message cannot be shown)"
    place = ""
    if isinstance(error, SyntaxError):
        message = str(error.msg)
        place = f" ({error.filename or state.filename}{f', line {error.lineno}' if error.lineno else ''})"
    files = state.files or (state.filename,)
    is_unreadable = isinstance(error, SyntaxError) and str(error.filename).startswith(files)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(files) and not is_unreadable:
            place = f" ({frame.f_code.co_filename}, line {line})"
    cause = rule = ""
    with contextlib.suppress(Exception, SystemExit):  # one of the code's own may answer in any way
        cause = _cause(error, state)
        rule = rule_behind(error, state.limits)
        if isinstance(error, ImportError):
            rule = state.refused.get(str(error.name).partition(".")[0], rule)
    if rule:
        message, place = message[:150], f"{place}; {rule}"  # the rule is what must not be cut
    return f"{_type(error)}: {message}{place}{cause}" if message else f"{_type(error)}{place}{cause}"


def _cause(error: BaseException, state: State) -> str:
    """What did not run, or failed, and may be why the code fails now, as a clause; else empty."""
    missed = _missed(error)
    if missed in state.broken:
        return f", because its definition failed: {state.broken[missed]}"
    if why := state.why_missing(missed):
        return f"; {why}"
    if isinstance(error, ImportError):
        return ""  # that is the cause
    used: set[str] = {"*"} if isinstance(error, NameError) else set()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(state.files or state.filename):
            used |= set(frame.f_code.co_names)
    whys = [one.why for one in state.left_out if one.needed and one.names & used]
    return f"; {whys[-1]}" if whys else ""


def _missed(error: BaseException) -> str:
    """The name that was not there: of a NameError, of `from model import Net`, of globals()["Net"]."""
    if isinstance(error, NameError | AttributeError):
        return str(error.name)
    if isinstance(error, KeyError):
        return str(error.args[0]) if error.args else ""
    found = re.search(r"cannot import name '(\w+)'", str(error)) if isinstance(error, ImportError) else None
    return found[1] if found else ""
