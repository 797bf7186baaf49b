"""A bill as a page to read and to print."""

import secrets
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.api.problem import Response
from shared.domain.money import minor_digits, to_text
from shared.domain.period import Period
from shared.domain.rating.account_bill import Bill


@cache
def _templates() -> Environment:
    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)


def bill_page(bill: Bill) -> Response:
    """The page; it loads nothing and runs nothing."""
    nonce = secrets.token_urlsafe(16)
    digits = minor_digits(bill.currency)

    def money(amount: Decimal) -> str:
        return f"{amount:,.{digits}f}"

    text = (
        _templates()
        .get_template("bill.html")
        .render(
            bill=bill,
            nonce=nonce,
            money=money,
            number=_number,
            days=lambda period: _days(period, bill.zone),
            accounts=bill.by_account() if len(bill.by_account()) > 1 else {},
        )
    )
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return Response(200, text, {"Content-Security-Policy": policy}, "text/html")


def _number(quantity: Decimal) -> str:
    whole, _, places = to_text(quantity).partition(".")
    return f"{int(whole):,}" + (f".{places}" if places else "")


def _days(period: Period, zone: str) -> str:
    """First and last day, both included."""
    first, last = _day(period.start, zone), _day(period.end - timedelta(microseconds=1), zone)
    return f"{first:%-d %b %Y}" if first == last else f"{first:%-d %b %Y} to {last:%-d %b %Y}"


def _day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()
