# shellcheck shell=bash disable=SC2034,SC2154
# The two Entra applications, and whom they trust. Objects are named by keys of their own, so that
# making them twice is not possible.

readonly azure_cli=04b07795-8ddb-461a-bbee-02f9e1bf7b46
readonly api_scope=3f0a8a35-5c0e-4f0b-9a86-5f4d0a3d6b11
readonly admin_role=8e4cb2a6-2a3b-4d0a-8b7c-0d1f6d3f9a03

# $1: api or marketplace. The key under which Entra finds the application of this deployment.
application_key() {
    printf 'metering-%s-%s-%s' "$name" \
        "$(printf '%s' "$subscription/$(lower "$group")" | cksum | cut -d ' ' -f 1)" "$1"
}

# $1: api or marketplace; $2: its display name; $3: who may sign in. Prints its client id.
ensure_application() {
    local key
    key=$(application_key "$1")
    graph_upsert "applications(uniqueName='$key')" \
        "{\"displayName\": \"$2\", \"signInAudience\": \"$3\"}" || fail \
        "The Entra application $2 could not be made." \
        'It needs the role Application Developer or more, or users that may register applications:' \
        'ask an administrator of the tenant.'
    graph_get "applications(uniqueName='$key')" appId
}

make_applications() {
    say 'Entra applications'
    api_app=$(ensure_application api "Metering API ($name)" AzureADMultipleOrgs)
    graph patch "applications(appId='$api_app')" --headers Content-Type=application/json \
        --body "@$infra/entra/api-application.json" --output none
    graph patch "applications(appId='$api_app')" --headers Content-Type=application/json \
        --output none --body "{\"identifierUris\": [\"api://$api_app\"], \"api\":
            {\"preAuthorizedApplications\": [{\"appId\": \"$azure_cli\",
            \"delegatedPermissionIds\": [\"$api_scope\"]}]}}"
    ensure_principal "$api_app"
    make_marketplace_application
    let_caller_administer
}

make_marketplace_application() {
    if [ -n "$certificate" ]; then
        proof=certificate
        [ -n "$marketplace_app" ] || fail '--certificate needs --marketplace-app.'
    fi
    [ "$proof" = federated ] || return 0
    if [ -z "$marketplace_app" ]; then
        marketplace_app=$(ensure_application marketplace "Metering for the Marketplace ($name)" \
            AzureADMyOrg)
    else
        quiet_az rest --method get --output none 2>/dev/null --url \
            "https://graph.microsoft.com/v1.0/applications(appId='$marketplace_app')" || fail \
            "The application $marketplace_app is not of this tenant, $tenant." \
            'A managed identity is trusted only inside its own tenant. Either deploy to a' \
            'subscription of the tenant of the application, or run this again with' \
            '--marketplace-tenant ID --certificate FILE.'
    fi
    ensure_principal "$marketplace_app"
}

# $1: client id. The application's place in the tenant; one that is there stays as people set it.
ensure_principal() {
    local found
    found=$(graph_get "servicePrincipals?\$filter=appId eq '$1'" 'value[].id')
    [ -n "$found" ] ||
        graph_upsert "servicePrincipals(appId='$1')" '{"appRoleAssignmentRequired": false}'
}

# Whoever deploys may administer billing, at first alone.
let_caller_administer() {
    local principal held
    if [ "$caller_type" != user ]; then
        say 'Signed in as an application: give people the role Billing.Admin by hand'
        return 0
    fi
    caller=$(graph_get me id)
    principal=$(graph_get "servicePrincipals(appId='$api_app')" id)
    held=$(graph_get "users/$caller/appRoleAssignments?\$filter=resourceId eq $principal" \
        'value[].appRoleId')
    grep -qx "$admin_role" <<<"$held" || graph post "users/$caller/appRoleAssignments" \
        --headers Content-Type=application/json --output none --body \
        "{\"principalId\": \"$caller\", \"resourceId\": \"$principal\", \"appRoleId\": \"$admin_role\"}"
}

# $1: client id of an application that shall trust the deployment's identity.
trust_identity() {
    local object
    object=$(graph_get "applications(appId='$1')" id)
    graph_upsert "applications/$object/federatedIdentityCredentials(name='metering-$name')" \
        "{\"name\": \"metering-$name\", \"issuer\":
        \"https://login.microsoftonline.com/$tenant/v2.0\", \"subject\": \"$identity_principal\",
        \"audiences\": [\"api://AzureADTokenExchange\"]}"
}

trust_deployment() {
    say 'Trust of the applications in the managed identity'
    trust_identity "$api_app"
    [ "$proof" != federated ] || trust_identity "$marketplace_app"
    register_sign_in
}

# App Service asks for a code and an id token. Addresses that people added, such as those of a
# domain of their own, stay.
register_sign_in() {
    local own="$app_url/.auth/login/aad/callback" known address addresses
    known=$(graph_get "applications(appId='$api_app')" 'web.redirectUris')
    addresses="\"$own\""
    while IFS= read -r address; do
        [ -z "$address" ] || [ "$address" = "$own" ] || addresses+=", \"$address\""
    done <<<"$known"
    graph patch "applications(appId='$api_app')" --headers Content-Type=application/json \
        --output none --body "{\"web\": {\"homePageUrl\": \"$app_url/landing\", \"redirectUris\":
            [$addresses], \"implicitGrantSettings\": {\"enableIdTokenIssuance\": true}}}"
}

# $1: api or marketplace. Deletes the application that this deployment made, if there is one. A
# deployment elsewhere may have taken it over: then it stays, and only the trust in this one ends.
delete_application() {
    local key object trust others own
    key=$(application_key "$1")
    object=$(graph_get "applications?\$filter=uniqueName eq '$key'" 'value[].id')
    [ -n "$object" ] || return 0
    trust="applications/$object/federatedIdentityCredentials"
    others=$(graph_get "$trust" 'value[].name')
    others=$(grep -vx "metering-$name" <<<"$others" || true)
    if [ -n "$others" ]; then
        say "The application $key stays, since others use it:" "$others"
        own=$(graph_get "$trust" "value[?name=='metering-$name'].id")
        [ -z "$own" ] || graph delete "$trust/$own" --output none
        return
    fi
    graph delete "applications/$object" --output none
    graph delete "directory/deletedItems/$object" --output none
}
