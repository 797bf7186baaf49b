"""Stored forms: everything comes back as it was."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import AccountCode, MeterCode
from shared.domain.metering.submission import Submission, SubmissionState
from shared.domain.usage.event import UsageEvent, canonical_payload
from shared.domain.usage.partial import Partial
from shared.storage import mapping
from shared.storage.limits import PROPERTY_BYTES, utf16_bytes
from tests.contract.samples import ADA, LONG, at, ledger_key, submission

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
numbers = st.decimals(-(10**14), 10**14, places=9)
events = st.builds(
    UsageEvent,
    id=texts,
    account=st.just(AccountCode("ada")),
    meter=st.just(MeterCode("m")),
    time=st.datetimes(
        datetime(2026, 1, 1),  # noqa: DTZ001 - the bounds of the strategy are naive
        datetime(2027, 1, 1),  # noqa: DTZ001 - as above
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))]),
    ),
    data=st.dictionaries(texts, texts | numbers, max_size=5),
    source=texts,
)


@given(events)
def test_an_event_comes_back_as_it_was(event: UsageEvent) -> None:
    found = mapping.event_from(mapping.event_text(event))
    assert found == event
    assert canonical_payload(found) == canonical_payload(event)
    assert found.key == event.key
    assert found.day == event.day


@given(st.lists(events, max_size=4), st.integers(0, 3))
def test_a_partial_comes_back_as_it_was(made: list[UsageEvent], generation: int) -> None:
    partial = Partial(generation=generation)
    for event in made:
        partial.add(event, frozenset(list(event.data)[:1]))
    assert mapping.partial_from(mapping.partial_text(partial)) == partial


@pytest.mark.parametrize("character", ["x", "ü", "🎈"])
@pytest.mark.parametrize("characters", [0, 1, 16_384, 16_385, 32_768, 32_769, 300_000])
def test_text_of_any_length_fits_in_properties(character: str, characters: int) -> None:
    text = character * characters
    packed = mapping.pack("body", text)
    assert mapping.unpack(packed, "body") == text
    readable = utf16_bytes(text) <= PROPERTY_BYTES
    assert list(packed) == ["body"] if readable else ["body_0"]


def test_bytes_are_split_over_as_many_properties_as_needed() -> None:
    data = bytes(range(256)) * 600
    packed = mapping.pack_bytes("cell", data)
    assert [len(str(name)) for name in packed] == [6, 6, 6]
    assert mapping.unpack_bytes(packed, "cell") == data


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        mapping.unpack({"other": "x"}, "body")
    with pytest.raises(KeyError):
        mapping.text_of({}, "body")
    with pytest.raises(ValueError, match="text"):
        mapping.text_of({"body": b"x"}, "body")


def test_a_submission_comes_back_digit_by_digit() -> None:
    stored = Submission(
        ledger_key(plan="gold"),
        ADA,
        at(3),
        at(3, 17),
        "größe",
        Decimal("1.50"),
        SubmissionState.HELD,
        attempts=3,
        billed=LONG,
        reason='"why" 🎈',
        not_before=at(4),
        usage_event_id="x",
        final=True,
    )
    found = mapping.from_stored(Submission, mapping.to_stored(stored))
    assert found == stored
    assert (str(found.quantity), str(found.billed)) == ("1.50", str(LONG))
    assert '"1.50"' in mapping.to_stored(stored)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"key": 1}'])
def test_what_is_no_submission_is_refused(text: str) -> None:
    assert mapping.from_stored(Submission, mapping.to_stored(submission())) == submission()
    with pytest.raises(ValueError, match="validation error"):
        mapping.from_stored(Submission, text)
