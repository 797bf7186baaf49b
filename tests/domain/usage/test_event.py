"""A usage event's identity, its canonical payload and the times that are taken."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, MeterCode
from shared.domain.usage.event import (
    DataValue,
    UsageEvent,
    canonical_payload,
    fault_of_time,
    payload_hash,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(
    data: dict[str, DataValue] | None = None,
    *,
    name: str = "e1",
    source: str = "",
    time: datetime = NOON,
    meter: str = "api",
) -> UsageEvent:
    return UsageEvent(name, AccountCode("acme"), MeterCode(meter), time, data or {}, source)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="moved-boundary"),
        pytest.param(("", "a"), ("a", ""), id="swapped"),
        pytest.param(("1", "|x"), ("1|", "x"), id="separator-inside"),
    ],
)
def test_key_tells_sources_and_ids_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert event(source=one[0], name=one[1]).key != event(source=other[0], name=other[1]).key


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_keys_are_equal_only_for_one_identity(one: tuple[str, str], other: tuple[str, str]) -> None:
    keys = [event(source=source, name=name).key for source, name in (one, other)]
    assert (keys[0] == keys[1]) is (one == other)


def test_key_is_stable() -> None:
    assert event(source="s", name="e").key == "ce2a03b07154b49f61b448ffc48fca4c"


def test_day_is_the_utc_day() -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert event(time=late).day == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"n": Decimal("1.50")}, {"n": Decimal("1.5")}, id="trailing-zeros"),
        pytest.param({"n": Decimal("1E3")}, {"n": Decimal(1000)}, id="exponent"),
        pytest.param({"n": Decimal("-0")}, {"n": Decimal("0.00")}, id="zeros"),
        pytest.param(
            {"a": Decimal(1), "b": "x"}, {"b": "x", "a": Decimal(1)}, id="order-of-fields"
        ),
    ],
)
def test_spelling_does_not_change_the_payload(
    one: dict[str, DataValue], other: dict[str, DataValue]
) -> None:
    assert canonical_payload(event(one)) == canonical_payload(event(other))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(event({"n": Decimal(2)}), id="value"),
        pytest.param(event({"n": "1"}), id="text-for-number"),
        pytest.param(event({"m": Decimal(1)}), id="field"),
        pytest.param(event({"n": Decimal(1)}, meter="web"), id="meter"),
        pytest.param(event({"n": Decimal(1)}, time=NOON + timedelta(microseconds=1)), id="time"),
    ],
)
def test_contents_change_the_payload(changed: UsageEvent) -> None:
    hashes = {payload_hash(canonical_payload(e)) for e in (event({"n": Decimal(1)}), changed)}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("offset", "fault"),
    [
        pytest.param(timedelta(0), None, id="now"),
        pytest.param(timedelta(minutes=5), None, id="five-minutes-ahead"),
        pytest.param(timedelta(minutes=5, microseconds=1), "future", id="too-far-ahead"),
        pytest.param(timedelta(days=-40), None, id="forty-days-back"),
        pytest.param(timedelta(days=-40, microseconds=-1), "past", id="too-far-back"),
    ],
)
def test_times_taken(offset: timedelta, fault: str | None) -> None:
    message = fault_of_time(NOON + offset, NOON)
    assert message is None if fault is None else message is not None and fault in message
