"""Exchange rates: amounts of a billing period in another currency (semantics, rule 14b)."""

from datetime import date
from decimal import Decimal

from shared.domain.catalog.organization import MARKETPLACE_CURRENCY, Organization
from shared.domain.errors import InvalidInput
from shared.domain.money import CONTEXT, ONE, floor_to, minor_digits, round_half_up


def exchange_rate(organization: Organization, from_: str, to: str, day: date) -> Decimal:
    """Units of ``to`` for one of ``from_``, fixed for a billing period that begins on ``day``.

    Raises ``InvalidInput`` when no rate had come into force by then.
    """
    if from_ == to:
        return ONE
    return CONTEXT.divide(_dollars(organization, from_, day), _dollars(organization, to, day))


def to_dollars(organization: Organization, currency: str, day: date) -> Decimal:
    """US dollars for one unit of ``currency``; raises as ``exchange_rate``."""
    return exchange_rate(organization, currency, MARKETPLACE_CURRENCY, day)


def converted(amount: Decimal, rate: Decimal, currency: str, *, closed: bool) -> Decimal:
    """``amount`` at ``rate`` in minor units of ``currency``: floored while the period is open,
    rounded half up once it is closed, so that it never falls. Not touched at a rate of one."""
    if rate == ONE:
        return amount
    rounding = round_half_up if closed else floor_to
    return rounding(CONTEXT.multiply(amount, rate), minor_digits(currency))


def _dollars(organization: Organization, currency: str, day: date) -> Decimal:
    rate = organization.rate_on(currency, day)
    if rate is None:
        raise InvalidInput(f"there is no exchange rate for {currency} on {day:%Y-%m-%d}")
    return rate
