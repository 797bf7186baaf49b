"""The retry rule of the webhook, without HTTP."""

from datetime import UTC, datetime, timedelta

from local.marketplace import defaults
from local.marketplace.config import Webhook
from local.marketplace.deliveries import DeliveryState, Post, Try
from local.marketplace.state import Marketplace, Purchase
from local.marketplace.subscription import Notification, Person

NOW = datetime(2026, 3, 14, 15, tzinfo=UTC)


def suspension() -> Notification:
    """News of a suspension."""
    market = Marketplace(defaults.offers(), 1, Person("a@b.example", "user", "tenant"))
    order = Purchase(offer_id=defaults.OFFER, plan_id="standard")
    subscription, _ = market.purchase(order, NOW)
    market.activate(subscription.id, "standard", None, NOW)
    market.suspend(subscription.id, NOW)
    return market.outbox[0]


def test_500_tries_in_8_hours() -> None:
    post, rule = Post(), Webhook()
    post.add(suspension(), "{}", None, NOW)
    (delivery,) = post.all
    while post.due(delivery.due):
        assert delivery.state is DeliveryState.WAITING
        now = delivery.due
        post.record(delivery, Try(now, 503, "", "v1"), rule, now)
    assert delivery.state is DeliveryState.GAVE_UP
    assert len(delivery.tries) == 500
    step = timedelta(hours=8) / 500
    assert delivery.tries[1].at - delivery.tries[0].at == step
    assert delivery.tries[-1].at == NOW + step * 499


def test_slow_tries_end_after_8_hours_as_well() -> None:
    post, rule = Post(), Webhook()
    post.add(suspension(), "{}", None, NOW)
    (delivery,) = post.all
    for hours in (0, 4, 8):
        assert delivery.state is DeliveryState.WAITING
        now = NOW + timedelta(hours=hours)
        post.record(delivery, Try(now, None, "ConnectionError", "v2"), rule, now)
    assert delivery.state is DeliveryState.GAVE_UP
    assert post.due(NOW + timedelta(days=1)) == []
