"""host.json and local.settings.sample.json are what the app, this host and Core Tools need."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from local.azurite.process import connection_string
from local.host.settings import load_host_config, load_local_settings
from local.marketplace import defaults
from local.processes import ROOT
from local.stack import Ports, Stack, app_settings
from shared.config import Settings, load_settings

SAMPLE = ROOT / "local.settings.sample.json"
ONLY_IN_AZURE = {
    "API_TENANT_ID",
    "APP_SERVICE_AUTH",
    "AZURE_CLIENT_ID",
    "MARKETPLACE_CERTIFICATE",
    "ServiceBus__fullyQualifiedNamespace",
    "TABLES_ENDPOINT",
    "WEBSITE_AUTH_ENABLED",
}
OPTIONAL = {
    "FORWARD_HOSTS",
    "FORWARD_SECRET",
    "FORWARD_URL",
    "MAX_QUANTITY",
    "PRODUCT_URL",
    "SUPPORT_URL",
}
HOST_SETTINGS = {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}


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


def test_the_sample_holds_every_setting_of_a_local_run_and_no_other() -> None:
    sample = load_local_settings(SAMPLE)
    environment = Recorder(sample)
    load_settings(environment)
    assert environment.asked - ONLY_IN_AZURE - OPTIONAL == sample.keys() - HOST_SETTINGS


def test_the_sample_means_what_a_local_run_uses_on_its_usual_ports() -> None:
    ports = Ports()
    marketplace = f"http://127.0.0.1:{ports.marketplace}"
    stack = Stack(
        pid=1,
        url=f"http://127.0.0.1:{ports.functions}",
        marketplace=marketplace,
        tables=connection_string(ports.tables),
        service_bus=f"Endpoint=sb://127.0.0.1:{ports.service_bus};"
        "SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;"
        "UseDevelopmentEmulator=true;",
        directory=".local/run",
    )
    assert load_local_settings(SAMPLE) == app_settings(stack)
    assert json.loads(SAMPLE.read_text())["Host"]["LocalHttpPort"] == ports.functions


def test_the_sample_is_complete_and_local() -> None:
    settings = load_settings(load_local_settings(SAMPLE))
    assert settings.local
    assert settings.marketplace_client_id == defaults.MARKETPLACE_APP
    empty = {field.name for field in fields(Settings) if not getattr(settings, field.name)}
    assert empty == {
        "app_service_auth",
        "forward_hosts",
        "forward_secret",
        "forward_url",
        "identity_client_id",
        "marketplace_certificate",
        "product_url",
        "service_bus_namespace",
        "support_url",
        "tables_endpoint",
    }


def test_the_host_file_is_what_core_tools_and_this_host_read() -> None:
    content = json.loads((ROOT / "host.json").read_text())
    bundle = content["extensionBundle"]
    assert bundle["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert bundle["version"] == "[4.*, 5.0.0)"
    config = load_host_config(ROOT, {})
    assert config.route_prefix == ""
    assert config.function_timeout == 1800
    assert config.service_bus.max_concurrent_calls == 1
    assert config.service_bus.max_message_batch_size == 16
    assert config.service_bus.auto_complete_messages
    assert Path(ROOT / "function_app.py").is_file()
