"""A bill as a page to read and to print."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.api.problem import Response
from shared.domain.money import ZERO, minor_digits, to_text
from shared.domain.period import Period
from shared.domain.rating.account_bill import Bill, BillLine, SummaryKind
from shared.domain.rating.charge import BandUse
from shared.domain.rating.proration import local_day
from shared.services.bills import Letterhead

MINUS = "\N{MINUS SIGN}"


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A row below a line: a band, or what came off or on its price."""

    text: str
    units: str = ""
    price: str = ""
    amount: str = ""


def bill_page(bill: Bill, head: Letterhead) -> Response:
    """The page; it loads nothing and runs nothing."""
    nonce = secrets.token_urlsafe(16)
    digits = minor_digits(bill.currency)
    accounts = bill.by_account()
    text = (
        _templates()
        .get_template("bill.html")
        .render(
            bill=bill,
            head=head,
            nonce=nonce,
            groups=list(_groups(bill)),
            units=[line for line in bill.units if line.units or line.measured],
            accounts=accounts if len(accounts) > 1 else {},
            money=lambda amount: f"{amount:,.{digits}f}",
            dollars=lambda amount: f"{amount:,.2f}",
            number=_number,
            price_of=_price_of,
            steps_of=lambda line: list(_steps_of(line)),
            days=lambda period: _days(period, bill.zone),
            day=lambda moment: f"{local_day(moment, bill.zone):%-d %b %Y}",
        )
    )
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return Response(200, text, {"Content-Security-Policy": policy}, "text/html")


def _groups(bill: Bill) -> Iterator[tuple[str, list[BillLine]]]:
    """Lines under the plan that they belong to, those of each child under its own name."""
    groups: dict[str, list[BillLine]] = {}
    for line in bill.lines:
        own = line.account == bill.account
        title = f"Plan {line.plan}" if own else f"{line.account}, plan {line.plan}"
        title = "Other accounts" if line.kind is SummaryKind.CHILD else title
        groups.setdefault(title, []).append(line)
    yield from groups.items()


def _price_of(line: BillLine) -> str:
    """The one price of a line whose whole amount it makes; others have their bands below."""
    if len(line.bands) != 1 or not _is_plain(line.bands[0]):
        return ""
    return _number(line.bands[0].unit_price)


def _steps_of(line: BillLine) -> Iterator[Step]:
    """How a line came to its amount, where that does not show by itself."""
    steps = line.steps
    if steps is not None and line.quantity is not None and steps.billable != line.quantity:
        taken = line.quantity - steps.billable
        yield Step("Included or discounted units", MINUS + _number(taken))
    if len(line.bands) > 1 or not all(map(_is_plain, line.bands)):
        yield from (_band(band) for band in line.bands if band.units or band.amount)
    if line.original is not None:
        yield Step("In the plan's currency", amount=_number(line.original))
    if steps is None:
        return
    for text, amount, sign in (
        ("Discount", steps.discount, MINUS),
        ("Above the maximum", steps.above_maximum, MINUS),
        ("Up to the minimum", steps.top_up, ""),
    ):
        if amount:
            yield Step(text, amount=sign + _number(amount))


def _is_plain(band: BandUse) -> bool:
    """Whether units times price is the amount."""
    return not band.fixed_price and band.blocks is None


def _band(band: BandUse) -> Step:
    above = f"above {_number(band.lower)}" if band.lower else ""
    upto = f"up to {_number(band.upper)}" if band.upper is not None else ""
    fixed = f"with {_number(band.fixed_price)} fixed" if band.fixed_price else ""
    blocks = ""
    if band.blocks is not None:
        blocks = f"{_number(band.blocks)} {'block' if band.blocks == 1 else 'blocks'}"
    text = ", ".join(part for part in (above, upto, fixed, blocks) if part)
    return Step(
        text[:1].upper() + text[1:],
        _number(band.units),
        _number(band.unit_price) if band.unit_price else "",
        _number(band.amount),
    )


def _number(quantity: Decimal) -> str:
    whole, _, places = to_text(abs(quantity)).partition(".")
    sign = MINUS if quantity < ZERO else ""
    return f"{sign}{int(whole):,}" + (f".{places}" if places else "")


def _days(period: Period, zone: str) -> str:
    """First and last day, both included; what they have in common stands once."""
    first, last = (
        local_day(period.start, zone),
        local_day(period.end - timedelta(microseconds=1), zone),
    )
    if first == last:
        return f"{last:%-d %b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first:%-d} to {last:%-d %b %Y}"
    shared = f"{first:%-d %b}" if first.year == last.year else f"{first:%-d %b %Y}"
    return f"{shared} to {last:%-d %b %Y}"
