"""Bills on the running stack: from usage to a locked bill, and from each cent back to events."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from time import monotonic, sleep
from typing import Any

import pytest

from local.clients import checked
from local.stack import Stack

type Document = dict[str, Any]

D = Decimal
WITHIN = 60.0
TEN = timedelta(minutes=10)


@pytest.fixture(scope="module")
def account(stack: Stack) -> str:
    """A customer who used the product and was charged a price of the event's own, last month."""
    code, page = stack.simulator.buy("standard", "Northwind Traders")
    stack.backend().confirm(page)
    # Usage before the start is refused, and the app's clock has whole seconds.
    used = stack.simulator.now() + timedelta(minutes=1)
    stack.simulator.advance_to(used)
    report(stack, *(request(code, used, n, 200_000 * n) for n in range(1, 6)))
    priced = {"unit": "GB", "quantity": 3, "unitPrice": 0.335, "currency": "USD"}
    named = {"id": "stored", "account": code, "time": used.isoformat()}
    report(stack, {**named, **priced, "description": "Storage of models"})
    move(stack, month_after(used) + TEN)
    return code


def month_after(moment: datetime) -> datetime:
    later = moment.replace(day=28) + timedelta(days=4)
    return datetime(later.year, later.month, 1, tzinfo=UTC)


def move(stack: Stack, moment: datetime) -> None:
    """Move time on and let every shard run. The app's clock has whole seconds, so a run may have
    begun by it a little before the moment that time was moved to."""
    stack.simulator.advance_to(moment)
    post(stack, "/api/metering/run")
    stack.administrator().wait_for_run(moment - timedelta(seconds=2))


def request(account: str, time: datetime, n: int, read: int) -> Document:
    data = {"contextTokens": read, "generatedTokens": n}
    name = f"{time.isoformat()}.{n}"
    return {
        "id": name, "account": account, "meter": "requests", "time": time.isoformat(), "data": data
    }  # fmt: skip


def report(stack: Stack, *events: Document) -> None:
    answer = stack.backend().send("POST", "/api/usage", json.dumps(events).encode())
    assert {result["outcome"] for result in checked(answer)["results"]} == {"accepted"}


def post(stack: Stack, path: str, order: Document | None = None) -> Any:  # noqa: ANN401 - JSON
    return checked(stack.administrator().send("POST", path, json.dumps(order or {}).encode()))


def get(stack: Stack, path: str) -> Any:  # noqa: ANN401 - JSON
    return stack.administrator().get(path)


def pages(stack: Stack, link: str, name: str) -> Iterator[Document]:
    """Everything behind a link of an explanation, two at a time."""
    cursor = ""
    for _ in count():
        page = get(stack, f"{link}&limit=2&cursor={cursor.replace('+', '%2B')}")
        assert len(page[name]) <= 2
        yield from page[name]
        if page["cursor"] is None:
            return
        cursor = page["cursor"]


def finished(stack: Stack, job: str) -> Document:
    deadline = monotonic() + WITHIN
    while not (told := get(stack, f"/api/bills/jobs/{job}"))["finished"]:
        assert monotonic() < deadline, told
        sleep(0.1)
    return dict(told)


def test_from_a_job_to_a_locked_bill_and_back_to_every_event(stack: Stack, account: str) -> None:
    order = {"frequency": "MONTHLY", "until": stack.simulator.now().isoformat()}
    told = finished(stack, post(stack, "/api/bills/run", order)["job"])
    assert (told["accounts"], told["failed"]) == ({"done": 1, "of": 1}, {})
    (listed,) = get(stack, f"/api/bills?account={account}&status=pending")["bills"]
    bill = get(stack, f"/api/bills/{listed['id']}")
    by_hand = {"context-tokens": D("22.5"), "generated-tokens": D(0), "requests": D(0)}
    amounts = {line["aggregation"]: D(line["before"]) for line in bill["lines"]}
    assert amounts == {**by_hand, "custom": D("1.01")}, "3,000,000 tokens, and 3 GB at 0.335"
    assert D(bill["total"]) == sum(amounts.values())
    assert stack.simulator.accepted()[account] == D(bill["total"]) * 100

    story = get(stack, f"/api/accounts/{account}/explain")
    (dimension,) = story["dimensions"]
    sent = sum(D(each["quantity"]) for each in dimension["submissions"])
    assert sent == D(dimension["committed"]) == D(dimension["due"]) == D(bill["total"]) * 100
    (share,) = (s for s in dimension["shares"] if s["bill"] == bill["id"])
    assert D(share["dollars"]) == D(bill["total"])
    (lines,) = (each["lines"] for each in story["bills"] if each["id"] == bill["id"])
    events = {}
    for line in lines:
        for way in line["hours"]:
            for hour in pages(stack, way, "hours"):
                found = list(pages(stack, hour["link"], "events"))
                assert len(found) == hour["events"]
                events[line["aggregation"]] = found
    read = sum(D(event["data"]["contextTokens"]) for event in events["context-tokens"])
    assert read == 3_000_000
    assert [event["id"] for event in events["custom"]] == ["stored"]

    early = stack.administrator().send("POST", f"/api/bills/{bill['id']}/lock")
    assert early.status_code == 409
    assert post(stack, f"/api/bills/{bill['id']}/recalculate")["total"] == bill["total"]
    assert post(stack, f"/api/bills/{bill['id']}/approve")["status"] == "APPROVED"
    locked = post(stack, f"/api/bills/{bill['id']}/lock")
    assert (locked["status"], locked["number"]) == ("LOCKED", "000001")
    late = stack.administrator().send("POST", f"/api/bills/{bill['id']}/recalculate")
    assert late.status_code == 409


def test_late_usage_is_a_line_of_the_running_bill(stack: Stack, account: str) -> None:
    (locked,) = get(stack, f"/api/bills?account={account}&status=locked")["bills"]
    before = stack.simulator.accepted()[account]
    last_month = datetime.fromisoformat(locked["period"]["end"]) - timedelta(hours=3)
    report(stack, request(account, last_month, 1, 1_000_000))
    move(stack, stack.simulator.now() + timedelta(hours=1))
    (running,) = get(stack, f"/api/accounts/{account}/preview")["bills"]
    (line,) = (line for line in running["lines"] if line["kind"] == "ADJUSTMENT")
    assert D(line["before"]) == 6, "the last band of last month: a million at 0.000006"
    assert stack.simulator.accepted()[account] == before + 600
    assert get(stack, f"/api/bills/{locked['id']}")["total"] == locked["total"]


def test_a_bill_to_print_and_to_calculate_with(stack: Stack, account: str) -> None:
    (bill,) = get(stack, f"/api/bills?account={account}&status=locked")["bills"]
    page = stack.administrator().send("GET", f"/api/bills/{bill['id']}?format=html")
    assert page.headers["Content-Type"].startswith("text/html")
    for text in ("000001", "Storage of models", "23.51"):
        assert text in page.text
    table = stack.administrator().send("GET", f"/api/bills/{bill['id']}?format=csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert sum(D(row["after"]) for row in rows) == D(bill["total"])


def test_what_last_month_would_have_cost_on_another_plan(stack: Stack, account: str) -> None:
    (bill,) = get(stack, f"/api/bills?account={account}&status=locked")["bills"]
    span = {"start": bill["period"]["start"][:10], "end": bill["period"]["end"][:10]}
    asked = {"plan": "scale", "account": account, **span}
    supposed = post(stack, "/api/simulations", asked)
    by_hand = D(2_000_000) * D("0.000008") + D(2_000_000) * D("0.000004")
    lines = [line for each in supposed["bills"] for line in each["lines"]]
    tokens = [line for line in lines if line["unit"] == "token"]
    assert D(tokens[0]["before"]) == by_hand
