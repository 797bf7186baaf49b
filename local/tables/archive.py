"""Exports: one compressed file of JSON lines, whose last line proves that it is whole."""

import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.tables.service import Entity, TableService, TablesFault

FORMAT = 1
"""Number of the file's own layout."""


LEDGER = "Ledger"
"""What the Marketplace has been told, and what is under way."""

_DAY_TABLE = re.compile(r"Usage\d{8}")
"""The usage log: nearly all that is stored, and gone after some weeks."""


def export(service: TableService, file: Path, *, usage_log: bool = True) -> dict[str, int]:
    """Write every table to ``file`` and return how many entities each has.

    ``usage_log`` says whether the day tables are among them; what was counted from them always
    is. The file appears under its name only when it is whole. Nothing is frozen: for one
    consistent moment the app must be stopped.
    """
    partial = file.with_name(file.name + ".partial")
    counts: dict[str, int] = {}
    with gzip.open(partial, "wt", encoding="utf-8") as out:
        head = {"format": FORMAT, "exported": datetime.now(UTC).isoformat(timespec="seconds")}
        out.write(json.dumps(head) + "\n")
        for table in sorted(service.tables()):
            if not usage_log and _DAY_TABLE.fullmatch(table):
                continue
            counts[table] = 0
            for entity in service.entities(table):
                out.write(json.dumps({"table": table, "entity": entity}) + "\n")
                counts[table] += 1
        out.write(json.dumps({"tables": counts}) + "\n")
    partial.replace(file)
    return counts


def check(file: Path) -> dict[str, int]:
    """Read an export to its end and return what it holds. Raises ``TablesFault`` unless whole."""
    counts: Counter[str] = Counter()
    told: dict[str, int] | None = None
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            head = json.loads(next(lines, "{}"))
            if not isinstance(head, dict) or head.get("format") != FORMAT:
                raise TablesFault(f"{file} is no export of format {FORMAT}")
            for line in lines:
                row = json.loads(line)
                if "tables" in row:
                    told = row["tables"]
                else:
                    counts[row["table"]] += 1
    except (OSError, EOFError, ValueError) as error:
        raise TablesFault(f"{file} cannot be read: {error}") from None
    if told is None or {name: n for name, n in told.items() if n} != dict(counts):
        raise TablesFault(f"{file} is not whole")
    return told


def restore(service: TableService, file: Path, *, replace: bool = False) -> dict[str, int]:
    """Store everything of an export; nothing is written unless the file is whole.

    Raises ``TablesFault`` for tables that hold something already, unless ``replace``: then
    entities of the same keys are replaced, and others stay. Repeating is harmless. A ledger that
    says anything else than the file is never replaced: whatever was sent after the export would
    be charged a second time.
    """
    told = check(file)
    if replace:
        _require_same_ledger(service, file)
    else:
        full = sorted(t for t in told if t in service.tables() and any(service.entities(t)))
        if full:
            raise TablesFault(f"these tables are not empty: {', '.join(full)}")
    for table in told:
        service.create(table)
    stored = dict.fromkeys(told, 0)
    for table, entities in _by_table(file):
        stored[table] += service.put_all(table, entities)
    return stored


def _require_same_ledger(service: TableService, file: Path) -> None:
    if LEDGER not in service.tables():
        return
    exported = {
        _key(entity): entity
        for table, entities in _by_table(file)
        if table == LEDGER
        for entity in entities
    }
    for entity in service.entities(LEDGER):
        if exported.get(_key(entity)) != entity:
            raise TablesFault(
                "the ledger there is not that of the export: replacing it would charge customers "
                "again what was sent since. See docs/runbook.md"
            )


def _key(entity: Entity) -> tuple[str, str]:
    return entity["PartitionKey"], entity["RowKey"]


def _by_table(file: Path) -> Iterator[tuple[str, Iterator[Entity]]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows: Iterator[dict[str, Any]] = (json.loads(line) for line in lines)
        found = (row for row in rows if "entity" in row)
        for table, group in itertools.groupby(found, key=lambda row: str(row["table"])):
            yield table, (row["entity"] for row in group)
