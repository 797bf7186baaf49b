"""What every place for refused input keeps to."""

from dataclasses import replace

import pytest

from shared.domain.errors import FieldError
from shared.ports import Refusals, RefusedInput
from shared.storage.refusals import TableRefusals
from tests.contract.samples import NOON
from tests.fakes.refusals import FakeRefusals


@pytest.fixture(params=["fake", "azurite"])
def refusals(request: pytest.FixtureRequest) -> Refusals:
    if request.param == "fake":
        return FakeRefusals()
    return TableRefusals(request.getfixturevalue("tables"))


def refused(identity: str, body: str = "{}") -> RefusedInput:
    errors = (FieldError("/id", "is required"), FieldError("", "größe 🎈"))
    return RefusedInput(identity, NOON, body, errors)


def kept(refusals: Refusals) -> dict[str, RefusedInput]:
    return {item.id: item for item in refusals.all()}


def test_nothing_is_there_at_first(refusals: Refusals) -> None:
    assert kept(refusals) == {}
    refusals.keep([])
    refusals.drop("1")
    assert kept(refusals) == {}


def test_refused_input_comes_back_as_it_was_kept(refusals: Refusals) -> None:
    items = [refused("1", "not \x00 even / JSON 🎈"), refused("2", "ü" * 200_000)]
    refusals.keep(items)
    assert kept(refusals) == {item.id: item for item in items}


def test_what_is_kept_already_stays_as_it_is(refusals: Refusals) -> None:
    refusals.keep([refused("1")])
    refusals.keep([replace(refused("1"), body="other"), refused("2")])
    assert kept(refusals) == {"1": refused("1"), "2": refused("2")}


def test_what_is_dropped_is_gone(refusals: Refusals) -> None:
    refusals.keep([refused("1"), refused("2")])
    refusals.drop("1")
    refusals.drop("1")
    assert kept(refusals) == {"2": refused("2")}
