import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

/** A tenant as the simulated cloud names it when it is ready. */
export interface CloudTenant {
  id: string
  displayName: string
  defaultDomain: string
  users: number
}

/** What `GET /truth/:tenantId` of the simulated cloud answers: simulator/types.ts, in part. */
interface Truth {
  users: ({ id: string; licenses: { skuId: string; disabledPlans: string[] }[] } & Record<string, unknown>)[]
  groups: ({ id: string; groupTypes: string[]; resourceProvisioningOptions: string[] } & Record<
    string,
    unknown
  >)[]
  members: { groupId: string; memberId: string; memberType: string }[]
  skus: {
    skuId: string
    skuPartNumber: string
    enabled: number
    consumed: number
    servicePlans: { servicePlanId: string }[]
  }[]
}

const userColumns = {
  userPrincipalName: 'user_principal_name',
  displayName: 'display_name',
  mail: 'mail',
  givenName: 'given_name',
  surname: 'surname',
  jobTitle: 'job_title',
  department: 'department',
  companyName: 'company_name',
  officeLocation: 'office_location',
  usageLocation: 'usage_location',
  employeeId: 'employee_id',
  accountEnabled: 'account_enabled',
  userType: 'user_type',
  onPremisesSyncEnabled: 'on_premises_sync_enabled',
} as const

const groupColumns = {
  displayName: 'display_name',
  mail: 'mail',
  mailNickname: 'mail_nickname',
  mailEnabled: 'mail_enabled',
  securityEnabled: 'security_enabled',
  visibility: 'visibility',
} as const

/** Facts by key, on either side: equal maps mean equal directories. */
type Facts = Map<string, string>

/** Compares every tenant's tables with the cloud's ground truth. Returns one line a difference; none = equal. */
export async function compareCloud(
  db: Kysely<Database>,
  controlUrl: string,
  tenants: CloudTenant[],
): Promise<string[]> {
  const differences: string[] = []
  for (const tenant of tenants) {
    const answer = await fetch(`${controlUrl}/truth/${tenant.id}`)
    if (!answer.ok)
      throw new Error(`the simulated cloud has no truth of ${tenant.displayName}: ${answer.status}`)
    const [wanted, found] = [factsOfTruth((await answer.json()) as Truth), await factsOfTables(db, tenant.id)]
    for (const [key, fact] of wanted) {
      const have = found.get(key)
      if (have === undefined) differences.push(`${tenant.displayName}: ${key} is missing`)
      else if (have !== fact) differences.push(`${tenant.displayName}: ${key} is ${have}, should be ${fact}`)
    }
    for (const key of found.keys()) {
      if (!wanted.has(key)) differences.push(`${tenant.displayName}: ${key} should not be there`)
    }
  }
  return differences
}

function factsOfTruth(truth: Truth): Facts {
  const facts: Facts = new Map()
  for (const user of truth.users) {
    facts.set(`user ${user.id}`, line(Object.keys(userColumns).map((name) => user[name])))
    for (const { skuId, disabledPlans } of user.licenses)
      facts.set(`license ${user.id} ${skuId}`, line(disabledPlans.toSorted()))
  }
  for (const group of truth.groups) {
    const derived = [
      group.groupTypes.includes('DynamicMembership'),
      group.resourceProvisioningOptions.includes('Team'),
    ]
    facts.set(
      `group ${group.id}`,
      line([...Object.keys(groupColumns).map((name) => group[name]), ...derived]),
    )
  }
  for (const { groupId, memberId, memberType } of truth.members)
    facts.set(`member ${groupId} ${memberId}`, memberType)
  for (const sku of truth.skus) {
    facts.set(
      `sku ${sku.skuId}`,
      line([sku.skuPartNumber, sku.enabled, sku.consumed, sku.servicePlans.length]),
    )
  }
  return facts
}

async function factsOfTables(db: Kysely<Database>, entraTenantId: string): Promise<Facts> {
  const facts: Facts = new Map()
  const persons = await db
    .selectFrom('persons')
    .select(['object_id', ...Object.values(userColumns)])
    .where('entra_tenant_id', '=', entraTenantId)
    .where('deleted_at', 'is', null)
    .execute()
  for (const row of persons)
    facts.set(`user ${row.object_id}`, line(Object.values(userColumns).map((name) => row[name])))

  const { rows: licenses } = await sql<{ object_id: string; sku_id: string; disabled_plans: string[] }>`
    select l.object_id, l.sku_id, l.disabled_plans from person_licenses l
    join persons p on p.entra_tenant_id = l.entra_tenant_id and p.object_id = l.object_id and p.deleted_at is null
    where l.entra_tenant_id = ${entraTenantId}`.execute(db)
  for (const row of licenses)
    facts.set(`license ${row.object_id} ${row.sku_id}`, line(row.disabled_plans.toSorted()))

  const groups = await db
    .selectFrom('groups')
    .select(['object_id', 'is_dynamic', 'is_team', ...Object.values(groupColumns)])
    .where('entra_tenant_id', '=', entraTenantId)
    .where('deleted_at', 'is', null)
    .execute()
  for (const row of groups) {
    const columns = Object.values(groupColumns).map((name) => row[name])
    facts.set(`group ${row.object_id}`, line([...columns, row.is_dynamic, row.is_team]))
  }

  const { rows: members } = await sql<{ group_id: string; member_id: string; member_type: string }>`
    select m.group_id, m.member_id, m.member_type from group_members m
    join groups g on g.entra_tenant_id = m.entra_tenant_id and g.object_id = m.group_id and g.deleted_at is null
    where m.entra_tenant_id = ${entraTenantId}`.execute(db)
  for (const row of members) facts.set(`member ${row.group_id} ${row.member_id}`, row.member_type)

  const { rows: skus } = await sql<{
    sku_id: string
    sku_part_number: string
    enabled: number
    consumed: number
    plans: number
  }>`
    select s.sku_id, s.sku_part_number, s.enabled, s.consumed,
      (select count(*) from sku_service_plans p where p.entra_tenant_id = s.entra_tenant_id and p.sku_id = s.sku_id) as plans
    from subscribed_skus s where s.entra_tenant_id = ${entraTenantId}`.execute(db)
  for (const row of skus)
    facts.set(`sku ${row.sku_id}`, line([row.sku_part_number, row.enabled, row.consumed, row.plans]))
  return facts
}

/** A property that was never set and one that was cleared are the same to us. */
function line(values: unknown[]): string {
  return JSON.stringify(values.map((value) => value ?? null))
}
