"""Prints the contract tests' queues as Config.json for Microsoft's Service Bus emulator."""

import json
from pathlib import Path

QUEUES = Path(__file__).with_name("queues.json")


def emulator_config() -> dict[str, object]:
    """The queues under the emulator's names: those of the resource type, capitalised."""
    queues = [
        {
            "Name": queue["name"],
            "Properties": {key[0].upper() + key[1:]: x for key, x in queue["properties"].items()},
        }
        for queue in json.loads(QUEUES.read_text(encoding="utf-8"))
    ]
    namespaces = [{"Name": "sbemulatorns", "Queues": queues, "Topics": []}]
    return {"UserConfig": {"Namespaces": namespaces, "Logging": {"Type": "Console"}}}


if __name__ == "__main__":
    print(json.dumps(emulator_config(), indent=2))
