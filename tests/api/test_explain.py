"""Explanations: from each cent that was sent back to bills, lines, hours and events."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from shared.api.explain import events_response, hours_response, story_response
from shared.api.request import Request
from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.billing import Included, QuantityBilling, QuantityDimension
from shared.domain.catalog.catalog import Catalog
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import AccountCode, AggregationCode, DimensionId, PlanCode
from shared.services.bills import Wanted
from tests.services.world import BASIC, CATALOG, START, World

D = Decimal
APRIL = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)


def asked(**query: str) -> Request:
    return Request("GET", {}, query, {}, b"")


def customer(name: str = "acme", catalog: Catalog = CATALOG, zone: str | None = None) -> World:
    """A customer whose subscription and plan begin now."""
    world = World(catalog=catalog)
    code = world.account(name, zone)
    record = world.record(code)
    sold = replace(record.subscriptions[0], start=START)
    world.change(code, subscriptions=(sold,), plans=(replace(record.plans[0], start=START),))
    return world


def story(world: World, code: str = "acme") -> Any:  # noqa: ANN401 - a response's JSON
    return json.loads(story_response(world.process.explain, code).body)


def follow(world: World, link: str) -> Iterator[Any]:
    """Everything behind a link of an explanation, two at a time."""
    parts = urlsplit(link)
    _, _, _, code, _, what = parts.path.split("/")
    respond = {"hours": hours_response, "events": events_response}[what]
    cursor = ""
    while True:
        query = dict(parse_qsl(parts.query)) | {"limit": "2", "cursor": cursor}
        page = json.loads(respond(world.process.explain, code, asked(**query)).body)
        assert len(page[what]) <= 2
        yield from page[what]
        if not page["cursor"]:
            return
        cursor = page["cursor"]


def lock(world: World, code: str = "acme") -> str:
    bills = world.process.bills
    *_, bill = bills.make(AccountCode(code), Wanted(world.clock.now()))
    bills.approve(bill.id, "anna")
    return bills.lock(bill.id, "anna").id


def test_from_a_cent_back_to_the_events() -> None:
    world = customer()
    for n in (1, 2, 3):
        world.use("acme", n)
        world.next_run()
    told = story(world)
    (dimension,) = told["dimensions"]
    assert (dimension["due"], dimension["committed"]) == ("6", "1")
    assert sum(D(sent["quantity"]) for sent in dimension["submissions"]) == 1
    (bill,) = told["bills"]
    assert dimension["shares"] == [{"bill": bill["id"], "units": "6", "dollars": "0.06"}]
    (line,) = bill["lines"]
    assert (line["after"], line["quantity"], line["aggregation"]) == ("0.06", "6", "total")
    assert line["sources"] == [
        {"aggregation": "total", "meter": "tokens", "type": "SUM", "field": "n"}
    ]
    (way,) = line["hours"]
    hours = list(follow(world, way))
    assert [(hour["events"], hour["fields"]["n"]["sum"]) for hour in hours] == [
        (1, "1"),
        (1, "2"),
        (1, "3"),
    ]
    events = [event for hour in hours for event in follow(world, hour["link"])]
    assert [event["data"]["n"] for event in events] == ["1", "2", "3"]


def test_events_of_an_hour_come_page_by_page() -> None:
    world = customer()
    for n in range(1, 8):
        world.use("acme", n)
    world.next_run()
    (way,) = story(world)["bills"][0]["lines"][0]["hours"]
    (hour,) = follow(world, way)
    events = list(follow(world, hour["link"]))
    assert hour["events"] == len(events) == 7
    assert sum(D(event["data"]["n"]) for event in events) == D(hour["fields"]["n"]["sum"])


def test_shares_of_locked_and_running_bills_add_up_to_what_is_due() -> None:
    world = customer()
    world.use("acme", 150)
    world.clock.at = APRIL
    world.run()
    locked = lock(world)
    world.use("acme", 20, START)
    world.use("acme", 7)
    world.next_run()
    told = story(world)
    (dimension,) = told["dimensions"]
    assert told["locked"] == [{"bill": locked, "link": f"/api/bills/{locked}"}]
    assert [(share["bill"] == locked, share["units"]) for share in dimension["shares"]] == [
        (True, "150"),
        (False, "27"),
    ]
    assert dimension["due"] == "177"


def test_units_of_a_plan_billed_by_quantity_add_up_too() -> None:
    included = Included(monthly=D(100))
    billing = QuantityBilling(
        (QuantityDimension(DimensionId("tokens"), AggregationCode("total"), None, included),)
    )
    world = customer(catalog=replace(CATALOG, plans=(replace(BASIC, billing=billing),)))
    world.use("acme", 150)
    world.clock.at = APRIL
    world.use("acme", 30)
    world.next_run()
    told = story(world)
    (dimension,) = told["dimensions"]
    assert dimension["due"] == "80"
    assert [share["units"] for share in dimension["shares"]] == ["50", "30"]
    units = [line for bill in told["bills"] for line in bill["units"]]
    assert sum(D(line["units"]) for line in units) == 80
    assert sum(D(line["measured"]) for line in units) == 180
    assert {line["soldAs"] for line in units} == {"standard"}


def test_a_cell_of_a_quarter_of_an_hour_has_its_own_events_only() -> None:
    world = customer(zone="Asia/Kolkata")
    for minute in (5, 20, 25):
        world.use("acme", minute, START.replace(minute=0))
        world.clock.at = START.replace(minute=minute)
        world.use("acme", minute)
    world.next_run()
    (way,) = story(world)["bills"][0]["lines"][0]["hours"]
    hours = list(follow(world, way))
    assert [hour["events"] for hour in hours] == [4, 2]
    assert [len(list(follow(world, hour["link"]))) for hour in hours] == [4, 2]


def test_lines_of_children_lead_to_their_own_events() -> None:
    world = customer()
    child = AccountCode("acme-labs")
    plan = AccountPlan("labs.1", PlanCode("basic"), START)
    world.accounts.create(AccountRecord(Account(child, parent=AccountCode("acme")), (plan,)))
    world.change(AccountCode("acme"), children=(child,))
    world.use("acme", 1)
    world.use(child, 5)
    world.next_run()
    lines = story(world)["bills"][0]["lines"]
    found = {
        line["account"]: [
            event["data"]["n"]
            for way in line["hours"]
            for hour in follow(world, way)
            for event in follow(world, hour["link"])
        ]
        for line in lines
    }
    assert found == {"acme": ["1"], "acme-labs": ["5"]}
    assert story(world, child) == {**story(world), "account": child}


def test_what_cannot_be_explained() -> None:
    world = customer()
    with pytest.raises(NotFound):
        world.process.explain.story(AccountCode("nobody"))
    with pytest.raises(InvalidInput):
        hours_response(world.process.explain, "acme", asked())
    now = "2026-03-05T10:00:00Z"
    with pytest.raises(InvalidInput):
        hours_response(world.process.explain, "acme", asked(**{"from": now, "until": now}))
