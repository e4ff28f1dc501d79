import type { Kysely } from 'kysely'
import { proveConsent, type Proof } from '../consent/grants/prove.ts'
import type { Database } from '../db/tables.ts'
import { describeError, isEntraSyncError } from '../errors.ts'
import type { ConfiguredGraph } from '../graph-of-config.ts'
import { syncNow } from '../jobs/enqueue.ts'
import { actorOfCommand } from './actor.ts'
import { withQueues, type CommandContext } from './context.ts'
import { printable } from './text.ts'

/** What came of the try to begin, for --json. */
export interface FirstSync {
  consent: Proof['status']
  missingRoles: string[]
  /** A sync was asked for. */
  syncing: boolean
  /** The command that comes next. */
  next: string
}

/**
 * After an Entra tenant was linked: proves consent, and where it is there asks for the first sync at once; else says
 * which command comes next. Nothing here undoes the link: what fails is told, and the daemon tries again by itself.
 */
export async function beginFirstSync(
  context: CommandContext,
  db: Kysely<Database>,
  databaseUrl: string,
  graph: ConfiguredGraph,
  entraTenantId: string,
): Promise<FirstSync> {
  const { output, log, signal } = context
  const tell = (result: FirstSync, ...lines: string[]): FirstSync => {
    for (const line of lines) output.line(line)
    return result
  }
  const none = { consent: null, missingRoles: [], syncing: false }
  let proof: Proof
  try {
    proof = await proveConsent({ db, graph, log }, entraTenantId, { method: 'check_now', signal })
  } catch (error) {
    if (!isEntraSyncError(error, 'config')) throw error
    const next = `entra-sync permission-level ${entraTenantId}`
    return tell({ ...none, next }, `No app can read it yet: ${printable(error.message)}`, `Next: ${next}`)
  }
  const { status, missingRoles } = proof
  if (proof.error !== undefined) {
    const next = 'entra-sync doctor'
    const why = `Consent could not be proved: ${printable(describeError(proof.error))}`
    return tell({ ...none, consent: status, next }, why, `Next: ${next}`)
  }
  if (status === 'granted') {
    const syncing = await askForSync(context, db, databaseUrl, entraTenantId)
    const next = 'entra-sync status'
    return tell(
      { consent: status, missingRoles, syncing, next },
      'Consent is there.',
      ...(syncing ? ['Its first sync is asked for; the daemon (entra-sync run) takes it.'] : []),
      `Next: ${next}`,
    )
  }
  const next = `entra-sync consent url ${entraTenantId}`
  const missing = missingRoles.length === 0 ? '' : `, ${missingRoles.join(', ')} missing`
  return tell(
    { consent: status, missingRoles, syncing: false, next },
    `Consent is not there yet (${status ?? 'not proved'}${missing}).`,
    `Next: ${next}`,
  )
}

async function askForSync(
  context: CommandContext,
  db: Kysely<Database>,
  databaseUrl: string,
  entraTenantId: string,
): Promise<boolean> {
  try {
    await withQueues(context, databaseUrl, (queues) =>
      syncNow(db, queues, { entraTenantId, requestedBy: actorOfCommand() }),
    )
    return true
  } catch (error) {
    if (!isEntraSyncError(error, 'queue') && !isEntraSyncError(error, 'input')) throw error
    context.output.notice(`No sync was asked for now, it is due by itself: ${describeError(error)}`)
    return false
  }
}
