import { randomUUID } from 'node:crypto'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { Database } from '../../../src/db/tables.ts'
import { appendChanges, type TargetChange, type TargetFacts } from '../../../src/db/target-feed.ts'
import { readSnapshot } from '../../../src/targets/snapshot.ts'

const id = (kind: number, n: number): string =>
  `${String(kind).repeat(8)}-0000-4000-8000-${String(n).padStart(12, '0')}`

export const families = [0, 1, 2, 3]
export const subjectsOfFamily = 3
const items = 3
/** Moves go both ways between these, so that no order of ids is the order of a move's two rows. */
export const tenants = [id(1, 1), id(1, 2)]

const subjectId = (family: number, n: number): string => id(2, family * subjectsOfFamily + n)
export const itemId = (n: number): string => id(3, n % items)

/** What a transaction does to one subject: which item, and a number from which the rest follows. */
export interface Deed {
  subject: number
  item: number
  dice: number
}

interface Row {
  tenant_id: string
  subject_id: string
  item_id: string
  change: TargetChange['change']
  before: TargetFacts | null
  after: TargetFacts | null
  ordinal: number
}

/**
 * Changes deployment_targets as the resolver does, and appends what has changed to the feed: one family under its lock,
 * each subject and item assigned if it is not there, else changed, unassigned or moved.
 */
export async function changeTargets(
  trx: Transaction<Database>,
  runId: string,
  family: number,
  deeds: readonly Deed[],
  beforeAppend: () => void | Promise<void> = () => {},
): Promise<void> {
  await sql`select pg_advisory_xact_lock(77, ${family}::int)`.execute(trx)
  const once = new Map(deeds.map((deed) => [`${deed.subject} ${deed.item % items}`, deed]))
  const rows: Row[] = []
  for (const { subject, item, dice } of once.values())
    rows.push(...(await changeTarget(trx, subjectId(family, subject), itemId(item), dice)))
  await beforeAppend()
  const from = sql`
    select tenant_id, 'person' as subject_kind, subject_id, item_id, change, '{"by": "tag", "tag": "x"}'::jsonb as reason, before, after,
      false as deliberate, ordinal
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as x
      (tenant_id uuid, subject_id uuid, item_id uuid, change text, before jsonb, after jsonb, ordinal int)`
  await appendChanges(trx, { runId, from })
}

async function changeTarget(
  trx: Transaction<Database>,
  subject: string,
  item: string,
  dice: number,
): Promise<Row[]> {
  const [old] = await trx
    .selectFrom('deployment_targets')
    .selectAll()
    .where('subject_id', '=', subject)
    .where('item_id', '=', item)
    .execute()
  const key = { subject_id: subject, item_id: item }
  const tenant = tenants[dice % 2] as string
  const after = facts(randomUUID(), `${dice}.0`)
  if (old === undefined) {
    await write(trx, subject, item, tenant, after)
    return [{ ...key, tenant_id: tenant, change: 'assigned', before: null, after, ordinal: 0 }]
  }
  const before: TargetFacts = {
    deployment_id: old.deployment_id,
    scope: old.scope,
    version: old.version,
    desired_state: old.desired_state,
    enforcement: old.enforcement,
  }
  if (dice % 3 === 0) {
    await sql`delete from deployment_targets where subject_id = ${subject} and item_id = ${item}`.execute(trx)
    return [{ ...key, tenant_id: old.tenant_id, change: 'unassigned', before, after: null, ordinal: 0 }]
  }
  await write(trx, subject, item, tenant, after)
  if (tenant === old.tenant_id)
    return [{ ...key, tenant_id: tenant, change: 'changed', before, after, ordinal: 0 }]
  return [
    { ...key, tenant_id: tenant, change: 'assigned', before: null, after, ordinal: 2 },
    { ...key, tenant_id: old.tenant_id, change: 'unassigned', before, after: null, ordinal: 1 },
  ]
}

const facts = (deploymentId: string, version: string): TargetFacts => ({
  deployment_id: deploymentId,
  scope: 'cross_tenant',
  version,
  desired_state: 'installed',
  enforcement: 'required',
})

async function write(
  trx: Transaction<Database>,
  subject: string,
  item: string,
  tenant: string,
  after: TargetFacts,
): Promise<void> {
  const { deployment_id: deployment, scope, version, desired_state: state, enforcement } = after
  await sql`
    insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope, version,
      desired_state, enforcement, reason)
    values (${tenant}, ${tenant}, 'person', ${subject}, ${item}, ${deployment}, ${scope}, ${version}, ${state}, ${enforcement}, '{}')
    on conflict (subject_id, item_id) do update set tenant_id = excluded.tenant_id, deployment_id = excluded.deployment_id,
      version = excluded.version`.execute(trx)
}

/** One transaction that changes something. */
export const changeOnce = (db: Kysely<Database>, deeds: readonly Deed[], family = 0): Promise<void> =>
  db.transaction().execute((trx) => changeTargets(trx, randomUUID(), family, deeds))

/** Targets by subject and item, as a reader of the feed keeps them. */
export type Targets = Map<string, { tenantId: string } & TargetFacts>

const keyOf = (one: { subjectId: string; itemId: string }): string => `${one.subjectId} ${one.itemId}`

/** Applies a change as strictly as can be: what comes twice, or not at all, does not fit. */
export function applyChange(targets: Targets, change: TargetChange): void {
  const key = keyOf(change)
  const old = targets.get(key)
  const expected = change.before && { tenantId: change.tenantId, ...change.before }
  if (JSON.stringify(sorted(old)) !== JSON.stringify(sorted(expected ?? undefined)))
    throw new Error(
      `seq ${change.seq}: ${JSON.stringify(old)} is there, ${JSON.stringify(expected)} was told`,
    )
  if (change.after === null) targets.delete(key)
  else targets.set(key, { tenantId: change.tenantId, ...change.after })
}

const sorted = (one: object | undefined) =>
  one && Object.entries(one).toSorted(([a], [b]) => (a < b ? -1 : 1))

/** A snapshot as such targets. */
export async function snapshotOf(db: Kysely<Database>): Promise<{ seq: number; targets: Targets }> {
  const { seq, targets } = await readSnapshot(db)
  return {
    seq,
    targets: new Map(
      targets.map((one) => [
        keyOf(one),
        {
          tenantId: one.tenantId,
          deployment_id: one.deploymentId,
          scope: one.scope,
          version: one.version,
          desired_state: one.desiredState,
          enforcement: one.enforcement,
        },
      ]),
    ),
  }
}
