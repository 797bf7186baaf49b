#!/usr/bin/env bash
# Deploys metering to Azure, brings a deployment up to date, checks it, or destroys it.
set -euo pipefail
shopt -s inherit_errexit

infra=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$infra")
# shellcheck source=infra/steps/common.sh
source "$infra/steps/common.sh"
# shellcheck source=infra/steps/prerequisites.sh
source "$infra/steps/prerequisites.sh"
# shellcheck source=infra/steps/entra.sh
source "$infra/steps/entra.sh"
# shellcheck source=infra/steps/release.sh
source "$infra/steps/release.sh"
# shellcheck source=infra/steps/verify.sh
source "$infra/steps/verify.sh"
# shellcheck source=infra/steps/tables.sh
source "$infra/steps/tables.sh"
# shellcheck source=infra/steps/destroy.sh
source "$infra/steps/destroy.sh"

usage() {
    cat <<'END'
Deploys metering to Azure. Run it in Cloud Shell (https://shell.azure.com, Bash), any number of
times: it goes on where it stopped, and changes nothing that is right already.

  infra/deploy.sh --name NAME --location REGION    deploy; later runs need the name only
  infra/deploy.sh --name NAME --upgrade            back up the tables, then bring up to date
  infra/deploy.sh --name NAME --check              health, smoke test, values for Partner Center
  infra/deploy.sh --name NAME --destroy            export the tables, then delete everything

  --name NAME               3 to 11 lower-case letters and digits, a letter first
  --location REGION         a region with Flex Consumption, for instance westeurope
  --resource-group GROUP    default: NAME-rg
  --subscription ID         default: the one az is set to
  --alert-email ADDRESS     who is told of alerts
  --parameters FILE         default: infra/bicep/main.bicepparam
  --export-to DIR           where exports of the tables go; default: the current directory
  --yes                     ask nothing

A Marketplace application that exists already, because an offer names it:
  --marketplace-app ID      its client id; of the same tenant, it is made to trust the deployment
  --marketplace-tenant ID   of another tenant, where it proves itself by
  --certificate FILE        a PEM with certificate and private key, kept in Key Vault
END
}

mode=deploy
name='' location='' group='' subscription='' alert_email='' yes=''
parameters="$infra/bicep/main.bicepparam"
export_to=$PWD
marketplace_app='' marketplace_tenant='' certificate=''

while [ $# -gt 0 ]; do
    case $1 in
        --upgrade | --check | --destroy) mode=${1#--} ;;
        --yes) yes=1 ;;
        -h | --help)
            usage
            exit 0
            ;;
        --name | --location | --resource-group | --subscription | --alert-email | --parameters | \
            --export-to | --marketplace-app | --marketplace-tenant | --certificate)
            [ $# -ge 2 ] || fail "$1 needs a value."
            case $1 in
                --name) name=$2 ;;
                --location) location=$(lower "${2// /}") ;;
                --resource-group) group=$2 ;;
                --subscription) subscription=$2 ;;
                --alert-email) alert_email=$2 ;;
                --parameters) parameters=$2 ;;
                --export-to) export_to=$2 ;;
                --marketplace-app) marketplace_app=$(lower "$2") ;;
                --marketplace-tenant) marketplace_tenant=$(lower "$2") ;;
                --certificate) certificate=$2 ;;
            esac
            shift
            ;;
        *) fail "There is no option $1." "Try infra/deploy.sh --help" ;;
    esac
    shift
done

check_options
check_tools
check_account
recall
case $mode in
    deploy | upgrade)
        check_region
        check_rights
        register_providers
        make_group
        make_applications
        preview
        [ "$mode" = deploy ] || export_tables --without-usage-log
        deploy_template
        trust_deployment
        publish
        [ "$mode" = deploy ] || upgrade_tables
        verify
        ;;
    check)
        require_deployment
        verify
        ;;
    destroy) destroy ;;
esac
