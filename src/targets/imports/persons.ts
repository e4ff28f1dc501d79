import { sql, type Kysely, type Transaction } from 'kysely'
import { audit } from '../../db/audit.ts'
import { jsonRows } from '../../db/json.ts'
import { lockPages } from '../../db/link-lock.ts'
import type { Database } from '../../db/tables.ts'
import {
  handMade,
  personRecord,
  planPersons,
  type KnownPerson,
  type PersonRow,
  type PersonsPlan,
} from './persons-plan.ts'
import { parseRecords, type ReadRecords } from './records.ts'
import { readTenants } from './tenants.ts'

/**
 * Imports what no sync writes: tags, protection, and persons made by hand. Matched by UPN inside the tenant's Entra
 * tenant. All of the file or nothing; `keep` false = only the plan. Pages of these Entra tenants wait meanwhile.
 */
export async function importPersons(
  db: Kysely<Database>,
  read: ReadRecords,
  options: { keep: boolean; actor: string },
): Promise<PersonsPlan> {
  const { rows, problems } = parseRecords(read, personRecord)
  const trx = await db.startTransaction().execute()
  try {
    const tenants = await readTenants(trx)
    const named: PersonRow[] = []
    const seen = new Map<string, string>()
    for (const { place, row } of rows) {
      const found = tenants.find(row.tenant)
      if (typeof found === 'string') problems.push({ place, message: `tenant: ${found}` })
      else if (found.entraTenantId === null)
        problems.push({
          place,
          message: `${found.name} is linked to no Entra tenant: entra-sync link comes first.`,
        })
      else {
        const key = `${found.entraTenantId} ${row.user_principal_name}`
        const before = seen.get(key)
        if (before !== undefined)
          problems.push({ place, message: `${row.user_principal_name} stands in ${before} already.` })
        seen.set(key, place)
        const own = Object.fromEntries(
          Object.entries(row).filter((entry): entry is [string, string] =>
            (handMade as readonly string[]).includes(entry[0]),
          ),
        )
        named.push({
          n: named.length,
          place,
          tenant_id: found.tenantId,
          tenant: found.name,
          entra_tenant_id: found.entraTenantId,
          user_principal_name: row.user_principal_name,
          tags: row.tags,
          add_tags: row.add_tags,
          remove_tags: row.remove_tags,
          protected_reason: row.protected_reason,
          own,
        })
      }
    }
    await lockPages(trx, [...new Set(named.map((row) => row.entra_tenant_id))].toSorted())
    const plan = planPersons(named, await match(trx, named), problems)
    const applied = options.keep && plan.problems.length === 0
    if (applied) await write(trx, named, plan, options.actor)
    await (applied ? trx.commit() : trx.rollback()).execute()
    return plan
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

async function match(trx: Transaction<Database>, rows: readonly PersonRow[]): Promise<KnownPerson[]> {
  const own = sql.raw(`jsonb_build_object(${handMade.map((name) => `'${name}', p.${name}`).join(', ')})`)
  const { rows: known } = await sql<KnownPerson>`
    with input as (
      select * from jsonb_to_recordset(${jsonRows(rows)}::jsonb) as x(n int, entra_tenant_id uuid, user_principal_name text)
    )
    select distinct on (i.n) i.n, count(p.person_id) filter (where p.object_id is not null) over (partition by i.n) as matches,
      p.person_id, p.tenant_id, t.name as tenant, p.object_id is not null as synced, p.tags, p.protected_reason, ${own} as own,
      o.tenant_id as owner_id, o.name as owner
    from input i
    left join persons p on p.entra_tenant_id = i.entra_tenant_id and lower(p.user_principal_name) = i.user_principal_name
      and p.deleted_at is null
    left join tenants t on t.tenant_id = p.tenant_id
    left join tenant_links d on d.entra_tenant_id = i.entra_tenant_id and d.domain = split_part(i.user_principal_name, '@', 2)
    left join tenant_links e on e.entra_tenant_id = i.entra_tenant_id and e.domain is null
    left join tenants o on o.tenant_id = coalesce(d.tenant_id, e.tenant_id)
    order by i.n, p.object_id is null, p.first_seen_at`.execute(trx)
  return known
}

async function write(
  trx: Transaction<Database>,
  rows: readonly PersonRow[],
  plan: PersonsPlan,
  actor: string,
): Promise<void> {
  const columns = handMade.join(', ')
  const typed = handMade.map((name) => `${name} text`).join(', ')
  const records = [...plan.added, ...plan.changed].map((change) => ({
    person_id: change.personId,
    entra_tenant_id: rows[change.n]?.entra_tenant_id,
    user_principal_name: change.userPrincipalName,
    tags: change.tags,
    protected_reason: change.protectedReason,
    ...change.own,
  }))
  const input = sql`jsonb_to_recordset(${jsonRows(records)}::jsonb) as x(person_id uuid, entra_tenant_id uuid, user_principal_name text,
    tags text[], protected_reason text, ${sql.raw(typed)})`
  await sql`
    insert into persons (entra_tenant_id, user_principal_name, tags, protected_reason, account_enabled, ${sql.raw(columns)})
    select entra_tenant_id, user_principal_name, tags, protected_reason, true, ${sql.raw(columns)} from ${input}
    where person_id is null`.execute(trx)
  await sql`
    update persons p set tags = x.tags, protected_reason = x.protected_reason, changed_at = now()
      ${sql.raw(handMade.map((name) => `, ${name} = case when p.object_id is null then x.${name} else p.${name} end`).join(''))}
    from ${input} where x.person_id = p.person_id`.execute(trx)
  for (const id of new Set(plan.added.map(({ n }) => rows[n]?.entra_tenant_id)))
    await sql`select assign_tenants(${id}::uuid)`.execute(trx)
  await audit(trx, {
    actor,
    action: 'persons_imported',
    detail: {
      added: plan.added.map(({ userPrincipalName }) => userPrincipalName).slice(0, 100),
      changed: plan.changed.length,
    },
  })
}
