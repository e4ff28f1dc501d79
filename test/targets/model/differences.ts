import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../src/db/tables.ts'
import { keyOf, loadFacts, loadStanding, type TargetFact } from './facts.ts'
import { wantedBy } from './model.ts'

/** As SUSPENDED_LICENSE_GRACE is by default. */
const graceMs = 30 * 86_400_000

/**
 * Every difference between the targets that stand, what a resolution of everything wants (by the model, which reads
 * tables only), and what a reader of the feed has who read it from its start; one line each. Nothing may be lost or
 * doubled: the numbers have no gap, and what a change says was before it is what the changes before it say.
 */
export async function targetDifferences(db: Kysely<Database>): Promise<string[]> {
  const [facts, standing, feed] = await Promise.all([loadFacts(db), loadStanding(db), readFeed(db)])
  const lines: string[] = []
  const wanted = wantedBy(facts, graceMs)
  const stands = new Map(standing.map((target) => [keyOf(target), target]))
  for (const key of new Set([...wanted.keys(), ...stands.keys()])) {
    const [is, should] = [line(stands.get(key)), line(wanted.get(key))]
    if (is !== should) lines.push(`target ${key}: is ${is}, should be ${should}`)
  }
  const had = new Map<string, string>()
  for (const [index, change] of feed.entries()) {
    const key = keyOf(change)
    if (change.seq !== index + 1) lines.push(`feed: ${index + 1} is ${change.seq}`)
    const before = had.get(key) ?? 'null'
    if (before !== ordered(change.before))
      lines.push(
        `feed ${change.seq}: says that ${key} was ${ordered(change.before)} before, it was ${before}`,
      )
    if (change.change === 'unassigned') had.delete(key)
    else had.set(key, ordered(change.after))
  }
  for (const key of new Set([...had.keys(), ...stands.keys()])) {
    const [told, is] = [had.get(key) ?? 'null', ordered(factsOf(stands.get(key)))]
    if (told !== is) lines.push(`feed: tells of ${key} ${told}, it is ${is}`)
  }
  return lines
}

interface Change {
  seq: number
  subject_id: string
  item_id: string
  change: 'assigned' | 'changed' | 'unassigned'
  before: object | null
  after: object | null
}

async function readFeed(db: Kysely<Database>): Promise<Change[]> {
  return (
    await sql<Change>`
      select seq, subject_id, item_id, change, before, after from target_changes order by seq`.execute(db)
  ).rows
}

function factsOf(target: TargetFact | undefined): object | null {
  if (target === undefined) return null
  const { deployment_id, scope, version, desired_state, enforcement } = target
  return { deployment_id, scope, version, desired_state, enforcement }
}

const line = (target: TargetFact | undefined): string => (target === undefined ? 'none' : ordered(target))

function ordered(value: object | null): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
