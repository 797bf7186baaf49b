"""Bills a replay on the local stack, and compares the bill with a second computation."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from local.clients import CallFailed, checked
from local.due import Used, due_units
from local.replay.events import Event
from local.stack import Stack
from local.terminal import Column, Terminal, counted, dollars

STEP = timedelta(minutes=1)
"""Time moves on by this much first, which tells the run that follows from those before it: a
run's beginning is known to the second only."""

COLUMNS = (
    Column("account", 36),
    Column("events", 8, ">"),
    Column("due", 12, ">"),
    Column("accepted", 12, ">"),
    Column("", 10),
)


class Billing:
    """Watches the events of a replay, lets them be billed, and shows the result per account."""

    def __init__(self, stack: Stack, accounts: Sequence[str]) -> None:
        self._stack = stack
        self._accounts = accounts
        self._used: dict[str, list[Used]] = defaultdict(list)

    def watch(self, events: Iterator[Event]) -> Iterator[Event]:
        """Pass the events on, remembering what they measured."""
        for event in events:
            measured = {
                name: value for name, value in event.data.items() if isinstance(value, Decimal)
            }
            self._used[event.account].append(Used(event.time, measured))
            yield event

    def settle(self, terminal: Terminal, *, fresh: bool) -> bool:
        """Await a metering run and show what the Marketplace accepted.

        ``fresh`` accounts have no other usage: for them it must equal what is due. Returns
        whether it does.
        """
        staff, simulator = self._stack.administrator(), self._stack.simulator
        calls = simulator.metering_calls()
        asked = simulator.now() + STEP
        simulator.advance_to(asked)
        checked(staff.send("POST", "/api/metering/run"))
        staff.wait_for_run(asked - STEP / 2)
        accepted, now = simulator.accepted(), simulator.now()
        catalog = staff.get("/api/catalog")["catalog"]
        terminal.heading("Billed")
        terminal.table_head(COLUMNS)
        equal = True
        for account, used in self._used.items():
            got = accepted.get(account, 0)
            due = due_units(used, catalog, self._plan_of(account), now) if fresh else None
            equal = equal and due in {None, got}
            verdict = "" if due is None else "equal" if due == got else "NOT EQUAL"
            shown = "" if due is None else dollars(due)
            cells = (account, f"{len(used):,}", shown, dollars(got), verdict)
            terminal.table_row(COLUMNS, cells, "" if due in {None, got} else "red")
        terminal.line()
        made = simulator.metering_calls() - calls
        terminal.note(f"The run made {counted(made, 'call')} to the Marketplace's metering API.")
        return equal

    def _plan_of(self, account: str) -> str:
        plans = self._stack.administrator().get(f"/api/accounts/{account}")["plans"]
        if not plans:
            raise CallFailed(f"account {account} has no plan")
        return str(plans[-1]["plan"])
