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
        METERING_STORAGE_SKU=$storage_sku METERING_BUDGET_START=$budget_start \
        quiet_az deployment group "$action" --resource-group "$group" --name metering \
        --parameters "$parameters" "$@"
}

preview() {
    say 'What the deployment would change'
    template what-if --exclude-change-types Ignore NoChange >&2
    confirm "Deploy this to $group?" || fail 'Nothing was deployed.'
}

# A run that broke off here leaves its deployment going on in Azure.
wait_for_earlier() {
    local state
    state=$(az_value deployment group list --resource-group "$group" \
        --query "[?name=='metering'].properties.provisioningState")
    [[ $state =~ ^(Accepted|Running|Updating|Canceling)$ ]] || return 0
    say 'An earlier run is still at work in Azure: waiting for it'
    quiet_az deployment group wait --resource-group "$group" --name metering --timeout 1800 \
        --custom "contains(['Succeeded', 'Failed', 'Canceled'], properties.provisioningState)"
}

# A vault that was deleted holds its name for some days.
recover_vaults() {
    local vaults vault
    vaults=$(deleted_vaults)
    for vault in $vaults; do
        say "Bringing back the deleted vault $vault"
        quiet_az keyvault recover --name "$vault" --output none
    done
}

# Names of deleted vaults of the resource group. Not everyone may list those of a subscription.
deleted_vaults() {
    local found
    found=$(quiet_az keyvault list-deleted --resource-type vault --output tsv \
        --query '[].[name, properties.vaultId]') || {
        warn 'Deleted vaults could not be listed. One of this deployment holds its name for a week.'
        return 0
    }
    { grep -iF "/resourceGroups/$group/" <<<"$found" || true; } | cut -f 1
}

deploy_template() {
    local made fields
    [ -z "$template_deployed" ] || return 0
    wait_for_earlier
    [ -n "$app_name" ] || recover_vaults
    say 'Deploying the resources (about five minutes at first)'
    made=$(template create --output tsv --query 'properties.outputs.[appName.value, appUrl.value,
        identityPrincipalId.value, tablesEndpoint.value, storageAccount.value]')
    mapfile -t fields <<<"$made"
    app_name=${fields[0]} app_url=${fields[1]} identity_principal=${fields[2]}
    tables_endpoint=${fields[3]} storage_account=${fields[4]}
    template_deployed=1
}

publish() {
    local package attempt
    package=$(mktemp -d)/app.zip
    say 'Publishing the code; Azure installs its packages (a few minutes)'
    python3 "$infra/package.py" "$package" >&2
    for attempt in 1 2 3; do
        ! quiet_az functionapp deployment source config-zip --resource-group "$group" \
            --name "$app_name" --src "$package" --build-remote true --timeout 900 \
            --output none || break
        [ "$attempt" -lt 3 ] || fail 'The code could not be published; see the message above.' \
            "Run this again: infra/deploy.sh --name $name"
        say 'Not published. New roles take some minutes to work: once more in a minute'
        sleep 60
    done
    rm -rf "$(dirname "$package")"
}
