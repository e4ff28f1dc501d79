import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../src/db/tables.ts'

export interface PersonFact {
  person_id: string
  entra_tenant_id: string
  object_id: string | null
  tenant_id: string | null
  user_principal_name: string | null
  department: string | null
  account_enabled: boolean | null
  user_type: string | null
  tags: string[]
  first_seen_at: Date
  deleted_at: Date | null
}

export interface DeploymentFact {
  deployment_id: string
  item_id: string
  version: string
  desired_state: string
  scope: string
  tenant_id: string | null
  target_type: string
  target: Record<string, string>
  excludes: ({ type: string } & Record<string, string>)[]
  filters: { accounts?: string; guests?: string; departments?: string[]; domains?: string[] }
  enforcement: string
  enabled: boolean
  rank: number
  created_at: Date
}

export interface TargetFact {
  tenant_id: string
  subject_kind: string
  subject_id: string
  item_id: string
  deployment_id: string
  scope: string
  version: string
  desired_state: string
  enforcement: string
  reason: unknown
  family_id: string
}

/** All that a resolution may look at, as the tables have it, without a view of ours. */
export interface Facts {
  tenants: { tenant_id: string; parent_tenant_id: string | null; in_cross_tenant_deployments: boolean }[]
  links: { tenant_id: string; entra_tenant_id: string }[]
  persons: PersonFact[]
  groups: {
    entra_tenant_id: string
    object_id: string
    display_name: string | null
    deleted_at: Date | null
  }[]
  edges: { entra_tenant_id: string; group_id: string; member_id: string }[]
  devices: {
    entra_tenant_id: string
    object_id: string
    device_id: string | null
    account_enabled: boolean | null
  }[]
  computers: {
    computer_id: string
    tenant_id: string
    entra_device_id: string | null
    primary_user_principal_name: string | null
  }[]
  skus: {
    entra_tenant_id: string
    sku_id: string
    sku_part_number: string
    capability_status: string | null
    status_since: Date
  }[]
  plans: {
    entra_tenant_id: string
    sku_id: string
    service_plan_id: string
    service_plan_name: string
    provisioning_status: string | null
  }[]
  licenses: { entra_tenant_id: string; object_id: string; sku_id: string; disabled_plans: string[] }[]
  entitlements: { entitlement: string; yields_to: string | null }[]
  entitlementPlans: { entitlement: string; service_plan_id: string }[]
  deployments: DeploymentFact[]
  /** Entra tenants that are not resolved for now: their targets stay as they are. */
  frozen: string[]
  /** What stands before the resolution: a deployment whose group is gone keeps it. */
  standing: TargetFact[]
  now: Date
}

const columns = 'tenant_id, subject_kind, subject_id, item_id, deployment_id, scope, version, desired_state'

export async function loadFacts(db: Kysely<Database>): Promise<Facts> {
  const all = async <T>(table: string): Promise<T[]> =>
    (await sql<T>`select * from ${sql.table(table)}`.execute(db)).rows
  const now = (await sql<{ now: Date }>`select now() as now`.execute(db)).rows[0]?.now
  if (now === undefined) throw new Error('The database has no clock.')
  return {
    tenants: await all('tenants'),
    links: await all('tenant_links'),
    persons: await all('persons'),
    groups: await all('groups'),
    edges: await all('group_members'),
    devices: await all('devices'),
    computers: await all('computers'),
    skus: await all('subscribed_skus'),
    plans: await all('sku_service_plans'),
    licenses: await all('person_licenses'),
    entitlements: await all('app_entitlements'),
    entitlementPlans: await all('app_entitlement_plans'),
    deployments: await all('deployments'),
    frozen: (await all<{ entra_tenant_id: string; gone_at: Date | null }>('entra_tenants'))
      .filter((entra) => entra.gone_at !== null)
      .map((entra) => entra.entra_tenant_id),
    standing: await loadStanding(db),
    now,
  }
}

export async function loadStanding(db: Kysely<Database>): Promise<TargetFact[]> {
  return (
    await sql<TargetFact>`select ${sql.raw(columns)}, enforcement, reason, family_id from deployment_targets`.execute(
      db,
    )
  ).rows
}

export const keyOf = (target: { subject_id: string; item_id: string }): string =>
  `${target.subject_id} ${target.item_id}`
