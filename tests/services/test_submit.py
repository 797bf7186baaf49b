"""Sending when a call is refused for its form: one bad item must not keep the others back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from shared.domain.ids import AccountCode, Shard, shard_of
from shared.domain.metering.reconciliation import ReportedUsage
from shared.domain.metering.submission import Answer, Refused, Submission, SubmissionState
from shared.domain.period import HOUR
from shared.services.submit import Breaker, Submit
from tests.fakes.marketplace import FakeMarketplace, Throttle
from tests.services.world import World


@dataclass(slots=True)
class PoisonedMetering:
    """Finds every call malformed that holds a submission of ``poison``."""

    inner: FakeMarketplace
    poison: AccountCode
    sizes: list[int] = field(default_factory=list)

    def send(self, submissions: Sequence[Submission]) -> list[Answer]:
        self.sizes.append(len(submissions))
        if any(submission.account == self.poison for submission in submissions):
            return [Refused("HTTP 400", malformed_call=True)] * len(submissions)
        return self.inner.send(submissions)

    def usage_of(self, day: date) -> list[ReportedUsage]:
        return self.inner.usage_of(day)


def held_customers(world: World, shard: Shard, count: int) -> list[AccountCode]:
    """Customers of one shard, each with a submission that is held."""
    found: list[AccountCode] = []
    while len(found) < count:
        account = world.customer()
        if shard_of(account) == shard:
            found.append(account)
    for account in found:
        world.use(account, 7)
    world.marketplace.decide = lambda call: Throttle() if call == "send" else None
    world.next_run()
    world.marketplace.decide = lambda _: None
    world.clock.advance(HOUR)
    return found


def test_a_malformed_item_does_not_keep_its_batch_from_being_billed() -> None:
    world, shard = World(), Shard(3)
    accounts = held_customers(world, shard, 6)
    metering = PoisonedMetering(world.marketplace, accounts[2])
    submit = Submit(world.ledger, metering, Breaker(world.clock))
    result = submit(shard, world.ledger.unsettled(shard), world.clock.now(), {})
    assert result.calls == len(metering.sizes)
    assert metering.sizes[0] == 6
    billed = {account: world.billed(account) for account in accounts}
    assert billed == {account: 0 if account == accounts[2] else 7 for account in accounts}
    (poisoned,) = world.submissions(accounts[2])
    assert (poisoned.state, poisoned.attempts) == (SubmissionState.HELD, 0)
    assert poisoned.reason == "HTTP 400"
    world.check()


def test_a_good_batch_is_one_call() -> None:
    world, shard = World(), Shard(3)
    held_customers(world, shard, 5)
    metering = PoisonedMetering(world.marketplace, AccountCode("nobody"))
    submit = Submit(world.ledger, metering, Breaker(world.clock))
    submit(shard, world.ledger.unsettled(shard), world.clock.now(), {})
    assert metering.sizes == [5]
