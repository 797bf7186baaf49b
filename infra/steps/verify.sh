# shellcheck shell=bash disable=SC2034,SC2154
# Whether what was deployed works, and what Partner Center has to be told.

# Prints the HTTP status, 000 for no answer.
health() {
    curl --silent --output /dev/null --write-out '%{http_code}' --max-time 60 \
        "$app_url/api/health" || true
}

wait_for_health() {
    local status
    say 'Waiting until the app is healthy'
    for _ in {1..40}; do
        status=$(health)
        [ "$status" != 200 ] || return 0
        sleep 15
    done
    fault "$app_url/api/health answers $status." \
        'New roles take some minutes to reach every part of Azure; run this again, and if it' \
        'stays like this see "The app is not healthy" in docs/runbook.md.'
}

# A token of the caller for the API. Cloud Shell's own sign-in has none for other APIs.
sign_in_to_api() {
    quiet_az account get-access-token --scope "api://$api_app/.default" --output none \
        2>/dev/null && return
    say 'The smoke test calls the API as you: sign in to it once'
    if quiet_az login --tenant "$tenant" --scope "api://$api_app/.default" --use-device-code \
        --output none && quiet_az account set --subscription "$subscription"; then
        return
    fi
    fault 'You could not be signed in to the API, so it was not tried whether the app works.' \
        'Where the tenant forbids device codes, do it on a machine with a browser:' \
        "az login --tenant $tenant --scope api://$api_app/.default" \
        "infra/deploy.sh --name $name --check"
}

# $1: HTTP method; $2: path; the rest: more arguments of az rest.
api() {
    local method=$1 path=$2
    shift 2
    quiet_az rest --method "$method" --url "$app_url$path" --resource "api://$api_app" "$@"
}

smoke_test() {
    local day asked
    say 'Smoke test: one usage event, one run'
    day=$(date -u +%Y-%m-%d)
    api post /api/usage --headers Content-Type=application/json --output none --body \
        "{\"id\": \"deployment-check\", \"account\": \"deployment-check\",
        \"meter\": \"deployment-check\", \"time\": \"${day}T00:00:00Z\", \"data\": {}}" || {
        fault 'The API did not take a usage event.' \
            'If it said "may not": roles take some minutes to reach tokens. Run az login, then' \
            "infra/deploy.sh --name $name --check"
        return
    }
    asked=$(api post /api/metering/run --query asked --output tsv) || {
        fault 'The API did not take the order of a run.' \
            'See "The app is not healthy" in docs/runbook.md.'
        return
    }
    for _ in {1..30}; do
        ! api get /api/metering/status --output json |
            python3 "$infra/steps/completed.py" "$asked" || return 0
        sleep 10
    done
    fault "A run that was asked for at $asked is not complete after five minutes." \
        'See "runs-missing" in docs/runbook.md.'
}

# Listing subscriptions proves that Entra gave the app a token and that the Marketplace took it.
# Trust in an identity takes some minutes to work.
marketplace_proof() {
    local said=''
    say 'Asking the Marketplace for the subscriptions of the offer'
    for _ in 1 2 3 4 5 6; do
        if said=$(api post /api/subscriptions/reconcile --output none 2>&1); then
            say 'The Marketplace knows the app'
            return
        elif [[ $said == *urn:metering:rejected* ]]; then
            warn 'Entra gives the app tokens, and the Marketplace does not know the app yet.' \
                'That is to be expected until the values below are in Partner Center. Then run:' \
                "infra/deploy.sh --name $name --check"
            return
        fi
        sleep 30
    done
    fault 'The app got no token for the Marketplace, or no answer from it:' "$said" \
        'See "identity" in docs/runbook.md.'
}

# Notes what does not work, without ending the script.
fault() {
    printf '\n' >&2
    warn "$@"
    return 1
}

# Whatever comes of it, the values for Partner Center are printed.
verify() {
    local works=1
    wait_for_health || works=''
    if [ "$caller_type" != user ]; then
        say 'Signed in as an application: the smoke test is left out'
    elif [ -n "$works" ]; then
        { sign_in_to_api && smoke_test && marketplace_proof; } || works=''
    fi
    print_values
    [ -n "$works" ] || fail 'Everything is deployed, but not everything works: see above.'
}

print_values() {
    cat <<END

Paste into Partner Center > Marketplace offers > your offer > Technical configuration:

  Landing page URL                    $app_url/landing
  Connection webhook                  $app_url/api/webhook
  Microsoft Entra tenant ID           ${marketplace_tenant:-$tenant}
  Microsoft Entra application ID      $marketplace_app

For clients of the API:

  API URL                             $app_url/api
  Application (audience of tokens)    api://$api_app
  Tenant                              $tenant

Then put the catalogue in:  PUT $app_url/api/catalog  (see docs/deployment.md)
Roles for other people:     Entra admin centre > Enterprise applications > Metering API ($name)
END
}
