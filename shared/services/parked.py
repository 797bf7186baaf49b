"""Shows parked and refused input page by page, and drops what nobody will ever use."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched, islice

from shared.domain.ids import AccountCode
from shared.ports import Clock, ParkedEvent, ParkedPlace, Parking, Refusals, RefusedInput
from shared.services.chronicle import Chronicle

AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class BehindParked:
    """The place behind a parked event of ``account``."""

    account: AccountCode
    place: ParkedPlace


@dataclass(frozen=True, slots=True)
class BehindRefused:
    """The place behind refused input."""

    id: str


type Place = BehindParked | BehindRefused


@dataclass(frozen=True, slots=True)
class ParkedQuery:
    """What of it: at most ``limit`` items behind ``after``; of one account, parked events only."""

    account: AccountCode | None
    limit: int
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """Parked events by account, day and key, then refused input; ``after`` is where the next
    page begins, if there is one."""

    parked: tuple[ParkedEvent, ...]
    refused: tuple[RefusedInput, ...]
    after: Place | None


@dataclass(frozen=True, slots=True)
class ParkedInput:
    """Everything that waits for people."""

    parking: Parking
    refusals: Refusals
    clock: Clock
    chronicle: Chronicle

    def page(self, query: ParkedQuery) -> ParkedPage:
        """Some of it. What is parked or dropped meanwhile moves nothing else to another page."""
        found = list(islice(self._behind(query), query.limit + 1))
        shown = found[: query.limit]
        parked = tuple(item for item in shown if isinstance(item, ParkedEvent))
        refused = tuple(item for item in shown if isinstance(item, RefusedInput))
        return ParkedPage(parked, refused, _place(shown[-1]) if len(found) > len(shown) else None)

    def drop(self, account: AccountCode, actor: str) -> int:
        """Forget all parked events of an account code, as often as asked; returns how many."""
        self.chronicle.did(account, self.clock.now(), actor, "parked.dropped")
        return drop_all(self.parking, account)

    def _behind(self, query: ParkedQuery) -> Iterator[ParkedEvent | RefusedInput]:
        match query.after:
            case BehindRefused(id_):
                yield from self.refusals.all(id_)
                return
            case BehindParked(account, place):
                yield from self.parking.of_account(account, place)
                first: str = account
            case None:
                first = ""
        if query.account is not None:
            if query.after is None:
                yield from self.parking.of_account(query.account)
            return
        for code in sorted(code for code in self.parking.accounts() if code > first):
            yield from self.parking.of_account(code)
        yield from self.refusals.all()


def drop_all(parking: Parking, account: AccountCode) -> int:
    """Forget all parked events of an account; returns how many."""
    dropped = 0
    for some in batched(list(parking.of_account(account)), AT_ONCE, strict=False):
        parking.drop(some)
        dropped += len(some)
    return dropped


def _place(item: ParkedEvent | RefusedInput) -> Place:
    match item:
        case ParkedEvent():
            return BehindParked(item.event.account, item.place)
        case RefusedInput():
            return BehindRefused(item.id)
