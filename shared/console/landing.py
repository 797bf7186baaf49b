"""The landing page: what a buyer sees between the Azure Marketplace and the product."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.api.problem import Response
from shared.console import advice
from shared.console.advice import Advice, advice_for
from shared.domain.account import AccountRecord
from shared.domain.errors import ConcurrentUpdate, InvalidInput, MeteringError
from shared.domain.lifecycle.buyer import Buyer
from shared.domain.lifecycle.landing import LandingField
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.ports import SignIn
from shared.services.activate import Activate, Offered

MAX_LINK = 8192
TRIES = 8
"""Of many clicks at once each may be overtaken by all others."""
PORTAL = "https://portal.azure.com/#browse/Microsoft.SaaS%2Fresources"

_TERMS = {"P1M": "Monthly", "P1Y": "Yearly", "P2Y": "2 years", "P3Y": "3 years", "P5Y": "5 years"}
_SAME_SITE = frozenset({"", "same-origin", "none"})

type Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Look:
    """What the publisher puts on the page. ``secure``: it is served over https."""

    publisher: str = ""
    product_url: str = ""
    support_url: str = ""
    secure: bool = True


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)


class LandingPage:
    """Shows a purchase to the person it belongs to, and sets it up when that person confirms.

    Nothing here is kept between requests, so every refresh, second click and new link leads to
    where things stand.
    """

    def __init__(self, activate: Activate, sign_in: SignIn, look: Look) -> None:
        self._activate = activate
        self._sign_in = sign_in
        self._look = look

    def show(self, token: str, headers: Mapping[str, str]) -> Response:
        """The page of a link."""
        if not token or len(token) > MAX_LINK:
            return self._advise(InvalidInput("the link has no marketplace token"), None, "")
        buyer = self._sign_in.buyer(headers)
        if buyer is None:
            return self._ask_to_sign_in(token)
        try:
            offered = self._activate.resolve(token, buyer)
        except MeteringError as error:
            return self._advise(error, buyer, token)
        return self._offer(offered, buyer, token, self._proof(headers))

    def confirm(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """What the button does; pressing it twice says the same twice."""
        token = form.get("token", "")[:MAX_LINK]
        buyer = self._sign_in.buyer(headers)
        if buyer is None:
            return self._ask_to_sign_in(token)
        if not self._meant(form, headers):
            return self._page(403, advice.AGAIN, buyer, retry=_link(token))
        try:
            record = self._confirmed(token, buyer, form)
        except InvalidInput as error:
            if not error.fields:
                return self._advise(error, buyer, token)
            return self._corrected(error, token, buyer, form, headers)
        except MeteringError as error:
            return self._advise(error, buyer, token)
        return self._active(record, buyer)

    def _confirmed(self, token: str, buyer: Buyer, form: Mapping[str, str]) -> AccountRecord:
        """A click beside this one does the same work: what it has done is found done."""
        for _ in range(TRIES - 1):
            try:
                return self._activate(token, buyer, form)
            except ConcurrentUpdate:
                continue
        return self._activate(token, buyer, form)

    # --- who sends this, and on purpose

    def _ask_to_sign_in(self, token: str) -> Response:
        url = self._sign_in.sign_in_url(_link(token))
        if not url:
            return self._page(503, advice.NO_SIGN_IN, None, retry=_link(token))
        return Response(302, "", {"Location": url}, "text/html")

    @property
    def _cookie(self) -> str:
        return "__Host-landing" if self._look.secure else "landing"

    def _proof(self, headers: Mapping[str, str]) -> str:
        """The secret that this browser already shares with the page, or a new one."""
        known = _cookies(headers).get(self._cookie, "")
        return known if len(known) == _PROOF_LENGTH else secrets.token_urlsafe(24)

    def _meant(self, form: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Whether the form comes from our own page: its secret is the cookie's, which other sites
        can neither read nor send along."""
        cookie, field = _cookies(headers).get(self._cookie, ""), form.get("proof", "")
        same = hmac.compare_digest(cookie.encode(), field.encode())
        here = headers.get("sec-fetch-site", "") in _SAME_SITE
        return len(cookie) == _PROOF_LENGTH and same and here

    # --- pages

    def _offer(
        self,
        offered: Offered,
        buyer: Buyer,
        token: str,
        proof: str,
        given: Mapping[str, str] | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> Response:
        bought = offered.purchase.subscription
        name = bought.name
        facts = _facts(bought, offered)
        match bought.status:
            case SubscriptionStatus.UNSUBSCRIBED:
                return self._page(200, advice.CANCELLED, buyer, subject=name, facts=facts)
            case SubscriptionStatus.SUSPENDED if offered.done:
                return self._page(200, advice.SUSPENDED, buyer, subject=name, facts=facts)
            case SubscriptionStatus.SUBSCRIBED if offered.done:
                return self._page(200, advice.ACTIVE, buyer, subject=name, facts=facts)
        said = advice.CONFIRM if bought.status is SubscriptionStatus.PENDING else advice.FINISH
        return self._page(
            400 if faults else 200,
            said,
            buyer,
            subject=name,
            facts=facts,
            form={"token": token, "proof": proof},
            fields=_shown(offered.fields, given or {}, faults or {}),
            proof=proof,
        )

    def _corrected(
        self,
        error: InvalidInput,
        token: str,
        buyer: Buyer,
        form: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> Response:
        """The form again, with what is missing said where it is missing."""
        faults = {fault.pointer[1:]: fault.message for fault in error.fields}
        try:
            offered = self._activate.resolve(token, buyer)
        except MeteringError as again:
            return self._advise(again, buyer, token)
        return self._offer(offered, buyer, token, self._proof(headers), form, faults)

    def _active(self, record: AccountRecord, buyer: Buyer) -> Response:
        sold = record.subscriptions[-1]
        if sold.status is SubscriptionStatus.SUSPENDED:
            return self._page(200, advice.SUSPENDED, buyer, subject=sold.name)
        facts = (("Account", record.account.code),)
        return self._page(200, advice.DONE, buyer, subject=sold.name, facts=facts)

    def _advise(self, error: MeteringError, buyer: Buyer | None, token: str) -> Response:
        said = advice_for(error)
        retry = _link(token) if said.try_again and token else ""
        switch = self._sign_in.sign_out_url(_link(token)) if said.other_person else ""
        return self._page(said.status, said, buyer, retry=retry, switch=switch)

    def _page(
        self,
        status: int,
        said: Advice,
        buyer: Buyer | None,
        *,
        subject: str = "",
        facts: Facts = (),
        form: Mapping[str, str] | None = None,
        fields: Sequence[Mapping[str, object]] = (),
        retry: str = "",
        switch: str = "",
        proof: str = "",
    ) -> Response:
        nonce = secrets.token_urlsafe(16)
        html = (
            _templates()
            .get_template("landing.html")
            .render(
                nonce=nonce,
                advice=said,
                heading=_heading(said, subject),
                facts=facts,
                form=form or {},
                fields=fields,
                faults=[field for field in fields if field["fault"]],
                retry=retry,
                switch=switch,
                portal=PORTAL if said.portal else "",
                product=self._look.product_url if said.to_product else "",
                look=self._look,
                person=buyer.email if buyer else "",
            )
        )
        headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; "
                "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
        }
        if proof:
            secure = "; Secure" if self._look.secure else ""
            headers["Set-Cookie"] = (
                f"{self._cookie}={proof}; Path=/; HttpOnly; SameSite=Strict{secure}"
            )
        return Response(status, html, headers, "text/html")


_PROOF_LENGTH = 32


def _link(token: str) -> str:
    return f"/landing?token={quote(token, safe='')}"


def _heading(said: Advice, subject: str) -> str:
    first = said.heading.startswith("{}")
    nameless = "Your subscription" if first else "your subscription"
    return said.heading.replace("{}", subject or nameless)


def _cookies(headers: Mapping[str, str]) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs}


def _shown(
    fields: Sequence[LandingField], given: Mapping[str, str], faults: Mapping[str, str]
) -> list[Mapping[str, object]]:
    return [
        {
            "name": f"field-{field.name}",
            "label": field.label,
            "required": field.required,
            "value": given.get(f"field-{field.name}", ""),
            "fault": faults.get(field.name, ""),
        }
        for field in fields
    ]


def _facts(bought: MarketplaceSubscription, offered: Offered) -> list[tuple[str, str]]:
    seats = "" if bought.quantity is None else f"{bought.quantity:,}"
    term = _TERMS.get(bought.term_unit, bought.term_unit)
    if bought.term_start and bought.term_end:
        term = f"{term}, {bought.term_start:%d %b %Y} to {bought.term_end:%d %b %Y}".lstrip(", ")
    facts = (
        ("Offer", bought.offer),
        ("Plan", offered.plan),
        ("Seats", seats),
        ("Term", term),
        *(("Comes with", gift) for gift in offered.gifts),
        ("Purchased by", bought.purchaser_email),
        ("Used by", bought.beneficiary_email),
    )
    return [(name, value) for name, value in facts if value]
