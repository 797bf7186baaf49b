"""The landing page in a real browser: every way a buyer can come, and what the page is like."""

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from local.clients import checked
from local.marketplace import defaults
from local.samples.files import CATALOG
from local.stack import Stack, running_stack
from tests.browser.browsers import running_browser
from tests.browser.looks import faults_of

PRODUCT = "https://product.example/"
NAME = "Northwind & Sons <b>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    assert browser.is_connected()
    settings = {"PRODUCT_URL": PRODUCT, "SUPPORT_URL": "https://help.example/"}
    directory = tmp_path_factory.mktemp("stack")
    with running_stack(directory, lambda *_: None, settings=settings) as (stack, _):
        catalog = yaml.safe_load(CATALOG.read_bytes())
        catalog["plans"][0]["credits"] = [
            {"code": "welcome", "amount": 25, "days": 30, "description": "Welcome"}
        ]
        users = catalog["plans"][0] | {"code": "users", "name": "Users"}
        users["marketplace"] = [{"offer": defaults.OFFER, "plan": "users"}]
        catalog["plans"].append(users)
        body = json.dumps(catalog).encode()
        checked(stack.administrator().send("PUT", "/api/catalog", body))
        yield stack


class Visit:
    """One person at one browser, who notes whom the browser calls and what it complains of."""

    def __init__(self, context: BrowserContext, stack: Stack) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self._hosts = {urlsplit(stack.url).netloc, urlsplit(stack.marketplace).netloc}
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc not in self._hosts and not request.url.startswith("data:"):
            self.strangers.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "status of" not in message.text:
            self.complaints.append(message.text)

    def come(self, link: str, who: str = "buyer@customer.example") -> Page:
        """Follow a link and sign in."""
        self.page.goto(link)
        self.page.get_by_role("link", name=who).click()
        return self.page

    def press(self, button: str = "Confirm and activate") -> None:
        """Fill in what is asked for, and press the button."""
        self.page.get_by_label("Contact e-mail").fill("ada@northwind.example")
        self.page.get_by_role("button", name=button).click()


@pytest.fixture(
    params=[
        pytest.param({}, id="desk"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param({"viewport": {"width": 320, "height": 640}}, id="phone"),
        pytest.param({"java_script_enabled": False}, id="without scripts"),
    ]
)
def visit(request: pytest.FixtureRequest, browser: Browser, stack: Stack) -> Iterator[Visit]:
    context = browser.new_context(**request.param)
    visit = Visit(context, stack)
    yield visit
    assert (visit.strangers, visit.complaints) == ([], [])
    context.close()


@pytest.fixture
def desk(browser: Browser, stack: Stack) -> Iterator[Visit]:
    context = browser.new_context()
    visit = Visit(context, stack)
    yield visit
    assert (visit.strangers, visit.complaints) == ([], [])
    context.close()


def bought(stack: Stack, plan: str = "standard", quantity: int | None = None) -> tuple[str, str]:
    order: dict[str, object] = {"offerId": defaults.OFFER, "planId": plan, "name": NAME}
    if quantity is not None:
        order["quantity"] = quantity
    made = stack.simulator.post("/purchases", order)
    return made["subscriptionId"], made["landingPage"]


def status(stack: Stack, id_: str) -> str:
    return str(stack.simulator.get(f"/subscriptions/{id_}")["saasSubscriptionStatus"])


def fact(page: Page, name: str) -> str:
    row = page.locator("dl div").filter(has=page.locator("dt", has_text=name))
    return row.locator("dd").inner_text()


def looks_right(visit: Visit, heading: str) -> None:
    """The page has that heading, and nothing that anybody could object to."""
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(heading)
    assert faults_of(visit.page) == []


def test_the_whole_way_of_a_buyer(stack: Stack, visit: Visit) -> None:
    id_, link = bought(stack)
    page = visit.come(link)
    looks_right(visit, f"Activate {NAME}")
    assert fact(page, "Offer") == defaults.OFFER
    assert fact(page, "Plan") == "Pay as you go"
    assert fact(page, "Term") == "Monthly"
    assert fact(page, "Comes with") == "Welcome: 25 USD credit for 30 days"
    assert fact(page, "Purchased by") == fact(page, "Used by") == "buyer@customer.example"
    page.get_by_label("Contact e-mail").fill("   ")
    page.get_by_label("Company").fill("Northwind")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert")).to_contain_text("Contact e-mail is missing")
    expect(page.get_by_label("Contact e-mail")).to_be_focused()
    expect(page.get_by_label("Company")).to_have_value("Northwind")
    assert page.title().startswith("Please correct: ")
    looks_right(visit, f"Activate {NAME}")
    assert status(stack, id_) == "PendingFulfillmentStart"
    visit.press()
    looks_right(visit, f"{NAME} is active")
    assert page.get_by_role("link", name="Open Contoso").get_attribute("href") == PRODUCT
    assert fact(page, "Account") == id_
    assert status(stack, id_) == "Subscribed"
    view = stack.administrator().get(f"/api/subscriptions/{id_}")
    assert view["answers"] == {"company": "Northwind", "contact": "ada@northwind.example"}


def test_pages_of_all_other_situations(stack: Stack, visit: Visit) -> None:
    page = visit.page
    _, unpriced = bought(stack, "seats")
    visit.come(unpriced)
    looks_right(visit, "This plan is not set up yet")
    page.goto(f"{stack.url}/landing")
    looks_right(visit, "This link can no longer be used")
    id_, link = bought(stack)
    stack.backend().confirm(link)
    page.goto(link)
    looks_right(visit, f"{NAME} is active")
    for verb, heading in (("suspend", "is suspended"), ("unsubscribe", "was cancelled")):
        stack.simulator.post(f"/subscriptions/{id_}/{verb}", {})
        page.goto(link)
        looks_right(visit, f"{NAME} {heading}")
    page.context.clear_cookies()
    visit.come(bought(stack)[1], "stranger@elsewhere.example")
    looks_right(visit, "This purchase belongs to another account")


def test_seats_and_a_running_term_are_shown(stack: Stack, desk: Visit) -> None:
    id_, link = bought(stack, "users", 25)
    page = desk.come(link)
    assert fact(page, "Seats") == "25"
    stack.simulator.post(f"/subscriptions/{id_}/activate", {"quantity": 25})
    page.reload()
    looks_right(desk, f"Finish setting up {NAME}")
    assert fact(page, "Term").startswith("Monthly, ")
    desk.press("Set up my account")
    looks_right(desk, f"{NAME} is active")


def test_double_clicks_refreshes_and_two_windows_activate_once(stack: Stack, desk: Visit) -> None:
    id_, link = bought(stack)
    page = desk.come(link)
    second = desk.context.new_page()
    second.goto(link)
    second.get_by_label("Contact e-mail").fill("ben@northwind.example")
    page.get_by_label("Contact e-mail").fill("ada@northwind.example")
    page.get_by_role("button").dblclick(no_wait_after=True)
    second.get_by_role("button").click()
    for window in (page, second):
        expect(window.get_by_role("heading", name=f"{NAME} is active")).to_be_visible()
        window.reload()
        expect(window.get_by_role("heading", name=f"{NAME} is active")).to_be_visible()
    page.go_back()
    page.goto(link)
    expect(page.get_by_role("heading", name=f"{NAME} is active")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    view = stack.administrator().get(f"/api/subscriptions/{id_}")
    begun = [e for e in view["audit"] if e["action"] == "subscription.status"]
    assert len(begun) == 1
    assert len(stack.administrator().get(f"/api/accounts/{id_}/plans")["plans"]) == 1


def test_an_expired_link_tells_where_there_is_a_new_one(stack: Stack, desk: Visit) -> None:
    id_, link = bought(stack)
    stack.simulator.advance_to(stack.simulator.now() + timedelta(hours=25))
    page = desk.come(link)
    looks_right(desk, "This link can no longer be used")
    portal = page.get_by_role("link", name="Open the Azure portal").get_attribute("href")
    assert portal is not None
    assert portal.startswith("https://portal.azure.com/")
    page.goto(stack.simulator.post(f"/subscriptions/{id_}/token", {})["landingPage"])
    looks_right(desk, f"Activate {NAME}")


def test_a_stranger_can_come_back_as_the_buyer(stack: Stack, desk: Visit) -> None:
    id_, link = bought(stack)
    page = desk.come(link, "stranger@elsewhere.example")
    looks_right(desk, "This purchase belongs to another account")
    assert "Northwind" not in page.content()
    page.get_by_role("link", name="Use another account").click()
    page.get_by_role("link", name="colleague@customer.example").click()
    looks_right(desk, f"Activate {NAME}")
    assert status(stack, id_) == "PendingFulfillmentStart"


def test_a_keyboard_is_enough(stack: Stack, desk: Visit) -> None:
    id_, link = bought(stack)
    page = desk.page
    page.goto(link)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Activate {NAME}")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Company")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("ada@northwind.example")
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Confirm and activate")
    expect(button).to_be_focused()
    ring = button.evaluate("node => getComputedStyle(node).outlineStyle")
    assert ring == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"{NAME} is active")).to_be_visible()
    assert status(stack, id_) == "Subscribed"


def test_the_page_loads_nothing_and_lets_nothing_in(stack: Stack, desk: Visit) -> None:
    _, link = bought(stack)
    page = desk.come(link)
    response = page.reload()
    assert response is not None
    policy = response.header_value("Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.locator("script, img, iframe, link[rel=stylesheet]").count() == 0
    assert page.evaluate("() => { const s = document.createElement('script');"
                         " s.textContent = 'window.let_in = 1'; document.body.append(s);"
                         " return window.let_in === undefined; }")  # fmt: skip
    assert len(desk.complaints) == 1
    desk.complaints.clear()
    cookies = {cookie["name"]: cookie for cookie in desk.context.cookies()}
    assert cookies["landing"]["httpOnly"]
    assert cookies["landing"]["sameSite"] == "Strict"


POOR = """<!doctype html><title> </title><body style="margin:0"><h1>One</h1><h1>Two</h1>
<p style="color:#999">faint</p><p id="a" style="width:200vw">wide</p><p id="a">twice</p>
<input><a href="/" style="display:block;height:9px"></a></body>"""


def test_these_checks_find_what_is_wrong(desk: Visit) -> None:
    desk.page.set_content(POOR)
    found = " ".join(faults_of(desk.page))
    for fault in (
        "contrast 2.85",
        "cut off at the right",
        "an id twice",
        "without label",
        "without name",
        "px high",
        "not one heading",
        "not one main part",
        "no language",
        "no title",
        "a dead end",
    ):
        assert fault in found
