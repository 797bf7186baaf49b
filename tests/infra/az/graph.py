"""Microsoft Graph: applications, service principals, credentials and roles, by its reference."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.infra.az.arguments import Misused

type Json = Any
"""A parsed JSON document."""

GRAPH = "https://graph.microsoft.com/v1.0/"
TENANT = "11111111-0000-4000-8000-000000000001"
CALLER = "99999999-0000-4000-8000-000000000009"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
ADMIN = "Billing.Admin"

_KEYED = re.compile(r"(applications|servicePrincipals)\((\w+)='([^']+)'\)")
_CREDENTIALS = re.compile(r"applications/([\w-]+)/federatedIdentityCredentials")
_FEDERATED = re.compile(r"applications/([\w-]+)/federatedIdentityCredentials\(name='([^']+)'\)")


class GraphFault(Exception):
    """Graph answers with an error."""


@dataclass(slots=True)
class Graph:
    """A tenant."""

    applications: dict[str, dict[str, Json]] = field(default_factory=dict)
    principals: dict[str, str] = field(default_factory=dict)
    federated: dict[str, dict[str, Json]] = field(default_factory=dict)
    assignments: list[dict[str, str]] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    lag: int = 0
    """How many more requests do not know of what was made."""
    forbids: bool = False

    def answer(self, method: str, path: str, given: Mapping[str, list[str]]) -> Json:
        """What a request answers. Raises ``GraphFault``."""
        body = json.loads(_body(given)) if "--body" in given else {}
        headers = given.get("--headers", [])
        if body and "Content-Type=application/json" not in headers:
            raise Misused("--headers: a body of Graph is application/json")
        upsert = "Prefer=create-if-missing" in headers
        if self.forbids:
            raise GraphFault("Forbidden({'code': 'Authorization_RequestDenied'})")
        if self.lag and self.applications:
            self.lag -= 1
            raise GraphFault("Not Found({'code': 'Request_ResourceNotFound'})")
        if found := _KEYED.fullmatch(path):
            return self._keyed(method, found[1], found[2], found[3], body, upsert=upsert)
        if (found := _FEDERATED.fullmatch(path)) and method == "patch":
            return self._trust(found[1], found[2], body)
        if path.startswith(f"users/{CALLER}/appRoleAssignments"):
            return self._assign(method, path, body)
        if method == "get":
            return self._found(path)
        if method == "delete":
            return self._delete(path)
        raise GraphFault(f"Not Found: {method} {path}")

    def _found(self, path: str) -> Json:
        if path == "me":
            return {"id": CALLER}
        if found := _CREDENTIALS.fullmatch(path):
            held = self.applications[found[1]]["federated"]
            return {"value": [{"name": name, "id": f"of-{name}"} for name in held]}
        if found := re.fullmatch(r"servicePrincipals\?\$filter=appId eq '(.+)'", path):
            known = self.principals.get(found[1])
            return {"value": [{"id": known}] if known else []}
        if found := re.fullmatch(r"applications\?\$filter=uniqueName eq '(.+)'", path):
            hits = [a for a in self.applications.values() if a.get("uniqueName") == found[1]]
            return {"value": [{"id": app["id"]} for app in hits]}
        raise GraphFault(f"Not Found: {path}")

    def known_application(self, app_id: str) -> dict[str, Json]:
        """An application by its client id."""
        for app in self.applications.values():
            if app["appId"] == app_id:
                return app
        raise GraphFault(f"Not Found: no application {app_id}")

    def trusted_by(self, app_id: str) -> set[str]:
        """Subjects that an application trusts."""
        app = next((a for a in self.applications.values() if a["appId"] == app_id), None)
        held = app["federated"].values() if app else ()
        return {str(credential["subject"]) for credential in held}

    def may_call(self, app_id: str) -> bool:
        """Whether the caller's az gets a token for an API with the administrator's role."""
        app = self.known_application(app_id)
        allowed = [
            client["appId"]
            for client in app.get("api", {}).get("preAuthorizedApplications", [])
            if set(client["delegatedPermissionIds"]) <= _ids(app, "oauth2PermissionScopes")
        ]
        roles = {role["id"]: role["value"] for role in app.get("appRoles", [])}
        held = {
            roles.get(a["appRoleId"])
            for a in self.assignments
            if a["resourceId"] == self.principals.get(app_id)
        }
        named = f"api://{app_id}" in app.get("identifierUris", [])
        return AZURE_CLI in allowed and ADMIN in held and named

    def _keyed(
        self, method: str, kind: str, key: str, value: str, body: dict[str, Json], *, upsert: bool
    ) -> Json:
        if kind == "servicePrincipals":
            return self._principal(method, value, upsert=upsert)
        app = next((a for a in self.applications.values() if a.get(key) == value), None)
        if method == "get" and app is not None:
            return {"id": app["id"], "appId": app["appId"], "web": app.get("web", {})}
        if method != "patch" or (app is None and not (upsert and key == "uniqueName")):
            raise GraphFault(f"Request_ResourceNotFound: {kind}({key}='{value}')")
        if app is None:
            if "displayName" not in body:
                raise GraphFault("Property displayName is required.")
            number = len(self.applications) + len(self.deleted) + 1
            app = {
                "id": f"0b1ec700-0000-4000-8000-{number:012}",
                "appId": f"c11e0700-0000-4000-8000-{number:012}",
                "uniqueName": value,
                "federated": {},
            }
            self.applications[app["id"]] = app
        self._change(app, body)
        return None

    def _change(self, app: dict[str, Json], body: dict[str, Json]) -> None:
        for uri in body.get("identifierUris", []):
            if uri != f"api://{app['appId']}":
                raise GraphFault("HostNameNotOnVerifiedDomain")
        for name, value in body.items():
            app[name] = {**app.get(name, {}), **value} if isinstance(value, dict) else value
        api = app.get("api", {})
        for client in api.get("preAuthorizedApplications", []):
            if not set(client["delegatedPermissionIds"]) <= _ids(app, "oauth2PermissionScopes"):
                raise GraphFault("A permission that does not exist was pre-authorized.")

    def _principal(self, method: str, app_id: str, *, upsert: bool) -> Json:
        self.known_application(app_id)
        if method == "patch" and upsert:
            self.principals.setdefault(app_id, str(uuid.uuid5(uuid.NAMESPACE_URL, app_id)))
            return None
        if app_id not in self.principals:
            raise GraphFault("Request_ResourceNotFound")
        return {"id": self.principals[app_id]}

    def _trust(self, object_id: str, name: str, body: dict[str, Json]) -> None:
        if object_id not in self.applications:
            raise GraphFault("Request_ResourceNotFound")
        expected = {"name", "issuer", "subject", "audiences"}
        issuer = f"https://login.microsoftonline.com/{TENANT}/v2.0"
        if set(body) != expected or body["name"] != name or body["issuer"] != issuer:
            raise GraphFault("Bad Request: the federated credential")
        if body["audiences"] != ["api://AzureADTokenExchange"]:
            raise GraphFault("Bad Request: the audience")
        self.applications[object_id]["federated"][name] = body

    def _assign(self, method: str, path: str, body: dict[str, str]) -> Json:
        if method == "get":
            resource = path.rpartition("$filter=resourceId eq ")[2]
            return {"value": [a for a in self.assignments if a["resourceId"] == resource]}
        if body in self.assignments:
            raise GraphFault("Permission being assigned already exists on the object")
        if body["principalId"] != CALLER or body["resourceId"] not in self.principals.values():
            raise GraphFault("Bad Request: the assignment")
        self.assignments.append(body)
        return body

    def _delete(self, path: str) -> None:
        folder, _, object_id = path.rpartition("/")
        if (found := _CREDENTIALS.fullmatch(folder)) and found[1] in self.applications:
            del self.applications[found[1]]["federated"][object_id.removeprefix("of-")]
            return
        if folder == "applications" and object_id in self.applications:
            app = self.applications.pop(object_id)
            self.principals.pop(app["appId"], None)
            self.deleted.add(object_id)
        elif folder == "directory/deletedItems" and object_id in self.deleted:
            self.deleted.remove(object_id)
        else:
            raise GraphFault(f"Request_ResourceNotFound: {path}")


def _ids(app: Mapping[str, Json], name: str) -> set[str]:
    return {item["id"] for item in app.get("api", {}).get(name, [])}


def _body(given: Mapping[str, list[str]]) -> str:
    text = given["--body"][0]
    if text.startswith("@"):
        with open(text[1:], encoding="utf-8") as file:  # noqa: PTH123 - as az does it
            return file.read()
    return text
