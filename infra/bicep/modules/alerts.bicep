metadata description = 'What wakes people up: rules over the app\'s own log lines, and dead letters. See docs/runbook.md.'

@description('Required. What names of resources begin with.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Id of the workspace that has the log lines.')
param workspaceId string

@description('Required. Id of the Service Bus namespace.')
param serviceBusId string

@description('Required. Who is told; empty for nobody, then alerts are only seen in the portal.')
param email string

@description('Required. Hours that usage may wait for the Marketplace, which takes none older than 24.')
@minValue(1)
@maxValue(20)
param unsentHours int

var lines = 'AppTraces | where Message startswith "event='
var rules = [
  {
    name: 'unsent-usage'
    text: 'Usage has waited for hours for the Marketplace, which refuses it after 24.'
    severity: 1
    query: '${lines}shard_run " | extend hours = todouble(extract(@"oldest_unsent_hours=([0-9.]+)", 1, Message)) | where hours > ${unsentHours}'
    frequency: 'PT1H'
    window: 'PT2H'
    threshold: 0
  }
  {
    name: 'runs-missing'
    text: 'A shard has had no hourly run for three hours, or there was none at all.'
    severity: 1
    query: 'let runs = ${lines}shard_run " | extend shard = extract(@"shard=(\\d+)", 1, Message); union (runs | summarize seen = max(TimeGenerated) by shard), (runs | summarize seen = max(TimeGenerated)) | where isnull(seen) or seen < ago(3h)'
    frequency: 'PT1H'
    window: 'P2D'
    threshold: 0
  }
  {
    name: 'accounts-failed'
    text: 'Accounts could not be rated or billed.'
    severity: 2
    query: '${lines}account_failed " | extend account = extract(@"account=(\\S+)", 1, Message) | summarize count() by account'
    frequency: 'PT1H'
    window: 'PT2H'
    threshold: 0
  }
  {
    name: 'findings'
    text: 'Something does not add up: quantities that differ, usage written off, an audit or a reconciliation that found something.'
    severity: 2
    query: 'AppTraces | where Message startswith "event=quantity_differs " or (Message startswith "event=daily " and SeverityLevel >= 3) or (Message startswith "event=subscriptions_reconciled " and SeverityLevel >= 3) or Message startswith "event=clock_skew " or (Message startswith "event=shard_run " and toint(extract(@"written_off=(\\d+)", 1, Message)) > 0)'
    frequency: 'PT1H'
    window: 'PT2H'
    threshold: 0
  }
  {
    name: 'uncertain'
    text: 'It is not known whether the Marketplace accepted an hour; its usage report settles that in two to three days.'
    severity: 3
    query: '${lines}shard_run " | where toint(extract(@"uncertain=(\\d+)", 1, Message)) > 0'
    frequency: 'PT1H'
    window: 'PT2H'
    threshold: 0
  }
  {
    name: 'subscriptions'
    text: 'A purchase waits for its buyer, or a customer is unknown here or has no price: nothing is billed for it.'
    severity: 2
    query: '${lines}subscriptions_reconciled " | where toint(extract(@"findings=(\\d+)", 1, Message)) > 0'
    frequency: 'PT1H'
    window: 'PT2H'
    threshold: 0
  }
  {
    name: 'webhook-rejections'
    text: 'Notices to the webhook were refused again and again: Partner Center may be set up for another application.'
    severity: 2
    query: '${lines}request_refused " and Message has "/api/webhook"'
    frequency: 'PT1H'
    window: 'PT1H'
    threshold: 5
  }
  {
    name: 'submissions-refused'
    text: 'The Marketplace has refused submissions or given no answer for two hours, and accepted none.'
    severity: 1
    query: '${lines}shard_run " | extend answers = extract(@"answers=""((?:[^""\\\\]|\\\\.)*)""", 1, Message) | summarize bad = countif(answers has_any ("refused", "unknown")), good = countif(answers has "accepted") | where bad > 0 and good == 0'
    frequency: 'PT1H'
    window: 'PT2H'
    threshold: 0
  }
  {
    name: 'identity'
    text: 'Entra gave the app no token for the Marketplace: nothing can be billed.'
    severity: 1
    query: 'union AppTraces, (AppExceptions | project TimeGenerated, Message = OuterMessage) | where Message has_any ("Entra refused a token", "the managed identity gave no token")'
    frequency: 'PT15M'
    window: 'PT1H'
    threshold: 0
  }
  {
    name: 'functions-failed'
    text: 'A timer or a queue\'s function ended in an error.'
    severity: 2
    query: 'AppRequests | where Success == false and Name in ("hourly", "daily", "run_shard", "take_usage", "take_lifecycle", "reconcile_subscriptions", "make_bills")'
    frequency: 'PT15M'
    window: 'PT1H'
    threshold: 2
  }
  {
    name: 'broken-requests'
    text: 'Requests ended in faults of the app itself.'
    severity: 2
    query: '${lines}request_broken "'
    frequency: 'PT15M'
    window: 'PT1H'
    threshold: 3
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: '${name}-people'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'metering'
    enabled: true
    emailReceivers: [
      {
        name: 'on-call'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: '${name}-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${name}: ${rule.name}'
      description: '${rule.text} See docs/runbook.md#${rule.name}.'
      severity: rule.severity
      enabled: true
      autoMitigate: true
      scopes: [workspaceId]
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: empty(email) ? [] : [people.id] }
    }
  }
]

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages were given up after many tries. See docs/runbook.md#dead-letters.'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [serviceBusId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'dead-letters'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          dimensions: [{ name: 'EntityName', operator: 'Include', values: ['*'] }]
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: empty(email) ? [] : [{ actionGroupId: people.id }]
  }
}
