"""Which arguments commands of az take, by their reference pages; anything else is an error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class Misused(Exception):
    """A call that az would refuse, with its reason."""


@dataclass(frozen=True, slots=True)
class Command:
    """Arguments of one command. Names end in ``!`` when required, ``+`` when they take several
    values, ``?`` when they take none."""

    arguments: str
    aliases: str = ""

    def parse(self, given: Sequence[str]) -> dict[str, list[str]]:
        """Values by long name. Raises ``Misused``."""
        known = {_bare(word): word for word in [*self.arguments.split(), *_GLOBAL]}
        short = dict(pair.split("=") for pair in self.aliases.split())
        found: dict[str, list[str]] = {}
        name = ""
        for word in given:
            if word.startswith("-"):
                name = short.get(word, word)
                if name not in known:
                    raise Misused(f"unrecognized arguments: {word}")
                if name in found:
                    raise Misused(f"{word} is given twice")
                found[name] = []
            elif not name:
                raise Misused(f"unrecognized arguments: {word}")
            else:
                found[name].append(word)
        for name, word in known.items():
            _check(name, word, found)
        return found


def _bare(word: str) -> str:
    return word.rstrip("!+?")


def _check(name: str, word: str, found: Mapping[str, list[str]]) -> None:
    if name not in found:
        if "!" in word:
            raise Misused(f"the following arguments are required: {name}")
        return
    count = len(found[name])
    fits = count == 0 if "?" in word else count >= 1 if "+" in word else count == 1
    if not fits:
        raise Misused(f"argument {name}: {count} values do not fit")
    if name == "--output" and found[name][0] not in _OUTPUTS:
        raise Misused(f"argument --output: invalid choice: {found[name][0]}")


_OUTPUTS = {"json", "jsonc", "none", "table", "tsv", "yaml", "yamlc"}
_GLOBAL = ("--output", "--query", "--only-show-errors?", "--debug?", "--verbose?")
_TEMPLATE = (
    "--resource-group! --name --parameters+ --template-file --template-spec --template-uri --mode "
    "--no-prompt --validation-level --aux-tenants+ --query-string --subscription"
)
_GROUP = "-g=--resource-group -n=--name"

COMMANDS: Mapping[str, Command] = {
    "version": Command(""),
    "login": Command(
        "--tenant --scope+ --use-device-code? --username --password --service-principal? "
        "--identity? --allow-no-subscriptions? --federated-token --certificate --client-id"
    ),
    "account show": Command("--name --subscription"),
    "account set": Command(
        "--subscription!", "-n=--subscription -s=--subscription --name=--subscription"
    ),
    "account get-access-token": Command(
        "--name --resource --resource-type --scope+ --tenant --subscription"
    ),
    "rest": Command(
        "--url! --method --body --headers+ --resource --output-file --url-parameters+ "
        "--uri-parameters+ --skip-authorization-header? --subscription",
        "-u=--url --uri=--url -m=--method -b=--body",
    ),
    "group exists": Command("--name! --subscription", "--resource-group=--name"),
    "group show": Command("--name! --subscription", "--resource-group=--name"),
    "group create": Command(
        "--name! --location! --tags+ --managed-by --subscription", "--resource-group=--name"
    ),
    "group delete": Command(
        "--name! --yes? --no-wait? --force-deletion-types+ --subscription",
        "--resource-group=--name",
    ),
    "deployment group list": Command("--resource-group! --filter --subscription"),
    "deployment group what-if": Command(
        f"{_TEMPLATE} --exclude-change-types+ --result-format --no-pretty-print?"
    ),
    "deployment group create": Command(
        f"{_TEMPLATE} --confirm-with-what-if? --what-if? --what-if-exclude-change-types+ "
        "--what-if-result-format --no-wait? --rollback-on-error --proceed-if-no-change?"
    ),
    "deployment group wait": Command(
        "--resource-group! --name! --created? --updated? --deleted? --exists? --custom --interval "
        "--timeout --subscription"
    ),
    "functionapp list": Command("--resource-group --subscription"),
    "functionapp list-flexconsumption-locations": Command(
        "--show-details? --runtime --zone-redundant? --subscription"
    ),
    "functionapp list-flexconsumption-runtimes": Command("--location! --runtime! --subscription"),
    "functionapp stop": Command("--name --resource-group --ids+ --slot --subscription", _GROUP),
    "functionapp deployment source config-zip": Command(
        "--src! --name --resource-group --build-remote --slot --timeout --ids+ --subscription",
        _GROUP,
    ),
    "storage account list": Command("--resource-group --subscription", "-g=--resource-group"),
    "storage sku list": Command("--subscription"),
    "keyvault list-deleted": Command("--resource-type --subscription"),
    "keyvault recover": Command("--name --location --resource-group --no-wait? --subscription"),
    "keyvault purge": Command("--name --location --no-wait? --subscription"),
    "monitor log-analytics workspace list": Command("--resource-group --subscription"),
    "monitor log-analytics workspace delete": Command(
        "--resource-group --workspace-name --force --yes? --no-wait? --ids+ --subscription",
        "--name=--workspace-name",
    ),
    "provider list": Command("--expand --subscription"),
    "provider register": Command(
        "--namespace! --wait? --consent-to-permissions? --management-group-id --subscription"
    ),
    "role assignment list": Command(
        "--assignee --scope --role --resource-group --all? --include-groups? --include-inherited? "
        "--fill-principal-name --fill-role-definition-name "
        "--assignee-object-id --subscription"
    ),
    "lock list": Command(
        "--resource-group --resource --resource-name --resource-type --namespace --parent "
        "--filter-string --subscription"
    ),
    "lock delete": Command(
        "--ids+ --name --resource-group --resource --resource-name --resource-type --namespace "
        "--parent --subscription"
    ),
}


def split(words: Sequence[str]) -> tuple[str, dict[str, list[str]]]:
    """A command and its arguments. Raises ``Misused`` for what az does not know."""
    length = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    name = " ".join(words[:length])
    if name not in COMMANDS:
        raise Misused(f"'{name}' is not a command the stand-in knows: read its reference page")
    return name, COMMANDS[name].parse(words[length:])
