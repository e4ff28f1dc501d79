import { z } from 'zod'
import { appsInside, type RevokeGrants } from '../../consent/offboard/grants.ts'
import { offboard, type OffboardReport } from '../../consent/offboard/offboard.ts'
import { planOffboard, type OffboardPlan } from '../../consent/offboard/plan.ts'
import { revokeGrants } from '../../consent/preconsent/revoke.ts'
import { releaseTargets } from '../../targets/release.ts'
import type { ConsoleDeps } from '../console-deps.ts'

export const offboardInput = z.strictObject({
  purge: z.boolean().default(false).meta({ description: 'delete all that is stored of it, for good' }),
  revoke: z.boolean().default(false).meta({ description: 'take away what our apps may do there' }),
})

/** What is there, and client ids of the apps that may have grants there; changes nothing. @throws as `planOffboard` */
export async function offboardPlan(
  { db, graph, log }: ConsoleDeps,
  entraTenantId: string,
): Promise<{ plan: OffboardPlan; apps: string[] }> {
  const plan = await planOffboard(db, entraTenantId, { purge: false })
  return { plan, apps: await appsInside({ db, graph, log }, entraTenantId) }
}

/**
 * Offboards. It goes on when whoever asked goes away: half of it is worth nothing to anybody. An archive is a file,
 * which the command writes. @throws as `offboard`
 */
export function offboardNow(
  deps: ConsoleDeps,
  entraTenantId: string,
  asked: z.output<typeof offboardInput>,
  actor: string,
): Promise<OffboardReport> {
  const { db, graph, log, preconsent } = deps
  const revoke: RevokeGrants = (id, clientId, signal) => revokeGrants(preconsent, id, clientId, signal)
  return offboard(
    { db, graph, log, revokeGrants: revoke, releaseTargets: (families) => releaseTargets(deps, families) },
    { entraTenantId, actor, archiveFile: null, ...asked },
  )
}
