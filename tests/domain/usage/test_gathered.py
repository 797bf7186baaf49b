"""Statistics of many partials, read as they are, against the same merged into one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.ids import AccountCode, MeterCode
from shared.domain.usage.aggregate import AggregationType, aggregate
from shared.domain.usage.event import DataValue, UsageEvent
from shared.domain.usage.gathered import Gathered
from shared.domain.usage.partial import Partial, merged

START = datetime(2026, 3, 1, tzinfo=UTC)
VALUES: st.SearchStrategy[DataValue] = st.one_of(
    st.decimals(-50, 50, places=3), st.sampled_from(["x", "y"])
)
EVENTS = st.lists(
    st.tuples(st.integers(0, 90), st.dictionaries(st.sampled_from(["a", "b"]), VALUES)),
    max_size=6,
)


def partial_of(events: list[tuple[int, dict[str, DataValue]]], place: int) -> Partial:
    partial = Partial()
    for number, (minutes, data) in enumerate(events):
        at = START + timedelta(minutes=minutes)
        event = UsageEvent(f"{place}.{number}", AccountCode("x"), MeterCode("m"), at, data)
        partial.add(event, frozenset({"a"}))
    return partial


def told(kind: AggregationType, partial: Partial | Gathered, field: str | None) -> Decimal | str:
    try:
        return aggregate(kind, partial, field, Decimal(7))
    except InvalidInput as exc:
        return str(exc)


@given(st.lists(EVENTS, max_size=5), st.sampled_from(AggregationType))
def test_gathered_or_merged_every_aggregation_is_the_same(
    groups: list[list[tuple[int, dict[str, DataValue]]]], kind: AggregationType
) -> None:
    partials = [partial_of(events, place) for place, events in enumerate(groups)]
    one, many = merged(partials), Gathered(partials)
    assert many.events == one.events
    assert sorted(many) == sorted(one.fields)
    for field in ("a", "b", "c", None):
        assert told(kind, many, field) == told(kind, one, field)
    for name, stats in one.fields.items():
        assert (many[name].first, many[name].latest) == (stats.first, stats.latest)


def test_a_field_that_nobody_has() -> None:
    with pytest.raises(KeyError):
        Gathered([Partial()])["a"]
    assert len(Gathered([])) == 0
