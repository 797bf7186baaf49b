"""Faults that the simulation found, each as the shortest history that shows it."""

from datetime import timedelta

import pytest

from shared.domain.finding import FindingKind
from shared.domain.ids import SubscriptionId
from tests.services.taps import Call
from tests.services.world import World


class Crash(BaseException):
    """The process ends here."""


def crash(_: Call) -> None:
    raise Crash


def test_a_write_off_is_reported_though_the_process_crashes_after_writing_it() -> None:
    world = World()
    account = world.customer()
    world.use(account, 5)
    world.next_run()
    used = world.clock.now()
    end = world.clock.advance(timedelta(minutes=1))
    world.marketplace.unsubscribe(SubscriptionId(account))
    world.process.follow(SubscriptionId(account), end)
    world.use(account, 7, used)
    world.clock.advance(timedelta(hours=26))
    world.journal.after("ledger.write", crash)
    world.to_next_run()
    with pytest.raises(Crash):
        world.run()
    assert world.row(account).written_off == 7
    world.next_run(2)
    (finding,) = [f for f in world.findings.all() if f.kind is FindingKind.WRITTEN_OFF]
    assert finding.subject.startswith(account)
