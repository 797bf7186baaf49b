"""Gives parked events another try once their account or meter may have appeared."""

from dataclasses import dataclass

from shared.domain.ids import AccountCode
from shared.domain.usage.event import Outcome
from shared.ports import Parking
from shared.services.ingest_usage import IngestUsage


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many parked events became usage, stay parked, or proved unusable."""

    stored: int = 0
    parked: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ReplayParked:
    """Runs after an account or a catalogue was created, and with every hourly run."""

    parking: Parking
    ingest: IngestUsage

    def __call__(self, account: AccountCode | None = None) -> Replayed:
        """Try the parked events of ``account``, or of all accounts.

        Each is judged as of its first arrival and stored before it is dropped here, so a crash
        in between costs nothing: the second try finds a duplicate. One that proves invalid
        stays parked, where people see it.
        """
        accounts = self.parking.accounts() if account is None else {account}
        stored = parked = refused = 0
        for code in sorted(accounts):
            for early in list(self.parking.of_account(code)):
                result = self.ingest([early.event], early.received)[0]
                match result.outcome:
                    case Outcome.ACCEPTED | Outcome.DUPLICATE:
                        self.parking.drop(early)
                        stored += 1
                    case Outcome.PARKED:
                        parked += 1
                    case Outcome.INVALID:
                        refused += 1
        return Replayed(stored, parked, refused)
