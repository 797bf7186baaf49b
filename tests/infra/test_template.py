"""The template says the same as the code: settings, queues, roles, log lines, parameters."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from local.host.settings import load_local_settings
from shared.config import load_settings
from shared.domain.caller import Right
from tests.infra.az.arguments import split

ROOT = Path(__file__).parents[2]
BICEP = ROOT / "infra" / "bicep"
MAIN = (BICEP / "main.bicep").read_text()
MODULES = {path.name: path.read_text() for path in (BICEP / "modules").glob("*.bicep")}

ONLY_LOCAL = {
    "ENTRA_URL",
    "LOCAL_CLOCK_FILE",
    "LOCAL_SIGN_IN_URL",
    "MARKETPLACE_CLIENT_SECRET",
    "MARKETPLACE_URL",
    "ServiceBus",
    "TABLES_CONNECTION",
}
"""What a deployment does not set: connection strings, secrets, other places than Microsoft's."""

BY_THE_PLATFORM = {"WEBSITE_AUTH_ENABLED"}
"""App Service sets it by itself."""

ONLY_IN_AZURE = {
    "API_TENANT_ID",
    "APP_SERVICE_AUTH",
    "AZURE_CLIENT_ID",
    "MARKETPLACE_CERTIFICATE",
    "ServiceBus__fullyQualifiedNamespace",
    "TABLES_ENDPOINT",
}

OPTIONAL = {
    "FORWARD_HOSTS",
    "FORWARD_SECRET",
    "FORWARD_URL",
    "MAX_QUANTITY",
    "PRODUCT_URL",
    "SUPPORT_URL",
}
"""What the sample leaves at its default and a publisher sets by a parameter."""

OF_THE_PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
    "PYTHON_THREADPOOL_THREAD_COUNT",
    "ServiceBus__clientId",
    "ServiceBus__credential",
}
"""Read by the Functions host, its worker and App Service, not by the app."""

NOT_ON_FLEX = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


class Recorder(Mapping[str, str]):
    """An environment that remembers what was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def in_azure() -> dict[str, str]:
    """Settings of the template: name and expression."""
    block = MAIN[MAIN.index("    settings: {") :]
    block = block[: block.index("\n    }\n")]
    return dict(re.findall(r"^      (\w+): (.+)$", block, re.MULTILINE))


def read_by_the_app() -> set[str]:
    """Every setting that the app asks for."""
    environment = Recorder(load_local_settings(ROOT / "local.settings.sample.json"))
    load_settings(environment)
    return environment.asked


def test_azure_has_every_setting_that_the_app_reads_and_no_other() -> None:
    assert in_azure().keys() - OF_THE_PLATFORM == read_by_the_app() - ONLY_LOCAL - BY_THE_PLATFORM
    assert in_azure().keys() >= OF_THE_PLATFORM


def test_the_sample_and_azure_differ_only_where_they_must() -> None:
    sample = load_local_settings(ROOT / "local.settings.sample.json").keys()
    azure = in_azure().keys() - OF_THE_PLATFORM
    assert sample - NOT_ON_FLEX - ONLY_LOCAL == azure - ONLY_IN_AZURE - OPTIONAL


def test_the_settings_of_azure_are_complete() -> None:
    empty = {name for name, expression in in_azure().items() if _default(expression) == ""}
    values = dict.fromkeys(in_azure().keys() - OF_THE_PLATFORM - OPTIONAL - empty, "x")
    numbers = {"USAGE_GRACE_HOURS": "1", "EVENT_RETENTION_DAYS": "42"}
    settings = load_settings({**values, **numbers, "APP_SERVICE_AUTH": "True"})
    assert settings.app_service_auth
    assert not settings.local
    assert settings.identity_client_id == "x"


def _default(expression: str) -> str | None:
    """The default of the parameter that an expression is, if it is one."""
    found = re.search(rf"^param {re.escape(expression)} string = '(.*)'$", MAIN, re.MULTILINE)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("setting", "parameter"),
    [
        ("USAGE_GRACE_HOURS", "usageGraceHours"),
        ("EVENT_RETENTION_DAYS", "eventRetentionDays"),
        ("MAX_QUANTITY", "maxQuantity"),
    ],
)
def test_limits_and_defaults_of_parameters_are_those_of_the_settings(
    setting: str, parameter: str
) -> None:
    found = re.search(
        rf"@minValue\((\d+)\)\n@maxValue\((\d+)\)\nparam {parameter} int = (\d+)", MAIN
    )
    assert found
    least, most, default = found.groups()
    base = load_local_settings(ROOT / "local.settings.sample.json")
    for value in (least, most):
        load_settings({**base, setting: value})
    for value in (str(int(least) - 1), str(int(most) + 1)):
        with pytest.raises(Exception, match="settings are incomplete"):
            load_settings({**base, setting: value})
    unset = {name: value for name, value in base.items() if name != setting}
    assert load_settings(unset) == load_settings({**base, setting: default})


def test_no_setting_holds_a_secret() -> None:
    for name, expression in in_azure().items():
        assert "listKeys" not in expression, name
        assert "marketplaceCertificate" not in expression, name
        assert expression != "forwardSecret", name
    assert not re.search(r"listKeys|listAccountSas|accountKey", MAIN + "".join(MODULES.values()))


def test_the_queues_are_those_of_the_local_run() -> None:
    assert "loadJsonContent('queues.json')" in MAIN
    local = (ROOT / "local" / "stack.py").read_text()
    assert 'ROOT / "infra" / "bicep" / "queues.json"' in local
    declared = json.loads((BICEP / "queues.json").read_text())
    fields = set(re.findall(r"^    (\w+): (?:bool|string|int)$", _types(), re.MULTILINE))
    for queue in declared:
        assert queue["properties"].keys() == fields


def test_queues_hold_a_lock_at_least_as_long_as_their_work_without_renewal() -> None:
    """Standard allows five minutes at most; the host renews for longer work."""
    host = json.loads((ROOT / "host.json").read_text())["extensions"]["serviceBus"]
    assert host["maxConcurrentCalls"] == 1
    assert host["maxAutoLockRenewalDuration"] == "00:30:00"
    for queue in json.loads((BICEP / "queues.json").read_text()):
        assert re.fullmatch(r"PT[1-5]M", queue["properties"]["lockDuration"])


def _types() -> str:
    return (BICEP / "types.bicep").read_text()


def test_role_ids_are_named_in_one_place() -> None:
    ids = set(re.findall(r": '([0-9a-f-]{36})'", _types()))
    assert len(ids) == 5
    for name, text in {**MODULES, "main.bicep": MAIN}.items():
        assert not ids & set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text)), name


def test_log_lines_that_alerts_and_the_workbook_look_for_are_written() -> None:
    watched = MODULES["alerts.bicep"] + (BICEP / "modules" / "workbook.json").read_text()
    names = set(re.findall(r"event=(\w+)", watched))
    names |= set(re.findall(r"\$\{lines\}(\w+)", watched))
    written = _written()
    assert {"shard_run", "account_failed", "daily", "request_refused"} <= names
    assert names <= written, names - written


def _written() -> set[str]:
    sources = [path.read_text() for path in (ROOT / "shared").rglob("*.py")]
    text = "\n".join(sources)
    events = set(re.findall(r'telemetry\.event\(\s*"(\w+)"', text))
    return events | set(re.findall(r'"event=(\w+) ', text))


def test_functions_that_an_alert_watches_are_all_that_no_request_waits_for() -> None:
    found = re.search(r"Name in \((.+?)\)", MODULES["alerts.bicep"])
    assert found
    watched = set(re.findall(r'"(\w+)"', found[1]))
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    triggers = r"@blueprint\.(?:timer|service_bus_queue)_trigger\([^@]*?\)\ndef (\w+)"
    assert watched == set(re.findall(triggers, sources))


def test_every_alert_has_its_section_in_the_runbook() -> None:
    names = re.findall(r"^    name: '([\w-]+)'$", MODULES["alerts.bicep"], re.MULTILINE)
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    headings = {
        line.removeprefix("### ").strip().lower().replace(" ", "-")
        for line in runbook.splitlines()
        if line.startswith("### ")
    }
    assert {*names, "dead-letters"} <= headings


def test_the_application_offers_the_rights_that_the_code_knows() -> None:
    application = json.loads((ROOT / "infra" / "entra" / "api-application.json").read_text())
    assert {role["value"] for role in application["appRoles"]} == set(Right)
    ids = [role["id"] for role in application["appRoles"]]
    assert len(set(ids)) == len(ids)
    script = (ROOT / "infra" / "steps" / "entra.sh").read_text()
    (admin,) = [r["id"] for r in application["appRoles"] if r["value"] == Right.BILLING_ADMIN]
    assert f"admin_role={admin}" in script
    (scope,) = application["api"]["oauth2PermissionScopes"]
    assert f"api_scope={scope['id']}" in script


OF_THE_OPERATOR = {"METERING_FORWARD_SECRET"}
"""Exported by hand when the secret is set or changed; nothing else knows it."""


def test_variables_of_the_parameter_file_are_those_that_the_script_sets() -> None:
    read = set(re.findall(r"'(METERING_\w+)'", (BICEP / "main.bicepparam").read_text()))
    script = (ROOT / "infra" / "steps" / "release.sh").read_text()
    assert read - OF_THE_OPERATOR == set(re.findall(r"(METERING_\w+)=", script))


def test_every_parameter_and_output_is_described() -> None:
    for name, text in {**MODULES, "main.bicep": MAIN}.items():
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if not line.startswith(("param ", "output ")):
                continue
            above = lines[:number]
            while above and above[-1].startswith("@") and "@description" not in above[-1]:
                above.pop()
            assert above, name
            assert above[-1].startswith("@description('"), f"{name}: {line}"


def test_the_workbook_is_well_formed() -> None:
    workbook = json.loads((BICEP / "modules" / "workbook.json").read_text())
    assert workbook["version"] == "Notebook/1.0"
    assert len({item["name"] for item in workbook["items"]}) == len(workbook["items"])


def test_the_scripts_are_well_formed() -> None:
    scripts = [ROOT / "infra" / "deploy.sh", *(ROOT / "infra" / "steps").glob("*.sh")]
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)


def test_the_workflow_is_well_formed_and_sets_what_the_parameter_file_reads() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    assert set(workflow["jobs"]) == {"code", "template", "deploy"}
    deploy = workflow["jobs"]["deploy"]
    assert set(deploy["needs"]) == {"code", "template"}
    assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
    read = set(re.findall(r"'(METERING_\w+)'", (BICEP / "main.bicepparam").read_text()))
    assert "METERING_BUDGET_START=$start" in str(deploy["steps"])
    elsewhere = {"METERING_BUDGET_START", "METERING_MARKETPLACE_CERTIFICATE", *OF_THE_OPERATOR}
    assert read - elsewhere == {name for name in deploy["env"] if name.startswith("METERING_")}
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if run := step.get("run"):
                subprocess.run(["bash", "-n"], input=run, text=True, check=True)


def test_actions_of_the_workflow_are_pinned_by_commit() -> None:
    text = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    used = re.findall(r"uses: (.+)", text)
    assert len(used) == 7
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_the_workflow_calls_az_with_arguments_that_it_has() -> None:
    text = (ROOT / ".github" / "workflows" / "deploy.yml").read_text()
    workflow = yaml.safe_load(text)
    runs = [step.get("run", "") for step in workflow["jobs"]["deploy"]["steps"]]
    calls = [
        shlex.split(call)
        for run in runs
        for call in re.findall(r"\baz ([^|;)]+?)(?:\)|\n(?! )|$)", run.replace("\\\n", " "))
    ]
    assert len(calls) == 8
    for call in calls:
        split(call)
