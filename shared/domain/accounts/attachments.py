"""Attaching plans to accounts: one active plan of a product, nothing that has been billed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import ClassVar

from shared.domain.account import AccountPlan
from shared.domain.accounts.custom_fields import compound_faults
from shared.domain.accounts.scene import Scene
from shared.domain.catalog.validation.references import unknown
from shared.domain.errors import FieldError
from shared.domain.ids import PlanCode
from shared.domain.wire import WIRE

MAX_PLANS = 500


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """A plan to be attached for [start, end): from the present hour on when ``start`` is left
    out, for good without ``end``. ``allow_overlap`` attaches it beside others of its product, and
    needs a ``start``."""

    __pydantic_config__: ClassVar = WIRE

    plan: PlanCode
    start: datetime | None = None
    end: datetime | None = None
    allow_overlap: bool = False


def attached(order: PlanOrder, identity: str, scene: Scene) -> AccountPlan:
    """The attachment that a faultless order asks for."""
    start = (order.start or scene.present_cell()).astimezone(UTC)
    end = None if order.end is None else order.end.astimezone(UTC)
    return AccountPlan(identity, order.plan, start, end)


def attachment_id(order: PlanOrder, scene: Scene) -> str:
    """A new id: records of billed periods stand under it, so no two attachments ever share one."""
    taken = {plan.id for plan in scene.record.plans}
    base = f"{order.plan}-{scene.now.astimezone(UTC):%Y%m%d%H%M%S%f}"
    return next(name for n in count() if (name := f"{base}-{n}" if n else base) not in taken)


def plan_faults(
    order: PlanOrder, scene: Scene, replaced: AccountPlan | None = None
) -> Iterator[FieldError]:
    """What is wrong with attaching a plan, or with putting it in the place of ``replaced``."""
    shape = list(scene.span_faults(order.start, order.end))
    yield from shape
    plan = scene.plan(order.plan)
    if plan is None:
        yield FieldError("/plan", _unknown_plan(order.plan, scene))
    if shape or plan is None:
        return
    if scene.timeline is not None:
        span = scene.timeline.spans(order.plan)[-1]
        yield from compound_faults("/plan", scene.record.account.custom, span)
    others = [other for other in scene.record.plans if other is not replaced]
    if len(others) >= MAX_PLANS:
        yield FieldError("", f"an account has at most {MAX_PLANS} plans attached in its life")
    new = attached(order, "", scene)
    if replaced is None:
        yield from scene.closed_faults("/start", new.start)
    else:
        yield from _replacing_faults(new, replaced, scene)
    if order.allow_overlap:
        yield from _twice_faults(order, new, others, replaced)
    else:
        for other in others:
            product = scene.plan(other.plan)
            if product is not None and product.product == plan.product and _overlap(new, other):
                yield FieldError("/start", _in_the_way(plan.product, other))


def detach_faults(attachment: AccountPlan, scene: Scene) -> Iterator[FieldError]:
    """Why an attachment cannot be undone as if it had never been."""
    if attachment.start <= scene.now and scene.record.subscription is not None:
        message = (
            f"plan {attachment.plan} is in force since {attachment.start.isoformat()}; give it an "
            "end instead"
        )
        yield FieldError("", message)


def _replacing_faults(new: AccountPlan, old: AccountPlan, scene: Scene) -> Iterator[FieldError]:
    begun = old.start <= scene.now and scene.record.subscription is not None
    if begun and (new.plan, new.start) != (old.plan, old.start):
        message = (
            f"plan {old.plan} is in force since {old.start.isoformat()}; only its end can change: "
            "end it and attach another"
        )
        yield FieldError("/plan" if new.plan != old.plan else "/start", message)
    elif not begun:
        yield from scene.closed_faults("/start", new.start)
    if new.end != old.end:
        first = min(end for end in (new.end, old.end) if end is not None)
        yield from scene.closed_faults("/end", first)


def _twice_faults(
    order: PlanOrder,
    new: AccountPlan,
    others: Sequence[AccountPlan],
    replaced: AccountPlan | None,
) -> Iterator[FieldError]:
    """Beside others a plan is attached once, however often the request is repeated: each
    attachment has charges of its own."""
    if order.start is None and replaced is None:
        message = "is needed with allowOverlap: it tells a repeated request from a second plan"
        yield FieldError("/start", message)
    for other in others:
        if (other.plan, other.start) == (new.plan, new.start):
            message = f"plan {new.plan} is attached from then on already (id {other.id})"
            yield FieldError("/start", message)


def _unknown_plan(code: PlanCode, scene: Scene) -> str:
    if scene.timeline is None:
        return "there is no catalogue yet; PUT one to /api/catalog"
    return unknown("plan", code, scene.plans)


def _overlap(one: AccountPlan, other: AccountPlan) -> bool:
    first, second = sorted((one, other), key=lambda plan: plan.start)
    return first.end is None or second.start < first.end


def _in_the_way(product: str, other: AccountPlan) -> str:
    end = "for good" if other.end is None else f"until {other.end.isoformat()}"
    return (
        f"plan {other.plan} of product {product} is attached from {other.start.isoformat()} {end} "
        f"(id {other.id}); end it where this one starts, or send allowOverlap: true"
    )
