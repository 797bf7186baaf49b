metadata description = 'A vault for what cannot be done without a secret: another tenant\'s certificate, signed messages to the product.'

import { roles } from '../types.bicep'

@description('Required. Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Principal of the identity that the app runs as.')
param principalId string

@description('Required. Id of the workspace that is told who read what.')
param workspaceId string

@description('Required. Certificate and private key of the Marketplace application in one PEM; empty keeps what is there.')
@secure()
param certificate string

@description('Required. What signs messages to the product; empty keeps what is there.')
@secure()
param forwardSecret string

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }

  resource pem 'secrets' = if (!empty(certificate)) {
    name: 'marketplace-certificate'
    properties: {
      value: certificate
      contentType: 'application/x-pem-file'
    }
  }

  resource signature 'secrets' = if (!empty(forwardSecret)) {
    name: 'forward-secret'
    properties: { value: forwardSecret }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, roles.keyVaultSecretsUser)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles.keyVaultSecretsUser
    )
  }
}

@description('What the app setting says instead of the certificate.')
output certificate string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/marketplace-certificate)'

@description('What the app setting says instead of the secret.')
output forwardSecret string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/forward-secret)'
