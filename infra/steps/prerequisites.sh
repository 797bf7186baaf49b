# shellcheck shell=bash disable=SC2034,SC2154
# What must be there before anything is made, and what to do about each.

readonly least_az=2.70.0
readonly python_version=3.13
readonly guid_pattern='^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'

check_options() {
    [[ $name =~ ^[a-z][a-z0-9]{2,10}$ ]] ||
        fail "--name ${name:-is missing}: 3 to 11 lower-case letters and digits, a letter first."
    group=${group:-$name-rg}
    [[ $group =~ ^[A-Za-z0-9_.()-]{0,89}[A-Za-z0-9_()-]$ ]] ||
        fail "--resource-group $group: 1 to 90 letters, digits and _.()- and no dot at the end."
    [ -z "$marketplace_app" ] || [[ $marketplace_app =~ $guid_pattern ]] ||
        fail "--marketplace-app $marketplace_app: this is no client id (a GUID)."
    [ -z "$marketplace_tenant" ] || [[ $marketplace_tenant =~ $guid_pattern ]] ||
        fail "--marketplace-tenant $marketplace_tenant: this is no tenant id (a GUID)."
    [ -z "$certificate" ] || grep -q 'PRIVATE KEY-----' "$certificate" 2>/dev/null ||
        fail "--certificate $certificate: there is no PEM with a private key."
    [ -f "$parameters" ] || fail "--parameters $parameters: there is no such file."
    [ -d "$export_to" ] || fail "--export-to $export_to: there is no such directory."
}

check_tools() {
    local tool version
    for tool in az curl python3; do
        command -v "$tool" >/dev/null ||
            fail "$tool is not installed." 'Azure Cloud Shell has everything: https://shell.azure.com'
    done
    version=$(az_value version --query '"azure-cli"')
    [ "$(printf '%s\n' "$least_az" "$version" | sort -V | head -n 1)" = "$least_az" ] ||
        fail "az is $version; $least_az or newer is needed." 'Run: az upgrade'
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail 'python3 is older than 3.11.' 'Azure Cloud Shell has a newer one.'
}

check_account() {
    local account fields
    [ -z "$subscription" ] || quiet_az account set --subscription "$subscription" ||
        fail "Subscription $subscription cannot be used." 'Run: az account list --output table'
    account=$(az_values account show --query '[id, tenantId, user.type, user.name]') ||
        fail 'az is not signed in.' 'Run: az login'
    mapfile -t fields <<<"$account"
    subscription=${fields[0]} tenant=${fields[1]}
    caller_type=${fields[2]} caller_name=${fields[3]}
    if [ -n "$marketplace_tenant" ] && [ "$marketplace_tenant" != "$tenant" ]; then
        [ -n "$certificate" ] || [ "$mode" != deploy ] || fail \
            "The Marketplace application is of tenant $marketplace_tenant, the deployment of $tenant." \
            'A managed identity is trusted only inside its own tenant. Either deploy to a' \
            'subscription of that tenant, or add --certificate FILE.'
        [ -n "$marketplace_app" ] || fail '--marketplace-tenant needs --marketplace-app.'
    fi
}

# What an earlier run of this deployment was given, and what it made; options of this run come first.
recall() {
    local found fields exists
    proof=federated storage_sku='' budget_start='' template_deployed=''
    app_name='' app_url='' tables_endpoint='' storage_account='' api_app='' group_exists=''
    exists=$(az_value group exists --name "$group")
    [ "$exists" = true ] || return 0
    group_exists=1
    recall_parameters
    found=$(az_values functionapp list --resource-group "$group" \
        --query "[?tags.deployment=='$name'].[name, defaultHostName][]")
    mapfile -t fields <<<"$found"
    app_name=${fields[0]:-}
    app_url=${fields[1]:+https://${fields[1]}}
    found=$(az_values storage account list --resource-group "$group" \
        --query "[?tags.deployment=='$name'].[name, primaryEndpoints.table][]")
    mapfile -t fields <<<"$found"
    storage_account=${fields[0]:-} tables_endpoint=${fields[1]:-}
    recall_budget
}

# A budget is refused unless it begins when it began.
recall_budget() {
    budget_start=$(quiet_az rest --method get --output tsv \
        --query "value[?name=='$name-budget'].properties.timePeriod.startDate" --url \
        "https://management.azure.com/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Consumption/budgets?api-version=2023-11-01" \
        2>/dev/null) || budget_start=''
}

# They are kept with the deployment, also when it failed; secret ones are not.
recall_parameters() {
    local recorded fields
    recorded=$(quiet_az deployment group list --resource-group "$group" --output json \
        --query "[?name=='metering'].properties.parameters")
    recorded=$(python3 "$infra/steps/parameters.py" location alertEmail apiClientId \
        marketplaceClientId marketplaceTenantId marketplaceProof storageSku name <<<"$recorded")
    mapfile -t fields <<<"$recorded"
    location=${location:-${fields[0]:-}}
    alert_email=${alert_email:-${fields[1]:-}}
    api_app=${fields[2]:-}
    marketplace_app=${marketplace_app:-${fields[3]:-}}
    marketplace_tenant=${marketplace_tenant:-${fields[4]:-}}
    proof=${fields[5]:-federated}
    storage_sku=${fields[6]:-}
    [ "${fields[7]:-$name}" = "$name" ] || fail \
        "The resource group $group holds the deployment ${fields[7]}; each needs a group of its own."
}

require_deployment() {
    [ -n "$app_name" ] ||
        fail "There is no deployment in $group." \
            "Run: infra/deploy.sh --name $name --location REGION"
}

check_region() {
    local regions alternatives
    [ "$mode" = deploy ] || require_deployment
    [ -n "$location" ] || fail '--location is missing, for instance westeurope.'
    regions=$(quiet_az functionapp list-flexconsumption-locations --query '[].name' --output tsv)
    if ! grep -qx "$location" <<<"$regions"; then
        # Regions whose names share a word with the wanted one are likely to be near.
        alternatives=$(grep -E "$(nearby "$location")" <<<"$regions" || true)
        fail "Azure Functions Flex Consumption is not offered in $location. It is offered in:" \
            "${alternatives:-$regions}"
    fi
    quiet_az functionapp list-flexconsumption-runtimes --location "$location" --runtime python \
        --query '[].version' --output tsv | grep -qx "$python_version" ||
        fail "Flex Consumption in $location has no Python $python_version yet: choose another region."
    choose_copies
}

# Not every region has zones; what a deployment began with stays.
choose_copies() {
    local zonal
    [ -z "$storage_sku" ] || return 0
    zonal=$(quiet_az storage sku list --query "[?name=='Standard_ZRS'].locations[0]" --output tsv)
    storage_sku=Standard_ZRS
    if ! grep -qix "$location" <<<"$zonal"; then
        storage_sku=Standard_LRS
        say "$location has no zones: copies of the tables stay in one place (Standard_LRS)"
    fi
}

# $1: a region. Prints a pattern of the regions of the same part of the world.
nearby() {
    case $1 in
        australia* | newzealand*) printf 'australia|newzealand' ;;
        *us* | canada* | mexico* | brazil* | chile*) printf 'us|canada|mexico|brazil' ;;
        *asia* | japan* | korea* | *india* | indonesia* | malaysia* | taiwan*)
            printf 'asia|japan|korea|india|indonesia|malaysia' ;;
        *) printf 'europe|uk|germany|france|sweden|norway|switzerland|italy|poland|spain|uae|africa' ;;
    esac
}

check_rights() {
    local roles
    roles=$(quiet_az role assignment list --scope "/subscriptions/$subscription" \
        --assignee "$caller_name" --include-groups \
        --include-inherited --query '[].roleDefinitionName' --output tsv 2>/dev/null || true)
    grep -qxE 'Owner|User Access Administrator' <<<"$roles" || warn \
        'You do not seem to be Owner (or Contributor and User Access Administrator) of the' \
        'subscription. If giving the app its roles, or the lock on its storage, fails, ask an owner' \
        'to run this.'
}

register_providers() {
    local provider registered
    registered=$(quiet_az provider list --output tsv \
        --query "[?registrationState=='Registered'].namespace")
    registered=" ${registered//[[:space:]]/ } "
    for provider in Microsoft.App Microsoft.Insights Microsoft.KeyVault \
        Microsoft.ManagedIdentity Microsoft.Network Microsoft.OperationalInsights \
        Microsoft.ServiceBus Microsoft.Storage Microsoft.Web; do
        [[ ${registered,,} != *" ${provider,,} "* ]] || continue
        say "Registering $provider in the subscription"
        quiet_az provider register --namespace "$provider" --wait --output none
    done
}

make_group() {
    local place
    if [ -n "$group_exists" ]; then
        place=$(az_value group show --name "$group" --query location)
        [ "$mode" = upgrade ] || [ "$place" = "$location" ] ||
            say "The resource group $group is in $place; the resources go to $location"
        return
    fi
    say "Making the resource group $group"
    quiet_az group create --name "$group" --location "$location" --output none \
        --tags application=marketplace-metering "deployment=$name"
}
