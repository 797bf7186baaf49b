"""Plans attached to accounts by API: attached, changed, ended, taken away before they begin."""

from dataclasses import dataclass, replace

from shared.domain.account import AccountPlan, AccountRecord
from shared.domain.accounts.attachments import (
    PlanOrder,
    attached,
    attachment_id,
    detach_faults,
    plan_faults,
)
from shared.domain.accounts.scene import Scene
from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.ports import Etag
from shared.services.account_changes import ChangeAccount, Edit, Expected


@dataclass(frozen=True, slots=True)
class Attached:
    """An attachment, and the version of its account."""

    plan: AccountPlan
    etag: Etag


@dataclass(frozen=True, slots=True)
class AttachPlans:
    """Plans of accounts. Every verb raises ``NotFound`` and ``StaleVersion``, ``InvalidInput``
    with every fault, and changes nothing then."""

    change: ChangeAccount

    def get(self, code: str, identity: str) -> Attached:
        """One attachment. Raises ``NotFound``."""
        stored = self.change.load(code)
        return Attached(_found(stored.value, identity), stored.etag)

    def attach(self, code: str, order: PlanOrder, expected: Expected, by: str) -> Attached:
        """Attach a plan."""
        made: list[AccountPlan] = []

        def edit(scene: Scene) -> Edit:
            faults = list(plan_faults(order, scene))
            if faults:
                raise InvalidInput("the plan cannot be attached", faults)
            plan = attached(order, attachment_id(order, scene), scene)
            made.append(plan)
            record = replace(scene.record, plans=_in_order((*scene.record.plans, plan)))
            return Edit(record, "plan.attach", _detail(plan), (plan.start, plan.end))

        stored = self.change(code, expected, by, edit)
        return Attached(made[-1], stored.etag)

    def update(
        self, code: str, identity: str, order: PlanOrder, expected: Expected, by: str
    ) -> Attached:
        """Replace an attachment; of one in force only the end can change."""
        made: list[AccountPlan] = []

        def edit(scene: Scene) -> Edit:
            old = _found(scene.record, identity)
            asked = replace(order, start=order.start or old.start)
            faults = list(plan_faults(asked, scene, old))
            if faults:
                raise InvalidInput("the plan cannot be changed so", faults)
            new = attached(asked, old.id, scene)
            made.append(new)
            others = (plan for plan in scene.record.plans if plan is not old)
            record = replace(scene.record, plans=_in_order((*others, new)))
            detail = {**_detail(new), "before": f"{old.plan}, {_span(old)}"}
            return Edit(record, "plan.update", detail, (new.start, new.end))

        stored = self.change(code, expected, by, edit)
        return Attached(made[-1], stored.etag)

    def detach(self, code: str, identity: str, expected: Expected, by: str) -> Etag:
        """Take away an attachment that has not begun. Raises ``Conflict`` for one that has."""

        def edit(scene: Scene) -> Edit:
            old = _found(scene.record, identity)
            for fault in detach_faults(old, scene):
                raise Conflict(fault.message)
            plans = tuple(plan for plan in scene.record.plans if plan is not old)
            return Edit(replace(scene.record, plans=plans), "plan.detach", _detail(old))

        return self.change(code, expected, by, edit).etag


def _found(record: AccountRecord, identity: str) -> AccountPlan:
    for plan in record.plans:
        if plan.id == identity:
            return plan
    raise NotFound(f"account {record.account.code} has no plan of id {identity[:100]}")


def _in_order(plans: tuple[AccountPlan, ...]) -> tuple[AccountPlan, ...]:
    return tuple(sorted(plans, key=lambda plan: plan.start))


def _detail(plan: AccountPlan) -> dict[str, str]:
    return {"id": plan.id, "plan": plan.plan, "span": _span(plan)}


def _span(plan: AccountPlan) -> str:
    end = "" if plan.end is None else plan.end.isoformat()
    return f"{plan.start.isoformat()}/{end}"
