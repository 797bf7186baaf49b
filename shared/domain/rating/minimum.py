"""Minimum spend: the top-up of a billing period whose usage cost too little."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.money import CONTEXT, ZERO, round_half_up


@dataclass(frozen=True, slots=True)
class MinimumPart:
    """A part of a billing period: the minimum in force in it, and its share of the period."""

    minimum: Decimal
    share: Decimal


def minimum_due(parts: Iterable[MinimumPart], digits: int) -> Decimal:
    """The least that a billing period costs, in whole minor units (semantics, rule 14a).

    Parts in which another minimum holds, or none, or a free trial, count by their days.
    """
    exact = ZERO
    for part in parts:
        exact = CONTEXT.add(exact, CONTEXT.multiply(part.minimum, part.share))
    return round_half_up(exact, digits)


def top_up(minimum: Decimal, gross: Decimal, *, closed: bool) -> Decimal:
    """What is missing from the ``gross`` usage of a period to its minimum.

    Before credits, and only once the period is closed: a running total that rose towards the
    minimum would fall again while usage catches up (semantics, rule 10).
    """
    return max(minimum - gross, ZERO) if closed else ZERO
