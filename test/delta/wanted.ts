import type { Truth } from '../../simulator/types.ts'
import type { Estate } from '../harness/deployed.ts'

/** Whom an item is for: object ids with all reasons. `kept`: its group is gone, and whoever has the item keeps it. */
export type Wanted = Map<string, { objects: Map<string, string[]>; kept: boolean }>

/** What an estate's deployments want of a directory: out of the truth alone, without a table or a word of ours. */
export function wantedOf(truth: Truth, estate: Estate): Wanted {
  const served = truth.users.filter(
    ({ accountEnabled, userType, userPrincipalName }) =>
      accountEnabled && userType !== 'Guest' && !/#ext#/i.test(userPrincipalName),
  )
  const because = (reasonsOf: (user: Truth['users'][number]) => string[]) =>
    new Map(
      served.flatMap((user) => {
        const reasons = reasonsOf(user)
        return reasons.length === 0 ? [] : [[user.id, reasons] as const]
      }),
    )
  const wanted: Wanted = new Map([[estate.everyone, { objects: because(() => ['everyone']), kept: false }]])
  for (const [skuId, item] of estate.licenses) {
    const objects = because(({ licenses }) =>
      licenses.some((license) => license.skuId === skuId) ? ['licensed'] : [],
    )
    wanted.set(item, { objects, kept: false })
  }
  for (const [groupId, item] of estate.groups) {
    if (truth.groups.some(({ id }) => id === groupId)) {
      const ways = waysBelow(truth, groupId)
      wanted.set(item, { objects: because(({ id }) => ways.get(id) ?? []), kept: false })
    } else {
      const objects = new Map(truth.users.map(({ id }) => [id, ['kept']]))
      wanted.set(item, { objects, kept: true })
    }
  }
  return wanted
}

/** All members of a group and of the groups in it, each with the ways that lead there: one by each group it is in. */
function waysBelow({ members }: Truth, groupId: string): Map<string, string[]> {
  const ways = new Map<string, string[]>()
  const entered = new Set<string>()
  const waiting = [{ group: groupId, way: groupId }]
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    const { group, way } = at
    if (entered.has(group)) continue
    entered.add(group)
    for (const edge of members) {
      if (edge.groupId !== group) continue
      ways.set(edge.memberId, [...(ways.get(edge.memberId) ?? []), way])
      if (edge.memberType === 'group') waiting.push({ group: edge.memberId, way: `${way} ${edge.memberId}` })
    }
  }
  return ways
}
