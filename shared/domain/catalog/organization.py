"""The publisher: the name, time zone and currencies that everything else inherits."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import ClassVar, assert_never

from shared.domain.catalog.custom import CustomFields
from shared.domain.period import Frequency
from shared.domain.wire import WIRE

MARKETPLACE_CURRENCY = "USD"
"""Listings with metered dimensions bill in US dollars only (semantics, rule 24)."""


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """From midnight of ``from_`` on, one unit of ``currency`` is worth ``rate`` US dollars."""

    __pydantic_config__: ClassVar = WIRE

    currency: str
    rate: Decimal
    from_: date


@dataclass(frozen=True, slots=True)
class Epochs:
    """Where billing periods are counted from, by frequency; without one, ``epoch`` holds."""

    __pydantic_config__: ClassVar = WIRE

    day: date | None = None
    week: date | None = None
    month: date | None = None
    year: date | None = None


@dataclass(frozen=True, slots=True)
class BillNumber:
    """How bills are numbered: ``prefix``, then a number of at least ``digits`` digits."""

    __pydantic_config__: ClassVar = WIRE

    prefix: str = ""
    digits: int = 6
    start: int = 1

    def text(self, number: int) -> str:
        """A number as it stands on a bill."""
        return f"{self.prefix}{number:0{self.digits}d}"


@dataclass(frozen=True, slots=True)
class Organization:
    """Defaults of the whole catalogue. ``currency`` is ISO 4217, ``time_zone`` an IANA name.

    Billing periods are counted from midnight of ``epoch``, or of the frequency's own one in
    ``epochs`` (semantics, rule 17). ``bill_grace_hours`` pass after a period's end before its bill
    is made final; ``usage_grace_hours`` after a subscription's end before its last submission.
    """

    __pydantic_config__: ClassVar = WIRE

    name: str
    time_zone: str = "UTC"
    currency: str = MARKETPLACE_CURRENCY
    epoch: date = date(2000, 1, 1)
    epochs: Epochs = Epochs()
    exchange_rates: tuple[ExchangeRate, ...] = ()
    bill_grace_hours: int | None = None
    usage_grace_hours: int | None = None
    bill_number: BillNumber | None = None
    custom: CustomFields = field(default_factory=dict)

    def anchor(self, frequency: Frequency) -> date:
        """Where periods of ``frequency`` are counted from."""
        own = self.epochs
        match frequency:
            case Frequency.DAILY:
                return own.day or self.epoch
            case Frequency.WEEKLY:
                return own.week or self.epoch
            case Frequency.MONTHLY:
                return own.month or self.epoch
            case Frequency.ANNUALLY:
                return own.year or self.epoch
            case _:
                assert_never(frequency)

    def rate_on(self, currency: str, day: date) -> Decimal | None:
        """US dollars for one unit of ``currency`` on ``day``; ``None`` when none is configured."""
        if currency == MARKETPLACE_CURRENCY:
            return Decimal(1)
        return _latest((r for r in self.exchange_rates if r.currency == currency), day)

    def currencies(self) -> set[str]:
        """Currencies that amounts can be converted from."""
        return {MARKETPLACE_CURRENCY} | {rate.currency for rate in self.exchange_rates}


def _latest(rates: Iterable[ExchangeRate], day: date) -> Decimal | None:
    begun = [rate for rate in rates if rate.from_ <= day]
    return max(begun, key=lambda rate: rate.from_).rate if begun else None
