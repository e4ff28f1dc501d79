import { sql, type Kysely, type Transaction } from 'kysely'
import { audit, type AuditEntry } from '../../db/audit.ts'
import { lockLinks, lockPages } from '../../db/link-lock.ts'
import type { Database } from '../../db/tables.ts'
import { settleParents, type ParentChange } from './parents.ts'
import { readMoves, type Move } from './moves.ts'

/** Why a change of links is not made without an operator's explicit confirmation. */
export type Reason =
  /** Persons who can log in to ImmyBot would move. */
  | 'protected_persons'
  /** People of the partner's own Entra tenant would move. */
  | 'partner_people'
  /** Persons would be left without a tenant, and so without targets. */
  | 'left_without_tenant'
  /** The Entra tenant's default link is another tenant's. */
  | 'takes_default_link'
  /** A domain is another tenant's. */
  | 'takes_domain'
  /** The tenant would leave the Entra tenant that it is linked to. */
  | 'leaves_entra_tenant'
  /** The tenant has a parent already, which no link has made. */
  | 'replaces_parent'
  /** The Entra tenant has no such verified domain, as far as is known. */
  | 'domain_not_verified'
  /** It is the link of the MSP's own tenant. */
  | 'msp_link'

/** What a change of links does, or would do. */
export interface LinkChange {
  entraTenantId: string
  /** False for a preview, and where `reasons` were not confirmed: then nothing was changed. */
  applied: boolean
  /** False when everything was like this before. */
  changed: boolean
  /** What wants a confirmation; empty = nothing does. */
  reasons: Reason[]
  moves: Move[]
  parents: ParentChange[]
}

/** How to make a change: `preview` makes it, looks and takes it back; `confirmed` makes it whatever the reasons are. */
export interface Making {
  preview?: boolean
  confirmed?: boolean
}

interface Made {
  reasons: Reason[]
  /** Tenants that lost a domain link that had made them children. */
  freed: string[]
  changed: boolean
  entry: AuditEntry
}

/**
 * Makes a change of links in one transaction: the rows, the parents that follow from them, and the persons' tenants.
 * Preview and refusal are the change itself, rolled back. `make` writes the links; pages of the Entra tenants concerned
 * wait meanwhile. A person who moves keeps id and tags; a sync that renames one moves them by the links that are there
 * and asks nobody, since an operator has agreed to these.
 */
export async function changeLinks(
  db: Kysely<Database>,
  entraTenantId: string,
  making: Making,
  concerned: (trx: Transaction<Database>) => Promise<string[]>,
  make: (trx: Transaction<Database>) => Promise<Made>,
): Promise<LinkChange> {
  const trx = await db.startTransaction().execute()
  try {
    await lockLinks(trx)
    const entraTenantIds = await concerned(trx)
    await lockPages(trx, entraTenantIds)
    const made = await make(trx)
    const parents: ParentChange[] = []
    for (const id of entraTenantIds)
      parents.push(...(await settleParents(trx, id, id === entraTenantId ? made.freed : [])))
    const moves = await readMoves(trx, entraTenantIds)
    const reasons = [...new Set([...made.reasons, ...reasonsOf(moves, parents)])]
    const changed = made.changed || parents.length > 0 || moves.length > 0
    const applied = making.preview !== true && (reasons.length === 0 || making.confirmed === true)
    if (applied) {
      for (const id of entraTenantIds) await sql`select entra_sync.assign_tenants(${id}::uuid)`.execute(trx)
      await raiseDirty(trx, moves, parents)
      if (changed) await audit(trx, withMoves(made.entry, moves, parents))
      await trx.commit().execute()
    } else await trx.rollback().execute()
    return { entraTenantId, applied, changed, reasons, moves, parents }
  } catch (error) {
    if (!trx.isCommitted && !trx.isRolledBack) await trx.rollback().execute()
    throw error
  }
}

function reasonsOf(moves: readonly Move[], parents: readonly ParentChange[]): Reason[] {
  const reasons: Reason[] = []
  // Who had no tenant loses nothing by getting one.
  const leaving = moves.filter((move) => move.fromTenantId !== null)
  if (leaving.some((move) => move.protectedPersons.length > 0)) reasons.push('protected_persons')
  if (leaving.some((move) => move.toTenantId === null)) reasons.push('left_without_tenant')
  if (parents.some((change) => change.replaced)) reasons.push('replaces_parent')
  if (leaving.some((move) => move.partnerPersons.length > 0)) reasons.push('partner_people')
  return reasons
}

/** Whom persons leave or reach, and whoever has another tenant's deployments come down to it by a changed parent. */
async function raiseDirty(
  trx: Transaction<Database>,
  moves: readonly Move[],
  parents: readonly ParentChange[],
): Promise<void> {
  const touched = moves.flatMap((move) => [move.fromTenantId, move.toTenantId]).filter((id) => id !== null)
  const children = parents.map((change) => change.tenantId)
  // In one order, as the pages do it.
  await sql`
    with recursive below as (
      select unnest(${children}::uuid[]) as tenant_id
      union
      select t.tenant_id from entra_sync.tenants t join below b on t.parent_tenant_id = b.tenant_id
    ), touched as (
      select tenant_id from entra_sync.tenants where tenant_id = any (${touched}::uuid[]) or tenant_id in (select tenant_id from below)
      order by tenant_id for no key update
    )
    update entra_sync.tenants t set targets_dirty_seq = targets_dirty_seq + 1
    from touched where t.tenant_id = touched.tenant_id`.execute(trx)
}

function withMoves(entry: AuditEntry, moves: readonly Move[], parents: readonly ParentChange[]): AuditEntry {
  const moved = moves.map(({ fromTenantId, toTenantId, persons }) => ({ fromTenantId, toTenantId, persons }))
  return { ...entry, detail: { ...entry.detail, moved, parents } }
}
