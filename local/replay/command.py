"""./dev replay: posts a usage file through the HTTP API and says what became of every row."""

import argparse
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import requests

from local.clients import CallFailed, Product
from local.processes import ROOT
from local.replay import memory
from local.replay.billing import Billing
from local.replay.events import (
    Assign,
    Shape,
    events,
    parse_map,
    stretched,
    unshifted,
)
from local.replay.options import parse
from local.replay.rows import BadFile, Row, Survey, survey, value_of
from local.replay.sender import FAILED, OUTCOMES, Sender, Tally, batches
from local.stack import Stack, find_stack
from local.terminal import Progress, Terminal, counted

MARGIN = timedelta(minutes=1)
"""Shifted times end this long before now, and bought subscriptions begin as long before them."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 only if every event is stored."""
    given = parse(arguments)
    terminal = Terminal()
    stack = None if given.url else find_stack()
    if stack is None and not given.url:
        terminal.failed("No local stack is up: start one with ./dev run, or name an API with --url")
        return 1
    try:
        return replay(given, stack, terminal)
    except (BadFile, CallFailed, requests.RequestException) as error:
        terminal.failed(str(error))
        return 1


def replay(given: argparse.Namespace, stack: Stack | None, terminal: Terminal) -> int:
    """Replay a file against a stack, or against the API that was named."""
    path: Path = given.file
    terminal.heading(f"Replay of {path.name}")
    shape = Shape(
        meter=given.meter,
        time_column=given.time_column,
        fields=parse_map(given.map),
        id_column=given.id_column,
        source=given.source,
        assume_utc=given.assume_utc,
    )
    found = survey(path, given.time_column, given.account_column, assume_utc=given.assume_utc)
    accounts, span = _settled(given, stack, found)
    assign = _assignment(given, found, accounts)
    shift = unshifted if span is None else stretched(found.first, found.last, *span)
    _explain(terminal, found, accounts, span)
    billing = Billing(stack, accounts) if given.bill and stack is not None else None
    begun = time.monotonic()
    progress = Progress(terminal, found.rows)
    stream = events(path, shape, assign, shift)
    if billing is not None:
        stream = billing.watch(stream)
    sender = Sender(lambda: _product(given, stack), given.workers)
    tally = sender.send_all(
        batches(stream, given.batch), lambda now: progress.show(now.answered, _note(now))
    )
    _summarise(terminal, tally, time.monotonic() - begun)
    billed = billing is None or billing.settle(terminal, fresh=given.buy is not None)
    return 0 if tally.stored and billed else 1


def _product(given: argparse.Namespace, stack: Stack | None) -> Product:
    if stack is not None:
        return stack.backend()
    header = {"x-api-key": given.api_key} if given.api_key else _bearer(given.token)
    return Product(given.url.rstrip("/"), lambda: header)


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


type Span = tuple[datetime, datetime]


def _settled(
    given: argparse.Namespace, stack: Stack | None, found: Survey
) -> tuple[tuple[str, ...], Span | None]:
    """Accounts and times: as when this command ran before, else decided now and written down."""
    if stack is not None:
        directory, target = Path(stack.directory), f"{stack.pid} {stack.url} {stack.marketplace}"
    else:
        directory, target = ROOT / ".local", given.url
    choices = [(name, value) for name, value in sorted(vars(given).items()) if name in _LASTING]
    place = memory.place(directory / "replays", found.digest, target, choices)
    known = None if given.anew else memory.recall(place)
    if known is not None:
        return known.accounts, known.span
    accounts, span = _decided(given, stack)
    memory.keep(place, accounts, span)
    return accounts, span


_LASTING = {
    "account", "account_column", "account_map", "account_prefix", "accounts", "assume_utc", "buy",
    "id_column", "map", "meter", "plan", "shift_to_now", "source", "time_column",
}  # fmt: skip


def _decided(given: argparse.Namespace, stack: Stack | None) -> tuple[tuple[str, ...], Span | None]:
    accounts = tuple(given.account)
    now = datetime.now().astimezone()
    if stack is not None:
        simulator = stack.simulator
        if given.buy:
            accounts = tuple(_bought(stack, given.plan, number) for number in range(given.buy))
            if given.shift_to_now:
                later = simulator.now() + given.shift_to_now + 2 * MARGIN
                simulator.advance_to(later)
        if given.accounts:
            accounts = tuple(simulator.subscribed()[: given.accounts])
            if len(accounts) < given.accounts:
                raise BadFile(f"the stack has only {len(accounts)} active subscriptions")
        now = simulator.now()
    if not given.shift_to_now:
        return accounts, None
    return accounts, (now - MARGIN - given.shift_to_now, now - MARGIN)


def _bought(stack: Stack, plan: str, number: int) -> str:
    subscription, landing_page = stack.simulator.buy(plan, f"Replay customer {number + 1}")
    stack.administrator().confirm(landing_page)
    return subscription


def _assignment(given: argparse.Namespace, found: Survey, accounts: Sequence[str]) -> Assign:
    column = given.account_column
    if column is None:
        return lambda number, _row: accounts[(number - 1) % len(accounts)]
    if accounts:
        owners = {
            value: accounts[index % len(accounts)] for index, value in enumerate(found.customers)
        }
    else:
        named = parse_map(given.account_map)
        owners = {
            value: named.get(value, f"{given.account_prefix}{value}") for value in found.customers
        }

    def assign(number: int, row: Row) -> str:
        return owners[str(value_of(number, row, column))]

    return assign


def _explain(terminal: Terminal, found: Survey, accounts: Sequence[str], span: Span | None) -> None:
    shown = f"{found.first:%Y-%m-%d %H:%M} to {found.last:%Y-%m-%d %H:%M} UTC"
    terminal.done("File", counted(found.rows, "row"), shown)
    if accounts:
        terminal.done("Accounts", f"{len(accounts)}", accounts[0] + (", …" if accounts[1:] else ""))
    if span is not None:
        moved = f"{span[0]:%Y-%m-%d %H:%M} to {span[1]:%Y-%m-%d %H:%M} UTC"
        terminal.done("Times moved to", moved)


def _note(tally: Tally) -> str:
    return f"{tally.retries} retries" if tally.retries else ""


def _summarise(terminal: Terminal, tally: Tally, seconds: float) -> None:
    counts = [f"{tally.outcomes[name]:,} {name}" for name in OUTCOMES]
    if tally.outcomes[FAILED]:
        counts.append(f"{tally.outcomes[FAILED]:,} {FAILED}")
    pace = f"{seconds:.1f} s, {tally.answered / max(seconds, 0.001):,.0f} events/s"
    report = terminal.done if tally.stored else terminal.failed
    report(", ".join(counts))
    terminal.line(f"    {pace}" + (f", {tally.retries} retries" if tally.retries else ""))
    for fault in tally.faults:
        terminal.failed(fault)
