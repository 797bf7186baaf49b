"""Choices where the documentation is silent, and the observed variations."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from local.marketplace.catalog import WIRE


class OldAccepted(StrEnum):
    """What a repeated event answers once its hour is older than 24 h."""

    EXPIRED = "expired"
    DUPLICATE = "duplicate"


class EmptyQuantity(StrEnum):
    """How the quantity of a flat-rate subscription is written."""

    NULL = "null"
    ABSENT = "absent"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Behaviour that can be changed while running; the defaults are the worse of what is allowed.

    ``old_accepted``: Expired hides an earlier acceptance.
    ``vary_batches``: items answered in another order, timestamps with or without ``Z``.
    ``usage_before_activation``: accept hours that ended before the subscription began.
    ``plan_in_force``: refuse a planId the subscription did not have in that hour.
    ``report_delay_seconds``: how long GET usageEvents does not show an accepted event.
    ``recon_delay_seconds``: how long it shows one as Submitted.
    ``no_token_status``: status for a missing, unreadable or expired token (401 or 403).
    ``missing_term_dates``: subscriptions without start and end of their term.
    ``list_reinstate_only``: GET operations leaves out pending changes.
    """

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    old_accepted: OldAccepted = OldAccepted.EXPIRED
    vary_batches: bool = True
    usage_before_activation: bool = False
    plan_in_force: bool = False
    report_delay_seconds: float = 0
    recon_delay_seconds: float = 0
    no_token_status: int = 401
    missing_term_dates: bool = False
    empty_quantity: EmptyQuantity = EmptyQuantity.NULL
    list_reinstate_only: bool = False

    def __post_init__(self) -> None:
        if self.no_token_status not in (401, 403):
            raise ValueError("noTokenStatus is 401 or 403")
