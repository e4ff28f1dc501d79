import { sql, type Kysely } from 'kysely'
import { findTenant } from '../consent/links/tenants.ts'
import type { Database } from '../db/tables.ts'
import { readTargetStatus } from '../db/target-status.ts'
import { EntraSyncError } from '../errors.ts'
import { resolveNow } from '../jobs/enqueue-targets.ts'
import type { Queues } from '../jobs/queues.ts'
import { familyOfTenant } from '../targets/families.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, withQueues, type CommandContext, type Output } from './context.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'
import { watchResolve, type AskedFamily, type FamilyOutcome } from './watch-resolve.ts'

/**
 * `resolve`: asks for the targets of tenants to be resolved anew, whole; with --wait watches until they are. Tenants of
 * one Entra tenant are resolved together. Exit codes: 0 done, 1 a resolution failed, 3 something is held.
 */
export function resolve(
  context: CommandContext,
  request: { tenants: string[] | 'all'; wait: boolean },
): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, async (db, url) => {
    const { families, frozen } = await wanted(db, request.tenants)
    for (const { name, reason } of frozen) {
      output.notice(`The targets of ${name} are frozen (${reason}) and stay as they are.`)
    }
    return withQueues(context, url, async (queues) => {
      const since = (await sql<{ now: Date }>`select now()`.execute(db)).rows[0]?.now ?? new Date()
      const asked: AskedFamily[] = []
      for (const { familyId, name } of families) {
        const { dirtId } = await resolveNow(db, queues, { familyId, requestedBy: actorOfCommand() })
        asked.push({ familyId, name, dirtId })
      }
      const [only] = asked
      if (!request.wait) {
        const count = asked.length === 1 ? (only?.name ?? '') : `${asked.length} tenant families`
        output.line(`Asked for a resolution of the targets of ${count}.`)
        if (await withoutWorker(queues)) output.notice(`${noWorker} ${kept}`)
        output.document({ requested: asked.map(({ familyId, name }) => ({ familyId, name })), frozen })
        return 0
      }
      if (await withoutWorker(queues)) throw noWorkerError()
      const missing = () => withoutWorker(queues)
      const outcomes = await watchResolve({ db, asked, since, missing, noWorker: noWorkerError, signal })
      print(output, outcomes)
      output.document({ families: outcomes, frozen })
      if (outcomes.some(({ outcome }) => outcome === 'failed' || outcome === 'stopped')) return 1
      return outcomes.some(({ held }) => held > 0) ? 3 : 0
    })
  })
}

const noWorker = 'No worker is running.'
const kept = 'What was asked is kept and done as soon as one does: entra-sync run.'

function noWorkerError(): EntraSyncError {
  return new EntraSyncError('queue', noWorker, { code: 'no_worker', remedy: kept })
}

async function withoutWorker(queues: Queues): Promise<boolean> {
  return (await queues.targets.getWorkersCount()) === 0
}

interface Wanted {
  families: { familyId: string; name: string }[]
  frozen: { familyId: string; name: string; reason: string }[]
}

/** The families of the given tenants. A frozen one is refused where it was named, and passed over among all. */
async function wanted(db: Kysely<Database>, tenants: string[] | 'all'): Promise<Wanted> {
  const found = tenants === 'all' ? null : await Promise.all(tenants.map((text) => familyOf(db, text)))
  const all = await readTargetStatus(db, null)
  const linked = new Set(
    (await db.selectFrom('tenant_families').select('family_id').execute()).map((row) => row.family_id),
  )
  const result: Wanted = { families: [], frozen: [] }
  for (const { family_id: familyId, name: text, frozen } of all) {
    if (found === null ? !linked.has(familyId) : !found.includes(familyId)) continue
    const name = printable(text)
    if (frozen === null) result.families.push({ familyId, name })
    else result.frozen.push({ familyId, name, reason: frozen })
  }
  const [first] = result.frozen
  if (found !== null && first !== undefined) {
    throw new EntraSyncError('input', `The targets of ${first.name} are frozen: ${first.reason}.`, {
      code: 'targets_frozen',
      remedy: `They stay as they are until it is synced whole again: entra-sync status ${first.familyId}.`,
    })
  }
  if (result.families.length === 0) {
    throw new EntraSyncError('input', 'There is no tenant whose targets could be resolved.', {
      code: 'no_tenant',
      remedy: '`entra-sync tenants list` shows the tenants, `entra-sync status` what state they are in.',
    })
  }
  return result
}

async function familyOf(db: Kysely<Database>, text: string): Promise<string> {
  const { tenantId } = await findTenant(db, text)
  return (await familyOfTenant(db, tenantId)) ?? tenantId
}

function print(output: Output, outcomes: FamilyOutcome[]): void {
  const count = (title: string, value: (row: FamilyOutcome) => number) =>
    ({ title, value: (row: FamilyOutcome) => number(value(row)), align: 'right' }) as const
  const lines = tableLines<FamilyOutcome>(
    [
      { title: 'Tenant', value: ({ name }) => name },
      { title: 'Outcome', value: ({ outcome }) => outcome },
      count('Assigned', ({ assigned }) => assigned),
      count('Changed', ({ changed }) => changed),
      count('Unassigned', ({ unassigned }) => unassigned),
      count('Held', ({ held }) => held),
      count('Targets', ({ targets }) => targets),
      { title: 'Remark', value: ({ remark }) => remark ?? '' },
    ],
    outcomes,
    output.width,
  )
  for (const line of lines) output.line(line)
}
