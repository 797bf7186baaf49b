"""What every place for parked input keeps to."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from shared.domain.ids import AccountCode, shard_of
from shared.domain.usage.event import DataValue, canonical_payload, payload_hash
from shared.ports import Kept, KeptBefore, NoRoom, ParkedEvent, Parking, ParkingLimits
from shared.storage.parking import TableParking
from tests.contract.samples import ADA, BOB, LONG, NOON, at, event
from tests.fakes.parking import FakeParking

type Open = Callable[[ParkingLimits], Parking]


@pytest.fixture(params=["fake", "azurite"])
def opened(request: pytest.FixtureRequest) -> Open:
    if request.param == "fake":
        return FakeParking
    return partial(TableParking, request.getfixturevalue("tables"))


@pytest.fixture
def parking(opened: Open) -> Parking:
    return opened(ParkingLimits())


def parked(identity: str, account: AccountCode = ADA, *, stranger: bool = False) -> ParkedEvent:
    return ParkedEvent(event(identity, account), at(13, 7), "no account", stranger)


def before(one: ParkedEvent) -> KeptBefore:
    """The answer to whoever comes after ``one``."""
    return KeptBefore(payload_hash(canonical_payload(one.event)))


def ids(parking: Parking, account: AccountCode = ADA) -> set[str]:
    return {one.event.id for one in parking.of_account(account)}


def test_nothing_is_there_at_first(parking: Parking) -> None:
    assert parking.accounts() == {}
    assert list(parking.of_account(ADA)) == []
    assert parking.park([]) == []
    parking.drop([parked("1")])
    assert parking.accounts() == {}


def test_an_event_comes_back_as_it_was_parked(parking: Parking) -> None:
    data: dict[str, DataValue] = {"n": LONG, "name": "größe 🎈", "digits": "1.50"}
    one = ParkedEvent(event("ключ/1", data=data), at(13, 7), "kein Konto für „ada“")
    assert parking.park([one]) == [Kept()]
    assert list(parking.of_account(ADA)) == [one]
    assert parking.accounts() == {ADA: 1}


def test_what_is_parked_already_is_told_and_kept(parking: Parking) -> None:
    first = parked("1")
    other = ParkedEvent(event("1", data={"calls": Decimal(2)}), at(14), "later")
    parking.park([first])
    assert parking.park([parked("0"), other, first, parked("2")]) == [
        Kept(),
        before(first),
        before(first),
        Kept(),
    ]
    assert ids(parking) == {"0", "1", "2"}
    assert first in list(parking.of_account(ADA))


def test_an_event_that_comes_twice_in_a_call_is_parked_once(parking: Parking) -> None:
    one = parked("1")
    other = replace(one, event=event("1", data={"calls": Decimal(2)}))
    assert parking.park([one, one, other]) == [Kept(), before(one), before(one)]
    assert list(parking.of_account(ADA)) == [one]


def test_the_day_is_part_of_the_identity(parking: Parking) -> None:
    tomorrow = ParkedEvent(event("1", moment=NOON + timedelta(days=1)), at(13), "early")
    assert parking.park([parked("1"), tomorrow]) == [Kept(), Kept()]
    assert [one.event.time for one in parking.of_account(ADA)] == [NOON, NOON + timedelta(days=1)]


def test_accounts_are_kept_apart(parking: Parking) -> None:
    assert parking.park([parked("1"), parked("1", BOB), parked("2")]) == [Kept()] * 3
    assert parking.accounts() == {ADA: 2, BOB: 1}
    assert ids(parking, ADA) == {"1", "2"}
    assert ids(parking, BOB) == {"1"}
    parking.drop([parked("1", BOB)])
    assert parking.accounts() == {ADA: 2}


def test_a_dropped_event_can_be_parked_again(parking: Parking) -> None:
    parking.park([parked("1"), parked("2")])
    parking.drop([parked("1")])
    parking.drop([parked("1")])
    assert ids(parking) == {"2"}
    assert parking.park([parked("1")]) == [Kept()]


def test_more_than_a_transaction_takes_are_parked_at_once(parking: Parking) -> None:
    events = [parked(str(n), AccountCode(f"a{n % 2}")) for n in range(260)]
    assert parking.park(events) == [Kept()] * 260
    assert len(ids(parking, AccountCode("a0"))) == 130
    assert parking.park(events[250:]) == [before(one) for one in events[250:]]


def test_a_large_event_is_parked(parking: Parking) -> None:
    data: dict[str, DataValue] = {f"field{n:060}": "ü" * 512 for n in range(64)}
    one = ParkedEvent(event("x" * 256, data=data), at(13), "no meter")
    parking.park([one])
    assert list(parking.of_account(ADA)) == [one]


def test_many_are_dropped_at_once_and_missing_ones_cost_the_others_nothing(
    parking: Parking,
) -> None:
    events = [parked(str(n)) for n in range(120)]
    parking.park([*events[:50], *events[51:], parked("1", BOB)])
    parking.drop([])
    parking.drop([*events[:110], events[3], parked("never"), parked("1", BOB)])
    assert ids(parking) == {str(n) for n in range(110, 120)}
    assert parking.accounts() == {ADA: 10}


def test_events_come_in_order_from_any_place_on(parking: Parking) -> None:
    tomorrow = ParkedEvent(event("0", moment=NOON + timedelta(days=1)), at(13), "early")
    parking.park([tomorrow, *(parked(str(n)) for n in range(5)), parked("9", BOB)])
    every = list(parking.of_account(ADA))
    assert [one.place for one in every] == sorted(one.place for one in every)
    for number, one in enumerate(every, 1):
        assert list(parking.of_account(ADA, one.place)) == every[number:]
    parking.drop([every[2]])
    assert list(parking.of_account(ADA, every[2].place)) == every[3:]


def test_an_account_has_room_for_so_many(opened: Open) -> None:
    parking = opened(ParkingLimits(per_account=3))
    events = [parked(str(n)) for n in range(5)]
    assert parking.park([events[0], parked("0", BOB), *events[1:]]) == [
        *[Kept()] * 4,
        NoRoom.ACCOUNT,
        NoRoom.ACCOUNT,
    ]
    assert ids(parking) == {"0", "1", "2"}
    assert parking.park([events[4], events[0]]) == [NoRoom.ACCOUNT, before(events[0])]
    parking.drop([events[1]])
    assert parking.park([events[4], events[3]]) == [Kept(), NoRoom.ACCOUNT]
    assert parking.accounts() == {ADA: 3, BOB: 1}


def strangers(*codes: str) -> list[ParkedEvent]:
    return [parked("1", AccountCode(code), stranger=True) for code in codes]


def test_so_many_unknown_accounts_have_room(opened: Open) -> None:
    shard = shard_of(AccountCode("a1"))
    codes = [f"a{n}" for n in range(1, 200) if shard_of(AccountCode(f"a{n}")) == shard][:4]
    other = next(f"b{n}" for n in range(99) if shard_of(AccountCode(f"b{n}")) != shard)
    parking = opened(ParkingLimits(strangers=2))
    first, second, third, fourth = strangers(*codes)
    assert parking.park([first, second, third]) == [Kept(), Kept(), NoRoom.STRANGERS]
    assert parking.park([first, *strangers(other)]) == [before(first), Kept()]
    more = replace(first, event=event("2", first.event.account))
    assert parking.park([more]) == [Kept()]
    assert parking.park([replace(third, stranger=False)]) == [Kept()]
    parking.drop([second])
    assert parking.park([fourth]) == [Kept()]
    assert parking.park([second]) == [NoRoom.STRANGERS]


def test_unknown_accounts_have_room_for_so_many_events_together(opened: Open) -> None:
    shard = shard_of(AccountCode("a1"))
    one, two = [f"a{n}" for n in range(1, 200) if shard_of(AccountCode(f"a{n}")) == shard][:2]
    parking = opened(ParkingLimits(events_of_strangers=3))
    events = [parked(str(n), AccountCode(one), stranger=True) for n in range(2)]
    others = [parked(str(n), AccountCode(two), stranger=True) for n in range(3)]
    assert parking.park(events) == [Kept(), Kept()]
    assert parking.park(others) == [Kept(), NoRoom.STRANGERS, NoRoom.STRANGERS]
    assert parking.park([replace(others[1], stranger=False)]) == [Kept()]
    parking.drop(events)
    assert parking.park([replace(other, stranger=True) for other in others]) == [
        before(others[0]),
        before(others[1]),
        Kept(),
    ]


def test_events_parked_and_dropped_at_the_same_time_are_all_counted(parking: Parking) -> None:
    groups = [[parked(f"{n}-{k}") for k in range(3)] for n in range(8)]

    def come_and_go(number: int) -> None:
        parking.park(groups[number])
        if number % 2:
            parking.drop(groups[number][:2])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(8)))
    assert parking.accounts() == {ADA: 16} == {ADA: len(ids(parking))}
