"""A usage event: what a product backend reports, its identity, and what may become of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from json.encoder import encode_basestring
from typing import NewType

from shared.domain.ids import AccountCode, MeterCode
from shared.domain.money import to_text
from shared.domain.period import day_of, utc_text

type DataValue = Decimal | str

quoted = encode_basestring
"""A text as JSON has it, between quotation marks."""

EventKey = NewType("EventKey", str)
"""Hash of (source, id); with account and UTC day it is the event's identity."""

ACCEPTED_AHEAD = timedelta(minutes=5)
ACCEPTED_BACK = timedelta(days=40)
"""Events are taken from 40 days back to 5 minutes ahead (semantics, rule 18)."""

MAX_ID = 256
MAX_TEXT = 512
MAX_FIELDS = 64


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One measured fact: at ``time``, ``account`` used ``meter`` with these ``data`` values."""

    id: str
    account: AccountCode
    meter: MeterCode
    time: datetime
    data: Mapping[str, DataValue]
    source: str = ""

    @property
    def day(self) -> date:
        """The UTC day of the event: part of its identity and the name of its table."""
        return day_of(self.time)

    @property
    def key(self) -> EventKey:
        """Hash of source and id. The length prefix keeps ("ab","c") apart from ("a","bc")."""
        text = f"{len(self.source)}|{self.source}{self.id}"
        return EventKey(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


def canonical_payload(event: UsageEvent) -> str:
    """The event's contents in one spelling: equal payloads give equal text.

    Numbers lose trailing zeros and times are in UTC, so a client that retries with another
    serializer still matches itself.
    """
    return f'[{quoted(event.meter)},"{utc_text(event.time)}",{_data_text(event.data)}]'


def _data_text(data: Mapping[str, DataValue]) -> str:
    """Values as JSON in the order of their names: numbers as text, texts in a list of one.

    Put together by hand because it is done for every event, and a JSON encoder takes as long
    for it as all the rest of an event's way.
    """
    values = []
    for name in sorted(data):
        value = data[name]
        text = f'"{to_text(value)}"' if isinstance(value, Decimal) else f"[{quoted(value)}]"
        values.append(f"{quoted(name)}:{text}")
    return f"{{{','.join(values)}}}"


def payload_hash(payload: str) -> str:
    """Fingerprint of a canonical payload; two payloads with one fingerprint are the same."""
    return hashlib.blake2b(payload.encode(), digest_size=16).hexdigest()


class Outcome(StrEnum):
    """What became of one event of a request."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    PARKED = "parked"
    INVALID = "invalid"


def fault_of_time(moment: datetime, received: datetime) -> str | None:
    """Why an event of ``moment`` that arrived at ``received`` is not taken, or ``None``."""
    if moment - received > ACCEPTED_AHEAD:
        return "must not be more than 5 minutes in the future"
    if received - moment > ACCEPTED_BACK:
        return "must not be more than 40 days in the past"
    return None
