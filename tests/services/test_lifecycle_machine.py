"""Any interleaving of what happens to subscriptions, with repeats and losses at every step, ends
as the Marketplace says after one reconciliation, and all usage that Azure takes is billed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.api.lifecycle import Forwarding, parse_lifecycle_message
from shared.domain.errors import MeteringError
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.operation import Operation
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.money import ZERO
from shared.domain.usage.event import Outcome
from shared.ports import Message
from shared.services.receive_notice import Notice
from tests.fakes.marketplace import DelayRequest, Fault, LoseAnswer, LoseRequest, Throttle
from tests.services.world import CHEAP, World, catalog_of, plan_of

PENDING, SUBSCRIBED, SUSPENDED, UNSUBSCRIBED = SubscriptionStatus
PLANS = ("standard", "scale")
CATALOG = catalog_of(plan_of("basic", CHEAP, "standard"), plan_of("other", CHEAP, "scale"))
FAULTS: tuple[Fault, ...] = (
    LoseRequest(),
    LoseAnswer(),
    Throttle(),
    DelayRequest(timedelta(seconds=20)),
)
pick = st.integers(0, 10**6)


class Lifecycles(RuleBasedStateMachine):
    """Customers, Microsoft, the publisher, the queue and the clock, each when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(catalog=CATALOG)
        self.tokens: dict[SubscriptionId, str] = {}
        self.notices: list[Operation] = []
        self.queue: list[Message] = []
        self.used: dict[str, list[tuple[datetime, Decimal]]] = {}
        self.numbers = 0

    def attempt(self, work: Callable[[], object]) -> bool:
        """Whether something went through; it may be refused, and answers may be lost."""
        try:
            work()
        except MeteringError:
            return False
        finally:
            self.notices += self.world.marketplace.outbox
            self.world.marketplace.outbox.clear()
            self.queue += self.world.messages.take("lifecycle")
        return True

    def chosen(self, number: int) -> SubscriptionId:
        every = list(self.tokens)
        return every[number % len(every)]

    # --- customers and Microsoft

    @precondition(lambda self: len(self.tokens) < 3)
    @rule(plan=st.sampled_from(PLANS))
    def buy(self, plan: str) -> None:
        id_, token = self.world.marketplace.buy(plan)
        self.tokens[id_] = token

    @precondition(lambda self: self.tokens)
    @rule(number=pick)
    def land(self, number: int) -> None:
        token = self.world.marketplace.token(self.chosen(number))
        self.attempt(lambda: self.world.process.activate(token))

    @precondition(lambda self: self.tokens)
    @rule(number=pick, act=st.sampled_from(("suspend", "reinstate", "renew", "scale", "standard")))
    def happen(self, number: int, act: str) -> None:
        market, id_ = self.world.marketplace, self.chosen(number)
        acts: dict[str, Callable[[], object]] = {
            "suspend": lambda: market.suspend(id_),
            "reinstate": lambda: market.reinstate(id_),
            "renew": lambda: market.renew(id_),
        }
        self.attempt(acts.get(act, lambda: market.ask_for_plan(id_, act)))

    @precondition(lambda self: self.tokens)
    @rule(number=pick, sure=st.integers(0, 2))
    def unsubscribe(self, number: int, sure: int) -> None:
        if sure == 0:
            self.attempt(lambda: self.world.marketplace.unsubscribe(self.chosen(number)))

    @precondition(lambda self: self.tokens)
    @rule(number=pick, n=st.integers(1, 50))
    def use(self, number: int, n: int) -> None:
        account = AccountCode(self.chosen(number))
        if self.world.accounts.load(account) is None:
            return
        self.numbers += 1
        event = self.world.event(account, n, id_=f"u{self.numbers}")
        (result,) = self.world.send(event)
        if result.outcome is Outcome.ACCEPTED:
            self.used.setdefault(account, []).append((event.time, Decimal(n)))

    # --- the publisher

    @precondition(lambda self: self.tokens)
    @rule(number=pick, plan=st.sampled_from((*PLANS, "cancel", "adopt", "activate")))
    def order(self, number: int, plan: str) -> None:
        id_, process = self.chosen(number), self.world.process
        acts: dict[str, Callable[[], object]] = {
            "cancel": lambda: number % 4 == 0 and process.actions.cancel(id_, "me"),
            "adopt": lambda: process.adopt(id_, None, "me"),
            "activate": lambda: process.adopt(id_, None, "me", pending=True),
        }
        self.attempt(acts.get(plan, lambda: process.actions.change_plan(id_, plan, "me")))

    # --- deliveries

    @precondition(lambda self: self.notices)
    @rule(number=pick, fate=st.sampled_from(("once", "again", "lost")))
    def notify(self, number: int, fate: str) -> None:
        told = self.notices[number % len(self.notices)]
        notice = Notice(told.id, told.subscription, told.action)
        taken = fate == "lost" or self.attempt(lambda: self.world.process.receive_notice(notice))
        if taken and fate != "again":
            self.notices.remove(told)

    @precondition(lambda self: self.queue)
    @rule(number=pick, fate=st.sampled_from(("once", "again", "lost")))
    def deliver(self, number: int, fate: str) -> None:
        message = self.queue[number % len(self.queue)]
        task = parse_lifecycle_message(message.body.encode())
        assert not isinstance(task, Forwarding)
        taken = fate == "lost" or self.attempt(lambda: self.world.process.handle(task))
        if taken and fate != "again":
            self.queue.remove(message)

    @rule(fault=st.sampled_from(FAULTS), skip=st.integers(0, 2))
    def trouble(self, fault: Fault, skip: int) -> None:
        self.world.marketplace.faults.extend([*[None] * skip, fault])

    @rule()
    def crash(self) -> None:
        self.world.process = self.world.boot()

    # --- time

    @rule(minutes=st.sampled_from((1, 7, 25)))
    def wait(self, minutes: int) -> None:
        self.world.clock.advance(timedelta(minutes=minutes))

    @rule()
    def hour(self) -> None:
        self.world.to_next_run()
        self.attempt(self.world.process.reconcile)
        self.world.run()

    @invariant()
    def the_record_knows_only_moves_of_the_life_cycle(self) -> None:
        for code in self.world.accounts.codes():
            for sold in self.world.record(code).subscriptions:
                assert (sold.end is not None) == (sold.status is UNSUBSCRIBED)
                assert sold.start is not None or sold.status in (PENDING, UNSUBSCRIBED)
                starts = [spell.start for spell in sold.spells]
                assert starts == sorted(set(starts))

    # --- the end

    def teardown(self) -> None:
        market, world = self.world.marketplace, self.world
        market.faults.clear()
        world.clock.advance(timedelta(seconds=30))
        market.tick()
        world.to_next_run()
        report = world.process.reconcile()
        assert not report.failed, report.failed
        for id_ in self.tokens:
            self.agrees(id_)
        world.run()
        world.next_run(4)
        for id_ in self.tokens:
            self.is_billed(id_)
        world.journal.forget()
        again = world.process.reconcile()
        assert not again.repaired

    def agrees(self, id_: SubscriptionId) -> None:
        """Ours is the Marketplace's, once there is an account."""
        theirs, account = self.world.marketplace.sold[id_].seen, self.world.accounts.account_of(id_)
        if account is None or self.world.accounts.load(account) is None:
            return
        ours = self.world.record(account).subscriptions[-1]
        assert ours.status is theirs.status
        if theirs.status in (SUBSCRIBED, SUSPENDED):
            assert ours.plan == theirs.plan
            (attached,) = [p for p in self.world.record(account).plans if p.end is None]
            assert attached.plan == ("basic" if theirs.plan == "standard" else "other")

    def is_billed(self, id_: SubscriptionId) -> None:
        """All that Azure takes, and no more than was used."""
        sold, used = self.world.marketplace.sold[id_], self.used.get(id_, [])
        billed = self.world.marketplace.total(id_, "usage_fee")
        assert billed <= sum((n for _, n in used), ZERO)
        if sold.status is SUSPENDED or sold.activated is None:
            return
        until = sold.ended or self.world.clock.now()
        due = sum((n for at, n in used if sold.activated <= at < until), ZERO)
        assert billed >= due, (billed, due)


TestLifecycles = Lifecycles.TestCase
TestLifecycles.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
