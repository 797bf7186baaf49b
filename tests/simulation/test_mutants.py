"""Every deliberate fault in the protocol is noticed; unaltered, the same histories hold."""

import pytest

from shared.services import collect
from tests.simulation.altering import altered
from tests.simulation.mutants import INGESTION, MUTANTS, Mutant
from tests.simulation.process import Kit
from tests.simulation.run import play
from tests.simulation.watch import Violation

SEEDS = 100
"""Histories in which a fault must show."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_is_noticed(mutant: Mutant) -> None:
    kit = mutant.kit()
    if mutant.trial is not None:
        with pytest.raises(Violation):
            mutant.trial(kit)
        return
    for seed in range(mutant.first, mutant.first + SEEDS):
        if play(seed, kit, focus=mutant.focus).violation is not None:
            return
    pytest.fail(f"{SEEDS} histories did not show it")


@pytest.mark.parametrize("mutant", INGESTION[:4], ids=lambda mutant: mutant.name)
def test_without_the_fault_the_same_history_holds(mutant: Mutant) -> None:
    assert play(mutant.first, Kit(), focus=mutant.focus).violation is None


def test_what_an_edit_replaces_stands_in_the_module_once() -> None:
    with pytest.raises(LookupError, match="stands 0 times"):
        altered(collect, "- nothing of the kind\n+ something")
