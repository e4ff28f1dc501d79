import { sql, type Transaction } from 'kysely'
import type { Database, SubjectKind } from '../db/tables.ts'
import { openEffect } from './effect-rows.ts'

/** How many subjects get something new, get it otherwise, or get something no more. */
export interface Tally {
  gain: number
  change: number
  lose: number
}

export interface Sample {
  name: string
  change: 'gain' | 'change' | 'lose'
  /** What it gets; null = nothing. */
  before: Facts | null
  after: Facts | null
  /** Why, as in deployment_targets.reason; `reasonText` says it in words. */
  reason: unknown
  /** Computers only: through whom it gets it; `person` = its primary user. */
  through: SubjectKind
}

export interface Facts {
  deployment_id: string
  scope: string
  version: string
  desired_state: string
  enforcement: string
}

export interface ItemEffect extends Tally {
  item: string
  kind: SubjectKind
  /** Some of them, what is lost first; none beyond the tenants that were asked for. */
  samples: Sample[]
}

export interface TenantEffect {
  tenantId: string
  tenant: string
  persons: Tally
  /** All computers that are treated otherwise, be it through their primary user. */
  computers: Tally
  items: ItemEffect[]
}

/** What a change of deployments does to the targets, tenant by tenant, the most changed first. */
export interface Effect {
  tenants: TenantEffect[]
  persons: Tally
  computers: Tally
  /** Tenants that get the change only when they thaw, and why they are frozen. */
  frozen: { tenant: string; why: string }[]
}

/** Names that stand for an item in a tenant. */
const samplesOfItem = 5

/**
 * Reads what the resolution in this transaction has done; `noteComputers` was called before it was applied. Samples are
 * read for the `sampledTenants` most changed tenants: for all of a thousand they would be what a page or a terminal
 * never shows.
 */
export async function readEffect(trx: Transaction<Database>, sampledTenants: number): Promise<Effect> {
  await openEffect(trx)
  const { rows: tallies } = await sql<{ tenantId: string; tenant: string; kind: SubjectKind } & Tally>`
    select e.tenant_id as "tenantId", coalesce(t.name, '') as tenant, e.kind, ${counted(sql`distinct e.subject_id`)}
    from effect_rows e left join tenants t using (tenant_id) group by e.tenant_id, t.name, e.kind`.execute(
    trx,
  )
  const tenants = new Map<string, TenantEffect>()
  for (const { tenantId, tenant, kind, gain, change, lose } of tallies) {
    const one = tenants.get(tenantId) ?? { tenantId, tenant, persons: none(), computers: none(), items: [] }
    tenants.set(tenantId, one)
    one[kind === 'person' ? 'persons' : 'computers'] = { gain, change, lose }
  }
  const sorted = [...tenants.values()].toSorted(
    (a, b) => weight(b) - weight(a) || a.tenant.localeCompare(b.tenant) || (a.tenantId < b.tenantId ? -1 : 1),
  )
  const sampled = sorted.slice(0, sampledTenants).map(({ tenantId }) => tenantId)
  for (const { tenantId, ...item } of await readItems(trx, sampled)) tenants.get(tenantId)?.items.push(item)
  return {
    tenants: sorted,
    persons: sum(sorted.map(({ persons }) => persons)),
    computers: sum(sorted.map(({ computers }) => computers)),
    frozen: await readFrozen(trx),
  }
}

async function readItems(
  trx: Transaction<Database>,
  sampled: readonly string[],
): Promise<({ tenantId: string } & ItemEffect)[]> {
  const { rows } = await sql<{ tenantId: string } & ItemEffect>`
    with placed as (
      select e.tenant_id, e.kind, e.item_id, jsonb_build_object('name', coalesce(p.display_name, p.user_principal_name,
          m.name, e.subject_id::text), 'change', e.what, 'before', e.before, 'after', e.after, 'reason', e.reason,
          'through', e.through) as sample, e.place
      from (
        select x.*, row_number() over (
          partition by x.tenant_id, x.kind, x.item_id order by x.what desc, x.subject_id) as place
        from effect_rows x where x.tenant_id = any (${[...sampled]}::uuid[])
      ) e
      left join persons p on e.kind = 'person' and p.person_id = e.subject_id
      left join computers m on e.kind = 'computer' and m.computer_id = e.subject_id
      where e.place <= ${samplesOfItem}
    ), samples as (
      select tenant_id, kind, item_id, jsonb_agg(sample order by place) as samples
      from placed group by tenant_id, kind, item_id
    )
    select e.tenant_id as "tenantId", i.name as item, e.kind, e.gain, e.change, e.lose, coalesce(s.samples, '[]') as samples
    from (select e.tenant_id, e.kind, e.item_id, count(*) as size, ${counted(sql`*`)} from effect_rows e
      group by e.tenant_id, e.kind, e.item_id) e
    join maintenance_items i using (item_id)
    left join samples s on (s.tenant_id, s.kind, s.item_id) = (e.tenant_id, e.kind, e.item_id)
    order by e.size desc, i.name, e.kind`.execute(trx)
  return rows
}

const counted = (what: ReturnType<typeof sql>) =>
  sql`count(${what}) filter (where e.what = 'gain') as gain, count(${what}) filter (where e.what = 'change') as change,
      count(${what}) filter (where e.what = 'lose') as lose`

/** Families whose dirt this transaction wrote and no resolution has taken. */
async function readFrozen(trx: Transaction<Database>): Promise<Effect['frozen']> {
  const { rows } = await sql<{ tenant: string; why: string }>`
    select distinct t.name as tenant, s.frozen as why
    from target_family_status s join tenant_families f using (family_id) join tenants t using (tenant_id)
    where s.frozen is not null and exists (
      select from target_dirt d where d.family_id = s.family_id and d.deliberate and d.at = now())
    order by 2, 1`.execute(trx)
  return rows
}

/** What changes nothing does. */
export function noEffect(): Effect {
  return { tenants: [], persons: none(), computers: none(), frozen: [] }
}

function none(): Tally {
  return { gain: 0, change: 0, lose: 0 }
}

function sum(rows: readonly Tally[]): Tally {
  return rows.reduce(
    (all, row) => ({ gain: all.gain + row.gain, change: all.change + row.change, lose: all.lose + row.lose }),
    none(),
  )
}

function weight({ persons, computers }: TenantEffect): number {
  return persons.gain + persons.change + persons.lose + computers.gain + computers.change + computers.lose
}
