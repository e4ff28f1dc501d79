import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { until } from '../jobs/support.ts'
import type { World } from './world.ts'

/** Asks again and again until tables and targets are the truth and no problem is open. */
export async function settled(
  world: World,
  mode: 'delta' | 'full' = 'delta',
  patienceMs = 200_000,
): Promise<void> {
  let left: string[] = []
  let asked = 0
  try {
    await until(
      'everything to be as in the cloud',
      async () => {
        if (performance.now() - asked > 1500) {
          await world.cycle(mode)
          asked = performance.now()
        }
        const problems = await world.openProblems()
        left = [...(await world.differences()), ...problems.map(({ code }) => `problem ${code}`)]
        return left.length === 0
      },
      patienceMs,
    )
  } catch (error) {
    throw new Error(`it did not heal: ${left.slice(0, 12).join('\n')}`, { cause: error })
  }
}

/** For whoever looks into it: what is asked for, who is at it, and the last that the daemon said; all of that in FAULT_LOG. */
export async function whereAllStands({ database: { db }, tap, app }: World): Promise<string[]> {
  const { rows } = await sql<{ row: string }>`
    select row_to_json(r)::text as row from (
      select now(), e.entra_tenant_id, s.state, s.scheduled, e.next_sync_at, e.consecutive_failures, l.worker, l.run_seq, l.expires_at,
        l.throttled_until, r.requested_seq, r.serving_seq, r.served_seq
      from entra_tenants e join tenant_status s using (entra_tenant_id)
      left join sync_leases l using (entra_tenant_id) left join sync_requests r using (entra_tenant_id)) r`.execute(
    db,
  )
  const log = process.env['FAULT_LOG']
  if (log !== undefined) await writeFile(log, tap.lines.join('\n'))
  const jobs = await Promise.race([
    app.queues.sync.getJobCounts().then((counts) => JSON.stringify(counts)),
    sleep(2000).then(() => 'the queue does not answer'),
  ])
  return [...rows.map(({ row }) => row), jobs, ...tap.lines.slice(-60).map((line) => line.slice(0, 600))]
}
