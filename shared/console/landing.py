"""The landing page: what a buyer sees between the Azure Marketplace and the product."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.api.problem import Response
from shared.domain.account import AccountRecord
from shared.domain.errors import Conflict, InvalidInput, MeteringError, NotFound
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.services.activate import Offered

HTML_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
}

_ADVICE: tuple[tuple[type[MeteringError], int, str, str], ...] = (
    (
        InvalidInput,
        400,
        "This link can no longer be used",
        (
            "Links from the Azure Marketplace work for a day. Open the subscription in the Azure "
            "portal and choose “Configure account now” to get a new one."
        ),
    ),
    (
        NotFound,
        409,
        "This plan is not set up yet",
        (
            "Nothing has been charged. Please come back later with the same "
            "link, or with a new one from the Azure portal."
        ),
    ),
    (
        Conflict,
        409,
        "This subscription cannot be activated",
        (
            "It was cancelled or belongs to another account. Nothing has been charged. Buy the "
            "offer again in the Azure Marketplace, or ask the publisher."
        ),
    ),
    (
        MeteringError,
        503,
        "The Azure Marketplace did not answer",
        (
            "Nothing has been lost and nothing is charged twice. Please try again in a minute with "
            "the same link."
        ),
    ),
)


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)


def _page(status: int, **values: object) -> Response:
    filled: dict[str, object] = {
        "bad": False, "bought": (), "token": "", "button": "", "note": "", **values,
    }  # fmt: skip
    filled.setdefault("title", filled["heading"])
    html = _templates().get_template("landing.html").render(filled)
    return Response(status, html, HTML_HEADERS, "text/html")


def offer_page(token: str, resolve: Callable[[], Offered]) -> Response:
    """What was bought, and the button that starts it."""
    try:
        offered = resolve()
    except MeteringError as exc:
        return _advice_page(exc)
    bought = offered.purchase.subscription
    if bought.status is SubscriptionStatus.PENDING:
        return _page(
            200,
            heading=f"Activate {bought.name or 'your subscription'}",
            text="Check what you bought and activate it. Billing starts with the activation.",
            bought=_facts(bought, offered.plan.name or offered.plan.code),
            token=token,
            button="Activate",
            note="You can cancel at any time in the Azure portal.",
        )
    return _page(
        200,
        heading=f"{bought.name or 'Your subscription'} is {_plain(bought.status)}",
        text="There is nothing to activate here. Manage the subscription in the Azure portal.",
        bought=_facts(bought, offered.plan.name or offered.plan.code),
    )


def activated_page(_token: str, activate: Callable[[], AccountRecord]) -> Response:
    """Activate, and say so; pressing the button twice says the same again."""
    try:
        record = activate()
    except MeteringError as exc:
        return _advice_page(exc)
    name = record.account.name or record.account.code
    return _page(
        200,
        heading=f"{name} is active",
        text="Your usage is now billed through the Azure Marketplace. You can close this page.",
        bought=(("Account", record.account.code),),
    )


def _advice_page(error: MeteringError) -> Response:
    _, status, heading, text = next(advice for advice in _ADVICE if isinstance(error, advice[0]))
    return _page(status, heading=heading, text=text, bad=True)


def _facts(bought: MarketplaceSubscription, plan: str) -> list[tuple[str, str]]:
    facts = [("Offer", bought.offer), ("Plan", plan)]
    if bought.quantity is not None:
        facts.append(("Seats", str(bought.quantity)))
    facts += [
        (name, value)
        for name, value in (
            ("Purchased by", bought.purchaser_email),
            ("Used by", bought.beneficiary_email),
        )
        if value
    ]
    return facts


def _plain(status: SubscriptionStatus) -> str:
    match status:
        case SubscriptionStatus.PENDING:
            return "not active yet"
        case SubscriptionStatus.SUBSCRIBED:
            return "active"
        case SubscriptionStatus.SUSPENDED:
            return "suspended"
        case SubscriptionStatus.UNSUBSCRIBED:
            return "cancelled"
