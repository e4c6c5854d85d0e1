"""How the trusted side and the worker talk: a bounded JSON header, then safetensors bytes.

A frame is a start of 16 bytes (magic, header length, payload length), the header
and the payload. Whoever reads a start compares both lengths with limits of its own
before it makes room for anything. Nothing that arrives is ever unpickled.

This file runs inside the sandbox and outside it, and imports nothing of the kit.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import safetensors.torch
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

Value: TypeAlias = (
    "bool | int | float | str | Tensor | list[Value] | tuple[Value, ...] | dict[str, Value] | None"
)

START = struct.Struct("<4sIQ")
MAGIC = b"LAB8"
MAX_DEPTH = 32  # of nested lists, tuples and dicts
MAX_INT = 2**63  # an integer is smaller than this in magnitude
REQUEST_HEADER_BYTES = 32 * 2**20  # a request carries a notebook's code
REPLY_HEADER_BYTES = 2**20
TENSORS_HEADER_BYTES = 2**20
MAX_TENSORS = 2000
MAX_DIMENSIONS = 16
MAX_STEPS = 2000  # operations of a network that are told
MAX_OUTPUTS, MAX_NUMBERS = 100, 100_000  # of them, and in each of them, that are handed over as they are
DTYPES = frozenset(
    getattr(torch, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64"),
        *("bool", "uint8", "int8", "int16", "int32", "int64"),
    )
)


class ProtocolError(Exception):
    """What arrived is no frame, or none within the limits."""


class UnsupportedValueError(Exception):
    """A value that cannot leave or enter the sandbox; the message names its type."""


def pack(header: dict[str, Any], payload: bytes = b"") -> list[bytes]:
    """The pieces of a frame, to be sent in this order."""
    text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    return [START.pack(MAGIC, len(text), len(payload)) + text, payload]


def unpack_start(start: bytes, max_header: int, max_payload: int) -> tuple[int, int]:
    """The lengths in bytes of header and payload. Raises ProtocolError if they exceed the limits."""
    magic, header, payload = START.unpack(start)
    if magic != MAGIC:
        raise ProtocolError("a frame with a wrong beginning")
    if header > max_header or payload > max_payload:
        raise ProtocolError(f"a frame of {header} + {payload} bytes, more than is accepted")
    return header, payload


def unpack_header(text: bytes) -> dict[str, Any]:
    """The header as a dict. Raises ProtocolError unless it is strict JSON and an object."""
    try:
        header = json.loads(text, parse_constant=_refuse_constant, parse_int=_bounded_int)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header that is not an object")
    return header


def receive(read: Callable[[int], bytes], max_header: int, max_payload: int) -> tuple[dict[str, Any], int]:
    """Read a frame's start and header by `read`, which returns exactly as many bytes as asked for.

    Returns the header and the length of the payload, which is still to be read.
    """
    header, payload = unpack_start(read(START.size), max_header, max_payload)
    return unpack_header(read(header)), payload


def encode_value(value: object) -> tuple[Any, bytes]:
    """A value as JSON data, and its tensors as safetensors bytes (none: no bytes).

    Raises UnsupportedValueError for what is neither None, a bool, number, string, list,
    tuple, dict with string keys nor a dense tensor, nested at most 32 deep.
    """
    tensors: list[Tensor] = []
    tree = _encode(value, tensors, 0)
    return tree, pack_tensors({str(i): tensor for i, tensor in enumerate(tensors)})


def decode_value(tree: object, payload: bytes) -> Value:
    """The value that `encode_value` was given. Raises ProtocolError for anything malformed."""
    return _decode(tree, unpack_tensors(payload), 0)


def pack_tensors(tensors: dict[str, Tensor]) -> bytes:
    """Tensors as safetensors bytes, none as no bytes. Raises UnsupportedValueError if it cannot be."""
    if not tensors:
        return b""
    if len(tensors) > MAX_TENSORS:
        raise UnsupportedValueError(f"more than {MAX_TENSORS} tensors")
    dense: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if is_lazy(tensor):
            raise UnsupportedValueError("a tensor of a lazy layer, without data")
        plain = tensor.detach()
        if plain.layout != torch.strided or plain.is_quantized or plain.device.type == "meta":
            raise UnsupportedValueError("a tensor that is sparse, quantized or without data")
        if plain.dtype not in DTYPES:
            raise UnsupportedValueError("a tensor of a kind that cannot be handed over")
        if plain.ndim > MAX_DIMENSIONS:
            raise UnsupportedValueError(f"a tensor of more than {MAX_DIMENSIONS} dimensions")
        plain = plain.cpu().resolve_conj().resolve_neg().contiguous()
        storage = plain.untyped_storage()
        # safetensors refuses tensors that share memory, which a student's may well do.
        if storage.data_ptr() in seen or storage.nbytes() != plain.numel() * plain.element_size():
            plain = plain.clone()
        seen.add(plain.untyped_storage().data_ptr())
        dense[name] = plain
    try:
        return safetensors.torch.save(dense)
    except (ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise UnsupportedValueError("a tensor of a kind that cannot be handed over") from error


def unpack_tensors(payload: bytes) -> dict[str, Tensor]:
    """The tensors in safetensors bytes. Raises ProtocolError if they are malformed."""
    if not payload:
        return {}
    _limit_tensors(payload)
    try:
        tensors = safetensors.torch.load(payload)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the reader, which is written in Rust, is no Exception
        raise ProtocolError("tensors that cannot be read") from error
    if any(tensor.dtype not in DTYPES for tensor in tensors.values()):
        raise ProtocolError("a tensor of a kind that is not accepted")
    return tensors


def _limit_tensors(payload: bytes) -> None:
    """Raises ProtocolError if what safetensors would make of this costs more than its bytes do."""
    length = int.from_bytes(payload[:8], "little")
    if length > TENSORS_HEADER_BYTES:
        raise ProtocolError(f"a description of tensors of {length} bytes, more than is accepted")
    entries = unpack_header(payload[8 : 8 + length])
    entries.pop("__metadata__", None)
    if len(entries) > MAX_TENSORS:
        raise ProtocolError(f"more than {MAX_TENSORS} tensors")
    for entry in entries.values():
        shape = entry.get("shape", []) if isinstance(entry, dict) else None
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
            raise ProtocolError(f"a tensor without a shape, or of more than {MAX_DIMENSIONS} dimensions")


def _encode(value: object, tensors: list[Tensor], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UnsupportedValueError("a value nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= MAX_INT:
            raise UnsupportedValueError("an integer beyond 64 bits")
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, str):
        # A lone surrogate is no text: it could not be written to any file later.
        return str(value).encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Tensor):
        tensors.append(value)
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(value, list):
        return [_encode(item, tensors, depth + 1) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, tensors, depth + 1) for item in value]}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise UnsupportedValueError("a dict whose keys are not all strings")
        pairs = [[_encode(k, tensors, depth + 1), _encode(v, tensors, depth + 1)] for k, v in value.items()]
        return {"dict": pairs}
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return _encode(value.item(), tensors, depth + 1)  # type: ignore[attr-defined]
    raise UnsupportedValueError(f"a value of type {type(value).__name__}")


def _decode(tree: object, tensors: dict[str, Tensor], depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise ProtocolError("a value nested too deeply")
    if tree is None or isinstance(tree, bool | float):
        return tree
    if isinstance(tree, int):
        if abs(tree) >= MAX_INT:
            raise ProtocolError("an integer beyond 64 bits")
        return tree
    if isinstance(tree, str):
        return tree.encode("utf-8", "replace").decode("utf-8")
    if isinstance(tree, list):
        return [_decode(item, tensors, depth + 1) for item in tree]
    if isinstance(tree, dict) and len(tree) == 1:
        [(kind, content)] = tree.items()
        if kind == "float" and content in ("nan", "inf", "-inf"):
            return float(content)
        if kind == "tensor" and isinstance(content, str) and content in tensors:
            return tensors.pop(content)  # once: the same one a thousand times would cost a thousandfold
        if kind == "tuple" and isinstance(content, list):
            return tuple(_decode(item, tensors, depth + 1) for item in content)
        if kind == "dict" and isinstance(content, list):
            return _decode_dict(content, tensors, depth)
    raise ProtocolError("a value of an unknown form")


def _decode_dict(pairs: list[Any], tensors: dict[str, Tensor], depth: int) -> dict[str, Value]:
    decoded: dict[str, Value] = {}
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ProtocolError("a dict of an unknown form")
        key = pair[0].encode("utf-8", "replace").decode("utf-8")
        decoded[key] = _decode(pair[1], tensors, depth + 1)
    return decoded


def _bounded_int(digits: str) -> int:
    if len(digits) > 20:  # reading a million digits takes time that grows with their square
        raise ValueError("an integer beyond 64 bits")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
