"""The simulator's own page: everything at a glance, every action a plain form."""

import secrets
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from local.marketplace import commands, views
from local.marketplace.commands import Act
from local.marketplace.control import Desk
from local.marketplace.faults import DELIVERY_KINDS, Fault, FaultKind, Target
from local.marketplace.register import Refused
from local.marketplace.state import Purchase
from local.marketplace.subscription import Subscription
from local.marketplace.usage import Recorded
from local.marketplace.wire import Call, Malformed, Reply, dumps

_SHOWN: Final = 40
_HOURS: Final = 24
_HOUR: Final = timedelta(hours=1)
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _day(day: date) -> str:
    return day.strftime("%-d %b %Y")


def _span(offset: timedelta) -> str:
    """A duration in its two largest units, as people say it."""
    hours, rest = divmod(int(offset.total_seconds()), 3600)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (rest // 60, "min"), (rest % 60, "s"))
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2])


def _amount(quantity: Decimal) -> str:
    return f"{quantity.normalize():,f}"


def _pretty(value: object, depth: int = 0) -> str:
    """JSON for reading: indented, every decimal with its own digits."""
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    if isinstance(value, dict) and value:
        pairs = (f"{inner}{dumps(key)}: {_pretty(item, depth + 1)}" for key, item in value.items())
        return "{" + ",".join(pairs) + outer + "}"
    if isinstance(value, list) and value:
        return "[" + ",".join(inner + _pretty(item, depth + 1) for item in value) + outer + "]"
    return dumps(value)


_TEMPLATES.filters["clock"] = _clock
_TEMPLATES.globals["pretty"] = _pretty
_TEMPLATES.filters["day"] = _day
_TEMPLATES.filters["span"] = _span
_TEMPLATES.filters["amount"] = _amount


def show(desk: Desk, call: Call) -> Reply:
    """GET /."""
    simulator = desk.simulator
    nonce = secrets.token_urlsafe(16)
    offers = list(simulator.market.offers.values())
    every = sorted(simulator.market.subscriptions.values(), key=lambda s: s.created, reverse=True)
    html = _TEMPLATES.get_template("page.html").render(
        nonce=nonce,
        now=call.now,
        offset=simulator.clock.offset(),
        settings=simulator.settings,
        webhook=simulator.webhook,
        offers=offers,
        subscriptions=[_row(desk, item) for item in every[:_SHOWN]],
        more=max(0, len(every) - _SHOWN),
        usage=_usage(desk, call.now),
        requests=[views.entry(item) for item in simulator.log.newest(_SHOWN)],
        deliveries=[
            views.delivery(item) for item in list(desk.sender.post.all)[: -_SHOWN - 1 : -1]
        ],
        faults=simulator.faults.rules(),
        kinds=[kind for kind in FaultKind if kind not in DELIVERY_KINDS],
        delivery_kinds=sorted(DELIVERY_KINDS),
        targets=[target for target in Target if target is not Target.WEBHOOK],
        counts=simulator.log.counts,
        said=call.query.get("said", ""),
        failed=call.query.get("failed", ""),
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "connect-src 'self'; form-action *; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return Reply(200, html, headers, "text/html; charset=utf-8")


def _row(desk: Desk, item: Subscription) -> dict[str, object]:
    market = desk.simulator.market
    offer = market.offers[item.offer_id]
    plan = offer.plan(item.plan_id)
    return {
        "item": item,
        "plan": plan,
        "other_plans": [p for p in offer.plans if p.id != item.plan_id and not p.is_stop_sell],
        "pending": market.outstanding(item.id),
    }


def _usage(desk: Desk, now: datetime) -> list[dict[str, object]]:
    """Accepted usage by subscription and dimension, with the last 24 hours one by one."""
    groups: dict[tuple[str, str], list[Recorded]] = {}
    for record in desk.simulator.usage:
        groups.setdefault((record.subscription_id, record.usage.dimension), []).append(record)
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - _HOUR * back for back in reversed(range(_HOURS))]
    rows: list[dict[str, object]] = []
    for (subscription_id, dimension), records in groups.items():
        by_hour = {record.usage.hour: record for record in records}
        top = max(record.usage.quantity for record in records)
        cells = [
            {
                "hour": hour,
                "record": by_hour.get(hour),
                "level": _level(by_hour.get(hour), top),
            }
            for hour in hours
        ]
        rows.append(
            {
                "subscription": desk.simulator.market.subscriptions[subscription_id],
                "dimension": dimension,
                "total": sum((record.usage.quantity for record in records), Decimal(0)),
                "count": len(records),
                "cells": cells,
                "records": sorted(records, key=lambda r: r.usage.hour, reverse=True)[:_SHOWN],
            }
        )
    return rows


def _level(record: Recorded | None, top: Decimal) -> int:
    """The height of an hour's bar in tenths, at least one where there is usage."""
    return max(1, int(record.usage.quantity * 10 / top)) if record else 0


def submit(desk: Desk, call: Call) -> Reply:
    """POST /page/{verb}: do it, then show the page again and say what happened."""
    origin = call.headers.get("origin", "null")
    if origin not in ("null", f"http://{call.headers.get('host', '')}"):
        return Reply(403, {"code": "Forbidden", "message": "The form comes from another site."})
    form = {name: value for name, value in parse_qsl(call.body.decode()) if value}
    try:
        return _perform(desk, call, call.params["verb"], form)
    except KeyError as missing:
        return _back(failed=f"The form lacks the field {missing}.")
    except (Refused, Malformed, ValidationError, ValueError) as problem:
        return _back(failed=str(problem))


def _back(**message: str) -> Reply:
    return Reply(303, headers={"Location": f"/?{urlencode(message)}"})


def _perform(desk: Desk, call: Call, verb: str, form: dict[str, str]) -> Reply:
    simulator = desk.simulator
    match verb:
        case "advance":
            simulator.clock.advance(timedelta(seconds=float(form["seconds"])))
            return _back(said=f"It is now {_clock(simulator.tick())}.")
        case "buy":
            return _buy(desk, call, form)
        case "act":
            return _act(desk, form)
        case "landing":
            token = simulator.market.issue_token(form["id"], call.now)
            return Reply(303, headers={"Location": views.landing_page(simulator, token)})
        case "fault":
            return _fault(desk, form)
        case "heal":
            simulator.faults.clear()
            return _back(said="All faults are withdrawn.")
        case "webhook":
            simulator.point_webhook(form.get("url"))
            return _back(said="The webhook address is changed.")
    raise Malformed(f"no such action: {verb}")


def _buy(desk: Desk, call: Call, form: dict[str, str]) -> Reply:
    offer_id, _, plan_id = form.get("plan", "").partition("|")
    order = Purchase(
        offer_id=offer_id,
        plan_id=plan_id,
        name=form.get("name", "Contoso Cloud Solution"),
        quantity=int(form["quantity"]) if "quantity" in form else None,
        resource_uri=form.get("resourceUri"),
    )
    bought, _ = desk.simulator.market.purchase(order, call.now)
    return _back(said=f"Bought {bought.name} ({bought.id}).")


def _act(desk: Desk, form: dict[str, str]) -> Reply:
    order = Act(
        plan_id=form.get("planId"),
        quantity=int(form["quantity"]) if "quantity" in form else None,
    )
    commands.act(desk.simulator, form["id"], form["action"], order)
    return _back(said=f"Done: {form['action']}.")


def _fault(desk: Desk, form: dict[str, str]) -> Reply:
    kind = FaultKind(form["kind"])
    target = Target.WEBHOOK if kind in DELIVERY_KINDS else Target(form["target"])
    desk.simulator.faults.add(
        Fault(
            kind=kind,
            target=target,
            count=int(form.get("count", "1")),
            seconds=float(form.get("seconds", "30")),
        )
    )
    return _back(said=f"The next {target} request meets {kind}.")
