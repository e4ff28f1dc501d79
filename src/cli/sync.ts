import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { syncNow } from '../jobs/enqueue.ts'
import type { Queues } from '../jobs/queues.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, withQueues, type CommandContext, type Output } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'
import { tableLines } from './table.ts'
import { number, printable } from './text.ts'
import { watchSync, type Asked, type Outcome } from './watch-sync.ts'

export interface SyncRequest {
  /** What the operator typed, or all that are scheduled. */
  tenants: string[] | 'all'
  full: boolean
  wait: boolean
}

/**
 * `sync`: writes the requests and wakes the workers; with --wait watches until each is served. Exit codes: 0 done, 1 a
 * run failed, 3 a run ended held or partial.
 */
export function sync(context: CommandContext, request: SyncRequest): Promise<number> {
  const { output, signal } = context
  return withDatabase(context, async (db, url) => {
    const tenants = request.tenants === 'all' ? await scheduled(db) : await findAll(db, request.tenants)
    if (tenants.length === 0) throw await nothingScheduled(db)
    return withQueues(context, url, async (queues) => {
      const since = (await sql<{ now: Date }>`select now()`.execute(db)).rows[0]?.now ?? new Date()
      const asked: Asked[] = []
      for (const { entraTenantId, name } of tenants) {
        const mode = request.full ? 'full' : 'delta'
        const { requestSeq } = await syncNow(db, queues, {
          entraTenantId,
          mode,
          requestedBy: actorOfCommand(),
        })
        asked.push({ entraTenantId, name, requestSeq })
      }
      const count = asked.length === 1 ? (asked[0]?.name ?? '') : `${asked.length} Entra tenants`
      if (!request.wait) {
        output.line(`Asked for a sync of ${count}.`)
        if (await withoutWorker(queues)) output.notice(`${noWorker} ${kept}`)
        output.document({ requested: asked })
        return 0
      }
      if (await withoutWorker(queues)) throw noWorkerError()
      const missing = () => withoutWorker(queues)
      const outcomes = await watchSync({ db, asked, since, missing, noWorker: noWorkerError, output, signal })
      printOutcomes(output, outcomes)
      output.document({ runs: outcomes })
      return exitCodeOf(outcomes)
    })
  })
}

const noWorker = 'No worker is running.'
const kept = 'The request is kept and served as soon as one does: entra-sync run.'

function noWorkerError(): EntraSyncError {
  return new EntraSyncError('queue', noWorker, { code: 'no_worker', remedy: kept })
}

/** Workers announce themselves to the queue by their connection, on either backend: what counts is who is there now. */
async function withoutWorker(queues: Queues): Promise<boolean> {
  return (await queues.sync.getWorkersCount()) === 0
}

function exitCodeOf(outcomes: Outcome[]): number {
  const ended = (...kinds: string[]) => outcomes.some(({ outcome }) => kinds.includes(outcome))
  if (ended('failed', 'stopped')) return 1
  return ended('held', 'partial') ? 3 : 0
}

async function findAll(db: Kysely<Database>, texts: string[]) {
  const found = await Promise.all(texts.map((text) => findEntraTenant(db, text)))
  const unscheduled = found.find((tenant) => !tenant.scheduled)
  if (unscheduled) {
    throw new EntraSyncError(
      'input',
      `${unscheduled.name} is not scheduled: its state is ${unscheduled.state}.`,
      {
        code: 'tenant_not_scheduled',
        remedy: remedyOf(unscheduled.state, unscheduled.entraTenantId),
      },
    )
  }
  return [...new Map(found.map((tenant) => [tenant.entraTenantId, tenant])).values()]
}

async function nothingScheduled(db: Kysely<Database>): Promise<EntraSyncError> {
  const { rows } = await sql`select from entra_sync.entra_tenants limit 1`.execute(db)
  return new EntraSyncError('input', 'No Entra tenant is scheduled.', {
    code: 'no_tenant',
    remedy:
      rows.length === 0
        ? 'Make the first one: entra-sync init; then entra-sync customers import.'
        : '`entra-sync status` shows why; where consent is missing: entra-sync consent url ID.',
  })
}

function remedyOf(state: string, entraTenantId: string): string {
  switch (state) {
    case 'paused':
      return `Run entra-sync resume ${entraTenantId} first.`
    case 'offboarded':
      return `An operator offboarded it. If it is to be synced again after all: entra-sync resume ${entraTenantId}.`
    case 'consent_required':
      return `Its admin has to consent first. Make a link for them: entra-sync consent url ${entraTenantId}`
    default:
      return `entra-sync status ${entraTenantId} tells more.`
  }
}

async function scheduled(db: Kysely<Database>): Promise<{ entraTenantId: string; name: string }[]> {
  const { rows } = await sql<{ entraTenantId: string; name: string }>`
    select entra_tenant_id as "entraTenantId",
      coalesce(display_name, default_domain, entra_tenant_id::text) as name
    from entra_sync.tenant_status where scheduled order by lower(display_name)`.execute(db)
  return rows.map(({ entraTenantId, name }) => ({ entraTenantId, name: printable(name) }))
}

function printOutcomes(output: Output, outcomes: Outcome[]): void {
  const lines = tableLines<Outcome>(
    [
      { title: 'Entra tenant', value: ({ name }) => name },
      { title: 'Outcome', value: ({ outcome }) => outcome },
      { title: 'Mode', value: ({ mode }) => mode ?? '–' },
      { title: 'Added', value: ({ added }) => number(added), align: 'right' },
      { title: 'Changed', value: ({ changed }) => number(changed), align: 'right' },
      { title: 'Removed', value: ({ removed }) => number(removed), align: 'right' },
      { title: 'Requests', value: ({ requests }) => number(requests), align: 'right' },
      { title: 'Seconds', value: ({ seconds }) => seconds?.toFixed(1) ?? '–', align: 'right' },
      { title: 'Remark', value: ({ remark }) => remark ?? '' },
    ],
    outcomes,
    output.width,
  )
  for (const line of lines) output.line(line)
}
