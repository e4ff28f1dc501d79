import type { Kysely } from 'kysely'
import type { RunningRound } from '../db/cursors.ts'
import { insertHold } from '../db/holds.ts'
import { namedGroupLosses, type NamedGroupLoss } from '../db/named-groups.ts'
import type { Database } from '../db/tables.ts'
import type { GuardSettings } from '../guard.ts'
import { judgeNamedGroup, type HoldReason } from './guard.ts'

export interface NamedGroupHold {
  holdId: string
  kind: 'group' | 'membership'
  /** Removals in the hold. */
  size: number
  reason: HoldReason
  group: string
}

/**
 * Judges what each group that a deployment names would lose by itself: sixty of five thousand memberships are little
 * for an Entra tenant and all of a department. Holds what is too large, group by group; answers what is not, too.
 */
export async function holdNamedGroups(
  db: Kysely<Database>,
  { entraTenantId, roundId }: Pick<RunningRound, 'entraTenantId' | 'roundId'>,
  kind: 'group' | 'membership',
  facts: { guard: GuardSettings; runId: string },
): Promise<{ held: NamedGroupHold[]; small: NamedGroupLoss[] }> {
  const held: NamedGroupHold[] = []
  const small: NamedGroupLoss[] = []
  for (const loss of await namedGroupLosses(db, entraTenantId, roundId, kind)) {
    const { groupId, name, count, total } = loss
    const reason = judgeNamedGroup(loss, facts.guard)
    if (reason === null) {
      small.push(loss)
      continue
    }
    const size = kind === 'group' ? 1 : count
    const of = { entraTenantId, roundId, kind, reason, size, total, runId: facts.runId, groupId }
    held.push({ holdId: await insertHold(db, of), kind, size, reason, group: name })
  }
  return { held, small }
}
