"""The publisher: the name, time zone and currency that everything else inherits."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Organization:
    """Defaults of the whole catalogue. ``currency`` is ISO 4217, ``time_zone`` an IANA name.

    Billing periods are counted from midnight of ``epoch`` (semantics, rule 17).
    """

    __pydantic_config__: ClassVar = WIRE

    name: str
    time_zone: str = "UTC"
    currency: str = "USD"
    epoch: date = date(2000, 1, 1)
