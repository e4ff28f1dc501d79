import type { ListedHold } from './list.ts'

const reasons: Record<string, string> = {
  fleet_frozen: 'all removals were frozen',
  empties_collection: 'nothing would be left',
  empties_deployment: 'the deployment would have nobody left',
  deployment_over_percent: 'a larger share of the deployment, in all tenants together, than HOLD_PERCENT',
  empties_named_group: 'a group that a deployment names would be empty',
  over_percent: 'a larger share than HOLD_PERCENT',
  over_max: 'more than HOLD_MAX',
  named_group_over_percent: 'a larger share of a group that a deployment names than HOLD_PERCENT',
  named_group_over_max: 'more of a group that a deployment names than HOLD_MAX',
}

/** Why it was held, in words. */
export function reasonOfHold({ reason }: Pick<ListedHold, 'reason'>): string {
  return reasons[reason] ?? reason
}

const things: Record<string, [one: string, many: string]> = {
  person: ['person', 'persons'],
  group: ['group', 'groups'],
  membership: ['membership', 'memberships'],
  license: ['licence', 'licences'],
  device: ['device', 'devices'],
  sku: ['SKU', 'SKUs'],
  target: ['target', 'targets'],
}

function sizeOf({
  kind,
  direction,
  size,
  ofTotal,
}: Pick<ListedHold, 'kind' | 'direction' | 'size' | 'ofTotal'>): string {
  const [one, many] = things[kind] ?? ['change', 'changes']
  const count = (n: number): string => n.toLocaleString('en-US')
  if (direction === 'assign')
    return `${count(size)} ${size === 1 ? one : many} would come, in a tenant of ${count(ofTotal)} persons`
  return `${count(size)} of ${count(ofTotal)} ${ofTotal === 1 ? one : many} would go`
}

/** What would happen, as `6 of 50 persons would go, of the group Engineering`. */
export function whatOfHold(hold: ListedHold): string {
  const parts = [
    sizeOf(hold),
    ...(hold.group === null ? [] : [`of the group ${hold.group}`]),
    ...(hold.deployment === null ? [] : [`through ${hold.deployment}`]),
  ]
  return parts.join(', ')
}
