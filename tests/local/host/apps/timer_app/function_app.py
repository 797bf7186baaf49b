"""Timer functions that remember their runs."""

import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
runs: list[dict[str, object]] = []


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer", run_on_startup=True)
def at_startup(timer: func.TimerRequest) -> None:
    runs.append({"function": "at_startup", "past_due": timer.past_due})


@app.timer_trigger(schedule="%NIGHTLY%", arg_name="timer")
async def nightly(timer: func.TimerRequest) -> None:
    runs.append({"function": "nightly", "past_due": timer.past_due})


@app.timer_trigger(schedule="%NO_SUCH_SETTING%", arg_name="timer")
def unscheduled(timer: func.TimerRequest) -> None:
    runs.append({"function": "unscheduled", "past_due": timer.past_due})


@app.route(route="runs", trigger_arg_name="_req")
def list_runs(_req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(runs), mimetype="application/json")
