"""Looks at the accounts that a new version of the catalogue would meet."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.catalog.impact import (
    Step,
    holders_of,
    locked_faults,
    moved_faults,
    removal_faults,
)
from shared.domain.errors import FieldError
from shared.ports import Accounts


@dataclass(frozen=True, slots=True)
class CheckImpact:
    """Reads accounts only where a version takes something out or begins in the past, because it
    reads all of them."""

    accounts: Accounts

    def __call__(self, step: Step, now: datetime, *, withdraw: bool) -> list[FieldError]:
        """Why the version cannot be: what accounts have would be gone, unless they are to keep it
        (``withdraw``), what is billed would be billed again, or locked bills would be untrue."""
        past = step.since < now
        if not past and (withdraw or not (step.removed or step.lost)):
            return []
        attached = list(self.accounts.attachments())
        holders = holders_of(attached, step.since)
        faults = [] if withdraw else list(removal_faults(step, holders))
        if past:
            faults += moved_faults(step, holders, now)
            faults += locked_faults(step, holders, self.accounts.locked_bills(), now)
        return faults
