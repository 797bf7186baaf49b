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
    vault: bool = False
    logs: bool = False
    lock: bool = False
    at_work: bool = False
    budget: str = ""
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
    without_zones: frozenset[str] = frozenset()
    deleted_vaults: set[str] = field(default_factory=set)
    deleted_logs: dict[str, str] = field(default_factory=dict)
    signed_in: bool = True
    caller_type: str = "user"
    az_version: str = "2.80.0"
    cloud_shell: bool = False
    api_sign_in: bool = False
    device_codes: bool = True
    unready: int = 0
    template_opens: bool = False
    """Whether only the template gives the caller the right to read tables."""
    marketplace_ready: bool = True
    marketplace_trusts: bool = True
    runs: int = 0

    def answer(self, name: str, given: Given, environment: Mapping[str, str]) -> Json:
        """What a command answers. Raises ``Refused`` or ``Misused``."""
        if name != "version" and name != "login" and not self.signed_in:
            raise Refused("Please run 'az login' to setup account.")
        if name in {"deployment group what-if", "deployment group create"}:
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
            "deployment group wait": self._wait,
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
            "storage sku list": lambda _: [
                {"name": "Standard_ZRS", "locations": [region]}
                for region in self.regions
                if region not in self.without_zones
            ],
            "keyvault list-deleted": self._deleted_vaults,
            "keyvault recover": self._recover,
            "keyvault purge": lambda g: self.deleted_vaults.remove(_group_of(g)),
            "monitor log-analytics workspace list": self._workspaces,
            "monitor log-analytics workspace delete": self._delete_logs,
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
        if "--use-device-code" in given and not self.device_codes:
            raise Refused("AADSTS53003: Access has been blocked by Conditional Access policies.")
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
        name = given["--name"][0]
        if self.groups[name].vault:
            self.deleted_vaults.add(name)
        if self.groups[name].logs:
            self.deleted_logs[name] = str((self.groups[name].parameters or {})["location"])
        del self.groups[name]

    def _deployments(self, given: Given) -> Json:
        recorded = self._group(given).parameters
        if recorded is None:
            return []
        shown = {name: {"type": "String", "value": value} for name, value in recorded.items()}
        state = "Running" if self._group(given).at_work else "Succeeded"
        properties = {"parameters": shown, "provisioningState": state}
        return [{"name": "metering", "properties": properties}]

    def _wait(self, given: Given) -> None:
        if "--custom" not in given or "provisioningState" not in given["--custom"][0]:
            raise Misused("--custom: what to wait for")
        self._group(given).at_work = False

    def _apps(self, given: Given) -> Json:
        """Beside ours there is one that others made, which comes first."""
        foreign = {"name": "another", "defaultHostName": "another.net", "tags": None}
        ours = {"name": "metering-abc123", "defaultHostName": HOST, "tags": _tags()}
        return [foreign] + [ours] * self._group(given).app

    def _accounts(self, given: Given) -> Json:
        foreign = {"name": "another", "primaryEndpoints": {"table": "https://another/"}, "tags": {}}
        endpoints = {"table": f"{self.tables_endpoint}/"}
        ours = {"name": "meteringabc123", "primaryEndpoints": endpoints, "tags": _tags()}
        return [foreign] + [ours] * self._group(given).storage

    def _deleted_vaults(self, given: Given) -> Json:
        if given.get("--resource-type") != ["vault"]:
            raise Misused("--resource-type: vaults are meant")
        path = "/subscriptions/x/resourceGroups/{0}/providers/Microsoft.KeyVault/vaults/v-{0}"
        return [
            {"name": f"v-{group}", "properties": {"vaultId": path.format(group)}}
            for group in sorted({*self.deleted_vaults, "of-others"})
        ]

    def _recover(self, given: Given) -> None:
        name = _group_of(given)
        self.deleted_vaults.remove(name)
        self.groups[name].vault = True

    def _workspaces(self, given: Given) -> Json:
        return [{"name": "metering-logs", "tags": _tags()}] * self._group(given).logs

    def _delete_logs(self, given: Given) -> None:
        if given.get("--force") != ["true"] or "--yes" not in given:
            raise Misused("--force, --yes: it would be kept for some days")
        self._group(given).logs = False

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
        self._check_names(given["--resource-group"][0], group, parameters)
        group.parameters = parameters
        group.storage = group.lock = group.logs = True
        group.vault = group.vault or parameters["marketplaceProof"] == "certificate"
        group.app, group.running = True, True
        if self.template_opens:
            self.tables_endpoint = self.tables_endpoint.removesuffix("/closed")
        outputs = {
            "appName": "metering-abc123",
            "appUrl": f"https://{HOST}",
            "identityPrincipalId": PRINCIPAL,
            "storageAccount": "meteringabc123",
            "tablesEndpoint": self.tables_endpoint,
        }
        shown = {name: {"type": "String", "value": value} for name, value in outputs.items()}
        return {"properties": {"outputs": shown}}

    def _check_names(self, name: str, group: Group, parameters: Mapping[str, Json]) -> None:
        if group.at_work:
            raise Refused("DeploymentActive: the deployment with the same name is not complete")
        if group.budget and parameters["budgetStart"] != group.budget:
            raise Refused("Start date of budgets cannot be updated.")
        if parameters["marketplaceProof"] == "certificate" and name in self.deleted_vaults:
            raise Refused("ConflictError: a vault with the same name exists in deleted state")
        if self.deleted_logs.get(name, parameters["location"]) != parameters["location"]:
            raise Refused("Conflict: the workspace name is taken in another region")

    def _publish(self, given: Given) -> None:
        group = self._group(given)
        if given.get("--build-remote") != ["true"]:
            raise Misused("--build-remote: packages of Python are built in Azure")
        if not group.app or given["--name"] != ["metering-abc123"]:
            raise Refused("The function app was not found.")
        if self.unready > 0:
            self.unready -= 1
            raise Refused("Failed to upload: 403 (This request is not authorized).")
        with zipfile.ZipFile(Path(given["--src"][0])) as package:
            group.package = package.namelist()
        if "function_app.py" not in group.package or "host.json" not in group.package:
            raise Refused("The package holds no app.")

    def _rest(self, given: Given) -> Json:
        method, url = given.get("--method", ["get"])[0].lower(), given["--url"][0]
        if url.startswith(GRAPH):
            return self.graph.answer(method, url.removeprefix(GRAPH), given)
        if url.startswith("https://management.azure.com/"):
            return self._budgets(method, url)
        path = url.removeprefix(f"https://{HOST}")
        application = given.get("--resource", [""])[0].removeprefix("api://")
        if path == url or not self.graph.may_call(application):
            raise Refused("Unauthorized")
        return self._api(method, path, given)

    def _budgets(self, method: str, url: str) -> Json:
        pattern = (
            rf".+/subscriptions/{SUBSCRIPTION}/resourceGroups/([\w.()-]+)/providers"
            r"/Microsoft\.Consumption/budgets\?api-version=\d{4}-\d\d-\d\d"
        )
        found = re.fullmatch(pattern, url)
        if method != "get" or not found or found[1] not in self.groups:
            raise Refused(f"Not Found: {method} {url}")
        start = self.groups[found[1]].budget
        period = {"timePeriod": {"startDate": start}}
        return {"value": [{"name": "metering-budget", "properties": period}] if start else []}

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
        parameters = group.parameters or {}
        trusted = self.graph.trusted_by(str(parameters["marketplaceClientId"]))
        proven = parameters["marketplaceProof"] == "certificate" or PRINCIPAL in trusted
        if not proven or not self.marketplace_trusts:
            raise Refused('Service Unavailable({"type": "urn:metering:unavailable"})')
        if not self.marketplace_ready:
            raise Refused('Service Unavailable({"type": "urn:metering:rejected"})')
        return {"compared": 0}


def _tags() -> dict[str, str]:
    return {"application": "marketplace-metering", "deployment": "metering"}


def _group_of(given: Given) -> str:
    """The resource group of a vault of ours."""
    name = given["--name"][0].removeprefix("v-")
    if name == "of-others":
        raise Misused("--name: the vault of others")
    return name


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
        "budgetStart": text("BUDGET_START"),
        "storageSku": "Standard_LRS" if text("STORAGE_SKU") == "Standard_LRS" else "Standard_ZRS",
    }
