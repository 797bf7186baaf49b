metadata description = 'A monthly budget of the resource group: mails when it is nearly used up and when it will not do.'

@description('Required. What names of resources begin with.')
param name string

@description('Required. Amount a month, in the currency of the subscription.')
@minValue(1)
param amount int

@description('Required. Who is told.')
param email string

@description('Required. When the budget began, which cannot be changed; empty for a new one.')
param startDate string

@description('Optional. Where a new one begins: with this month.')
param thisMonth string = utcNow('yyyy-MM-01')

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: '${name}-budget'
  properties: {
    amount: amount
    category: 'Cost'
    timeGrain: 'Monthly'
    timePeriod: { startDate: empty(startDate) ? thisMonth : startDate }
    notifications: {
      actual: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: [email]
      }
      forecast: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: [email]
      }
    }
  }
}
