# shellcheck shell=bash disable=SC2034,SC2154
# Exports of the tables, and changes of their format.

# $1: a command of local.tables; the rest: its arguments. The token stays out of the command line;
# where one does not last, the command asks az for the next.
tables() {
    local token
    token=$(az_value account get-access-token --resource https://storage.azure.com \
        --query accessToken) || return
    TABLES_TOKEN=$token PYTHONPATH=$root python3 -m local.tables "$@" \
        --endpoint "$tables_endpoint"
}

# $@: more arguments of the export. Whoever upgrades for the first time gets the role for it from
# the template, which changes neither tables nor code.
export_tables() {
    local export_file said=''
    export_file="$export_to/metering-$name-$(date -u +%Y%m%dT%H%M%SZ).ndjson.gz"
    say "Exporting the tables to $export_file"
    for _ in {1..10}; do
        if said=$(tables export --file "$export_file" "$@" 2>&1); then
            printf '%s\n' "$said"
            return
        fi
        [[ $mode = upgrade && $said == *'answered 403'* ]] || break
        if [ -z "$template_deployed" ]; then
            say 'You may not read the tables yet: the template gives you the role'
            deploy_template
        fi
        sleep 30
    done
    fail "$said" 'The tables could not be exported.' \
        'The role Storage Table Data Contributor is given to whoever deploys and takes some' \
        'minutes to work; with private networking run this inside the network.'
}

upgrade_tables() {
    say 'Format of the tables'
    tables upgrade
}
