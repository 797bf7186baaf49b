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
from shared.domain.ids import AccountCode
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
        found = self.accounts.attachments()
        attached = [(code, plan) for code, plan in found if step.after.knows(plan.plan)]
        faults: list[FieldError] = []
        if not withdraw and (step.removed or step.lost):
            gone = self._gone(step.since)
            staying = [(code, plan) for code, plan in attached if code not in gone]
            faults += removal_faults(step, holders_of(staying, step.since))
        if past:
            holders = holders_of(attached, step.since)
            faults += moved_faults(step, holders, now)
            faults += locked_faults(step, holders, self.accounts.locked_bills(), now)
        return faults

    def _gone(self, since: datetime) -> set[AccountCode]:
        """Accounts that nothing is billed for any more: they or their parents bought, and all of
        that has ended by then."""
        ended: dict[AccountCode, bool] = {}
        for code, sold in self.accounts.subscriptions():
            over = sold.end is not None and sold.end <= since
            ended[code] = ended.get(code, True) and over
        return {account.code for account in self.accounts.heads() if ended.get(account.root)}
