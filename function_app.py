"""The Functions app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import (
    accounts,
    adjustments,
    catalog,
    deadletters,
    findings,
    health,
    lifecycle,
    metering,
    parked,
    serviceusers,
    subscriptions,
    usage,
)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (
    usage,
    metering,
    lifecycle,
    subscriptions,
    catalog,
    accounts,
    adjustments,
    findings,
    parked,
    deadletters,
    serviceusers,
    health,
):
    app.register_functions(module.blueprint)
