"""The catalogue over HTTP on a running stack: change, look before, go back, read its parts."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from local.samples.files import CATALOG
from local.stack import Stack, running_stack

type Document = dict[str, Any]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), lambda *_: None) as (stack, _):
        yield stack


def call(
    stack: Stack, method: str, path: str, body: bytes | None = None, **headers: str
) -> requests.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("Content-Type", "application/json")
    token = stack.simulator.administrator_token()
    url = stack.administrator().url + path
    return requests.request(
        method, url, data=body, headers={"Authorization": f"Bearer {token}", **sent}, timeout=30
    )


def body(response: requests.Response, status: int = 200) -> Document:
    assert response.status_code == status, response.text
    found: Document = response.json()
    return found


def test_the_whole_way(stack: Stack) -> None:
    assert call(stack, "GET", "/api/catalog").status_code == 404
    first = call(stack, "PUT", "/api/catalog", CATALOG.read_bytes(), Content_Type="text/yaml")
    assert body(first)["version"] == 1
    etag = first.headers["ETag"]

    patch = json.dumps({"organization": {"name": "Fabrikam"}}).encode()
    kind = "application/merge-patch+json"
    unconditional = call(stack, "PATCH", "/api/catalog", patch, Content_Type=kind)
    assert body(unconditional, 428)["type"].endswith("precondition-required")
    shown = body(
        call(stack, "PATCH", "/api/catalog?dryRun=true", patch, Content_Type=kind, If_Match=etag)
    )
    change = {
        "op": "replace", "path": "/organization/name", "from": "Contoso", "to": "Fabrikam",
    }  # fmt: skip
    assert (shown["dryRun"], shown["changes"]) == (True, [change])
    assert body(call(stack, "GET", "/api/catalog"))["version"] == 1
    patched = call(stack, "PATCH", "/api/catalog", patch, Content_Type=kind, If_Match=etag)
    assert body(patched)["version"] == 2
    stale = call(stack, "PATCH", "/api/catalog", patch, Content_Type=kind, If_Match=etag)
    assert body(stale, 412)["type"].endswith("stale-version")

    versions = body(call(stack, "GET", "/api/catalog/versions"))["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    kept = body(call(stack, "GET", "/api/catalog/versions/2"))
    assert kept["changes"] == [change]
    old = body(call(stack, "GET", "/api/catalog/versions/1"))["catalog"]
    back = call(
        stack, "PUT", "/api/catalog", json.dumps(old).encode(), If_Match=patched.headers["ETag"]
    )
    assert body(back)["version"] == 3
    assert body(call(stack, "GET", "/api/catalog"))["catalog"] == old
    assert body(call(stack, "GET", "/api/catalog/versions/9"), 404)

    for part in ("products", "meters", "aggregations", "plantemplates", "plans"):
        listed = body(call(stack, "GET", f"/api/{part}"))[part]
        for item in listed:
            assert body(call(stack, "GET", f"/api/{part}/{item['code']}"))["code"] == item["code"]
    plan = body(call(stack, "GET", "/api/plans/standard"))
    assert plan["origins"]["currency"] == "organization"
    assert call(stack, "GET", "/api/things").status_code == 404


def test_a_version_of_the_past_begins_a_job_that_comes_to_its_end(stack: Stack) -> None:
    account = json.dumps({"code": "acme"}).encode()
    assert call(stack, "POST", "/api/accounts", account).status_code == 201
    current = call(stack, "GET", "/api/catalog")
    document = body(current)["catalog"]
    derived = {"code": "both", "category": "MEASURE", "expression": "contextTokens * 2"}
    document["meters"][0]["derivedFields"] = [derived]
    since = f"{stack.simulator.now():%Y-%m-%dT%H:00:00Z}"
    changed = call(
        stack,
        "PUT",
        f"/api/catalog?effectiveFrom={since}",
        json.dumps(document).encode(),
        If_Match=current.headers["ETag"],
    )
    assert body(changed)["reaggregated"] == ["requests"]
    job = f"/api/reaggregations/{body(changed)['reaggregation']}"
    ended = eventually(lambda: body(call(stack, "GET", job)))
    assert ended["progress"] == {"shards": 16, "shardsDone": 16, "accountsDone": 1}
    again = call(stack, "POST", "/api/reaggregations", json.dumps({"accounts": ["acme"]}).encode())
    assert body(again, 202)["progress"]["shards"] == 1
    eventually(lambda: body(call(stack, "GET", again.headers["Location"])))
    entries = body(call(stack, "GET", "/api/audit?action=reaggregation"))["entries"]
    assert {entry["subject"] for entry in entries} == {"acme", "/api/reaggregations"}


def eventually(ask: Callable[[], Document]) -> Document:
    """The job when it is finished: the queue is served by another process."""
    for _ in range(300):
        found = ask()
        if found["state"] == "finished":
            return found
        time.sleep(0.1)
    raise AssertionError(f"not finished: {found}")


def test_keys_are_audited_and_reach_their_accounts_only(stack: Stack) -> None:
    order = {"name": "reader", "rights": ["Billing.Read"], "accounts": ["elsewhere"]}
    made = body(call(stack, "POST", "/api/serviceusers", json.dumps(order).encode()), 201)
    url, headers = stack.administrator().url, {"x-api-key": made["key"]}
    for path in ("/api/accounts/acme", "/api/accounts/acme/totals", "/api/catalog", "/api/audit"):
        assert requests.get(url + path, headers=headers, timeout=30).status_code == 403, path
    key = f"/api/serviceusers/{made['keyId']}"
    assert body(call(stack, "DELETE", key))["revoked"] is not None
    trail = call(stack, "GET", "/api/audit?subject=/api/serviceusers")
    actions = {entry["action"] for entry in body(trail)["entries"]}
    assert actions == {"serviceuser.create", "serviceuser.revoke"}
    assert made["key"].rsplit("_", 1)[-1] not in trail.text


def test_the_schema_is_open_to_all(stack: Stack) -> None:
    response = requests.get(stack.administrator().url + "/api/catalog/schema", timeout=30)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/schema+json")
    assert response.json()["title"] == "Catalogue"
    for path in ("/api/catalog", "/api/catalog/versions", "/api/plans"):
        closed = requests.get(stack.administrator().url + path, timeout=30)
        assert closed.status_code == 401
