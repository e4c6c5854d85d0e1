"""The trusted handle on a submission whose code runs in a sandbox.

A check asks a `Student` to call a function or to build a model, and gets plain
values and tensors back. All that comes back is the claim of a process that runs
the student's code: it is bounded and well-formed, and nothing more is known of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from grader.sandbox import protocol
from grader.sandbox.protocol import Value
from grader.text import safe_line, safe_text
from grader.types import Contract, Record, Submission, Weights

if TYPE_CHECKING:
    from grader.limits import Limits

MESSAGE_CHARACTERS = 400
# On a busy machine a request may take so many times its limit in wall time, and some more, before its sandbox
# is given up and the machine is blamed.
BUSY_FACTOR, BUSY_SECONDS = 10, 30
OVERRUN = 2
PACE_GRACE_SECONDS = 120.0  # the first steps on a GPU, or on a busy machine, are slow
Kind = Literal["missing", "raised", "timeout", "out_of_memory", "crashed", "bad_value", "output_flood"]
_TOLD_BY_WORKER: dict[str, Kind] = {
    "missing": "missing",
    "raised": "raised",
    "out_of_memory": "out_of_memory",
    "bad_value": "bad_value",
}


class StudentFailure(Exception):  # noqa: N818 - it is the student's failure, not an error of ours
    """Something that the student's code did or did not do. `message` is one safe line.

    `types` are the names of the exception's class and its bases, where the code raised one.
    """

    def __init__(self, kind: Kind, message: str, types: Sequence[str] = ()) -> None:
        self.kind: Kind = kind
        self.types = tuple(types)
        self.message = safe_line(message, MESSAGE_CHARACTERS)
        super().__init__(self.message)


class Death(StudentFailure):
    """A failure with which the worker ended, so that the next request needs a fresh one."""


def output_flood(limits: Limits) -> Death:
    """The end of a worker whose code prints without end."""
    return Death("output_flood", f"the code printed more than {limits.output_mib_killed} MiB")


class SandboxError(Exception):
    """The sandbox failed and the student is not to blame: the submission is to be graded again."""


class Activation(Record):
    """One operation that torch carried out: its name, and the shapes of its input and output."""

    op: str
    inputs: tuple[int, ...]
    output: tuple[int, ...]


class LoadReport(Record):
    """How a checkpoint's names compare with the model's; all empty where it was loaded."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]

    @property
    def loaded(self) -> bool:
        return not self.differences

    @property
    def differences(self) -> list[str]:
        """How many tensors differ, in which way and where first; for each way in which some do."""
        ways = {"missing": self.missing, "unexpected": self.unexpected, "of another shape": self.mismatched}
        return [
            f"{len(names)} tensors {word} (first: {safe_line(names[0], 60)})"
            for word, names in ways.items()
            if names
        ]


class Trained(NamedTuple):
    """What a training left: claims, as all that comes back; the weights are worth what they measure."""

    weights: dict[str, Tensor]  # a state dict on the CPU
    history: dict[str, tuple[float, ...]]
    seconds: float  # as the worker says
    stopped: str  # why it did not come to its own end, in one line; else empty


class Connection(Protocol):
    """To the process that runs a submission's code."""

    checkpoint: Path | None  # which file was sent in
    own_seconds: float  # that the latest request took, without its waiting for a processor

    def exchange(
        self, header: dict[str, Any], payload: bytes, seconds: float, *, reply: bool, patience: float
    ) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its reply: for `seconds` of its own time, `patience` of wall time.

        Raises Death when the process has to be ended, SandboxError where the machine is too busy to tell.
        """


class Place(Protocol):
    """Where a submission's process is started: a sandbox of the grader's, or a student's own machine."""

    device: str
    contract: Contract

    def new_output(self, limits: Limits) -> Any: ...

    def start_worker(self, output: Any, limits: Limits) -> Connection: ...

    def end_worker(self, worker: Any) -> bool:
        """False where the place itself has failed."""


class Student:
    """One submission's module, in a process of its own. Get one from `Sandbox.student`.

    The first request starts the process and loads the module. After a timeout or a
    crash the next request starts a fresh process; models built before are gone.
    """

    def __init__(
        self,
        place: Place,
        submission: Submission,
        names: tuple[str, ...],
        seed: int,
        limits: Limits,
        deadline: float = math.inf,
    ) -> None:
        self.device = place.device
        self.contract = place.contract
        self.remarks: list[str] = []
        self.failure: StudentFailure | None = None  # why the module could not be loaded
        self.exhausted: StudentFailure | None = None  # with which its time or its number of deaths ran out
        self.sandbox_failure: SandboxError | None = None  # then what was seen of the submission says nothing
        self._place = place
        self.limits = limits
        self._submission = submission
        self._names = names
        self._seed = seed
        self._worker: Connection | None = None
        self._defined: frozenset[str] = frozenset()
        self.seconds_used = 0.0  # of its own time, see `Limits`
        self._deadline = deadline  # of time.monotonic(): later nothing is waited for
        self._reserved_seconds = 0.0  # of its limits' wall_seconds, for what comes at the end
        self._deaths = self._timeouts = 0
        self._requests = 0
        self._closed = False
        self._output = place.new_output(limits)

    @property
    def log(self) -> str:
        """The end of what the code printed, made safe."""
        text = self._output.text()
        return safe_text(text, len(text))

    @property
    def weights_source(self) -> Literal["submitted", "trained"]:
        """Where the weights came from that `Model.load_weights` loads."""
        weights = self._submission.weights
        return weights.source if weights else "submitted"

    @property
    def seconds_left(self) -> float:
        """How much of its own time it may still use, without what is reserved."""
        return self.limits.wall_seconds - self._reserved_seconds - self.seconds_used

    def reserve(self, seconds: float) -> None:
        """Keep this part of its time back, until it is to be used: then reserve 0."""
        self._reserved_seconds = seconds

    def renew(self) -> None:
        """End the process, and remove all that it started and wrote: the next request is to a fresh one.

        Raises SandboxError where the sandbox itself has failed.
        """
        if not self._end():
            self.sandbox_failure = SandboxError("the sandbox stopped answering")
            raise self.sandbox_failure

    def load(self) -> None:
        """Load the module now. Raises StudentFailure if that cannot be done."""
        self._ready_worker()

    def defines(self, name: str) -> bool:
        """Whether the module has this function of the contract. Raises StudentFailure if not loadable."""
        self.load()
        return name in self._defined

    def call(self, function: str, /, *args: Value, seconds: float | None = None, **kwargs: Value) -> Value:
        """What the student's function returns. `seconds`: its time, instead of the limits' call_seconds.

        Arguments and result are None, bools, numbers, strings, tensors, and lists, tuples and
        string-keyed dicts of these. Raises StudentFailure.
        """
        return self._call(function, args, kwargs, seconds, look_back=False)

    def call_and_look_back(
        self, function: str, /, *args: Value, seconds: float | None = None, **kwargs: Value
    ) -> tuple[Value, tuple[Value, ...]]:
        """As `call`, and the positional arguments as they are after it, which shows what it changed."""
        both = self._call(function, args, kwargs, seconds, look_back=True)
        if not (isinstance(both, tuple) and len(both) == 2 and isinstance(both[1], tuple)):
            raise _nonsense()
        if len(both[1]) != len(args):
            raise _nonsense()
        return both[0], both[1]

    def pace(self, seconds: float, batch: int) -> float:
        """Images a second that a network of ours trains on in this sandbox, on its device and threads.

        A figure to be trusted only where the submission is one of ours.
        """
        found = self._request(
            "pace", seconds=seconds + PACE_GRACE_SECONDS, least_seconds=seconds, batch=batch
        )
        if not isinstance(found, float) or not 0 < found < math.inf:
            raise _nonsense()
        return found

    def build(self, factory: str) -> Model:
        """The model that the student's function of this name returns. Raises StudentFailure if it is none."""
        return self._model(self._request("build", factory=factory))

    def build_small(self, images: Tensor) -> Model:
        """A small network of ours, with as many outputs, that takes what the student's `preprocess` gives.

        It is made to fit `images`. Raises StudentFailure where `preprocess` does.
        """
        fields: dict[str, Any] = {"preprocess": self.contract.preprocess, "outputs": self.contract.outputs}
        payload = protocol.pack_tensors({"images": images})
        return self._model(self._request("build_small", payload, **fields))

    def _model(self, number: Value) -> Model:
        if not isinstance(number, int) or self._worker is None:
            raise _nonsense()
        return Model(self, self._worker, number)

    def _call(
        self,
        function: str,
        args: tuple[Value, ...],
        kwargs: dict[str, Value],
        seconds: float | None,
        look_back: bool,
    ) -> Value:
        tree, payload = protocol.encode_value((args, kwargs))
        return self._request("call", payload, seconds, function=function, arguments=tree, look_back=look_back)

    def _request(self, op: str, payload: bytes = b"", seconds: float | None = None, **fields: Any) -> Value:
        worker = self._ready_worker()
        return self._exchange(worker, op, payload, seconds or self.limits.call_seconds, fields)

    def _ready_worker(self) -> Connection:
        """The worker with the module loaded. Raises StudentFailure if there can be none."""
        self._raise_if_over()
        if self._worker is None:
            try:
                return self._start()
            except SandboxError:  # the sandbox may have died before this submission: once more in a new one
                self._end()
                self.sandbox_failure = None
                return self._start()
        return self._worker

    def _start(self, *, again: bool = True) -> Connection:
        worker = self._worker = self._place.start_worker(self._output, self.limits)
        try:
            self._load(worker)
        except StudentFailure as failure:
            if failure.kind == "timeout" and again and not self.exhausted:
                return self._start(again=False)  # no single reading of a clock ends a submission
            self.failure = failure
            raise
        return worker

    def _end(self) -> bool:
        """End the worker, if any. False where the sandbox itself had failed."""
        if self._worker is None:
            return True
        worker, self._worker = self._worker, None
        return self._place.end_worker(worker)

    def _raise_if_over(self) -> None:
        if self._closed:
            raise RuntimeError("this submission was closed")
        if self.sandbox_failure:
            raise self.sandbox_failure
        if over := self.failure or self.exhausted:
            raise StudentFailure(over.kind, over.message)

    def _load(self, worker: Connection) -> None:
        code = self._submission.code
        if code is None:
            raise StudentFailure("missing", "no code was handed in")
        weights = self._submission.weights
        if weights is not None and any(weights.filename in text for text in code.texts):
            self._send_checkpoint(worker, weights)  # now already: the code opens its weights itself
        fields = {
            "filename": code.filename,
            "cells": code.cells,
            "elsewhere": dict(code.elsewhere),
            "helpers": {helper.path: helper.text for helper in code.helpers},
            "module": self.contract.module,
            "names": self._names,
            "device": self.device,
        }
        loaded = self._exchange(worker, "load", b"", self.limits.load_seconds, fields)
        if not isinstance(loaded, dict):
            raise _nonsense()
        self._defined = frozenset(_strings(loaded.get("defined"))) & set(self._names)
        self.remarks = _strings(loaded.get("remarks"))

    def _send_checkpoint(self, worker: Connection, weights: Weights) -> None:
        if worker.checkpoint == weights.path:
            return
        worker.checkpoint = weights.path
        too_large = weights.path.stat().st_size > self.limits.checkpoint_mib * 2**20
        fault = f"larger than {self.limits.checkpoint_mib} MiB" if too_large else ""
        header = {"op": "checkpoint", "format": weights.format, "filename": weights.filename, "fault": fault}
        payload = b"" if too_large else weights.path.read_bytes()
        self._timed(worker, header, payload, self.limits.load_seconds, reply=False)

    def _exchange(
        self, worker: Connection, op: str, payload: bytes, seconds: float, fields: dict[str, Any]
    ) -> Value:
        """Send a request and return the value of its reply. Raises StudentFailure."""
        self._requests += 1
        seed = (self._seed * 1_000_003 + self._requests) % 2**32
        reply, tensors = self._timed(worker, {"op": op, "seed": seed, **fields}, payload, seconds, reply=True)
        if "failed" in reply:
            failed, message = reply["failed"], reply.get("message")
            if not (isinstance(failed, str) and isinstance(message, str)):
                raise _nonsense()
            raise StudentFailure(_TOLD_BY_WORKER.get(failed, "raised"), message, _strings(reply.get("types")))
        began = time.thread_time()
        try:
            return protocol.decode_value(reply.get("value"), tensors)
        except protocol.ProtocolError:
            raise _nonsense() from None
        finally:  # what its answer costs to read is the submission's time too
            self.seconds_used += time.thread_time() - began

    def _timed(
        self, worker: Connection, header: dict[str, Any], payload: bytes, seconds: float, *, reply: bool
    ) -> tuple[dict[str, Any], bytes]:
        """One exchange with the worker within what is left of the submission's time."""
        left = self.seconds_left
        patience = min(patience_seconds(min(seconds, left)), self._deadline - time.monotonic())
        try:
            return worker.exchange(header, payload, min(seconds, left), reply=reply, patience=patience)
        except SandboxError as error:
            self.sandbox_failure = error
            raise
        except Death as death:
            self.renew()
            if death.kind == "timeout":
                self._timeouts += 1
            else:
                self._deaths += 1
            if left <= seconds and death.kind == "timeout":
                death = Death("timeout", f"its code used up all of its {left + self.seconds_used:g} seconds")
                self.exhausted = death
            elif self._deaths + self._timeouts // 2 > self.limits.deaths:  # what timed out is asked twice
                self.exhausted = death
            raise death from None
        finally:
            self.seconds_used += worker.own_seconds

    def sketch(self) -> Tensor | None:
        """A sketch, float32 (N,), of the weights that were handed in; None where they have nothing to go by.

        It comes from a fresh process that runs none of the student's code; so models built before are gone.
        Raises StudentFailure where the file cannot be opened safely.
        """
        self._raise_if_over()
        weights = self._submission.weights
        if weights is None:
            raise StudentFailure("missing", "no weights were handed in")
        self._end()
        self._worker = self._place.start_worker(self._output, self.limits)
        try:
            self._send_checkpoint(self._worker, weights)
            found = self._exchange(self._worker, "sketch", b"", self.limits.load_seconds, {})
        finally:
            self._end()
        return None if found is None else _tensor(found)

    def close(self) -> None:
        """End the process and all that it started. `Sandbox.student` does this."""
        self._closed = True
        self._end()


class Model:
    """A model that lives in the worker."""

    def __init__(self, student: Student, worker: Connection, number: int) -> None:
        self._student = student
        self._worker = worker
        self._number = number

    def parameters(self) -> dict[str, Tensor]:
        """Copies of the model's parameters on the CPU, by name, in the model's order.

        Raises StudentFailure of kind "bad_value" where lazy layers have no sizes yet: call the model first.
        """
        return _tensors(self._request("parameters"))

    def forward(self, images: Tensor, *, training: bool = False) -> Tensor:
        """The model's output for `images` as they are: in evaluation mode without gradients, or training."""
        return _tensor(self._request("forward", {"images": images}, training=training))

    def classify(self, images: Tensor, *, seconds: float | None = None) -> Tensor:
        """Logits for uint8 images (N,3,32,32): the student's `preprocess`, then the model in evaluation mode.

        Shape, dtype and values are whatever the student's code gave.
        """
        preprocess = self._student.contract.preprocess
        return _tensor(self._request("classify", {"images": images}, seconds, preprocess=preprocess))

    def activations(self, images: Tensor) -> list[Activation]:
        """The operations that torch carries out for `images`, in order, with their shapes."""
        seen = self._request("activations", {"images": images})
        if not isinstance(seen, list) or len(seen) > protocol.MAX_STEPS:
            raise _nonsense()
        try:
            return [Activation.model_validate(one) for one in seen]
        except ValueError:
            raise _nonsense() from None

    def outputs(self, images: Tensor) -> list[Tensor]:
        """What those operations gave: their tensors of floats, in order, the first hundred that are small."""
        found = self._request("outputs", {"images": images})
        if not isinstance(found, list) or len(found) > protocol.MAX_OUTPUTS:
            raise _nonsense()
        outputs = [one for one in found if isinstance(one, Tensor) and one.numel() <= protocol.MAX_NUMBERS]
        if len(outputs) < len(found):
            raise _nonsense()
        return outputs

    def gradients(self, images: Tensor, labels: Tensor) -> dict[str, Tensor | None]:
        """The cross-entropy's gradient for each parameter, in training mode; None where none arrived."""
        found = self._request("gradients", {"images": images, "labels": labels})
        if not isinstance(found, dict) or not all(v is None or isinstance(v, Tensor) for v in found.values()):
            raise _nonsense()
        return found  # type: ignore[return-value]

    def load_weights(self, weights: Weights | None = None) -> LoadReport:
        """Load the submission's checkpoint, or another, where it fits in one way alone, or not at all.

        What was done to make it fit becomes a remark.

        Raises StudentFailure where there is none or it cannot be opened safely.
        """
        self._check()
        submission = self._student._submission
        weights = weights or submission.weights
        if weights is None:  # whatever the worker would say
            raise StudentFailure("missing", submission.no_weights or "no weights were handed in")
        self._student._send_checkpoint(self._worker, weights)
        limit = self._student.limits.load_seconds
        found = self._request("load_weights", limit=limit)
        if not isinstance(found, dict):
            raise _nonsense()
        for remark in filter(None, _strings([found.get("remark")])):
            if remark not in self._student.remarks:  # of one file there is one; it is loaded more than once
                self._student.remarks.append(remark)
        names = {key: tuple(_strings(found.get(key))) for key in ("missing", "unexpected", "mismatched")}
        return LoadReport(**names)

    def train(self, images: Tensor, labels: Tensor, *, seconds: float, seed: int) -> str:
        """Let the student's `train_classifier` train the model on uint8 images and labels.

        It is asked to keep to `seconds`, and stopped when it overruns them by twice the limits'
        call_seconds: the template's loop takes two steps and a validation, however large the network.
        Returns the name of the type of what it returned.
        """
        limit = seconds + OVERRUN * self._student.limits.call_seconds
        tensors = {"images": images, "labels": labels}
        trainer = self._student.contract.train
        kind = self._request("train", tensors, limit, trainer=trainer, seconds=seconds, train_seed=seed)
        return safe_line(kind, 60) if isinstance(kind, str) else ""

    def train_until(self, images: Tensor, labels: Tensor, *, seconds: float, seed: int) -> Trained:
        """As `train`, but what the model holds when the time is over counts, finished or not.

        Raises StudentFailure where no weights came back: the process died, or did not even answer
        within three times call_seconds after the time, or what came is not a state dict.
        """
        grace = self._student.limits.call_seconds
        limit = seconds + 3 * grace
        found = self._request(
            "train_until",
            {"images": images, "labels": labels},
            limit,
            trainer=self._student.contract.train,
            seconds=seconds,
            grace_seconds=grace,
            train_seed=seed,
        )
        if not isinstance(found, dict):
            raise _nonsense()
        took, stopped = found.get("seconds"), found.get("stopped")
        if not (
            isinstance(took, float) and 0 <= took <= patience_seconds(limit) and isinstance(stopped, str)
        ):
            raise _nonsense()
        weights = _tensors(found.get("weights"))
        return Trained(weights, _numbers(found.get("history")), took, safe_line(stopped, MESSAGE_CHARACTERS))

    def _request(
        self, op: str, tensors: dict[str, Tensor] | None = None, limit: float | None = None, **fields: Any
    ) -> Value:
        self._check()
        payload = protocol.pack_tensors(tensors or {})
        return self._student._exchange(
            self._worker,
            op,
            payload,
            limit or self._student.limits.call_seconds,
            {"model": self._number, **fields},
        )

    def _check(self) -> None:
        """Raises StudentFailure unless the model is still there."""
        self._student._raise_if_over()
        if self._student._worker is not self._worker:
            raise StudentFailure("crashed", "the model was lost when an earlier request ended its process")


def patience_seconds(own_seconds: float) -> float:
    """How much wall time something may take that may take so much time of its own."""
    return BUSY_FACTOR * max(own_seconds, 0.0) + BUSY_SECONDS


def _nonsense() -> StudentFailure:
    return StudentFailure("bad_value", "the answer that came back is not one that the request can have")


def _tensor(value: Value) -> Tensor:
    if not isinstance(value, torch.Tensor):
        raise _nonsense()
    return value


def _tensors(value: Value) -> dict[str, Tensor]:
    if not isinstance(value, dict) or not all(isinstance(v, torch.Tensor) for v in value.values()):
        raise _nonsense()
    return value  # type: ignore[return-value]


def _numbers(value: object) -> dict[str, tuple[float, ...]]:
    """The finite numbers in what should be a history: at most 20 columns of at most 1,000."""
    if not isinstance(value, dict):
        return {}
    columns = {
        safe_line(name, 40): tuple(
            float(x) for x in column[:1000] if isinstance(x, int | float) and -math.inf < x < math.inf
        )
        for name, column in list(value.items())[:20]
        if isinstance(name, str) and isinstance(column, list | tuple)
    }
    return {name: column for name, column in columns.items() if column}


def _strings(value: object) -> list[str]:
    """At most 50 safe lines out of what should be a list of strings."""
    return (
        [safe_line(item, MESSAGE_CHARACTERS) for item in value[:50] if isinstance(item, str)]
        if isinstance(value, list)
        else []
    )
