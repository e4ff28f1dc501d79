import { sql } from 'kysely'
import { z } from 'zod'
import { detachCustomer, previewDetach, type Detached } from '../../consent/customers/detach.ts'
import {
  importCustomers,
  type ImportOptions,
  type ImportResult,
} from '../../consent/customers/import-customers.ts'
import { EntraSyncError } from '../../errors.ts'
import { enqueueDiscovery, syncNow } from '../../jobs/enqueue.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { uuid } from '../input.ts'

const whereTenantsMatch = z.enum(['refuse', 'use_proposals', 'new']).default('refuse').meta({
  description:
    'where a tenant without a link may be the same customer: do nothing, link what is proposed, or make a new one',
})

export const importInput = z.union(
  [
    z.strictObject({ all: z.literal(true), matching: whereTenantsMatch }),
    z.strictObject({
      entraTenantIds: z.array(uuid).min(1).max(1000),
      into: uuid.optional().meta({ description: 'the tenant that the one customer is linked to' }),
      matching: whereTenantsMatch,
    }),
  ],
  'takes either all: true, or entraTenantIds with ids of customers',
)
export type ImportInput = z.output<typeof importInput>

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
  given: ImportInput,
  actor: string,
): Promise<ImportResult> {
  const options: ImportOptions = {
    useProposals: given.matching === 'use_proposals',
    anew: given.matching === 'new',
    ...('into' in given && given.into !== undefined && { into: given.into }),
  }
  const which = 'all' in given ? ('all' as const) : [...new Set(given.entraTenantIds)]
  const result = await importCustomers(db, which, actor, options)
  for (const entraTenantId of result.imported)
    await syncNow(db, jobs, { entraTenantId, requestedBy: 'import' })
  return result
}

/** Makes a customer standalone. @throws as `detachCustomer` does */
export function detach(deps: ConsoleDeps, entraTenantId: string, actor: string): Promise<Detached> {
  return detachCustomer(deps.db, { entraTenantId, defaultClientId: deps.defaultApp?.clientId ?? null, actor })
}

/** What `detach` would answer; changes nothing. */
export function detachPreview(deps: ConsoleDeps, entraTenantId: string): Promise<Detached> {
  return previewDetach(deps.db, { entraTenantId, defaultClientId: deps.defaultApp?.clientId ?? null })
}
