# shellcheck shell=bash disable=SC2034,SC2154
# The template and the code.

template() {
    local action=$1
    shift
    METERING_NAME=$name METERING_LOCATION=$location METERING_API_CLIENT_ID=$api_app \
        METERING_MARKETPLACE_CLIENT_ID=$marketplace_app \
        METERING_MARKETPLACE_TENANT_ID=${marketplace_tenant:-$tenant} \
        METERING_MARKETPLACE_PROOF=$proof \
        METERING_MARKETPLACE_CERTIFICATE=$([ -z "$certificate" ] || cat "$certificate") \
        METERING_OPERATORS=${caller:-} METERING_ALERT_EMAIL=$alert_email \
        quiet_az deployment group "$action" --resource-group "$group" --name metering \
        --parameters "$parameters" "$@"
}

preview() {
    say 'What the deployment would change'
    template what-if --exclude-change-types Ignore NoChange >&2
    confirm "Deploy this to $group?" || fail 'Nothing was deployed.'
}

deploy_template() {
    local made fields
    say 'Deploying the resources (about five minutes at first)'
    made=$(template create --output tsv --query 'properties.outputs.[appName.value, appUrl.value,
        identityPrincipalId.value, tablesEndpoint.value, storageAccount.value]')
    mapfile -t fields <<<"$made"
    app_name=${fields[0]} app_url=${fields[1]} identity_principal=${fields[2]}
    tables_endpoint=${fields[3]} storage_account=${fields[4]}
}

publish() {
    local package
    package=$(mktemp -d)/app.zip
    say 'Publishing the code; Azure installs its packages (a few minutes)'
    python3 "$infra/package.py" "$package" >&2
    quiet_az functionapp deployment source config-zip --resource-group "$group" \
        --name "$app_name" --src "$package" --build-remote true --timeout 900 --output none
    rm -rf "$(dirname "$package")"
}
