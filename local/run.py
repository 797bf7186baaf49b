"""./dev run: starts the local stack, plays a day on it, and keeps it up to be tried."""

import argparse
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import requests

from local.azurite.process import AzuriteMissing
from local.clients import CallFailed
from local.play import Play
from local.processes import ROOT, Processes, ProcessFailed
from local.stack import ANY_PORTS, Ports, Stack, find_stack, published, running_stack
from local.terminal import Terminal

STAYING = ROOT / ".local" / "run"
PASSING = ROOT / ".local" / "run-exit"


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 only if everything worked and the bill is right."""
    given = _parse(arguments)
    terminal = Terminal()
    found = find_stack()
    if found is not None and not given.exit:
        terminal.failed(
            f"A stack is up already: {found.url} (process {found.pid}).\n"
            "Use that one, or stop it with Ctrl-C in its terminal."
        )
        return 1
    directory = (given.keep or (PASSING if given.exit else STAYING)).resolve()
    try:
        return _run(directory, terminal, stay=not given.exit)
    except (AzuriteMissing, ProcessFailed, CallFailed, requests.RequestException) as error:
        terminal.failed(str(error))
        terminal.line(f"    The logs are in {directory / 'logs'}.")
        return 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev run",
        description="Start storage, Service Bus, Marketplace and the app on this machine, play a "
        "day of two customers, compare what was billed with what was due, and stay up.",
    )
    parser.add_argument("--exit", action="store_true", help="stop after the comparison")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where logs, settings and clock are left behind"
    )
    return parser.parse_args(arguments)


def _run(directory: Path, terminal: Terminal, *, stay: bool) -> int:
    begun = time.monotonic()
    ports = Ports() if stay else ANY_PORTS
    terminal.heading("Marketplace metering on this machine")
    with running_stack(directory, terminal.done, ports) as (stack, processes):
        equal = Play(stack, terminal).run()
        terminal.line()
        terminal.line(f"  {time.monotonic() - begun:.0f} s from the start to here.")
        if stay:
            explain(stack, terminal)
            _stay(stack, processes, terminal)
    return 0 if equal else 1


def _stay(stack: Stack, processes: Processes, terminal: Terminal) -> None:
    with published(stack), contextlib.suppress(KeyboardInterrupt):
        while True:
            processes.check()
            time.sleep(0.5)
    terminal.line()
    terminal.line("  Stopping …")


def explain(stack: Stack, terminal: Terminal) -> None:
    """Addresses, and commands that work as they stand."""
    now = stack.simulator.now()
    terminal.heading("Try it, in another terminal")
    for title, lines in _commands(stack, stack.simulator.subscribed()[0], now):
        terminal.line(f"  {terminal.style(title, 'dim')}")
        for line in lines:
            terminal.line(f"    {line}")
    terminal.line()
    terminal.line(f"  The Marketplace's page, to buy, cancel and move time:  {stack.marketplace}/")
    terminal.line(f"  The stack's time is {now:%A %d %B, %H:%M} UTC. Ctrl-C stops everything.")


def _commands(stack: Stack, account: str, now: datetime) -> Sequence[tuple[str, Sequence[str]]]:
    identity = f'"id": "try-1", "account": "{account}", "meter": "requests"'
    facts = '"data": {"contextTokens": 120000, "generatedTokens": 3000}'
    api, market = stack.url, stack.marketplace
    backend = 'curl -H "Authorization: Bearer $(./dev token)"'
    staff = 'curl -H "Authorization: Bearer $(./dev token --staff)"'
    return (
        ("Post usage", (
            f"{backend} -H 'Content-Type: application/json' \\",
            f"  {api}/api/usage -d '{{",
            f"  {identity},",
            f'  "time": "{now:%Y-%m-%dT%H:%M:%SZ}", {facts}}}\'',
        )),
        ("Let an hour pass: the app's timer bills it", (
            f"curl {market}/control/clock -d '{{\"advanceSeconds\": 3600}}'",
        )),
        ("What is due, and what was sent", (
            f"{staff} \\",
            f"  {api}/api/accounts/{account}/totals",
            f"{staff} \\",
            f"  {api}/api/submissions?account={account}",
        )),
        ("What the Marketplace has accepted", (f"curl {market}/control/usage/totals",)),
        ("The price list", (f"{staff} {api}/api/catalog",)),
        ("A usage file of one's own", (
            "./dev replay local/samples/requests.csv --buy 2 --account-column customer --bill \\",
            "  --time-column timestamp --assume-utc --shift-to-now 6h --meter requests \\",
            "  --map prompt_tokens=contextTokens --map completion_tokens=generatedTokens",
        )),
    )  # fmt: skip
