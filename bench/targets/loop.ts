import { sql, type Kysely } from 'kysely'
import type { Database } from '../../src/db/tables.ts'

interface Rule {
  deployment_id: string
  item_id: string
  scope: string
  version: string
  desired_state: string
  enforcement: string
  target_type: string
  target: Record<string, string>
  excludes: Record<string, string>[]
  filters: { departments?: string[] }
  rank: number
  created_at: Date
}

const types = ['tag', 'group', 'group_name', 'license', 'app_entitlement', 'everyone']

/**
 * The obvious way: person by person, ask for its groups at any depth and its licences, go through all deployments, sort
 * those that fit, write what differs. Answers how many targets it has written.
 */
export async function resolveOneByOne(
  db: Kysely<Database>,
  entraTenantId: string,
  persons: number,
): Promise<number> {
  const { rows: rules } = await sql<Rule>`
    select * from deployments where enabled and (scope = 'cross_tenant' or tenant_id = (
      select tenant_id from tenant_links where entra_tenant_id = ${entraTenantId}))`.execute(db)
  const { rows } = await sql<{
    person_id: string
    object_id: string
    tenant_id: string
    department: string
    tags: string[]
  }>`
    select * from persons where entra_tenant_id = ${entraTenantId} and coalesce(account_enabled, true)
      and coalesce(user_type, 'Member') <> 'Guest' and deleted_at is null limit ${persons}`.execute(db)
  let written = 0
  for (const person of rows) {
    const { rows: groups } = await sql<{ id: string; name: string }>`
      with recursive above as (
        select group_id from group_members where entra_tenant_id = ${entraTenantId} and member_id = ${person.object_id}
        union
        select m.group_id from above a join group_members m on m.entra_tenant_id = ${entraTenantId} and m.member_id = a.group_id
      )
      select g.object_id as id, lower(g.display_name) as name from above a
      join groups g on g.entra_tenant_id = ${entraTenantId} and g.object_id = a.group_id where g.deleted_at is null`.execute(
      db,
    )
    const { rows: plans } = await sql<{ sku_id: string; entitlement: string | null }>`
      select l.sku_id, e.entitlement from person_licenses l
      join sku_service_plans p using (entra_tenant_id, sku_id)
      left join app_entitlement_plans e using (service_plan_id)
      where l.entra_tenant_id = ${entraTenantId} and l.object_id = ${person.object_id}
        and not p.service_plan_id = any (l.disabled_plans)`.execute(db)
    const fits = (type: string, target: Record<string, string>): boolean => {
      if (type === 'everyone') return true
      if (type === 'tag') return person.tags.includes(target['tag'] ?? '')
      if (type === 'group') return groups.some(({ id }) => id === target['group_id'])
      if (type === 'group_name') return groups.some(({ name }) => name === target['name']?.toLowerCase())
      if (type === 'license') return plans.some(({ sku_id }) => sku_id === target['sku_id'])
      return plans.some(({ entitlement }) => entitlement === target['entitlement'])
    }
    const winners = new Map<string, Rule>()
    const reached = rules.filter(
      (rule) =>
        fits(rule.target_type, rule.target) &&
        (rule.filters.departments?.includes(person.department) ?? true) &&
        !rule.excludes.some((one) => fits(one['type'] ?? '', one)),
    )
    reached.sort(
      (a, b) => a.scope.localeCompare(b.scope) || types.indexOf(a.target_type) - types.indexOf(b.target_type),
    )
    for (const rule of reached) if (!winners.has(rule.item_id)) winners.set(rule.item_id, rule)
    const { rows: current } = await sql<{ item_id: string; deployment_id: string }>`
      select item_id, deployment_id from loop_targets where subject_id = ${person.person_id}`.execute(db)
    for (const rule of winners.values()) {
      if (current.some((one) => one.item_id === rule.item_id && one.deployment_id === rule.deployment_id))
        continue
      await sql`insert into loop_targets values (${person.tenant_id}, ${person.person_id}, ${rule.item_id}, ${rule.deployment_id})
        on conflict (subject_id, item_id) do update set deployment_id = excluded.deployment_id`.execute(db)
      written += 1
    }
  }
  return written
}
