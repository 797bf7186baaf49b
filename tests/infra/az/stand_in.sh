# shellcheck shell=bash
# The stand-ins for az, curl, sleep and python3: functions, since starting a process for each of
# some thousand calls takes longer than all else. Each hands its words to the test's process and
# shows what that answers.

_stand_in() {
    local LC_ALL=C IFS= name status length out='' line desk
    local fields=("$1" "$(($# - 1))" "${@:2}")
    for name in "${!METERING_@}" "${!TABLES_@}"; do fields+=("$name=${!name}"); done
    exec {desk}<>"/dev/tcp/127.0.0.1/$AZ_STAND_IN"
    printf '%s\0' "${#fields[@]}" "${fields[@]}" >&"$desk"
    read -r -u "$desk" status
    read -r -u "$desk" length
    [ "$length" = 0 ] || read -r -N "$length" -u "$desk" out
    printf '%s' "$out"
    while read -r -u "$desk" line; do printf '%s\n' "$line" >&2; done
    exec {desk}>&-
    return "$status"
}
az() { _stand_in az "$@"; }
curl() { _stand_in curl "$@"; }
sleep() { _stand_in sleep "$@"; }
python3() {
    local input=''
    case $1 in
        */parameters.py | */completed.py) IFS= read -r -d '' input || true ;;
    esac
    _stand_in python3 "$input" "$@"
}
export -f _stand_in az curl sleep python3
