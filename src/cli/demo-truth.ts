import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'

/** A tenant as the simulated cloud names it when it is ready. */
export interface CloudTenant {
  id: string
  displayName: string
  defaultDomain: string
}

/** What `GET /truth/:tenantId` of the simulated cloud answers, as far as it is compared: simulator/types.ts. */
interface Truth {
  tenantId: string
  users: {
    id: string
    licenses: { skuId: string; disabledPlans: string[] }[]
    licenseSources: { skuId: string; assignedByGroup: string | null; state: string }[]
  }[]
  groups: {
    id: string
    groupTypes: string[]
    resourceProvisioningOptions: string[]
    mailEnabled: boolean
    securityEnabled: boolean
  }[]
  members: { groupId: string; memberId: string; memberType: string }[]
  devices: { id: string }[]
  skus: { skuId: string; servicePlans: { servicePlanId: string }[] }[]
}

/** Compares every tenant's tables with the cloud's ground truth. Returns one line a difference; none = equal. */
export async function compareCloud(
  db: Kysely<Database>,
  controlUrl: string,
  tenants: readonly CloudTenant[],
  options: { devices?: boolean; sources?: boolean } = {},
): Promise<string[]> {
  const lines: string[] = []
  for (const tenant of tenants) {
    const answer = await fetch(`${controlUrl}/truth/${tenant.id}`)
    if (!answer.ok)
      throw new Error(`the simulated cloud has no truth of ${tenant.displayName}: ${answer.status}`)
    const found = await compareWithTruth(db, (await answer.json()) as Truth, options)
    lines.push(...found.map((line) => `${tenant.displayName}: ${line}`))
  }
  return lines
}

const tables = ['users', 'licenses', 'sources', 'groups', 'members', 'devices', 'skus', 'plans'] as const

/** What is stored of one Entra tenant, in the same words as the truth. */
export type Stored = Record<(typeof tables)[number], Row[]>
type Row = Record<string, unknown>

/**
 * Compares what is stored with what the directory truly holds: live persons, their licences, live groups and their
 * edges, devices, SKUs and plans. Answers one line a difference; empty = equal. `devices` and `sources` false leave out
 * what is read every few hours or daily only, or what an app without Device.Read.All cannot know.
 */
export async function compareWithTruth(
  db: Kysely<Database>,
  truth: Truth,
  options: { devices?: boolean; sources?: boolean } = {},
): Promise<string[]> {
  return differences(await readStored(db, truth.tenantId), truth, options)
}

/** The comparison itself, over rows. */
export function differences(
  stored: Stored,
  truth: Truth,
  { devices = true, sources = true }: { devices?: boolean; sources?: boolean } = {},
): string[] {
  const wanted = expected(truth)
  return tables
    .filter((table) => (devices || table !== 'devices') && (sources || table !== 'sources'))
    .flatMap((table) => compareRows(table, stored[table], wanted[table]))
}

/** The rows that a directory should have become. */
function expected(truth: Truth): Stored {
  return {
    users: truth.users.map((user) => ({
      key: user.id,
      ...user,
      licenses: undefined,
      licenseSources: undefined,
    })),
    licenses: truth.users.flatMap((user) =>
      user.licenses.map((license) => ({
        key: `${user.id}/${license.skuId}`,
        disabledPlans: license.disabledPlans.toSorted(),
      })),
    ),
    sources: truth.users.flatMap((user) =>
      user.licenseSources.map(({ skuId, assignedByGroup, state }) => ({
        key: `${user.id}/${skuId}/${assignedByGroup ?? 'direct'}`,
        state,
      })),
    ),
    groups: truth.groups.map(({ groupTypes, resourceProvisioningOptions, ...group }) => ({
      key: group.id,
      ...group,
      kind: groupTypes.includes('Unified')
        ? 'microsoft365'
        : !group.mailEnabled
          ? 'security'
          : group.securityEnabled
            ? 'mail_enabled_security'
            : 'distribution',
      isDynamic: groupTypes.includes('DynamicMembership'),
      isTeam: resourceProvisioningOptions.includes('Team'),
    })),
    members: truth.members.map((edge) => ({
      key: `${edge.groupId}/${edge.memberId}`,
      type: edge.memberType,
    })),
    devices: truth.devices.map((device) => ({ key: device.id, ...device })),
    skus: truth.skus.map((sku) => ({ key: sku.skuId, ...sku, servicePlans: undefined })),
    plans: truth.skus.flatMap((sku) =>
      sku.servicePlans.map((plan) => ({ key: `${sku.skuId}/${plan.servicePlanId}`, ...plan })),
    ),
  }
}

function compareRows(table: string, stored: readonly Row[], wanted: readonly Row[]): string[] {
  const here = new Map(stored.map((row) => [row['key'], row]))
  const lines: string[] = []
  for (const row of wanted) {
    const found = here.get(row['key'])
    here.delete(row['key'])
    if (found === undefined) lines.push(`${table} ${String(row['key'])}: missing`)
    else lines.push(...compareRow(`${table} ${String(row['key'])}`, found, row))
  }
  for (const key of here.keys()) lines.push(`${table} ${String(key)}: stored, but not in the directory`)
  return lines
}

function compareRow(name: string, stored: Row, wanted: Row): string[] {
  return Object.keys(wanted).flatMap((column) => {
    const [is, should] = [JSON.stringify(stored[column] ?? null), JSON.stringify(wanted[column] ?? null)]
    return is === should ? [] : [`${name}: ${column} is ${is}, should be ${should}`]
  })
}

/** Reads what is stored of one Entra tenant; soft-deleted persons and groups, and what hangs on them, are not there. */
export async function readStored(db: Kysely<Database>, entraTenantId: string): Promise<Stored> {
  const read = async (query: ReturnType<typeof sql<Row>>) => (await query.execute(db)).rows
  const e = entraTenantId
  return {
    users: await read(sql`
      select object_id as key, object_id as id, user_principal_name as "userPrincipalName", display_name as "displayName", mail,
        given_name as "givenName", surname, job_title as "jobTitle", department, company_name as "companyName",
        office_location as "officeLocation", usage_location as "usageLocation", employee_id as "employeeId",
        account_enabled as "accountEnabled", user_type as "userType", on_premises_sync_enabled as "onPremisesSyncEnabled",
        on_premises_sam_account_name as "onPremisesSamAccountName",
        on_premises_security_identifier as "onPremisesSecurityIdentifier"
      from persons where entra_tenant_id = ${e} and object_id is not null and deleted_at is null`),
    licenses: await read(sql`
      select l.object_id || '/' || l.sku_id as key, array(select p::text from unnest(l.disabled_plans) p order by 1) as "disabledPlans"
      from person_licenses l join persons p using (entra_tenant_id, object_id)
      where l.entra_tenant_id = ${e} and p.deleted_at is null`),
    sources: await read(sql`
      select s.object_id || '/' || s.sku_id || '/' || coalesce(s.assigned_by_group::text, 'direct') as key, s.state
      from person_license_sources s join persons p using (entra_tenant_id, object_id)
      where s.entra_tenant_id = ${e} and p.deleted_at is null`),
    groups: await read(sql`
      select object_id as key, object_id as id, display_name as "displayName", mail, mail_nickname as "mailNickname",
        mail_enabled as "mailEnabled", security_enabled as "securityEnabled", visibility,
        on_premises_sync_enabled as "onPremisesSyncEnabled", kind, is_dynamic as "isDynamic", is_team as "isTeam"
      from groups where entra_tenant_id = ${e} and deleted_at is null`),
    members: await read(sql`
      select m.group_id || '/' || m.member_id as key, m.member_type as type
      from group_members m join groups g on g.entra_tenant_id = m.entra_tenant_id and g.object_id = m.group_id
      where m.entra_tenant_id = ${e} and g.deleted_at is null`),
    devices: await read(sql`
      select object_id as key, object_id as id, device_id as "deviceId", display_name as "displayName",
        operating_system as "operatingSystem", account_enabled as "accountEnabled"
      from devices where entra_tenant_id = ${e}`),
    skus: await read(sql`
      select sku_id as key, sku_id as "skuId", sku_part_number as "skuPartNumber", capability_status as "capabilityStatus",
        enabled, consumed, suspended, warning
      from subscribed_skus where entra_tenant_id = ${e}`),
    plans: await read(sql`
      select sku_id || '/' || service_plan_id as key, service_plan_id as "servicePlanId",
        service_plan_name as "servicePlanName", provisioning_status as "provisioningStatus"
      from sku_service_plans where entra_tenant_id = ${e}`),
  }
}
