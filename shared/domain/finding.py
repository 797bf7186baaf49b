"""A finding: something that does not add up and that people should look at."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FindingKind(StrEnum):
    """What was found."""

    QUANTITY_DIFFERS = "quantity-differs"
    """The Marketplace holds another quantity for an hour than was sent."""
    UNCERTAIN = "uncertain"
    """Whether an hour was accepted is not known and waits for the usage report."""
    WRITTEN_OFF = "written-off"
    """Usage that can no longer be charged."""
    REPORT_MISMATCH = "report-mismatch"
    """The Marketplace's sum of a day is not ours."""
    FOLD_BEHIND = "fold-behind"
    """The audit found usage that no run had folded."""
    ACCOUNT_FAILED = "account-failed"
    """An account could not be rated or billed."""
    NEVER_ACTIVATED = "never-activated"
    """A purchase that nobody has activated yet; Microsoft cancels it after 30 days."""
    NOT_ADOPTED = "not-adopted"
    """A subscription that is active at the Marketplace and has no account here."""
    UNPRICED_PLAN = "unpriced-plan"
    """A customer is on a Marketplace plan that the catalogue has no price list for."""
    NOT_FORWARDED = "not-forwarded"
    """A lifecycle event that the publisher's endpoint did not take."""
    NOT_RECONCILED = "not-reconciled"
    """A subscription that could not be brought in line with the Marketplace."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``subject`` names what it is about; kind and subject together identify it."""

    kind: FindingKind
    subject: str
    detail: str
    at: datetime
