"""Bills on the wire: JSON, CSV, the page, jobs, simulations, and what a bill is made of."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.api.bills import (
    act,
    bill_view,
    csv_response,
    job_response,
    page_response,
    run_response,
    shown,
    simulation_response,
    wants,
)
from shared.api.request import Request
from shared.console.bill_page import bill_page
from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.grants import Credit
from shared.domain.ids import AccountCode, PlanCode
from shared.domain.rating.account_bill import Bill
from shared.services.bills import Letterhead
from tests.services.world import CATALOG, START, World

HEAD = Letterhead("Contoso", "Acme <Ltd>")
APRIL = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)


def request(
    document: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    route: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    **more: str,
) -> Request:
    body = b"" if document is None else json.dumps(document).encode()
    sent = {"content-type": "application/json", **(headers or {})}
    return Request("POST", sent, {**(query or {}), **more}, route or {}, body)


def customer(world: World, name: str) -> AccountCode:
    code = world.account(name)
    record = world.record(code)
    sold = replace(record.subscriptions[0], start=START)
    world.change(code, subscriptions=(sold,), plans=(replace(record.plans[0], start=START),))
    return code


def billed(*names: str) -> World:
    """Customers who used 100 tokens each in March, at the beginning of April."""
    world = World()
    for name in names:
        world.use(customer(world, name), 100)
    world.next_run()
    world.clock.at = APRIL
    world.run()
    return world


def answered(response: Any) -> Any:  # noqa: ANN401 - a response's JSON
    return json.loads(response.body)


def made(world: World, **order: str) -> Any:  # noqa: ANN401 - a response's JSON
    process = world.process
    return answered(run_response(process.bills, process.run_bills, request(order), APRIL))


def march(world: World, name: str) -> Bill:
    made(world, account=name)
    (bill,) = world.process.bills.find(AccountCode(name))
    return bill


def test_the_bills_of_one_account_are_made_at_once() -> None:
    (bill,) = made(billed("acme"), account="acme")["bills"]
    assert (bill["status"], bill["total"], bill["date"]) == ("PENDING", "1", "2026-04-01")
    assert "lines" not in bill


def test_all_are_made_by_a_job() -> None:
    world = billed("acme", "zeta")
    job = made(world)["job"]
    for message in world.messages.take("metering"):
        order = json.loads(message.body)
        if "bills" in order:
            world.process.run_bills.take(order)
    told = answered(job_response(world.process.run_bills.progress(job)))
    assert told["shards"] == {"done": 16, "of": 16}
    assert (told["accounts"], told["bills"], told["failed"]) == ({"done": 2, "of": 2}, 2, {})
    assert told["finished"]


@pytest.mark.parametrize(
    "order",
    [{"until": "2026-04-01T00:00:00"}, {"frequency": "HOURLY"}, {"color": "red"}],
)
def test_orders_that_cannot_be_used(order: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        made(billed("acme"), **order)


def test_a_bill_s_numbers_are_exact_text() -> None:
    bill = march(billed("acme"), "acme")
    view = json.loads(json.dumps(bill_view(bill)))
    (line,) = view["lines"]
    assert (line["quantity"], line["unit"], line["before"], line["after"]) == (
        "100",
        "token",
        "1",
        "1",
    )
    assert view["marketplace"] == [{"dimension": "usage_fee", "unitPrice": "0.01", "dollars": "1"}]


def test_csv_has_a_row_a_line_and_no_formula() -> None:
    bill = march(billed("acme"), "acme")
    risky = [replace(bill.lines[0], description=text) for text in ("=1+1", "@x", "+x", "-x", "ok")]
    minus = replace(bill.lines[0], before=Decimal("-2.50"), segment="\tx")
    response = csv_response([replace(bill, lines=(*risky, minus))], "bill.csv")
    rows = list(csv.DictReader(io.StringIO(response.body)))
    assert [row["description"] for row in rows[:5]] == ["'=1+1", "'@x", "'+x", "'-x", "ok"]
    assert (rows[5]["before"], rows[5]["segment"]) == ("-2.5", "'\tx")
    assert response.content_type == "text/csv"


def test_pages_of_bills() -> None:
    world = billed("a", "b", "c")
    for name in "abc":
        made(world, account=name)
    first = answered(page_response(world.process.bills, request(limit="2")))
    assert [bill["account"] for bill in first["bills"]] == ["a", "b"]
    rest = answered(page_response(world.process.bills, request(limit="2", cursor=first["cursor"])))
    assert ([bill["account"] for bill in rest["bills"]], rest["cursor"]) == (["c"], None)
    none = answered(page_response(world.process.bills, request(status="locked")))
    assert none["bills"] == []
    for wrong in ({"status": "lost"}, {"cursor": "x"}):
        with pytest.raises(InvalidInput):
            page_response(world.process.bills, request(query=wrong))
    own = answered(page_response(world.process.bills, request(account="b", cursor="")))
    assert [bill["account"] for bill in own["bills"]] == ["b"]
    assert page_response(world.process.bills, request(format="csv")).body.count("\n") == 4


def test_approved_and_locked_by_a_person() -> None:
    world = billed("acme")
    bill = march(world, "acme")
    for action, status in (("recalculate", "PENDING"), ("approve", "APPROVED"), ("lock", "LOCKED")):
        acted = act(world.process.bills, request(route={"id": bill.id, "action": action}), "anna")
        assert acted.status == status


@pytest.mark.parametrize(
    ("headers", "query", "form"),
    [
        ({}, {}, "json"),
        ({"accept": "text/html,*/*"}, {}, "html"),
        ({"accept": "text/csv"}, {}, "csv"),
        ({"accept": "text/html"}, {"format": "json"}, "json"),
    ],
)
def test_forms(headers: dict[str, str], query: dict[str, str], form: str) -> None:
    assert wants(request(headers=headers, query=query)) == form


def plain(bill: Bill) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(bill_view(bill)))


def family() -> World:
    """A parent and a child that used 100 and 250 tokens in March, and the child 20 more."""
    world = World()
    parent, child = customer(world, "acme"), AccountCode("acme-labs")
    plan = AccountPlan("labs.1", PlanCode("basic"), START)
    later = AccountPlan("labs.2", PlanCode("tiered"), START)
    world.accounts.create(AccountRecord(Account(child, parent=parent), (plan, later)))
    world.change(parent, children=(child,))
    world.use(parent, 100)
    world.use(child, 250)
    world.next_run()
    world.clock.at = APRIL
    world.run()
    return world


def test_children_line_by_line_or_in_short() -> None:
    bill = march(family(), "acme")
    wide = plain(shown(bill, request(children="breakdown")))
    short = plain(shown(bill, request(children="summary")))
    lines = [[(i["account"], i["kind"], i["before"]) for i in v["lines"]] for v in (wide, short)]
    assert lines == [
        [
            ("acme", "USAGE", "1"),
            ("acme-labs", "USAGE", "2.5"),
            ("acme-labs", "USAGE", "25"),
        ],
        [("acme", "USAGE", "1"), ("acme-labs", "CHILD", "27.5")],
    ]
    assert wide["total"] == short["total"] == "28.5"
    assert "Charges of acme-labs" in bill_page(shown(bill, request(children="summary")), HEAD).body
    with pytest.raises(InvalidInput):
        shown(bill, request(children="all"))


def test_the_page_shows_everything_and_escapes_it() -> None:
    world = billed("acme")
    world.change(
        AccountCode("acme"),
        credits=(Credit("c", Decimal("0.25"), START, description="<b>welcome</b>"),),
    )
    bill = march(world, "acme")
    page = bill_page(bill, world.process.bills.letterhead(bill))
    assert "&lt;b&gt;welcome&lt;/b&gt;" in page.body
    assert "<b>welcome" not in page.body
    for text in ("1 to 31 Mar 2026", "100 token", "0.75", "0.25", "Pending"):
        assert text in page.body
    assert "<script" not in page.body
    assert (page.headers or {})["Content-Security-Policy"].startswith("default-src 'none'")


# --- simulations

MONTH = {"start": "2026-03-01", "end": "2026-04-01"}


def simulated(world: World, **supposed: object) -> Any:  # noqa: ANN401 - a response's JSON
    return answered(simulation_response(world.process.simulate, request({**MONTH, **supposed})))


def test_quantities_on_a_plan_of_the_catalogue() -> None:
    answer = simulated(World(), plan="tiered", quantities={"total": "2000"})
    assert (answer["total"], answer["currency"]) == ("150", "USD")
    (line,) = answer["bills"][0]["lines"]
    assert [band["units"] for band in line["bands"]] == ["1000", "1000"]


def test_what_last_month_would_have_cost_on_another_plan() -> None:
    world = billed("acme")
    assert simulated(world, plan="tiered", account="acme")["total"] == "10"
    assert simulated(world, plan="basic", account="acme")["total"] == "1"
    assert list(world.process.bills.find()) == []


def test_a_plan_written_out_and_events() -> None:
    plan = {
        "code": "draft",
        "product": "ai",
        "pricing": [{"aggregation": "total", "charge": {"model": "PER_UNIT", "unitPrice": "0.5"}}],
        "minimumSpend": {"amount": "20"},
        "standingCharge": {"amount": "31", "timing": "IN_ADVANCE"},
    }
    events = [{"meter": "tokens", "time": "2026-03-05T10:00:00Z", "data": {"n": n}} for n in (4, 6)]
    answer = simulated(World(), planDocument=plan, events=events, credits=["6"])
    (bill,) = answer["bills"]
    assert [(line["kind"], line["before"]) for line in bill["lines"]] == [
        ("USAGE", "5"),
        ("MINIMUM", "15"),
        ("STANDING", "31"),
    ]
    assert (bill["gross"], bill["paid"], answer["total"]) == ("51", "6", "45")


@pytest.mark.parametrize(
    ("supposed", "place"),
    [
        ({}, "/plan"),
        ({"plan": "basic", "end": "2026-02-01"}, "/end"),
        ({"plan": "basic", "account": "acme", "quantities": {"total": "1"}}, ""),
        ({"plan": "basic", "credits": ["-1"]}, "/credits/0"),
        ({"plan": "basic", "quantities": {"nothing": "1"}}, "/quantities/nothing"),
        (
            {"plan": "basic", "events": [{"meter": "x", "time": "2026-03-05T10:00:00Z"}]},
            "/events/0/meter",
        ),
        (
            {"plan": "basic", "events": [{"meter": "tokens", "time": "2026-03-05T10:00:00Z"}]},
            "/events/0/data/n",
        ),
        (
            {"planDocument": {"code": "d", "product": "nothing", "pricing": []}},
            "/planDocument/product",
        ),
    ],
)
def test_what_cannot_be_simulated(supposed: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        simulated(World(), **supposed)
    assert place in [fault.pointer for fault in caught.value.fields]


def test_plans_and_accounts_that_do_not_exist() -> None:
    with pytest.raises(NotFound):
        simulated(World(), plan="nothing")
    with pytest.raises(NotFound):
        simulated(World(), plan="basic", account="nobody")
    assert CATALOG.find_plan(CATALOG.plans[0].code) is not None
