"""Belonging: which subscription of an account pays for what falls due only once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from shared.domain.catalog.charges import Milestone, Recurring, ScheduledCharge
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.metering.slots import MARKETPLACE_WINDOW
from shared.domain.period import Period
from shared.domain.rating.scheduled import single_due
from shared.domain.rating.windows import Section, life_of


@dataclass(frozen=True, slots=True)
class Belonging:
    """The subscription that is rated, ``own``, among ``all`` of the account that pays, in the
    order of their starts."""

    own: Subscription
    all: tuple[Subscription, ...]

    def has(self, at: datetime) -> bool:
        """Whether a single charge of ``at`` is for the own subscription.

        It is for the newest that had begun by then, or the first. Of an older one the Marketplace
        took nothing any more once its window after the end was over: what is dated later is for
        the one that came next.
        """
        begun = [each for each in self.all if each.start is not None]
        owner = begun[0] if begun else self.own
        for before, each in pairwise(begun):
            over = before.end is not None and at - before.end >= MARKETPLACE_WINDOW
            if over or (each.start is not None and each.start <= at):
                owner = each
        return owner.id == self.own.id

    def fell_due_before(self, charge: ScheduledCharge, section: Section) -> bool:
        """Whether a charge that is due once, counted from when its plan was attached, fell due
        while an earlier subscription paid: a child's plan lasts when that of its payer ends."""
        if not _counted(charge):
            return False
        return any(
            each.code == charge.code and single_due(each, part.start, section.zone) in part_of_span
            for part in self._earlier(section)
            for span in section.timeline.spans(section.attachment.plan)
            if (part_of_span := _overlap(part, span.start, span.end))
            for each in span.plan.charges
            if not isinstance(each, Recurring)
        )

    def _earlier(self, section: Section) -> Iterator[Period]:
        """The attached plan's parts in the lives of earlier subscriptions."""
        for each in self.all:
            if each.id == self.own.id:
                return
            life = life_of(each, section.zone, section.begun)
            within = section.attachment.within(life.end) if life else None
            part = within.overlap(life) if within and life else None
            if part is not None:
                yield part


def _counted(charge: ScheduledCharge) -> bool:
    if isinstance(charge, Recurring):
        return False
    return not isinstance(charge, Milestone) or charge.on is None


def _overlap(part: Period, start: datetime, end: datetime) -> Period | None:
    return part.overlap(Period(start, end)) if start < end else None
