"""Gives parked events another try once their account or meter may have appeared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched, islice

from shared.domain.errors import InvalidInput, MeteringError
from shared.domain.ids import AccountCode, is_code
from shared.domain.period import HOUR
from shared.domain.usage.event import EventKey, Outcome
from shared.ports import Clock, Message, Messages, ParkedPlace, Parking
from shared.services.ingest_usage import IngestUsage
from shared.services.runs import QUEUE

AT_ONCE = 1_000
OF_ACCOUNT = 2_000
"""So many events of one account are tried in one call, which takes a few seconds at most: a
customer's purchase may wait for it. The rest goes through the queue, as much at a time."""

MAX_EVENTS = 20_000
MAX_TIME = timedelta(minutes=5)
"""After so many events, or so long, no other account is begun: the next hour goes on."""

STRIDE = 7_919
"""Accounts by which an hour's beginning lies after that of the hour before; a prime, so that in
time every account comes first."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many parked events became usage, stay parked, or proved unusable; ``continued`` is of
    how many accounts the rest is tried through the queue."""

    stored: int = 0
    parked: int = 0
    refused: int = 0
    continued: int = 0

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.stored + other.stored,
            self.parked + other.parked,
            self.refused + other.refused,
            self.continued + other.continued,
        )


@dataclass(frozen=True, slots=True)
class ReplayParked:
    """Runs after an account or a catalogue was created, and with every hourly run."""

    parking: Parking
    ingest: IngestUsage
    messages: Messages
    clock: Clock

    def __call__(self, account: AccountCode | None = None) -> Replayed:
        """Try the parked events of ``account``, or of as many accounts as there is time for.

        Each is judged as of its first arrival and stored before it is dropped here, so a crash
        in between costs nothing: the second try finds a duplicate. One that proves invalid
        stays parked, where people see it. Events of an account that does not exist are counted
        and not read, so that invented ones take no time from the others. An account that fails
        does not stop the others; its error is raised when all are done.
        """
        began = self.clock.now()
        numbers = self.parking.accounts() if account is None else {account: 0}
        done = Replayed()
        tried = 0
        failures: list[MeteringError] = []
        for code in _in_turn(numbers, began):
            if tried >= MAX_EVENTS or self.clock.now() - began >= MAX_TIME:
                break
            try:
                if account is None and not self.ingest.knows(code):
                    done += Replayed(parked=numbers[code])
                    continue
                some = self._some(code, None)
            except MeteringError as exc:
                failures.append(exc)
            else:
                done += some
                tried += some.stored + some.parked + some.refused
        if failures:
            raise failures[0]
        return done

    def take(self, order: Mapping[str, object]) -> Replayed:
        """Go on where a call left an account. Raises ``InvalidInput`` for what is no order."""
        code = str(order["parked"])
        try:
            place = (date.fromisoformat(str(order["day"])), EventKey(str(order["key"])))
        except (KeyError, ValueError) as exc:
            raise InvalidInput("this message asks for no replay") from exc
        if not is_code(code):
            raise InvalidInput("this message asks for no replay")
        return self._some(AccountCode(code), place)

    def _some(self, code: AccountCode, after: ParkedPlace | None) -> Replayed:
        """Try the first ``OF_ACCOUNT`` events behind ``after``, and have the queue go on."""
        stored = parked = refused = tried = 0
        last = after
        events = islice(self.parking.of_account(code, after), OF_ACCOUNT)
        for some in batched(events, AT_ONCE, strict=False):
            results = self.ingest.again(some)
            settled = []
            for early, result in zip(some, results, strict=True):
                match result.outcome:
                    case Outcome.ACCEPTED | Outcome.DUPLICATE:
                        settled.append(early)
                    case Outcome.PARKED:
                        parked += 1
                    case Outcome.INVALID:
                        refused += 1
            self.parking.drop(settled)
            stored += len(settled)
            tried, last = tried + len(some), some[-1].place
        full = tried == OF_ACCOUNT
        if full and last is not None:
            day, key = last
            order = {"parked": code, "day": day.isoformat(), "key": key}
            self.messages.publish(QUEUE, [Message(json.dumps(order))])
        return Replayed(stored, parked, refused, int(full))


def _in_turn(accounts: Mapping[AccountCode, int], now: datetime) -> list[AccountCode]:
    """All of them, another one first every hour."""
    codes = sorted(accounts)
    hours = int(now.timestamp() // HOUR.total_seconds())
    first = hours * STRIDE % len(codes) if codes else 0
    return codes[first:] + codes[:first]
