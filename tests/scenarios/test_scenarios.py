"""Plays every folder beside this file over the strict stores and compares what came of it.

A folder holds ``000--events.json``, ``001--events.json``, … played in order, and
``expected.json``. Each step of the events has a time and one act: usage, what the customer or
the Marketplace does, or nothing; in between, the hourly runs take place at five past the hour.
``README.md`` in this folder explains the words.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.domain.account import AccountPlan
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.organization import Organization
from shared.domain.ids import AccountCode, PlanCode, SubscriptionId
from shared.domain.lifecycle.operation import OperationStatus
from shared.domain.lifecycle.subscription import PlanSpell
from shared.domain.money import to_text
from shared.domain.period import HOUR, hour_of
from shared.domain.rating.models import QuantityModel
from tests.fakes.clock import FakeClock
from tests.fakes.marketplace import LoseRequest, Refuse
from tests.services.world import World, catalog_of, plan_of

type Step = dict[str, Any]

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/expected.json"))
MODEL: TypeAdapter[QuantityModel] = TypeAdapter(QuantityModel)
OUTAGES: dict[str, LoseRequest | Refuse | None] = {
    "silent": LoseRequest(),
    "refusing": Refuse(403),
    "over": None,
}


class Play:
    """One scenario's world and its one customer."""

    def __init__(self, setting: Step) -> None:
        self.world = World(
            clock=FakeClock(moment(setting["begins"])),
            grace=setting["graceHours"] * HOUR,
            catalog=catalog_for(setting),
        )
        self.account = AccountCode("")
        self.acts: dict[str, Callable[[Step], object]] = {
            "buys": self.buys,
            "uses": self.uses,
            "marketplace": self.outage,
            "changesPlan": self.changes_plan,
            "isSuspended": lambda _: self.follows(self.world.marketplace.suspend),
            "isReinstated": lambda _: self.follows(self.world.marketplace.reinstate),
            "cancels": lambda _: self.follows(self.world.marketplace.unsubscribe),
            "waits": lambda _: None,
        }

    @property
    def subscription(self) -> SubscriptionId:
        return SubscriptionId(self.account)

    def step(self, step: Step) -> None:
        """Let the hours pass until the step's time, then act."""
        self.until(moment(step["at"]))
        (act,) = step.keys() & self.acts.keys()
        self.acts[act](step)

    def until(self, at: datetime) -> None:
        while (run_at := next_run(self.world.clock.now())) < at:
            self.world.clock.at = run_at
            self.world.run()
        self.world.clock.at = at

    def buys(self, step: Step) -> None:
        self.account = self.world.customer(step["buys"])

    def uses(self, step: Step) -> None:
        time = moment(step["time"]) if "time" in step else None
        self.world.use(self.account, step["uses"], time)

    def outage(self, step: Step) -> None:
        fault = OUTAGES[step["marketplace"]]
        self.world.marketplace.decide = lambda call: fault if call == "send" else None

    def changes_plan(self, step: Step) -> None:
        """The Marketplace's plan and ours change together, on the boundary of an hour."""
        market, account = self.world.marketplace, self.account
        now, target = self.world.clock.now(), step["changesPlan"]
        assert now == hour_of(now)
        operation = market.change_plan(self.subscription, target)
        market.answer_operation(self.subscription, operation, OperationStatus.SUCCESS)
        record = self.world.record(account)
        sold, old = record.subscriptions[-1], record.plans[-1]
        plans = (
            *record.plans[:-1],
            replace(old, end=now),
            AccountPlan(f"{account}.{len(record.plans) + 1}", PlanCode(target), now),
        )
        changed = replace(sold, spells=(*sold.spells, PlanSpell(target, now)))
        self.world.change(account, plans=plans, subscriptions=(changed,))

    def follows(self, act: Callable[[SubscriptionId], object]) -> None:
        """Something happens at the Marketplace, and its notice is handled at once."""
        now = self.world.clock.now()
        act(self.subscription)
        for operation in self.world.marketplace.outstanding_operations(self.subscription):
            self.world.marketplace.answer_operation(
                self.subscription, operation.id, OperationStatus.SUCCESS
            )
        self.world.process.follow(self.subscription, now)

    def outcome(self) -> Step:
        """What came of it, in the words of ``expected.json``."""
        submissions = [
            {
                "hour": f"{s.hour:%Y-%m-%d %H:%M}",
                "plan": s.plan,
                "units": to_text(s.quantity),
                "state": str(s.state),
            }
            for s in self.world.submissions(self.account)
        ]
        row = self.world.row(self.account)
        return {
            "submissions": submissions,
            "billedUnits": to_text(self.world.billed(self.account)),
            "ratedUnits": to_text(row.rated),
            "committedUnits": to_text(row.committed),
        }


def moment(text: str) -> datetime:
    return datetime.strptime(f"{text} +0000", "%Y-%m-%d %H:%M %z").astimezone(UTC)


def next_run(now: datetime) -> datetime:
    at = now.replace(minute=5)
    return at if at > now else at + HOUR


def catalog_for(setting: Step) -> Catalog:
    """Plans named as the Marketplace names them, pricing the sum of tokens."""
    plans = [
        plan_of(name, MODEL.validate_python(model), name)
        for name, model in setting["plans"].items()
    ]
    catalog = catalog_of(*plans)
    organization = Organization("contoso", setting.get("timeZone", "UTC"), epoch=date(2026, 1, 1))
    return replace(catalog, organization=organization)


def load(path: Path) -> Any:  # noqa: ANN401 - a file's JSON
    return json.loads(path.read_text("utf-8"), parse_float=Decimal)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_scenario(folder: Path) -> None:
    first, *others = [load(path) for path in sorted(folder.glob("[0-9]*--events.json"))]
    play = Play(first["setting"])
    steps = [step for part in (first, *others) for step in part["steps"]]
    for step in steps:
        play.step(step)
    play.world.check()
    assert play.outcome() == load(folder / "expected.json")


def test_there_are_scenarios() -> None:
    assert len(FOLDERS) >= 5
