"""What every place for parked input keeps to."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.ids import AccountCode
from shared.domain.usage.event import DataValue, canonical_payload, payload_hash
from shared.ports import ParkedEvent, Parking
from shared.storage.parking import TableParking
from tests.contract.samples import ADA, BOB, LONG, NOON, at, event
from tests.fakes.parking import FakeParking


@pytest.fixture(params=["fake", "azurite"])
def parking(request: pytest.FixtureRequest) -> Parking:
    if request.param == "fake":
        return FakeParking()
    return TableParking(request.getfixturevalue("tables"))


def parked(identity: str, account: AccountCode = ADA, reason: str = "no account") -> ParkedEvent:
    return ParkedEvent(event(identity, account), at(13, 7), reason)


def hash_of(one: ParkedEvent) -> str:
    return payload_hash(canonical_payload(one.event))


def ids(parking: Parking, account: AccountCode = ADA) -> set[str]:
    return {one.event.id for one in parking.of_account(account)}


def test_nothing_is_there_at_first(parking: Parking) -> None:
    assert parking.accounts() == set()
    assert list(parking.of_account(ADA)) == []
    assert parking.park([]) == []
    parking.drop(parked("1"))
    assert parking.accounts() == set()


def test_an_event_comes_back_as_it_was_parked(parking: Parking) -> None:
    data: dict[str, DataValue] = {"n": LONG, "name": "größe 🎈", "digits": "1.50"}
    one = ParkedEvent(event("ключ/1", data=data), at(13, 7), "kein Konto für „ada“")
    assert parking.park([one]) == [None]
    assert list(parking.of_account(ADA)) == [one]
    assert parking.accounts() == {ADA}


def test_what_is_parked_already_is_told_and_kept(parking: Parking) -> None:
    first = parked("1")
    other = ParkedEvent(event("1", data={"calls": Decimal(2)}), at(14), "later")
    parking.park([first])
    assert parking.park([parked("0"), other, first, parked("2")]) == [
        None,
        hash_of(first),
        hash_of(first),
        None,
    ]
    assert ids(parking) == {"0", "1", "2"}
    assert first in list(parking.of_account(ADA))


def test_an_event_that_comes_twice_in_a_call_is_parked_once(parking: Parking) -> None:
    one = parked("1")
    other = replace(one, event=event("1", data={"calls": Decimal(2)}))
    assert parking.park([one, one, other]) == [None, hash_of(one), hash_of(one)]
    assert list(parking.of_account(ADA)) == [one]


def test_the_day_is_part_of_the_identity(parking: Parking) -> None:
    tomorrow = ParkedEvent(event("1", moment=NOON + timedelta(days=1)), at(13), "early")
    assert parking.park([parked("1"), tomorrow]) == [None, None]
    assert [one.event.time for one in parking.of_account(ADA)] == [NOON, NOON + timedelta(days=1)]


def test_accounts_are_kept_apart(parking: Parking) -> None:
    assert parking.park([parked("1"), parked("1", BOB), parked("2")]) == [None] * 3
    assert parking.accounts() == {ADA, BOB}
    assert ids(parking, ADA) == {"1", "2"}
    assert ids(parking, BOB) == {"1"}
    parking.drop(parked("1", BOB))
    assert parking.accounts() == {ADA}


def test_a_dropped_event_can_be_parked_again(parking: Parking) -> None:
    parking.park([parked("1"), parked("2")])
    parking.drop(parked("1"))
    parking.drop(parked("1"))
    assert ids(parking) == {"2"}
    assert parking.park([parked("1")]) == [None]


def test_more_than_a_transaction_takes_are_parked_at_once(parking: Parking) -> None:
    events = [parked(str(n), AccountCode(f"a{n % 2}")) for n in range(260)]
    assert parking.park(events) == [None] * 260
    assert len(ids(parking, AccountCode("a0"))) == 130
    assert parking.park(events[250:]) == [hash_of(one) for one in events[250:]]


def test_a_large_event_is_parked(parking: Parking) -> None:
    data: dict[str, DataValue] = {f"field{n:060}": "ü" * 512 for n in range(64)}
    one = ParkedEvent(event("x" * 256, data=data), at(13), "no meter")
    parking.park([one])
    assert list(parking.of_account(ADA)) == [one]
