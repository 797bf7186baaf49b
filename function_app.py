"""The Functions app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import accounts, catalog, health, lifecycle, metering, parked, usage

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (usage, metering, lifecycle, catalog, accounts, parked, health):
    app.register_functions(module.blueprint)
