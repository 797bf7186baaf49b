metadata description = 'The Service Bus namespace and its queues, as declared in queues.json.'

import { queueDeclaration, roles } from '../types.bicep'

@description('Required. Name of the namespace.')
@minLength(6)
@maxLength(50)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Queues.')
param queues queueDeclaration[]

@description('Required. Principal of the identity that the app runs as.')
param principalId string

@description('Required. Tier. Standard has sessions; Premium has private endpoints as well.')
@allowed(['Standard', 'Premium'])
param sku string

@description('Required. Id of the workspace that is told who changed the namespace.')
param workspaceId string

@description('Required. Whether the namespace is reachable from the internet (with a token).')
param publicAccess bool

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku, tier: sku }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
  }
}

@batchSize(1)
resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [
  for declared in queues: {
    parent: namespace
    name: declared.name
    properties: declared.properties
  }
]

resource changes 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: namespace
  name: 'changes'
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'OperationalLogs', enabled: true }]
  }
}

// Target-based scaling reads the length of queues, which only this role of the data plane allows.
resource owner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: namespace
  name: guid(namespace.id, principalId, roles.serviceBusDataOwner)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.serviceBusDataOwner
    )
  }
}

@description('Id of the namespace.')
output id string = namespace.id

@description('Host name of the namespace.')
output hostName string = replace(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':443/', '')
