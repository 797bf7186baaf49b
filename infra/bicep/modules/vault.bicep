metadata description = 'A vault for the certificate of a Marketplace application in another tenant.'

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

@description('Required. Certificate and private key in one PEM.')
@secure()
param certificate string

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

  resource secret 'secrets' = if (!empty(certificate)) {
    name: 'marketplace-certificate'
    properties: {
      value: certificate
      contentType: 'application/x-pem-file'
    }
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
output reference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/marketplace-certificate)'
