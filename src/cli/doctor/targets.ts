import { sql } from 'kysely'
import { readTargetLag } from '../../db/target-status.ts'
import { age } from '../text.ts'
import { counted, ok, warn, type DoctorContext, type Finding } from './finding.ts'

/** A family is resolved seconds after its sync; what is dirty for longer than this has no worker, or fails. */
const lateSeconds = 300

/** What `doctor` says of deployments and of the resolution of their targets. */
export async function checkTargets({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'targets'
  const { rows } = await sql<{ enabled: number; warned: number; warnings: number; names: string[] | null }>`
    select (select count(*)::int from deployments where enabled) as enabled,
      count(*)::int as warnings, count(distinct w.deployment_id)::int as warned,
      (array_agg(distinct d.name order by d.name))[1:3] as names
    from deployment_warnings w join deployments d using (deployment_id)`.execute(db)
  const { enabled = 0, warned = 0, names } = rows[0] ?? {}
  const { dirty, oldestSeconds, failing } = await readTargetLag(db)
  const now = new Date()
  const since =
    oldestSeconds === null ? '' : ` for ${age(new Date(now.getTime() - oldestSeconds * 1000), now)}`
  const findings: Finding[] = []
  if (warned > 0) {
    const some = `${(names ?? []).join(', ')}${warned > 3 ? `, and ${warned - 3} more` : ''}`
    findings.push(
      warn(check, `${warned} of ${counted(enabled, 'deployment')} with a warning: ${some}`, seeDeployments),
    )
  }
  if (failing > 0 || (oldestSeconds ?? 0) > lateSeconds) {
    const failed = failing === 0 ? '' : `; ${failing} failed when last resolved`
    findings.push(
      warn(
        check,
        `${families(dirty)} with changes that are not resolved${since}${failed}`,
        '`entra-sync status` says which and why. See that a worker runs (entra-sync run) and what its log says.',
      ),
    )
  }
  if (findings.length > 0) return findings
  const waiting = dirty === 0 ? 'all are resolved' : `${families(dirty)} to resolve`
  return [ok(check, enabled === 0 ? 'no deployment yet' : `${counted(enabled, 'deployment')}, ${waiting}`)]
}

const seeDeployments = 'See them: entra-sync deployments list.'

const families = (count: number): string => `${count} tenant ${count === 1 ? 'family' : 'families'}`
