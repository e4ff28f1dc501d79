import type { Kysely } from 'kysely'
import { checkApp, type AppCheck } from '../consent/apps/check-app.ts'
import type { Database } from '../db/tables.ts'
import { openKeyRing } from '../key-ring.ts'
import { isEntraSyncError } from '../errors.ts'
import type { CommandContext } from './context.ts'
import { withGraph } from './graph.ts'

/** A command does not wait longer for what is told beside it. */
const patienceMs = 20_000

/** Checks the registration of the app that reads an Entra tenant; null = Microsoft does not answer in time. */
export async function checkRegistration(
  context: CommandContext,
  db: Kysely<Database>,
  entraTenantId: string,
): Promise<AppCheck | null> {
  const { config, log, signal } = context
  const ring = await openKeyRing(config)
  const timeout = AbortSignal.timeout(patienceMs)
  try {
    return await withGraph(context, db, (graph) =>
      checkApp(
        {
          db,
          graph,
          ring,
          log,
          redirectUri: `${config.http.publicUrl}/consent-callback`,
          defaultApp: config.defaultApp,
        },
        entraTenantId,
        AbortSignal.any([signal, timeout]),
      ),
    )
  } catch (error) {
    signal.throwIfAborted()
    if (timeout.aborted || isEntraSyncError(error, 'aborted')) return null
    throw error
  }
}
