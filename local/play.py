"""A day of two customers on the local stack: they buy, use, are billed hour by hour, one leaves."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import yaml

from local.clients import CallFailed, Json, checked
from local.due import Document, Used, due_units
from local.samples.files import CATALOG, Row, sample_rows
from local.stack import Stack
from local.terminal import Column, Terminal, counted, dollars
from local.usage_queue import UsageQueue, batches

METER = "requests"
HOUR = timedelta(hours=1)

RUN_AT = timedelta(minutes=6)
"""Just after the minute at which the app's own timer starts an hourly run."""
POST_AT = timedelta(minutes=55)
QUEUE_EVERY = 5
"""Every fifth row travels through Service Bus, the others over HTTP."""
HTTP_BATCH = 100

COLUMNS = (
    Column("hour", 5),
    Column("account", 17),
    Column("dimension", 9),
    Column("events", 6, ">"),
    Column("total", 8, ">"),
    Column("billed before", 13, ">"),
    Column("sent", 7, ">"),
    Column("answer", 17),
)


CHECK_COLUMNS = (
    Column("account", 17),
    Column("events", 6, ">"),
    Column("due, by a second computation", 28, ">"),
    Column("accepted", 10, ">"),
    Column("", 9),
)


@dataclass(slots=True)
class Customer:
    """Who buys: the name in the sample file, the plan, and what has happened so far."""

    code: str
    name: str
    plan: str
    account: str = ""
    used: list[Used] = field(default_factory=list)
    posted: int = 0
    billed: int = 0
    seen: set[str] = field(default_factory=set)
    ended: bool = False


class Play:
    """The day, act by act; every act checks the answers it gets."""

    def __init__(self, stack: Stack, terminal: Terminal) -> None:
        self._stack = stack
        self._terminal = terminal
        self._simulator = stack.simulator
        self._backend = stack.backend()
        self._staff = stack.administrator()
        self._rows = sample_rows()
        self.customers = (
            Customer("northwind", "Northwind Traders", "standard"),
            Customer("fabrikam", "Fabrikam", "scale"),
        )
        self._catalog: Document = {}

    def run(self) -> bool:
        """Play all of it; whether what was accepted is what was due."""
        self._load_catalog()
        self._buy()
        hours = 1 + max(row.hour for row in self._rows)
        base = _hour(self._simulator.now())
        self._terminal.heading(f"Hour by hour, from {base:%A %d %B %Y} (UTC; units of 1 cent)")
        self._terminal.table_head(COLUMNS)
        with UsageQueue(self._stack.service_bus) as queue:
            for number in range(hours):
                start = base + number * HOUR
                self._simulator.advance_to(start + POST_AT)
                self._use(queue, [row for row in self._rows if row.hour == number], start)
                if number == hours - 1:
                    self._cancel(self.customers[-1])
                self._bill(start)
        self._bill(base + hours * HOUR)
        return self._check()

    def _load_catalog(self) -> None:
        document = CATALOG.read_bytes()
        checked(self._staff.send("PUT", "/api/catalog", document, "application/yaml"))
        self._catalog = yaml.safe_load(document)
        counts = [
            counted(len(self._catalog[f"{kind}s"]), kind)
            for kind in ("meter", "aggregation", "plan")
        ]
        self._terminal.done("Catalogue", ", ".join(counts), "local/samples/catalog.yaml")

    def _buy(self) -> None:
        """On the hour plus ten minutes, so that every later step falls into one hour."""
        self._simulator.advance_to(_hour(self._simulator.now()) + HOUR + timedelta(minutes=10))
        for customer in self.customers:
            customer.account, landing_page = self._simulator.buy(customer.plan, customer.name)
            self._staff.confirm(landing_page)
            account = self._staff.get(f"/api/accounts/{customer.account}")
            status = account["subscriptions"][-1]["status"]
            if status != "Subscribed":
                raise CallFailed(f"the subscription of {customer.name} is {status}")
            self._terminal.done(customer.name, f"bought plan {customer.plan}", customer.account)

    def _use(self, queue: UsageQueue, rows: Sequence[Row], start: datetime) -> None:
        by_code = {customer.code: customer for customer in self.customers}
        over_http: list[object] = []
        queued: list[object] = []
        for row in rows:
            customer = by_code[row.customer]
            # Between minute 12 and 54, so that the hour holds the purchase and the cancellation.
            at = start + timedelta(minutes=12) + row.within * 0.7
            measured = {name: Decimal(value) for name, value in row.data.items()}
            customer.used.append(Used(at, measured))
            customer.posted += 1
            event = {
                "id": f"request-{row.number}",
                "account": customer.account,
                "meter": METER,
                "time": at.isoformat(),
                "data": row.data,
            }
            (queued if row.number % QUEUE_EVERY == 0 else over_http).append(event)
        self._terminal.passing(f"  {start:%H:%M}  posting {len(rows)} events …")
        queue.put(queued)
        for batch in batches(over_http, HTTP_BATCH):
            self._post(batch)
        queue.wait_empty()

    def _post(self, events: Sequence[object]) -> None:
        answer = checked(self._backend.send("POST", "/api/usage", json.dumps(events).encode()))
        if answer["accepted"] != len(events):
            raise CallFailed(f"not every event was accepted: {json.dumps(answer)[:1000]}")

    def _cancel(self, customer: Customer) -> None:
        self._simulator.cancel(customer.account)
        customer.ended = True
        self._terminal.note(f"{self._simulator.now():%H:%M}  {customer.name} cancels")

    def _bill(self, hour: datetime) -> None:
        """Let the hour close, wait for the run that the timer starts, and print what it did."""
        self._terminal.passing(f"  {hour:%H:%M}  waiting for the hourly run …")
        closing = hour + HOUR
        self._simulator.advance_to(closing + RUN_AT)
        self._staff.wait_for_run(closing + RUN_AT - timedelta(minutes=1))
        label = f"{hour:%H:%M}"
        for customer in self.customers:
            for cells in self._rows_of(customer):
                self._terminal.table_row(COLUMNS, (label, *cells))
                label = ""
            customer.posted = 0

    def _rows_of(self, customer: Customer) -> Iterator[tuple[str, ...]]:
        account = customer.account
        totals = self._staff.get(f"/api/accounts/{account}/totals")["dimensions"]
        fresh = [
            submission
            for submission in self._staff.get(f"/api/submissions?account={account}")["submissions"]
            if _key(submission) not in customer.seen
        ]
        for total in totals:
            sent = [s for s in fresh if s["dimension"] == total["dimension"]]
            units = sum(int(s["quantity"]) for s in sent)
            yield (
                customer.name,
                total["dimension"],
                f"{customer.posted:,}",
                f"{int(total['total']):,}",
                f"{customer.billed:,}",
                f"{units:,}" if sent else "-",
                _answer(sent, customer, total),
            )
            customer.billed += sum(int(s["billed"] or 0) for s in sent)
            customer.seen |= {_key(s) for s in sent}

    def _check(self) -> bool:
        """Compare what the Marketplace accepted with what the events and prices alone say."""
        self._terminal.heading("What the Marketplace accepted, and what was due")
        self._terminal.table_head(CHECK_COLUMNS)
        accepted, now = self._simulator.accepted(), self._simulator.now()
        equal = True
        for customer in self.customers:
            due = due_units(customer.used, self._catalog, customer.plan, now, ended=customer.ended)
            got = accepted.get(customer.account, 0)
            right = due == got > 0
            equal = equal and right
            figures = (f"{len(customer.used):,}", dollars(due), dollars(got))
            verdict = "equal" if right else "NOT EQUAL"
            self._terminal.table_row(
                CHECK_COLUMNS, (customer.name, *figures, verdict), "green" if right else "red"
            )
        return equal


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _key(submission: Json) -> str:
    return f"{submission['dimension']} {submission['hour']}"


def _answer(sent: Sequence[Json], customer: Customer, total: Json) -> str:
    if sent:
        states = sorted({f"{s['state']}{', final' if s['final'] else ''}" for s in sent})
        return ", ".join(states)
    if int(total["total"]) == int(total["committed"]):
        return "nothing new"
    return "waits for grace" if customer.ended else "not sent"
