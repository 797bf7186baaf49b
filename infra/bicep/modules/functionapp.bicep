metadata description = 'The Functions app on Flex Consumption, its settings and its authentication.'

import { alwaysReadyGroup } from '../types.bicep'

@description('Required. Name of the app, and of its plan with a suffix.')
@minLength(2)
@maxLength(60)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Id of the identity that the app runs as.')
param identityId string

@description('Required. Settings of the app.')
param settings object

@description('Required. URL of the container that the platform deploys the app from.')
param deploymentContainer string

@description('Required. Memory of an instance.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int

@description('Required. The most instances there may be.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Required. HTTP requests that one instance handles at a time.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int

@description('Required. Instances that are always ready.')
param alwaysReady alwaysReadyGroup[]

@description('Required. Whether the plan is spread over zones.')
param zoneRedundant bool

@description('Required. Id of the subnet to join; empty for none.')
param subnetId string

@description('Required. Whether App Service signs people in for the landing page and the console.')
param authentication bool

@description('Required. Application of the API and the landing page.')
param apiClientId string

@description('Required. Marketplace application: Partner Center calls the webhook with tokens for it.')
param marketplaceClientId string

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainer
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }

  resource appsettings 'config' = {
    name: 'appsettings'
    properties: settings
  }

  // Every request reaches the code, which decides by token, tenant and role.
  resource auth 'config' = {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: authentication }
      globalValidation: {
        requireAuthentication: false
        unauthenticatedClientAction: 'AllowAnonymous'
      }
      httpSettings: { requireHttps: true }
      identityProviders: {
        azureActiveDirectory: {
          enabled: authentication
          registration: {
            clientId: apiClientId
            clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
            openIdIssuer: '${environment().authentication.loginEndpoint}common/v2.0'
          }
          validation: {
            allowedAudiences: [apiClientId, 'api://${apiClientId}', marketplaceClientId]
          }
        }
      }
      login: { tokenStore: { enabled: false } }
    }
  }
}

resource basicAuth 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [
  for policy in ['ftp', 'scm']: {
    parent: app
    name: policy
    properties: { allow: false }
  }
]

@description('Id of the app.')
output id string = app.id

@description('Name of the app.')
output name string = app.name

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName
