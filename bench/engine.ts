import { pino } from 'pino'
import { openDatabase } from '../src/db/connection.ts'
import { createGraph } from '../src/graph/graph.ts'
import { requestSync } from '../src/sync/requests.ts'
import { defaultTimings, runSync } from '../src/sync/run.ts'
import type { BaselineTarget } from './baseline.ts'

const day = 24 * 60 * 60 * 1000

/** One sync of one tenant by the real engine, as a worker does it, without the queue around it. */
export async function engineSync(target: BaselineTarget): Promise<void> {
  const db = openDatabase(target.databaseUrl)
  const log = pino({ level: 'silent' })
  const graph = createGraph({
    cloud: { loginUrl: target.origin, graphUrl: target.origin },
    appFor: async () => ({ clientId: target.clientId, secret: target.clientSecret }),
    log,
  })
  try {
    await db
      .insertInto('entra_tenants')
      .values({ entra_tenant_id: target.entraTenantId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    await requestSync(db, { entraTenantId: target.entraTenantId, requestedBy: 'bench', priority: 10 })
    const result = await runSync(
      {
        db,
        graphFor: graph.forTenant,
        log,
        worker: 'bench',
        timings: { ...defaultTimings, sliceMs: day },
        guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
        appIdFor: () => target.clientId,
        intervals: { syncMs: day, reconcileMs: day },
      },
      target.entraTenantId,
    )
    if (result.status !== 'finished' || result.outcome !== 'succeeded') {
      throw new Error(`the sync ended ${result.outcome ?? result.status}`, { cause: result.error })
    }
  } finally {
    graph.close()
    await db.destroy()
  }
}
