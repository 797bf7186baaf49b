"""The sample files: where they are, and the usage file row by row."""

import csv
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

CATALOG = Path(__file__).with_name("catalog.yaml")
USAGE = Path(__file__).with_name("requests.csv")

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One request of the sample file: its hour and its share of that hour."""

    number: int
    customer: str
    hour: int
    within: timedelta
    data: dict[str, int]


def sample_rows() -> list[Row]:
    """The sample file, relative to its first hour."""
    with USAGE.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    first = datetime.fromisoformat(lines[0]["timestamp"]).replace(minute=0, second=0, microsecond=0)
    rows = []
    for number, line in enumerate(lines):
        hour, within = divmod(datetime.fromisoformat(line["timestamp"]) - first, HOUR)
        data = {
            "contextTokens": int(line["prompt_tokens"]),
            "generatedTokens": int(line["completion_tokens"]),
        }
        rows.append(Row(number, line["customer"], hour, within, data))
    return rows
