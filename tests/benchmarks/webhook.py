"""./dev bench webhook: how fast plan changes are decided while many notices come at once.

Runs the whole local stack, buys subscriptions, has every customer change the plan at the same
moment, and measures two things: how long the webhook takes to answer, and how long after the
customer's click the Marketplace has our decision. Microsoft waits ten seconds.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from local.clients import checked
from local.samples.files import CATALOG
from local.stack import Stack, running_stack

LIMIT = 2.0
PLANS = ("scale", "standard")


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 when the 99th percentile is over the limit."""
    parser = argparse.ArgumentParser(prog="./dev bench webhook", description=__doc__)
    parser.add_argument("--customers", type=int, default=50, help="notices at the same time")
    parser.add_argument("--rounds", type=int, default=4, help="how often all of them change")
    given = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), lambda *_: None) as (stack, _),
    ):
        times = measure(stack, given.customers, given.rounds)
    for name, found in times.items():
        print(
            f"{name:<34} p50 {percentile(found, 50):6.3f} s   p99 {percentile(found, 99):6.3f} s"
            f"   max {max(found):6.3f} s   ({len(found)} changes)"
        )
    return 0 if percentile(times["decided after it was asked"], 99) < LIMIT else 1


def measure(stack: Stack, customers: int, rounds: int) -> dict[str, list[float]]:
    """Seconds from the webhook's request to its answer, and from the change being asked for to
    our decision being with the Marketplace."""
    body = CATALOG.read_bytes()
    checked(stack.administrator().send("PUT", "/api/catalog", body, "application/yaml"))
    subscriptions = [buy(stack, number) for number in range(customers)]
    settings = f"{stack.simulator.url}/control/webhooks/settings"
    # The simulator's own sender would answer first: here the notices are ours, all at once.
    requests.patch(settings, json={"url": None}, timeout=30).raise_for_status()
    answered: list[float] = []
    decided: list[float] = []
    with ThreadPoolExecutor(customers) as pool:
        for number in range(rounds + 1):
            plan = PLANS[number % 2]
            asked = [(id_, ask(stack, id_, plan), token(stack)) for id_ in subscriptions]
            begun = time.perf_counter()
            found = list(pool.map(lambda each: notify(stack, *each), asked))
            if number == 0:
                continue  # The first round opens connections and loads code.
            answered += [seconds for seconds, _ in found]
            decided += [ended - begun for _, ended in found]
    for id_ in subscriptions:
        on = stack.simulator.get(f"/subscriptions/{id_}")["planId"]
        if on != PLANS[rounds % 2]:
            raise RuntimeError(f"{id_} is on {on}")
    return {"answered": answered, "decided after it was asked": decided}


def buy(stack: Stack, number: int) -> str:
    subscription, link = stack.simulator.buy("standard", f"Customer {number}")
    stack.backend().confirm(link)
    return subscription


def ask(stack: Stack, subscription: str, plan: str) -> str:
    told = stack.simulator.post(f"/subscriptions/{subscription}/changePlan", {"planId": plan})
    return str(told["id"])


def token(stack: Stack) -> str:
    return str(stack.simulator.post("/entra/token", {"version": "v2"})["token"])


def notify(stack: Stack, subscription: str, operation: str, bearer: str) -> tuple[float, float]:
    """One notice: how long it took, and when the answer was there."""
    notice = {"id": operation, "subscriptionId": subscription, "action": "ChangePlan"}
    begun = time.perf_counter()
    response = requests.post(
        f"{stack.url}/api/webhook",
        data=json.dumps(notice),
        headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
        timeout=60,
    )
    ended = time.perf_counter()
    if response.json() != {"known": True, "accepted": True, "reason": None}:
        raise RuntimeError(response.text)
    return ended - begun, ended


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that ``percent`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
