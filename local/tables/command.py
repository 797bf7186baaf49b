"""./dev tables: export, import and upgrade of the tables, on this machine and in Azure."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.tables.archive import export, restore
from local.tables.service import CliToken, TableService, TablesFault, connect
from local.tables.upgrade import upgrade

EPILOG = """\
Which tables: those of the running local stack; those of a connection string in the variable
TABLES_CONNECTION; or with --endpoint https://ACCOUNT.table.core.windows.net those of Azure, as
whoever is signed in to az.
Restoring an old state of the ledger can charge customers twice: read docs/runbook.md first.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one of the three."""
    given = _parser().parse_args(arguments)
    try:
        service = _service(given.endpoint)
        match given.action:
            case "export":
                counts = export(service, given.file, usage_log=not given.without_usage_log)
                _tell("exported", counts)
            case "import":
                _tell("stored", restore(service, given.file, replace=given.replace))
            case _:
                for line in upgrade(service) or ["the tables are up to date"]:
                    print(line)
    except TablesFault as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev tables",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (
        ("export", "write every table to a file"),
        ("import", "store an export, into empty tables"),
        ("upgrade", "bring the tables to the format of this version"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--endpoint", metavar="URL", help="the table service in Azure")
        if name != "upgrade":
            action.add_argument("--file", type=Path, required=True, help="*.ndjson.gz")
        if name == "export":
            action.add_argument(
                "--without-usage-log",
                action="store_true",
                help="leave out the day tables with single events; sums are exported",
            )
        if name == "import":
            action.add_argument(
                "--replace", action="store_true", help="also into tables that hold something"
            )
    return parser


def _service(endpoint: str | None) -> TableService:
    if endpoint:
        return TableService(endpoint, CliToken(os.environ.get("TABLES_TOKEN", "")))
    connection = os.environ.get("TABLES_CONNECTION", "")
    if not connection:
        # Only here are the project's packages needed.
        from local.stack import find_stack

        stack = find_stack()
        if stack is None:
            raise TablesFault("no local stack is up and nothing else was named; see --help")
        connection = stack.tables
    return connect(connection)


def _tell(verb: str, counts: dict[str, int]) -> None:
    for table, count in sorted(counts.items()):
        print(f"{table:24} {count:>10,}")
    print(f"{verb} {sum(counts.values()):,} entities of {len(counts)} tables")
