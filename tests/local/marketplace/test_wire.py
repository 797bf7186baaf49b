"""JSON with exact decimals, and timestamps."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.marketplace.wire import Malformed, dumps, load_object, loads, parse_time, stamp

decimals = st.decimals(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | decimals | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_is_written_can_be_read_again_exactly(value: object) -> None:
    text = dumps(value)
    assert loads(text) == value
    json.loads(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal(5), "5.0"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1000.0"),
        (Decimal("1E-9"), "0.000000001"),
        (Decimal("1E+999999"), "1E+999999"),
        (0.1, "0.1"),
        (7, "7"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
    ],
)
def test_numbers_and_times(value: object, text: str) -> None:
    assert dumps(value) == text


def test_what_has_no_json_form() -> None:
    for value in (Decimal("NaN"), Decimal("Infinity"), object(), {1, 2}):
        with pytest.raises(TypeError):
            dumps(value)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "{'a': 1}", "[" * 100_000])
def test_unreadable_bodies(text: str) -> None:
    with pytest.raises(Malformed):
        loads(text)


def test_objects_only() -> None:
    assert load_object(b" ") == {}
    assert load_object(b'{"a": 0.10}') == {"a": Decimal("0.10")}
    with pytest.raises(Malformed):
        load_object(b"[]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-12-01T08:30:14", "2018-12-01T08:30:14Z"),
        ("2018-12-01T08:30:14Z", "2018-12-01T08:30:14Z"),
        ("2018-12-01T08:30:14.1234567Z", "2018-12-01T08:30:14.123456Z"),
        ("2018-12-01T08:30:14+02:00", "2018-12-01T06:30:14Z"),
        ("2020-12-03", "2020-12-03T00:00:00Z"),
    ],
)
def test_times_are_utc(text: str, expected: str) -> None:
    assert stamp(parse_time(text)) == expected
    assert stamp(parse_time(text), zone=False) == expected.removesuffix("Z")


@pytest.mark.parametrize("text", ["", "noon", "2018-13-01T00:00:00", "0001-01-01T00:00:00+02:00"])
def test_no_times(text: str) -> None:
    with pytest.raises(Malformed):
        parse_time(text)
