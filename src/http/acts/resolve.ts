import type { Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { resolveNow } from '../../jobs/enqueue-targets.ts'
import type { Queues } from '../../jobs/queues.ts'
import { familyOfTenant } from '../../targets/families.ts'

/**
 * Asks for the targets of a tenant's family to be resolved anew, whole. A frozen family keeps that in mind until it
 * thaws. @throws kind `not_found`, code `tenant_unknown`; kind `queue`
 */
export async function resolveTenantNow(
  db: Kysely<Database>,
  jobs: Queues,
  tenantId: string,
  actor: string,
): Promise<{ tenantId: string; jobId: string; frozen: string | null }> {
  const familyId = await familyOfTenant(db, tenantId)
  if (familyId === null) {
    throw new EntraSyncError('not_found', 'There is no such tenant.', {
      code: 'tenant_unknown',
      remedy: 'GET /api/v1/tenants lists them.',
    })
  }
  const { jobId } = await resolveNow(db, jobs, { familyId, requestedBy: actor })
  const status = await db
    .selectFrom('target_family_status')
    .select('frozen')
    .where('family_id', '=', familyId)
    .executeTakeFirst()
  return { tenantId, jobId, frozen: status?.frozen ?? null }
}
