import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { TargetContext } from '../context.ts'
import { whatIsMissing } from './missing.ts'
import { readMatched, type Standing } from './read.ts'
import { readSubject, type Subject } from './subject.ts'
import { judge, type Judged } from './verdicts.ts'

export interface Explained extends Judged {
  /** Where it is not reached: what the directory lacks for it. */
  missing: string | null
}

/** One maintenance item and all deployments of it that concern the subject, the winner first. */
export interface ExplainedItem {
  itemId: string
  item: string
  /** The target as ImmyBot reads it now; null = none. */
  standing: Standing | null
  /** What is kept back by an open hold: it would become this (null = unassigned). */
  held: { reason: string; since: Date; wanted: { deployment_id: string } | null } | null
  deployments: Explained[]
}

export interface Explanation {
  subject: Subject
  /** Why nothing is resolved for this family at the moment. */
  frozen: string | null
  /** Something has changed that is not resolved yet. */
  pending: boolean
  items: ExplainedItem[]
  /** Computers: the same of the primary user; per item the computer's own target wins at equal scope only. */
  primaryUser: Explanation | null
  /** Computers: what the view computer_targets says of each item. */
  wins: { itemId: string; through: 'person' | 'computer' }[]
}

/**
 * Why a person or computer gets what it gets, and why not: the resolver's own steps for this one subject, with what
 * beat the losers and what the others lack. `itemId` null = every item that reaches the subject or that it has.
 */
export async function explain(
  context: Pick<TargetContext, 'db' | 'licenseGraceMs'>,
  subject: Subject,
  itemId: string | null,
): Promise<Explanation> {
  const { db, licenseGraceMs } = context
  const { candidates, standing } = await readMatched(db, subject, itemId, licenseGraceMs)
  const judged = judge(subject, candidates, new Map(standing.map((one) => [one.itemId, one.deploymentId])))
  const held = await readHeld(db, subject.id)
  const items = new Map<string, ExplainedItem>()
  for (const one of judged) {
    const item = items.get(one.itemId) ?? {
      itemId: one.itemId,
      item: one.item,
      standing: standing.find((row) => row.itemId === one.itemId) ?? null,
      held: held.get(one.itemId) ?? null,
      deployments: [],
    }
    items.set(one.itemId, item)
    const missing =
      one.verdict.is === 'not_reached' && itemId !== null
        ? await whatIsMissing(db, subject, one, licenseGraceMs)
        : null
    item.deployments.push({ ...one, missing })
  }
  const primary = subject.primaryPersonId === null ? null : await readSubject(db, subject.primaryPersonId)
  return {
    subject,
    ...(await readState(db, subject.familyId)),
    items: [...items.values()].filter((item) => itemId !== null || concerns(item)),
    primaryUser: primary === null ? null : await explain(context, primary, itemId),
    wins: subject.kind === 'computer' ? await readWins(db, subject.id) : [],
  }
}

function concerns(item: ExplainedItem): boolean {
  return (
    item.standing !== null ||
    item.held !== null ||
    item.deployments.some(({ verdict }) => ['wins', 'loses', 'left_out'].includes(verdict.is))
  )
}

async function readHeld(
  db: Kysely<Database>,
  subjectId: string,
): Promise<Map<string, NonNullable<ExplainedItem['held']>>> {
  const { rows } = await sql<{
    item: string
    reason: string
    since: Date
    wanted: { deployment_id: string } | null
  }>`
    select h.key[2] as item, o.reason, o.created_at as since, h.wanted from hold_items h join holds o using (hold_id)
    where h.kind = 'target' and h.key[1] = ${subjectId} and o.status = 'open'`.execute(db)
  return new Map(rows.map(({ item, ...held }) => [item, held]))
}

async function readState(
  db: Kysely<Database>,
  familyId: string,
): Promise<{ frozen: string | null; pending: boolean }> {
  const { rows } = await sql<{ frozen: string | null; pending: boolean }>`
    select (select s.frozen from target_family_status s where s.family_id = ${familyId}) as frozen,
      exists (select from target_dirt d where d.family_id = ${familyId})
        or not exists (select from target_families f where f.family_id = ${familyId}) as pending`.execute(db)
  return rows[0] ?? { frozen: null, pending: false }
}

async function readWins(db: Kysely<Database>, computerId: string): Promise<Explanation['wins']> {
  const { rows } = await sql<Explanation['wins'][number]>`
    select item_id as "itemId", through from computer_targets where computer_id = ${computerId}`.execute(db)
  return rows
}

/** The maintenance item of that name or id, case-blind; null = there is none. */
export async function findItem(
  db: Kysely<Database>,
  text: string,
): Promise<{ itemId: string; name: string; deployments: number } | null> {
  const { rows } = await sql<{ itemId: string; name: string; deployments: number }>`
    select i.item_id as "itemId", i.name, (select count(*) from deployments d where d.item_id = i.item_id) as deployments
    from maintenance_items i where lower(i.name) = ${text.trim().toLowerCase()} or i.item_id::text = ${text.trim().toLowerCase()}
    limit 1`.execute(db)
  return rows[0] ?? null
}
