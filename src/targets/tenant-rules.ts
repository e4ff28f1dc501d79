import { sql } from 'kysely'
import { audit } from '../db/audit.ts'
import { lockLinks } from '../db/link-lock.ts'
import { EntraSyncError } from '../errors.ts'
import { changeWithEffect, type ChangeOptions } from './change-with-effect.ts'
import type { TargetContext } from './context.ts'
import { noEffect, type Effect } from './effect.ts'

/** What of a tenant decides on its deployments; a key that is not there stays as it is. */
export interface TenantRules {
  inCrossTenantDeployments?: boolean
  /** Null = none. */
  parentTenantId?: string | null
}

/**
 * Sets a tenant's parent, whose deployments come down to it, and whether cross-tenant deployments reach it; or only tells
 * what that does to the targets.
 * @throws kind `input`, code `tenant_circular`: the tenant would be above itself
 */
export async function setTenantRules(
  context: TargetContext,
  tenantId: string,
  rules: TenantRules,
  options: ChangeOptions,
): Promise<Effect> {
  const { inCrossTenantDeployments: cross, parentTenantId: parent } = rules
  const effect = await changeWithEffect(context, options, 'tenant changed', async (trx) => {
    await lockLinks(trx)
    if (parent != null) await refuseCircle(trx, tenantId, parent)
    await sql`
      update tenants set
        in_cross_tenant_deployments = coalesce(${cross ?? null}::boolean, in_cross_tenant_deployments),
        parent_tenant_id = case when ${parent === undefined} then parent_tenant_id else ${parent ?? null}::uuid end
      where tenant_id = ${tenantId}`.execute(trx)
    await audit(trx, { actor: options.actor, action: 'tenant_rules_set', tenantId, detail: rules })
    return true
  })
  return effect ?? noEffect()
}

/** The trigger on tenants refuses it as well; here it is said with the names on the way. */
async function refuseCircle(
  trx: TargetContext['db'],
  tenantId: string,
  parentTenantId: string,
): Promise<void> {
  const { rows } = await sql<{ name: string; is_self: boolean }>`
    with recursive above as (
      select tenant_id, name, parent_tenant_id, 0 as distance from tenants where tenant_id = ${parentTenantId}
      union all
      select t.tenant_id, t.name, t.parent_tenant_id, a.distance + 1
      from above a join tenants t on t.tenant_id = a.parent_tenant_id where a.tenant_id <> ${tenantId}
    )
    select name, tenant_id = ${tenantId} as is_self from above order by distance`.execute(trx)
  if (!rows.some((row) => row.is_self)) return
  const way = rows.map(({ name }) => name)
  throw new EntraSyncError(
    'input',
    `${way.at(-1) ?? 'It'} would be above itself: ${way.toReversed().join(' > ')} > ${way.at(-1) ?? ''}.`,
    {
      code: 'tenant_circular',
      remedy: 'Take the parent away further down first: entra-sync tenants set TENANT --parent none.',
    },
  )
}
