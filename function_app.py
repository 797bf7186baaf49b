"""The Functions app: registers the blueprints, nothing else."""

import azure.functions as func

from functions import (
    account_plans,
    accounts,
    adjustments,
    audit,
    bills,
    catalog,
    deadletters,
    findings,
    grants,
    health,
    lifecycle,
    metering,
    parked,
    reaggregations,
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
    account_plans,
    grants,
    adjustments,
    findings,
    parked,
    deadletters,
    reaggregations,
    serviceusers,
    audit,
    bills,
    health,
):
    app.register_functions(module.blueprint)
