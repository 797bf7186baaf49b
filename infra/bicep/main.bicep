targetScope = 'resourceGroup'

metadata name = 'Marketplace metering'
metadata description = 'Metering and billing for Azure Marketplace publishers, in one resource group.'

import { alwaysReadyGroup, marketplaceProof as proofKind, queueDeclaration } from 'types.bicep'

@description('Required. What names of resources begin with: 3 to 11 lower-case letters and digits, a letter first.')
@minLength(3)
@maxLength(11)
param name string

@description('Optional. Region; it must offer Flex Consumption.')
param location string = resourceGroup().location

@description('Required. Entra application of the API and the landing page (client id).')
@minLength(36)
@maxLength(36)
param apiClientId string

@description('Required. Entra application named in the offer\'s technical configuration (client id).')
@minLength(36)
@maxLength(36)
param marketplaceClientId string

@description('Optional. Tenant of the Marketplace application; empty for the tenant of the deployment, where the API\'s is too.')
param marketplaceTenantId string = ''

@description('Optional. How the app proves that it is the Marketplace application: its identity is trusted by an application of the same tenant, or it holds a certificate.')
param marketplaceProof proofKind = 'federated'

@description('Optional. Certificate and private key in one PEM, with the proof `certificate`; empty keeps the one in the vault.')
@secure()
param marketplaceCertificate string = ''

@description('Optional. Hours after the end of a subscription in which its usage is still taken, unless the catalogue says.')
@minValue(0)
@maxValue(20)
param usageGraceHours int = 1

@description('Optional. Days for which single events are kept; sums are kept for good.')
@minValue(42)
@maxValue(3650)
param eventRetentionDays int = 42

@description('Optional. What the landing page asks a buyer for, such as `company=Company; contact*=Contact e-mail`; a star marks what is required.')
param landingFields string = ''

@description('Optional. Where the landing page sends a buyer once the subscription is active.')
param productUrl string = ''

@description('Optional. Where buyers find help, https:// or mailto:.')
param supportUrl string = ''

@description('Optional. The most seats that a subscription may have.')
@minValue(1)
@maxValue(1000000000)
param maxQuantity int = 1000000

@description('Optional. Endpoint of the product that is told of changes of subscriptions; empty for none.')
param forwardUrl string = ''

@description('Optional. Hosts that the endpoint may be on, separated by spaces.')
param forwardHosts string = ''

@description('Optional. What signs such messages, at least 32 characters; empty keeps the one in the vault.')
@secure()
param forwardSecret string = ''

@description('Optional. Memory of an instance.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Optional. The most instances there may be.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Optional. HTTP requests that one instance handles at a time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Optional. Instances always ready. One for `http` keeps Partner Center\'s webhook, which waits ten seconds, and buyers from meeting a cold start.')
param alwaysReady alwaysReadyGroup[] = []

@description('Optional. Whether the plan is spread over availability zones, where the region has them.')
param zoneRedundant bool = false

@description('Optional. How copies of the tables are spread.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('Optional. Tier of Service Bus. Private networking reaches it only in Premium.')
@allowed(['Standard', 'Premium'])
param serviceBusSku string = 'Standard'

@description('Optional. Whether storage, and Service Bus in Premium, are reachable only from a network of their own.')
param privateNetworking bool = false

@description('Optional. Addresses of that network, at least a /24.')
param networkAddressPrefix string = '10.80.0.0/24'

@description('Optional. Whether App Service signs people in for the landing page and the console. Without it the app takes tokens only.')
param appServiceAuthentication bool = true

@description('Optional. People or groups that may export and import the tables.')
param operatorPrincipalIds string[] = []

@description('Optional. Who is told of alerts and of the budget; empty for nobody.')
param alertEmail string = ''

@description('Optional. Hours that usage may wait for the Marketplace before an alert.')
@minValue(1)
@maxValue(20)
param unsentAlertHours int = 6

@description('Optional. Budget a month in the subscription\'s currency; 0 for none. It needs `alertEmail`.')
@minValue(0)
param monthlyBudget int = 0

@description('Optional. When the budget began, once there is one: Azure lets nobody change it. Empty for a new one.')
param budgetStart string = ''

@description('Optional. Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Optional. Gigabytes of logs a day after which no more are taken; -1 for no limit.')
param logDailyCapGb int = 2

@description('Optional. Tags of every resource.')
param tags object = {}

var queues queueDeclaration[] = loadJsonContent('queues.json')
var suffix = uniqueString(resourceGroup().id)
var allTags = union({ application: 'marketplace-metering', deployment: name }, tags)
var forwards = !empty(forwardUrl)
var certificateProof = marketplaceProof == 'certificate'
var premiumBus = serviceBusSku == 'Premium'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-identity'
  location: location
  tags: allTags
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: '${name}${suffix}'
    location: location
    tags: allTags
    principalId: identity.properties.principalId
    operatorPrincipalIds: operatorPrincipalIds
    sku: storageSku
    publicAccess: !privateNetworking
  }
}

module messaging 'modules/messaging.bicep' = {
  name: 'messaging'
  params: {
    name: '${name}-bus-${suffix}'
    location: location
    tags: allTags
    queues: queues
    principalId: identity.properties.principalId
    sku: serviceBusSku
    workspaceId: observability.outputs.workspaceId
    publicAccess: !(privateNetworking && premiumBus)
  }
}

module observability 'modules/observability.bicep' = {
  name: 'observability'
  params: {
    name: name
    location: location
    tags: allTags
    principalId: identity.properties.principalId
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module network 'modules/network.bicep' = if (privateNetworking) {
  name: 'network'
  params: {
    name: name
    location: location
    tags: allTags
    addressPrefix: networkAddressPrefix
    storageId: storage.outputs.id
    serviceBusId: premiumBus ? messaging.outputs.id : ''
  }
}

module vault 'modules/vault.bicep' = if (certificateProof || forwards) {
  name: 'vault'
  params: {
    name: '${name}${suffix}'
    location: location
    tags: allTags
    principalId: identity.properties.principalId
    workspaceId: observability.outputs.workspaceId
    certificate: marketplaceCertificate
    forwardSecret: forwardSecret
  }
}

module app 'modules/functionapp.bicep' = {
  name: 'app'
  params: {
    name: '${name}-${suffix}'
    location: location
    tags: allTags
    identityId: identity.id
    deploymentContainer: storage.outputs.deploymentContainer
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReady: alwaysReady
    zoneRedundant: zoneRedundant
    subnetId: privateNetworking ? network.?outputs.appSubnetId ?? '' : ''
    authentication: appServiceAuthentication
    apiClientId: apiClientId
    marketplaceClientId: marketplaceClientId
    settings: {
      API_CLIENT_ID: apiClientId
      API_TENANT_ID: tenant().tenantId
      APP_SERVICE_AUTH: string(appServiceAuthentication)
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
      APPLICATIONINSIGHTS_CONNECTION_STRING: observability.outputs.connectionString
      AZURE_CLIENT_ID: identity.properties.clientId
      AzureWebJobsStorage__accountName: storage.outputs.name
      AzureWebJobsStorage__clientId: identity.properties.clientId
      AzureWebJobsStorage__credential: 'managedidentity'
      EVENT_RETENTION_DAYS: string(eventRetentionDays)
      FORWARD_HOSTS: forwardHosts
      FORWARD_SECRET: forwards ? vault.?outputs.forwardSecret ?? '' : ''
      FORWARD_URL: forwardUrl
      LANDING_FIELDS: landingFields
      MARKETPLACE_CERTIFICATE: certificateProof ? vault.?outputs.certificate ?? '' : ''
      MARKETPLACE_CLIENT_ID: marketplaceClientId
      MARKETPLACE_TENANT_ID: empty(marketplaceTenantId) ? tenant().tenantId : marketplaceTenantId
      MAX_QUANTITY: string(maxQuantity)
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.properties.clientId
      PRODUCT_URL: productUrl
      PYTHON_THREADPOOL_THREAD_COUNT: string(max(httpConcurrency, 16))
      ServiceBus__clientId: identity.properties.clientId
      ServiceBus__credential: 'managedidentity'
      ServiceBus__fullyQualifiedNamespace: messaging.outputs.hostName
      SUPPORT_URL: supportUrl
      TABLES_ENDPOINT: storage.outputs.tablesEndpoint
      USAGE_GRACE_HOURS: string(usageGraceHours)
    }
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    name: name
    location: location
    tags: allTags
    workspaceId: observability.outputs.workspaceId
    serviceBusId: messaging.outputs.id
    email: alertEmail
    unsentHours: unsentAlertHours
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    name: name
    location: location
    tags: allTags
    workspaceId: observability.outputs.workspaceId
  }
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0 && !empty(alertEmail)) {
  name: 'budget'
  params: {
    name: name
    amount: monthlyBudget
    email: alertEmail
    startDate: budgetStart
  }
}

@description('Name of the app.')
output appName string = app.outputs.name

@description('URL of the app.')
output appUrl string = 'https://${app.outputs.hostName}'

@description('Principal that the Marketplace application has to trust.')
output identityPrincipalId string = identity.properties.principalId

@description('Name of the storage account.')
output storageAccount string = storage.outputs.name

@description('URL of the table service.')
output tablesEndpoint string = storage.outputs.tablesEndpoint
