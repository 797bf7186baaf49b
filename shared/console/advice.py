"""What to tell a person: where things stand, and what to do next."""

from dataclasses import dataclass, replace

from shared.domain.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    MeteringError,
    NotFound,
    Rejected,
)


@dataclass(frozen=True, slots=True)
class Advice:
    """A heading, in which ``{}`` stands for the subject, a text, and the ways on."""

    status: int
    heading: str
    text: str
    tone: str = ""
    button: str = ""
    note: str = ""
    portal: bool = False
    to_product: bool = False
    try_again: bool = False
    other_person: bool = False


CONFIRM = Advice(
    200,
    "Activate {}",
    "Please check what you bought and confirm. Billing starts with your confirmation; until then "
    "nothing is charged.",
    button="Confirm and activate",
    note="You can change or cancel the subscription at any time in the Azure portal.",
)
FINISH = Advice(
    200,
    "Finish setting up {}",
    "The subscription is active in the Azure Marketplace. Confirm to set up your account.",
    button="Set up my account",
)
ACTIVE = Advice(
    200,
    "{} is active",
    "Everything is set up. Change plan, seats or payment in the Azure portal.",
    tone="good",
    portal=True,
    to_product=True,
)
DONE = Advice(
    200,
    "{} is active",
    "Your account is ready. What you use is billed through the Azure Marketplace. You can close "
    "this page.",
    tone="good",
    to_product=True,
    portal=True,
)
SUSPENDED = Advice(
    200,
    "{} is suspended",
    "The last payment did not go through. Update the payment method in the Azure portal: the "
    "subscription then goes on by itself, and all your data are still there.",
    tone="warn",
    portal=True,
)
CANCELLED = Advice(
    200,
    "{} was cancelled",
    "It cannot be activated any more, and nothing is charged. To go on, buy the offer again in the "
    "Azure Marketplace; your data are kept for at least seven days after the end.",
    tone="warn",
    portal=True,
)
AGAIN = Advice(
    403,
    "Please confirm once more",
    "This confirmation did not come from our page, or the page was open for too long. Nothing has "
    "been changed.",
    tone="warn",
    try_again=True,
)
NO_SIGN_IN = Advice(
    503,
    "Sign-in is not set up yet",
    "This page needs to know who you are, and its sign-in is not configured. Nothing has been "
    "charged. Please tell the publisher, and come back with the same link.",
    tone="bad",
    try_again=True,
)

_BAD_LINK = Advice(
    400,
    "This link can no longer be used",
    "Links from the Azure Marketplace work for a day. Open the subscription in the Azure portal "
    "and choose “Configure account now” to get a new one.",
    tone="bad",
    portal=True,
)

_NOT_OURS = Advice(
    409,
    "This purchase cannot be opened here",
    "The Azure Marketplace does not let us see it. It may be of another publisher: open the "
    "subscription in the Azure portal and follow its link. Nothing has been charged.",
    tone="bad",
    portal=True,
    try_again=True,
)

_ADVICE: tuple[tuple[type[MeteringError], Advice], ...] = (
    (InvalidInput, _BAD_LINK),
    (
        Forbidden,
        Advice(
            403,
            "This purchase belongs to another account",
            "Sign in with the account that the subscription was bought with or for, or send the "
            "link to that person. Nothing has been changed.",
            tone="bad",
            other_person=True,
        ),
    ),
    (
        NotFound,
        Advice(
            409,
            "This plan is not set up yet",
            "Nothing has been charged. Please come back later with the same link, or with a new "
            "one from the Azure portal.",
            tone="warn",
            portal=True,
            try_again=True,
        ),
    ),
    (
        Conflict,
        Advice(
            409,
            "This subscription cannot be activated",
            "It was cancelled or belongs to another account. Nothing has been charged. Buy the "
            "offer again in the Azure Marketplace, or ask the publisher.",
            tone="bad",
            portal=True,
        ),
    ),
    (
        MeteringError,
        Advice(
            503,
            "The Azure Marketplace did not answer",
            "Nothing has been lost and nothing is charged twice. Please try again in a minute.",
            tone="warn",
            try_again=True,
        ),
    ),
)


def advice_for(error: MeteringError) -> Advice:
    """The advice for an error; one that the Marketplace refuses for good is a link gone bad, or
    one to somebody else's purchase."""
    if isinstance(error, Rejected) and error.status in (400, 404):
        return replace(_BAD_LINK, status=409)
    if isinstance(error, Rejected) and error.status == 403:
        return _NOT_OURS
    return next(advice for kind, advice in _ADVICE if isinstance(error, kind))
