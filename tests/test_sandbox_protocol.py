"""Frames and values: what goes in comes out, and hostile bytes are refused without harm."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox import protocol
from grader.sandbox.protocol import ProtocolError, UnsupportedValueError

torch.set_num_threads(1)
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    tensor = torch.arange(math.prod(shape)).reshape(shape).to(draw(st.sampled_from(DTYPES)))
    return tensor.transpose(0, -1) if draw(st.booleans()) and len(shape) > 1 else tensor


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(1 - 2**63, 2**63 - 1)
    | st.floats()
    | st.text(max_size=20)
    | tensors()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["float", "tensor", "tuple", "dict", "x"]), inner, max_size=2)
    ),
    max_leaves=20,
)

JUNK = [
    b"\xff" * 8,
    b"\0" * 8,
    b"[" * 40,
    b'{"tensor":"0"}',
    b"1e999",
    b"-" + b"9" * 30,
    b'"\\ud800"',
    b"NaN",
]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and bool(a == b)


def through_a_frame(value: object) -> object:
    tree, tensors = protocol.encode_value(value)
    stream = io.BytesIO(b"".join(protocol.pack({"value": tree}, tensors)))
    header, length = protocol.receive(stream.read, protocol.REPLY_HEADER_BYTES, 2**20)
    assert length == len(tensors)
    return protocol.decode_value(header["value"], stream.read(length))


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert same(value, through_a_frame(value))


@given(JSON, st.binary(max_size=100))
def test_any_json_and_bytes_are_a_value_or_refused(tree: object, payload: bytes) -> None:
    try:
        value = protocol.decode_value(tree, payload)
    except ProtocolError:
        return
    assert same(value, through_a_frame(value))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    asked: list[int] = []

    def read(amount: int) -> bytes:
        asked.append(amount)
        return data[:amount].ljust(amount, b"\0")

    with pytest.raises(ProtocolError):
        protocol.receive(read, 1000, 1000)
    assert sum(asked) <= 16 + 1000


@given(VALUES, st.data())
def test_a_damaged_frame_is_a_value_or_refused(value: object, data: st.DataObject) -> None:
    """Real frames, changed in a few places: most get past the first checks."""
    tree, tensors = protocol.encode_value(value)
    raw = bytearray(b"".join(protocol.pack({"value": tree, "n": 1}, tensors)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=8) | st.sampled_from(JUNK))
    stream = io.BytesIO(bytes(raw))

    def read(amount: int) -> bytes:
        found = stream.read(amount)
        if len(found) < amount:
            raise ProtocolError("it ends")
        return found

    try:
        header, length = protocol.receive(read, 2**16, 2**16)
        decoded = protocol.decode_value(header.get("value"), read(length))
    except ProtocolError:
        return
    assert same(decoded, through_a_frame(decoded))


@given(st.binary(min_size=8, max_size=300))
def test_damaged_tensors_are_refused_or_read(data: bytes) -> None:
    good = protocol.pack_tensors({"a": torch.arange(8.0)})
    for payload in (data, good[: len(data)], data + good[len(data) :]):
        try:
            found = protocol.unpack_tensors(payload)
        except ProtocolError:
            continue
        assert sum(t.numel() for t in found.values()) <= len(payload)


@pytest.mark.parametrize(
    "start",
    [
        protocol.START.pack(b"LAB7", 1, 1),
        protocol.START.pack(b"LAB8", 101, 0),
        protocol.START.pack(b"LAB8", 2**32 - 1, 0),
        protocol.START.pack(b"LAB8", 1, 201),
        protocol.START.pack(b"LAB8", 1, 2**64 - 1),
    ],
)
def test_lengths_beyond_the_limits_are_refused_before_anything_is_read(start: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.unpack_start(start, 100, 200)
    assert protocol.unpack_start(protocol.START.pack(b"LAB8", 100, 200), 100, 200) == (100, 200)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[]", b"1", b"{", b"\xff", b'{"a": NaN}', b'{"a": Infinity}'),
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
    ],
    ids=range(9),
)
def test_a_header_is_strict_json_and_an_object(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.unpack_header(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "type object"),
        ({1, 2}, "type set"),
        ({1: 2}, "keys"),
        (2**63, "64 bits"),
        (-(2**63), "64 bits"),
        (1j, "type complex"),
        (torch.zeros(2, 2).to_sparse(), "sparse"),
        (torch.zeros(2, device="meta"), "without data"),
        (torch.zeros(2, dtype=torch.complex128), "kind"),
        (torch.zeros(2, dtype=torch.float8_e5m2), "kind"),
        (torch.zeros((1,) * 17), "dimensions"),
        ([torch.zeros(1)] * 2001, "more than 2000 tensors"),
        (torch.nn.LazyLinear(1).weight, "without data"),
    ],
)
def test_what_cannot_cross_is_named(value: object, words: str) -> None:
    with pytest.raises(UnsupportedValueError, match=words):
        protocol.encode_value([value])


def test_nesting_is_bounded_both_ways() -> None:
    value: object = 1
    for _ in range(protocol.MAX_DEPTH):
        value = [value]
    assert same(value, through_a_frame(value))
    with pytest.raises(UnsupportedValueError, match="deeply"):
        protocol.encode_value([value])
    with pytest.raises(ProtocolError, match="deeply"):
        protocol.decode_value(json.loads("[" * 500 + "]" * 500), b"")
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnsupportedValueError, match="deeply"):
        protocol.encode_value(endless)


def test_tensors_that_share_memory_need_gradients_or_are_conjugated_cross() -> None:
    base = torch.arange(6.0, requires_grad=True).reshape(2, 3)
    value = [base, base, base.t(), base[0], torch.tensor([1 + 2j], dtype=torch.complex64).conj()]
    got = through_a_frame(value)
    assert isinstance(got, list) and not got[0].requires_grad and torch.equal(got[2], base.t())
    assert got[4].tolist() == [1 - 2j]


def test_a_lone_surrogate_becomes_text_that_can_be_written() -> None:
    assert through_a_frame("a\ud800") == "a?"
    assert protocol.decode_value(json.loads('"\\ud800"'), b"") == "?"


def tensor_bytes(header: object) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


def empty(shape: list[int], dtype: str = "U8") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}


def test_what_tensors_may_cost_is_bounded() -> None:
    assert len(protocol.unpack_tensors(tensor_bytes({str(i): empty([0]) for i in range(2000)}))) == 2000
    for header in (
        {str(i): empty([0]) for i in range(2001)},
        {"a": empty([0] * 17)},
        {"a": empty([0]), "pad": " " * 2**20},
        {"a": empty([0], "F8_E5M2")},
        {"a": empty([0], "U16")},
        {"a": 3},
        {"a": {"shape": 3}},
    ):
        with pytest.raises(ProtocolError):
            protocol.unpack_tensors(tensor_bytes(header))


def test_a_tensor_stands_in_one_place_only() -> None:
    payload = protocol.pack_tensors({"0": torch.zeros(2)})
    with pytest.raises(ProtocolError):
        protocol.decode_value([{"tensor": "0"}, {"tensor": "0"}], payload)
