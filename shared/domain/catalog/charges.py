"""What a plan costs besides usage: standing charges, minimum, free trial, scheduled charges."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from shared.domain.ids import DimensionId
from shared.domain.period import Frequency
from shared.domain.wire import WIRE, Tagged


class Timing(StrEnum):
    """Whether a charge falls due when its period begins or when it ends."""

    IN_ADVANCE = "IN_ADVANCE"
    ARREARS = "ARREARS"


@dataclass(frozen=True, slots=True)
class StandingCharge:
    """``amount`` every ``interval`` periods of ``frequency`` (else of the plan's), the first
    one ``offset`` periods after the plan begins (semantics, rule 11)."""

    __pydantic_config__: ClassVar = WIRE

    amount: Decimal
    frequency: Frequency | None = None
    interval: int = 1
    offset: int = 0
    timing: Timing = Timing.ARREARS
    description: str = ""


@dataclass(frozen=True, slots=True)
class MinimumSpend:
    """The least a billing period's usage costs, before credits (semantics, rules 10 and 14a)."""

    __pydantic_config__: ClassVar = WIRE

    amount: Decimal
    description: str = ""


@dataclass(frozen=True, slots=True)
class FreeTrial:
    """Usage of the first ``days`` days is shown and not priced (semantics, rule 14)."""

    __pydantic_config__: ClassVar = WIRE

    days: int


@dataclass(frozen=True, slots=True)
class Due:
    """What a scheduled charge asks for: an ``amount`` of a plan billed by amount, or a
    ``quantity`` of a ``dimension`` of a plan billed by quantity."""

    __pydantic_config__: ClassVar = WIRE

    amount: Decimal | None = None
    dimension: DimensionId | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Upfront:
    """Due once, within the hour in which the plan begins."""

    __pydantic_config__: ClassVar = WIRE

    code: str
    due: Due
    description: str = ""
    kind: Literal["UPFRONT"] = "UPFRONT"


@dataclass(frozen=True, slots=True)
class Milestone:
    """Due once, on a date or a number of days after the plan begins."""

    __pydantic_config__: ClassVar = WIRE

    code: str
    due: Due
    on: date | None = None
    after_days: int | None = None
    description: str = ""
    kind: Literal["MILESTONE"] = "MILESTONE"


class Recurrence(StrEnum):
    """How often a recurring charge falls due."""

    HOURLY = "HOURLY"
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class Recurring:
    """Due again and again while the plan is attached."""

    __pydantic_config__: ClassVar = WIRE

    code: str
    due: Due
    every: Recurrence
    interval: int = 1
    description: str = ""
    kind: Literal["RECURRING"] = "RECURRING"


type ScheduledCharge = Annotated[
    Upfront | Milestone | Recurring, Tagged("kind", Upfront, Milestone, Recurring)
]
"""Charges of a plan that fall due by time (semantics, rule 27); one-time charges on a single
account hang on the account."""
