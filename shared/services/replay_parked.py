"""Gives parked events another try once their account or meter may have appeared."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from shared.domain.errors import MeteringError
from shared.domain.ids import AccountCode
from shared.domain.period import HOUR
from shared.domain.usage.event import Outcome
from shared.ports import Clock, Parking
from shared.services.ingest_usage import IngestUsage

AT_ONCE = 1_000
MAX_EVENTS = 20_000
MAX_TIME = timedelta(minutes=5)
"""After so many events, or so long, no other account is begun: the next hour goes on."""

STRIDE = 7_919
"""Accounts by which an hour's beginning lies after that of the hour before; a prime, so that in
time every account comes first."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many parked events became usage, stay parked, or proved unusable."""

    stored: int = 0
    parked: int = 0
    refused: int = 0

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(
            self.stored + other.stored, self.parked + other.parked, self.refused + other.refused
        )

    @property
    def events(self) -> int:
        """How many were tried."""
        return self.stored + self.parked + self.refused


@dataclass(frozen=True, slots=True)
class ReplayParked:
    """Runs after an account or a catalogue was created, and with every hourly run."""

    parking: Parking
    ingest: IngestUsage
    clock: Clock

    def __call__(self, account: AccountCode | None = None) -> Replayed:
        """Try the parked events of ``account``, or of as many accounts as there is time for.

        Each is judged as of its first arrival and stored before it is dropped here, so a crash
        in between costs nothing: the second try finds a duplicate. One that proves invalid
        stays parked, where people see it. An account that fails does not stop the others; its
        error is raised when all are done.
        """
        began = self.clock.now()
        accounts = self._in_turn(began) if account is None else [account]
        done = Replayed()
        failures: list[MeteringError] = []
        for code in accounts:
            if done.events >= MAX_EVENTS or self.clock.now() - began >= MAX_TIME:
                break
            try:
                done += self._account(code)
            except MeteringError as exc:
                failures.append(exc)
        if failures:
            raise failures[0]
        return done

    def _in_turn(self, now: datetime) -> list[AccountCode]:
        """All accounts with parked events, another one first every hour."""
        accounts = sorted(self.parking.accounts())
        hours = int(now.timestamp() // HOUR.total_seconds())
        first = hours * STRIDE % len(accounts) if accounts else 0
        return accounts[first:] + accounts[:first]

    def _account(self, code: AccountCode) -> Replayed:
        stored = parked = refused = 0
        for some in batched(self.parking.of_account(code), AT_ONCE, strict=False):
            results = self.ingest.again(some)
            for early, result in zip(some, results, strict=True):
                match result.outcome:
                    case Outcome.ACCEPTED | Outcome.DUPLICATE:
                        self.parking.drop(early)
                        stored += 1
                    case Outcome.PARKED:
                        parked += 1
                    case Outcome.INVALID:
                        refused += 1
        return Replayed(stored, parked, refused)
