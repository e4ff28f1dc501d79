import { sql, type Transaction } from 'kysely'
import type { Database, SubjectKind } from '../db/tables.ts'

/** How many subjects get something new, get it otherwise, or get something no more. */
export interface Tally {
  gain: number
  change: number
  lose: number
}

export interface Sample {
  name: string
  change: 'gain' | 'change' | 'lose'
  /** `wanted` texts' parts; null = nothing there. */
  before: { version: string; desired_state: string } | null
  after: { version: string; desired_state: string } | null
  reason: unknown
}

export interface ItemEffect extends Tally {
  item: string
  kind: SubjectKind
  samples: Sample[]
}

export interface TenantEffect {
  tenantId: string
  tenant: string
  persons: Tally
  /** All computers that would be treated otherwise, be it through their primary user. */
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

const samples = 5

/** What the computers that are concerned get, before the changes are applied: kept for the comparison. */
export async function noteComputers(trx: Transaction<Database>): Promise<void> {
  await sql`
    create temp table if not exists noted_computers (computer_id uuid not null, tenant_id uuid, item_id uuid, facts jsonb)
      on commit delete rows`.execute(trx)
  await sql`truncate noted_computers`.execute(trx)
  await sql`
    insert into noted_computers
    select x.computer_id, t.tenant_id, t.item_id,
      jsonb_build_object('version', t.version, 'desired_state', t.desired_state, 'enforcement', t.enforcement, 'deployment', t.deployment_id)
    from (
      select c.subject_id as computer_id from resolving_changes c where c.subject_kind = 'computer' and c.change <> 'reworded'
      union
      select m.computer_id
      from resolving_changes c join persons p on p.person_id = c.subject_id
      join computers m on lower(m.primary_user_principal_name) = lower(p.user_principal_name)
      join tenant_families f on f.tenant_id = m.tenant_id and f.family_id = c.family_id
      where c.subject_kind = 'person' and c.change <> 'reworded'
    ) x
    left join computer_targets t on t.computer_id = x.computer_id`.execute(trx)
}

/** Reads what the resolution in this transaction has done; `noteComputers` was called before it was applied. */
export async function readEffect(trx: Transaction<Database>): Promise<Effect> {
  const { rows: persons } = await sql<{ tenantId: string; tenant: string } & Tally>`
    select c.tenant_id as "tenantId", t.name as tenant,
      count(distinct c.subject_id) filter (where c.change in ('assigned', 'moved')) as gain,
      count(distinct c.subject_id) filter (where c.change = 'changed') as change,
      count(distinct c.subject_id) filter (where c.change = 'unassigned') as lose
    from resolving_changes c join tenants t using (tenant_id)
    where c.subject_kind = 'person' and c.change <> 'reworded' and not c.held
    group by c.tenant_id, t.name`.execute(trx)
  const computers = await readComputers(trx)
  const items = await readItems(trx)
  const tenants = new Map<string, TenantEffect>()
  const of = (tenantId: string, tenant: string): TenantEffect => {
    const known = tenants.get(tenantId) ?? { tenantId, tenant, persons: none(), computers: none(), items: [] }
    tenants.set(tenantId, known)
    return known
  }
  for (const { tenantId, tenant, ...tally } of persons) of(tenantId, tenant).persons = tally
  for (const { tenantId, tenant, ...tally } of computers) of(tenantId, tenant).computers = tally
  for (const { tenantId, tenant, ...item } of items) of(tenantId, tenant).items.push(item)
  return {
    tenants: [...tenants.values()].toSorted(
      (a, b) => weight(b) - weight(a) || a.tenant.localeCompare(b.tenant),
    ),
    persons: sum(persons),
    computers: sum(computers),
    frozen: await readFrozen(trx),
  }
}

async function readComputers(
  trx: Transaction<Database>,
): Promise<({ tenantId: string; tenant: string } & Tally)[]> {
  const { rows } = await sql<{ tenantId: string; tenant: string } & Tally>`
    with now_there as (
      select n.computer_id, t.item_id,
        jsonb_build_object('version', t.version, 'desired_state', t.desired_state, 'enforcement', t.enforcement, 'deployment', t.deployment_id) as facts
      from (select distinct computer_id from noted_computers) n join computer_targets t using (computer_id)
    ), compared as (
      select coalesce(a.computer_id, b.computer_id) as computer_id, b.facts as before, a.facts as after
      from now_there a full join (select * from noted_computers where item_id is not null) b using (computer_id, item_id)
      where a.facts is distinct from b.facts
    )
    select m.tenant_id as "tenantId", t.name as tenant,
      count(distinct c.computer_id) filter (where c.before is null) as gain,
      count(distinct c.computer_id) filter (where c.before is not null and c.after is not null) as change,
      count(distinct c.computer_id) filter (where c.after is null) as lose
    from compared c join computers m using (computer_id) join tenants t on t.tenant_id = m.tenant_id
    group by m.tenant_id, t.name`.execute(trx)
  return rows
}

async function readItems(
  trx: Transaction<Database>,
): Promise<({ tenantId: string; tenant: string } & ItemEffect)[]> {
  const { rows } = await sql<{ tenantId: string; tenant: string } & ItemEffect>`
    with told as (
      select c.*, case c.change when 'changed' then 'change' when 'unassigned' then 'lose' else 'gain' end as what,
        row_number() over (partition by c.tenant_id, c.item_id, c.subject_kind order by c.change desc, c.subject_id) as place
      from resolving_changes c where c.change <> 'reworded' and not c.held
    )
    select c.tenant_id as "tenantId", t.name as tenant, i.name as item, c.subject_kind as kind,
      count(*) filter (where c.what = 'gain') as gain, count(*) filter (where c.what = 'change') as change,
      count(*) filter (where c.what = 'lose') as lose,
      jsonb_agg(jsonb_build_object(
        'name', coalesce((select coalesce(p.display_name, p.user_principal_name) from persons p where p.person_id = c.subject_id),
          (select m.name from computers m where m.computer_id = c.subject_id), c.subject_id::text),
        'change', c.what, 'before', c.before, 'after', c.after, 'reason', c.reason) order by c.place)
        filter (where c.place <= ${samples}) as samples
    from told c join tenants t using (tenant_id) join maintenance_items i using (item_id)
    group by c.tenant_id, t.name, i.name, c.subject_kind
    order by count(*) desc, i.name`.execute(trx)
  return rows
}

async function readFrozen(trx: Transaction<Database>): Promise<Effect['frozen']> {
  const { rows } = await sql<{ tenant: string; why: string }>`
    select distinct t.name as tenant, s.frozen as why
    from target_family_status s join tenant_families f using (family_id) join tenants t using (tenant_id)
    where s.frozen is not null and exists (select from target_dirt d where d.family_id = s.family_id and d.kind = 'deployment')
    order by 1`.execute(trx)
  return rows
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
