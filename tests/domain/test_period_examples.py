"""Examples of billing periods published by other systems, by our cadences.

Two differ by rule: one system sends its first bill at the epoch itself and bills what came before
it there, while ours has a period that ends at the epoch (rule 17 counts both ways from it); the
figures of the weekly fees are the days they are prorated by (rule 12).
"""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.domain.period import Cadence, Frequency

type Example = dict[str, Any]

EXAMPLES: list[Example] = json.loads(
    Path(__file__).with_name("period_examples.json").read_text("utf-8")
)


def named(key: str) -> list[Any]:
    return [pytest.param(e, id=e["id"]) for e in EXAMPLES if key in e]


def cadence_of(example: Example) -> Cadence:
    return Cadence(
        Frequency(example["frequency"]),
        example.get("interval", 1),
        date.fromisoformat(example["anchor"]),
        example.get("zone", "UTC"),
    )


def midnight(day: str, cadence: Cadence) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(cadence.zone))


def test_every_example_is_used_once() -> None:
    kinds = ("boundaries", "local", "count", "starts", "renewals")
    assert sum(len(named(kind)) for kind in kinds) == len({e["id"] for e in EXAMPLES}) == 15


@pytest.mark.parametrize("example", named("boundaries"))
def test_boundaries(example: Example) -> None:
    cadence = cadence_of(example)
    expected = [midnight(day, cadence) for day in example["boundaries"]]
    periods = list(cadence.periods(expected[0], expected[-1]))
    assert [period.start for period in periods] == expected[:-1]
    assert [period.end for period in periods] == expected[1:]


@pytest.mark.parametrize("example", named("local"))
def test_events_of_local_time_fall_into_local_periods(example: Example) -> None:
    cadence = cadence_of(example)
    for start, moments in example["local"].items():
        for moment in moments:
            assert cadence.period_at(midnight(moment, cadence)).start == midnight(start, cadence)


@pytest.mark.parametrize("example", named("count"))
def test_number_of_local_days(example: Example) -> None:
    cadence, span = cadence_of(example), example["count"]
    first = datetime.fromisoformat(span["from"])
    if "week" in span:
        last = midnight(span["week"], cadence) + timedelta(days=7)
    else:
        last = datetime.fromisoformat(span["until"])
    assert len(list(cadence.periods(first, last))) == span["periods"]


@pytest.mark.parametrize("example", named("starts"))
def test_the_local_day_of_an_instant(example: Example) -> None:
    cadence = cadence_of(example)
    period = cadence.period_at(datetime.fromisoformat(example["moment"]))
    assert period.start == midnight(example["starts"], cadence)


@pytest.mark.parametrize("example", named("renewals"))
def test_renewals(example: Example) -> None:
    cadence = cadence_of(example)
    for before, after, renewed in example["renewals"]:
        old = cadence.period_at(datetime.fromisoformat(before))
        new = cadence.period_at(datetime.fromisoformat(after))
        assert (old != new) is renewed
        assert not renewed or old.end == new.start
