import { sql, type Kysely } from 'kysely'
import { audit } from '../../db/audit.ts'
import { lockEntraTenant, raiseTargetsDirty } from '../../db/entra-tenants.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { ownedTables, type OwnedTable } from './owned-tables.ts'

/** Rows a statement: short transactions, since syncs of others write the same tables. */
const batch = 5000

/** Rows deleted by table; tables without any are left out. */
export type Purged = Record<string, number>

/**
 * Deletes all rows of an offboarded Entra tenant, itself as the last one; ImmyBot tenants and the audit log stay. Each
 * batch is a transaction of its own: broken off, it goes on when it is done again.
 * @throws kind `input`, code `not_offboarded`, also when it is reinstated meanwhile; kind `aborted`
 */
export async function purge(
  db: Kysely<Database>,
  act: { entraTenantId: string; actor: string; protectedPersons: readonly string[] },
  signal?: AbortSignal,
): Promise<Purged> {
  const { entraTenantId } = act
  const purged: Purged = {}
  const add = (name: string, count: number): void => {
    if (count > 0) purged[name] = (purged[name] ?? 0) + count
  }
  for (const table of ownedTables) {
    for (let count = batch; count >= batch; add(table.name, count)) {
      signal?.throwIfAborted()
      count = await deleteBatch(db, table, entraTenantId)
    }
  }
  await db.transaction().execute(async (trx) => {
    await sql`select from entra_sync.sync_leases where entra_tenant_id = ${entraTenantId} for update`.execute(
      trx,
    )
    await lockEntraTenant(trx, entraTenantId)
    await raiseTargetsDirty(trx, entraTenantId)
    // A proof under way may have left a row since its table was emptied.
    for (const table of ownedTables) add(table.name, await deleteRest(trx, table, entraTenantId))
    // What other Entra tenants' problems say of it; one that is still true opens again.
    const told = await sql`
      delete from entra_sync.problems where position(${entraTenantId} in lower(message || ' ' || remedy)) > 0`.execute(
      trx,
    )
    add('problems', Number(told.numAffectedRows ?? 0n))
    const { rows } = await sql`
      delete from entra_sync.entra_tenants
      where entra_tenant_id = ${entraTenantId} and offboarded_at is not null returning 1`.execute(trx)
    if (rows.length === 0) throw notOffboarded(entraTenantId)
    add('entra_tenants', 1)
    await audit(trx, {
      actor: act.actor,
      action: 'entra_tenant_purged',
      entraTenantId,
      detail: { rows: purged, protectedPersons: act.protectedPersons },
    })
  })
  return purged
}

/** Deletes nothing of an Entra tenant that is not offboarded (any more). */
async function deleteBatch(
  db: Kysely<Database>,
  { name, of }: OwnedTable,
  entraTenantId: string,
): Promise<number> {
  const { rows } = await sql<{ offboarded: boolean; count: number }>`
    with state as (
      select exists (select from entra_sync.entra_tenants
        where entra_tenant_id = ${entraTenantId} and offboarded_at is not null) as offboarded
    ), deleted as (
      delete from entra_sync.${sql.id(name)} where ctid = any (array(
        select t.ctid from entra_sync.${sql.id(name)} t, state
        where state.offboarded and ${of(entraTenantId)} limit ${batch}))
      returning 1
    )
    select state.offboarded, (select count(*)::int from deleted) as count from state`.execute(db)
  const [row] = rows
  if (row?.offboarded !== true) throw notOffboarded(entraTenantId)
  return row.count
}

async function deleteRest(
  db: Kysely<Database>,
  { name, of }: OwnedTable,
  entraTenantId: string,
): Promise<number> {
  const result = await sql`delete from entra_sync.${sql.id(name)} t where ${of(entraTenantId)}`.execute(db)
  return Number(result.numAffectedRows ?? 0n)
}

function notOffboarded(entraTenantId: string): EntraSyncError {
  return new EntraSyncError('input', 'This Entra tenant is not offboarded, so nothing is purged.', {
    code: 'not_offboarded',
    remedy: 'Somebody brought it back meanwhile, or it is purged already: see entra-sync status.',
    tenant: entraTenantId,
  })
}
