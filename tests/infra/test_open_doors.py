"""What the internet reaches without proof of who it is: nothing but what is meant to be open."""

import base64
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TENANT = "11111111-0000-4000-8000-000000000001"
OPEN = {
    "GET /api/health": "says only whether the app works",
    "GET /api/catalog/schema": "the form of a catalogue, the same for everyone",
    "GET /landing": "asks the buyer to sign in",
    "POST /landing": "refuses whoever is not signed in",
}
"""What answers without a token, and why that is well."""

SHUT = {401, 302}
"""Nobody knows the caller, or it is sent to sign in."""

PRINCIPAL = base64.b64encode(
    json.dumps(
        {
            "auth_typ": "aad",
            "claims": [
                {"typ": "tid", "val": TENANT},
                {"typ": "oid", "val": TENANT},
                {"typ": "roles", "val": "Billing.Admin"},
            ],
        }
    ).encode()
).decode()
FORGED = {
    "nothing": {},
    "a principal of App Service": {
        "X-MS-CLIENT-PRINCIPAL": PRINCIPAL,
        "X-MS-CLIENT-PRINCIPAL-ID": TENANT,
        "X-MS-CLIENT-PRINCIPAL-NAME": "admin@contoso.com",
        "X-MS-CLIENT-PRINCIPAL-IDP": "aad",
    },
    "no token at all": {"Authorization": "Bearer"},
    "an unsigned token": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    "a user and a password": {"Authorization": "Basic YTpi"},
    "a key of Functions": {"x-functions-key": "x", "X-MS-TOKEN-AAD-ID-TOKEN": "x"},
}


@cache
def answers(app_service_auth: str) -> dict[str, dict[str, int]]:
    """Statuses of all routes by what was forged, in a deployment whose services are all away."""
    settings = {
        "API_CLIENT_ID": TENANT,
        "API_TENANT_ID": TENANT,
        "APP_SERVICE_AUTH": app_service_auth,
        "AZURE_CLIENT_ID": TENANT,
        "ENTRA_URL": "https://127.0.0.1:1",
        "MARKETPLACE_CLIENT_ID": TENANT,
        "MARKETPLACE_TENANT_ID": TENANT,
        "ServiceBus__fullyQualifiedNamespace": "127.0.0.1",
        "TABLES_ENDPOINT": "https://127.0.0.1:1",
    }
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "tests/infra/call_every_function.py",
            json.dumps([*FORGED.values()]),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return dict(zip(FORGED, found, strict=True))


@pytest.mark.parametrize("app_service_auth", ["True", "False"])
@pytest.mark.parametrize("forged", FORGED)
def test_no_route_but_the_open_ones_answers_without_proof(
    app_service_auth: str, forged: str
) -> None:
    found = answers(app_service_auth)[forged]
    assert len(found) > 50
    closed = {route: status for route, status in found.items() if route not in OPEN}
    opened = {route: status for route, status in closed.items() if status not in SHUT}
    assert opened == {}
    assert "POST /landing" in found


def test_a_principal_that_the_caller_wrote_opens_no_landing_page_without_app_service() -> None:
    found = answers("False")
    assert found["a principal of App Service"]["POST /landing"] == found["nothing"]["POST /landing"]


def test_every_store_is_closed_to_keys_and_to_old_ciphers() -> None:
    modules = ROOT / "infra" / "bicep" / "modules"
    text = {path.stem: path.read_text() for path in modules.glob("*.bicep")}
    wanted = {
        "storage": [
            "allowBlobPublicAccess: false", "allowSharedKeyAccess: false",
            "allowCrossTenantReplication: false", "minimumTlsVersion: 'TLS1_2'",
            "supportsHttpsTrafficOnly: true", "publicAccess: 'None'",
        ],
        "messaging": ["disableLocalAuth: true", "minimumTlsVersion: '1.2'"],
        "observability": ["DisableLocalAuth: true"],
        "vault": ["enableRbacAuthorization: true", "enableSoftDelete: true"],
        "functionapp": [
            "httpsOnly: true", "minTlsVersion: '1.2'", "requireHttps: true",
            "properties: { allow: false }", "tokenStore: { enabled: false }",
        ],
    }  # fmt: skip
    for module, settings in wanted.items():
        for setting in settings:
            assert setting in text[module], (module, setting)


def test_roles_are_given_on_single_resources_and_to_the_identity_or_operators_alone() -> None:
    modules = ROOT / "infra" / "bicep" / "modules"
    given: set[tuple[str, str, str]] = set()
    for path in modules.glob("*.bicep"):
        blocks = re.findall(
            r"resource \w+ 'Microsoft\.Authorization/roleAssignments@.*?\n(?:\}|\])\n",
            path.read_text(),
            re.DOTALL,
        )
        for block in blocks:
            scope = re.search(r"scope: (\w+)", block)
            principal = re.search(r"principalId: (\w+)", block)
            assert scope
            assert principal
            for role in set(re.findall(r"roles\.(\w+)", block)):
                given.add((scope[1], principal[1], role))
    assert given == {
        ("account", "principalId", "storageTableDataContributor"),
        ("account", "principalId", "storageBlobDataOwner"),
        ("account", "operator", "storageTableDataContributor"),
        ("namespace", "principalId", "serviceBusDataOwner"),
        ("insights", "principalId", "monitoringMetricsPublisher"),
        ("vault", "principalId", "keyVaultSecretsUser"),
    }
