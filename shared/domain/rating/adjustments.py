"""Adjustments: what has changed for bills that are locked, billed in the running period."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from shared.domain.money import ZERO
from shared.domain.period import Period
from shared.domain.rating.entry import Entry, EntryKind


@dataclass(frozen=True, slots=True)
class Billed:
    """What locked bills hold: their ``periods``, closed for good, and all ``entries``."""

    periods: frozenset[Period] = frozenset()
    entries: tuple[Entry, ...] = ()


def split_off(
    entries: Sequence[Entry], billed: Billed, home: Period | None
) -> tuple[list[Entry], list[Entry]]:
    """Entries of bills that are still open, and the adjustments of those that are locked.

    For every key of a locked bill the adjustment is what it amounts to now minus what was billed
    for it so far (semantics, rule 19). It stands on the bill of ``home``, the first period that
    is not locked, and says which period it belongs to. What was billed and is no longer owed is
    taken off. Nothing is dropped: an entry that came into a locked period later is one, too.
    """
    if not billed.periods or home is None:
        return list(entries), []
    kept = [entry for entry in entries if entry.whole not in billed.periods]
    late = [entry for entry in entries if entry.whole in billed.periods]
    now, then = _sums(late), _sums(billed.entries)
    first = {entry.key: entry for entry in reversed((*late, *billed.entries))}
    adjusted = [
        _adjustment(first[key], now.get(key, ZERO) - then.get(key, ZERO), home)
        for key in dict.fromkeys((*now, *then))
        if now.get(key, ZERO) != then.get(key, ZERO)
    ]
    return kept, adjusted


def _sums(entries: Sequence[Entry]) -> dict[str, Decimal]:
    """What was owed by key. Surcharges follow from the rest and are computed where that is."""
    sums: dict[str, Decimal] = {}
    for entry in entries:
        if entry.kind is not EntryKind.SURCHARGE:
            sums[entry.key] = sums.get(entry.key, ZERO) + entry.amount
    return sums


def _adjustment(entry: Entry, amount: Decimal, home: Period) -> Entry:
    told = f"{entry.description} (late, for {entry.period.start:%Y-%m-%d})".strip()
    return replace(
        entry,
        kind=EntryKind.ADJUSTMENT,
        amount=amount,
        at=home.start,
        whole=home,
        closed=False,
        description=told,
    )
