"""Names of tables and keys of rows: the only place that builds and parses them.

Parts are separated by ``|``. A part is either plain (letters, digits, ``.``, ``_``, ``-``) or a
``~`` with a hash, so no part holds the separator or a character that Azure forbids in keys, and
two different texts never make one part. Times are UTC, written so that text order is time order.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from shared.domain.ids import SHARDS, AccountCode, MeterCode, Resource, Shard, is_code, shard_of
from shared.domain.metering.ledger import LedgerKey
from shared.domain.period import day_of
from shared.domain.usage.event import EventKey
from shared.ports import AgendaEntry, DayKey, Mark, ParkedPlace, PartialKey

SEPARATOR = "|"

HINTS = "Hints"
USAGE_DAYS = "UsageDays"
LEDGER = "Ledger"
RUNS = "Runs"
ACCOUNTS = "Accounts"
SUBSCRIPTIONS = "Subscriptions"
CATALOG = "Catalog"
PARKED = "Parked"
REFUSED = "Refused"
FINDINGS = "Findings"
OPERATIONS = "Operations"
AUDIT = "Audit"
BILLS = "Bills"

USAGE_PREFIX = "Usage2"
"""What names of the usage log's tables begin with, and no other table's."""

LAST_COMPLETED = "lastCompleted"
BILL_NUMBERS = "numbers"
BILL_INDEX = "index"
LAST_NUMBER = "last"
ACCOUNT = "account"
PLAN = "plan|"
SUBSCRIPTION = "sub|"
RECORD = "rec|"
PREPAYMENT = "prepay|"
CREDIT = "credit|"
CHARGE = "charge|"
BILL = "bill|"
CUSTOM = "custom|"
ANSWER = "answer|"
REFUSED_PARTITION = "refused"
UNFINISHED_PARTITION = "unfinished"
CHECKPOINTS_PARTITION = "checkpoints"
CATALOG_PARTITION = "catalog"
CURRENT = "current"
REAGGREGATIONS = "reaggregations"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,127}")
_ILLEGAL = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_USAGE_TABLE = re.compile(r"Usage(2\d{7})")
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class RowRange:
    """Row keys from ``first`` up to but not including ``before``."""

    first: str
    before: str


def starting_with(prefix: str) -> RowRange:
    """All row keys that begin with ``prefix``."""
    return RowRange(prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))


def _behind(row: str) -> str:
    """What follows ``row`` and precedes every other key after it."""
    return row + "!"


def hashed(text: str) -> str:
    """A part that stands for any text."""
    return "~" + hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def part(text: str) -> str:
    """``text`` as it is where that is plain, otherwise its hash."""
    return text if _PLAIN.fullmatch(text) else hashed(text)


def partition(shard: Shard) -> str:
    """The partition key of a shard. Raises ValueError for one that does not exist."""
    if not 0 <= shard < SHARDS:
        raise ValueError(f"there is no shard {shard}")
    return f"s{shard:02}"


@lru_cache(maxsize=4_096)
def _code(text: str) -> str:
    if not is_code(text):
        raise ValueError(f"{text!r} is no code and cannot stand in a key")
    return text


def _hour(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%d%H}"


def _hour_in(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H").replace(tzinfo=UTC)


def _day(day: date) -> str:
    return f"{day:%Y%m%d}"


def _day_in(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


def cell_code(cell: datetime) -> str:
    """The hour and minute at which a cell begins."""
    return f"{cell.astimezone(UTC):%H%M}"


def cell_in(day: date, code: str) -> datetime:
    """The inverse of ``cell_code`` on a day."""
    return datetime(day.year, day.month, day.day, int(code[:2]), int(code[2:]), tzinfo=UTC)


# --- the usage log


def usage_table(day: date) -> str:
    """The table of a UTC day of event time."""
    return f"Usage{_day(day)}"


def day_of_table(name: str) -> date | None:
    """The day of a table of the usage log, ``None`` for other tables."""
    found = _USAGE_TABLE.fullmatch(name)
    return None if found is None else _day_in(found[1])


def event_row(account: AccountCode, key: EventKey) -> str:
    """An event."""
    return f"E|{_code(account)}|{part(key)}"


def events_of(account: AccountCode) -> RowRange:
    """All events of an account."""
    return starting_with(f"E|{_code(account)}|")


def partial_row(key: PartialKey, writer: str) -> str:
    """A writer's partial of a cell."""
    segment = hashed(key.segment) if key.segment else ""
    cell = cell_code(key.cell)
    return f"P|{_code(key.account)}|{cell}|{_code(key.meter)}|{segment}|{part(writer)}"


def partial_in(row: str, day: date, segment: str) -> PartialKey:
    """The key of a partial's row; the segment's text is not in it."""
    _, account, cell, meter, _, _ = row.split(SEPARATOR)
    return PartialKey(AccountCode(account), cell_in(day, cell), MeterCode(meter), segment)


def partials_between(account: AccountCode, first: datetime, last: datetime) -> RowRange:
    """All partials of an account's cells from ``first`` to ``last`` of one day, both included."""
    if day_of(first) != day_of(last) or last < first:
        raise ValueError("cells of one day, from the first to the last")
    start = f"P|{_code(account)}|"
    return RowRange(f"{start}{cell_code(first)}|", f"{start}{cell_code(last)}}}")


def mark_row(mark: Mark) -> str:
    """A change mark."""
    return f"C|{_hour(mark.arrival_hour)}|{_code(mark.account)}|{_hour(mark.event_hour)}"


def mark_in(row: str) -> Mark:
    """The inverse of ``mark_row``."""
    _, arrival, account, event = row.split(SEPARATOR)
    return Mark(_hour_in(arrival), AccountCode(account), _hour_in(event))


def marks_since(arrival: datetime) -> RowRange:
    """Change marks of arrival hours from ``arrival`` on."""
    return RowRange(f"C|{_hour(arrival)}", "C}")


def hint_row(arrival: datetime, day: date) -> str:
    """A hint at a day's table."""
    return f"{_hour(arrival)}|{_day(day)}"


def hinted_in(row: str) -> date:
    """The day that a hint names."""
    return _day_in(row.split(SEPARATOR)[1])


def hints_since(arrival: datetime) -> RowRange:
    """Hints of arrival hours from ``arrival`` on."""
    return RowRange(_hour(arrival), ":")


# --- folded usage


def day_row(key: DayKey) -> str:
    """A day of an account's meter and segment."""
    segment = hashed(key.segment) if key.segment else ""
    return f"{_code(key.account)}|{_day(key.day)}|{_code(key.meter)}|{segment}"


def day_in(row: str, segment: str) -> DayKey:
    """The key of a day's row; the segment's text is not in it."""
    account, day, meter, _ = row.split(SEPARATOR)
    return DayKey(AccountCode(account), _day_in(day), MeterCode(meter), segment)


def overflow_row(day: str, cell: str, digest: str, piece: int) -> str:
    """A piece of a cell that is too large for its day's row."""
    return f"{day}|{cell}|{digest}|{piece:03}"


def is_overflow(row: str) -> bool:
    """Whether a row is a piece of a cell and not a day's row."""
    return row.count(SEPARATOR) > 3


def days_between(account: AccountCode, first: date, last: date) -> RowRange:
    """An account's rows of the days from ``first`` to ``last``, both included."""
    start = f"{_code(account)}|"
    return RowRange(f"{start}{_day(first)}|", f"{start}{_day(last)}}}")


# --- the ledger


def _ledger(key: LedgerKey) -> str:
    plan = "" if key.plan is None else f"|{part(key.plan)}"
    return f"{part(key.resource)}|{part(key.dimension)}{plan}"


def ledger_row(key: LedgerKey) -> str:
    """A ledger row."""
    return f"L|{_ledger(key)}"


def ledger_of(resource: Resource) -> RowRange:
    """All ledger rows of a resource."""
    return starting_with(f"L|{part(resource)}|")


def submission_row(key: LedgerKey, hour: datetime) -> str:
    """A submission: the Marketplace's rule of one for a resource, dimension and hour."""
    return f"S|{_ledger(key)}|{_hour(hour)}"


def open_row(key: LedgerKey, hour: datetime) -> str:
    """A submission while it is unsettled."""
    return f"O|{_ledger(key)}|{_hour(hour)}"


def submissions_of(resource: Resource) -> RowRange:
    """All submissions of a resource."""
    return starting_with(f"S|{part(resource)}|")


def open_of(resource: Resource) -> RowRange:
    """A resource's unsettled submissions."""
    return starting_with(f"O|{part(resource)}|")


def refund_row(key: LedgerKey, identity: str) -> str:
    """A refund of a ledger row."""
    return f"R|{_ledger(key)}|{hashed(identity)}"


def refunds_of(resource: Resource) -> RowRange:
    """All refunds of a resource."""
    return starting_with(f"R|{part(resource)}|")


def all_open() -> RowRange:
    """A shard's unsettled submissions."""
    return starting_with("O|")


def hour_text(moment: datetime) -> str:
    """An hour as it stands in keys, to compare with."""
    return _hour(moment)


def agenda_row(entry: AgendaEntry) -> str:
    """An agenda entry."""
    return f"A|{_hour(entry.due)}|{_code(entry.account)}"


def agenda_in(row: str) -> AgendaEntry:
    """The inverse of ``agenda_row``."""
    _, due, account = row.split(SEPARATOR)
    return AgendaEntry(_hour_in(due), AccountCode(account))


def agenda_until(moment: datetime) -> RowRange:
    """Agenda entries due in the hour of ``moment`` or before."""
    return RowRange("A|", f"A|{_hour(moment)}}}")


# --- accounts, catalogue, parked and refused input


def account_parts() -> tuple[RowRange, RowRange]:
    """The rows of an account that stand for things with an id; ``BILL`` is the first of their
    prefixes, and records of periods stand between the last two."""
    return RowRange(BILL, starting_with(PREPAYMENT).before), starting_with(SUBSCRIPTION)


def account_part_row(kind: str, identity: str) -> str:
    """Something of an account that has an id; ``kind`` is one of the prefixes above."""
    return f"{kind}{part(identity)}"


def answer_row(key: str) -> str:
    """What a request of an account made."""
    return f"{ANSWER}{hashed(key)}"


def record_row(attachment: str, start: datetime) -> str:
    """The record of an ended period."""
    return f"{RECORD}{part(attachment)}|{start.astimezone(UTC):%Y%m%d%H%M}"


def account_partition(account: AccountCode) -> str:
    """The partition of an account, in ``Accounts``."""
    return _code(account)


def is_catalog_number(number: int) -> bool:
    """Whether a version of the catalogue may have that number."""
    return 0 < number < 10**10


def catalog_row(number: int) -> str:
    """A version of the catalogue. Raises ValueError for numbers that have no place in order."""
    if not is_catalog_number(number):
        raise ValueError(f"{number} is no version number")
    return f"{number:010}"


def catalog_versions() -> RowRange:
    """All versions of the catalogue; the row that names the newest is not among them."""
    return RowRange("0", ":")


def parked_partition(account: AccountCode) -> str:
    """The partition of an account's parked events and of their number."""
    return partition(shard_of(account))


def parked_row(account: AccountCode, place: ParkedPlace) -> str:
    """A parked event."""
    day, key = place
    return f"E|{_code(account)}|{_day(day)}|{part(key)}"


def parked_of(account: AccountCode, after: ParkedPlace | None) -> RowRange:
    """An account's parked events behind ``after``, or all."""
    every = starting_with(f"E|{_code(account)}|")
    return every if after is None else RowRange(_behind(parked_row(account, after)), every.before)


def parked_number_row(account: AccountCode) -> str:
    """How many events of an account are parked."""
    return f"N|{_code(account)}"


def parked_numbers() -> RowRange:
    """The numbers of all accounts of a partition."""
    return starting_with("N|")


def parked_account_in(row: str) -> AccountCode:
    """The account of a row made by ``parked_number_row``."""
    return AccountCode(row.split(SEPARATOR)[1])


def refused_row(fingerprint: str) -> str:
    """Refused input."""
    return part(fingerprint)


def refused_after(fingerprint: str) -> RowRange:
    """Refused input behind that of ``fingerprint``, or all behind an empty one."""
    return RowRange(_behind(part(fingerprint) if fingerprint else ""), "~~")


def subscription_rows() -> RowRange:
    """The subscriptions of whatever account."""
    return starting_with(SUBSCRIPTION)


# --- operations, audit trail, checkpoints


def operations_partition(subscription: str) -> str:
    """The operations of a subscription."""
    return part(subscription)


def operation_row(operation: str) -> str:
    """An operation; its id comes from outside and has many forms."""
    return hashed(operation)


def unfinished_row(subscription: str, operation: str) -> str:
    """An operation that is not done."""
    return f"{part(subscription)}|{hashed(operation)}"


def audit_row(at: datetime, content: str) -> str:
    """An audit entry, in the order of time; equal entries have equal keys."""
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S%f}|{hashed(content)}"


def audit_month(month: date) -> str:
    """The audit entries of a UTC month, whatever their subject."""
    return f"~month-{month:%Y%m}"


def audit_from(at: datetime) -> RowRange:
    """Audit entries of a partition from ``at`` on."""
    return RowRange(f"{at.astimezone(UTC):%Y%m%d%H%M%S%f}", ":")


def bills_partition(account: AccountCode) -> str:
    """The bills of an account."""
    return f"bills{SEPARATOR}{part(account)}"


def bill_index_row(bill: str) -> str:
    """A bill's place among all of them, newest end first. Its id ends in the end of its period."""
    newest_first = 10**12 - int(bill.rsplit(".", 1)[-1])
    return f"{newest_first:012d}{SEPARATOR}{part(bill)}"


def bills_after(bill: str) -> RowRange:
    """The places behind a bill's, or all of them."""
    return RowRange(_behind(bill_index_row(bill)) if bill else "0", ":")


def bill_number_row(bill: str) -> str:
    """The number that a bill was given."""
    return f"bill{SEPARATOR}{part(bill)}"


def job_partition(job: str) -> str:
    """How far the shards have come with a job."""
    return f"job{SEPARATOR}{part(job)}"


def reaggregation_row(job: str) -> str:
    """A job that aggregates again; ids are in the order of time."""
    return part(job)


def reaggregation_part_row(job: str, shard: Shard) -> str:
    """How far a shard is with it."""
    return f"{part(job)}{SEPARATOR}{shard:02}"


def is_reaggregation_part(row: str) -> bool:
    """Whether a row tells of a shard and not of a job."""
    return SEPARATOR in row


def illegal_characters(keys: Iterable[str]) -> set[str]:
    """Characters that Azure does not take in keys."""
    return set(_ILLEGAL.findall("".join(keys)))
