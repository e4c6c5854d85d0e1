"""The policy file, and the arithmetic of deadlines, lateness, deductions and attempts."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grader.policy
from grader.errors import UserError
from grader.policy import (
    Late,
    Policy,
    accepted,
    counting,
    deduction,
    due,
    lateness,
    load_policy,
    read_extension,
)
from grader.toml_records import parse_record

DOCS = Path(grader.policy.__file__).with_name("docs") / "policy.md"
GOOD = """
time_zone = "Asia/Shanghai"
deadline = 2026-11-20T23:59:59
grace_minutes = 15
accepted_days = 7
attempt = "best"
carry_over = true
[late]
each = "day"
percent = 10
percent_of = "earned"
cap = 50.5
floor = 20
"""
# Clocks that change in spring, in autumn, by half an hour, at midnight, or never; and one that skipped a day.
ZONES = st.sampled_from(
    [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Pacific/Apia",
        "UTC",
    ]
)
# When a clock of these zones changes, in one of them or another.
CHANGES = st.sampled_from(
    [
        datetime(2026, 3, 29, 2),
        datetime(2026, 10, 25, 3),
        datetime(2026, 3, 8, 2),
        datetime(2026, 11, 1, 2),
        datetime(2026, 4, 5, 2),
        datetime(2026, 10, 4, 2),
        datetime(2026, 4, 5),
        datetime(2026, 9, 6),
        datetime(2011, 12, 30),
    ]
)
TIMES = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)) | st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes), CHANGES, st.integers(-3000, 3000)
)
INSTANTS = TIMES.map(lambda moment: moment.replace(tzinfo=timezone.utc))
EXTENSIONS = (
    st.none() | st.integers(0, 400).map(lambda days: days % 367) | TIMES.map(datetime.date) | TIMES | INSTANTS
)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NUMBERS = st.integers(0, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
POINTS = st.integers(0, 10_400).map(lambda hundredths: Decimal(hundredths).scaleb(-2))
OUT_OF = Decimal(104)


@st.composite
def late_rules(draw: st.DrawFn) -> Late:
    kind = draw(st.sampled_from(["points", "percent", "percent of earned"]))
    rule: dict[str, object] = {"each": draw(st.sampled_from(["day", "hour"])), "floor": draw(NUMBERS)}
    rule["points" if kind == "points" else "percent"] = draw(NUMBERS)
    if kind == "percent of earned":
        rule["percent_of"] = "earned"
    return Late.model_validate(rule | {"cap": draw(st.none() | NUMBERS)})


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        time_zone=draw(ZONES),
        deadline=draw(TIMES),
        grace_minutes=draw(st.integers(0, 90)),
        accepted_days=draw(st.none() | st.integers(0, 10)),
        late=draw(st.none() | late_rules()),
    )


def load(tmp_path: Path, text: str | bytes) -> Policy:
    path = tmp_path / "规则.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_policy(path)


def berlin(deadline: datetime, **more: object) -> Policy:
    return Policy.model_validate({"time_zone": "Europe/Berlin", "deadline": deadline} | more)


def percent(size: int, **more: object) -> Policy:
    late = {"each": "day", "percent": size} | more
    return berlin(datetime(2026, 11, 20, 23, 59, 59), late=late)


# The file


def test_without_a_file_nothing_is_late_and_the_latest_attempt_counts() -> None:
    policy = load_policy(None)
    ages = datetime(2999, 1, 1)
    assert due(policy) is None and due(policy, 3) is None
    assert lateness(policy, ages) == timedelta(0) and accepted(policy, lateness(policy, ages))
    assert deduction(policy, 9 * DAY, Decimal(50), OUT_OF) == 0
    assert counting(policy, [datetime(2026, 1, 1), datetime(2026, 1, 2)]) == 1
    assert not policy.carry_over


def test_a_policy_is_read(tmp_path: Path) -> None:
    policy = load(tmp_path, GOOD)
    assert policy.deadline == datetime(2026, 11, 20, 23, 59, 59, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert (policy.grace_minutes, policy.accepted_days) == (15, 7)
    assert (policy.attempt, policy.carry_over) == ("best", True)
    assert policy.late == Late(
        each="day", percent=Decimal(10), percent_of="earned", cap=Decimal("50.5"), floor=Decimal(20)
    )


def test_the_documented_example_is_what_its_text_says(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    [example] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    policy = load(tmp_path, example)
    deadline = datetime(2026, 11, 20, 23, 59, 59)
    costs = {
        15 * MINUTE: "0.00",
        16 * MINUTE: "10.40",
        DAY: "10.40",
        DAY + timedelta(seconds=1): "20.80",
        6 * DAY: "52.00",
        7 * DAY: "52.00",
        7 * DAY + timedelta(seconds=1): "90.00",
    }
    for since, cost in costs.items():
        late = lateness(policy, deadline + since)
        assert str(deduction(policy, late, Decimal(90), OUT_OF)) == cost, since
    keys = {*Policy.model_fields, *Late.model_fields}
    assert {key for key in keys if f"`{key}`" in text or f"`[{key}]`" in text} == keys
    assert {key for key in keys if re.search(rf"(?m)^\[?{key}\b", example)} == keys - {"points"}


def test_the_digest_knows_the_meaning_not_the_writing(tmp_path: Path) -> None:
    digest = load(tmp_path, GOOD).digest
    rewritten = "\ufeff# mine\n" + GOOD
    for old, new in [
        ("percent = 10", "percent =   10.00 # why"),
        ("T23:59:59", "T16:59:59+01:00"),
        ("\n", "\r\n"),
    ]:
        assert old in rewritten
        rewritten = rewritten.replace(old, new)
    assert load(tmp_path, rewritten).digest == digest
    for line in GOOD.strip().splitlines():
        key, _, value = line.partition(" = ")
        changed = {
            "time_zone": '"Asia/Tokyo"',
            "deadline": "2026-11-20T23:59:58",
            "attempt": '"first"',
            "carry_over": "false",
            "each": '"hour"',
            "percent_of": '"out_of"',
        }.get(key, "3")
        if value:
            assert load(tmp_path, GOOD.replace(line, f"{key} = {changed}")).digest != digest, key


@given(policies())
def test_a_policy_survives_being_written_down(policy: Policy) -> None:
    late = policy.late and "\n".join(
        f"{key} = {value if isinstance(value, Decimal) else repr(value)}"
        for key, value in policy.late
        if value is not None and (key != "percent_of" or policy.late.percent is not None)
    )
    assert policy.deadline is not None
    text = f"time_zone = '{policy.time_zone}'\ndeadline = {policy.deadline.isoformat()}\n"
    text += f"grace_minutes = {policy.grace_minutes}\n"
    text += "" if policy.accepted_days is None else f"accepted_days = {policy.accepted_days}\n"
    text += f"[late]\n{late}" if late else ""
    again = parse_record(text, Path("policy.toml"), Policy)
    assert again.digest == policy.digest == again.digest
    assert again == policy


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("deadline", "dead_line", "dead_line", "unknown key"),
        ("[late]", "[Late]", "Late", "unknown key"),
        ("floor", "flor", "late.flor", "unknown key"),
        ("2026-11-20T23:59:59", "20261120", "deadline", "20261120 is no date"),
        ("2026-11-20T23:59:59", "23:59:59", "deadline", "is no date"),
        ("2026-11-20T23:59:59", '"tomorrow"', "deadline", "'tomorrow' is no date"),
        ("2026-11-20T23:59:59", '"2026-13-20"', "deadline", "is no date"),
        ("2026-11-20T23:59:59", "0026-11-20T23:59:59", "deadline", "the year 26 is outside"),
        ("2026-11-20T23:59:59", "9999-12-31T23:59:59-23:00", "deadline", "the year 9999 is outside"),
        ("Asia/Shanghai", "Asia/Shangai", "time_zone", "is Asia/Shanghai meant"),
        ("Asia/Shanghai", "UTC+8", "time_zone", "'UTC.8' is no time zone"),
        ("Asia/Shanghai", "../../etc/passwd", "time_zone", "is no time zone"),
        ("Asia/Shanghai", "Asia", "time_zone", "is no time zone"),
        ("Asia/Shanghai", "localtime", "time_zone", "is no time zone"),
        ('"Asia/Shanghai"', "8", "time_zone", "8 is not a line of text"),
        ('time_zone = "Asia/Shanghai"', "", "time_zone", "is missing"),
        ("deadline = 2026-11-20T23:59:59", "", "grace_minutes", "there is no deadline"),
        ("grace_minutes = 15", "grace_minutes = -1", "grace_minutes", "greater than or equal to 0"),
        ("grace_minutes = 15", "grace_minutes = 15.5", "grace_minutes", "valid integer"),
        ("grace_minutes = 15", "grace_minutes = true", "grace_minutes", "valid integer"),
        ("accepted_days = 7", "accepted_days = 1000", "accepted_days", "less than or equal to 366"),
        ('"best"', '"last"', "attempt", "'latest', 'latest_on_time', 'best' or 'first'"),
        ("carry_over = true", 'carry_over = "no"', "carry_over", "valid boolean"),
        ('each = "day"', "", "late.each", "is missing"),
        ('"day"', '"week"', "late.each", "'day' or 'hour'"),
        ("percent = 10", "", "late", "give either points or percent"),
        ("percent = 10", "percent = 10\npoints = 10", "late", "give either points or percent"),
        ("percent = 10", "points = 10", "late: percent_of", "belongs to percent"),
        ("percent = 10", "percent = 101", "late: percent", "more than 100 %"),
        ("cap = 50.5", "cap = 101", "late: cap", "more than 100 %"),
        ("floor = 20", "floor = 101", "late: floor", "more than 100 %"),
        ("percent = 10", "percent = -10", "late.percent", "-10 is outside"),
        ("percent = 10", "percent = nan", "late.percent", "not a number"),
        ("percent = 10", "percent = 10.005", "late.percent", "more than two decimals"),
        ("percent = 10", 'percent = "10"', "late.percent", "not a number"),
    ],
)
def test_a_faulty_policy_is_refused_in_one_line_that_names_file_and_key(
    tmp_path: Path, old: str, new: str, key: str, problem: str
) -> None:
    assert old in GOOD
    with pytest.raises(UserError, match=problem) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / '规则.toml'}: {key}: ")
    assert str(caught.value).endswith(": fix it there")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("deadline = ", "is not TOML"),
        ("deadline = 2026-11-31", "is not TOML: .*line 1"),
        (b"attempt = '\xb4\xf3'", "is not UTF-8"),
    ],
    ids=["unfinished", "no such day", "GB18030"],
)
def test_what_is_no_policy_file_is_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"cannot be read .*: name a policy file"):
        load_policy(tmp_path / "none.toml")


# When it is due


def test_a_date_alone_lasts_until_the_end_of_that_day(tmp_path: Path) -> None:
    policy = load(tmp_path, 'time_zone = "Asia/Shanghai"\ndeadline = 2026-11-20')
    assert due(policy) == datetime(2026, 11, 20, 15, 59, 59, tzinfo=timezone.utc)
    assert due(policy, date(2026, 11, 22)) == datetime(2026, 11, 22, 15, 59, 59, tzinfo=timezone.utc)


def test_an_extension_of_days_keeps_the_time_of_day_over_a_change_of_clocks() -> None:
    policy = berlin(datetime(2026, 10, 24, 12))  # clocks go back on the night after
    extended = due(policy, 2)
    assert extended is not None and extended.isoformat() == "2026-10-26T12:00:00+01:00"
    assert due(policy, 0) == due(policy) == datetime(2026, 10, 24, 10, tzinfo=timezone.utc)


def test_an_extension_of_days_to_an_hour_shown_twice_lasts_until_the_second() -> None:
    extended = due(berlin(datetime(2026, 10, 24, 2, 30)), 1)
    assert extended is not None and extended.isoformat() == "2026-10-25T02:30:00+01:00"


def test_a_deadline_with_an_offset_is_that_moment_even_in_an_hour_shown_twice(tmp_path: Path) -> None:
    text = 'time_zone = "Europe/Berlin"\ndeadline = 2026-10-25T02:30:00+02:00'
    policy = load(tmp_path, text)
    assert due(policy) == datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)
    # 45 minutes later the clock shows a quarter past two, before the deadline's half past.
    assert lateness(policy, datetime(2026, 10, 25, 1, 15, tzinfo=timezone.utc)) == 45 * MINUTE


def test_an_extension_may_be_a_moment_and_never_brings_a_deadline_forward() -> None:
    policy = berlin(datetime(2026, 11, 20, 12))
    for moment in (datetime(2026, 11, 21, 18), datetime(2026, 11, 21, 17, tzinfo=timezone.utc)):
        extended = due(policy, moment)
        assert extended is not None and extended.isoformat() == "2026-11-21T18:00:00+01:00"
    for earlier in (date(2026, 11, 19), datetime(2026, 11, 20, 11)):
        assert due(policy, earlier) == due(policy)


def test_a_deadline_that_the_clock_shows_twice_is_the_later_one_and_a_hand_in_the_earlier() -> None:
    policy = berlin(datetime(2026, 10, 25, 2, 30))
    assert due(policy) == datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc)
    policy = berlin(datetime(2026, 10, 25, 1, 30))
    assert lateness(policy, datetime(2026, 10, 25, 2, 30)) == HOUR
    # Where the LMS tells the zone, the second time that it was half past two is known.
    assert lateness(policy, datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc)) == 2 * HOUR


def test_a_deadline_that_the_clock_skipped_is_the_later_one_and_a_hand_in_the_earlier() -> None:
    policy = berlin(datetime(2026, 3, 29, 2, 30))  # from two the clock goes on to three
    assert due(policy) == datetime(2026, 3, 29, 1, 30, tzinfo=timezone.utc)
    policy = berlin(datetime(2026, 3, 29, 1, 15))
    assert lateness(policy, datetime(2026, 3, 29, 2, 30)) == 15 * MINUTE


def test_naive_times_are_the_courses_and_others_are_what_they_say() -> None:
    policy = Policy(time_zone="Asia/Shanghai", deadline=datetime(2026, 11, 20, 12))
    assert lateness(policy, datetime(2026, 11, 20, 13)) == HOUR
    assert lateness(policy, datetime(2026, 11, 20, 5, tzinfo=timezone.utc)) == HOUR
    assert lateness(policy, datetime(2026, 11, 20, 6, tzinfo=ZoneInfo("Europe/Berlin"))) == HOUR


@given(policies(), EXTENSIONS, EXTENSIONS)
def test_due_is_never_before_the_deadline_and_is_shown_on_the_courses_clock(
    policy: Policy, extension: int | date | datetime | None, other: int | date | datetime | None
) -> None:
    deadline, extended = due(policy), due(policy, extension)
    assert deadline is not None and extended is not None
    assert extended >= deadline
    assert extended.utcoffset() == extended.astimezone(ZoneInfo(policy.time_zone)).utcoffset()
    # An extension until when it is due anyway changes nothing.
    assert due(policy, extended) == extended
    if isinstance(extension, int) and isinstance(other, int) and extension <= other:
        further = due(policy, other)
        assert further is not None
        assert further >= extended


# How late it is


def test_grace_is_not_late_and_what_comes_after_it_is_late_by_all() -> None:
    policy = berlin(datetime(2026, 11, 20, 12), grace_minutes=15)
    second = timedelta(seconds=1)
    assert lateness(policy, datetime(2026, 11, 20, 12, 15)) == timedelta(0)
    assert lateness(policy, datetime(2026, 11, 20, 12, 15) + second) == 15 * MINUTE + second
    assert lateness(policy, datetime(2026, 11, 21, 12, 15), 1) == timedelta(0)


def test_parts_of_a_second_are_not_late() -> None:
    policy = berlin(datetime(2026, 11, 20, 23, 59, 59))
    assert lateness(policy, datetime(2026, 11, 20, 23, 59, 59, 999_999)) == timedelta(0)
    assert lateness(policy, datetime(2026, 11, 21)) == timedelta(seconds=1)


def test_a_day_of_25_hours_is_one_day() -> None:
    policy = berlin(datetime(2026, 10, 24, 23, 59, 59), late={"each": "day", "percent": 10})
    last = lateness(policy, datetime(2026, 10, 25, 23, 59, 59))
    assert last == DAY == lateness(policy, datetime(2026, 10, 25, 23, 30))
    assert deduction(policy, last, Decimal(100), Decimal(100)) == 10
    next_day = lateness(policy, datetime(2026, 10, 26))
    assert next_day == DAY + timedelta(seconds=1)
    assert deduction(policy, next_day, Decimal(100), Decimal(100)) == 20


def test_a_day_that_ends_in_an_hour_shown_twice_ends_in_the_second() -> None:
    policy = berlin(datetime(2026, 10, 24, 2, 30))
    before, first, second, after = (
        lateness(policy, datetime(2026, 10, 25, hour, minute, tzinfo=timezone.utc))
        for hour, minute in [(0, 29), (0, 45), (1, 30), (1, 31)]
    )
    assert (before, first, second, after) == (DAY - MINUTE, DAY, DAY, DAY + MINUTE)


def test_no_time_and_a_time_from_outside_the_calendar_are_no_error() -> None:
    policy = berlin(datetime(2026, 11, 20))
    assert lateness(policy, None) == timedelta(0)
    for zone in (None, timezone.utc, timezone(timedelta(hours=14))):
        assert lateness(policy, datetime.min.replace(tzinfo=zone)) == timedelta(0)
        assert lateness(policy, datetime.max.replace(tzinfo=zone)) > 100 * 365 * DAY


@given(policies(), EXTENSIONS, INSTANTS, st.integers(0, 48 * 3600))
def test_later_is_never_less_late(
    policy: Policy, extension: int | date | datetime | None, at: datetime, seconds: int
) -> None:
    sooner, later = (lateness(policy, at + timedelta(seconds=more), extension) for more in (0, seconds))
    assert timedelta(0) <= sooner <= later
    assert lateness(policy, at, 3) <= lateness(policy, at)


@given(policies(), st.integers(-3600, 30 * 86_400), st.integers(0, 26 * 3600))
def test_lateness_near_the_deadline_grows_with_time_and_never_beyond_it(
    policy: Policy, since: int, seconds: int
) -> None:
    deadline = due(policy)
    assert deadline is not None
    at = deadline.astimezone(timezone.utc) + timedelta(seconds=since)
    late, later = lateness(policy, at), lateness(policy, at + timedelta(seconds=seconds))
    assert timedelta(0) <= late <= later
    assert late <= max(timedelta(seconds=since), timedelta(0))
    if since <= 60 * policy.grace_minutes:
        assert late == timedelta(0)


@given(policies(), st.integers(1, 30), st.integers(-600, 600))
def test_a_day_is_a_date_on_the_courses_clock(policy: Policy, days: int, seconds: int) -> None:
    """Until the time of day of the deadline, so many dates later, no further day has begun."""
    deadline = due(policy)
    limit = due(policy, days)
    assert deadline is not None and limit is not None
    at = limit.astimezone(timezone.utc) + timedelta(seconds=seconds)
    begun = -(-lateness(policy, at) // DAY)
    if seconds <= 0:
        assert begun <= days
    elif at - deadline.astimezone(timezone.utc) > days * DAY:
        assert begun == days + 1 or not lateness(policy, at)


@given(policies(), TIMES)
def test_a_naive_hand_in_is_never_later_than_the_same_reading_with_a_zone(
    policy: Policy, at: datetime
) -> None:
    zone = ZoneInfo(policy.time_zone)
    for fold in (0, 1):
        assert lateness(policy, at) <= lateness(policy, at.replace(tzinfo=zone, fold=fold))


# What it costs


def test_percent_of_all_points_and_of_those_earned() -> None:
    for late, of_all, of_earned in [(0 * DAY, "0", 0), (DAY, "10.40", 5), (2 * DAY, "20.80", 10)]:
        assert deduction(percent(10), late, Decimal(50), OUT_OF) == Decimal(of_all)
        earned = percent(10, percent_of="earned")
        assert deduction(earned, late, Decimal(50), OUT_OF) == Decimal(of_earned)


def test_points_an_hour_with_cap_and_floor() -> None:
    late = {"each": "hour", "points": 3, "cap": 10, "floor": 42}
    policy = berlin(datetime(2026, 11, 20), late=late)
    costs = [
        (MINUTE, 60, 3),
        (HOUR, 60, 3),
        (61 * MINUTE, 60, 6),
        (9 * HOUR, 60, 10),
        (9 * HOUR, 50, 8),
        (9 * HOUR, 42, 0),
        (9 * HOUR, 30, 0),
    ]
    for time, points, cost in costs:
        assert deduction(policy, time, Decimal(points), OUT_OF) == cost


def test_what_is_not_accepted_earns_nothing_whatever_the_floor() -> None:
    late = {"each": "day", "percent": 1, "floor": 40}
    policy = berlin(datetime(2026, 11, 20), accepted_days=2, late=late)
    assert accepted(policy, 2 * DAY) and not accepted(policy, 2 * DAY + MINUTE)
    assert str(deduction(policy, 2 * DAY, Decimal(60), OUT_OF)) == "2.08"
    assert str(deduction(policy, 2 * DAY + MINUTE, Decimal(60), OUT_OF)) == "60.00"
    none_late = berlin(datetime(2026, 11, 20), accepted_days=0)
    assert str(deduction(none_late, MINUTE, Decimal("60.5"), OUT_OF)) == "60.50"


def test_halves_of_a_hundredth_are_the_students() -> None:
    for points, cost in [("0.50", "0.00"), ("0.51", "0.01"), ("1.50", "0.01"), ("1.51", "0.02")]:
        earned = percent(1, percent_of="earned")
        assert str(deduction(earned, DAY, Decimal(points), OUT_OF)) == cost


def test_from_nothing_nothing_is_deducted() -> None:
    for points in ("0", "-3"):
        assert str(deduction(percent(10), DAY, Decimal(points), OUT_OF)) == "0.00"


@given(policies(), POINTS, POINTS, st.integers(-3600, 20 * 86_400), st.integers(0, 2 * 86_400))
def test_a_deduction_has_its_limits_and_grows_with_lateness(
    policy: Policy, points: Decimal, other: Decimal, seconds: int, more: int
) -> None:
    late, later = timedelta(seconds=seconds), timedelta(seconds=seconds + more)
    cost = deduction(policy, late, points, OUT_OF)
    assert 0 <= cost <= points
    assert cost.as_tuple().exponent == -2
    assert cost <= deduction(policy, later, points, OUT_OF)
    if seconds <= 0:
        assert cost == 0
    rule = policy.late
    if rule is not None and accepted(policy, late):
        base = OUT_OF if rule.percent_of == "out_of" else points
        unit = Decimal(1) if rule.points is not None else base / 100
        assert points - cost >= min(points, rule.floor * unit)
        assert rule.cap is None or cost <= rule.cap * unit
    # Who earned more never comes out with less.
    less, most = sorted([points, other])
    assert less - deduction(policy, late, less, OUT_OF) <= most - deduction(policy, late, most, OUT_OF)


# Which attempt counts

ON_TIME = [datetime(2026, 11, 18), datetime(2026, 11, 20, 12)]
LATE = [datetime(2026, 11, 21, 12), datetime(2026, 11, 29, 12)]


@pytest.mark.parametrize(
    ("rule", "attempts", "extension", "expected"),
    [
        ("latest", [*ON_TIME, *LATE], None, 2),  # the last one is not accepted any more
        ("latest", [*ON_TIME, *LATE], 9, 3),
        ("latest", LATE[1:], None, 0),
        ("latest", [LATE[0], *ON_TIME], None, 0),
        ("latest_on_time", [*ON_TIME, *LATE], None, 1),
        ("latest_on_time", [*ON_TIME, *LATE], 1, 2),
        ("latest_on_time", LATE, None, 0),
        ("latest_on_time", [LATE[0], LATE[0] + HOUR], None, 1),
        ("first", [LATE[0], *ON_TIME], None, 1),
        ("first", [ON_TIME[0], ON_TIME[0]], None, 0),
        ("latest", [ON_TIME[0], ON_TIME[0]], None, 1),
        ("latest", [ON_TIME[1], None, ON_TIME[0]], None, 2),  # times do not tell: the order does
        ("first", [ON_TIME[1], None, ON_TIME[0]], None, 0),
        ("latest", [None, None], None, 1),
        (
            "latest",
            [datetime(2026, 11, 18, 12, tzinfo=timezone.utc), datetime(2026, 11, 18, 12, 30)],
            None,
            0,
        ),
    ],
)
def test_the_attempt_that_counts(
    rule: str, attempts: list[datetime | None], extension: int | None, expected: int
) -> None:
    policy = berlin(datetime(2026, 11, 20, 23, 59, 59), accepted_days=7, attempt=rule)
    assert counting(policy, attempts, extension) == expected


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        (["10", "20", "15"], 1),
        (["20", "10", "20"], 2),
        (["20.00", "20", None], 1),
        ([None, "0", None], 1),
        ([None, None, None], 2),
    ],
)
def test_the_best_attempt_counts_by_its_mark_and_of_equal_ones_the_latest(
    marks: list[str | None], expected: int
) -> None:
    policy = berlin(datetime(2026, 11, 20, 23, 59, 59), accepted_days=7, attempt="best")
    values = [None if mark is None else Decimal(mark) for mark in marks]
    assert counting(policy, [*ON_TIME, LATE[0]], marks=values) == expected


def test_the_best_attempt_is_not_chosen_without_marks() -> None:
    policy = Policy(attempt="best")
    for marks in (None, [Decimal(1)]):
        with pytest.raises(ValueError, match="a mark for each"):
            counting(policy, [None, None], marks=marks)
    with pytest.raises(ValueError, match="no attempt"):
        counting(policy, [])


@given(
    policies(),
    st.sampled_from(["latest", "latest_on_time", "best", "first"]),
    st.lists(st.tuples(INSTANTS | TIMES | st.none(), st.none() | POINTS), min_size=1, max_size=6),
    EXTENSIONS,
)
def test_some_attempt_counts_and_an_unaccepted_one_only_in_need(
    policy: Policy,
    rule: str,
    attempts: list[tuple[datetime | None, Decimal | None]],
    extension: int | date | datetime | None,
) -> None:
    policy = policy.model_copy(update={"attempt": rule})
    times, marks = [at for at, _ in attempts], [mark for _, mark in attempts]
    index = counting(policy, times, extension, marks)
    late = [lateness(policy, at, extension) for at in times]
    fit = [each for each in range(len(times)) if accepted(policy, late[each])]
    assert index in (fit or range(len(times)))
    if rule == "best":
        top = max((marks[each] or Decimal(-1) for each in fit or range(len(times))), default=None)
        assert (marks[index] or Decimal(-1)) == top or marks[index] == 0
    if rule == "latest_on_time" and any(not late[each] for each in fit):
        assert not late[index]


# Extensions as people write them


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" 3 days ", 3),
        ("1 day", 1),
        ("3天", 3),
        ("0", 0),
        (7, 7),
        ("2026-11-27", date(2026, 11, 27)),
        ("2026/1/7", date(2026, 1, 7)),
        ("2026.11.27", date(2026, 11, 27)),
        ("2026年11月27日", date(2026, 11, 27)),
        ("2026年11月27日18:00", datetime(2026, 11, 27, 18)),
        ("2026-11-27 18:00", datetime(2026, 11, 27, 18)),
        ("2026-11-27T18:00:30", datetime(2026, 11, 27, 18, 0, 30)),
        ("2026-11-27 18:00Z", datetime(2026, 11, 27, 18, tzinfo=timezone.utc)),
        ("2026-11-27 18:00 +08:00", datetime(2026, 11, 27, 18, tzinfo=timezone(8 * HOUR))),
        ("2026-11-27T18:00-03:30", datetime(2026, 11, 27, 18, tzinfo=timezone(-3.5 * HOUR))),
        (date(2026, 11, 27), date(2026, 11, 27)),
    ],
)
def test_an_extension_is_days_or_a_date(text: object, value: object) -> None:
    read = read_extension(text)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1.5", "neither whole days"),
        ("-1", "neither whole days"),
        (-1, "outside 0 to 366"),
        ("367", "outside 0 to 366"),
        ("46353", "outside 0 to 366"),  # a spreadsheet's number for a date
        (True, "neither whole days"),
        (1.0, "neither whole days"),
        ("11/27/2026", "neither whole days"),
        ("27.11.2026", "neither whole days"),
        ("2026-02-30", "neither whole days"),
        ("2026-11-27 24:00", "neither whole days"),
        ("2026-11-27 18:00 +99:00", "neither whole days"),
        ("=3", "neither whole days"),
        ("３", "neither whole days"),
        ("", "neither whole days"),
        ("2206-11-27", "the year 2206 is outside"),
        ("next week" * 100, "neither whole days"),
    ],
)
def test_an_extension_that_could_mean_several_things_is_refused(text: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        read_extension(text)
    assert len(str(caught.value)) < 250


@given(st.text(max_size=30) | st.integers() | st.floats() | st.dates() | st.datetimes() | st.none())
def test_whatever_is_written_is_read_or_refused(value: object) -> None:
    try:
        read = read_extension(value)
    except ValueError:
        return
    assert read_extension(read) == read
    assert read_extension(str(read)) == read
