"""Tells calls and answers in few words, for the trace of a failing history."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.account import AccountRecord
from shared.domain.metering.ledger import LedgerRow
from shared.domain.metering.submission import Submission
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import (
    AgendaEntry,
    DayKey,
    DropAgenda,
    EventRow,
    Mark,
    PartialKey,
    PutAgenda,
    PutRow,
    PutSubmission,
    UsageBatch,
    UsageDay,
    Versioned,
)

WIDTH = 400


def brief(value: object) -> str:
    """``value`` in at most ``WIDTH`` characters; GUIDs lose their zeros, times their year."""
    return _tell(value).replace("00000000-0000-4000-8000-00000000", "…")[:WIDTH]


def _tell(value: object) -> str:  # noqa: C901 - one line a type is easiest to read
    match value:
        case StrEnum():
            return value.value
        case datetime():
            return f"{value:%d·%H:%M}"
        case date():
            return f"{value:%m-%d}"
        case None | str() | int() | float() | Decimal():
            return str(value)
        case Versioned(inner, etag):
            return f"{_tell(inner)}@{etag}"
        case Submission():
            return (
                f"S({value.account} {_tell(value.hour)} {value.quantity} {value.state} "
                f"attempts={value.attempts} billed={value.billed} {value.reason})"
            )
        case LedgerRow():
            return (
                f"L({value.account} rated={value.rated} committed={value.committed} "
                f"open={_tell(value.open_hour)} lost={value.written_off} "
                f"refunded={value.refunded} flushed={value.flushed})"
            )
        case PutRow(row, _):
            return f"put {_tell(row)}"
        case PutSubmission(submission, _):
            return f"put {_tell(submission)}"
        case PutAgenda(entry):
            return f"put {_tell(entry)}"
        case DropAgenda(entry):
            return f"drop {_tell(entry)}"
        case AgendaEntry(due, account):
            return f"A({account} {_tell(due)})"
        case AccountRecord():
            return f"account {value.account.code} {_tell(value.subscription)}"
        case UsageEvent():
            return f"{value.id}({value.account} {value.meter} {_tell(value.time)})"
        case EventRow():
            return _tell(value.event)
        case Mark():
            return f"C({_tell(value.arrival_hour)} {value.account} {_tell(value.event_hour)})"
        case PartialKey():
            return f"P({value.account} {_tell(value.cell)} {value.meter})"
        case DayKey():
            return f"D({value.account} {_tell(value.day)} {value.meter})"
        case UsageDay():
            return _tell(value.cells)
        case Partial():
            return f"{value.events} events"
        case UsageBatch():
            events, marks = _tell(value.events), _tell(value.marks)
            return f"{_tell(value.day)} {value.writer} {events} {marks}"
        case Mapping():
            return "{" + ", ".join(f"{_tell(k)}: {_tell(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_tell, value)) + "]"
        case set() | frozenset():
            return "{" + ", ".join(sorted(map(_tell, value))) + "}"
        case _:
            return str(value)
