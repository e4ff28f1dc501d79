import { checkArchiveFile, writeArchive, type Archive } from './archive.ts'
import { endGrants, type GrantEnd, type GrantsContext } from './grants.ts'
import { planOffboard, type OffboardPlan } from './plan.ts'
import { purge, type Purged } from './purge.ts'
import { stopSyncing, type Stopped } from './stop.ts'

export interface OffboardContext extends GrantsContext {
  graph: GrantsContext['graph'] & { forgetTokens(entraTenantId: string): void }
  /** Resolves the targets of families whose persons were purged: nobody gets anything any more. */
  releaseTargets(familyIds: readonly string[]): Promise<{ unassigned: number; failed: number }>
}

export interface OffboardRequest {
  entraTenantId: string
  actor: string
  /** File for an archive; null = none. */
  archiveFile: string | null
  purge: boolean
  /** Take away what our apps may do there. */
  revoke: boolean
  signal?: AbortSignal
}

/** What was done, and what is left to do. */
export interface OffboardReport {
  /** As it stood before. */
  plan: OffboardPlan
  stopped: Stopped
  grants: GrantEnd[]
  archived: Archive | null
  purged: Purged | null
  /** Deployment targets that a purge took away; null = nothing was purged. */
  unassigned: number | null
  /** What a person has still to do, or to know. */
  left: string[]
}

/**
 * Offboards an Entra tenant: stops it, ends our apps' grants where asked and possible, then archives and purges what is
 * stored, as asked. Each step is safe to be done again: broken off anywhere, the same request goes on.
 * @throws as `planOffboard`, `writeArchive` and `purge`; then what was done before stays done
 */
export async function offboard(context: OffboardContext, request: OffboardRequest): Promise<OffboardReport> {
  const { db, graph } = context
  const { entraTenantId, actor, archiveFile, signal } = request
  const plan = await planOffboard(db, entraTenantId, request)
  if (archiveFile !== null) await checkArchiveFile(archiveFile)
  const detail = { archive: archiveFile !== null, purge: request.purge, revoke: request.revoke }
  const stopped = await stopSyncing(db, { entraTenantId, actor, purge: request.purge, detail })
  graph.forgetTokens(entraTenantId)
  const grants = await endGrants(context, { ...request, kind: plan.kind }, signal)
  const archived = archiveFile === null ? null : await writeArchive(db, entraTenantId, archiveFile, signal)
  const { protectedPersons } = plan
  const families = [entraTenantId, ...(await tenantsOf(context, entraTenantId))]
  const purged = request.purge ? await purge(db, { entraTenantId, actor, protectedPersons }, signal) : null
  const targets = purged === null ? null : await context.releaseTargets(families)
  const left = leftOf(plan, grants, purged)
  if (targets !== null && targets.failed > 0) {
    left.push('Not all of its targets could be taken away yet: the daemon does it (entra-sync run).')
  }
  return { plan, stopped, grants, archived, purged, unassigned: targets?.unassigned ?? null, left }
}

/** Ids of the tenants that are linked to it: without their link they are families by themselves. */
async function tenantsOf({ db }: OffboardContext, entraTenantId: string): Promise<string[]> {
  const links = db.selectFrom('tenant_links').select('tenant_id').distinct()
  const rows = await links.where('entra_tenant_id', '=', entraTenantId).execute()
  return rows.map((row) => row.tenant_id)
}

function leftOf(plan: OffboardPlan, grants: GrantEnd[], purged: Purged | null): string[] {
  const left = grants.flatMap(({ steps }) => (steps === null ? [] : [steps]))
  if (plan.gdapActive) {
    left.push(
      `The GDAP relationship is active. End it in Partner Center${purged === null ? '' : ', or importing all customers brings it back'}.`,
    )
  }
  if (purged === null)
    left.push(
      `What was read is still stored: entra-sync offboard ${plan.entraTenantId} --purge --yes deletes it.`,
    )
  if (plan.tenants.length > 0)
    left.push(
      `ImmyBot tenants stay: ${plan.tenants.join(', ')}. Their links ${purged === null ? 'stay too' : 'are gone'}.`,
    )
  return left
}
