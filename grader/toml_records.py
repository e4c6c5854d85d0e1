"""TOML files read into records: numbers stay exact, and an error is one line with the file and the key."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ValidationError

from grader.errors import UserError
from grader.types import Record

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

_MOST = 100_000  # points; far above any course's, far below where Decimal would round

AnyRecord = TypeVar("AnyRecord", bound=Record)


def _hundredths(value: object) -> Decimal:
    """A number as TOML gives it, as an exact Decimal with two places."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{value} is not a number")
    if not 0 <= value <= _MOST:
        raise ValueError(f"{value} is outside 0 to {_MOST}")
    exact = Decimal(value)
    rounded = exact.quantize(Decimal("0.00"))
    if rounded != exact:
        raise ValueError(f"{value} has more than two decimals")
    return abs(rounded)  # -0.00 is 0.00


def _line(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is not a line of text")
    return value.strip()


Number = Annotated[Decimal, BeforeValidator(_hundredths)]
Line = Annotated[str, BeforeValidator(_line)]


def load_record(path: Path, record: type[AnyRecord], *, what: str, remedy: str = "") -> AnyRecord:
    """The record that the file holds; `what` it is and the `remedy` are for the error. Raises `UserError`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Windows' editors put a BOM first
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): name a {what} file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text: save it as UTF-8") from error
    return parse_record(text, path, record, remedy=remedy)


def parse_record(text: str, path: Path, record: type[AnyRecord], *, remedy: str = "") -> AnyRecord:
    """The record that a file of this path and text holds. Raises `UserError`."""
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not TOML: {error}: fix it there") from error
    try:
        return record.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path}: {_first(error)}: fix it there{remedy}") from error


def _first(error: ValidationError) -> str:
    """The first of pydantic's complaints, as `key: what is wrong` in words of ours."""
    first: Any = error.errors()[0]
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(
        "."
    )
    if first["type"] == "missing":
        problem = "is missing"
    elif first["type"] == "extra_forbidden":
        problem = "unknown key"
    elif first["type"] == "value_error":
        problem = str(first["ctx"]["error"])
    else:
        problem = first["msg"].replace("Input", "it").replace("dictionary", "table").replace("tuple", "list")
    return f"{key}: {problem}" if key else problem
