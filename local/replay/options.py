"""What ./dev replay can be asked for."""

import argparse
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

_SPAN = re.compile(r"(\d+)(m|h|d)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

EPILOG = """\
whose usage it is, one of:
  --account-column NAME        the column holds accounts (--account-map, --account-prefix help)
  --account CODE ...           rows are dealt to these accounts in turn
  --accounts N                 to the first N active subscriptions of the local stack
  --buy N                      to N subscriptions bought in the local Marketplace first
  with --account-column, --accounts and --buy give each value of the column an account instead

The same command again sends the same events: same ids, same accounts, same times. So a replay
that was interrupted is resumed by repeating it, and a complete one finds only duplicates.

example:
  ./dev replay local/samples/requests.csv --buy 2 --account-column customer --meter requests \\
    --time-column timestamp --assume-utc --shift-to-now 6h \\
    --map prompt_tokens=contextTokens --map completion_tokens=generatedTokens --bill
"""


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"{text} is no span such as 90m, 20h or 2d")
    return int(match[1]) * _UNITS[match[2]]


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ends the process with a message when they make no sense."""
    parser = argparse.ArgumentParser(
        prog="./dev replay",
        description="Post a CSV or NDJSON file of usage through the HTTP API.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="CSV with a header, or .ndjson/.jsonl")
    add("--meter", required=True, metavar="CODE")
    add("--time-column", required=True, metavar="NAME", help="ISO 8601 or epoch times")
    add("--map", action="append", default=[], metavar="COLUMN=FIELD", help="a data field; repeat")
    add("--account-column", metavar="NAME")
    add("--account-map", action="append", default=[], metavar="VALUE=CODE")
    add("--account-prefix", default="", metavar="TEXT")
    add("--account", action="append", default=[], metavar="CODE")
    add("--accounts", type=_positive, metavar="N")
    add("--buy", type=_positive, metavar="N")
    add("--plan", default="standard", help="of the subscriptions bought (%(default)s)")
    add("--id-column", metavar="NAME", help="instead of file name and row number")
    add("--source", metavar="TEXT", help="the events' source")
    add("--assume-utc", action="store_true", help="read times without a zone as UTC")
    add(
        "--shift-to-now",
        type=_span,
        metavar="SPAN",
        help="stretch the times over the last 20h, 90m, …, keeping their order",
    )
    add("--anew", action="store_true", help="forget how the file was replayed before")
    add("--bill", action="store_true", help="then let the local stack bill, and show the result")
    add("--url", help="of the API; without it, the local stack that ./dev run keeps up")
    credential = parser.add_mutually_exclusive_group()
    credential.add_argument("--api-key", metavar="KEY", help="for --url")
    credential.add_argument("--token", metavar="TOKEN", help="for --url: an Entra access token")
    add("--batch", type=_positive, default=500, metavar="N", help="events a request (%(default)s)")
    add("--workers", type=_positive, default=4, metavar="N", help="connections (%(default)s)")
    given = parser.parse_args(arguments)
    ways = [bool(given.account), given.accounts is not None, given.buy is not None]
    if sum(ways) > 1 or not (any(ways) or given.account_column):
        parser.error("say whose usage it is: see 'whose usage it is' in --help")
    if given.url and (given.accounts or given.buy or given.bill):
        parser.error("--accounts, --buy and --bill belong to the local stack, not to --url")
    if given.url and not (given.api_key or given.token):
        parser.error("--url needs --api-key or --token")
    if given.batch > 1000:
        parser.error("--batch: the API takes at most 1,000 events a request")
    return given
