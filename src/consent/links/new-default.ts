import { sql, type Transaction } from 'kysely'
import { raiseTargetsDirty } from '../../db/entra-tenants.ts'
import type { Database } from '../../db/tables.ts'
import { settleParents } from './parents.ts'

/**
 * After the first default link of an Entra tenant was written: its persons get their tenant, and tenants that own domains
 * of it already become children. It takes nobody from another tenant and replaces no parent, so it wants no confirmation.
 * The caller holds `lockLinks` and `lockPages`.
 * @throws kind `input`, code `tenant_cycle`
 */
export async function settleNewDefault(trx: Transaction<Database>, entraTenantId: string): Promise<void> {
  await sql`select entra_sync.assign_tenants(${entraTenantId}::uuid)`.execute(trx)
  await settleParents(trx, entraTenantId, [], { keepOthers: true })
  await raiseTargetsDirty(trx, entraTenantId)
}
