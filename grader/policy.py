"""Deadlines, late work and which attempt counts: `policy.toml`, and pure arithmetic on what it says.

Where a clock does not tell enough - an hour that it showed twice, or skipped - the student is believed.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import zoneinfo
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from grader.toml_records import Line, Number, load_record
from grader.types import DAYS, Record

_ZERO = Decimal("0.00")
_CENT = Decimal("0.01")
_UTC = timezone.utc
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_END_OF_DAY = time(23, 59, 59)
_YEARS = range(2000, 2101)  # of a deadline; a typing error is more likely than any other year
_MOST_DAYS = 366  # of an extension; more is a spreadsheet's number for a date
# No clock is older, and arithmetic with zones fails at the ends of the calendar.
_FIRST, _LAST = datetime(1970, 1, 2), datetime(2199, 12, 31)

_MOMENT = re.compile(
    r"(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
    r"(?:(?:T|\s+|(?<=日))(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?"
    r"\s*(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)


def _moment(value: object) -> date | datetime:
    """A date, or a date with a time: as TOML gives it, or as people write it with the year first."""
    if isinstance(value, str):
        value = _parsed(value.strip()[:100])
    if not isinstance(value, date):
        raise ValueError(f"{value!r:.80} is no date: write it like 2026-11-20 or 2026-11-20 18:00:00")
    if value.year not in _YEARS:
        raise ValueError(f"the year {value.year} is outside {_YEARS[0]} to {_YEARS[-1]}")
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _parsed(text: str) -> date | datetime | str:
    match = _MOMENT.fullmatch(text)
    if not match:
        return text
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    try:
        if match["hour"] is None:
            return date(year, month, day)
        zone = match["zone"]
        offset = timezone.utc if zone and zone in "zZ" else _offset(zone) if zone else None
        clock = (int(match["hour"]), int(match["minute"]), int(match["second"] or 0))
        return datetime(year, month, day, *clock, tzinfo=offset)
    except ValueError:
        return text


def _offset(text: str) -> timezone:
    size = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-size if text[0] == "-" else size)


def read_extension(value: object) -> int | date | datetime:
    """An extension as people write it: whole days, a date or a date with a time.

    Texts may be "3", "3 days", "3 天", "2026-11-27", "2026/11/27 18:00" or "2026年11月27日".
    Raises `ValueError` with what is wrong.
    """
    if isinstance(value, str) and (days := DAYS.fullmatch(value.strip()[:100])):
        value = int(days[1])
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _MOST_DAYS:
            raise ValueError(f"{value} is outside 0 to {_MOST_DAYS} days")
        return value
    if isinstance(value, date | str):
        value = _parsed(value.strip()[:100]) if isinstance(value, str) else value
        if isinstance(value, date):
            return _moment(value)
    raise ValueError(
        f"{value!r:.80} is neither whole days, like 3, nor a date, like 2026-11-27 or 2026-11-27 18:00"
    )


def _end(value: object) -> datetime:
    """A date alone means all of that day."""
    moment = _moment(value)
    return moment if isinstance(moment, datetime) else datetime.combine(moment, _END_OF_DAY)


Extension = Annotated[int | datetime | date, BeforeValidator(read_extension)]
Rule = Literal["latest", "latest_on_time", "best", "first"]
_Whole = Annotated[int, Field(ge=0, strict=True)]


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"localtime"})  # which is another on each machine


class Late(Record):
    """What each day or hour costs that has begun since the deadline: `points`, or `percent`.

    A percentage is one of the lab's `out_of` unless `percent_of` says "earned": of the points that
    this work earned. `cap` and `floor` are in the same unit, and percentages of the same.
    """

    each: Literal["day", "hour"]
    points: Number | None = None
    percent: Number | None = None
    percent_of: Literal["out_of", "earned"] = "out_of"
    cap: Number | None = None  # no more is deducted
    floor: Number = _ZERO  # lateness alone brings no mark below this, and lifts none to it

    @model_validator(mode="after")
    def _fits(self) -> Late:
        if (self.points is None) == (self.percent is None):
            raise ValueError("give either points or percent, for each day or hour")
        if self.points is not None and "percent_of" in self.model_fields_set:
            raise ValueError("percent_of: belongs to percent, but there are points")
        if self.percent is not None:
            for key in ("percent", "cap", "floor"):
                if (getattr(self, key) or 0) > 100:
                    raise ValueError(f"{key}: is more than 100 %")
        return self


class Policy(Record):
    """When work is due, what lateness costs, and which of a student's attempts counts."""

    time_zone: Line = "UTC"  # in which the deadline stands, and an LMS's times that name no zone
    deadline: Annotated[datetime, BeforeValidator(_end)] | None = None  # as its clock shows it
    grace_minutes: Annotated[_Whole, Field(le=7 * 24 * 60)] = 0  # so little is not late at all
    accepted_days: Annotated[_Whole, Field(le=_MOST_DAYS)] | None = None  # after the deadline; None: for ever
    # Work that the LMS marks late without telling the time (Canvas does) is so late; None: not late at all.
    marked_late_days: Annotated[_Whole, Field(le=_MOST_DAYS)] | None = None
    attempt: Rule = "latest"
    carry_over: bool = Field(default=False, strict=True)  # files that the attempt lacks, from earlier ones
    late: Late | None = None

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        if name not in _zones():
            near = difflib.get_close_matches(name[:40], sorted(_zones()), n=1)
            meant = f": is {near[0]} meant?" if near else ": write it like Asia/Shanghai"
            raise ValueError(f"{name!r} is no time zone{meant}")
        return name

    @field_validator("deadline")
    @classmethod
    def _in_the_zone(cls, deadline: datetime | None, info: ValidationInfo) -> datetime | None:
        if deadline is None or "time_zone" not in info.data:
            return deadline
        zone = zoneinfo.ZoneInfo(info.data["time_zone"])
        return _on_the_clock(_instant(deadline, zone, later=True), zone)

    @model_validator(mode="after")
    def _has_a_deadline(self) -> Policy:
        if self.deadline is not None and "time_zone" not in self.model_fields_set:
            raise ValueError("time_zone: is missing: name the deadline's time zone, like Asia/Shanghai")
        if self.deadline is None:
            for key in ("grace_minutes", "accepted_days", "late", "marked_late_days"):
                if getattr(self, key) != Policy.model_fields[key].default:
                    raise ValueError(f"{key}: there is no deadline: add one")
        return self

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)

    @property
    def digest(self) -> str:
        """SHA-256 of what the policy means: comments, spacing and `10` or `10.00` make no difference."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_policy(path: Path | None = None) -> Policy:
    """Read a policy file; without one there is no deadline, and the latest attempt counts.

    Raises `UserError`.
    """
    return Policy() if path is None else load_record(path, Policy, what="policy")


def due(policy: Policy, extension: int | date | datetime | None = None) -> datetime | None:
    """When this student's work is due, as the course's clock shows it; None where there is no deadline.

    An extension of days moves the deadline by so many dates, at the same time of day. One that is a date
    lasts until the end of that day. Neither brings a deadline forward.
    """
    if policy.deadline is None:
        return None
    if extension is None:
        return policy.deadline
    if isinstance(extension, int):
        extended = policy.deadline.replace(tzinfo=None) + extension * _DAY
    else:
        extended = _end(extension)
    return max(policy.deadline, _on_the_clock(_instant(extended, policy.zone, later=True), policy.zone))


def lateness(
    policy: Policy,
    submitted_at: datetime | None,
    extension: int | date | datetime | None = None,
    marked: bool = False,
) -> timedelta:
    """How late work is: zero until it is due, and within the grace that follows; then all time since.

    It is real time, but where a day has 25 hours, the last of them adds nothing: work of the same time of
    day is whole days late, as the course's clock shows. Seconds count, parts of them do not. Work of an
    unknown time is not late, unless the LMS has `marked` it so, no extension that the LMS may not know of
    moves the student's deadline, and the policy says how late that is.
    """
    deadline = due(policy, extension)
    if deadline is None:
        return timedelta(0)
    if submitted_at is None:
        is_late = marked and deadline == policy.deadline
        return (policy.marked_late_days or 0) * _DAY if is_late else timedelta(0)
    at, due_at = _submitted(policy, submitted_at), deadline.astimezone(_UTC)
    if at - due_at <= timedelta(minutes=policy.grace_minutes):
        return timedelta(0)
    shown = at.astimezone(policy.zone).replace(tzinfo=None)
    clock = deadline.replace(tzinfo=None)

    def begins(day: int) -> datetime:
        return _instant(clock + day * _DAY, policy.zone, later=True) if day else due_at

    days = max((shown - clock) // _DAY, 0)
    if begins(days) > at:  # the clock skipped this time of day, or will show it again
        days -= 1
    return min(at - due_at, days * _DAY + min(at - begins(days), _DAY))


def accepted(policy: Policy, late: timedelta) -> bool:
    """Whether work that is so late is still taken."""
    return policy.accepted_days is None or late <= policy.accepted_days * _DAY


def deduction(policy: Policy, late: timedelta, points: Decimal, out_of: Decimal) -> Decimal:
    """What lateness costs of `points`, from 0.00 up to all of them; all where it is not accepted.

    Each day or hour that has begun costs the policy's points, or its percentage: of `out_of`, or where
    the policy says so of `points`. Never more than the cap, nor so much that the floor is not left.
    Exact, then rounded once to 0.01, halves in the student's favour. More lateness never costs less.
    """
    if late <= timedelta(0) or points <= 0:
        return _ZERO
    if not accepted(policy, late):
        return points + _ZERO  # with two places
    if policy.late is None:
        return _ZERO
    rule = policy.late
    begun = -(-late // (_DAY if rule.each == "day" else _HOUR))
    if rule.points is not None:
        step, unit = Fraction(rule.points), Fraction(1)
    else:
        step = Fraction(rule.percent or 0)
        unit = Fraction(out_of if rule.percent_of == "out_of" else points) / 100
    cost = begun * step * unit
    most = Fraction(points) - Fraction(rule.floor) * unit
    if rule.cap is not None:
        most = min(most, Fraction(rule.cap) * unit)
    # The limits are promises, so they are rounded down and the cost is not rounded above them.
    hundredths = min(math.ceil(cost * 100 - Fraction(1, 2)), math.floor(most * 100))
    return max(hundredths, 0) * _CENT


def counting(
    policy: Policy,
    attempts: Sequence[datetime | None],
    extension: int | date | datetime | None = None,
    marks: Sequence[Decimal | None] | None = None,
    marked: Sequence[bool] = (),
) -> int:
    """The index of the attempt that counts, of one student's, given by when they were handed in.

    The attempts stand in the order in which they came in, which decides between equal times, and
    altogether where one of them has no time. What came too late to be accepted counts only where
    nothing else was handed in. `latest_on_time` is the latest one of all where none was on time.
    `best` needs each attempt's `marks`, lateness deducted; None, for no mark, is below all others,
    and of equal ones the latest counts. `marked`: those that the LMS marks late without telling the time.
    """
    if not attempts:
        raise ValueError("there is no attempt to choose from")
    if policy.attempt == "best" and (marks is None or len(marks) != len(attempts)):
        raise ValueError("the best attempt is only known from a mark for each of them")
    order = list(range(len(attempts)))
    times = [_submitted(policy, at) for at in attempts if at is not None]
    if len(times) == len(attempts):
        order.sort(key=times.__getitem__)
    marked = marked or [False] * len(attempts)
    late = [lateness(policy, at, extension, mark) for at, mark in zip(attempts, marked, strict=True)]
    order = [index for index in order if accepted(policy, late[index])] or order
    if policy.attempt == "first":
        return order[0]
    if policy.attempt == "latest_on_time":
        order = [index for index in order if not late[index]] or order
    if policy.attempt == "best" and marks is not None:
        known = [(mark, place) for place, index in enumerate(order) if (mark := marks[index]) is not None]
        if known:
            return order[max(known)[1]]
    return order[-1]


def _submitted(policy: Policy, at: datetime) -> datetime:
    """When this was handed in, in UTC. Without a zone it is the course's clock that is meant."""
    bounded = min(max(at.replace(tzinfo=None), _FIRST), _LAST).replace(microsecond=0)
    return _instant(bounded.replace(tzinfo=at.tzinfo, fold=at.fold), policy.zone, later=False)


def _instant(moment: datetime, zone: zoneinfo.ZoneInfo, *, later: bool) -> datetime:
    """The moment in UTC; of the two that a clock reading can mean when clocks change, the later or not.

    A reading that a clock skipped means as much as one that it showed twice: the clock was set, or not.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(_UTC)
    both = [moment.replace(tzinfo=zone, fold=fold).astimezone(_UTC) for fold in (0, 1)]
    return max(both) if later else min(both)


def _on_the_clock(moment: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """The moment as the zone's clock shows it, but with its offset: Python compares such times rightly.

    Of two times of one zone it compares only what the clock shows, and an hour shown twice equals nothing.
    """
    shown = moment.astimezone(zone)
    return shown.replace(tzinfo=timezone(shown.utcoffset() or timedelta(0)), fold=0)
