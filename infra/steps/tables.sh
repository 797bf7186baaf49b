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

# $@: more arguments of the export.
export_tables() {
    local export_file
    export_file="$export_to/metering-$name-$(date -u +%Y%m%dT%H%M%SZ).ndjson.gz"
    say "Exporting the tables to $export_file"
    tables export --file "$export_file" "$@" ||
        fail 'The tables could not be exported.' \
            'The role Storage Table Data Contributor is given to whoever deploys and takes some' \
            'minutes to work; with private networking run this inside the network.'
}

upgrade_tables() {
    say 'Format of the tables'
    tables upgrade
}
