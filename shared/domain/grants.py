"""What an account was granted or charged beside its plan: prepayments, credits, charges."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from shared.domain.catalog.charges import Due
from shared.domain.ids import ProductCode
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Prepayment:
    """An amount the customer has committed to, drawn down before credits (semantics, rule 13).

    Usable for usage in [start, end); ``products`` empty means all. Lower ``priority`` first,
    then the earliest end, then the earliest granted. Usage of those products in that time
    beyond ``amount`` bears ``overage_surcharge_percent``, which may be negative.
    """

    __pydantic_config__: ClassVar = WIRE

    id: str
    amount: Decimal
    start: datetime
    end: datetime | None = None
    granted: datetime | None = None
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    overage_surcharge_percent: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Credit:
    """An amount that pays bills in [start, end) until it is used up; never below zero.

    Drawn after prepayments, in the same order among themselves (semantics, rule 13).
    """

    __pydantic_config__: ClassVar = WIRE

    id: str
    amount: Decimal
    start: datetime
    end: datetime | None = None
    granted: datetime | None = None
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class AdHocCharge:
    """A single charge on an account, due at ``at`` (semantics, rule 27)."""

    __pydantic_config__: ClassVar = WIRE

    id: str
    at: datetime
    due: Due
    product: ProductCode | None = None
    description: str = ""
