metadata description = 'What the modules share: role ids, named once, and types of parameters.'

@export()
@description('Built-in roles. Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles.')
var roles = {
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  serviceBusDataOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

@export()
@description('Instances that are always ready for a group of functions.')
type alwaysReadyGroup = {
  @description('Required. `http` for all HTTP functions, or `function:NAME` for one other function.')
  name: string

  @description('Required. How many instances.')
  @minValue(0)
  @maxValue(1000)
  instanceCount: int
}

@export()
@description('A Service Bus queue, as declared in queues.json.')
type queueDeclaration = {
  @description('Required. Name of the queue.')
  name: string

  @description('Required. Properties as the resource provider takes them.')
  properties: {
    @description('Required. Whether messages are grouped into sessions.')
    requiresSession: bool

    @description('Required. Whether the broker drops repeated message ids.')
    requiresDuplicateDetection: bool

    @description('Required. How long a message stays locked for its receiver.')
    lockDuration: string

    @description('Required. Deliveries after which a message is dead-lettered.')
    maxDeliveryCount: int

    @description('Required. How long a message is kept.')
    defaultMessageTimeToLive: string

    @description('Required. Whether an expired message is dead-lettered.')
    deadLetteringOnMessageExpiration: bool
  }
}

@export()
@description('How the app proves to Entra that it is the Marketplace application.')
type marketplaceProof = 'federated' | 'certificate'
