"""The catalogue over HTTP on a running stack: change, look before, go back, read its parts."""

import json
from collections.abc import Iterator
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


def test_the_schema_is_open_to_all(stack: Stack) -> None:
    response = requests.get(stack.administrator().url + "/api/catalog/schema", timeout=30)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/schema+json")
    assert response.json()["title"] == "Catalogue"
    for path in ("/api/catalog", "/api/catalog/versions", "/api/plans"):
        closed = requests.get(stack.administrator().url + path, timeout=30)
        assert closed.status_code == 401
