import { sql, type Kysely } from 'kysely'
import type { Database, HoldsTable } from '../db/tables.ts'

export interface ListedHold {
  holdId: string
  kind: HoldsTable['kind']
  entraTenantId: string | null
  /** Name of the Entra tenant, or of the tenant where there is none. */
  name: string
  /** Kind target: whose targets. */
  tenantId: string | null
  tenant: string | null
  /** Kind target: through which deployment; null = judged as one set of the tenant. */
  deployment: string | null
  direction: 'assign' | 'unassign' | null
  /** The group that a deployment names and that would lose these. */
  group: string | null
  reason: string
  /** What it keeps back now: less than at first where some of it has come back. */
  size: number
  /** What was there, of the same kind. */
  ofTotal: number
  status: 'open' | 'approved' | 'rejected' | 'withdrawn'
  createdAt: Date
  closedAt: Date | null
  closedBy: string | null
  closeReason: string | null
  /** Approved: when it was applied. */
  appliedAt: Date | null
}

export interface HoldFilter {
  /** Closed ones, too. */
  closed?: boolean
  entraTenantId?: string | null
  holdId?: string
  limit?: number
  /** Only those after this one in the list. */
  after?: { createdAt: Date; holdId: string }
}

/** Holds, the newest first. */
export async function listHolds(db: Kysely<Database>, filter: HoldFilter = {}): Promise<ListedHold[]> {
  const { closed = false, entraTenantId = null, holdId = null, limit = 10_000, after = null } = filter
  const { rows } = await sql<ListedHold>`
    select h.hold_id as "holdId", h.kind, h.entra_tenant_id as "entraTenantId",
      coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text, t.name) as name,
      h.tenant_id as "tenantId", t.name as tenant, d.name as deployment, h.direction, g.display_name as "group", h.reason,
      h.size, h.of_total as "ofTotal", h.status, h.created_at as "createdAt", h.closed_at as "closedAt",
      h.closed_by as "closedBy", h.close_reason as "closeReason", h.applied_at as "appliedAt"
    from entra_sync.holds h
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.tenants t on t.tenant_id = h.tenant_id
    left join entra_sync.deployments d on d.deployment_id = h.deployment_id
    left join entra_sync.groups g on g.entra_tenant_id = h.entra_tenant_id and g.object_id = h.group_id
    where (${closed}::boolean or h.status = 'open')
      and (${entraTenantId}::uuid is null or h.entra_tenant_id = ${entraTenantId})
      and (${holdId}::uuid is null or h.hold_id = ${holdId})
      and (${after === null} or (h.created_at, h.hold_id) < (${after?.createdAt ?? null}::timestamptz, ${after?.holdId ?? null}::uuid))
    order by h.created_at desc, h.hold_id desc limit ${limit}`.execute(db)
  return rows
}
