"""Faults of the organization and of custom fields."""

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom import custom_faults
from shared.domain.catalog.organization import MARKETPLACE_CURRENCY, ExchangeRate, Organization
from shared.domain.errors import FieldError
from shared.domain.rating.charge import fault_of_price

_CURRENCY = re.compile(r"[A-Z]{3}")
_YEARS = range(1900, 2201)
MAX_GRACE_HOURS = 20
"""The Marketplace takes an hour for 24 hours after it (semantics, rule 22)."""


def organization_faults(catalog: Catalog) -> Iterator[FieldError]:
    """What is wrong with the organization and with custom fields of products."""
    organization = catalog.organization
    place = "/organization"
    if (fault := fault_of_zone(organization.time_zone)) is not None:
        yield FieldError(f"{place}/timeZone", fault)
    yield from currency_faults(f"{place}/currency", organization.currency, organization)
    yield from _epoch_faults(organization)
    yield from _rate_faults(organization)
    yield from _grace_faults(organization)
    yield from custom_faults(f"{place}/custom", organization.custom)
    for index, product in enumerate(catalog.products):
        yield from custom_faults(f"/products/{index}/custom", product.custom)


def fault_of_zone(zone: str) -> str | None:
    """Why ``zone`` is no time zone, or ``None``."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return f"{zone[:64]} is not an IANA time zone such as Europe/Berlin"
    return None


def currency_faults(
    pointer: str, currency: str, organization: Organization
) -> Iterator[FieldError]:
    """Why amounts in ``currency`` cannot be billed (semantics, rule 24)."""
    if not _CURRENCY.fullmatch(currency):
        yield FieldError(pointer, f"{currency[:16]!r} is no ISO 4217 code such as USD")
    elif currency not in organization.currencies():
        yield FieldError(
            pointer,
            f"the Marketplace bills metered dimensions in {MARKETPLACE_CURRENCY} only; give an "
            f"exchange rate for {currency} in /organization/exchangeRates, or use "
            f"{MARKETPLACE_CURRENCY}",
        )


def _epoch_faults(organization: Organization) -> Iterator[FieldError]:
    epochs = organization.epochs
    dates = {
        "/organization/epoch": organization.epoch,
        "/organization/epochs/day": epochs.day,
        "/organization/epochs/week": epochs.week,
        "/organization/epochs/month": epochs.month,
        "/organization/epochs/year": epochs.year,
    }
    for pointer, day in dates.items():
        if day is not None and day.year not in _YEARS:
            yield FieldError(pointer, "is out of range; give a day from 1900 to 2200")


def _rate_faults(organization: Organization) -> Iterator[FieldError]:
    seen: set[tuple[str, object]] = set()
    for index, rate in enumerate(organization.exchange_rates):
        place = f"/organization/exchangeRates/{index}"
        yield from _one_rate_faults(place, rate)
        if (rate.currency, rate.from_) in seen:
            message = f"{rate.currency} has another rate from {rate.from_} on; keep one"
            yield FieldError(f"{place}/from", message)
        seen.add((rate.currency, rate.from_))


def _one_rate_faults(place: str, rate: ExchangeRate) -> Iterator[FieldError]:
    if not _CURRENCY.fullmatch(rate.currency):
        yield FieldError(f"{place}/currency", "must be an ISO 4217 code such as EUR")
    elif rate.currency == MARKETPLACE_CURRENCY:
        message = f"rates say how many {MARKETPLACE_CURRENCY} another currency is worth"
        yield FieldError(f"{place}/currency", message)
    fault = fault_of_price(rate.rate)
    if fault is not None or not rate.rate:
        yield FieldError(f"{place}/rate", fault or "is 0; give a rate above 0")


def _grace_faults(organization: Organization) -> Iterator[FieldError]:
    bill, usage = organization.bill_grace_hours, organization.usage_grace_hours
    if bill is not None and not 0 <= bill <= 24 * 60:
        yield FieldError("/organization/billGraceHours", "must be 0 to 1440 hours")
    if usage is not None and not 0 <= usage <= MAX_GRACE_HOURS:
        message = f"must be 0 to {MAX_GRACE_HOURS} hours: the Marketplace takes late hours for 24"
        yield FieldError("/organization/usageGraceHours", message)
    number = organization.bill_number
    if number is not None:
        if not 1 <= number.digits <= 12:
            yield FieldError("/organization/billNumber/digits", "must be 1 to 12")
        if not 0 <= number.start < 10**12:
            yield FieldError("/organization/billNumber/start", "must be 0 or more")
        if len(number.prefix) > 32:
            yield FieldError("/organization/billNumber/prefix", "must have at most 32 characters")
