import { sql, type Kysely, type Transaction } from 'kysely'
import { z } from 'zod'
import { audit } from '../../db/audit.ts'
import { jsonRows } from '../../db/json.ts'
import { lockPages } from '../../db/link-lock.ts'
import type { Database } from '../../db/tables.ts'
import { fieldText, parseRecords, type ReadRecords, type RecordProblem } from './records.ts'
import { readTenants } from './tenants.ts'

const handMade = ['display_name', 'given_name', 'surname', 'mail', 'job_title', 'department'] as const

const tagList = z
  .union([z.array(fieldText(100)), fieldText(5000).transform((text) => text.split(/[;,|]/))])
  .transform((tags) => [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))])

const person = z
  .strictObject({
    tenant: fieldText(256).refine((text) => text !== '', 'names no tenant'),
    user_principal_name: fieldText(256)
      .transform((text) => text.toLowerCase())
      .refine((text) => /^[^@\s]+@[^@\s]+$/.test(text), 'must be a UPN, as ada@contoso.com'),
    tags: tagList.optional(),
    add_tags: tagList.optional(),
    remove_tags: tagList.optional(),
    protected_reason: fieldText(500).optional(),
    ...Object.fromEntries(handMade.map((name) => [name, fieldText(256).optional()])),
  })
  .refine((row) => row.tags === undefined || (row.add_tags === undefined && row.remove_tags === undefined), {
    message: 'either tags, or add_tags and remove_tags',
  })

interface PersonRow {
  n: number
  place: string
  tenant_id: string
  tenant: string
  entra_tenant_id: string
  user_principal_name: string
  tags?: string[] | undefined
  add_tags?: string[] | undefined
  remove_tags?: string[] | undefined
  protected_reason?: string | undefined
  own: Record<string, string>
}

interface Known {
  n: number
  matches: number
  person_id: string | null
  tenant_id: string | null
  tenant: string | null
  synced: boolean | null
  tags: string[] | null
  protected_reason: string | null
  own: Record<string, string | null> | null
  /** Whose a person of that UPN is, by the links. */
  owner_id: string | null
  owner: string | null
}

interface Change {
  n: number
  personId: string | null
  userPrincipalName: string
  tenant: string
  tags: string[]
  protectedReason: string | null
  own: Record<string, string | null>
  fields: string[]
}

export interface PersonsPlan {
  /** Hand-made persons: Entra does not know them, until a sync finds one of that UPN. */
  added: Change[]
  changed: Change[]
  unchanged: number
  /** Any error: nothing is written. */
  problems: RecordProblem[]
  warnings: RecordProblem[]
}

/**
 * Imports what no sync writes: tags, protection, and persons made by hand. Matched by UPN inside the tenant's Entra
 * tenant. All of the file or nothing; `keep` false = only the plan. Pages of these Entra tenants wait meanwhile.
 */
export async function importPersons(
  db: Kysely<Database>,
  read: ReadRecords,
  options: { keep: boolean; actor: string },
): Promise<PersonsPlan> {
  const { rows, problems } = parseRecords(read, person)
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
    const plan = planOf(named, await match(trx, named), problems)
    const applied = options.keep && plan.problems.length === 0
    if (applied) await write(trx, named, plan, options.actor)
    await (applied ? trx.commit() : trx.rollback()).execute()
    return plan
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

async function match(trx: Transaction<Database>, rows: readonly PersonRow[]): Promise<Known[]> {
  const own = sql.raw(`jsonb_build_object(${handMade.map((name) => `'${name}', p.${name}`).join(', ')})`)
  const { rows: known } = await sql<Known>`
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

function planOf(rows: readonly PersonRow[], known: readonly Known[], problems: RecordProblem[]): PersonsPlan {
  const plan: PersonsPlan = { added: [], changed: [], unchanged: 0, problems, warnings: [] }
  for (const row of rows) {
    const before = known[row.n]
    const upn = row.user_principal_name
    const holder = before?.person_id == null ? before?.owner_id : before.tenant_id
    if (holder !== row.tenant_id) {
      const whose = (before?.person_id == null ? before?.owner : before.tenant) ?? 'no tenant'
      problems.push({
        place: row.place,
        message: `${upn} is of ${whose}, by the links of its Entra tenant, and not of ${row.tenant}.`,
      })
      continue
    }
    const isNew = before?.person_id == null
    const tags = tagsOf(row, before?.tags ?? [])
    const reason =
      row.protected_reason === undefined ? (before?.protected_reason ?? null) : row.protected_reason || null
    const own: Record<string, string | null> = { ...before?.own }
    if (before?.synced === true && Object.keys(row.own).length > 0)
      plan.warnings.push({
        place: row.place,
        message: `${upn} is known in Entra, which decides on ${Object.keys(row.own).join(', ')}: only tags and protection are taken.`,
      })
    else for (const [key, value] of Object.entries(row.own)) own[key] = value || null
    const changes = [
      ...(isNew || !sameTags(tags, before.tags ?? []) ? ['tags'] : []),
      ...(isNew || reason !== before.protected_reason ? ['protected_reason'] : []),
      ...Object.keys(own).filter((key) => isNew || own[key] !== (before.own?.[key] ?? null)),
    ]
    const change = {
      n: row.n,
      personId: before?.person_id ?? null,
      userPrincipalName: upn,
      tenant: row.tenant,
      tags,
      protectedReason: reason,
      own,
      fields: changes,
    }
    if (isNew) plan.added.push(change)
    else if (changes.length === 0) plan.unchanged += 1
    else plan.changed.push(change)
  }
  return plan
}

/** Tags are compared case-blind, as deployments match them. */
function tagsOf(row: PersonRow, before: readonly string[]): string[] {
  if (row.tags !== undefined) return row.tags
  const removed = new Set((row.remove_tags ?? []).map((tag) => tag.toLowerCase()))
  const kept = before.filter((tag) => !removed.has(tag.toLowerCase()))
  const there = new Set(kept.map((tag) => tag.toLowerCase()))
  return [...kept, ...(row.add_tags ?? []).filter((tag) => !there.has(tag.toLowerCase()))]
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((tag) => b.includes(tag))
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
