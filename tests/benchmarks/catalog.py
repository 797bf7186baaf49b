"""./dev bench catalog: how long a catalogue of 500 plans takes, and what it costs ingestion.

The whole local stack takes the document again and again, each time with another price. Then the
product runs in this process with a relay before storage that counts: a request with usage reads
nothing, before and after a new version, but for the one look that each process takes at a time.
"""

import argparse
import copy
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import yaml

from local.azurite.process import AzuriteMissing
from local.play import METER
from local.samples.files import CATALOG
from local.stack import Stack, running_stack
from shared.api.catalog import catalog_of
from shared.api.catalog_yaml import parse_yaml
from shared.bootstrap import App
from shared.domain.period import hour_of
from shared.services.catalog import Intent
from shared.services.directory import LIFE
from tests.benchmarks.parts.stage import Stage, events_of, post, stage

LIMIT = 2.0
"""Seconds that a PUT may take."""

REFRESHED = timedelta(minutes=1)
"""How soon a version must be known to all processes."""

LOOKS = 3
"""Reads of the request that finds a new version: all versions' heads, the new one, the account."""

AFTER = LIFE + timedelta(seconds=2)
"""The clock follows storage to about a second."""

EVENTS = 100

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """A kind of request: how long each took, and the bytes of its document."""

    what: str
    seconds: Sequence[float]
    size: int


def catalogue(plans: int) -> Document:
    """The sample catalogue with ``plans`` more plans: three prices in three bands each, a minimum
    and a charge, a tenth of them by template."""
    document: Document = yaml.safe_load(CATALOG.read_bytes())
    codes = [aggregation["code"] for aggregation in document["aggregations"]]
    product = document["products"][0]["code"]
    bands = [{"upTo": 1000, "unitPrice": 0.5}, {"upTo": 10000, "unitPrice": 0.25}, {"unitPrice": 1}]
    pricing = [
        {"aggregation": code, "charge": {"model": "TIERED", "bands": bands}} for code in codes
    ]
    document["planTemplates"] = [{"code": "common", "product": product, "pricing": pricing}]
    for number in range(plans):
        plan: Document = {
            "code": f"plan-{number:04}",
            "product": product,
            "name": f"Plan {number}",
            "marketplace": [{"offer": "contoso-many", "plan": f"plan-{number:04}"}],
            "frequency": "MONTHLY",
            "minimumSpend": {"amount": 10 + number},
            "charges": [
                {"kind": "UPFRONT", "code": "set-up", "due": {"amount": 5 + number}},
            ],
        }
        own = {"template": "common"} if number % 10 == 0 else {"pricing": copy.deepcopy(pricing)}
        document["plans"].append(plan | own)
    return document


def priced(document: Document, price: int) -> Document:
    """The same with another price in every tenth plan."""
    changed = copy.deepcopy(document)
    changed["planTemplates"][0]["pricing"][0]["charge"]["bands"][0]["unitPrice"] = price
    return changed


def spelled(document: Document) -> bytes:
    """As YAML, which people send: without aliases, which nothing takes."""
    alone = json.loads(json.dumps(document, default=str))
    return yaml.dump(alone, Dumper=yaml.CSafeDumper, sort_keys=False).encode()


class Client:
    """An administrator of a stack."""

    def __init__(self, stack: Stack) -> None:
        token = stack.simulator.administrator_token()
        self._url = f"{stack.administrator().url}/api/catalog"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self.etag = ""

    def send(self, method: str, body: bytes = b"", query: str = "", **headers: str) -> float:
        """Seconds until the whole answer is there. Raises ``RuntimeError`` for a bad one."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.etag:
            sent["If-Match"] = self.etag
        begun = time.perf_counter()
        answer = self._session.request(
            method, self._url + query, data=body, headers=sent, timeout=120
        )
        seconds = time.perf_counter() - begun
        if not answer.ok:
            raise RuntimeError(f"{method} answered {answer.status_code}: {answer.text[:500]}")
        self.etag = answer.headers.get("ETag", self.etag)
        return seconds


def over_http(plans: int, rounds: int) -> list[Timing]:
    """Everything that is done with a whole catalogue, on a running stack."""
    document = catalogue(plans)
    texts = [spelled(priced(document, price)) for price in range(2, rounds + 2)]
    jsons = [json.dumps(priced(document, 100 + price)).encode() for price in range(rounds)]
    patches = [
        json.dumps({"organization": {"name": f"Contoso {n}"}}).encode() for n in range(rounds)
    ]
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), lambda *_: None) as (stack, _),
    ):
        client = Client(stack)
        kind = {"Content_Type": "application/yaml"}
        first = client.send("PUT", spelled(document), **kind)
        timings = [Timing("PUT of YAML, the first after the start", [first], len(texts[0]))]

        def timed(what: str, bodies: Sequence[bytes], send: Callable[[bytes], float]) -> None:
            timings.append(Timing(what, [send(body) for body in bodies], len(bodies[0])))

        timed("PUT of YAML, a price changed", texts, lambda b: client.send("PUT", b, **kind))
        timed(
            "the same, shown only",
            texts[:-1],
            lambda b: client.send("PUT", b, "?dryRun=true", **kind),
        )
        kind_of_json = {"Content_Type": "application/json"}
        timed("PUT of JSON", jsons, lambda b: client.send("PUT", b, **kind_of_json))
        patch = {"Content_Type": "application/merge-patch+json"}
        timed("PATCH of a name", patches, lambda b: client.send("PATCH", b, **patch))
        empty = [b""] * rounds
        timed("GET as JSON", empty, lambda b: client.send("GET", b))
        yaml_too = {"Accept": "application/yaml"}
        timed("GET as YAML", empty, lambda b: client.send("GET", b, **yaml_too))
    return timings


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of storage that a request with usage made."""

    what: str
    reads: int
    allowed: int


def of_ingestion(on: Stage, plans: int) -> list[Reads]:
    """Requests of a process that was up before a version of many plans was stored."""
    app, other = on.boot(), on.boot()
    on.load_catalog(other)
    on.make_accounts(["acme"])
    on.to_minute(20)
    found: list[Reads] = []

    def counted(what: str, allowed: int, since: timedelta = timedelta()) -> None:
        moment = on.clock.advance(since)
        on.relay.tape.cut()
        _use(app, moment)
        found.append(Reads(what, on.relay.tape.cut().reads, allowed))

    _use(app, on.clock.now())
    counted("a request, the catalogue known", 0)
    catalog = catalog_of(parse_yaml(spelled(catalogue(plans))))
    other.put_catalog(catalog, Intent("benchmark", hour_of(on.clock.now())))
    counted(f"after a version of {plans} plans was stored", 0)
    counted(f"{LIFE.seconds} s later: the one that looks again", LOOKS, AFTER)
    counted("the next", 0)
    counted(f"{LIFE.seconds} s later, nothing new", LOOKS - 1, AFTER)
    return found


def _use(app: App, moment: datetime) -> None:
    post(app, events_of(["acme"] * EVENTS, moment))


def main(arguments: Sequence[str]) -> int:
    """Measure and print; 1 when something takes longer or reads more than it may."""
    parser = argparse.ArgumentParser(prog="./dev bench catalog", description=__doc__)
    parser.add_argument("--plans", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5, help="requests of each kind")
    given = parser.parse_args(arguments)
    try:
        timings = over_http(given.plans, given.rounds)
        with tempfile.TemporaryDirectory() as directory, stage(Path(directory)) as on:
            reads = of_ingestion(on, given.plans)
    except AzuriteMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.plans} plans, by HTTP {'':<20} least   median      max  document")
    for timing in timings:
        least, most = min(timing.seconds), max(timing.seconds)
        middle = statistics.median(timing.seconds)
        size = f"{timing.size / 1024:6.0f} KiB" if timing.size else ""
        print(f"  {timing.what:<39} {least:6.3f} s {middle:6.3f} s {most:6.3f} s  {size}")
    print(f"\nreads of storage by a request of {EVENTS} events to meter {METER}")
    for line in reads:
        print(f"  {line.what:<39} {line.reads:6}   allowed: {line.allowed}")
    slow = [t for t in timings if t.what.startswith("PUT") and min(t.seconds) >= LIMIT]
    many = [line for line in reads if line.reads > line.allowed]
    return int(bool(slow or many) or LIFE > REFRESHED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
