using 'main.bicep'

// infra/deploy.sh and the workflow set the variables. Everything else has a default in main.bicep
// and may be set here, for instance `param alwaysReady = [{ name: 'http', instanceCount: 1 }]`.

var operators = readEnvironmentVariable('METERING_OPERATORS', '')

param name = readEnvironmentVariable('METERING_NAME', 'metering')
param location = readEnvironmentVariable('METERING_LOCATION', 'westeurope')
param apiClientId = readEnvironmentVariable('METERING_API_CLIENT_ID', '00000000-0000-0000-0000-000000000000')
param marketplaceClientId = readEnvironmentVariable('METERING_MARKETPLACE_CLIENT_ID', '00000000-0000-0000-0000-000000000000')
param marketplaceTenantId = readEnvironmentVariable('METERING_MARKETPLACE_TENANT_ID', '')
param marketplaceProof = readEnvironmentVariable('METERING_MARKETPLACE_PROOF', '') == 'certificate' ? 'certificate' : 'federated'
param marketplaceCertificate = readEnvironmentVariable('METERING_MARKETPLACE_CERTIFICATE', '')
param storageSku = readEnvironmentVariable('METERING_STORAGE_SKU', '') == 'Standard_LRS' ? 'Standard_LRS' : 'Standard_ZRS'
param operatorPrincipalIds = empty(operators) ? [] : split(operators, ',')
param alertEmail = readEnvironmentVariable('METERING_ALERT_EMAIL', '')
param budgetStart = readEnvironmentVariable('METERING_BUDGET_START', '')
param forwardSecret = readEnvironmentVariable('METERING_FORWARD_SECRET', '')
