"""Azure as the deployment script sees it: subscription, resource group, resources, the app."""

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.infra.az.arguments import Misused
from tests.infra.az.graph import GRAPH, TENANT, Graph

type Json = Any
"""What a command answers, before its query."""

type Given = Mapping[str, list[str]]
"""Arguments of a command."""

SUBSCRIPTION = "55555555-0000-4000-8000-000000000005"
PRINCIPAL = "77777777-0000-4000-8000-000000000007"
HOST = "metering-abc123.azurewebsites.net"
PROVIDERS = ("Microsoft.Storage", "Microsoft.Web", "Microsoft.Network")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Refused(Exception):
    """Azure says no."""


@dataclass(slots=True)
class Group:
    """A resource group and what is in it."""

    location: str
    tags: dict[str, str]
    parameters: dict[str, Json] | None = None
    app: bool = False
    storage: bool = False
    lock: bool = False
    running: bool = False
    package: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Cloud:
    """The state of everything, and the commands that change it."""

    tables_endpoint: str
    graph: Graph = field(default_factory=Graph)
    groups: dict[str, Group] = field(default_factory=dict)
    providers: set[str] = field(default_factory=lambda: set(PROVIDERS))
    regions: tuple[str, ...] = ("northeurope", "westeurope", "eastus2", "japaneast")
    signed_in: bool = True
    caller_type: str = "user"
    az_version: str = "2.80.0"
    cloud_shell: bool = False
    api_sign_in: bool = False
    marketplace_ready: bool = True
    runs: int = 0

    def answer(self, name: str, given: Given, environment: Mapping[str, str]) -> Json:
        """What a command answers. Raises ``Refused`` or ``Misused``."""
        if name != "version" and name != "login" and not self.signed_in:
            raise Refused("Please run 'az login' to setup account.")
        if name.startswith("deployment group ") and name != "deployment group list":
            return self._deploy(name, given, environment)
        if name == "rest":
            return self._rest(given)
        handlers: dict[str, Callable[[Given], Json]] = {
            "version": lambda _: {"azure-cli": self.az_version},
            "login": self._login,
            "account show": lambda _: self._account(),
            "account set": self._set_account,
            "account get-access-token": self._token,
            "group exists": lambda g: g["--name"][0] in self.groups,
            "group show": lambda g: self._group_view(g),
            "group create": self._create_group,
            "group delete": self._delete_group,
            "deployment group list": self._deployments,
            "functionapp list": self._apps,
            "functionapp list-flexconsumption-locations": lambda _: [
                {"name": region} for region in self.regions
            ],
            "functionapp list-flexconsumption-runtimes": lambda _: [
                {"version": version} for version in ("3.13", "3.12", "3.11")
            ],
            "functionapp stop": self._stop,
            "functionapp deployment source config-zip": self._publish,
            "storage account list": self._accounts,
            "provider list": lambda _: [
                {"namespace": name, "registrationState": "Registered"} for name in self.providers
            ],
            "provider register": lambda g: self.providers.update(g["--namespace"]),
            "role assignment list": lambda _: [{"roleDefinitionName": "Owner"}],
            "lock list": self._locks,
            "lock delete": self._unlock,
        }
        return handlers[name](given)

    def probe(self, path: str) -> str:
        """The status that curl sees."""
        app = next((group for group in self.groups.values() if group.package), None)
        if app is None or not app.running:
            return "503"
        return "200" if path == "/api/health" else "404"

    def _account(self) -> Json:
        user = {"type": self.caller_type, "name": "ada@example.com"}
        return {"id": SUBSCRIPTION, "tenantId": TENANT, "user": user}

    def _set_account(self, given: Given) -> None:
        if given["--subscription"][0] not in {SUBSCRIPTION, "main"}:
            raise Refused("The subscription doesn't exist in cloud 'AzureCloud'.")

    def _login(self, given: Given) -> Json:
        self.signed_in = True
        self.api_sign_in = "--scope" in given
        return [self._account()]

    def _token(self, given: Given) -> Json:
        audience = (given.get("--scope") or given.get("--resource") or [""])[0]
        if self.cloud_shell and audience.startswith("api://") and not self.api_sign_in:
            raise Refused(f"Audience {audience} is not a supported MSI token audience.")
        return {"accessToken": f"token-for-{audience}"}

    def _group(self, given: Given) -> Group:
        name = given.get("--resource-group", given.get("--name", [""]))[0]
        if name not in self.groups:
            raise Refused(f"ResourceGroupNotFound: Resource group '{name}' could not be found.")
        return self.groups[name]

    def _group_view(self, given: Given) -> Json:
        group = self._group(given)
        return {"location": group.location, "tags": group.tags}

    def _create_group(self, given: Given) -> None:
        name, location = given["--name"][0], given["--location"][0]
        tags = dict(tag.split("=", 1) for tag in given.get("--tags", []))
        known = self.groups.setdefault(name, Group(location, tags))
        if known.location != location:
            raise Refused("InvalidResourceGroupLocation")

    def _delete_group(self, given: Given) -> None:
        if "--yes" not in given:
            raise Refused("Unable to prompt for confirmation as no tty available. Use --yes.")
        if self._group(given).lock:
            raise Refused("ScopeLocked: the scope cannot perform delete operation")
        del self.groups[given["--name"][0]]

    def _deployments(self, given: Given) -> Json:
        recorded = self._group(given).parameters
        if recorded is None:
            return []
        shown = {name: {"type": "String", "value": value} for name, value in recorded.items()}
        return [{"name": "metering", "properties": {"parameters": shown}}]

    def _apps(self, given: Given) -> Json:
        return [{"name": "metering-abc123", "defaultHostName": HOST}] * self._group(given).app

    def _accounts(self, given: Given) -> Json:
        endpoints = {"table": f"{self.tables_endpoint}/"}
        account = {"name": "meteringabc123", "primaryEndpoints": endpoints}
        return [account] * self._group(given).storage

    def _locks(self, given: Given) -> Json:
        lock = {
            "name": "keep",
            "id": "/subscriptions/x/providers/Microsoft.Authorization/locks/keep",
        }
        return [lock] * self._group(given).lock

    def _unlock(self, given: Given) -> None:
        if not given["--ids"][0].endswith("/locks/keep"):
            raise Misused("--ids: this is no lock")
        for group in self.groups.values():
            group.lock = False

    def _stop(self, given: Given) -> None:
        self._group(given).running = False

    def _deploy(self, name: str, given: Given, environment: Mapping[str, str]) -> Json:
        group = self._group(given)
        if not given["--parameters"][0].endswith(".bicepparam"):
            raise Misused("--parameters: the stand-in expects the parameter file")
        if given.get("--name") != ["metering"]:
            raise Misused("--name: one deployment, always of the same name")
        parameters = _parameters(environment)
        if name == "deployment group what-if":
            return None
        self.graph.known_application(str(parameters["apiClientId"]))
        group.parameters = parameters
        group.storage = group.lock = True
        group.app, group.running = True, True
        outputs = {
            "appName": "metering-abc123",
            "appUrl": f"https://{HOST}",
            "identityPrincipalId": PRINCIPAL,
            "storageAccount": "meteringabc123",
            "tablesEndpoint": self.tables_endpoint,
        }
        shown = {name: {"type": "String", "value": value} for name, value in outputs.items()}
        return {"properties": {"outputs": shown}}

    def _publish(self, given: Given) -> None:
        group = self._group(given)
        if given.get("--build-remote") != ["true"]:
            raise Misused("--build-remote: packages of Python are built in Azure")
        if not group.app:
            raise Refused("The function app was not found.")
        with zipfile.ZipFile(Path(given["--src"][0])) as package:
            group.package = package.namelist()
        if "function_app.py" not in group.package or "host.json" not in group.package:
            raise Refused("The package holds no app.")

    def _rest(self, given: Given) -> Json:
        method, url = given.get("--method", ["get"])[0].lower(), given["--url"][0]
        if url.startswith(GRAPH):
            return self.graph.answer(method, url.removeprefix(GRAPH), given)
        path = url.removeprefix(f"https://{HOST}")
        application = given.get("--resource", [""])[0].removeprefix("api://")
        if path == url or not self.graph.may_call(application):
            raise Refused("Unauthorized")
        return self._api(method, path, given)

    def _api(self, method: str, path: str, given: Given) -> Json:
        if self.probe("/api/health") != "200":
            raise Refused("Service Unavailable")
        if (method, path) == ("post", "/api/usage"):
            event = json.loads(given["--body"][0])
            if set(event) != {"id", "account", "meter", "time", "data"}:
                raise Refused("Bad Request")
            return {"results": [{"id": event["id"], "outcome": "parked"}]}
        if (method, path) == ("post", "/api/metering/run"):
            self.runs += 1
            return {"asked": "2026-11-22T10:00:00.5+00:00"}
        if (method, path) == ("get", "/api/metering/status"):
            at = "2026-11-22T10:00:01Z" if self.runs else None
            return {"shards": [{"shard": n, "lastCompleted": at} for n in range(16)]}
        if (method, path) == ("post", "/api/subscriptions/reconcile"):
            return self._reconcile()
        raise Refused("Not Found")

    def _reconcile(self) -> Json:
        (group,) = self.groups.values()
        trusted = self.graph.trusted_by(str((group.parameters or {})["marketplaceClientId"]))
        if not self.marketplace_ready or PRINCIPAL not in trusted:
            raise Refused("Service Unavailable")
        return {"compared": 0}


def _parameters(environment: Mapping[str, str]) -> dict[str, Json]:
    """Parameters as main.bicepparam reads them from the environment."""

    def text(name: str) -> str:
        return environment.get(f"METERING_{name}", "")

    applications = {name: text(name) for name in ("API_CLIENT_ID", "MARKETPLACE_CLIENT_ID")}
    for name, value in applications.items():
        if not _GUID.fullmatch(value):
            raise Refused(f"InvalidTemplate: METERING_{name} is no client id: {value!r}")
    if not re.fullmatch(r"[a-z][a-z0-9]{2,10}", text("NAME")):
        raise Refused("InvalidTemplate: METERING_NAME")
    certificate = text("MARKETPLACE_PROOF") == "certificate"
    return {
        "name": text("NAME"),
        "location": text("LOCATION"),
        "apiClientId": applications["API_CLIENT_ID"],
        "marketplaceClientId": applications["MARKETPLACE_CLIENT_ID"],
        "marketplaceTenantId": text("MARKETPLACE_TENANT_ID"),
        "marketplaceProof": "certificate" if certificate else "federated",
        "operatorPrincipalIds": [o for o in text("OPERATORS").split(",") if o],
        "alertEmail": text("ALERT_EMAIL"),
    }
