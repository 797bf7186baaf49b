# shellcheck shell=bash disable=SC2034,SC2154
# The end of a deployment: export first, then everything it made.

destroy() {
    local made_by answer
    if [ -n "$group_exists" ]; then
        made_by=$(az_value group show --name "$group" --query tags.application)
        [ "$made_by" = marketplace-metering ] ||
            fail "The resource group $group was not made by this script: delete its resources by hand."
        if [ -z "$yes" ]; then
            [ -t 0 ] || fail 'Nobody is there to confirm: run this in a terminal, or with --yes.'
            warn "This deletes $group with everything that customers were charged for in it." \
                'Customers with subscriptions are no longer billed. The tables are exported first.'
            read -r -p 'Type the name of the resource group to go on: ' answer
            [ "$answer" = "$group" ] || fail 'Nothing was deleted.'
        fi
        stop_and_export
        unlock
        delete_logs
        say "Deleting the resource group $group (some minutes)"
        quiet_az group delete --name "$group" --yes
    fi
    purge_vaults
    say 'Deleting the Entra applications that this script made'
    delete_application api
    delete_application marketplace
    say 'Everything is gone. Customers keep their subscriptions until the offer is withdrawn.'
}

stop_and_export() {
    if [ -n "$app_name" ]; then
        say "Stopping the app, so that nothing changes any more. To go back:" \
            "az functionapp start --resource-group $group --name $app_name"
        quiet_az functionapp stop --resource-group "$group" --name "$app_name"
    fi
    [ -z "$storage_account" ] || export_tables
}

# The template's own lock keeps the storage account from being deleted by mistake.
unlock() {
    local locks
    locks=$(quiet_az lock list --resource-group "$group" --query "[?name=='keep'].id" \
        --output tsv)
    [ -z "$locks" ] || quiet_az lock delete --ids "$locks"
}

# Both would keep their names for some days, and a new deployment in another region from them.
delete_logs() {
    local workspaces workspace
    workspaces=$(quiet_az monitor log-analytics workspace list --resource-group "$group" \
        --query "[?tags.deployment=='$name'].name" --output tsv)
    for workspace in $workspaces; do
        quiet_az monitor log-analytics workspace delete --resource-group "$group" \
            --workspace-name "$workspace" --force true --yes --output none
    done
}

purge_vaults() {
    local vaults vault
    vaults=$(deleted_vaults)
    for vault in $vaults; do
        say "Deleting the vault $vault for good"
        quiet_az keyvault purge --name "$vault" --output none
    done
}
