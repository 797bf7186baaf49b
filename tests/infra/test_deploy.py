"""infra/deploy.sh in front of an empty Azure: what it makes, refuses and says."""

import gzip
import json
from pathlib import Path

import pytest

from tests.infra.az.cloud import HOST, PRINCIPAL
from tests.infra.az.graph import CALLER, TENANT
from tests.infra.az.server import Shell

FRESH = ("--name", "metering", "--location", "westeurope", "--yes")
AGAIN = ("--name", "metering", "--yes")
GROUP = "metering-rg"
EXISTING = "c11e0700-0000-4000-8000-00000000ffff"


def register(azure: Shell, app_id: str = EXISTING) -> None:
    """An application that somebody made before."""
    object_id = "0b1ec700-0000-4000-8000-00000000ffff"
    app = {"id": object_id, "appId": app_id, "federated": {}}
    azure.desk.cloud.graph.applications[object_id] = app


def test_one_command_makes_everything_and_prints_what_partner_center_wants(azure: Shell) -> None:
    done = azure.run(*FRESH, "--alert-email", "ops@example.com")
    assert done.returncode == 0, done.stderr
    assert azure.desk.misuses == []
    cloud = azure.desk.cloud
    group = cloud.groups[GROUP]
    assert group.parameters is not None
    assert group.parameters["alertEmail"] == "ops@example.com"
    assert group.parameters["operatorPrincipalIds"] == [CALLER]
    assert group.parameters["marketplaceProof"] == "federated"
    assert "shared/bootstrap.py" in group.package
    assert not [name for name in group.package if name.startswith(("tests/", "local/", "infra/"))]
    assert cloud.runs == 1
    marketplace = group.parameters["marketplaceClientId"]
    assert cloud.graph.trusted_by(marketplace) == {PRINCIPAL}
    assert cloud.graph.trusted_by(group.parameters["apiClientId"]) == {PRINCIPAL}
    for value in (f"https://{HOST}/landing", f"https://{HOST}/api/webhook", TENANT, marketplace):
        assert value in done.stdout
    assert "The Marketplace knows the app" in done.stderr


def test_a_second_run_needs_only_the_name_and_makes_nothing_twice(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    before = azure.desk.cloud.groups[GROUP].parameters
    done = azure.run(*AGAIN)
    assert done.returncode == 0, done.stderr
    cloud = azure.desk.cloud
    assert cloud.groups[GROUP].parameters == before
    assert len(cloud.graph.applications) == 2
    assert len(cloud.graph.assignments) == 1


def test_the_redirect_of_the_landing_page_is_registered(azure: Shell) -> None:
    azure.run(*FRESH)
    apps = azure.desk.cloud.graph.applications.values()
    (api,) = [app for app in apps if app["signInAudience"] == "AzureADMultipleOrgs"]
    assert api["web"]["redirectUris"] == [f"https://{HOST}/.auth/login/aad/callback"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--name", "Metering"], "--name Metering", id="capitals in the name"),
        pytest.param(["--name", "me"], "--name me", id="a short name"),
        pytest.param(["--name", "metering-eu1"], "--name metering-eu1", id="a hyphen in the name"),
        pytest.param([], "--name is missing", id="no name"),
        pytest.param(["--name"], "--name needs a value", id="an option without its value"),
        pytest.param(["--naem", "metering"], "no option --naem", id="an unknown option"),
        pytest.param(["--name", "metering"], "--location is missing", id="no region"),
        pytest.param(
            ["--name", "metering", "--resource-group", "a/b"], "a/b", id="a bad resource group"
        ),
        pytest.param(
            ["--name", "metering", "--marketplace-app", "app"], "client id", id="no client id"
        ),
        pytest.param(
            ["--name", "metering", "--certificate", "/nowhere.pem"], "no PEM", id="no certificate"
        ),
        pytest.param(["--name", "metering", "--upgrade"], "no deployment", id="nothing to upgrade"),
        pytest.param(["--name", "metering", "--check"], "no deployment", id="nothing to check"),
        pytest.param(
            [*FRESH, "--subscription", "other"], "Subscription other", id="another subscription"
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(
    azure: Shell, options: list[str], said: str
) -> None:
    done = azure.run(*options)
    assert done.returncode == 1
    assert said in done.stderr
    assert azure.desk.cloud.groups == {}
    assert azure.desk.cloud.graph.applications == {}
    assert azure.desk.misuses == []


def test_a_region_without_flex_is_refused_with_regions_near_it(azure: Shell) -> None:
    done = azure.run("--name", "metering", "--location", "France Central", "--yes")
    assert done.returncode == 1
    assert "not offered in francecentral" in done.stderr
    assert "northeurope\nwesteurope" in done.stderr
    assert "eastus2" not in done.stderr
    assert azure.desk.cloud.groups == {}


def test_a_region_without_neighbours_gets_all_that_there_are(azure: Shell) -> None:
    done = azure.run("--name", "metering", "--location", "australiacentral", "--yes")
    assert done.returncode == 1
    assert "eastus2" in done.stderr
    assert "japaneast" in done.stderr


def test_who_is_not_signed_in_is_told_how(azure: Shell) -> None:
    azure.desk.cloud.signed_in = False
    done = azure.run(*FRESH)
    assert done.returncode == 1
    assert "az login" in done.stderr


def test_an_old_az_is_refused(azure: Shell) -> None:
    azure.desk.cloud.az_version = "2.9.1"
    done = azure.run(*FRESH)
    assert done.returncode == 1
    assert "az is 2.9.1" in done.stderr
    assert "az upgrade" in done.stderr


def test_an_application_of_the_tenant_is_used_and_made_to_trust(azure: Shell) -> None:
    register(azure)
    done = azure.run(*FRESH, "--marketplace-app", EXISTING)
    assert done.returncode == 0, done.stderr
    assert EXISTING in done.stdout
    assert azure.desk.cloud.graph.trusted_by(EXISTING) == {PRINCIPAL}
    assert len(azure.desk.cloud.graph.applications) == 2


def test_an_application_that_is_not_in_the_tenant_is_refused(azure: Shell) -> None:
    done = azure.run(*FRESH, "--marketplace-app", EXISTING)
    assert done.returncode == 1
    assert "not of this tenant" in done.stderr
    assert "--certificate" in done.stderr
    assert azure.desk.cloud.groups[GROUP].parameters is None


def test_an_application_of_another_tenant_needs_a_certificate(azure: Shell) -> None:
    options = ("--marketplace-app", EXISTING, "--marketplace-tenant", EXISTING)
    done = azure.run(*FRESH, *options)
    assert done.returncode == 1
    assert "--certificate" in done.stderr
    assert azure.desk.cloud.groups == {}


def test_a_certificate_proves_an_application_of_another_tenant(azure: Shell) -> None:
    pem = azure.home / "certificate.pem"
    pem.write_text("-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n")
    tenant = "22222222-0000-4000-8000-000000000002"
    options = ("--marketplace-app", EXISTING, "--marketplace-tenant", tenant)
    azure.desk.cloud.marketplace_ready = False
    done = azure.run(*FRESH, *options, "--certificate", str(pem))
    assert done.returncode == 0, done.stderr
    parameters = azure.desk.cloud.groups[GROUP].parameters
    assert parameters is not None
    assert parameters["marketplaceProof"] == "certificate"
    assert tenant in done.stdout
    assert "does not know the app yet" in done.stderr
    assert azure.run(*AGAIN, "--upgrade").returncode == 0
    assert azure.desk.cloud.groups[GROUP].parameters == parameters


def test_in_cloud_shell_the_caller_signs_in_to_the_api_once(azure: Shell) -> None:
    azure.desk.cloud.cloud_shell = True
    done = azure.run(*FRESH)
    assert done.returncode == 0, done.stderr
    assert "sign in to it once" in done.stderr
    assert len([call for call in azure.desk.calls if call.startswith("login ")]) == 1


def test_nothing_is_deployed_without_a_yes(azure: Shell) -> None:
    done = azure.run(*FRESH[:-1])
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert azure.desk.cloud.groups[GROUP].parameters is None


def test_an_application_as_caller_leaves_the_smoke_test_out(azure: Shell) -> None:
    azure.desk.cloud.caller_type = "servicePrincipal"
    done = azure.run(*FRESH)
    assert done.returncode == 0, done.stderr
    assert "smoke test is left out" in done.stderr
    assert azure.desk.cloud.runs == 0


def test_an_upgrade_exports_the_tables_before_it_changes_anything(azure: Shell) -> None:
    azure.run(*FRESH)
    azure.desk.calls.clear()
    done = azure.run(*AGAIN, "--upgrade")
    assert done.returncode == 0, done.stderr
    (export,) = azure.home.glob("metering-metering-*.ndjson.gz")
    with gzip.open(export, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert rows[1]["table"] == "Ledger"
    calls = azure.desk.calls
    assert calls.index("account get-access-token https://storage.azure.com") < calls.index(
        "deployment group create"
    )
    assert "the tables are up to date" in done.stdout


def test_a_check_changes_nothing_and_prints_the_values(azure: Shell) -> None:
    azure.run(*FRESH)
    azure.desk.calls.clear()
    done = azure.run("--name", "metering", "--check")
    assert done.returncode == 0, done.stderr
    assert f"https://{HOST}/api/webhook" in done.stdout
    changing = {"group create", "deployment group create", "functionapp deployment source"}
    assert not changing & set(azure.desk.calls)


def test_an_app_that_stays_unhealthy_is_an_error_that_says_where_to_look(azure: Shell) -> None:
    azure.run(*FRESH)
    azure.desk.cloud.groups[GROUP].running = False
    done = azure.run("--name", "metering", "--check")
    assert done.returncode == 1
    assert "docs/runbook.md" in done.stderr
    assert azure.desk.pauses == 600


def test_destroying_exports_first_and_leaves_nothing(azure: Shell, tmp_path: Path) -> None:
    azure.run(*FRESH)
    exports = tmp_path / "exports"
    exports.mkdir()
    done = azure.run(*AGAIN, "--destroy", "--export-to", str(exports))
    assert done.returncode == 0, done.stderr
    assert len(list(exports.iterdir())) == 1
    cloud = azure.desk.cloud
    assert (cloud.groups, cloud.graph.applications, cloud.graph.deleted) == ({}, {}, set())
    assert azure.desk.misuses == []


def test_destroying_keeps_an_application_that_was_there_before(azure: Shell) -> None:
    register(azure)
    azure.run(*FRESH, "--marketplace-app", EXISTING)
    assert azure.run(*AGAIN, "--destroy").returncode == 0
    (kept,) = azure.desk.cloud.graph.applications.values()
    assert kept["appId"] == EXISTING


def test_a_group_that_others_made_is_not_destroyed(azure: Shell) -> None:
    azure.run(*FRESH)
    azure.desk.cloud.groups[GROUP].tags.clear()
    done = azure.run(*AGAIN, "--destroy")
    assert done.returncode == 1
    assert "by hand" in done.stderr
    assert GROUP in azure.desk.cloud.groups


def test_nothing_is_destroyed_when_the_export_fails(azure: Shell) -> None:
    azure.run(*FRESH)
    azure.desk.cloud.tables_endpoint += "/closed"
    done = azure.run(*AGAIN, "--destroy")
    assert done.returncode == 1
    assert "could not be exported" in done.stderr
    assert GROUP in azure.desk.cloud.groups


def test_nobody_there_to_confirm_destroys_nothing(azure: Shell) -> None:
    azure.run(*FRESH)
    done = azure.run("--name", "metering", "--destroy")
    assert done.returncode == 1
    assert azure.desk.cloud.groups[GROUP].running
