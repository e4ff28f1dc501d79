import { sql } from 'kysely'
import { z } from 'zod'
import { importCustomers, type ImportResult } from '../consent/customers/import-customers.ts'
import { EntraSyncError } from '../errors.ts'
import { enqueueDiscovery, syncNow } from '../jobs/enqueue.ts'
import type { ConsoleDeps } from './console-deps.ts'
import { uuid } from './input.ts'

export const importInput = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ entraTenantIds: z.array(uuid).min(1).max(1000) }),
])

/**
 * Asks for a discovery of every partner's customers.
 * @throws kind `input`, code `no_partner`; kind `queue` where the queue takes no job
 */
export async function discoverAll(
  { db, jobs }: ConsoleDeps,
  actor: string,
): Promise<{ entraTenantId: string; jobId: string }[]> {
  const { rows } = await sql<{ id: string }>`
    select entra_tenant_id as id from entra_sync.tenant_status where kind = 'partner' and scheduled order by 1`.execute(
    db,
  )
  if (rows.length === 0) {
    throw new EntraSyncError('input', 'No partner can be read now.', {
      code: 'no_partner',
      remedy: 'Make the first tenant with entra-sync init, and have its admin consent.',
    })
  }
  const asked = []
  for (const { id } of rows) asked.push({ entraTenantId: id, jobId: await enqueueDiscovery(jobs, id, actor) })
  return asked
}

/** Imports customers and asks for the first sync of each new one. @throws as `importCustomers` does */
export async function importAndSync(
  { db, jobs }: ConsoleDeps,
  which: z.output<typeof importInput>,
  actor: string,
): Promise<ImportResult> {
  const result = await importCustomers(db, 'all' in which ? 'all' : which.entraTenantIds, actor)
  for (const entraTenantId of result.imported)
    await syncNow(db, jobs, { entraTenantId, requestedBy: 'import' })
  return result
}
