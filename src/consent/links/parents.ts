import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'

/** A tenant that became the child of another one, or ceased to be. */
export interface ParentChange {
  tenantId: string
  tenant: string
  /** null = none. */
  fromParent: string | null
  toParent: string | null
  /** It was the child of a tenant that no link had made its parent. */
  replaced: boolean
}

interface Split {
  tenantId: string
  tenant: string
  parentId: string | null
  parent: string | null
  madeChild: boolean
}

/**
 * After a change of links: every tenant that owns domains of the Entra tenant is a child of the default link's tenant,
 * so that what is deployed to that one reaches it. A parent that only a domain link had given is taken away with it:
 * `freed` are the tenants that have lost such a link.
 * `keepOthers` leaves a parent alone that no link has given, for changes that nobody can confirm.
 * @throws kind `input`, code `tenant_cycle`, when the default link's tenant is below the one that would be its child
 */
export async function settleParents(
  trx: Transaction<Database>,
  entraTenantId: string,
  freed: readonly string[],
  { keepOthers = false }: { keepOthers?: boolean } = {},
): Promise<ParentChange[]> {
  const changes: ParentChange[] = []
  for (const tenantId of freed) {
    // What the lost link had made stays with the domains that are left, if any are; the loop below settles their parent.
    const { numAffectedRows: left = 0n } = await sql`update entra_sync.tenant_links set made_child = true
      where tenant_id = ${tenantId} and domain is not null`.execute(trx)
    if (left > 0n) continue
    const { rows } = await sql<{ tenant: string; parent: string | null }>`
      select t.name as tenant, p.name as parent from entra_sync.tenants t
      left join entra_sync.tenants p on p.tenant_id = t.parent_tenant_id
      where t.tenant_id = ${tenantId} and t.parent_tenant_id is not null`.execute(trx)
    const [row] = rows
    if (row === undefined) continue
    await setParent(trx, tenantId, null)
    changes.push({ tenantId, tenant: row.tenant, fromParent: row.parent, toParent: null, replaced: false })
  }
  const owner = await readDefaultTenant(trx, entraTenantId)
  for (const split of await readSplits(trx, entraTenantId)) {
    const wanted = owner?.tenantId ?? null
    if (split.parentId === wanted) continue
    if (wanted === null && !split.madeChild) continue
    if (keepOthers && split.parentId !== null && !split.madeChild) continue
    if (owner !== null) await refuseCycle(trx, owner, split)
    await setParent(trx, split.tenantId, wanted)
    await sql`update entra_sync.tenant_links set made_child = ${wanted !== null}
      where tenant_id = ${split.tenantId}`.execute(trx)
    changes.push({
      tenantId: split.tenantId,
      tenant: split.tenant,
      fromParent: split.parent,
      toParent: owner?.tenant ?? null,
      replaced: split.parentId !== null && !split.madeChild,
    })
  }
  return changes
}

/** Sets a tenant's parent; `tenant_cycle` when that one is below it already, or is itself. */
export async function placeBelow(
  trx: Transaction<Database>,
  tenant: { tenantId: string; tenant: string },
  parent: { tenantId: string; tenant: string },
): Promise<void> {
  await refuseCycle(trx, parent, tenant)
  await setParent(trx, tenant.tenantId, parent.tenantId)
}

async function readDefaultTenant(trx: Transaction<Database>, entraTenantId: string) {
  const { rows } = await sql<{ tenantId: string; tenant: string }>`
    select tenant_id as "tenantId", name as tenant
    from entra_sync.tenant_links join entra_sync.tenants using (tenant_id)
    where entra_tenant_id = ${entraTenantId} and domain is null`.execute(trx)
  return rows[0] ?? null
}

async function readSplits(trx: Transaction<Database>, entraTenantId: string): Promise<Split[]> {
  const { rows } = await sql<Split>`
    select t.tenant_id as "tenantId", t.name as tenant, t.parent_tenant_id as "parentId", p.name as parent,
      bool_or(l.made_child) as "madeChild"
    from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
    left join entra_sync.tenants p on p.tenant_id = t.parent_tenant_id
    where l.entra_tenant_id = ${entraTenantId} and l.domain is not null
    group by 1, 2, 3, 4 order by 1`.execute(trx)
  return rows
}

async function setParent(
  trx: Transaction<Database>,
  tenantId: string,
  parentId: string | null,
): Promise<void> {
  await sql`update entra_sync.tenants set parent_tenant_id = ${parentId} where tenant_id = ${tenantId}`.execute(
    trx,
  )
}

async function refuseCycle(
  trx: Transaction<Database>,
  above: { tenantId: string; tenant: string },
  below: { tenantId: string; tenant: string },
): Promise<void> {
  const { rows } = await sql<{ found: boolean }>`
    with recursive chain as (
      select tenant_id, parent_tenant_id from entra_sync.tenants where tenant_id = ${above.tenantId}
      union
      select t.tenant_id, t.parent_tenant_id from entra_sync.tenants t join chain c on t.tenant_id = c.parent_tenant_id
    )
    select exists (select from chain where tenant_id = ${below.tenantId}) as found`.execute(trx)
  if (rows[0]?.found !== true) return
  throw new EntraSyncError(
    'input',
    `${above.tenant} can't be above ${below.tenant}: it is below it already.`,
    {
      code: 'tenant_cycle',
      remedy: 'Look at the parents with entra-sync tenants list, and link the upper tenant instead.',
    },
  )
}
