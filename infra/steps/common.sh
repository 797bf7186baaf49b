# shellcheck shell=bash disable=SC2034,SC2154
# Talking to people and to az. The variables of all steps are those of deploy.sh.

say() {
    printf '· %s\n' "$*" >&2
}

warn() {
    printf '! %s\n' "$@" >&2
}

fail() {
    printf '\n' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

lower() {
    printf '%s' "${1,,}"
}

# $1: the question.
confirm() {
    local answer
    [ -z "$yes" ] || return 0
    [ -t 0 ] || fail "$1" 'Nobody is there to answer: run this in a terminal, or with --yes.'
    read -r -p "$1 [y/N] " answer
    [[ $answer =~ ^[Yy]$ ]]
}

quiet_az() {
    az "$@" --only-show-errors
}

# One value, empty where there is none.
az_value() {
    local value
    value=$(quiet_az "$@" --output tsv) || return
    [ "$value" = None ] || printf '%s' "${value//$'\r'/}"
}

# Several values, one a line.
az_values() {
    local values
    values=$(quiet_az "$@" --output tsv) || return
    printf '%s\n' "${values//$'\r'/}"
}

# $1: HTTP method; $2: path below Microsoft Graph v1.0; the rest: more arguments of az rest.
# Parts of Entra learn late of what was made a moment ago, and deny it until then.
graph() {
    local method=$1 path=$2 said=''
    shift 2
    for _ in 1 2 3 4 5 6; do
        {
            said=$(quiet_az rest --method "$method" \
                --url "https://graph.microsoft.com/v1.0/$path" "$@" 2>&1 >&3) && return
        } 3>&1
        [[ $said =~ ResourceNotFound|does\ not\ exist|does\ not\ reference|valid\ reference ]] || break
        sleep 10
    done
    printf '%s\n' "$said" >&2
    return 1
}

# $1: path; $2: what to take of the answer. Values, one a line, or nothing.
graph_get() {
    local values
    values=$(graph get "$1" --query "$2" --output tsv) || return
    [ "$values" = None ] || printf '%s\n' "${values//$'\r'/}"
}

# Creates or updates in one call, so that a run that broke off leaves nothing twice.
# $1: path that names the object by its own key; $2: JSON.
graph_upsert() {
    graph patch "$1" --headers Content-Type=application/json Prefer=create-if-missing \
        --body "$2" --output none
}
