"""Entra's sign-in page, played: who comes from a landing page chooses whom to be.

The choice travels in a cookie with a token signed by the simulator's keys. Cookies belong to a
host and not to a port, so the app on the same loopback address receives it.
"""

from datetime import datetime
from html import escape
from typing import Final
from urllib.parse import urlencode, urlsplit

from local.marketplace import defaults
from local.marketplace.control import Desk
from local.marketplace.register import Kind, Refused
from local.marketplace.subscription import Person
from local.marketplace.wire import Call, Reply

COOKIE: Final = "local-sign-in"
AUDIENCE: Final = "local-landing-page"
_HOURS: Final = 24 * 40

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;"
    "color-scheme:light dark}a{display:block;padding:.75rem 1rem;margin:.5rem 0;border:1px solid "
    "#8888;border-radius:.5rem;text-decoration:none}small{display:block;opacity:.75}"
)


def people(desk: Desk) -> dict[str, tuple[str, Person]]:
    """Whom one can be: the name in the link, what it means, and the person."""
    customer = desk.simulator.settings.customer
    colleague = Person(
        "colleague@customer.example",
        "44444444-4444-4444-8444-444444444445",
        customer.tenant_id,
    )
    stranger = Person(
        "stranger@elsewhere.example",
        "44444444-4444-4444-8444-444444444446",
        defaults.OTHER_TENANT,
    )
    return {
        "buyer": ("who bought it", customer),
        "colleague": ("of the same organization", colleague),
        "stranger": ("of another organization", stranger),
    }


def sign_in(desk: Desk, call: Call) -> Reply:
    """GET /sign-in?back=PATH[&who=buyer]: the choice, or the cookie and the way back."""
    back = call.query.get("back", "/")
    if not back.startswith("/") or back.startswith("//"):
        raise Refused(Kind.INVALID, "back is a path of the app")
    who = call.query.get("who")
    if who is None:
        return Reply(200, _page(desk, back), {}, "text/html; charset=utf-8")
    if who not in people(desk):
        raise Refused(Kind.NOT_FOUND, "nobody of that name can be played")
    person = people(desk)[who][1]
    token = minted(desk, person, call.now)
    app = urlsplit(desk.simulator.settings.landing_url)
    return Reply(
        303,
        headers={
            "Location": f"{app.scheme}://{app.netloc}{back}",
            "Set-Cookie": f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax",
        },
    )


def minted(desk: Desk, person: Person, now: datetime) -> str:
    """A token that says who somebody is."""
    return desk.simulator.ring.sign(
        {
            "aud": AUDIENCE,
            "tid": person.tenant_id,
            "oid": person.object_id,
            "preferred_username": person.email_id,
            "name": person.email_id.split("@", maxsplit=1)[0].capitalize(),
            "exp": int(now.timestamp()) + _HOURS * 3600,
        }
    )


def _page(desk: Desk, back: str) -> str:
    links = "".join(
        f'<a href="/sign-in?{escape(urlencode({"who": name, "back": back}))}">'
        f"{escape(person.email_id)}<small>{escape(meaning)}</small></a>"
        for name, (meaning, person) in people(desk).items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>'
        f"<style>{_STYLE}</style><h1>Sign in</h1><p>This stands for Microsoft's sign-in page. "
        f"Choose whom to be on {escape(back.split('?')[0])}.</p>{links}</html>"
    )
