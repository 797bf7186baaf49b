"""Simulates histories on all cores and counts what they went through and what broke.

`./dev bench simulation --seconds 60` plays new histories for a minute; `--seed N` begins with that
seed; `--seed N --trace` plays that one and shows its last steps.
"""

import argparse
import itertools
import multiprocessing
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from tests.simulation.run import TAIL, Outcome, play

SHOWN: Sequence[tuple[str, Sequence[str]]] = (
    ("events stored", ("events",)),
    ("events sent again", ("resent events", "needless duplicates")),
    ("crashes of a process", ("crashes",)),
    ("answers lost", ("lost answer", "marketplace: lost answer")),
    ("requests lost", ("lost request", "marketplace: lost request")),
    ("calls while cut off", ("cut off",)),
    ("requests delayed, landing later", ("delayed request", "marketplace: delayed")),
    ("reads and writes torn", ("torn", "marketplace: partial")),
    ("throttled or refused", ("throttled", "marketplace: throttled", "marketplace: refused")),
    ("switches to another process", ("pause before", "pause after")),
    ("run messages lost", ("lost messages",)),
    ("run messages doubled", ("doubled messages",)),
    ("Marketplace outages", ("outages",)),
    ("cancellations", ("cancellations",)),
    ("suspensions", ("suspensions",)),
    ("refunds", ("refunds",)),
    ("intents", ("intents",)),
    ("submissions judged by the Marketplace", ("judged by the Marketplace",)),
    ("units billed", ("units billed",)),
    ("units written off and flagged", ("units written off",)),
)


@dataclass(slots=True)
class Tally:
    """The sum of many histories."""

    histories: int = 0
    account_hours: int = 0
    active: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Take a history into account."""
        self.histories += 1
        self.account_hours += outcome.account_hours
        self.active += outcome.active_account_hours
        self.seconds += outcome.seconds
        self.counts += outcome.counts
        if outcome.violation is not None:
            self.failed.append(outcome)


def measure(first: int, seconds: float, workers: int) -> Tally:
    """Play histories from seed ``first`` on, side by side, until the time is over."""
    tally, end = Tally(), time.monotonic() + seconds
    seeds = itertools.count(first)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        playing = {pool.submit(play, next(seeds)) for _ in range(workers + 1)}
        while playing:
            ended, playing = wait(playing, return_when=FIRST_COMPLETED)
            for future in ended:
                tally.add(future.result())
                if time.monotonic() < end:
                    playing.add(pool.submit(play, next(seeds)))
    return tally


def show(tally: Tally, took: float) -> None:
    """Print the figures."""
    rate, pure = tally.account_hours / took, tally.account_hours / max(tally.seconds, 0.001)
    print(f"{tally.account_hours:>14,}  account-hours: hours between a purchase and the end")
    print(f"{'':>14}  of the history, summed over all accounts")
    print(f"{tally.active:>14,}  of them with new usage stored in that hour")
    print(f"{tally.histories:>14,}  histories, each played until all bills are square")
    for title, names in SHOWN:
        print(f"{sum(tally.counts[name] for name in names):>14,}  {title}")
    print(f"{rate:>14,.0f}  account-hours a second ({took:,.0f} s)")
    print(f"{pure:>14,.0f}  account-hours a second of one processor's time")
    print(f"{len(tally.failed):>14,}  violations")


def explain(outcome: Outcome) -> None:
    """Print a failing history so that it can be understood and played again."""
    print(f"\nseed {outcome.seed}: {outcome.violation}")
    for line in outcome.trace:
        print(f"    {line}")
    print(f"\n./dev bench simulation --seed {outcome.seed} --trace    plays this again")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its status is 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="./dev bench simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, help="the first seed; without it, a new one is drawn")
    parser.add_argument("--trace", action="store_true", help="play the seed alone and show its end")
    parser.add_argument("--lines", type=int, default=TAIL, help="how many lines of the trace")
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    chosen = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if chosen.seed is None else chosen.seed
    print(f"seeds from {seed}")
    began = time.monotonic()
    if chosen.trace:
        outcome = play(seed, trace=chosen.lines)
        explain(outcome)
        return 0 if outcome.violation is None else 1
    tally = measure(seed, chosen.seconds, chosen.workers)
    show(tally, time.monotonic() - began)
    for outcome in tally.failed[:3]:
        explain(play(outcome.seed, trace=TAIL))
    if len(tally.failed) > 1:
        print("failing seeds:", *(outcome.seed for outcome in tally.failed))
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
