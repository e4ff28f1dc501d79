import type { Truth } from '../../simulator/types.ts'
import type { Estate } from '../harness/deployed.ts'

/** Whom an item is for, by object ids; `kept`: its group is gone, and whoever has it keeps it. */
export type Wanted = Map<string, { objects: Set<string>; kept: boolean }>

/** What an estate's deployments want of a directory: out of the truth alone, without a table or a word of ours. */
export function wantedOf(truth: Truth, estate: Estate): Wanted {
  const live = new Set(truth.users.map(({ id }) => id))
  const served = truth.users.filter(
    ({ accountEnabled, userType, userPrincipalName }) =>
      accountEnabled && userType !== 'Guest' && !/#ext#/i.test(userPrincipalName),
  )
  const only = (fits: (user: Truth['users'][number]) => boolean) =>
    new Set(served.filter(fits).map(({ id }) => id))
  const wanted: Wanted = new Map([[estate.everyone, { objects: only(() => true), kept: false }]])
  for (const [skuId, item] of estate.licenses) {
    const objects = only(({ licenses }) => licenses.some((license) => license.skuId === skuId))
    wanted.set(item, { objects, kept: false })
  }
  for (const [groupId, item] of estate.groups) {
    if (truth.groups.some(({ id }) => id === groupId)) {
      const below = membersBelow(truth, groupId)
      wanted.set(item, { objects: only(({ id }) => below.has(id)), kept: false })
    } else wanted.set(item, { objects: live, kept: true })
  }
  return wanted
}

/** All members of a group and of the groups in it. */
function membersBelow({ members }: Truth, groupId: string): Set<string> {
  const found = new Set<string>()
  const entered = new Set<string>()
  const waiting = [groupId]
  for (let group = waiting.pop(); group !== undefined; group = waiting.pop()) {
    if (entered.has(group)) continue
    entered.add(group)
    for (const edge of members) {
      if (edge.groupId !== group) continue
      found.add(edge.memberId)
      if (edge.memberType === 'group') waiting.push(edge.memberId)
    }
  }
  return found
}
