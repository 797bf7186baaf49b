metadata description = 'Private networking: a network for the app, and private endpoints of storage and Service Bus.'

@description('Required. What names of resources begin with.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Addresses of the network, at least a /24.')
param addressPrefix string

@description('Required. Id of the storage account.')
param storageId string

@description('Optional. Id of the Service Bus namespace, where its tier has private endpoints.')
param serviceBusId string = ''

var storageServices = ['blob', 'queue', 'table']
var storageZones = [
  for service in storageServices: 'privatelink.${service}.${environment().suffixes.storage}'
]
var serviceBusZone = 'privatelink.servicebus.windows.net'
var zoneNames = concat(storageZones, empty(serviceBusId) ? [] : [serviceBusZone])
var storageTargets = [
  for (service, index) in storageServices: { service: service, id: storageId, zone: storageZones[index] }
]
var serviceBusTargets = empty(serviceBusId)
  ? []
  : [{ service: 'namespace', id: serviceBusId, zone: serviceBusZone }]
var targets = concat(storageTargets, serviceBusTargets)

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: '${name}-network'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          delegations: [
            {
              name: 'flex'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in zoneNames: {
    parent: zones[index]
    name: '${name}-link'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [
  for target in targets: {
    name: '${name}-${target.service}'
    location: location
    tags: tags
    properties: {
      subnet: { id: '${network.id}/subnets/endpoints' }
      privateLinkServiceConnections: [
        {
          name: target.service
          properties: {
            privateLinkServiceId: target.id
            groupIds: [target.service]
          }
        }
      ]
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [
  for (target, index) in targets: {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: target.service
          properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', target.zone) }
        }
      ]
    }
    dependsOn: [zones]
  }
]

@description('Id of the subnet that the app joins.')
output appSubnetId string = '${network.id}/subnets/app'
