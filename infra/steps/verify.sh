# shellcheck shell=bash disable=SC2034,SC2154
# Whether what was deployed works, and what Partner Center has to be told.

# Prints the HTTP status, 000 for no answer.
health() {
    curl --silent --output /dev/null --write-out '%{http_code}' --max-time 60 \
        "$app_url/api/health" || true
}

wait_for_health() {
    local attempt status
    say 'Waiting until the app is healthy'
    for attempt in $(seq 1 40); do
        status=$(health)
        [ "$status" != 200 ] || return 0
        sleep 15
    done
    fail "$app_url/api/health answers $status after $attempt attempts." \
        'New roles take some minutes to reach every part of Azure; run this again, and if it' \
        'stays like this see "The app is not healthy" in docs/runbook.md.'
}

# A token of the caller for the API. Cloud Shell's own sign-in has none for other APIs.
sign_in_to_api() {
    quiet_az account get-access-token --scope "api://$api_app/.default" --output none \
        2>/dev/null && return
    say 'The smoke test calls the API as you: sign in to it once'
    quiet_az login --tenant "$tenant" --scope "api://$api_app/.default" --use-device-code \
        --output none
    quiet_az account set --subscription "$subscription"
}

# $1: HTTP method; $2: path; the rest: more arguments of az rest.
api() {
    local method=$1 path=$2
    shift 2
    quiet_az rest --method "$method" --url "$app_url$path" --resource "api://$api_app" "$@"
}

smoke_test() {
    local now day asked attempt
    if [ "$caller_type" != user ]; then
        say 'Signed in as an application: the smoke test is left out'
        return 0
    fi
    sign_in_to_api
    say 'Smoke test: one usage event, one run'
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    day=${now%T*}
    api post /api/usage --headers Content-Type=application/json --output none --body \
        "{\"id\": \"deployment-check\", \"account\": \"deployment-check\",
        \"meter\": \"deployment-check\", \"time\": \"${day}T00:00:00Z\", \"data\": {}}" ||
        fail 'The API did not take a usage event.' \
            'If it said "may not": roles take some minutes to reach tokens. Run az login, then' \
            "infra/deploy.sh --name $name --check"
    asked=$(api post /api/metering/run --query asked --output tsv)
    for attempt in $(seq 1 30); do
        ! api get /api/metering/status --output json |
            python3 "$infra/steps/completed.py" "$asked" || return 0
        sleep 10
    done
    fail "A run that was asked for at $asked is not complete after $attempt looks." \
        'See "Runs are missing" in docs/runbook.md.'
}

# Listing subscriptions proves that Entra gave the app a token and that the Marketplace took it.
marketplace_proof() {
    [ "$caller_type" = user ] || return 0
    if api post /api/subscriptions/reconcile --output none 2>/dev/null; then
        say 'The Marketplace knows the app'
    else
        warn 'The Marketplace does not know the app yet.' \
            'That is to be expected until the values below are in Partner Center. Then run:' \
            "infra/deploy.sh --name $name --check" \
            'If it stays like this see "identity" in docs/runbook.md.'
    fi
}

verify() {
    wait_for_health
    smoke_test
    marketplace_proof
}

print_values() {
    cat <<END

Paste into Partner Center > Marketplace offers > your offer > Technical configuration:

  Landing page URL                    $app_url/landing
  Connection webhook                  $app_url/api/webhook
  Microsoft Entra tenant ID           ${marketplace_tenant:-$tenant}
  Microsoft Entra application ID      $marketplace_app

Then put the catalogue in:  PUT $app_url/api/catalog  (see docs/deployment.md)
Roles for other people:     Entra admin centre > Enterprise applications > Metering API ($name)
END
}
