"""What a new version of the catalogue would do to accounts that exist, and must not."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.domain.account import AccountPlan
from shared.domain.catalog.billing import AmountBilling, Billing, QuantityBilling, dimension_ids
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.timeline import PlanSpan, Timeline, same_price
from shared.domain.errors import FieldError
from shared.domain.ids import AccountCode, MeterCode, PlanCode
from shared.domain.rating.locked import LockedBill

SHOWN = 3
"""How many accounts a fault names."""

EFFECTIVE = "?effectiveFrom"

type Holders = Mapping[PlanCode, Collection[AccountCode]]
"""Who has which plan at some moment that counts."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one version of the catalogue to the next: both, and the history without and with the
    new one, which holds from ``since`` on."""

    old: Catalog
    new: Catalog
    before: Timeline
    after: Timeline
    since: datetime

    @property
    def removed(self) -> frozenset[PlanCode]:
        """Plans that the new version takes out."""
        kept = {plan.code for plan in self.new.plans}
        return frozenset(plan.code for plan in self.old.plans) - kept

    @property
    def lost(self) -> frozenset[MeterCode]:
        """Meters of which the new version keeps less than the old one: none of it, or without a
        division, a derived field or different values that there were."""
        return frozenset(meter.code for meter in self.old.meters if self._loses(meter.code))

    def _loses(self, meter: MeterCode) -> bool:
        old, new = self.old.intake(meter), self.new.intake(meter)
        return old is not None and (new is None or not old.covers(new))


def holders_of(
    attached: Iterable[tuple[AccountCode, AccountPlan]], since: datetime
) -> dict[PlanCode, list[AccountCode]]:
    """Who has which plan at ``since`` or later."""
    found: dict[PlanCode, list[AccountCode]] = {}
    for account, plan in attached:
        if plan.end is None or plan.end > since:
            found.setdefault(plan.plan, []).append(account)
    return found


def removal_faults(step: Step, holders: Holders) -> Iterator[FieldError]:
    """What accounts have and the new version takes away."""
    for code in sorted(step.removed & holders.keys()):
        yield FieldError(
            "/plans",
            f"plan {code} is missing, and {_named(holders[code])} it: keep it (without its "
            "marketplace entry nobody can buy it), end it there, or send withdraw=true: then "
            "nobody new gets it, and they go on with it as it was",
        )
    if not step.lost:
        return
    kept = {plan.code for plan in step.new.plans}
    for code in sorted(holders.keys() - kept):
        span = step.after.spans(code)[-1]
        for meter in sorted(span.meters & step.lost):
            yield FieldError(
                "/meters",
                f"plan {code} goes on for those who have it ({_named(holders[code])} it), and "
                f"prices usage of meter {meter} by what this version no longer keeps: keep the "
                "meter, its aggregations and derived fields, or send withdraw=true: then its "
                "further usage is not billed",
            )


def moved_faults(step: Step, holders: Holders, now: datetime) -> Iterator[FieldError]:
    """Dimensions that would change for hours that may be billed already: the new one would be
    told of all that the old one was told of."""
    for code in sorted(holders):
        for before, after in _pairs(step, code, now):
            was, becomes = _channel(before.plan.billing), _channel(after.plan.billing)
            if was != becomes:
                yield FieldError(
                    EFFECTIVE,
                    f"usage of plan {code} since {step.since.isoformat()} may be billed already "
                    f"as {_spelled(was)}, and would be billed again as {_spelled(becomes)}; let "
                    "this begin with the next hour",
                )
                break


def locked_faults(
    step: Step, holders: Holders, locked: Iterable[tuple[AccountCode, LockedBill]], now: datetime
) -> Iterator[FieldError]:
    """Prices that would change inside periods whose bills are locked."""
    altered = {code for code in holders if _altered(step, code, now)}
    if not altered:
        return
    closed: dict[PlanCode, datetime] = {}
    bills: dict[PlanCode, list[str]] = {}
    for _, bill in locked:
        if bill.period.end <= step.since:
            continue
        for code in altered.intersection(entry.plan for entry in bill.entries):
            closed[code] = max(bill.period.end, closed.get(code, bill.period.end))
            bills.setdefault(code, []).append(bill.id)
    for code in sorted(closed):
        yield FieldError(
            EFFECTIVE,
            f"what plan {code} costs would change in periods of {len(bills[code])} locked bills "
            f"({_some(bills[code])}), which stay as they are; take "
            f"{closed[code].isoformat()} or later",
        )


def _altered(step: Step, code: PlanCode, now: datetime) -> bool:
    """Whether a plan costs something else before ``now``, or is measured otherwise."""
    newest = step.after.newest
    for before, after in _pairs(step, code, now):
        if not same_price(before, after):
            return True
        demands = (demand for meter in after.meters for demand in step.after.demands(meter))
        if any(demand.version == newest for demand in demands):
            return True
    return False


def _pairs(step: Step, code: PlanCode, until: datetime) -> Iterator[tuple[PlanSpan, PlanSpan]]:
    """What a plan costs without and with the new version, wherever either changes until then."""
    old, new = step.before.spans(code), step.after.spans(code)
    starts = {span.start for span in (*old, *new)}
    for moment in sorted({step.since, *starts}):
        if step.since <= moment < until:
            yield _at(old, moment), _at(new, moment)


def _at(spans: Iterable[PlanSpan], moment: datetime) -> PlanSpan:
    """The span of a moment; before the first one a plan costs what that says."""
    spans = tuple(spans)
    return next((span for span in spans if span.start <= moment < span.end), spans[0])


type _Channel = tuple[str, tuple[str, ...], str]


def _channel(billing: Billing) -> _Channel:
    """How the Marketplace is told, apart from how much."""
    names = tuple(sorted(dimension_ids(billing)))
    match billing:
        case AmountBilling():
            return ("an amount", names, f" at {billing.unit_price}")
        case QuantityBilling():
            return ("quantities", names, "")
        case _:
            assert_never(billing)


def _spelled(channel: _Channel) -> str:
    kind, names, price = channel
    return f"{kind} through {', '.join(names)}{price}"


def _named(accounts: Collection[AccountCode]) -> str:
    if len(accounts) == 1:
        return f"account {next(iter(accounts))} has"
    return f"{len(accounts)} accounts ({_some(accounts)}) have"


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = ", …" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more
