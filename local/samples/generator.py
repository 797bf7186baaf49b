"""Writes the sample usage file: requests of two customers to an AI API over six hours.

Usage: python -m local.samples.generator [--seed N] [--rows N] > local/samples/requests.csv
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TextIO

SEED = 2026
ROWS = 1200
START = datetime(2026, 1, 15, 9)  # noqa: DTZ001 - logs often lack a zone, so this one does too
SPAN = timedelta(hours=6)
CUSTOMERS = {"northwind": 5, "fabrikam": 3}
COLUMNS = ("timestamp", "customer", "prompt_tokens", "completion_tokens")
MAX_PROMPT = 8000
MAX_COMPLETION = 1200


def rows(seed: int = SEED, count: int = ROWS) -> Iterator[tuple[str, str, int, int]]:
    """``count`` rows in order of time; the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - figures, not secrets
    moments = sorted(chance.random() for _ in range(count))
    names, weights = list(CUSTOMERS), list(CUSTOMERS.values())
    for moment in moments:
        prompt = min(MAX_PROMPT, 1 + int(chance.lognormvariate(7.3, 0.9)))
        completion = min(MAX_COMPLETION, 1 + int(chance.lognormvariate(4.9, 0.9)))
        customer = chance.choices(names, weights)[0]
        yield (
            _seven_digits(START + moment * SPAN, chance.randrange(10)),
            customer,
            prompt,
            completion,
        )


def _seven_digits(moment: datetime, tenths: int) -> str:
    """A timestamp as many services log it: seven digits after the second, no zone."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}{tenths}"


def write(output: TextIO, seed: int, count: int) -> None:
    """The file: a header and one line a request."""
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows(seed, count))


def main() -> None:
    """Write to standard output."""
    parser = argparse.ArgumentParser(prog="python -m local.samples.generator", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    write(sys.stdout, given.seed, given.rows)


if __name__ == "__main__":
    main()
