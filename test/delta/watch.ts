import { sql, type Kysely } from 'kysely'
import type { Truth } from '../../simulator/types.ts'
import type { Database } from '../../src/db/tables.ts'
import type { Estate } from '../harness/deployed.ts'
import { wantedOf, type Wanted } from './wanted.ts'

/**
 * Reads the feed as it grows, beside the truth as it changes: which targets were taken away from somebody whom the
 * truth, since they were given, at no moment that Graph could tell of had stopped wanting to have them.
 */
export interface Watch {
  /** What the directory is now; to be called whenever a read of it may find it so. */
  look(truth: Truth): void
  /** Reads what is new in the feed; answers the removals that nothing in the truth accounts for. */
  wrongRemovals(): Promise<string[]>
  /** Differences between the targets and the truth, once everything has been read. */
  differences(): Promise<string[]>
  /** Removals that were looked at. */
  removals: number
}

/**
 * Begins a watch over one Entra tenant's targets, before its first sync. Where Graph tells changes `late`, a round shows
 * one group as it is and another as it was: somebody who went from one to the other may be in neither for a while, and
 * no reader can know better. There a removal is wrong when one and the same reason has held all the time.
 */
export function watchTargets(db: Kysely<Database>, estate: Estate, { late }: { late: boolean }): Watch {
  let looks = 0
  let wanted: Wanted = new Map()
  let seq = 0
  /** The look since which each is wanted, of those that are, by reason. */
  let since = new Map<string, Map<string, number>>()
  const assigned = new Map<string, number>()

  const self: Watch = {
    removals: 0,
    look(truth) {
      looks += 1
      wanted = wantedOf(truth, estate)
      const now: typeof since = new Map()
      for (const [item, { objects, kept }] of wanted) {
        for (const [object, reasons] of objects) {
          const key = `${object} ${item}`
          const before = since.get(key)
          // A group that is gone gives nothing new, and takes nothing; where it is told late, that it is gone may be
          // read after what has happened to its members since.
          if (kept && !late && before !== undefined) now.set(key, before)
          if (!kept) now.set(key, sinceWhen(before, late ? reasons : ['any'], looks))
        }
      }
      since = now
    },
    async wrongRemovals() {
      const { rows } = await sql<{ seq: number; change: string; key: string }>`
        select c.seq, c.change, p.object_id || ' ' || c.item_id as key
        from target_changes c join persons p on p.person_id = c.subject_id
        where c.seq > ${seq} order by c.seq`.execute(db)
      const wrong: string[] = []
      for (const change of rows) {
        seq = change.seq
        if (change.change === 'assigned') assigned.set(change.key, looks)
        if (change.change !== 'unassigned') continue
        self.removals += 1
        const given = assigned.get(change.key)
        const wantedSince = Math.min(...(since.get(change.key)?.values() ?? []))
        if (given === undefined) wrong.push(`${change.seq}: ${change.key} was never given`)
        else if (wantedSince <= given)
          wrong.push(
            `${change.seq}: ${change.key}, given at look ${given}, is wanted since look ${wantedSince}`,
          )
        assigned.delete(change.key)
      }
      return wrong
    },
    async differences() {
      const { rows } = await sql<{ object: string; item: string }>`
        select p.object_id as object, t.item_id as item
        from deployment_targets t join persons p on p.person_id = t.subject_id`.execute(db)
      const has = new Map<string, Set<string>>()
      for (const { object, item } of rows) has.set(item, (has.get(item) ?? new Set()).add(object))
      return [...wanted].flatMap(([item, { objects, kept }]) => {
        const stands = has.get(item) ?? new Set()
        const tooMany = [...stands]
          .filter((object) => !objects.has(object))
          .map((object) => `${object} ${item}: too many`)
        const missing = kept
          ? []
          : [...objects.keys()]
              .filter((object) => !stands.has(object))
              .map((object) => `${object} ${item}: missing`)
        return [...tooMany, ...missing]
      })
    },
  }
  return self
}

/** The looks since which each of the reasons has held. */
function sinceWhen(
  before: ReadonlyMap<string, number> | undefined,
  reasons: readonly string[],
  look: number,
): Map<string, number> {
  return new Map(reasons.map((reason) => [reason, before?.get(reason) ?? look]))
}
