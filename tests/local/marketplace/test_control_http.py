"""The control API, the page and the configuration."""

from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.clock import FileClock
from local.marketplace import defaults
from local.marketplace.config import Settings, load
from tests.local.marketplace.site import Json, Site, event


def test_the_clock_is_shared_and_moves_forward_only(site: Site, clock_file: Path) -> None:
    before = site.now()
    after = site.advance(hours=5)
    assert 5 * 3600 <= (after - before).total_seconds() < 5 * 3600 + 30
    assert abs((FileClock(clock_file).now() - site.now()).total_seconds()) < 30
    back = site.session.post(f"{site.url}/control/clock", json={"advanceSeconds": -1}, timeout=5)
    assert back.status_code == 400


def test_time_moved_by_another_process_is_noticed(site: Site, clock_file: Path) -> None:
    key = site.subscribed()
    operation = site.act(key, "changePlan", planId="scale")
    FileClock(clock_file).advance(timedelta(seconds=10))
    assert site.operation(key, operation["id"])["status"] == "Succeeded"


def test_offers_are_published_and_sold(site: Site) -> None:
    offer = {
        "id": "new-offer",
        "name": "New",
        "plans": [
            {
                "id": "p1",
                "dimensions": [{"id": "calls", "pricePerUnit": "0.001"}],
                "included": {"calls": 1000},
            }
        ],
    }
    stored = site.control("POST", "/offers", offer).json()
    assert stored["plans"][0]["dimensions"][0]["pricePerUnit"] == "0.001"
    assert "new-offer" in [found["id"] for found in site.control("GET", "/offers").json()]
    key = site.subscribed("p1", offerId="new-offer")
    item = event(key, site.now(), planId="p1", dimension="calls")
    assert site.call("POST", "/api/usageEvent", item).status_code == 200
    offer["plans"] = [{"id": "p1"}]
    locked = site.session.post(f"{site.url}/control/offers", json=offer, timeout=5)
    assert (locked.status_code, locked.json()["code"]) == (409, "Conflict")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/purchases", {"offerId": "none", "planId": "none"}, 404),
        ("/purchases", {"offerId": defaults.OFFER}, 400),
        ("/purchases", {"offerId": defaults.OFFER, "planId": "standard", "wrong": 1}, 400),
        ("/purchases", {"offerId": defaults.OFFER, "planId": "standard", "termUnit": "x"}, 400),
        ("/purchases", {"offerId": defaults.OFFER, "planId": "standard", "quantity": 2}, 400),
        ("/purchases", {"offerId": defaults.MANAGED_OFFER, "planId": "appliance"}, 400),
        ("/subscriptions/none/suspend", {}, 404),
        ("/faults", {"kind": "none", "target": "metering"}, 400),
        ("/faults", {"kind": "lost", "target": "metering"}, 400),
        ("/clock", {"advanceSeconds": "soon"}, 400),
        ("/webhooks/settle", {"timeoutSeconds": "soon"}, 400),
        ("/entra/token", {"clientId": "none"}, 404),
    ],
)
def test_orders_that_are_refused(site: Site, path: str, body: Json, status: int) -> None:
    answer = site.session.post(f"{site.url}/control{path}", json=body, timeout=5)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize("action", ["reinstate", "changePlan", "changeQuantity", "dance"])
def test_actions_that_do_not_fit(site: Site, action: str) -> None:
    url = f"{site.url}/control/subscriptions/{site.subscribed()}/{action}"
    answer = site.session.post(url, json={}, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")


def test_options_are_merged_and_checked(site: Site) -> None:
    options = site.control("PATCH", "/options", {"planInForce": True}).json()
    assert (options["planInForce"], options["oldAccepted"]) == (True, "expired")
    wrong = site.session.patch(f"{site.url}/control/options", json={"x": 1}, timeout=5)
    assert wrong.status_code == 400
    assert site.control("GET", "/options").json() == options


def test_reset_forgets_everything_but_time_and_keys(site: Site) -> None:
    first = site.subscribed()
    site.fault("throttle", count=None)
    token, now = site.token, site.advance(hours=1)
    site.control("POST", "/reset")
    overview = site.control("GET", "").json()
    assert (overview["subscriptions"], overview["deliveries"]) == (0, 0)
    assert sum(overview["requests"].values()) == 0
    assert site.now() >= now
    assert site.token == token
    assert site.call("GET", "/api/saas/subscriptions").json() == {"subscriptions": []}
    assert site.buy() == first


class Forms(HTMLParser):
    """Checks what a keyboard and a screen reader need: every control has a name."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: set[str] = set()
        self.nameless: list[str] = []
        self.in_label = 0
        self.inputs: list[dict[str, str | None]] = []
        self.external: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note labels, controls and addresses."""
        found = dict(attrs)
        if tag == "label":
            self.in_label += 1
            self.labels.add(found.get("for") or "")
        if tag in ("input", "select") and found.get("type") != "hidden":
            named = self.in_label or "aria-label" in found or found.get("id") in self.labels
            if not named:
                self.nameless.append(str(found))
        for name in ("src", "href", "action"):
            if (found.get(name) or "").startswith("http"):
                self.external.append(str(found))

    def handle_endtag(self, tag: str) -> None:
        """Leave a label."""
        if tag == "label":
            self.in_label -= 1


def form(site: Site, verb: str, **fields: str) -> requests.Response:
    """Send one of the page's forms; the page it leads to, not followed."""
    return site.session.post(
        f"{site.url}/page/{verb}", data=fields, timeout=5, allow_redirects=False
    )


def test_the_page_shows_what_has_happened(site: Site) -> None:
    key = site.subscribed(name="<b>Bold & Co</b>")
    site.advance(hours=2)
    site.call("POST", "/api/usageEvent", event(key, site.now()))
    site.act(key, "suspend")
    site.fault("throttle", count=3)
    site.deliveries()
    answer = site.session.get(site.url, timeout=5)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = answer.text
    assert "&lt;b&gt;Bold &amp; Co&lt;/b&gt;" in page
    assert "<b>Bold" not in page
    for text in (key, "Suspended", "usage_fee", "/api/usageEvent", "unaddressed", "throttle"):
        assert text in page
    checked = Forms()
    checked.feed(page)
    assert checked.nameless == []
    assert checked.external == []


def test_the_forms_do_what_they_say(site: Site) -> None:
    bought = form(site, "buy", plan=f"{defaults.OFFER}|users", name="Formed", quantity="4")
    assert bought.status_code == 303
    (subscription,) = site.control("GET", "/subscriptions").json()
    key = subscription["id"]
    assert (subscription["name"], subscription["quantity"]) == ("Formed", 4)
    link = urlsplit(form(site, "landing", id=key).headers["Location"])
    (token,) = parse_qs(link.query)["token"]
    headers = {"x-ms-marketplace-token": token}
    assert site.call("POST", "/api/saas/subscriptions/resolve", headers=headers).ok
    form(site, "act", id=key, action="activate")
    form(site, "act", id=key, action="changeQuantity", quantity="6")
    form(site, "advance", seconds="10")
    assert site.subscription(key)["quantity"] == 6
    form(site, "fault", kind="lost", target="metering", count="2")
    form(site, "fault", kind="throttle", target="metering")
    assert [rule["target"] for rule in site.control("GET", "/faults").json()] == [
        "webhook",
        "metering",
    ]
    form(site, "heal")
    assert site.control("GET", "/faults").json() == []
    form(site, "webhook", url="http://127.0.0.1:9/x")
    assert site.control("GET", "/webhooks/settings").json()["url"] == "http://127.0.0.1:9/x"


def test_a_form_that_fails_says_why(site: Site) -> None:
    answer = form(site, "act", id="none", action="suspend")
    (reason,) = parse_qs(urlsplit(answer.headers["Location"]).query)["failed"]
    assert "none" in reason
    page = site.session.get(site.url + answer.headers["Location"], timeout=5).text
    assert 'role="alert"' in page
    assert reason in page
    assert "failed" in form(site, "dance").headers["Location"]
    assert "failed" in form(site, "advance", seconds="-1").headers["Location"]
    assert "failed" in form(site, "advance").headers["Location"]


def test_forms_of_other_sites_are_refused(site: Site) -> None:
    answer = site.session.post(
        f"{site.url}/page/heal", headers={"Origin": "https://elsewhere.example"}, timeout=5
    )
    assert answer.status_code == 403


def test_settings_from_files(tmp_path: Path) -> None:
    yaml = tmp_path / "settings.yaml"
    yaml.write_text(
        "tenantId: t1\n"
        "offers:\n- id: o\n  plans:\n  - id: p\n    dimensions:\n"
        "    - {id: d, pricePerUnit: 0.1}\n"
        "options: {oldAccepted: duplicate}\n",
        encoding="utf-8",
    )
    settings = load(yaml)
    assert settings.tenant_id == "t1"
    assert str(settings.offers[0].plans[0].dimensions[0].price_per_unit) == "0.1"
    assert settings.options.old_accepted == "duplicate"
    empty = tmp_path / "settings.json"
    empty.write_text("{}", encoding="utf-8")
    assert load(empty) == Settings()
    yaml.write_text("tenant: t1", encoding="utf-8")
    with pytest.raises(ValueError, match="tenant"):
        load(yaml)


def test_another_tenant_takes_its_clients_along() -> None:
    moved = Settings().for_tenant("t2")
    tenants = {client.name: client.tenant_id for client in moved.clients}
    assert tenants == {
        "marketplace": "t2",
        "product-backend": "t2",
        "administrator": "t2",
        "outsider": defaults.OTHER_TENANT,
    }
