"""The sample files are what their generator writes and what the catalogue takes."""

import io
from datetime import UTC, datetime, timedelta

from local.samples.files import CATALOG, USAGE, sample_rows
from local.samples.generator import ROWS, SEED, write
from shared.api.catalog import parse_catalog
from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.segment import key_of
from shared.domain.catalog.timeline import Timeline
from shared.domain.catalog.validation import faults_of
from shared.domain.grants import Credit
from shared.domain.ids import AccountCode, FieldCode, MeterCode, PlanCode, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.rating.rate import plan_rating, rate
from shared.domain.rating.statement import Member, state
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.partial import Partial

STATUS = FieldCode("status")
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_sample_usage_is_what_the_generator_writes() -> None:
    output = io.StringIO()
    write(output, SEED, ROWS)
    assert USAGE.read_text(encoding="utf-8") == output.getvalue()


def test_the_sample_usage_has_both_customers_in_every_hour() -> None:
    hours = {(row.hour, row.customer) for row in sample_rows()}
    assert hours == {(hour, name) for hour in range(6) for name in ("northwind", "fabrikam")}


def test_the_sample_catalogue_is_a_valid_catalogue() -> None:
    body = CATALOG.read_bytes()
    catalog = parse_catalog({"content-type": "application/yaml"}, body)
    assert faults_of(catalog) == ()
    for sold_as in ("standard", "scale"):
        plan = catalog.plan_for("contoso-ai", sold_as)
        assert plan is not None
        assert plan.code == sold_as


def test_the_sample_of_calls_credits_failed_calls_and_a_welcome() -> None:
    """120,000 calls, of which 4,000 failed: 110 paid thousands, less 2 dollars, less 25."""
    body = (CATALOG.parent / "api-calls.yaml").read_bytes()
    catalog = parse_catalog({"content-type": "application/yaml"}, body)
    (given,) = catalog.plan(PlanCode("maps-standard")).credits
    spell = PlanSpell("standard", MARCH)
    sold = Subscription(
        SubscriptionId("s"), "contoso-maps", (spell,), SubscriptionStatus.SUBSCRIBED, start=MARCH
    )
    record = AccountRecord(
        Account(AccountCode("acme")),
        (AccountPlan("p", PlanCode("maps-standard"), MARCH),),
        (sold,),
        credits=(Credit("c", given.amount, MARCH, MARCH + timedelta(days=given.days or 0)),),
    )
    cells = [
        CellUsage(MeterCode("calls"), key_of((STATUS,), data), MARCH, Partial(events=events))
        for events, data in ((116_000, {"status": "ok"}), (4_000, {"status": "failed"}))
    ]
    timeline, now = Timeline.of(catalog), MARCH + timedelta(days=3)
    rated = rate(sold, plan_rating(record, timeline, now), cells, now)
    owed = state([Member(record, rated.periods)], sold, timeline, now)
    assert [sum(e.amount for e in owed.entries), sum(owed.drawn.paid())] == [54, 27]
