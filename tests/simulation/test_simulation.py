"""Histories that must hold: some that are always played, and one that nobody has seen."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.simulation.process import Kit
from tests.simulation.run import TAIL, play
from tests.simulation.trials import TRIALS

FIXED = (3, 17, 41, 65, 90, 1201)
"""Histories with outages, blackouts, cancellations, late events and busy instances."""

DIGEST = """
import hashlib
from tests.simulation.run import play
outcome = play(8, trace=100_000, focus={"hours": 20, "customers": 6})
print(hashlib.sha256("\\n".join(outcome.trace).encode()).hexdigest(), len(outcome.trace))
"""


def _must_hold(seed: int) -> None:
    outcome = play(seed)
    if outcome.violation is not None:
        trace = "\n".join(play(seed, trace=TAIL).trace)
        again = f"./dev bench simulation --seed {seed} --trace"
        pytest.fail(f"seed {seed}: {outcome.violation}\n{trace}\nplay it again: {again}")
    assert outcome.counts["accepted"], "nothing was billed: the history shows nothing"


@pytest.mark.parametrize("seed", FIXED)
def test_a_history_that_is_always_played(seed: int) -> None:
    _must_hold(seed)


def test_a_history_that_nobody_has_seen() -> None:
    seed = secrets.randbelow(10**9)
    print(f"seed {seed}")
    _must_hold(seed)


@pytest.mark.parametrize("trial", TRIALS)
def test_a_trial(trial: Callable[[Kit], None]) -> None:
    trial(Kit())


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
