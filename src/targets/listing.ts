import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

export interface ListedComputer {
  computerId: string
  name: string
  tenant: string
  primaryUser: string | null
  /** Who that is in the tenant's family; null = nobody. */
  person: string | null
  entraDeviceId: string | null
  /** Whether the directory has that device. */
  deviceKnown: boolean
  targets: number
}

/** Computers of one tenant or of all, by name. `search`: part of the name or of the primary user. */
export async function listComputers(
  db: Kysely<Database>,
  filter: {
    tenantId?: string | null | undefined
    search?: string | null | undefined
    limit: number
    offset?: number
  },
): Promise<ListedComputer[]> {
  const { rows } = await sql<ListedComputer>`
    select c.computer_id as "computerId", c.name, t.name as tenant, c.primary_user_principal_name as "primaryUser",
      u.name as person, c.entra_device_id as "entraDeviceId",
      exists (select from devices v where v.entra_tenant_id = f.family_id and v.device_id = c.entra_device_id) as "deviceKnown",
      (select count(*) from computer_targets x where x.computer_id = c.computer_id) as targets
    from computers c join tenants t using (tenant_id) join tenant_families f using (tenant_id)
    left join lateral (
      select coalesce(p.display_name, p.user_principal_name) as name from persons p
      where p.entra_tenant_id = f.entra_tenant_id and p.deleted_at is null and p.tenant_id is not null
        and lower(p.user_principal_name) = lower(c.primary_user_principal_name)
      order by p.object_id is null, p.first_seen_at, p.person_id limit 1
    ) u on true
    where (${filter.tenantId ?? null}::uuid is null or c.tenant_id = ${filter.tenantId ?? null})
      and (${filter.search ?? null}::text is null
        or position(lower(${filter.search ?? null}) in lower(c.name || ' ' || coalesce(c.primary_user_principal_name, ''))) > 0)
    order by t.name, lower(c.name), c.computer_id limit ${filter.limit} offset ${filter.offset ?? 0}`.execute(
    db,
  )
  return rows
}

export interface ListedPerson {
  personId: string
  name: string | null
  userPrincipalName: string | null
  tenant: string | null
  department: string | null
  enabled: boolean | null
  userType: string | null
  tags: string[]
  protectedReason: string | null
  /** Made by hand: no sync has found this person. */
  handMade: boolean
  targets: number
}

/** Live persons of one tenant or of all, by name. `search`: part of the name, UPN or mail; `tag`: case-blind. */
export async function listPersons(
  db: Kysely<Database>,
  filter: {
    tenantId?: string | null | undefined
    search?: string | null | undefined
    tag?: string | null | undefined
    limit: number
    offset?: number
  },
): Promise<ListedPerson[]> {
  const { rows } = await sql<ListedPerson>`
    select p.person_id as "personId", p.display_name as name, p.user_principal_name as "userPrincipalName", t.name as tenant,
      p.department, p.account_enabled as enabled, p.user_type as "userType", p.tags, p.protected_reason as "protectedReason",
      p.object_id is null as "handMade",
      (select count(*) from deployment_targets x where x.subject_id = p.person_id) as targets
    from persons p left join tenants t using (tenant_id)
    where p.deleted_at is null
      and (${filter.tenantId ?? null}::uuid is null or p.tenant_id = ${filter.tenantId ?? null})
      and (${filter.tag ?? null}::text is null or exists (select from unnest(p.tags) tag where lower(tag) = lower(${filter.tag ?? null})))
      and (${filter.search ?? null}::text is null or position(lower(${filter.search ?? null})
        in lower(coalesce(p.display_name, '') || ' ' || coalesce(p.user_principal_name, '') || ' ' || coalesce(p.mail, ''))) > 0)
    order by t.name, lower(coalesce(p.display_name, p.user_principal_name)), p.person_id limit ${filter.limit} offset ${filter.offset ?? 0}`.execute(
    db,
  )
  return rows
}

export interface PersonDetail {
  mail: string | null
  jobTitle: string | null
  company: string | null
  objectId: string | null
  entraTenantId: string
  groups: { id: string; name: string | null; isTeam: boolean }[]
  licenses: { sku: string; product: string | null; assignedBy: string[]; switchedOff: number }[]
  targets: {
    item: string
    version: string
    desiredState: string
    deployment: string | null
    reason: unknown
    since: Date
  }[]
}

/** The rest of what is known of one person: direct groups, licences and where they come from, targets. */
export async function readPersonDetail(db: Kysely<Database>, personId: string): Promise<PersonDetail | null> {
  const { rows } = await sql<PersonDetail>`
    select p.mail, p.job_title as "jobTitle", p.company_name as company, p.object_id as "objectId",
      p.entra_tenant_id as "entraTenantId",
      coalesce((select jsonb_agg(jsonb_build_object('id', g.object_id, 'name', g.display_name, 'isTeam', g.is_team) order by g.display_name)
        from group_members m join groups g on g.entra_tenant_id = m.entra_tenant_id and g.object_id = m.group_id and g.deleted_at is null
        where m.entra_tenant_id = p.entra_tenant_id and m.member_id = p.object_id), '[]') as groups,
      coalesce((select jsonb_agg(jsonb_build_object('sku', coalesce(s.sku_part_number, l.sku_id::text), 'product', s.product_name,
          'switchedOff', cardinality(l.disabled_plans), 'assignedBy', coalesce((
            select jsonb_agg(coalesce(g.display_name, 'directly')) from person_license_sources r
            left join groups g on g.entra_tenant_id = r.entra_tenant_id and g.object_id = r.assigned_by_group
            where r.entra_tenant_id = l.entra_tenant_id and r.object_id = l.object_id and r.sku_id = l.sku_id), '[]'))
          order by s.sku_part_number)
        from person_licenses l left join subscribed_skus s using (entra_tenant_id, sku_id)
        where l.entra_tenant_id = p.entra_tenant_id and l.object_id = p.object_id), '[]') as licenses,
      coalesce((select jsonb_agg(jsonb_build_object('item', i.name, 'version', t.version, 'desiredState', t.desired_state,
          'deployment', d.name, 'reason', t.reason, 'since', t.since) order by i.name)
        from deployment_targets t join maintenance_items i using (item_id) left join deployments d using (deployment_id)
        where t.subject_id = p.person_id), '[]') as targets
    from persons p where p.person_id = ${personId}`.execute(db)
  return rows[0] ?? null
}
