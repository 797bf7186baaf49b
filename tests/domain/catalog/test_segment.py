"""Every event falls in exactly one segment, whatever its values."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.catalog.segment import (
    ANY,
    UNSPLIT,
    Segment,
    by_precedence,
    is_rest,
    key_of,
    segment_of,
    segment_text,
    values_of,
)
from shared.domain.ids import FieldCode
from shared.domain.usage.event import DataValue

MODEL, REGION = FieldCode("model"), FieldCode("region")
FIELDS = (MODEL, REGION)
REST: Segment = {MODEL: ANY, REGION: ANY}

values = st.sampled_from(["a", "b", "c", ANY, "ü", ""])
segments = st.lists(
    st.builds(lambda m, r: {MODEL: m, REGION: r}, st.sampled_from("abc*"), st.sampled_from("abc*")),
    max_size=8,
    unique_by=lambda s: tuple(s.items()),
)
events = st.fixed_dictionaries({}, optional={"model": values, "region": values})


def fits(segment: Segment, data: Mapping[str, DataValue]) -> bool:
    return all(value in (ANY, data.get(name)) for name, value in segment.items())


def exactness(segment: Segment) -> list[bool]:
    return [segment[name] != ANY for name in FIELDS]


@given(segments, events)
def test_an_event_falls_in_the_most_exact_segment_that_fits(
    listed: list[Segment], data: dict[str, DataValue]
) -> None:
    all_segments = [*(s for s in listed if not is_rest(s)), REST]
    found = segment_of(by_precedence(FIELDS, all_segments), values_of(key_of(FIELDS, data)))
    assert found is not None
    fitting = [segment for segment in all_segments if fits(segment, data)]
    assert found in fitting
    assert [s for s in fitting if exactness(s) >= exactness(found)] == [found]


@given(st.permutations([{MODEL: "a", REGION: ANY}, {MODEL: ANY, REGION: "a"}, REST]), events)
def test_the_order_of_segments_does_not_matter(
    listed: list[Segment], data: dict[str, DataValue]
) -> None:
    key = values_of(key_of(FIELDS, data))
    expected = segment_of(by_precedence(FIELDS, sorted(listed, key=str)), key)
    assert segment_of(by_precedence(FIELDS, listed), key) == expected


@given(events, events)
def test_keys_are_equal_when_the_values_are(
    one: dict[str, DataValue], other: dict[str, DataValue]
) -> None:
    same = all(one.get(name) == other.get(name) for name in FIELDS)
    assert (key_of(FIELDS, one) == key_of(FIELDS, other)) is same
    assert values_of(key_of(FIELDS, one)) == {name: one.get(name) for name in FIELDS}


def test_a_value_that_is_missing_or_no_text_is_any_other() -> None:
    for data in ({}, {"model": Decimal(1)}):
        assert values_of(key_of((MODEL,), data)) == {"model": None}
    only = [{MODEL: "1"}, {MODEL: ANY}]
    assert segment_of(only, {"model": None}) == {MODEL: ANY}


def test_usage_that_is_not_split_has_no_values() -> None:
    assert key_of((), {"model": "a"}) == UNSPLIT
    assert values_of(UNSPLIT) == {}


def test_without_a_rest_some_usage_has_no_segment() -> None:
    assert segment_of([{MODEL: "a"}], {"model": "b"}) is None


@pytest.mark.parametrize(
    ("segment", "text"),
    [(None, ""), ({MODEL: "a", REGION: ANY}, "model: a, region: *")],
)
def test_a_segment_in_words(segment: Segment | None, text: str) -> None:
    assert segment_text(segment) == text
